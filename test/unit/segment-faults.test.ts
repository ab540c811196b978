// The segment store on a disk that fails, is full or goes away: what it answers, what it keeps, when it stops.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import type { Clock } from '../../engine/base/clock.ts'
import { EngineError, type ErrorCode } from '../../engine/base/errors.ts'
import { silentLog } from '../../engine/base/log.ts'
import type { SegmentLimits } from '../../engine/blocks/segment-limits.ts'
import { storeProblems } from '../../engine/compose/node-problems.ts'
import { openSegmentStore } from '../../engine/blocks/segment-store.ts'
import type { StoredBlock } from '../../engine/blocks/store.ts'
import { never, openSmallStore, smallLimits, stillClock, testBlock, testFolder, testRandom } from '../support/blocks.ts'
import { Crashed, CrashFiles } from '../support/crash-files.ts'

const folder = testFolder(1)

function isCode(code: ErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof EngineError && error.code === code
}

function many(from: number, to: number, lengthBytes = 200): StoredBlock[] {
  return Array.from({ length: to - from }, (_, at) => testBlock(from + at, lengthBytes))
}

describe('group commit', () => {
  it('syncs once for puts that are made at the same time', async () => {
    const files = new CrashFiles()
    await using store = await openSmallStore(files, { groupBlocksMax: 64, groupBytesMax: 100_000, segmentBytes: 1_000_000 })
    const before = files.syncs
    await Promise.all(many(0, 50).map((block) => store.put([block])))
    assert.equal(files.syncs - before, 1)
  })

  it('starts a new group at the limit of blocks and of bytes', async () => {
    const files = new CrashFiles()
    await using store = await openSmallStore(files, { groupBlocksMax: 10, groupBytesMax: 2000, segmentBytes: 1_000_000 })
    const before = files.syncs
    await store.put(many(0, 25, 20))
    assert.equal(files.syncs - before, 3)
    await store.put(many(25, 28, 1500))
    assert.equal(files.syncs - before, 6)
  })

  it('says nothing of a block before it is durable', async () => {
    const files = new CrashFiles()
    await using store = await openSmallStore(files)
    const put = store.put(many(0, 1))
    assert.equal(store.has(folder, testBlock(0, 200).id), false)
    await put
    assert.equal(store.has(folder, testBlock(0, 200).id), true)
  })
})

describe('a sync that fails', () => {
  it('scenario T13: once, costs nothing: the group is written again in a new segment, the old one is not written any more', async () => {
    const files = new CrashFiles()
    {
      await using store = await openSmallStore(files)
      await store.put(many(0, 2))
      const sizeBefore = files.bytesOf('/store/0000000001.segment').length
      files.failingSyncs = 1
      await store.put(many(2, 4))
      assert.deepEqual(store.health(), { state: 'ok' })
      await store.put(many(4, 5))
      assert.equal(files.bytesOf('/store/0000000001.segment').length, sizeBefore)
      assert.ok(files.paths().includes('/store/0000000002.segment'))
    }
    await using again = await openSmallStore(
      files.afterPowerLoss(() => 0),
      {},
      false,
    )
    assert.equal(again.totals().blocks, 5)
    assert.equal(again.quarantine().count, 0)
  })

  it('scenario T14: always, makes the store read-only within two segments, and a problem: reads are served, nothing else', async () => {
    const files = new CrashFiles()
    const store = await openSmallStore(files)
    await store.put(many(0, 2))
    files.failingSyncs = Infinity
    await assert.rejects(store.put(many(2, 4)), isCode('DISK_FAILED'))
    assert.equal(store.health().state, 'readOnly')
    assert.ok(files.paths().filter((path) => path.endsWith('.segment')).length <= 2)
    assert.deepEqual(
      storeProblems(store).map(({ code, severity }) => [code, severity]),
      [['STORE_READ_ONLY', 'error']],
    )
    files.failingSyncs = 0
    await assert.rejects(store.put(many(2, 4)), isCode('STORE_READ_ONLY'))
    await assert.rejects(store.remove(folder, [testBlock(0, 200).id]), isCode('STORE_READ_ONLY'))
    await assert.rejects(store.compact(never), isCode('STORE_READ_ONLY'))
    assert.deepEqual(await store.get(folder, testBlock(1, 200).id), testBlock(1, 200).bytes)
    assert.equal(store.has(folder, testBlock(2, 200).id), false)
    await store[Symbol.asyncDispose]()
  })
})

