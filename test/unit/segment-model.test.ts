// The segment store through long random lives of puts, removals, compactions, kills, power losses, failing syncs and full disks, held
// against a list of what it promised. A failing seed can be run alone: SEGMENT_MODEL_SEED=123.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { errorCodeOf } from '../../engine/base/errors.ts'
import type { SegmentLimits } from '../../engine/blocks/segment-limits.ts'
import type { SegmentStore } from '../../engine/blocks/segment-store.ts'
import type { StoredBlock } from '../../engine/blocks/store.ts'
import { never, openSmallStore, seededChance, testBlock, testFolder } from '../support/blocks.ts'
import { Crashed, CrashFiles, type Chance } from '../support/crash-files.ts'

const folder = testFolder(1)
const pool: readonly StoredBlock[] = Array.from({ length: 24 }, (_, seed) => testBlock(seed, 20 + ((seed * 53) % 200)))
const smallLog: Partial<SegmentLimits> = { segmentBytes: 1500, groupBytesMax: 900, compactDeadShare: 0.4 }

/** `unknown` after a call that was not answered, until the next look. */
type Claim = 'present' | 'absent' | 'unknown'

class World {
  readonly #chance: Chance
  readonly #limits: Partial<SegmentLimits>
  readonly #claims: Claim[] = pool.map(() => 'absent')
  #files = new CrashFiles()
  #store: SegmentStore | undefined
  #steps = ''

  constructor(seed: number) {
    this.#chance = seededChance(seed)
    // In two of three lives the index is written down again and again, and read from the disk.
    this.#limits = seed % 3 === 0 ? smallLog : { ...smallLog, indexRowsMax: 2 + (seed % 7) }
  }

  async run(steps: number): Promise<void> {
    await this.#open()
    for (let step = 0; step < steps; step++) {
      const choice = this.#chance(100)
      if (choice < 34) await this.#put()
      else if (choice < 60) await this.#remove()
      else if (choice < 66) await this.#compactBeside()
      else if (choice < 72) await this.#do('compact', (store) => store.compact(never).then(() => undefined))
      else if (choice < 76) await this.#reopen()
      else if (choice < 80) await this.#crash('kill')
      else if (choice < 86) await this.#crash('powerLoss')
      else if (choice < 90) this.#files.crashAtCall = this.#files.calls + 1 + this.#chance(20)
      else if (choice < 94) this.#files.failingSyncs = 1
      else if (choice < 95) this.#files.failingSyncs = 2 + this.#chance(2)
      else if (choice < 96) this.#files.failingWrites = 1 + this.#chance(3)
      else if (choice < 98) this.#files.capacityBytes = this.#files.usedBytes() + this.#chance(1500)
      else this.#files.capacityBytes = Infinity
      this.#steps += ` ${choice}`
      await this.#check()
    }
    await this.#crash('powerLoss')
  }

