// What a node says that it holds: never what it did not look at, cannot read, has not flushed or has stopped to watch; and when it says so.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { present } from '../../engine/base/assert.ts'
import { bytesKey } from '../../engine/base/bytes.ts'
import { EngineError } from '../../engine/base/errors.ts'
import { entriesOfTree, openReceiptBook } from '../../engine/compose/folder-receipts.ts'
import { claimOf } from '../../engine/replicas/claim.ts'
import { ReceiptBook } from '../../engine/replicas/receipt-book.ts'
import { isStandIn, lackingMax, parseReceipt, signFittingReceipt, type Claim, type Receipt } from '../../engine/replicas/receipt.ts'
import { parseAuthorId, parseEntryId } from '../../engine/model/ids.ts'
import { rangesAboveMax } from '../../engine/model/known.ts'
import { never, stillClock, testFolder } from '../support/blocks.ts'
import { IndexNode } from '../support/index-world.ts'
import { StepClock } from '../support/step-clock.ts'

const folder = testFolder(7)

/** Paths that the node does not claim. */
async function unclaimed(node: IndexNode, paths: readonly string[]): Promise<readonly string[]> {
  const { index, handle, problems } = node
  const missing = (): ReturnType<typeof entriesOfTree> => entriesOfTree(index, handle, problems)
  const parts = { index, folderRow: handle.row, clock: stillClock, missing, comingCount: () => 0 }
  const { lacking } = present(await claimOf(parts, undefined, never), 'a claim')
  const names = new Set(lacking.map(bytesKey))
  const rows = index.entries.page(handle.row, 0, 100)
  return paths.filter((_, at) => names.has(bytesKey(present(rows[at], 'an entry').entry.entryId)))
}

describe('a claim', () => {
  const paths = ['a', 'd/b', 'd/e/c', 'f']
  const troubles: readonly (readonly [string, string, string, readonly string[]])[] = [
    ['a file that cannot be read', 'UNREADABLE', 'a', ['a']],
    ['a file that has become too large', 'FILE_TOO_LARGE', 'f', ['f']],
    ['a file that is being written', 'CHANGING', 'd/b', ['d/b']],
    ['what is in a directory that cannot be read', 'UNREADABLE', 'd', ['d/b', 'd/e/c']],
    ['anything, when the root cannot be read', 'UNREADABLE', '', paths],
  ]
  for (const [what, code, path, expected] of troubles) {
    it(`leaves out ${what}, until it can be vouched for`, async () => {
      using node = new IndexNode(1, folder)
      for (const each of paths) node.putFile(each)
      node.problems.note({ code: 'SPECIAL_FILE', severity: 'warning', path: 'f', text: '', next: '' })
      assert.deepEqual(await unclaimed(node, paths), [])
      node.problems.note({ code, severity: 'error', path, text: '', next: '' })
      assert.deepEqual(await unclaimed(node, paths), expected)
      node.problems.clear(code, path)
      assert.deepEqual(await unclaimed(node, paths), [])
    })
  }

  it('leaves out what is not known to be on the device, and is nothing new where nobody can say what that is', async () => {
    using node = new IndexNode(1, folder)
    for (const path of paths) node.putFile(path)
    const { index, handle } = node
    const author = handle.authorId
    const row = present(index.entries.author(handle.row, author), 'it wrote').row
    const parts = { index, folderRow: handle.row, clock: stillClock, missing: () => [][Symbol.iterator](), comingCount: () => 0 }
    const headsWithout = async (seqs: readonly number[]): Promise<unknown> => {
      const unflushed = async (): Promise<ReadonlyMap<number, readonly number[]>> => await Promise.resolve(new Map([[row, seqs]]))
      return (await claimOf({ ...parts, unflushed }, undefined, never))?.heads
    }
    assert.deepEqual(await headsWithout([3, 4]), [{ author, seq: 2 }])
    assert.deepEqual(await headsWithout([2]), [{ author, seq: 1, above: [{ first: 3, last: 4 }] }])
    assert.deepEqual(await headsWithout([1, 2, 3, 4]), [])
    assert.deepEqual(await headsWithout([]), [{ author, seq: 4 }])
    assert.equal(await claimOf({ ...parts, unflushed: async () => await Promise.resolve(undefined) }, undefined, never), undefined)
  })
})

interface Booked extends Disposable {
  readonly book: ReceiptBook
  readonly clock: StepClock
  /** Sequence numbers as the receipts said them, `none` where they said nothing. */
  readonly said: (number | 'none')[]
  isDiskFull: boolean
  /** Of the next claim; undefined: it cannot say. */
  next: Claim | undefined
  /** What each claim was told that the node said last: the first number, if it did. */
  readonly last: (number | 'none')[]
}

