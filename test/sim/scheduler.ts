// Virtual time: one queue of timers for the whole world. Code of the engine runs as ordinary promises between two timers.
//
// What makes it deterministic: time stands still while code runs; timers due at the same microsecond fire in an order drawn
// from the seed; nothing in the world waits for the real system (no real timers, no thread pool, no real files but SQLite's
// synchronous ones). `drain` says how we know that the code has come to rest.

import type { Clock } from '../../engine/base/clock.ts'
import { abortable, throwIfAborted } from '../../engine/base/queue.ts'
import type { SeededRandom } from '../support/seeded-random.ts'
import { SimCrash, type Life } from './life.ts'
import { TimerHeap, type Timer } from './timer-heap.ts'
import type { Trace } from './trace.ts'

export interface RunLimits {
  /** Timers fired. */
  readonly stepsMax: number
  /** Virtual time from the start of this run. */
  readonly durationMs: number
}

/** `idle`: no timer is left and the condition does not hold, so it never will. */
export type RunEnd = 'reached' | 'steps' | 'time' | 'idle'

/** 2026-01-01T00:00:00Z, where every world's wall clock starts. */
export const epochMs = 1_767_225_600_000

/** Two would do for one yield between two touches of the world (an immediate queued within a turn runs in the next); twice that for safety. */
const quietTurnsEnough = 4

/** More turns than any honest chain of `setImmediate` needs; beyond it something spins without letting time pass. */
const turnsMax = 10_000

export class Scheduler implements Disposable {
  readonly trace: Trace
  readonly #ties: SeededRandom
  readonly #timers = new TimerHeap()
  readonly #afterStep: (() => void)[] = []
  #nowUs = 0
  #sequence = 0
  #activity = 0
  #steps = 0

  constructor(random: SeededRandom, trace: Trace) {
    this.#ties = random.fork('ties')
    this.trace = trace
  }

  /** Virtual microseconds since the world began. */
  get nowUs(): number {
    return this.#nowUs
  }

  get steps(): number {
    return this.#steps
  }

  /** Nothing happens any more. */
  [Symbol.dispose](): void {
    this.#timers.clear()
    this.#afterStep.splice(0)
  }

