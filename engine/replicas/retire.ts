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
  /** The grace of surplus, and how often it is looked at, where room is needed for what is to be here. */
  readonly pressedMs: number
}

const msPerHour = 3_600_000
const msPerDay = 24 * msPerHour

export const retirePace: RetirePace = {
  surplusMs: 7 * msPerDay,
  garbageMs: 30 * msPerDay,
  firstMs: msPerHour,
  lookMs: 6 * msPerHour,
  settleMs: 10_000,
  pressedMs: 60_000,
}

const restMs = 1000

export interface RetireParts {
  readonly clock: Clock
  readonly log: Log
  readonly pace: RetirePace
  readonly surplus: Pick<Surplus, 'note' | 'trim'>
  readonly garbage: Pick<Garbage, 'revive' | 'look'>
  /** There is no room for what is to be here: what is not goes as soon as others keep it. */
  readonly isPressed: () => boolean
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

  /** Entries came: what they name is wanted. Or blocks did: what was let go of may be here again. */
  wake(): void {
    this.#wakeup.wake()
  }

  placementChanged(): void {
    this.#isPlacedAnew = true
    this.#wakeup.wake()
  }

  /** Works until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, pace, isPressed } = this.#parts
    let nextMs = clock.monotonicMs() + pace.firstMs
    let pressedMs = clock.monotonicMs() + pace.pressedMs
    this.#wakeup.wake()
    for (;;) {
      const dueMs = isPressed() ? Math.min(nextMs, pressedMs) : nextMs
      const isWoken = await waitAtMost(this.#wakeup, clock, Math.max(0, dueMs - clock.monotonicMs()), signal)
      if (isWoken) {
        await this.#try(signal, () => this.#note())
        await clock.sleep(restMs, signal) // a busy folder wakes it all the time
      }
      const nowMs = clock.monotonicMs()
      if (nowMs >= nextMs) {
        await this.#try(signal, () => this.tend(signal))
        nextMs = clock.monotonicMs() + pace.lookMs
      } else if (isPressed() && nowMs >= pressedMs) {
        await this.#try(signal, () => this.#trim(signal))
        pressedMs = clock.monotonicMs() + pace.pressedMs
      }
    }
  }

  /** Since when things are as they are is noted at once, or the graces would count from the next look. */
  async #note(): Promise<LetGoOf> {
    this.#parts.garbage.revive()
    if (this.#isPlacedAnew) this.#isPlacedAnew = !this.#parts.surplus.note()
    return await Promise.resolve({ surplus: 0, garbage: 0 })
  }

  async #try(signal: AbortSignal, work: () => Promise<LetGoOf>): Promise<void> {
    const { log, changed } = this.#parts
    try {
      const { surplus, garbage } = await work()
      if (surplus + garbage === 0) return
      log.info('let go of blocks', { surplus, garbage })
      changed()
    } catch (error) {
      if (signal.aborted || errorCodeOf(error) === undefined) throw error
      log.warn('could not let go of blocks; it is tried again', { error: messageOf(error) })
    }
  }

  /** One round. Throws what the store and the index throw. */
  async tend(signal: AbortSignal): Promise<LetGoOf> {
    const surplus = await this.#parts.surplus.trim(signal)
    this.#isToCompact ||= surplus > 0
    const garbage = await this.#parts.garbage.look(signal)
    this.#isToCompact ||= garbage > 0
    await this.#compact(signal)
    return { surplus, garbage }
  }

  async #trim(signal: AbortSignal): Promise<LetGoOf> {
    const surplus = await this.#parts.surplus.trim(signal)
    this.#isToCompact ||= surplus > 0
    await this.#compact(signal)
    return { surplus, garbage: 0 }
  }

  async #compact(signal: AbortSignal): Promise<void> {
    if (this.#isToCompact) await this.#parts.compact(signal)
    this.#isToCompact = false
  }
}

/** How many blocks went. */
interface LetGoOf {
  readonly surplus: number
  readonly garbage: number
}
