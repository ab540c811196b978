// What every block store must do (engine/blocks/store.ts). Run on the segment store and on the one in memory.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { compareBytes, toHex } from '../../engine/base/bytes.ts'
import { EngineError, type ErrorCode } from '../../engine/base/errors.ts'
import { blockOverheadBytes } from '../../engine/blocks/allowances.ts'
import { blockIdOf } from '../../engine/crypto/seal.ts'
import type { BlockId } from '../../engine/model/ids.ts'
import type { BlockStore } from '../../engine/blocks/store.ts'
import { testBlock, testBytes, testFolder } from '../support/blocks.ts'

/** `open` gives a new empty store; the suite disposes of it. */
export function blockStoreSuite(name: string, open: () => Promise<BlockStore>): void {
  describe(`BlockStore: ${name}`, () => {
    const test = (title: string, body: (store: BlockStore) => Promise<void>): void => {
      it(title, async () => {
        await using store = await open()
        await body(store)
      })
    }
    contentTests(test)
    listTests(test)
    limitTests(test)
    lifeCycleTests(test)
  })
}

type Test = (title: string, body: (store: BlockStore) => Promise<void>) => void

function isCode(code: ErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof EngineError && error.code === code
}

const folder = testFolder(1)
const otherFolder = testFolder(2)

function contentTests(test: Test): void {
  test('a block that was put is there, and its bytes are what was put', async (store) => {
    for (const [seed, lengthBytes] of [0, 1, 300, 4096, 131_072, 1_048_592].entries()) {
      const block = testBlock(seed, lengthBytes)
      assert.equal(store.has(folder, block.id), false)
      assert.equal(await store.get(folder, block.id), undefined)
      await store.put([block])
      assert.equal(store.has(folder, block.id), true)
      assert.deepEqual(await store.get(folder, block.id), block.bytes)
    }
  })

  test('what is done to the bytes after put, or to what get gave, does not reach the store', async (store) => {
    const block = testBlock(1)
    const original = block.bytes.slice()
    await store.put([block])
    block.bytes.fill(0)
    const got = await store.get(folder, block.id)
    assert.deepEqual(got, original)
    got?.fill(7)
    assert.deepEqual(await store.get(folder, block.id), original)
  })

  test('a block belongs to the folder it was put for, and to no other', async (store) => {
    const block = testBlock(1)
    await store.put([block])
    assert.equal(store.has(otherFolder, block.id), false)
    assert.equal(store.sizeOf(otherFolder, block.id), undefined)
    assert.equal(store.sizeOf(folder, block.id), block.bytes.length)
    assert.equal(await store.get(otherFolder, block.id), undefined)
    await store.put([{ ...block, folder: otherFolder }])
    await store.remove(folder, [block.id])
    assert.equal(store.has(folder, block.id), false)
    assert.deepEqual(await store.get(otherFolder, block.id), block.bytes)
  })

  test('putting a block again changes nothing', async (store) => {
    const block = testBlock(1)
    await store.put([block])
    const before = store.totals()
    await store.put([block, block])
    assert.deepEqual(store.totals(), before)
  })

  test('a block that is twice in one call is stored once', async (store) => {
    await store.put([testBlock(1), testBlock(2), testBlock(1)])
    assert.equal(store.totals().blocks, 2)
  })

  test('a block whose bytes do not match its id is refused, and the whole call with it', async (store) => {
    const good = testBlock(1)
    const bad = { ...testBlock(2), bytes: testBytes(3, 300) }
    await assert.rejects(store.put([good, bad]), isCode('BAD_BLOCK'))
    assert.equal(store.has(folder, good.id), false)
    assert.equal(store.totals().blocks, 0)
  })

  test('a block beyond the size limit is refused', async (store) => {
    const bytes = new Uint8Array(8 * 1024 * 1024 + 1)
    await assert.rejects(store.put([{ folder, id: blockIdOf(bytes), bytes }]), isCode('BAD_BLOCK'))
  })

  test('puts at the same time, of the same and of different blocks, are all acknowledged and all there', async (store) => {
    const blocks = Array.from({ length: 40 }, (_, seed) => testBlock(seed % 25))
    await Promise.all(blocks.map((block) => store.put([block])))
    for (const block of blocks) assert.deepEqual(await store.get(folder, block.id), block.bytes)
    assert.equal(store.totals().blocks, 25)
  })

  test('one call with more blocks than a group takes stores them all', async (store) => {
    const blocks = Array.from({ length: 150 }, (_, seed) => testBlock(seed, 50))
    await store.put(blocks)
    for (const block of blocks) assert.equal(store.has(folder, block.id), true)
  })

  test('a removed block is gone, and can be put again', async (store) => {
    const [one, two] = [testBlock(1), testBlock(2)]
    await store.put([one, two])
    await store.remove(folder, [one.id, one.id, testBlock(3).id])
    assert.equal(store.has(folder, one.id), false)
    assert.equal(await store.get(folder, one.id), undefined)
    assert.deepEqual(await store.get(folder, two.id), two.bytes)
    await store.put([one])
    assert.deepEqual(await store.get(folder, one.id), one.bytes)
  })

  test('calls that are not waited for count in the order they were made', async (store) => {
    const block = testBlock(1)
    await Promise.all([store.put([block]), store.remove(folder, [block.id]), store.put([block])])
    assert.equal(store.has(folder, block.id), true)
    await Promise.all([store.remove(folder, [block.id]), store.put([block]), store.remove(folder, [block.id])])
    assert.equal(store.has(folder, block.id), false)
  })

  test('empty calls do nothing', async (store) => {
    await store.put([])
    await store.remove(folder, [])
    assert.equal(store.totals().blocks, 0)
  })
}

