// Scrub on real segments: what changed by itself is found and is never served, and everything is read in time, whatever comes in between.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { present } from '../../engine/base/assert.ts'
import { bytesKey } from '../../engine/base/bytes.ts'
import { encodeRecord, recordHeaderBytes, recordTypes, segmentHeaderBytes } from '../../engine/blocks/record.ts'
import { storePlace } from '../../engine/index/scrub-table.ts'
import { never, seededChance, testBlock } from '../support/blocks.ts'
import { cycleMs, msPerDay, numberedBlocks, recordBytes, ScrubWorld, scrubFolder, segmentFile } from '../support/scrub-world.ts'

const regions: readonly (readonly [string, number])[] = [
  ['magic', 1],
  ['length', 17],
  ['folder', 40],
  ['id', 80],
  ['header checksum', 101],
  ['payload', recordHeaderBytes + 77],
  ['payload checksum', recordHeaderBytes + 201],
]

async function servedOf(world: ScrubWorld, blocks: number): Promise<readonly boolean[]> {
  const served: boolean[] = []
  for (const block of numberedBlocks(0, blocks)) {
    const bytes = await world.store.get(block.folder, block.id)
    if (bytes !== undefined) assert.deepEqual(bytes, block.bytes, 'bad bytes are never served')
    served.push(bytes !== undefined)
  }
  return served
}

