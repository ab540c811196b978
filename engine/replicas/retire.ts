// Retire, the loop beside repair: what is not to be held here any more goes, late and only when that is safe. Surplus goes by keep leases,
// garbage when nothing has referred to it for long; then the store gives back the room.

import type { Clock } from '../base/clock.ts'
import { errorCodeOf, messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { waitAtMost, Wakeup } from '../base/queue.ts'
import type { Garbage } from './garbage.ts'
import type { Surplus } from './surplus.ts'

/** How patient it is, milliseconds; those of graces on the awake clock. */
export interface RetirePace {
  readonly surplusMs: number
  readonly garbageMs: number
  /** After a start nothing goes for so long: members come back first, and one by one. */
  readonly firstMs: number
  readonly lookMs: number
  /** For members to hear what is not claimed any more. */
  readonly settleMs: number
}

const msPerHour = 3_600_000
const msPerDay = 24 * msPerHour

export const retirePace: RetirePace = {
  surplusMs: 7 * msPerDay,
  garbageMs: 30 * msPerDay,
  firstMs: msPerHour,
  lookMs: 6 * msPerHour,
  settleMs: 10_000,
}

const restMs = 1000

export interface RetireParts {
  readonly clock: Clock
  readonly log: Log
  readonly pace: RetirePace
  readonly surplus: Pick<Surplus, 'note' | 'trim'>
  readonly garbage: Pick<Garbage, 'revive' | 'look'>
  readonly compact: (signal: AbortSignal) => Promise<unknown>
  readonly changed: () => void
}

export class Retire {
  readonly #parts: RetireParts
  readonly #wakeup = new Wakeup()
  #isToCompact = false
  #isPlacedAnew = true

  constructor(parts: RetireParts) {
    this.#parts = parts
  }

  /** Entries came: what they name is wanted. */
  wake(): void {
    this.#wakeup.wake()
  }

  placementChanged(): void {
    this.#isPlacedAnew = true
    this.#wakeup.wake()
  }

  /** Works until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, pace } = this.#parts
    let nextMs = clock.monotonicMs() + pace.firstMs
    this.#wakeup.wake()
    for (;;) {
      const isWoken = await waitAtMost(this.#wakeup, clock, Math.max(0, nextMs - clock.monotonicMs()), signal)
      if (isWoken) {
        this.#note()
        await clock.sleep(restMs, signal) // a busy folder wakes it all the time
      }
      if (clock.monotonicMs() < nextMs) continue
      await this.#try(signal)
      nextMs = clock.monotonicMs() + pace.lookMs
    }
  }

  /** Since when things are as they are is noted at once, or the graces would count from the next look. */
  #note(): void {
    this.#parts.garbage.revive()
    if (this.#isPlacedAnew) this.#parts.surplus.note()
    this.#isPlacedAnew = false
  }

  async #try(signal: AbortSignal): Promise<void> {
    const { log, changed } = this.#parts
    try {
      const { surplus, garbage } = await this.tend(signal)
      if (surplus + garbage === 0) return
      log.info('let go of blocks', { surplus, garbage })
      changed()
    } catch (error) {
      if (signal.aborted || errorCodeOf(error) === undefined) throw error
      log.warn('could not let go of blocks; it is tried again', { error: messageOf(error) })
    }
  }

  /** One round. Throws what the store and the index throw. */
  async tend(signal: AbortSignal): Promise<{ readonly surplus: number; readonly garbage: number }> {
    const { surplus, garbage, compact } = this.#parts
    const trimmed = await surplus.trim(signal)
    this.#isToCompact ||= trimmed > 0
    const collected = await garbage.look(signal)
    this.#isToCompact ||= collected > 0
    if (this.#isToCompact) await compact(signal)
    this.#isToCompact = false
    return { surplus: trimmed, garbage: collected }
  }
}
