// The segment store stopped at every call it makes: what was acknowledged is there afterwards, what was removed stays removed.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { toHex } from '../../engine/base/bytes.ts'
import type { SegmentLimits } from '../../engine/blocks/segment-limits.ts'
import type { SegmentStore } from '../../engine/blocks/segment-store.ts'
import type { StoredBlock } from '../../engine/blocks/store.ts'
import { never, openSmallStore, seededChance, testBlock, testFolder } from '../support/blocks.ts'
import { Crashed, CrashFiles } from '../support/crash-files.ts'

const folder = testFolder(1)
const seeds = Number(process.env['SEGMENT_CRASH_SEEDS'] ?? 2)

/** What the caller of a store may count on, and what it may not: blocks whose last call was not answered are in neither set. */
class Ledger {
  readonly present = new Map<string, StoredBlock>()
  readonly absent = new Map<string, StoredBlock>()

  async put(store: SegmentStore, blocks: readonly StoredBlock[]): Promise<void> {
    for (const block of blocks) this.absent.delete(toHex(block.id))
    await store.put(blocks)
    for (const block of blocks) this.present.set(toHex(block.id), block)
  }

  async remove(store: SegmentStore, blocks: readonly StoredBlock[]): Promise<void> {
    for (const block of blocks) this.present.delete(toHex(block.id))
    const ids = blocks.map((block) => block.id)
    await store.remove(folder, ids)
    for (const block of blocks) this.absent.set(toHex(block.id), block)
  }

  async check(store: SegmentStore, when: string): Promise<void> {
    for (const [name, block] of this.present) {
      assert.equal(store.has(folder, block.id), true, `${when}: ${name} was acknowledged and is gone`)
      assert.deepEqual(await store.get(folder, block.id), block.bytes, `${when}: ${name} has other bytes`)
    }
    for (const [name, block] of this.absent) assert.equal(store.has(folder, block.id), false, `${when}: ${name} was removed and is back`)
  }
}

/** With the second the index is written down and merged on the way, and opening goes on from there. */
const kinds: readonly Partial<SegmentLimits>[] = [{}, { indexRowsMax: 5 }]

/** Fills several segments, removes, puts again, compacts: every kind of write that the store makes, in about 150 calls. */
async function live(files: CrashFiles, ledger: Ledger, limits: Partial<SegmentLimits>): Promise<void> {
  const block = (seed: number): StoredBlock => testBlock(seed, 200 + ((seed * 97) % 300))
  const many = (from: number, to: number): StoredBlock[] => Array.from({ length: to - from }, (_, at) => block(from + at))
  const store = await openSmallStore(files, limits)
  await Promise.all([ledger.put(store, many(0, 3)), ledger.put(store, many(2, 6)), ledger.put(store, many(6, 8))])
  await ledger.put(store, many(8, 16))
  await ledger.remove(store, many(0, 7))
  await ledger.put(store, many(16, 20))
  await Promise.all([ledger.put(store, many(0, 2)), ledger.remove(store, many(10, 14))])
  await store.compact(never)
  await ledger.remove(store, many(1, 3))
  await ledger.put(store, many(10, 12))
  await ledger.remove(store, many(15, 18))
  await store.compact(never)
  await store[Symbol.asyncDispose]()
  const again = await openSmallStore(files, limits)
  await ledger.put(again, many(20, 24))
  await ledger.remove(again, many(10, 12))
  await again.compact(never)
  await again[Symbol.asyncDispose]()
}

/** Opens what is left, checks it, goes on working with it, and checks it again after one more opening. */
async function checkSurvivor(files: CrashFiles, ledger: Ledger, limits: Partial<SegmentLimits>, when: string): Promise<void> {
  const first = await openSmallStore(files, limits)
  await ledger.check(first, when)
  const after = new Ledger()
  for (const [name, block] of ledger.present) after.present.set(name, block)
  for (const [name, block] of ledger.absent) after.absent.set(name, block)
  await after.put(first, [testBlock(1000), testBlock(1001), testBlock(1002)])
  await after.remove(first, [testBlock(1001)])
  await first.compact(never)
  await after.check(first, `${when}, after compaction`)
  await first[Symbol.asyncDispose]()
  const second = await openSmallStore(files, limits, false)
  await after.check(second, `${when}, opened again`)
  await second.compact(never)
  await second[Symbol.asyncDispose]()
  const third = await openSmallStore(files, limits, false)
  await after.check(third, `${when}, opened a third time`)
  await third[Symbol.asyncDispose]()
}