function openBooked(): Booked {
  const node = new IndexNode(1, folder)
  const clock = new StepClock()
  const said: (number | 'none')[] = []
  const last: (number | 'none')[] = []
  const { handle, index } = node
  const stage = {
    clock,
    said,
    last,
    next: undefined as Claim | undefined,
    isDiskFull: false,
    [Symbol.dispose]: () => node[Symbol.dispose](),
  }
  const transact = <T>(work: () => T): T => {
    if (stage.isDiskFull) throw new EngineError('NO_SPACE', 'full')
    return index.transact(work)
  }
  const book: ReceiptBook = new ReceiptBook({
    index: { ...index, transact, indexId: index.indexId, [Symbol.dispose]: () => undefined },
    folder: { row: handle.row, id: folder },
    signer: handle.identity,
    self: handle.identity.peerId,
    clock,
    log: { length: 1, isMember: () => true },
    claim: async (own) => {
      last.push(seqOf(own))
      return await Promise.resolve(stage.next)
    },
    absent: () => [],
    changed: () => said.push(seqOf(book.own)),
  })
  return Object.assign(stage, { book })
}

function seqOf(receipt: Receipt | undefined): number | 'none' {
  return receipt?.parts[0]?.heads.values().next().value?.seq ?? 'none'
}

const author = present(parseAuthorId(Uint8Array.of(1, ...new Uint8Array(15).fill(5))), 'an author')

function claimUpTo(seq: number): Claim {
  return { keep: 'all', parts: [{ layout: new Uint8Array(0), heads: [{ author, seq }], lacking: [] }] }
}

describe('the receipts that a node writes', () => {
  it('come when something changed, at most one a second, and never the same twice', async () => {
    using stage = openBooked()
    const ending = new AbortController()
    const running = stage.book.run(ending.signal)
    stage.next = claimUpTo(1)
    await stage.clock.pass(0)
    assert.deepEqual(stage.said, [1])
    stage.next = claimUpTo(2)
    stage.book.wake()
    await stage.clock.pass(900)
    assert.deepEqual(stage.said, [1], 'too soon')
    stage.next = claimUpTo(3)
    await stage.clock.pass(100)
    assert.deepEqual(stage.said, [1, 3])
    stage.book.wake()
    await stage.clock.pass(1000)
    await stage.clock.pass(1000)
    assert.deepEqual(stage.said, [1, 3], 'nothing new to say')
    stage.next = claimUpTo(4)
    await stage.clock.pass(60_000)
    assert.deepEqual(stage.said, [1, 3, 4], 'nobody rang')
    ending.abort()
    await assert.rejects(running, { code: 'ABORTED' })
  })

  it('stand while it cannot say, and are withdrawn when nobody looks any more', async () => {
    using stage = openBooked()
    const ending = new AbortController()
    stage.next = claimUpTo(1)
    const running = stage.book.run(ending.signal)
    await stage.clock.pass(0)
    stage.next = undefined
    stage.book.wake()
    await stage.clock.pass(2000)
    assert.deepEqual(stage.said, [1])
    ending.abort()
    await assert.rejects(running, { code: 'ABORTED' })
    stage.book.withdraw()
    stage.book.withdraw()
    assert.deepEqual(stage.said, [1, 'none'])
    const again = stage.book.run(never)
    stage.next = claimUpTo(1)
    await stage.clock.pass(0)
    assert.deepEqual(stage.said, [1, 'none', 1])
    again.catch(() => undefined) // it waits for ever
  })

  it('are withdrawn on a full disk too, which is mostly why a folder stops', async () => {
    using stage = openBooked()
    const ending = new AbortController()
    stage.next = claimUpTo(1)
    const running = stage.book.run(ending.signal)
    await stage.clock.pass(0)
    ending.abort()
    await assert.rejects(running, { code: 'ABORTED' })
    stage.isDiskFull = true
    stage.book.withdraw()
    assert.deepEqual(stage.said, [1, 'none'])
  })

  it('come after one of this node that it has forgotten, and are not built on it', async () => {
    using stage = openBooked()
    using node = new IndexNode(1, folder)
    const later = signFittingReceipt(node.handle.identity, folder, claimUpTo(9), { edition: 10 ** 9, logLength: 1, timeMs: 5 })
    stage.next = claimUpTo(1)
    const ending = new AbortController()
    const running = stage.book.run(ending.signal)
    await stage.clock.pass(0)
    stage.book.take(later)
    await stage.clock.pass(1000)
    await stage.clock.pass(1000)
    assert.deepEqual(stage.said, [1, 1])
    assert.deepEqual(stage.last, ['none', 'none'], 'nor on what was said before that, which it may have taken back')
    assert.ok((stage.book.own?.edition ?? 0) > 10 ** 9)
    ending.abort()
    await assert.rejects(running, { code: 'ABORTED' })
  })
})