describe('a store that became read-only', () => {
  it('takes writes again once the disk does, after a rest, and loses nothing that it said it had', async () => {
    const files = new CrashFiles()
    let nowMs = 0
    const clock: Clock = { ...stillClock, monotonicMs: () => nowMs }
    const options = { files, directory: '/store', clock, random: testRandom, log: silentLog, create: true, limits: smallLimits }
    {
      await using store = await openSegmentStore(options, never)
      await store.put(many(0, 2))
      files.failingSyncs = Infinity
      await assert.rejects(store.put(many(2, 4)), isCode('DISK_FAILED'))
      nowMs += 60_000
      await assert.rejects(store.put(many(2, 4)), isCode('DISK_FAILED'), 'it is tried once more')
      const syncs = files.syncs
      await assert.rejects(store.put(many(2, 4)), isCode('STORE_READ_ONLY'), 'and then rests again')
      assert.equal(files.syncs, syncs)
      files.failingSyncs = 0
      nowMs += 60_000
      await store.put(many(2, 4))
      assert.deepEqual(store.health(), { state: 'ok' })
      await store.remove(folder, [testBlock(0, 200).id])
    }
    await using again = await openSmallStore(
      files.afterPowerLoss(() => 0),
      {},
      false,
    )
    assert.equal(again.quarantine().count, 0)
    assert.equal(again.has(folder, testBlock(0, 200).id), false)
    for (const block of many(1, 4)) assert.deepEqual(await again.get(folder, block.id), block.bytes)
  })
})

describe('a full disk', () => {
  for (const [limits, title] of [
    [{}, ''],
    [{ indexRowsMax: 2 }, ', the index included'],
  ] as const) {
    it(`scenario T15: refuses blocks at every size it may stop at${title}, keeps what is there, and goes on when there is room`, async () => {
      await fillDisk(limits)
    })
  }

  async function fillDisk(limits: Partial<SegmentLimits>): Promise<void> {
    const files = new CrashFiles()
    await using store = await openSmallStore(files, limits)
    await store.put(many(0, 3))
    const usedBytes = files.usedBytes()
    for (let room = 0; room < 900; room += 37) {
      files.capacityBytes = usedBytes + room
      await assert.rejects(store.put(many(10, 14, 250)), isCode('NO_SPACE'), `${room} bytes of room`)
      assert.equal(store.totals().blocks, 3)
      assert.deepEqual(store.health(), { state: 'ok' })
      for (const how of ['kill', 'powerLoss'] as const) {
        const left = how === 'kill' ? files.afterKill() : files.afterPowerLoss(() => 0)
        left.capacityBytes = Infinity
        await using opened = await openSmallStore(left, limits, false)
        for (const block of many(0, 3)) assert.deepEqual(await opened.get(folder, block.id), block.bytes)
        assert.equal(opened.quarantine().count, 0)
      }
    }
    files.capacityBytes = Infinity
    await store.put(many(10, 14, 250))
    for (const block of [...many(0, 3), ...many(10, 14, 250)]) assert.deepEqual(await store.get(folder, block.id), block.bytes)
  }

  it('scenario T15: still lets blocks be removed, by giving up the reserve, which blocks cannot use', async () => {
    const files = new CrashFiles()
    await using store = await openSmallStore(files, { segmentBytes: 1_000_000 })
    await store.put(many(0, 8))
    files.capacityBytes = files.usedBytes()
    await assert.rejects(store.put(many(8, 9)), isCode('NO_SPACE'))
    await store.remove(folder, [testBlock(0, 200).id, testBlock(1, 200).id])
    assert.equal(store.has(folder, testBlock(0, 200).id), false)
    assert.ok(!files.paths().includes('/store/reserve'))
    await assert.rejects(store.put(many(8, 9)), isCode('NO_SPACE'))
    await store.remove(folder, [testBlock(2, 200).id])
    files.capacityBytes = Infinity
    await store.put(many(8, 9))
    assert.equal(files.bytesOf('/store/reserve').length, 1000)
    assert.deepEqual(store.health(), { state: 'ok' })
  })

  it('gets room back from compaction of what was removed', async () => {
    const files = new CrashFiles()
    await using store = await openSmallStore(files, { reserveBytes: 5000 })
    await store.put(many(0, 20))
    files.capacityBytes = files.usedBytes()
    await store.remove(
      folder,
      many(0, 18).map((block) => block.id),
    )
    const report = await store.compact(never)
    assert.ok(report.segments > 0)
    await store.put(many(30, 34))
    for (const block of [...many(18, 20), ...many(30, 34)]) assert.deepEqual(await store.get(folder, block.id), block.bytes)
  })
})

