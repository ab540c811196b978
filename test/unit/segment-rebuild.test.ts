// The index of a segment store lost, damaged, behind, or wrong: the segments say what is there. And going through a store in their order.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { present } from '../../engine/base/assert.ts'
import { toHex } from '../../engine/base/bytes.ts'
import { errorCodeOf } from '../../engine/base/errors.ts'
import { FilesError } from '../../engine/base/files.ts'
import { silentLog } from '../../engine/base/log.ts'
import { footerTrailerBytes } from '../../engine/blocks/footer.ts'
import { SegmentIndex } from '../../engine/blocks/segment-index.ts'
import type { SegmentLimits } from '../../engine/blocks/segment-limits.ts'
import type { SegmentStore } from '../../engine/blocks/segment-store.ts'
import type { HeldBlock } from '../../engine/blocks/segment-walk.ts'
import type { Checkpoint } from '../../engine/blocks/segment-table.ts'
import type { StoredBlock } from '../../engine/blocks/store.ts'
import { never, openSmallStore, stillClock, testBlock, testFolder } from '../support/blocks.ts'
import { CrashFiles } from '../support/crash-files.ts'

const folder = testFolder(1)
const small: Partial<SegmentLimits> = { indexRowsMax: 5 }
const manifestPath = '/store/index/manifest'

function blocksOf(from: number, to: number): StoredBlock[] {
  return Array.from({ length: to - from }, (_, at) => testBlock(from + at, 100 + ((from + at) % 7)))
}

function idsOf(blocks: readonly StoredBlock[]): StoredBlock['id'][] {
  return blocks.map(({ id }) => id)
}

/** 40 blocks in many segments, ten of them removed, some moved by compaction; the index is on the disk. */
async function filled(): Promise<CrashFiles> {
  const files = new CrashFiles()
  const store = await openSmallStore(files, small)
  await store.put(blocksOf(0, 30))
  await store.remove(folder, idsOf(blocksOf(5, 15)))
  await store.compact(never)
  await store.put(blocksOf(30, 40))
  await store[Symbol.asyncDispose]()
  assert.ok(files.paths().includes(manifestPath))
  return files
}

async function assertFilled(store: SegmentStore): Promise<void> {
  for (const [at, block] of blocksOf(0, 40).entries()) {
    assert.deepEqual(await store.get(folder, block.id), at >= 5 && at < 15 ? undefined : block.bytes, `block ${at}`)
  }
  assert.equal(store.totals().blocks, 30)
  assert.equal(store.quarantine().count, 0)
}

async function untilSame(store: SegmentStore, expected: object): Promise<void> {
  const { missing, surplus, elsewhere, wasReadable } = await store.rebuild(never)
  assert.deepEqual({ missing, surplus, elsewhere, wasReadable }, { missing: 0, surplus: 0, elsewhere: 0, wasReadable: true, ...expected })
}

/** Changes the saved index behind the store's back, as a bug or a disk could: `change` gets the index as it was saved. */
async function withIndex<T>(files: CrashFiles, change: (index: SegmentIndex) => T): Promise<T> {
  const storeId = files.bytesOf('/store/store').slice(12, 28)
  const opened = SegmentIndex.open({ files, directory: '/store', storeId, clock: stillClock, log: silentLog, rowsMax: 5 })
  const checkpoint: Checkpoint = present(opened.checkpoint, 'an index was saved')
  const result = change(opened.index)
  await opened.index.save(checkpoint)
  await opened.index.close()
  return result
}

