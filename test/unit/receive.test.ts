// What a node announces and another receives, over channels that break at any moment: in the end all know the same versions, nothing a
// sender made up is stored, and what a node says it knows it does know.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { create } from '@bufbuild/protobuf'
import fc from 'fast-check'

import { present } from '../../engine/base/assert.ts'
import { equalBytes } from '../../engine/base/bytes.ts'
import { EngineError } from '../../engine/base/errors.ts'
import { shortKeyOf } from '../../engine/index/columns.ts'
import { encodeEntry, isPreferred, type Entry } from '../../engine/model/entry.ts'
import { isKnown } from '../../engine/model/known.ts'
import { compareVectors, joinVectors, type VersionVector } from '../../engine/model/vector.ts'
import { SubscribeSchema, type Batch } from '../../engine/model/wire/exchange_pb.ts'
import { announceTo, FolderNews } from '../../engine/sync/announce.ts'
import { writeEntries } from '../../engine/sync/author.ts'
import { receiveIndexFrame } from '../../engine/sync/exchange-frames.ts'
import { entryIdOfPath } from '../../engine/sync/folder-handle.ts'
import { batchEntriesMax, receiveBatch } from '../../engine/sync/receive.ts'
import { never, stillClock, testFolder } from '../support/blocks.ts'
import { firstBatch, pass, subscription } from '../support/exchange-pass.ts'
import { channelPair, IndexNode, pathOf } from '../support/index-world.ts'
import { deletedEntry, fileEntry } from '../support/model-values.ts'
import { authorOf } from '../support/replicas.ts'

/** Everything of an author that is known here is here, or something that has seen it. */
function assertHeadsAreTrue(node: IndexNode, all: readonly IndexNode[]): void {
  for (const { authorId, known } of node.index.entries.authors(node.handle.row)) {
    const author = present(
      all.find((other) => equalBytes(other.handle.authorId, authorId)),
      'authors are nodes',
    )
    const self = author.index.entries.author(author.handle.row, authorId)
    for (const path of paths) {
      const entryId = entryIdOfPath(node.handle, pathOf(path))
      const vectors = node.index.entries.siblings(node.handle.row, entryId).map((sibling) => sibling.entry.vector)
      const seen = vectors.reduce(joinVectors, [])
      for (const { entry, seq, author: row } of author.index.entries.siblings(author.handle.row, entryId)) {
        if (row !== self?.row || !isKnown(known, seq)) continue
        assert.ok(['before', 'equal'].includes(compareVectors(entry.vector, seen)), `number ${seq} is said to be known, and is not`)
      }
    }
  }
}

const paths = ['a', 'b', 'c/d', 'e']