  /** Writes a line to the trace. */
  note(text: string): void {
    this.#activity++
    this.trace.add(this.#nowUs, text)
  }

  /** Tells `drain` that code did something, so that it looks again. */
  touch(): void {
    this.#activity++
  }

  /** Fires `action` after a virtual delay; not when `life` is over by then. Returns the way to cancel. */
  after(delayMs: number, label: string, action: () => void, life?: Life): () => void {
    this.#activity++
    const dueUs = this.#nowUs + Math.max(0, Math.round(delayMs * 1000))
    const timer: Timer = { dueUs, tie: this.#ties.uint32(), sequence: this.#sequence++, label, action, life, isCancelled: false }
    this.#timers.push(timer)
    return () => {
      timer.isCancelled = true
    }
  }

  /** A virtual pause for the world itself and for simulated devices. Never settles when `life` ends before. */
  pause(delayMs: number, label: string, life?: Life): Promise<void> {
    return new Promise((resolve) => this.after(delayMs, label, resolve, life))
  }

  /** Called after every step, once the code it woke has come to rest. May throw: the run then fails. */
  onStep(check: () => void): void {
    this.#afterStep.push(check)
  }

  /**
   * Lets code run until it only waits for virtual time. A `setImmediate` callback runs after all microtasks and nextTicks,
   * however long their chain, so one turn is enough for code made of promises. Code that itself yields through
   * `setImmediate` (a library, say) needs one turn per yield, hence turns go on until several in a row in which nobody touched the
   * world. Code that yields more often than that without touching anything would be cut short: it must not exist in the engine.
   */
  async drain(): Promise<void> {
    let quietTurns = 0
    for (let turn = 0; quietTurns < quietTurnsEnough; turn++) {
      if (turn >= turnsMax) throw new Error(`the world did not come to rest at ${this.#nowUs} us: something spins without waiting for time`)
      const before = this.#activity
      await new Promise<void>((resolve) => setImmediate(resolve))
      quietTurns = this.#activity === before ? quietTurns + 1 : 0
    }
  }

  /** Drains, asks, fires the next timer; again and again until the condition holds or a limit is reached. */
  async runUntil(condition: () => boolean, limits: RunLimits): Promise<RunEnd> {
    const endUs = Math.round(this.#nowUs + limits.durationMs * 1000)
    const lastStep = this.#steps + limits.stepsMax
    for (;;) {
      await this.drain()
      for (const check of this.#afterStep) check()
      if (condition()) return 'reached'
      if (this.#steps >= lastStep) return 'steps'
      const timer = this.#timers.peek()
      if (timer === undefined) return 'idle'
      if (timer.dueUs > endUs) {
        this.#nowUs = endUs
        return 'time'
      }
      this.#fire()
    }
  }

  /** Lets `durationMs` of virtual time pass. */
  async runFor(durationMs: number, stepsMax: number = Number.POSITIVE_INFINITY): Promise<RunEnd> {
    const endUs = Math.round(this.#nowUs + durationMs * 1000)
    const end = await this.runUntil(() => false, { durationMs, stepsMax })
    if (end === 'idle') this.#nowUs = endUs
    return end
  }

  /** Runs the world until `work` settles and gives its outcome; throws when it does not settle within the limits. */
  async settle<T>(work: Promise<T>, limits: RunLimits, what = 'the awaited work'): Promise<T> {
    let isSettled = false
    const watched = work.finally(() => {
      isSettled = true
    })
    watched.catch(() => undefined) // reported by the await below; here only kept from counting as unhandled
    const end = await this.runUntil(() => isSettled, limits)
    if (end !== 'reached') throw new Error(`${what} did not finish: ${end} after ${this.#steps} steps at ${this.#nowUs / 1000} ms`)
    return await watched
  }

  #fire(): void {
    const timer = this.#timers.pop()
    if (timer === undefined) return
    this.#nowUs = Math.max(this.#nowUs, timer.dueUs)
    this.#steps++
    this.note(timer.label)
    try {
      timer.action()
    } catch (error) {
      // A process that dies inside a callback of the world takes nobody with it.
      if (!(error instanceof SimCrash)) throw error
    }
  }
}

/** One node's clocks. The wall clock has an offset that can jump; the monotonic one only runs. */
export class SimClock implements Clock {
  readonly #scheduler: Scheduler
  readonly #life: Life | undefined
  readonly #label: string
  readonly #wall: WallClock

  constructor(scheduler: Scheduler, wall: WallClock, label: string, life?: Life) {
    this.#scheduler = scheduler
    this.#wall = wall
    this.#label = label
    this.#life = life
  }

  nowMs(): number {
    return Math.floor(this.#wall.nowUs() / 1000)
  }

  monotonicMs(): number {
    return this.#scheduler.nowUs / 1000
  }

  async sleep(durationMs: number, signal: AbortSignal): Promise<void> {
    throwIfAborted(signal)
    let cancel = (): void => undefined
    try {
      // At least one microsecond, so that a loop which sleeps for nothing still lets time pass.
      await abortable<void>((resolve) => {
        cancel = this.#scheduler.after(Math.max(durationMs, 0.001), `${this.#label} wakes`, () => resolve(), this.#life)
      }, signal)
    } finally {
      cancel()
    }
  }
}

/** The wall clock of one machine: survives the processes on it. */
export class WallClock {
  readonly #scheduler: Scheduler
  #offsetUs: number

  constructor(scheduler: Scheduler, offsetMs = 0) {
    this.#scheduler = scheduler
    this.#offsetUs = Math.round(offsetMs * 1000)
  }

  /** Microseconds since 1970. */
  nowUs(): number {
    return epochMs * 1000 + this.#offsetUs + this.#scheduler.nowUs
  }

  /** Sets the clock forward or back, as a person or a time server does. */
  jump(byMs: number): void {
    this.#offsetUs += Math.round(byMs * 1000)
  }
}