describe('an index that is not there', () => {
  it('scenario T8: deleted in whole or in part, or with any byte changed, is made again: the same blocks, and none that was removed', async () => {
    const whole = await filled()
    const paths = whole.paths().filter((path) => path.startsWith('/store/index/'))
    assert.ok(paths.length >= 2)
    for (const chosen of [...paths.map((path) => [path]), paths]) {
      const files = whole.afterKill()
      for (const path of chosen) files.unlink(path)
      await using store = await openSmallStore(files, small, false)
      await assertFilled(store)
      await untilSame(store, {})
    }
    for (const path of paths) {
      for (let at = 0; at < whole.bytesOf(path).length; at += 97) {
        const files = whole.afterKill()
        const bytes = files.bytesOf(path).slice()
        bytes[at] = (bytes[at] ?? 0) ^ 16
        files.replaceBytes(path, bytes)
        await using store = await openSmallStore(files, small, false)
        for (const block of blocksOf(0, 40)) store.has(folder, block.id)
        await store.remove(folder, []) // waits until a damaged index has been made again
        await assertFilled(store)
      }
    }
  })

  it('scenario T5: of which a sealed segment was cut is not believed: what is lost is told', async () => {
    const files = await filled()
    const path = present(
      files.paths().find((each) => each.endsWith('.segment')),
      'a segment',
    )
    files.replaceBytes(path, files.bytesOf(path).slice(0, 200))
    await using store = await openSmallStore(files, small, false)
    assert.equal(store.quarantine().records[0]?.reason, 'truncated')
    assert.ok(store.totals().blocks < 30)
    await untilSame(store, {})
  })

  it('is made again when the log ends before what the index knows, and that is told', async () => {
    const files = await filled()
    const path = present(
      files.paths().findLast((each) => each.endsWith('.segment')),
      'a segment',
    )
    await withIndex(files, (index) => index.apply([]))
    const before = await openSmallStore(files.afterKill(), small, false)
    const { blocks } = before.totals()
    files.replaceBytes(path, files.bytesOf(path).slice(0, 64))
    await using store = await openSmallStore(files, small, false)
    assert.ok(store.totals().blocks <= blocks)
    for (const block of blocksOf(0, 40)) if (store.has(folder, block.id)) assert.deepEqual(await store.get(folder, block.id), block.bytes)
    await untilSame(store, {})
  })
})

describe('an index that fits', () => {
  it('scenario T49: spares reading what is before its end, and a look-up of what is not there a read in all but a few cases', async () => {
    const files = await filled()
    const segments = files.paths().filter((path) => path.endsWith('.segment'))
    assert.ok(segments.length > 2)
    // Nothing but their length is asked for: with other bytes in them the store is opened as before.
    for (const path of segments.slice(0, 1)) files.replaceBytes(path, new Uint8Array(files.bytesOf(path).length))
    await using store = await openSmallStore(files, small, false)
    assert.equal(store.totals().blocks, 30)
    assert.equal(store.quarantine().count, 0)
    const calls = files.calls
    for (let seed = 1000; seed < 1200; seed++) assert.equal(store.has(folder, testBlock(seed, 20).id), false)
    assert.ok(files.calls - calls < 40, `${files.calls - calls} reads for 200 blocks that are not there`)
  })
})

describe('an index that is wrong', () => {
  const wrong = { segment: 0, offset: 0, payloadBytes: 100 }
  for (const [title, place] of [
    ['past the end of a segment', { ...wrong, segment: 2, offset: 900_000 }],
    ['into the middle of a record', { ...wrong, segment: 2, offset: 70 }],
    ['to the block of another', { ...wrong, segment: 2, offset: 64 }],
    ['to a segment that is not there', { ...wrong, segment: 77, offset: 64 }],
  ] as const) {
    it(`scenario T9: pointing ${title}, does not serve it: the block is found again where it is`, async () => {
      const files = await filled()
      const block = testBlock(20, 106)
      await withIndex(files, (index) => index.apply([{ kind: 'put', folder, id: block.id, location: place }]))
      await using store = await openSmallStore(files, small, false)
      // A segment that is not there is met when the store is opened, the others when the block is read.
      const first = await store.get(folder, block.id).catch((error: unknown) => errorCodeOf(error))
      if (place.segment !== 77) assert.equal(first, undefined)
      await store.rebuild(never)
      await assertStillThere(store)
      await store[Symbol.asyncDispose]()
      await using again = await openSmallStore(files, small, false)
      await assertStillThere(again)
    })
  }

  it('of a segment whose footer the disk does not give, kills no block: where that is, is not known', async () => {
    const files = await filled()
    const [block, later] = [testBlock(20, 106), testBlock(30, 102)]
    const place = await withIndex(files, (index) => {
      const { segment, offset } = present(index.locate(folder, later.id), 'a place behind its own')
      index.apply([{ kind: 'put', folder, id: block.id, location: { segment, offset, payloadBytes: 106 } }])
      return segment
    })
    const path = `/store/${place.toString().padStart(10, '0')}.segment`
    await using store = await openSmallStore(files, small, false)
    files.unreadable = { path, fromBytes: files.bytesOf(path).length - footerTrailerBytes - 4 }
    assert.equal(await store.get(folder, block.id), undefined)
    files.unreadable = undefined
    await store.rebuild(never)
    await assertStillThere(store)
  })

  async function assertStillThere(store: SegmentStore): Promise<void> {
    for (const [at, each] of blocksOf(0, 40).entries()) {
      assert.deepEqual(await store.get(folder, each.id), at >= 5 && at < 15 ? undefined : each.bytes, `block ${at}`)
    }
  }

  it('is told apart from the segments row by row by a rebuild', async () => {
    const files = await filled()
    const [gone, moved] = [testBlock(20, 106), testBlock(21, 100)]
    const extra = testBlock(99)
    await withIndex(files, (index) => {
      const at = present(index.locate(folder, moved.id), 'a block')
      index.apply([
        { kind: 'remove', folder, id: gone.id },
        { kind: 'put', folder, id: moved.id, location: { ...at, offset: at.offset + 1 } },
        { kind: 'put', folder, id: extra.id, location: { ...at, payloadBytes: 300 } },
      ])
    })
    await using store = await openSmallStore(files, small, false)
    assert.equal(store.has(folder, gone.id), false)
    assert.equal(store.has(folder, extra.id), true)
    let told = 0
    store.onDamaged = () => void told++
    await untilSame(store, { missing: 1, surplus: 1, elsewhere: 1 })
    assert.equal(told, 1, 'a block that was counted on is not here')
    await assertFilled(store)
    await untilSame(store, {})
  })
})