describe('entries passed from node to node', () => {
  it('are known to all in the end, however the connections break and whoever relays', async () => {
    const step = fc.oneof(
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constant('write' as const),
          node: fc.nat(2),
          path: fc.constantFrom(...paths),
          text: fc.constantFrom('x', 'y', undefined),
        }),
      },
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constant('pass' as const),
          from: fc.nat(2),
          to: fc.nat(2),
          batches: fc.constantFrom(0, 1, 2),
          entries: fc.constantFrom(1, 2, 1000),
        }),
      },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 16 }), async (steps) => {
        using first = new IndexNode(0)
        using second = new IndexNode(1)
        using third = new IndexNode(2)
        const nodes = [first, second, third]
        for (const each of steps) {
          if (each.kind === 'write') present(nodes[each.node], 'a node').write(each.path, each.text)
          else if (each.from !== each.to) await pass(present(nodes[each.from], 'a node'), present(nodes[each.to], 'a node'), each)
          for (const node of nodes) assertHeadsAreTrue(node, nodes)
        }
        // A chain, there and back: first and third never meet.
        for (const [from, to] of [
          [0, 1],
          [1, 2],
          [2, 1],
          [1, 0],
        ] as const)
          await pass(present(nodes[from], 'a node'), present(nodes[to], 'a node'))
        assert.equal(second.print(), first.print())
        assert.equal(third.print(), first.print())
      }),
      { numRuns: 60, seed: 1 },
    )
  })

  it('are all there when the sender dies between a superseded entry and the one that supersedes it', async () => {
    using author = new IndexNode(0)
    using other = new IndexNode(1)
    using relay = new IndexNode(2)
    using last = new IndexNode(3)
    const others = Array.from({ length: batchEntriesMax }, (_, at) => ({ path: `f${at}`, text: '', base: [] }))
    author.writeAll([{ path: 'a', text: 'one', base: [] }, ...others])
    await pass(author, other)
    await pass(author, relay)
    // The author's first entry is gone at the other, which dies after a batch of later ones: what supersedes it would have come after.
    other.write('a', 'two')
    await pass(other, last, { batches: 1, entries: Infinity })
    const known = (): number => last.index.entries.siblings(last.handle.row, entryIdOfPath(last.handle, pathOf('a'))).length
    assert.ok(last.index.needs.count(last.handle.row) > 0 && known() === 0)
    await pass(relay, last)
    assert.equal(known(), 1, 'the relay sends the entry that the dead sender had no more')
  })

  it('are not sent again where they are known already', async () => {
    using author = new IndexNode(0)
    using relay = new IndexNode(1)
    using last = new IndexNode(2)
    for (const path of paths) author.write(path, 'one')
    await pass(author, relay)
    await pass(author, last)
    const batch = await firstBatch(relay, last)
    assert.equal(batch.entries.length, 0)
    assert.ok(batch.caughtUp)
  })

  it('go in batches of a bounded number, and only the last says that it is the last', async () => {
    using author = new IndexNode(0)
    using other = new IndexNode(1)
    const count = batchEntriesMax + 5
    author.writeAll(Array.from({ length: count }, (_, at) => ({ path: `f${at}`, text: '', base: [] })))
    const batch = await firstBatch(author, other)
    assert.ok(batch.entries.length > 0 && batch.entries.length <= batchEntriesMax)
    assert.equal(batch.caughtUp, false)
    assert.equal(batch.heads.length, 0)
    await pass(author, other)
    assert.equal(other.index.needs.count(other.handle.row), count)
    assert.equal(other.print(), author.print())
  })

  it('are told once they are flushed, and heads when everything is', async () => {
    using author = new IndexNode(0)
    using other = new IndexNode(1)
    author.write('a', 'one')
    author.index.transact(() => writeEntries(author.index, author.handle, [author.draft('b', 'one', [])], 1))
    const pair = channelPair(author.peer, other.peer, 'test')
    const ending = new AbortController()
    const news = new FolderNews()
    const announcement = {
      index: author.index,
      folderRow: author.handle.row,
      self: author.handle.authorId,
      clock: stillClock,
      news,
      others: () => [],
    }
    const announcing = announceTo(pair.left, announcement, subscription(other, author), ending.signal).catch((error: unknown) => error)
    const first = await receiveIndexFrame(pair.right, never)
    assert.ok(first?.case === 'batch')
    assert.deepEqual([first.value.entries.length, first.value.caughtUp, first.value.heads.length], [1, false, 0])
    assert.equal((await receiveIndexFrame(pair.right, never))?.case, 'have', 'nothing more of the index meanwhile')
    author.flush()
    news.ring()
    const second = await receiveIndexFrame(pair.right, never)
    assert.ok(second?.case === 'batch')
    assert.deepEqual([second.value.entries.length, second.value.caughtUp, second.value.heads.length], [1, true, 1])
    ending.abort()
    await announcing
  })

  it('of an index that was made anew are read from its beginning', async () => {
    using author = new IndexNode(0)
    using other = new IndexNode(1)
    author.write('a', 'one')
    other.index.peers.setCursor(other.handle.row, author.peer, { indexId: new Uint8Array(16), position: 400 })
    const pair = channelPair(author.peer, other.peer, 'test')
    const ending = new AbortController()
    const subscribe = create(SubscribeSchema, { indexId: new Uint8Array(16), cursor: 400n, heads: [] })
    const announcement = {
      index: author.index,
      folderRow: author.handle.row,
      self: author.handle.authorId,
      clock: stillClock,
      news: new FolderNews(),
      others: () => [],
    }
    const announcing = announceTo(pair.left, announcement, subscribe, ending.signal).catch((error: unknown) => error)
    const frame = await receiveIndexFrame(pair.right, never)
    ending.abort()
    assert.ok(frame?.case === 'batch' && frame.value.entries.length === 1)
    assert.ok((await announcing) instanceof EngineError)
  })
})

const seenByAll: VersionVector = [
  { author: authorOf(60), seq: 1 },
  { author: authorOf(61), seq: 2 },
]

/** What a member writes that came to the vector by joining: others did too, and may have written something else. */
function writeJoined(node: IndexNode, text: string | undefined): Uint8Array {
  node.index.transact(() => writeEntries(node.index, node.handle, [{ ...node.draft('a', text, seenByAll), kind: 'join' }], 1))
  return bytesAt(node, 'a')
}

