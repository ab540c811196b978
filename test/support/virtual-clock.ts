// A clock that stands still until a test moves it; what waits goes on in the order in which it is due.

import type { Clock } from '../../engine/base/clock.ts'
import { abortable } from '../../engine/base/queue.ts'

interface Sleeper {
  readonly untilMs: number
  readonly wake: () => void
}

/** Turns of the event loop after which nothing moves any more: jobs answer within some. */
const quietTurns = 4

export class VirtualClock implements Clock {
  #ms = 0
  /** Added to the wall clock only. */
  skewMs: number = 1_700_000_000_000
  #sleepers: Sleeper[] = []

  nowMs(): number {
    return this.#ms + this.skewMs
  }

  monotonicMs(): number {
    return this.#ms
  }

  async sleep(durationMs: number, signal: AbortSignal): Promise<void> {
    let mine: Sleeper | undefined
    try {
      await abortable<void>((resolve) => {
        mine = { untilMs: this.#ms + Math.max(0, durationMs), wake: () => resolve() }
        this.#sleepers.push(mine)
      }, signal)
    } finally {
      this.#sleepers = this.#sleepers.filter((sleeper) => sleeper !== mine)
    }
  }

  /** Something takes so long by itself: a read of a slow disk. */
  pass(durationMs: number): void {
    this.#ms += durationMs
  }

  /** Lets time pass until `isDone`, at most so long; gives whether it is. */
  async advance(durationMs: number, isDone: () => boolean = () => false): Promise<boolean> {
    const endMs = this.#ms + durationMs
    for (;;) {
      for (let turn = 0; turn < quietTurns; turn++) await new Promise((resolve) => setImmediate(resolve))
      if (isDone()) return true
      const next = this.#sleepers.toSorted((left, right) => left.untilMs - right.untilMs)[0]
      if (next === undefined || next.untilMs > endMs) {
        this.#ms = Math.max(this.#ms, endMs)
        return false
      }
      this.#ms = Math.max(this.#ms, next.untilMs)
      this.#sleepers = this.#sleepers.filter((sleeper) => sleeper !== next)
      next.wake()
    }
  }
}
