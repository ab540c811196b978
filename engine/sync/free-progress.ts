// How far freeing is: of all that is asked for at the moment, since there was last nothing to free.

import type { Clock } from '../base/clock.ts'

export interface FreeCounts {
  /** Looked at: freed or refused. */
  readonly filesDone: number
  readonly filesTotal: number
  /** Given back. */
  readonly bytesFreed: number
  /** Monotonic. */
  readonly startedMs: number
}

export class FreeProgress {
  readonly #clock: Clock
  #calls = 0
  #counts: FreeCounts | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** undefined while nothing is freed. */
  get counts(): FreeCounts | undefined {
    return this.#counts
  }

  /** Counts what `work` notes; whatever comes of it, it is over when that ends. */
  async during<T>(files: number, work: () => Promise<T>): Promise<T> {
    const { filesDone, filesTotal, ...rest } = this.#counts ?? {
      filesDone: 0,
      filesTotal: 0,
      bytesFreed: 0,
      startedMs: this.#clock.monotonicMs(),
    }
    this.#counts = { ...rest, filesDone, filesTotal: filesTotal + files }
    this.#calls++
    try {
      return await work()
    } finally {
      if (--this.#calls === 0) this.#counts = undefined
    }
  }

  note(files: number, bytes: number): void {
    const counts = this.#counts
    if (counts !== undefined) this.#counts = { ...counts, filesDone: counts.filesDone + files, bytesFreed: counts.bytesFreed + bytes }
  }
}
