// A store of packs against a model, over lives that end anywhere: few blocks that are put, removed and put again, compaction in between, and
// starts with the home's index, with an old one, or without.

import assert from 'node:assert/strict'
import { it } from 'node:test'

import { errorCodeOf } from '../../engine/base/errors.ts'
import type { Random } from '../../engine/base/clock.ts'
import type { SegmentStore } from '../../engine/blocks/segment-store.ts'
import { never, seededChance, testBlock, testFolder } from '../support/blocks.ts'
import { CrashFiles } from '../support/crash-files.ts'
import { MemoryObjects } from '../support/memory-objects.ts'
import { openTestPacks } from '../support/packs.ts'

const folder = testFolder(1)
const seeds = 40
const lives = 8
const stepsPerLife = 10
const limits = { groupBlocksMax: 2, groupBytesMax: 3000, indexRowsMax: 3, packsPerSave: 3, smallPackBytes: 200, smallPacksMin: 1000 }

/** A new process begins at the very next number: the hardest case. */
const noSkip: Random = { bytes: (length) => new Uint8Array(length) }

it('every block is here or gone as the last answered call says, whatever came between', async () => {
  for (let seed = 1; seed <= seeds; seed++) await live(seed)
})

async function live(seed: number): Promise<void> {
  const chance = seededChance(seed)
  const state = new Map<number, 'here' | 'gone'>()
  const homes: CrashFiles[] = [new CrashFiles()]
  let objects = new MemoryObjects()
  for (let life = 0; life < lives; life++) {
    const kind = chance(4)
    const home = kind === 0 ? new CrashFiles() : kind === 1 ? homes[chance(homes.length)] : homes.at(-1)
    const files = (home ?? new CrashFiles()).afterKill()
    objects = new MemoryObjects(objects.objects)
    const store = await openTestPacks(objects, { files, limits, random: noSkip })
    await check(store, state, `seed ${seed}, start of life ${life}`)
    if (chance(3) > 0) objects.dieAt = { call: objects.calls + 1 + chance(40), isDone: chance(2) === 0 }
    try {
      for (let step = 0; step < stepsPerLife; step++) {
        const from = objects.calls + 1 + chance(12)
        objects.unanswered = chance(3) === 0 ? { from, to: from + chance(8), isDone: chance(2) === 0 } : undefined
        await act(store, state, chance).catch((error: unknown) => {
          if (errorCodeOf(error) !== 'STORE_OFFLINE') throw error
        })
      }
      objects.unanswered = undefined
      await check(store, state, `seed ${seed}, end of life ${life}`)
      if (chance(2) === 0) await store[Symbol.asyncDispose]()
    } catch (error) {
      if (errorCodeOf(error) !== 'ABORTED') throw error
    }
    homes.push(files.afterKill())
  }
}

async function act(store: SegmentStore, state: Map<number, 'here' | 'gone'>, chance: (below: number) => number): Promise<void> {
  const some = [...new Set([chance(8), chance(8), chance(8)])]
  const what = chance(7)
  if (what === 0) {
    await store.compact(never)
    return
  }
  const isPut = what < 4
  // Until it is answered, either may be.
  for (const block of some) if (state.get(block) !== (isPut ? 'here' : 'gone')) state.delete(block)
  if (isPut) await store.put(some.map((block) => testBlock(block, 100 + block * 60)))
  else
    await store.remove(
      folder,
      some.map((block) => testBlock(block, 100 + block * 60).id),
    )
  for (const block of some) state.set(block, isPut ? 'here' : 'gone')
}

async function check(store: SegmentStore, state: ReadonlyMap<number, 'here' | 'gone'>, when: string): Promise<void> {
  for (const [block, expected] of state) {
    const { id, bytes } = testBlock(block, 100 + block * 60)
    assert.equal(store.has(folder, id), expected === 'here', `${when}: block ${block} is to be ${expected}`)
    if (expected === 'here') assert.deepEqual(await store.get(folder, id), bytes, `${when}: block ${block}`)
  }
  assert.equal(store.quarantine().count, 0, when)
}