async function liveUntilCrash(
  call: number,
  limits: Partial<SegmentLimits>,
): Promise<{ readonly files: CrashFiles; readonly ledger: Ledger; readonly isDone: boolean }> {
  const files = new CrashFiles()
  const ledger = new Ledger()
  files.crashAtCall = call
  try {
    await live(files, ledger, limits)
    return { files, ledger, isDone: true }
  } catch (error) {
    if (!(error instanceof Crashed)) throw error
    return { files, ledger, isDone: false }
  }
}

for (const limits of kinds) {
  describe(limits.indexRowsMax === undefined ? 'a segment store' : 'a segment store that saves its index', () => {
    it('scenarios T10, T11: keeps its word when the process is killed at any call', async () => {
      for (let call = 1; ; call++) {
        const { files, ledger, isDone } = await liveUntilCrash(call, limits)
        await checkSurvivor(files.afterKill(), ledger, limits, `killed at call ${call}`)
        if (isDone) {
          assert.ok(call > 100, `the life has ${call} calls`)
          break
        }
      }
    })

    it('scenario T12: keeps its word when the power goes at any call, with unsynced writes lost, torn and out of order', async () => {
      for (let call = 1; ; call++) {
        const { files, ledger, isDone } = await liveUntilCrash(call, limits)
        for (let seed = 0; seed < (limits.indexRowsMax === undefined ? seeds : seeds / 2); seed++) {
          await checkSurvivor(
            files.afterPowerLoss(seededChance(call * 31 + seed)),
            ledger,
            limits,
            `power lost at call ${call}, seed ${seed}`,
          )
        }
        if (isDone) break
      }
    })

    it('keeps its word when it crashes again while it repairs', async () => {
      // Every call of opening, after so few lives: with an index there are three times as many.
      for (let call = 20; ; call += limits.indexRowsMax === undefined ? 7 : 61) {
        const { files, ledger, isDone } = await liveUntilCrash(call, limits)
        for (let again = 1; ; again++) {
          const hurt = files.afterPowerLoss(seededChance(call))
          hurt.crashAtCall = again
          const error = await openSmallStore(hurt, limits).catch((thrown: unknown) => thrown)
          const when = `crashed at call ${call}, then at call ${again} of opening`
          await checkSurvivor(hurt.afterPowerLoss(seededChance(again)), ledger, limits, when)
          if (!(error instanceof Crashed)) break
        }
        if (isDone) break
      }
    })
  })
}

describe('the active segment', () => {
  it('scenario T4: cut anywhere in its last three records, has every block before the cut and takes new ones', async () => {
    const files = new CrashFiles()
    const blocks = [1, 2, 3, 4, 5].map((seed) => testBlock(seed, 60 + seed))
    const ends: number[] = []
    const store = await openSmallStore(files, { segmentBytes: 1_000_000 })
    const path = '/store/0000000001.segment'
    for (const block of blocks) {
      await store.put([block])
      ends.push(files.bytesOf(path).length)
    }
    await store[Symbol.asyncDispose]()
    const whole = files.bytesOf(path)
    for (let sizeBytes = ends[1] ?? 0; sizeBytes <= whole.length; sizeBytes++) {
      const cut = files.afterKill()
      cut.replaceBytes(path, whole.slice(0, sizeBytes))
      for (const round of [1, 2]) {
        await using opened = await openSmallStore(cut, {}, false)
        if (round === 1) assert.equal(cut.bytesOf(path).length, Math.max(...ends.filter((end) => end <= sizeBytes)), `cut at ${sizeBytes}`)
        for (const [at, block] of blocks.entries()) {
          const isWhole = (ends[at] ?? 0) <= sizeBytes
          assert.deepEqual(await opened.get(folder, block.id), isWhole ? block.bytes : undefined, `cut at ${sizeBytes}, block ${at}`)
        }
        if (round === 2) assert.equal(opened.has(folder, testBlock(9).id), true)
        await opened.put([testBlock(9)])
        assert.equal(opened.quarantine().count, 0)
      }
    }
  })
})