describe('a rebuild', () => {
  it('scenario T5: of a store of which a sealed segment was cut meanwhile tells what is lost', async () => {
    const files = await filled()
    await using store = await openSmallStore(files, small, false)
    const { segment } = present(store.segments()[0], 'a segment')
    const told: unknown[] = []
    store.onDamaged = (record) => told.push(record?.reason)
    files.open(`/store/${segment.toString().padStart(10, '0')}.segment`, 'edit').truncate(300)
    const { surplus } = await store.rebuild(never)
    assert.ok(surplus > 0)
    assert.deepEqual(told, ['record', undefined])
    await store.rebuild(never)
    assert.equal(store.quarantine().count, 1, 'told once')
  })

  it('beside puts, removals and reads loses nothing and brings nothing back', async () => {
    const files = await filled()
    await using store = await openSmallStore(files, small, false)
    for (let round = 0; round < 8; round++) {
      const rebuilt = store.rebuild(never)
      await store.put(blocksOf(100 + round * 10, 110 + round * 10))
      const removal = store.remove(folder, idsOf(blocksOf(100 + round * 10, 103 + round * 10)))
      for (let turn = 0; turn < round * 7; turn++) await Promise.resolve()
      await Promise.all([removal, store.compact(never), store.put(blocksOf(200 + round, 201 + round))])
      const { missing, surplus, elsewhere } = await rebuilt
      assert.deepEqual({ missing, surplus, elsewhere }, { missing: 0, surplus: 0, elsewhere: 0 })
    }
    assert.equal(store.totals().blocks, 30 + 8 * 8)
    await untilSame(store, {})
  })

  it('that is stopped, or has no room, leaves the index as it was', async () => {
    const files = await filled()
    await using store = await openSmallStore(files, small, false)
    const stop = new AbortController()
    stop.abort()
    await assert.rejects(store.rebuild(stop.signal), (error) => errorCodeOf(error) === 'ABORTED')
    files.capacityBytes = files.usedBytes()
    await store.rebuild(never).catch((error: unknown) => assert.equal(errorCodeOf(error), 'NO_SPACE'))
    files.capacityBytes = Infinity
    await assertFilled(store)
    await untilSame(store, {})
  })

  it('does not bring a block back into use that was found damaged', async () => {
    const files = await filled()
    await using store = await openSmallStore(files, small, false)
    const block = testBlock(20, 106)
    const path = present(
      files.paths().find((each) => each.endsWith('.segment') && holds(files.bytesOf(each), block.bytes)),
      'the segment with the block',
    )
    const bytes = files.bytesOf(path)
    const at = Buffer.from(bytes).indexOf(Buffer.from(block.bytes))
    bytes[at] = (bytes[at] ?? 0) ^ 1
    // Read-only, so that the damage cannot be noted in the log.
    files.failingSyncs = 2
    await assert.rejects(store.put([testBlock(300)]))
    assert.equal(store.health().state, 'readOnly')
    assert.equal(await store.get(folder, block.id), undefined)
    await store.rebuild(never)
    assert.equal(store.has(folder, block.id), false)
    assert.equal(store.has(folder, testBlock(21, 100).id), true)
  })
})