function listTests(test: Test): void {
  test('pages give every id of the folder once, in ascending order', async (store) => {
    const ids = Array.from({ length: 60 }, (_, seed) => testBlock(seed, 20)).toSorted((left, right) => compareBytes(left.id, right.id))
    await store.put(ids)
    await store.put([testBlock(99, 20, otherFolder)])
    for (const limit of [1, 7, 60, 1000]) {
      const seen: BlockId[] = []
      for (;;) {
        const page = store.list(folder, seen.at(-1), limit)
        assert.ok(page.length <= limit)
        if (page.length === 0) break
        seen.push(...page)
      }
      assert.deepEqual(
        seen.map((id) => toHex(id)),
        ids.map((block) => toHex(block.id)),
      )
    }
  })

  test('a page starts behind an id that is not there, too', async (store) => {
    const blocks = [testBlock(1), testBlock(2), testBlock(3)].toSorted((left, right) => compareBytes(left.id, right.id))
    await store.put(blocks)
    const [first, second, third] = blocks.map((block) => block.id)
    assert.ok(first !== undefined && second !== undefined && third !== undefined)
    await store.remove(folder, [second])
    assert.deepEqual(store.list(folder, second, 10), [third])
    assert.deepEqual(store.list(folder, third, 10), [])
    assert.deepEqual(store.list(testFolder(9), undefined, 10), [])
  })

  test('totals follow puts and removals', async (store) => {
    assert.deepEqual({ ...store.totals(), diskBytes: 0 }, { blocks: 0, payloadBytes: 0, diskBytes: 0 })
    await store.put([testBlock(1, 100), testBlock(2, 1000), testBlock(3, 5, otherFolder)])
    assert.deepEqual({ ...store.totals(), diskBytes: 0 }, { blocks: 3, payloadBytes: 1105, diskBytes: 0 })
    assert.deepEqual([store.payloadBytesOf(folder), store.payloadBytesOf(otherFolder), store.payloadBytesOf(testFolder(9))], [1100, 5, 0])
    await store.remove(folder, [testBlock(2, 1000).id])
    assert.deepEqual({ ...store.totals(), diskBytes: 0 }, { blocks: 2, payloadBytes: 105, diskBytes: 0 })
    assert.deepEqual([store.payloadBytesOf(folder), store.payloadBytesOf(otherFolder)], [100, 5])
  })
}

