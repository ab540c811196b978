// The ways in which parts of the engine wait for each other: a wake-up that carries no data, a broadcast, a lock, a moment's rest.

import type { Clock } from './clock.ts'
import { EngineError } from './errors.ts'

/** Rejects with `ABORTED` when the signal has been or gets aborted. */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new EngineError('ABORTED', 'stopped before it was done', { cause: signal.reason })
}

/** Many `wake` calls before a `wait` count as one; the waiter reads the rows again. */
export class Wakeup {
  #isSet = false
  #waiters: (() => void)[] = []

  wake(): void {
    this.#isSet = true
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) waiter()
  }

  /** Resolves at once when woken since the last `wait`, else at the next `wake`. */
  async wait(signal: AbortSignal): Promise<void> {
    throwIfAborted(signal)
    while (!this.#isSet) {
      await abortable<void>((resolve) => this.#waiters.push(() => resolve()), signal)
    }
    this.#isSet = false
  }
}

/** A promise made by `start(resolve)` that rejects with `ABORTED` when `signal` aborts first. */
export async function abortable<T>(
  start: (resolve: (value: T) => void, reject: (error: unknown) => void) => void,
  signal: AbortSignal,
): Promise<T> {
  throwIfAborted(signal)
  let onAbort = (): void => undefined
  try {
    return await new Promise<T>((resolve, reject) => {
      onAbort = () => reject(new EngineError('ABORTED', 'stopped before it was done', { cause: signal.reason }))
      signal.addEventListener('abort', onAbort, { once: true })
      start(resolve, reject)
    })
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** Wakes everyone who waits at that moment. */
export class Broadcast {
  #waiters: (() => void)[] = []

  announce(): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) waiter()
  }

  async wait(signal: AbortSignal): Promise<void> {
    await abortable<void>((resolve) => this.#waiters.push(() => resolve()), signal)
  }
}

/** At most `width` holders at once, served in order. */
export class Semaphore {
  #free: number
  #waiters: (() => void)[] = []

  constructor(width: number) {
    this.#free = width
  }

  /** Runs `work` while holding a place. */
  async hold<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    throwIfAborted(signal)
    await this.#take(signal)
    try {
      return await work()
    } finally {
      this.#give()
    }
  }

  async #take(signal: AbortSignal): Promise<void> {
    if (this.#free > 0) {
      this.#free--
      return
    }
    let granted = (): void => undefined
    try {
      await abortable<void>((resolve) => {
        granted = () => resolve()
        this.#waiters.push(granted)
      }, signal)
    } catch (error) {
      const at = this.#waiters.indexOf(granted)
      if (at >= 0) this.#waiters.splice(at, 1)
      else this.#give() // the place came in the same moment as the abort: pass it on
      throw error
    }
  }

  #give(): void {
    const next = this.#waiters.shift()
    if (next !== undefined) next()
    else this.#free++
  }
}

/** Waits for a wake-up, at most `durationMs`; false when that was over first. */
export async function waitAtMost(wakeup: Wakeup, clock: Clock, durationMs: number, signal: AbortSignal): Promise<boolean> {
  throwIfAborted(signal)
  const either = new AbortController()
  const end = AbortSignal.any([signal, either.signal])
  let isWoken = false
  const both = [wakeup.wait(end).then(() => (isWoken = true)), clock.sleep(durationMs, end)]
  try {
    await Promise.race(both)
    return isWoken
  } finally {
    either.abort()
    await Promise.allSettled(both)
  }
}

/**
 * What `work` gives; its signal aborts with `signal` and when the time is up. Rejects with `TIMED_OUT` then, whether or not `work` minds its
 * signal.
 */
export async function inTime<T>(clock: Clock, limitMs: number, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const ending = new AbortController()
  const both = AbortSignal.any([signal, ending.signal])
  const late = clock.sleep(limitMs, both).then(() => {
    throw new EngineError('TIMED_OUT', `there was no answer in ${limitMs / 1000} s`)
  })
  late.catch(() => undefined) // of no interest once there is an answer
  try {
    return await Promise.race([work(both), late])
  } finally {
    ending.abort()
  }
}

/**
 * Runs tasks that belong together: when the first of them ends, in whatever way, the others are aborted and awaited.
 * Throws what the first one threw.
 */
export async function runTogether(signal: AbortSignal, tasks: readonly ((signal: AbortSignal) => Promise<void>)[]): Promise<void> {
  const ending = new AbortController()
  const linked = AbortSignal.any([signal, ending.signal])
  const running = tasks.map(async (task) => await task(linked)) // async: also what throws at once must end the others
  try {
    await Promise.race(running)
  } finally {
    ending.abort()
    await Promise.allSettled(running)
  }
}

/** Calls `work` soon after a `ring`, at most once every `intervalMs`; the first ring after a rest is answered at once. */
export class Coalescer {
  readonly #clock: Clock
  readonly #intervalMs: number
  readonly #work: () => void
  readonly #signal: AbortSignal
  #state: 'resting' | 'pausing' | 'rung' = 'resting'

  constructor(clock: Clock, intervalMs: number, signal: AbortSignal, work: () => void) {
    this.#clock = clock
    this.#intervalMs = intervalMs
    this.#signal = signal
    this.#work = work
  }

  ring(): void {
    if (this.#signal.aborted || this.#state === 'rung') return
    if (this.#state === 'pausing') {
      this.#state = 'rung'
      return
    }
    this.#state = 'pausing'
    this.#work()
    void this.#pause()
  }

  async #pause(): Promise<void> {
    try {
      await this.#clock.sleep(this.#intervalMs, this.#signal)
    } catch {
      return // aborted: nobody listens any more
    }
    const isRung = this.#state === 'rung'
    this.#state = 'resting'
    if (isRung) this.ring()
  }
}
