// A clock that a test moves.

import type { Clock } from '../../engine/base/clock.ts'
import { abortable } from '../../engine/base/queue.ts'

/** What was woken gets so many turns to go on. */
const turnsAfter = 200

/** Time that passes when a test says so. */
export class StepClock implements Clock {
  #nowMs = 0
  #sleepers: { readonly untilMs: number; readonly wake: () => void }[] = []

  nowMs(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  async sleep(durationMs: number, signal: AbortSignal): Promise<void> {
    const untilMs = this.#nowMs + durationMs
    await abortable<void>((resolve) => this.#sleepers.push({ untilMs, wake: () => resolve() }), signal)
  }

  async pass(durationMs: number): Promise<void> {
    this.#nowMs += durationMs
    const due = this.#sleepers.filter(({ untilMs }) => untilMs <= this.#nowMs)
    this.#sleepers = this.#sleepers.filter(({ untilMs }) => untilMs > this.#nowMs)
    for (const { wake } of due) wake()
    for (let turns = 0; turns < turnsAfter; turns++) await Promise.resolve()
  }
}