function bytesAt(node: IndexNode, path: string): Uint8Array {
  const rows = node.index.entries.siblings(node.handle.row, entryIdOfPath(node.handle, pathOf(path)))
  assert.equal(rows.length, 1)
  return present(rows[0], 'one version').bytes
}

function largest(all: readonly Uint8Array[]): Uint8Array | undefined {
  return all.toSorted((left, right) => Buffer.compare(left, right)).at(-1)
}

function ordersOf<T>(all: readonly T[]): readonly (readonly T[])[] {
  if (all.length < 2) return [all]
  return all.flatMap((first) => ordersOf(all.filter((other) => other !== first)).map((rest) => [first, ...rest]))
}

describe('of versions with equal vectors', () => {
  it('one is preferred, whichever is asked about first: what lives, then the larger bytes', () => {
    const larger: Entry = { ...fileEntry, sealed: Uint8Array.of(9, 8, 8) }
    const largerDeleted: Entry = { ...deletedEntry, sealed: Uint8Array.of(255, 255, 255) }
    const descending = [larger, fileEntry, largerDeleted, deletedEntry].map((entry) => ({ entry, bytes: encodeEntry(entry) }))
    for (const [at, left] of descending.entries()) {
      for (const [otherAt, right] of descending.entries())
        assert.equal(isPreferred(left.entry, left.bytes, right.entry, right.bytes), at < otherAt, `${at} and ${otherAt}`)
    }
  })

  const rows: readonly (readonly [string, readonly (string | undefined)[], (written: readonly Uint8Array[]) => Uint8Array | undefined])[] =
    [
      ['two that live end as the one of larger bytes', ['one', 'two'], largest],
      ['what lives stays, and what is deleted goes', [undefined, 'one'], ([, living]) => living],
      ['three end as one', ['one', 'two', 'three'], largest],
      ['the living one of three stays', [undefined, 'one', undefined], ([, living]) => living],
    ]
  for (const [what, texts, kept] of rows) {
    it(`${what}, in whatever order they come`, async () => {
      for (const order of ordersOf([...texts.keys()])) {
        using stack = new DisposableStack()
        const nodes = texts.map((_, at) => stack.use(new IndexNode(at)))
        const receiver = stack.use(new IndexNode(texts.length))
        const written = nodes.map((node, at) => writeJoined(node, texts[at]))
        for (const at of order) await pass(present(nodes[at], 'a node'), receiver)
        const expected = present(kept(written), 'one of them')
        assert.deepEqual(bytesAt(receiver, 'a'), expected)
        assert.equal(receiver.index.needs.count(receiver.handle.row), 1)
        // Those that wrote them hear of the others, in the same order, and end alike.
        for (const at of order) for (const node of nodes) if (node !== nodes[at]) await pass(present(nodes[at], 'a node'), node)
        for (const node of nodes) await pass(receiver, node)
        for (const node of nodes) assert.deepEqual(bytesAt(node, 'a'), expected)
      }
    })
  }

  it('one that is not preferred makes nothing needed that was settled', async () => {
    using first = new IndexNode(0)
    using second = new IndexNode(1)
    using receiver = new IndexNode(2)
    writeJoined(first, undefined)
    writeJoined(second, 'one')
    await pass(second, receiver)
    const pathKey = shortKeyOf(entryIdOfPath(receiver.handle, pathOf('a')))
    receiver.index.transact(() => receiver.index.needs.clear(receiver.handle.row, pathKey))
    await pass(first, receiver)
    assert.equal(receiver.index.needs.count(receiver.handle.row), 0)
  })
})