describe('compaction on a full disk', () => {
  it('takes the room of the reserve to seal the only segment and to copy what is alive in it', async () => {
    const files = new CrashFiles()
    await using store = await openSmallStore(files, { reserveBytes: 8000, segmentBytes: 1_000_000, compactActiveDeadBytesMin: 1000 })
    await store.put(many(0, 20))
    const gone = many(0, 15).map((block) => block.id)
    files.capacityBytes = files.usedBytes() + gone.length * 120
    await store.remove(folder, gone)
    assert.ok(files.paths().includes('/store/reserve'))
    const fullBytes = files.usedBytes() - 8000
    assert.equal((await store.compact(never)).segments, 1)
    assert.ok(files.usedBytes() < fullBytes / 2, `${files.usedBytes()} of ${fullBytes} bytes`)
    for (const block of many(15, 20)) assert.deepEqual(await store.get(folder, block.id), block.bytes)
    await store.put(many(30, 34))
  })
})

describe('what was not acknowledged', () => {
  it('cannot undo what is acknowledged later: a removal that a full disk cut short, and a put of the block after it', async () => {
    const files = new CrashFiles()
    await using store = await openSmallStore(files, { reserveBytes: 0, segmentBytes: 1_000_000 })
    await store.put(many(0, 4))
    files.capacityBytes = files.usedBytes() + 250 // two of the tombstones, not the third
    await assert.rejects(
      store.remove(
        folder,
        many(0, 3).map((block) => block.id),
      ),
      isCode('NO_SPACE'),
    )
    files.capacityBytes = Infinity
    await store.put(many(0, 2))
    // Of what is not synced, the bytes arrive and the cut does not.
    let turn = 0
    await using again = await openSmallStore(
      files.afterPowerLoss(() => 2 - 2 * (turn++ % 2)),
      { reserveBytes: 0 },
      false,
    )
    for (const block of many(0, 2)) assert.deepEqual(await again.get(folder, block.id), block.bytes)
  })

  it('is not served again after a removal that had nothing to remove', async () => {
    const files = new CrashFiles()
    await using store = await openSmallStore(files, { reserveBytes: 0, segmentBytes: 1_000_000 })
    await store.put(many(0, 1))
    files.capacityBytes = files.usedBytes() + 400 // the first block of two
    await assert.rejects(store.put(many(1, 3)), isCode('NO_SPACE'))
    files.capacityBytes = Infinity
    await store.remove(
      folder,
      many(1, 2).map((block) => block.id),
    )
    let turn = 0
    await using again = await openSmallStore(
      files.afterPowerLoss(() => 2 - 2 * (turn++ % 2)),
      { reserveBytes: 0 },
      false,
    )
    assert.equal(again.has(folder, testBlock(1, 200).id), false)
  })

  it('stays lost when a sync failed and the node was killed before it could say so', async () => {
    const files = new CrashFiles()
    const store = await openSmallStore(files)
    await store.put(many(0, 1))
    files.failingSyncs = 1
    files.syncs = 1 // the failing sync writes nothing
    files.crashAtCall = files.calls + 3 // write, sync, then the cut
    await assert.rejects(store.put(many(1, 2)), Crashed)
    const killed = files.afterKill()
    await using opened = await openSmallStore(killed, {}, false)
    const isHere = opened.has(folder, testBlock(1, 200).id)
    await using again = await openSmallStore(
      killed.afterPowerLoss(() => 0),
      {},
      false,
    )
    assert.equal(again.has(folder, testBlock(1, 200).id), isHere, 'what an open store says it has survives a power loss')
  })
})