describe('scrub', () => {
  for (const [region, at] of regions) {
    it(`scenarios T1, T2: finds one flipped bit in the ${region} of a stored record; it is healed, read again and counted, the others stay`, async () => {
      await using world = await ScrubWorld.open(12)
      world.flip(1, 2, at)
      world.begin()
      await world.runOnce()
      const { found, healed, lastFound } = world.scrub.progress
      assert.deepEqual({ found, healed, lastFound }, { found: 1, healed: 0, lastFound: 1 })
      assert.deepEqual(
        world.store.quarantine().records.map(({ id }) => id),
        [numberedBlocks(2, 3)[0]?.id],
      )
      assert.equal(world.store.has(scrubFolder, present(numberedBlocks(2, 3)[0], 'a block').id), false)
      await world.store.put(numberedBlocks(2, 3))
      world.scrub.wake()
      await world.clock.advance(120_000)
      assert.deepEqual({ healed: world.scrub.progress.healed, open: world.scrub.progress.open }, { healed: 1, open: 0 })
      assert.ok((await servedOf(world, 12)).every((isServed) => isServed))
      await world.runOnce()
      assert.equal(world.scrub.progress.found, 1, 'counted once')
      await world.end()
    })
  }

  it('scenario T5: finds what a sealed segment lost that was cut under an open store, and nothing else', async () => {
    await using world = await ScrubWorld.open(12)
    world.files.open(segmentFile(1), 'edit').truncate(64 + 300)
    world.begin()
    await world.runOnce()
    assert.equal(world.scrub.progress.found, 5, 'each block of it by its name')
    assert.deepEqual(
      numberedBlocks(0, 12).map(({ id }) => world.store.has(scrubFolder, id)),
      numberedBlocks(0, 12).map((_, at) => at >= 5),
    )
    await world.end()
  })

  it('lets go of all that was in a file that was deleted under an open store', async () => {
    await using world = await ScrubWorld.open(12)
    const { folder, id } = present(numberedBlocks(0, 1)[0], 'a block')
    assert.ok((await world.store.get(folder, id)) !== undefined)
    world.files.unlink(segmentFile(1))
    await world.place.step(1, 0, 1_000_000, never)
    await world.store.put([testBlock(99, 200)]) // in its turn after that
    assert.equal(world.store.has(folder, id), false)
    assert.deepEqual(
      world.store.quarantine().records.map(({ reason }) => reason),
      ['missing'],
    )
  })

  it('scenario T2: finds a record without a readable header also in a segment of which it read the rest before a restart', async () => {
    await using world = await ScrubWorld.open(12)
    world.flip(1, 2, 1)
    const step = await world.place.step(1, segmentHeaderBytes + recordBytes, 1_000_000, never)
    assert.equal(step.next, undefined)
    assert.equal(world.store.quarantine().count, 1)
    assert.equal(world.scrub.progress.found, 1)
  })

  it('scenario T9: finds blocks that the index looks for at a wrong place', async () => {
    await using world = await ScrubWorld.open(12)
    // What stands there is another record, whole and in its place: only the count of what was met tells.
    const [first, second] = numberedBlocks(0, 2)
    const bytes = world.files.bytesOf(segmentFile(1))
    const record = bytes.slice(segmentHeaderBytes, segmentHeaderBytes + 2 * recordBytes)
    const other = testBlock(99, 200)
    encodeRecord(
      record,
      recordBytes,
      bytes.slice(16, 32),
      { segment: 1, offset: segmentHeaderBytes + recordBytes },
      {
        type: recordTypes.put,
        flags: 0,
        folder: other.folder,
        id: other.id,
        payload: other.bytes,
      },
    )
    bytes.set(record, segmentHeaderBytes)
    await world.place.step(1, 0, 1_000_000, never)
    assert.equal(world.store.has(scrubFolder, present(first, 'a block').id), true)
    assert.equal(world.store.has(scrubFolder, present(second, 'a block').id), false)
  })

  it('ends a run that a person asked for where there is nothing to read', async () => {
    await using world = await ScrubWorld.open(0)
    world.begin()
    await world.runOnce()
    const { isHurried, totalBytes } = world.scrub.progress
    assert.deepEqual({ isHurried, totalBytes }, { isHurried: false, totalBytes: 0 })
    await world.end()
  })

  it('reads what is suspected before all others, and at once', async () => {
    await using world = await ScrubWorld.open(30)
    world.begin()
    await world.clock.advance(msPerDay)
    world.readBytes = 0
    world.flip(5, 1, recordHeaderBytes + 5)
    world.flip(5, 3, recordHeaderBytes + 5)
    const [met] = numberedBlocks(21, 22)
    assert.equal(await world.store.get(scrubFolder, present(met, 'a block').id), undefined)
    await world.clock.advance(60_000)
    assert.equal(world.scrub.progress.found, 2, 'the one that a read met, and the other one of its segment')
    assert.ok(world.readBytes <= 5 * recordBytes, 'and nothing else was read for it')
    await world.end()
  })

  it('scenario T45: reads every block within the cycle, with new data, removals, a pause and restarts in between', async () => {
    await using world = await ScrubWorld.open(40)
    const chance = seededChance(45)
    const live = new Map(numberedBlocks(0, 40).map((block) => [bytesKey(block.id), { block, sinceMs: 0 }]))
    world.begin()
    let seed = 40
    let oldestMs = 0
    for (let day = 0; day < 75; day++) {
      await world.clock.advance(msPerDay)
      const nowMs = world.clock.monotonicMs()
      for (const [key, { sinceMs }] of live) oldestMs = Math.max(oldestMs, nowMs - Math.max(sinceMs, world.lastReadMs.get(key) ?? 0))
      if (day % 3 === 0) {
        const [block] = numberedBlocks(seed, ++seed)
        await world.store.put([present(block, 'a block')])
        live.set(bytesKey(present(block, 'a block').id), { block: present(block, 'a block'), sinceMs: nowMs })
        const [key, gone] = present([...live][chance(live.size)], 'one that lives')
        live.delete(key)
        await world.store.remove(scrubFolder, [gone.block.id])
      }
      if (day % 20 === 10) await world.compact()
      if (day === 25) world.scrub.pause()
      if (day === 28) world.scrub.resume()
      if (day % 9 === 4) await world.restart()
    }
    assert.ok(oldestMs <= cycleMs, `${oldestMs / msPerDay} days`)
    assert.equal(world.scrub.progress.found, 0)
    assert.ok(world.readBytes < 4 * 75 * (45 * 320 * (1 / 27)), `${world.readBytes} bytes: no faster than needed`)
    await world.end()
  })

  it('scenario T45: loses at most a minute of a run by a kill, and never goes back in it', async () => {
    await using world = await ScrubWorld.open(60)
    world.beside = async () => {
      world.clock.pass(20_000)
      await Promise.resolve()
    }
    world.begin()
    world.scrub.start()
    let doneBytes = 0
    for (let look = 0; look < 3; look++) {
      await world.clock.advance(100_000)
      assert.ok(world.scrub.progress.doneBytes >= doneBytes)
      ;({ doneBytes } = world.scrub.progress)
    }
    const { units, state } = { units: world.index.scrub.units(), state: world.index.scrub.state() }
    const saved = units.filter(({ verifiedMs }) => verifiedMs >= state.runStartedMs).length
    await world.restart()
    assert.ok(saved > 0 && world.scrub.progress.doneBytes > 0, 'a kill does not begin it anew')
    assert.ok(world.scrub.progress.isHurried)
    await world.end()
  })

  it('reads nothing while it is paused, also after a restart, and goes on where it was', async () => {
    await using world = await ScrubWorld.open(20)
    world.begin()
    world.scrub.pause()
    await world.clock.advance(cycleMs)
    await world.restart()
    await world.clock.advance(cycleMs)
    assert.equal(world.readBytes, 0)
    assert.equal(world.scrub.progress.state, 'paused')
    world.scrub.resume()
    await world.clock.advance(cycleMs)
    assert.ok(world.readBytes > 0)
    await world.end()
  })

  it('reads nothing without mains power, but what a person asked for', async () => {
    await using world = await ScrubWorld.open(20)
    world.isPowered = false
    world.begin()
    await world.clock.advance(3 * msPerDay)
    assert.equal(world.readBytes, 0)
    assert.equal(world.scrub.progress.state, 'noPower')
    await world.runOnce()
    assert.ok(world.readBytes > 0)
    await world.end()
  })

  it('scenario T31: reads no faster than four times its pace however the clock jumps', async () => {
    await using world = await ScrubWorld.open(50)
    world.begin()
    await world.clock.advance(msPerDay)
    const before = world.readBytes
    for (const jump of [10 * 365, -11 * 365, 5]) {
      world.clock.skewMs += jump * msPerDay
      await world.clock.advance(msPerDay)
    }
    const usual = (world.scrub.progress.totalBytes * 3) / 27
    assert.ok(
      world.readBytes - before <= 4 * usual + 3 * 2000,
      `${world.readBytes - before} bytes in three days, ${usual} at the usual pace`,
    )
    await world.end()
  })

  it('gives up a block that the disk does not give, but not before it was asked again an hour later', async () => {
    await using world = await ScrubWorld.open(12)
    const bad = present(numberedBlocks(2, 3)[0], 'a block')
    world.brokenSegment = 1
    world.unreadable.add(bytesKey(bad.id))
    world.begin()
    await world.runOnce()
    await world.runOnce()
    assert.equal(world.scrub.progress.found, 0)
    await world.clock.advance(3_600_000)
    await world.runOnce()
    assert.equal(world.scrub.progress.found, 1)
    assert.deepEqual(
      numberedBlocks(0, 12).map(({ id }) => world.store.has(scrubFolder, id)),
      numberedBlocks(0, 12).map((_, at) => at !== 2),
    )
    await world.end()
  })

  it('takes a disk that is gone for a while for no loss', async () => {
    await using world = await ScrubWorld.open(12)
    world.brokenSegment = 1
    world.begin()
    await world.runOnce()
    assert.equal(world.scrub.progress.found, 0, 'the store itself can read it')
    world.files.isUnplugged = true
    world.scrub.start()
    await world.clock.advance(2 * 3_600_000)
    world.files.isUnplugged = false
    await world.clock.advance(2 * 3_600_000)
    assert.equal(world.scrub.progress.found, 0)
    assert.ok((await servedOf(world, 12)).every((isServed) => isServed))
    await world.end()
  })

  it('scenario T33: on a disk that takes 2 s a read leaves nine tenths of the time to others, and one of them waits for one step at most', async () => {
    await using world = await ScrubWorld.open(200)
    let busyMs = 0
    world.beside = async () => {
      busyMs += 2000
      await world.clock.sleep(2000, never)
    }
    world.begin()
    const startMs = world.clock.monotonicMs()
    world.scrub.suspect(storePlace, 1)
    await world.clock.advance(600_000)
    const elapsedMs = world.clock.monotonicMs() - startMs
    assert.ok(busyMs <= elapsedMs / 2, 'in a hurry half of the time')
    busyMs = 0
    await world.clock.advance(3_600_000)
    assert.ok(busyMs <= 3_600_000 / 10, `${busyMs} ms of an hour`)
    // While somebody waits for something it does nothing at all, for minutes.
    world.scrub.start()
    await world.clock.advance(10_000)
    busyMs = 0
    world.isBusy = true
    await world.clock.advance(300_000)
    assert.ok(busyMs <= 2000, `${busyMs} ms beside somebody who waits`)
    await world.end()
  })

  it('scenario T46: beside compaction, removals, reads and rebuilds takes nothing for damage, serves no stale place and loses no block', async () => {
    await using world = await ScrubWorld.open(60)
    const live = new Set(numberedBlocks(0, 60).map(({ id }) => bytesKey(id)))
    const background: Promise<unknown>[] = []
    let turn = 0
    world.beside = async () => {
      const block = present(numberedBlocks(0, 60)[(turn++ * 7) % 60], 'a block')
      if (turn % 2 === 0 && live.delete(bytesKey(block.id))) background.push(world.store.remove(scrubFolder, [block.id]))
      background.push(world.store.compact(never))
      if (turn % 5 === 0) background.push(world.store.rebuild(never))
      await Promise.all(background.slice(0, -1))
    }
    world.begin()
    await world.runOnce()
    await world.runOnce()
    await Promise.all(background)
    for (const block of numberedBlocks(0, 60)) {
      const bytes = await world.store.get(scrubFolder, block.id)
      assert.deepEqual(bytes, live.has(bytesKey(block.id)) ? block.bytes : undefined)
    }
    assert.equal(world.store.quarantine().count, 0)
    assert.equal(world.scrub.progress.found, 0)
    await world.end()
  })
})