function holds(bytes: Uint8Array, part: Uint8Array): boolean {
  return Buffer.from(bytes).includes(Buffer.from(part))
}

describe('a segment that cannot be deleted after its compaction', () => {
  it('scenarios T11, T52: is tried again, and the tombstones of what was copied from it stay as long as it does', async () => {
    const files = new CrashFiles()
    const limits = { segmentBytes: 3000, compactDeadShare: 0.2 }
    const store = await openSmallStore(files, limits)
    const blocks = Array.from({ length: 8 }, (_, seed) => testBlock(seed, 250))
    await store.put(blocks)
    await store.remove(folder, idsOf(blocks.slice(0, 3)))
    const unlink = files.unlink.bind(files)
    files.unlink = (path) => {
      if (path.endsWith('0000000001.segment')) throw new FilesError('busy', 'unlink', path, 'EBUSY')
      unlink(path)
    }
    await store.compact(never) // copies the five to the end
    await store.remove(folder, idsOf(blocks))
    const others = Array.from({ length: 24 }, (_, seed) => testBlock(100 + seed, 250))
    for (let round = 0; round < 3; round++) {
      await store.put(others)
      await store.remove(folder, idsOf(others))
      await store.compact(never)
    }
    await store[Symbol.asyncDispose]()
    assert.ok(files.paths().includes('/store/0000000001.segment'))
    assert.ok(!files.paths().includes('/store/0000000002.segment'))
    files.unlink = unlink
    await using again = await openSmallStore(files, limits, false)
    assert.equal(again.totals().blocks, 0)
    await again.compact(never)
    assert.ok(!files.paths().includes('/store/0000000001.segment'))
  })
})

describe('going through a store in the order of its segments', () => {
  async function walk(store: SegmentStore, each: (block: HeldBlock) => Promise<void>): Promise<string[]> {
    const seen: string[] = []
    for (const { segment } of store.segments()) {
      let offset = -1
      for await (const batch of store.blocksIn(segment, 0, never)) {
        for (const block of batch) {
          assert.ok(block.offset > offset)
          offset = block.offset
          seen.push(toHex(block.id))
          await each(block)
        }
      }
    }
    return seen
  }

  it('gives every live block once, and goes on from an offset', async () => {
    await using store = await openSmallStore(await filled(), small, false)
    const seen = await walk(store, async () => undefined)
    const live = [...blocksOf(0, 5), ...blocksOf(15, 40)].map(({ id }) => toHex(id))
    assert.deepEqual(seen.toSorted(), live.toSorted())
    const { segment, blocks } = present(
      store.segments().find((each) => each.blocks > 2),
      'a segment with blocks',
    )
    const all: HeldBlock[] = []
    for await (const batch of store.blocksIn(segment, 0, never)) all.push(...batch)
    assert.equal(all.length, blocks)
    const rest: HeldBlock[] = []
    for await (const batch of store.blocksIn(segment, present(all[1], 'a block').offset + 1, never)) rest.push(...batch)
    assert.deepEqual(rest, all.slice(2))
  })

  it('scenario T46: beside compaction, removals and reads serves no stale place and loses no block', async () => {
    const files = await filled()
    await using store = await openSmallStore(files, { ...small, compactDeadShare: 0.05 }, false)
    const live = new Set([...blocksOf(0, 5), ...blocksOf(15, 40)].map(({ id }) => toHex(id)))
    const bytesOf = new Map(blocksOf(0, 40).map(({ id, bytes }) => [toHex(id), bytes]))
    let turn = 0
    const background: Promise<unknown>[] = []
    const seen = await walk(store, async (block) => {
      if (turn++ % 4 === 0) {
        const removed = present(
          blocksOf(0, 40).find(({ id }) => live.has(toHex(id)) && toHex(id) !== toHex(block.id)),
          'one that is left',
        )
        live.delete(toHex(removed.id))
        background.push(store.remove(folder, [removed.id]), store.compact(never), store.rebuild(never))
      }
      const read = await store.get(folder, block.id)
      if (read !== undefined) assert.deepEqual(read, bytesOf.get(toHex(block.id)))
      else assert.equal(live.has(toHex(block.id)), false)
    })
    await Promise.all(background)
    assert.ok(seen.length > 0)
    for (const { id, bytes } of blocksOf(0, 40)) assert.deepEqual(await store.get(folder, id), live.has(toHex(id)) ? bytes : undefined)
    assert.equal(store.quarantine().count, 0)
    await untilSame(store, {})
  })
})
