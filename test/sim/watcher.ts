// Change hints on a simulated machine: late, gathered, sometimes doubled, lost or no more, as the seed has it.

import type { OpenWatcher, Watcher, WatchEvent, WatcherOptions } from '../../engine/disk/watch.ts'
import type { SeededRandom } from '../support/seeded-random.ts'
import type { SimDisk } from './disk.ts'
import type { Life } from './life.ts'
import type { Scheduler } from './scheduler.ts'

export interface WatchConditions {
  /** From the first change of a gathering to its delivery. */
  readonly delayMs: readonly [low: number, high: number]
  /** Of one change: that nobody hears of it. */
  readonly dropChance: number
  /** Of one delivery: that it comes twice. */
  readonly doubleChance: number
  /** Of one delivery: that it says only "events were dropped". */
  readonly lostChance: number
  /** Of one delivery: that it is the last and the watcher dies. */
  readonly deathChance: number
}

export const faithfulWatching: WatchConditions = { delayMs: [1, 50], dropChance: 0, doubleChance: 0, lostChance: 0, deathChance: 0 }
export const shakyWatching: WatchConditions = {
  delayMs: [1, 2000],
  dropChance: 0.05,
  doubleChance: 0.1,
  lostChance: 0.02,
  deathChance: 0.01,
}

export interface WatcherParts {
  readonly disk: SimDisk
  readonly scheduler: Scheduler
  readonly random: SeededRandom
  readonly life: Life
  readonly conditions: () => WatchConditions
}

export function simWatcher(parts: WatcherParts): OpenWatcher {
  return async (options, signal) => {
    await parts.scheduler.pause(parts.random.unit() * 20, `${parts.life.name} watches`, parts.life)
    signal.throwIfAborted()
    return new SimWatcher(parts, options)
  }
}

class SimWatcher implements Watcher {
  readonly method = 'simulated'
  readonly #parts: WatcherParts
  readonly #options: WatcherOptions
  readonly #stopListening: () => void
  #gathered = new Set<string>()
  #isOver = false

  constructor(parts: WatcherParts, options: WatcherOptions) {
    this.#parts = parts
    this.#options = options
    this.#stopListening = parts.disk.onChange(({ path }) => this.#notice(path))
    parts.life.onEnd(() => this.#end())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end()
  }

  #notice(path: string): void {
    const { root, isIgnored } = this.#options
    if (path !== root && !path.startsWith(`${root}/`)) return
    const relative = path.slice(root.length + 1)
    const { random, scheduler, life } = this.#parts
    const { delayMs, dropChance } = this.#parts.conditions()
    if (isIgnored(relative) || random.chance(dropChance)) return
    this.#gathered.add(relative)
    if (this.#gathered.size > 1) return
    const [low, high] = delayMs
    scheduler.after(low + random.unit() * (high - low), `${life.name} hears of changes`, () => this.#deliver(), life)
  }

  #deliver(): void {
    const paths = [...this.#gathered]
    this.#gathered = new Set()
    if (this.#isOver || paths.length === 0) return
    const { random, scheduler, life } = this.#parts
    const { doubleChance, lostChance, deathChance } = this.#parts.conditions()
    if (random.chance(deathChance)) {
      this.#end()
      this.#options.onEvent({ kind: 'dead', reason: 'the simulated watcher died' })
      return
    }
    const event: WatchEvent = random.chance(lostChance) ? { kind: 'lost', reason: 'the simulated queue ran over' } : { kind: 'hint', paths }
    this.#options.onEvent(event)
    if (!random.chance(doubleChance)) return
    const again = (): void => {
      if (!this.#isOver) this.#options.onEvent(event)
    }
    scheduler.after(random.unit() * 500, `${life.name} hears it again`, again, life)
  }

  #end(): void {
    this.#isOver = true
    this.#stopListening()
  }
}