function limitTests(test: Test): void {
  test('scenarios T15, T44: what is beyond a limit is refused with NO_SPACE; what is there is served, and room that is given back counts', async (store) => {
    store.setLimit(folder, 3 * (1000 + blockOverheadBytes))
    const blocks = [1, 2, 3, 4].map((seed) => testBlock(seed, 1000))
    const [one, two, three, four] = blocks
    assert.ok(one !== undefined && two !== undefined && three !== undefined && four !== undefined)
    await store.put([one, two, three])
    await assert.rejects(store.put([four]), isCode('NO_SPACE'))
    assert.equal(store.has(folder, four.id), false)
    await store.put([one, two]) // they are here already
    await store.put([{ ...four, folder: otherFolder }])
    assert.deepEqual(await store.get(folder, three.id), three.bytes)
    assert.deepEqual(store.health(), { state: 'ok' })
    assert.equal(store.roomOf(folder), 0)
    await store.remove(folder, [one.id])
    assert.equal(store.roomOf(folder), 1000 + blockOverheadBytes)
    await store.put([four])
    store.setLimit(undefined, 4 * (1000 + blockOverheadBytes))
    await assert.rejects(store.put([{ ...one, folder: otherFolder }]), isCode('NO_SPACE'))
    store.setLimit(undefined, undefined)
    await store.put([{ ...one, folder: otherFolder }])
    store.setLimit(folder, undefined)
    await store.put([one])
    assert.equal(store.totals().blocks, 6)
  })

  test('scenario T44: tiny blocks do not fit where their number alone is too much, also when all come at once', async (store) => {
    store.setLimit(folder, 30 * (blockOverheadBytes + 2))
    const tiny = Array.from({ length: 120 }, (_, seed) => testBlock(seed, 2))
    const results = await Promise.allSettled(tiny.map((block) => store.put([block])))
    const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
    assert.equal(refused.length, 90)
    assert.ok(refused.every(isCode('NO_SPACE')))
    assert.equal(store.totals().blocks, 30)
  })

  test('a limit below what is there refuses blocks and takes nothing away', async (store) => {
    await store.put([testBlock(1), testBlock(2)])
    store.setLimit(undefined, 1)
    await assert.rejects(store.put([testBlock(3)]), isCode('NO_SPACE'))
    assert.equal(store.totals().blocks, 2)
    await store.remove(folder, [testBlock(1).id])
    assert.equal(store.totals().blocks, 1)
  })
}

function lifeCycleTests(test: Test): void {
  test('a new store is in good health', async (store) => assert.deepEqual(store.health(), { state: 'ok' }))

  test('after closing every call is refused, and closing again is fine', async (store) => {
    const block = testBlock(1)
    await store.put([block])
    await store[Symbol.asyncDispose]()
    await store[Symbol.asyncDispose]()
    assert.deepEqual(store.health(), { state: 'closed' })
    await assert.rejects(store.put([block]), isCode('CLOSED'))
    await assert.rejects(store.get(folder, block.id), isCode('CLOSED'))
    await assert.rejects(store.remove(folder, [block.id]), isCode('CLOSED'))
    assert.throws(() => store.has(folder, block.id), isCode('CLOSED'))
    assert.throws(() => store.list(folder, undefined, 1), isCode('CLOSED'))
    assert.throws(() => store.totals(), isCode('CLOSED'))
  })

  test('a put that was called before closing is still acknowledged', async (store) => {
    const put = store.put([testBlock(1)])
    await store[Symbol.asyncDispose]()
    await put
  })
}