describe('a disk that goes away or takes no writes', () => {
  it('scenario T16: unplugged at runtime: the store is offline and forgets nothing, and serves again without fetching when it is back', async () => {
    const files = new CrashFiles()
    await using store = await openSmallStore(files)
    await store.put(many(0, 2))
    files.isUnplugged = true
    await assert.rejects(store.get(folder, testBlock(0, 200).id), isCode('DISK_FAILED'))
    assert.equal(store.health().state, 'offline')
    files.isUnplugged = false
    assert.deepEqual(store.health(), { state: 'ok' })
    assert.equal(store.has(folder, testBlock(0, 200).id), true)
    assert.deepEqual(await store.get(folder, testBlock(0, 200).id), testBlock(0, 200).bytes)
    assert.equal(store.quarantine().count, 0)
  })

  it('scenarios T16, T17: another disk in its place at runtime damages nothing: what is read there is not believed', async () => {
    const files = new CrashFiles()
    await using store = await openSmallStore(files, { openSegmentsMax: 1 })
    await store.put(many(0, 2))
    const marker = files.bytesOf('/store/store').slice()
    const segment = files.bytesOf('/store/0000000001.segment').slice()
    files.bytesOf('/store/store')[20] = 0x77
    files.bytesOf('/store/0000000001.segment').fill(0x55, 64)
    for (let tries = 0; tries < 2; tries++) await assert.rejects(store.get(folder, testBlock(0, 200).id), isCode('DISK_FAILED'))
    assert.equal(store.health().state, 'offline')
    assert.equal(store.has(folder, testBlock(0, 200).id), true)
    files.bytesOf('/store/store').set(marker)
    files.bytesOf('/store/0000000001.segment').set(segment)
    assert.deepEqual(await store.get(folder, testBlock(0, 200).id), testBlock(0, 200).bytes)
    assert.deepEqual([store.health().state, store.quarantine().count], ['ok', 0])
  })

  it('scenario T16: read-only from the start gives a store that serves reads', async () => {
    const files = new CrashFiles()
    {
      await using store = await openSmallStore(files)
      await store.put(many(0, 2))
    }
    files.isReadOnly = true
    await using store = await openSmallStore(files, {}, false)
    assert.deepEqual(await store.get(folder, testBlock(1, 200).id), testBlock(1, 200).bytes)
    await assert.rejects(store.put(many(2, 3)), (error) => isCode('DISK_FAILED')(error) || isCode('STORE_READ_ONLY')(error))
    assert.equal(store.health().state, 'readOnly')
  })
})

describe('compaction', () => {
  it('gives back the space of removed blocks and keeps the others', async () => {
    const files = new CrashFiles()
    await using store = await openSmallStore(files)
    await store.put(many(0, 40))
    await store.remove(
      folder,
      many(0, 36).map((block) => block.id),
    )
    const before = store.totals()
    const report = await store.compact(never)
    assert.ok(store.totals().diskBytes < before.diskBytes / 2, `${before.diskBytes} → ${store.totals().diskBytes}`)
    assert.ok(report.freedBytes > 0)
    assert.equal(store.totals().blocks, 4)
    for (const block of many(36, 40)) assert.deepEqual(await store.get(folder, block.id), block.bytes)
  })

  it('keeps a tombstone as long as the put that it kills is on the disk', async () => {
    const files = new CrashFiles()
    const victim = testBlock(0, 200)
    {
      await using store = await openSmallStore(files)
      await store.put(many(0, 8)) // the first segment, which stays: nearly all of it is live
      await store.put(many(8, 10))
      await store.remove(folder, [victim.id])
      await store.put(many(10, 16))
      await store.remove(
        folder,
        many(8, 16).map((block) => block.id),
      )
      for (let round = 0; round < 4; round++) {
        await store.put(many(20 + round * 8, 28 + round * 8))
        await store.remove(
          folder,
          many(20 + round * 8, 28 + round * 8).map((block) => block.id),
        )
        await store.compact(never)
      }
    }
    assert.ok(files.paths().includes('/store/0000000001.segment'))
    assert.ok(!files.paths().includes('/store/0000000002.segment'))
    await using again = await openSmallStore(files, {}, false)
    assert.equal(again.has(folder, victim.id), false)
    assert.equal(again.totals().blocks, 7)
  })

  it('stops when it is told to and leaves a whole store', async () => {
    const files = new CrashFiles()
    await using store = await openSmallStore(files)
    await store.put(many(0, 40))
    await store.remove(
      folder,
      many(0, 30).map((block) => block.id),
    )
    const stop = new AbortController()
    const compaction = store.compact(stop.signal)
    stop.abort()
    await assert.rejects(compaction, isCode('ABORTED'))
    for (const block of many(30, 40)) assert.deepEqual(await store.get(folder, block.id), block.bytes)
  })
})
