// What a node takes for known: what came to it, and the word of who may write. Nobody else can keep an entry from it, and what it cannot use it
// does not say it has.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { present } from '../../engine/base/assert.ts'
import { equalBytes } from '../../engine/base/bytes.ts'
import { EngineError } from '../../engine/base/errors.ts'
import { isKnown, type Known } from '../../engine/model/known.ts'
import { writeEntries } from '../../engine/sync/author.ts'
import { entryIdOfPath } from '../../engine/sync/folder-handle.ts'
import { askAgainForUnusable, receiveBatch, type ReceiveParts } from '../../engine/sync/receive.ts'
import { never } from '../support/blocks.ts'
import { firstBatch, pass } from '../support/exchange-pass.ts'
import { IndexNode, pathOf } from '../support/index-world.ts'

/** A receiver to whom everybody may write but these. */
function partsWithHosts(receiver: IndexNode, ...hosts: readonly IndexNode[]): ReceiveParts {
  const keys = hosts.map(({ handle }) => handle.identity.publicKey)
  return { ...receiver.parts, membership: { mayWrite: (key) => !keys.some((host) => equalBytes(host, key)) } }
}

function knownOf(node: IndexNode, author: IndexNode): Known | undefined {
  return node.index.entries.author(node.handle.row, author.handle.authorId)?.known
}

function isHere(node: IndexNode, path: string): boolean {
  return node.index.entries.siblings(node.handle.row, entryIdOfPath(node.handle, pathOf(path))).length > 0
}

describe('what a node knows of an author', () => {
  it('is what came, when a host says more: another member sends what the host withheld', async () => {
    using author = new IndexNode(0)
    using host = new IndexNode(1)
    using last = new IndexNode(2)
    author.writeAll(['a', 'b', 'c', 'd'].map((path) => ({ path, text: 'one', base: [] })))
    await pass(author, host)
    const withheld = await firstBatch(host, last)
    assert.ok(withheld.caughtUp && withheld.heads.length === 1)
    withheld.entries.splice(1, 1)
    await receiveBatch(partsWithHosts(last, host), host.peer, host.index.indexId, withheld, never)
    assert.deepEqual(knownOf(last, author), { seq: 1, above: [{ first: 3, last: 4 }] })
    const rest = await firstBatch(author, last)
    assert.equal(rest.entries.length, 1, 'only what is missing comes')
    await pass(author, last)
    assert.ok(isHere(last, 'b'))
    assert.deepEqual(knownOf(last, author), { seq: 4 })
  })

  it('is what came, when a host has passed it on with what was superseded left out, until one that may write says so', async () => {
    using author = new IndexNode(0)
    using host = new IndexNode(1)
    using last = new IndexNode(2)
    for (const text of ['one', 'two', 'three']) author.write('a', text)
    author.write('b', 'one')
    await pass(author, host)
    assert.deepEqual(knownOf(host, author), { seq: 4 })
    await pass(host, last, undefined, partsWithHosts(last, host))
    assert.deepEqual(knownOf(last, author), { seq: 0, above: [{ first: 3, last: 4 }] })
    await pass(author, last, undefined, partsWithHosts(last, host))
    assert.deepEqual(knownOf(last, author), { seq: 4 })
  })

  it('is without an entry that it cannot use, which it asks for again and says nobody else has from it', async () => {
    using author = new IndexNode(0)
    using other = new IndexNode(1)
    using last = new IndexNode(2)
    const [good, bad, more] = [author.draft('a', 'one', []), author.draft('b', 'one', []), author.draft('c', 'one', [])]
    author.index.transact(() => writeEntries(author.index, author.handle, [good, { ...bad, sealed: good.sealed }, more], 1))
    await pass(author, other)
    assert.deepEqual(knownOf(other, author), { seq: 1, above: [{ first: 3, last: 3 }] })
    await pass(other, last)
    assert.deepEqual(knownOf(last, author), { seq: 1, above: [{ first: 3, last: 3 }] }, 'its word says no more than it has')
    assert.equal((await firstBatch(author, other)).entries.length, 0, 'what came is not sent again in the same life')
    askAgainForUnusable(other.index, other.handle)
    assert.equal((await firstBatch(author, other)).entries.length, 1)
    author.write('b', 'two')
    await pass(author, other)
    assert.deepEqual(knownOf(other, author), { seq: 4 }, 'it was superseded by something that can be used')
    askAgainForUnusable(other.index, other.handle)
    assert.ok(other.index.peers.cursor(other.handle.row, author.peer) !== undefined, 'nothing is asked for where all was of use')
  })
})

describe('scenario T42: of what a member passes on', () => {
  it('what is corrupted, signed by nobody, replayed or left out does no harm, and the rest of the folder is as it was', async () => {
    using author = new IndexNode(0)
    using relay = new IndexNode(1)
    using last = new IndexNode(2)
    author.writeAll(['a', 'b', 'c'].map((path) => ({ path, text: 'one', base: [] })))
    await pass(author, relay)
    await pass(author, last)
    const before = last.print()
    author.writeAll([{ path: 'd', text: 'one', base: [] }])
    author.writeAll([{ path: 'e', text: 'one', base: [] }])
    await pass(author, relay)
    const receive = async (batch: Awaited<ReturnType<typeof firstBatch>>): Promise<number> =>
      await receiveBatch(last.parts, relay.peer, relay.index.indexId, batch, never)
    const corrupted = await firstBatch(relay, last)
    present(corrupted.entries[0], 'one').entry.fill(1, 40, 41)
    const unsigned = await firstBatch(relay, last)
    present(unsigned.sets[0], 'one').signature.fill(0)
    for (const batch of [corrupted, unsigned]) {
      await assert.rejects(receive(batch), (error) => error instanceof EngineError && error.code === 'BAD_SIGNATURE')
      assert.equal(last.print(), before)
    }
    const gap = await firstBatch(relay, last)
    gap.entries.shift()
    gap.heads = []
    assert.equal(await receive(gap), 1)
    assert.equal(await receive(gap), 0, 'a replay')
    const known = present(knownOf(last, author), 'it wrote')
    assert.ok(!isKnown(known, 4) && isKnown(known, 5), 'a number that was left out is not known')
    await pass(author, last)
    assert.equal(last.print(), author.print())
  })

  it('a fork by one author is told, the version that came first stays, and the rest of the folder is as it was', async () => {
    using author = new IndexNode(0)
    using double = new IndexNode(0) // the same keys and incarnation
    using last = new IndexNode(2)
    using next = new IndexNode(3)
    author.write('a', 'one')
    author.write('b', 'one')
    double.write('a', 'something else')
    double.writeAll(['x', 'y'].map((path) => ({ path, text: 'one', base: [] })))
    await pass(author, last)
    const before = last.print()
    using stranger = new IndexNode(4)
    const everything = await firstBatch(double, stranger) // to one that says it knows nothing
    await receiveBatch(last.parts, double.peer, double.index.indexId, everything, never)
    assert.equal(last.print(), before)
    assert.ok(!isHere(last, 'x') && !isHere(last, 'y'), 'numbers that overlap with what is here are of the fork too')
    assert.deepEqual(
      last.problems.all().map(({ code, path }) => [code, path]),
      [['AUTHOR_FORKED', author.peer]],
    )
    await pass(last, next)
    assert.equal(next.print(), before, 'what it passes on holds')
  })
})
