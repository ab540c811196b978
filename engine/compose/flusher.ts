// Flushes the index behind its commits and lets the news out after: nothing of this node's own is told to others that a power cut
// could still make it forget.

import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { Wakeup } from '../base/queue.ts'
import type { Index } from '../index/index-store.ts'

/** How the database file is flushed: by jobs on Node, by the simulator's own means there. */
export interface DatabaseCare {
  /** Everything committed before the call survives a power cut once it resolves. */
  flush(signal: AbortSignal): Promise<void>
  /** Keeps the log short; may do nothing. True when the log should be settled by its writer. */
  checkpoint(signal: AbortSignal): Promise<boolean>
}

export interface FlusherParts {
  readonly index: Index
  readonly care: DatabaseCare
  readonly clock: Clock
  readonly log: Log
  /** Rows are flushed: they may be told. */
  readonly onFlushed: () => void
}

const retryMs = 1000

export class Flusher {
  readonly #parts: FlusherParts
  readonly #wakeup = new Wakeup()

  constructor(parts: FlusherParts) {
    this.#parts = parts
    this.#wakeup.wake() // what an earlier process left may not be flushed
  }

  /** Rows were written. */
  wake(): void {
    this.#wakeup.wake()
  }

  /** Works until `signal` aborts; resolves then. */
  async run(signal: AbortSignal): Promise<void> {
    const { index, care, clock, log, onFlushed } = this.#parts
    while (!signal.aborted) {
      try {
        await this.#wakeup.wait(signal)
        const newest = index.entries.lastRowSeq
        await care.flush(signal)
        index.entries.noteFlushed(newest)
        onFlushed()
        if (index.entries.isRowReserveLow) index.transactDurably(() => index.entries.reserveRows())
        if (await care.checkpoint(signal)) index.settleLog()
      } catch (error) {
        if (signal.aborted) return
        log.error('could not flush the index; nothing new is told to others until it can be', { error: messageOf(error) })
        this.#wakeup.wake()
        await clock.sleep(retryMs, signal).catch(() => undefined) // aborted: the loop ends
      }
    }
  }
}