describe('the receipt of a folder', () => {
  it('claims nothing when changes came to be held back while files were flushed for it, and says nothing where it cannot by then', async () => {
    for (const [later, expected] of [
      ['no', [[]]],
      ['unknown', undefined],
    ] as const) {
      using node = new IndexNode(1, folder)
      node.putFile('a')
      const { index, handle } = node
      const { identity } = handle
      const clock = new StepClock()
      let say: 'yes' | 'no' | 'unknown' = 'yes'
      const ownFiles = {
        settle: async () => {
          say = later
          await Promise.resolve()
        },
        unflushedSeqs: async () => await Promise.resolve(new Map()),
      }
      const world = { index, identity, network: { self: identity.peerId }, world: { clock } }
      const book = openReceiptBook(world, {
        handle,
        log: { length: 1, isMember: () => true },
        changed: () => undefined,
        canSay: () => say,
        missing: () => entriesOfTree(index, handle, node.problems),
        comingCount: () => 0,
        ownFiles,
        kept: () => ({ keep: 'all', layout: new Uint8Array(0), isOldHeld: false }),
        absent: () => [],
      })
      const ending = new AbortController()
      const running = book.run(ending.signal)
      await clock.pass(0)
      assert.deepEqual(
        book.own?.parts.map(({ heads }) => [...heads]),
        expected,
      )
      ending.abort()
      await assert.rejects(running, { code: 'ABORTED' })
    }
  })

  it('names what is held for others beside the share, and only there and for as long as that is so', async () => {
    using node = new IndexNode(1, folder)
    node.putFile('a')
    const { index, handle } = node
    const { authorId, identity } = handle
    const clock = new StepClock()
    let keep: 'share' | 'all' = 'share'
    let isStandingIn = true
    const world = { index, identity, network: { self: identity.peerId }, world: { clock } }
    const book = openReceiptBook(world, {
      handle,
      log: { length: 1, isMember: () => true },
      changed: () => undefined,
      canSay: () => 'yes',
      missing: () => [][Symbol.iterator](),
      comingCount: () => 0,
      kept: () => ({ keep, layout: Uint8Array.of(1, 2), isOldHeld: true }),
      standIn: () => ({ heads: isStandingIn ? [{ author: authorId, seq: 0, above: [{ first: 5, last: 6 }] }] : [], lacking: [] }),
      absent: () => [],
    })
    const ending = new AbortController()
    const running = book.run(ending.signal)
    const said = async (): Promise<readonly boolean[]> => {
      book.wake()
      await clock.pass(2000)
      await clock.pass(2000)
      return present(book.own, 'a receipt').parts.map(isStandIn)
    }
    assert.deepEqual(await said(), [false, true])
    keep = 'all'
    assert.deepEqual(await said(), [false])
    keep = 'share'
    assert.deepEqual(await said(), [false, true])
    isStandingIn = false
    assert.deepEqual(await said(), [false])
    ending.abort()
    await assert.rejects(running, { code: 'ABORTED' })
  })
})

describe('the word of a node that has forgotten it', () => {
  it('is withdrawn like any other', () => {
    using stage = openBooked()
    using node = new IndexNode(1, folder)
    const later = signFittingReceipt(node.handle.identity, folder, claimUpTo(9), { edition: 10 ** 9, logLength: 1, timeMs: 5 })
    stage.book.take(later)
    stage.book.withdraw()
    const { parts, edition } = present(stage.book.own, 'a receipt')
    assert.deepEqual(parts, [])
    assert.ok(edition > 10 ** 9)
  })
})

describe('a receipt that would be too long', () => {
  using node = new IndexNode(1, folder)
  const when = { edition: 1, logLength: 1, timeMs: 5 }
  const id = (number: number): ReturnType<typeof parseEntryId> =>
    parseEntryId(Uint8Array.of(1, number % 256, number >> 8, ...new Uint8Array(30)))
  const authorOf = (number: number): typeof author =>
    present(parseAuthorId(Uint8Array.of(1, number % 256, number >> 8, ...new Uint8Array(13))), 'an author')
  const above = Array.from({ length: rangesAboveMax }, (_, number) => ({ first: 2 * number + 3, last: 2 * number + 3 }))
  const signed = (claim: Claim): ReturnType<typeof parseReceipt> =>
    parseReceipt(signFittingReceipt(node.handle.identity, folder, claim, when), folder)

  it('says less: no earlier placements, then no numbers with holes', () => {
    const wide = {
      layout: new Uint8Array(0),
      heads: Array.from({ length: 40 }, (_, number) => ({ author: authorOf(number), seq: 1, above })),
      lacking: [],
    }
    const receipt = present(signed({ keep: 'all', parts: [wide, { ...wide, layout: Uint8Array.of(1) }] }), 'a receipt')
    assert.equal(receipt.parts.length, 1)
    const wider = { ...wide, heads: Array.from({ length: 200 }, (_, number) => ({ author: authorOf(number), seq: 1, above })) }
    const [part] = present(signed({ keep: 'all', parts: [wider] }), 'a receipt').parts
    assert.equal(part?.heads.size, 200)
    assert.deepEqual(part.heads.values().next().value, { seq: 1 })
  })

  it('never says that it has what it cannot name as lacking', () => {
    const lacking = Array.from({ length: lackingMax + 1 }, (_, number) => present(id(number), 'an id'))
    const receipt = present(
      signed({ keep: 'all', parts: [{ layout: new Uint8Array(0), heads: [{ author, seq: 5 }], lacking }] }),
      'a receipt',
    )
    assert.deepEqual(receipt.parts, [])
  })
})