  async #put(): Promise<void> {
    const picked = this.#pick(5)
    await this.#claiming('put', picked, 'present', (store) => store.put(picked.map((at) => pool[at] ?? testBlock(0))))
  }

  async #remove(): Promise<void> {
    const picked = this.#pick(4)
    await this.#claiming('remove', picked, 'absent', (store) =>
      store.remove(
        folder,
        picked.map((at) => (pool[at] ?? testBlock(0)).id),
      ),
    )
  }

  /** Compaction while blocks that it may be copying are removed and put. */
  async #compactBeside(): Promise<void> {
    const [removed, added] = [this.#pick(8), this.#pick(3)]
    const both = [...removed, ...added]
    const isDone = await this.#claiming('compact beside', both, 'unknown', async (store) => {
      const compaction = store.compact(never)
      compaction.catch(() => undefined) // looked at below
      for (let turns = this.#chance(40); turns > 0; turns--) await Promise.resolve()
      const removal = store.remove(
        folder,
        removed.map((at) => (pool[at] ?? testBlock(0)).id),
      )
      const addition = store.put(added.map((at) => pool[at] ?? testBlock(0)))
      const results = await Promise.allSettled([compaction, removal, addition])
      const errors: unknown[] = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
      if (errors.length > 0) throw errors.find((error) => error instanceof Crashed) ?? errors[0]
    })
    if (!isDone) return
    for (const at of removed) this.#claims[at] = 'absent'
    for (const at of added) this.#claims[at] = 'present'
  }

  #pick(most: number): readonly number[] {
    return Array.from({ length: 1 + this.#chance(most) }, () => this.#chance(pool.length))
  }

  async #claiming(what: string, picked: readonly number[], claim: Claim, call: (store: SegmentStore) => Promise<void>): Promise<boolean> {
    for (const at of picked) this.#claims[at] = 'unknown'
    const isDone = await this.#do(what, call)
    if (isDone) for (const at of picked) this.#claims[at] = claim
    return isDone
  }

  /** True when the call was answered. A crash in it is followed by a new start. */
  async #do(what: string, call: (store: SegmentStore) => Promise<void>): Promise<boolean> {
    this.#steps += ` ${what}`
    try {
      if (this.#store !== undefined) await call(this.#store)
      return true
    } catch (error) {
      if (error instanceof Crashed) await this.#crash(this.#chance(2) === 0 ? 'kill' : 'powerLoss')
      else if (errorCodeOf(error) === 'STORE_READ_ONLY') await this.#reopen()
      else assert.ok(['NO_SPACE', 'DISK_FAILED'].includes(errorCodeOf(error)), `${what}: ${String(error)}`)
      return false
    }
  }

  async #reopen(): Promise<void> {
    this.#steps += ' reopen'
    try {
      await this.#store?.[Symbol.asyncDispose]()
    } catch (error) {
      if (!(error instanceof Crashed)) throw error
    }
    await this.#crash('kill')
  }

  async #crash(how: 'kill' | 'powerLoss'): Promise<void> {
    this.#steps += ` ${how}`
    const { capacityBytes } = this.#files
    this.#files = how === 'kill' ? this.#files.afterKill() : this.#files.afterPowerLoss(this.#chance)
    this.#files.capacityBytes = capacityBytes
    await this.#open()
  }

  /** Opening tells of every block whether it is here; that counts from then on. */
  async #open(): Promise<void> {
    // Now and then opening meets a crash too; what is left then is what the next opening finds.
    if (this.#chance(8) === 0) {
      this.#files.crashAtCall = 1 + this.#chance(60)
      const error = await openSmallStore(this.#files, this.#limits).catch((thrown: unknown) => thrown)
      assert.ok(!(error instanceof Error) || error instanceof Crashed || ['NO_SPACE'].includes(errorCodeOf(error)), String(error))
      const { capacityBytes } = this.#files
      this.#files = this.#files.afterPowerLoss(this.#chance)
      this.#files.capacityBytes = capacityBytes
    }
    this.#store = await openSmallStore(this.#files, this.#limits).catch((error: unknown) => {
      assert.equal(errorCodeOf(error), 'NO_SPACE', String(error)) // no room even for the marker
      return undefined
    })
    if (this.#store === undefined) {
      this.#files.capacityBytes = Infinity
      this.#store = await openSmallStore(this.#files, this.#limits)
    }
    for (const [at, block] of pool.entries()) {
      if (this.#claims[at] === 'unknown') this.#claims[at] = this.#store.has(folder, block.id) ? 'present' : 'absent'
    }
    await this.#check()
  }

  async #check(): Promise<void> {
    for (const [at, block] of pool.entries()) {
      if (this.#claims[at] === 'unknown') continue
      const { calls, crashAtCall } = this.#files
      this.#files.crashAtCall = Infinity // a look is not part of the life
      const isHere = this.#store?.has(folder, block.id)
      assert.equal(isHere ? 'present' : 'absent', this.#claims[at], `block ${at} after${this.#steps}`)
      if (isHere) assert.deepEqual(await this.#store?.get(folder, block.id), block.bytes, `bytes of block ${at} after${this.#steps}`)
      this.#files.crashAtCall = crashAtCall
      this.#files.calls = calls
    }
  }
}

describe('a segment store in random lives', () => {
  it('has what it acknowledged and has not what it removed', async () => {
    const alone = process.env['SEGMENT_MODEL_SEED']
    const lives = Number(process.env['SEGMENT_MODEL_LIVES'] ?? 100)
    const seeds =
      alone === undefined ? Array.from({ length: lives }, (_, at) => at + Number(process.env['SEGMENT_MODEL_FIRST'] ?? 0)) : [Number(alone)]
    for (const seed of seeds) {
      try {
        await new World(seed).run(80)
      } catch (error) {
        throw new Error(`seed ${seed}: ${String(error)}`, { cause: error })
      }
    }
  })
})