describe('a batch', () => {
  const spoilers: readonly (readonly [string, string, (batch: Batch) => void])[] = [
    ['with an entry that its author did not sign', 'BAD_SIGNATURE', (batch) => present(batch.entries[0], 'one').entry.fill(1, 40, 41)],
    ['with an entry under the hash of another', 'BAD_SIGNATURE', (batch) => (present(batch.entries[0], 'one').position = 1)],
    ['with an entry under a set that is not there', 'BAD_SIGNATURE', (batch) => (present(batch.entries[0], 'one').set = 9)],
    ['with a position past the hashes', 'BAD_SIGNATURE', (batch) => (present(batch.entries[0], 'one').position = 4_000_000)],
    ['with a changed hash', 'BAD_SIGNATURE', (batch) => present(batch.sets[0], 'one').hashes.fill(0, 0, 1)],
    ['with another first number', 'BAD_SIGNATURE', (batch) => (present(batch.sets[0], 'one').firstSeq += 1n)],
    ['with another time', 'BAD_SIGNATURE', (batch) => (present(batch.sets[0], 'one').timeMs += 1n)],
    ['with another incarnation', 'BAD_SIGNATURE', (batch) => present(batch.sets[0], 'one').incarnation.fill(8)],
    [
      'with the key of another node',
      'BAD_SIGNATURE',
      (batch) => present(batch.sets[0], 'one').nodeKey.set(new IndexNode(3).handle.identity.publicKey),
    ],
    ['with a set of a newer format', 'PEER_MISBEHAVED', (batch) => (present(batch.sets[0], 'one').version = 2)],
    ['with a cut signature', 'PEER_MISBEHAVED', (batch) => (present(batch.sets[0], 'one').signature = new Uint8Array(63))],
    ['with a malformed head', 'PEER_MISBEHAVED', (batch) => (present(batch.heads[0], 'one').author = new Uint8Array(3))],
    ['with a head out of range', 'PEER_MISBEHAVED', (batch) => (present(batch.heads[0], 'one').seq = 2n ** 63n)],
    ['with a cursor out of range', 'PEER_MISBEHAVED', (batch) => (batch.cursor = 2n ** 60n)],
    [
      'over the limit',
      'PEER_MISBEHAVED',
      (batch) => (batch.entries = Array.from({ length: batchEntriesMax + 1 }, () => present(batch.entries[0], 'one'))),
    ],
  ]
  for (const [what, code, spoil] of spoilers) {
    it(`${what} is refused, and nothing of it is stored`, async () => {
      using author = new IndexNode(0)
      using other = new IndexNode(1)
      author.writeAll(['a', 'b'].map((path) => ({ path, text: 'one', base: [] })))
      const batch = await firstBatch(author, other)
      spoil(batch)
      const received = receiveBatch(other.parts, author.peer, author.index.indexId, batch, never)
      await assert.rejects(received, (error) => error instanceof EngineError && error.code === code)
      assert.equal(other.print(), '')
      assert.equal(other.index.needs.count(other.handle.row), 0)
      assert.equal(other.index.peers.cursor(other.handle.row, author.peer), undefined)
      assert.deepEqual(other.index.entries.authors(other.handle.row), [])
    })
  }

  it('of a node that may not write is refused', async () => {
    using author = new IndexNode(0)
    using other = new IndexNode(1)
    author.write('a', 'one')
    const batch = await firstBatch(author, other)
    const received = receiveBatch(
      { ...other.parts, membership: { mayWrite: () => false } },
      author.peer,
      author.index.indexId,
      batch,
      never,
    )
    await assert.rejects(received, (error) => error instanceof EngineError && error.code === 'PEER_MISBEHAVED')
    assert.equal(other.print(), '')
  })

  it('of another folder is refused', async () => {
    using author = new IndexNode(0, testFolder(8))
    using other = new IndexNode(1)
    author.write('a', 'one')
    const received = receiveBatch(other.parts, author.peer, author.index.indexId, await firstBatch(author, other), never)
    await assert.rejects(received, (error) => error instanceof EngineError && error.code === 'BAD_SIGNATURE')
  })

  it('may come twice, and older ones later, without effect', async () => {
    using author = new IndexNode(0)
    using other = new IndexNode(1)
    author.write('a', 'one')
    const older = await firstBatch(author, other)
    author.write('a', 'two')
    const newer = await firstBatch(author, other)
    const receive = async (batch: Batch): Promise<number> =>
      await receiveBatch(other.parts, author.peer, author.index.indexId, batch, never)
    assert.equal(await receive(newer), 1)
    assert.equal(await receive(older), 0)
    assert.equal(await receive(newer), 0)
    assert.equal(other.print(), author.print())
    assert.equal(other.index.needs.count(other.handle.row), 1)
  })

  it('leaves out an entry whose author sealed it badly, says so, and stores the rest', async () => {
    using author = new IndexNode(0)
    using other = new IndexNode(1)
    const [good, bad] = [author.draft('a', 'one', []), author.draft('b', 'one', [])]
    author.index.transact(() => writeEntries(author.index, author.handle, [{ ...bad, sealed: good.sealed }, good], 1))
    await pass(author, other)
    assert.equal(other.index.needs.count(other.handle.row), 1)
    assert.deepEqual(
      other.problems.all().map(({ code }) => code),
      ['BAD_ENTRY'],
    )
  })
})
