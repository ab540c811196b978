// The life of one folder's work: begun, ended, and begun again after whatever stopped it, with the reason told as a problem.

import type { Clock } from '../base/clock.ts'
import { EngineError, errorCodeOf, messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { Broadcast, waitAtMost, Wakeup } from '../base/queue.ts'
import type { FolderProblems } from '../sync/problems.ts'

export interface LifeParts {
  readonly clock: Clock
  readonly log: Log
  readonly problems: FolderProblems
  /** Works until it is aborted; what it throws stops the folder. To call `onRunning` once nothing stands in the way. */
  readonly work: (signal: AbortSignal, onRunning: () => void) => Promise<void>
  readonly changed: () => void
}

const restartPauseMs = 5000

export class FolderLife {
  readonly #parts: LifeParts
  readonly #settled = new Broadcast()
  readonly #restart = new Wakeup()
  #activity = new AbortController()
  #running: Promise<void> | undefined
  #stopReason: string | undefined
  /** How often the work stopped in this life. */
  #stops = 0

  constructor(parts: LifeParts) {
    this.#parts = parts
  }

  get stopReason(): string | undefined {
    return this.#stopReason
  }

  /** Aborts when the work ends that is under way, or that ended last. */
  get signal(): AbortSignal {
    return this.#activity.signal
  }

  begin(): void {
    if (this.#running !== undefined) return
    const activity = new AbortController()
    this.#activity = activity
    this.#running = this.#keepRunning(activity.signal).finally(() => (this.#running = undefined))
  }

  /** Resolves when everything is at rest. */
  async end(): Promise<void> {
    this.#activity.abort()
    await this.#running
  }

  /** Tries again now what has stopped; resolves once it runs or has stopped again. */
  async tryAgain(signal: AbortSignal): Promise<void> {
    const stops = this.#stops
    this.#restart.wake()
    while (this.#stopReason !== undefined && this.#stops === stops) await this.#settled.wait(signal)
  }

  async #keepRunning(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#parts.work(signal, () => this.#setRunning())
      } catch (error) {
        if (signal.aborted) return
        this.#setStopped(error)
        await waitAtMost(this.#restart, this.#parts.clock, restartPauseMs, signal).catch(() => undefined) // aborted: the loop ends
      }
    }
  }

  #setRunning(): void {
    if (this.#stopReason === undefined) return
    this.#stopReason = undefined
    this.#parts.problems.clear('FOLDER_STOPPED')
    this.#tell()
  }

  #setStopped(error: unknown): void {
    const reason = messageOf(error)
    this.#stops++
    this.#stopReason = reason
    this.#parts.log.error('the folder stopped', { code: errorCodeOf(error), error: reason })
    const isKnown = error instanceof EngineError && error.code === 'FOLDER_STOPPED'
    this.#parts.problems.note({
      code: 'FOLDER_STOPPED',
      severity: 'error',
      text: isKnown ? reason : `the folder stopped: ${reason}`,
      next: isKnown ? 'It goes on by itself once that is done.' : 'It is tried again every few seconds; see the log if it stays.',
    })
    this.#tell()
  }

  #tell(): void {
    this.#settled.announce()
    this.#parts.changed()
  }
}
