// Files that `keep` was to free and that too few others had proven to hold: tried again when there is a new word of others, and not otherwise.
// Only of this process: after a restart it is for the person to say `keep` again (decision 0048: nothing leaves a disk by itself).

import type { Clock } from '../base/clock.ts'
import { errorCodeOf, messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { throwIfAborted, Wakeup } from '../base/queue.ts'
import type { RelativePath } from '../model/path.ts'
import type { RefusedFree } from '../sync/free.ts'

export interface KeepLaterParts {
  readonly clock: Clock
  readonly log: Log
  /** Whatever others may say or prove of what they hold: another text when there is something new of it. */
  readonly evidence: () => string
  /** The version of a file here; undefined when it is not here, or not in step. */
  readonly versionOf: (path: RelativePath) => number | undefined
  /** Whether files may be freed now, and this one still is not to be here. */
  readonly mayFree: (path: RelativePath) => boolean
  readonly free: (paths: readonly RelativePath[], signal: AbortSignal) => Promise<readonly RefusedFree[]>
}

const lookMs = 15_000
/** Trying takes this part of the time at most. */
const restShare = 20
/** Who said that it has a file and did not prove it is asked again so much later, twice as long each time. */
const retryFirstMs = 60_000
const retryLongestMs = 60 * 60_000

export class KeepLater {
  readonly #parts: KeepLaterParts
  readonly #wakeup = new Wakeup()
  /** The version that was refused: one that was changed since is in use, and stays. */
  #versions = new Map<RelativePath, number>()
  /** What others had said when they were asked last. */
  #asked = ''
  #retryMs = retryFirstMs
  #retryAtMs = Number.POSITIVE_INFINITY

  constructor(parts: KeepLaterParts) {
    this.#parts = parts
  }

  get count(): number {
    return this.#versions.size
  }

  /** What of these waits for proof is to be freed, and nothing else. Gives how many. */
  replace(refused: readonly RefusedFree[]): number {
    this.#retryMs = retryFirstMs
    this.#remember(refused)
    return this.count
  }

  /** A person wants what is at or below this path here. */
  forget(path: string): void {
    for (const waiting of this.#versions.keys()) if (waiting === path || waiting.startsWith(`${path}/`)) this.#versions.delete(waiting)
  }

  /** Until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts
    for (;;) {
      if (this.count === 0) await this.#wakeup.wait(signal)
      await clock.sleep(lookMs, signal)
      if (this.count === 0 || !this.#isDue) continue
      const startedMs = clock.monotonicMs()
      await this.#tryAgain(signal)
      await clock.sleep(restShare * (clock.monotonicMs() - startedMs), signal)
    }
  }

  get #isDue(): boolean {
    return this.#parts.evidence() !== this.#asked || this.#parts.clock.monotonicMs() >= this.#retryAtMs
  }

  async #tryAgain(signal: AbortSignal): Promise<void> {
    const { versionOf, mayFree, free, log } = this.#parts
    for (const [path, version] of this.#versions) if (versionOf(path) !== version) this.#versions.delete(path)
    const paths = [...this.#versions.keys()].filter((path) => mayFree(path))
    if (paths.length === 0) return
    try {
      this.#remember(await free(paths, signal))
    } catch (error) {
      throwIfAborted(signal)
      log.warn('could not free files that are not kept here', { code: errorCodeOf(error), error: messageOf(error) })
      this.#retryLater()
    }
  }

  #remember(refused: readonly RefusedFree[]): void {
    const { evidence, versionOf } = this.#parts
    this.#versions = new Map()
    for (const { path, reason } of refused) {
      const version = reason === 'NOT_PROVEN' ? versionOf(path) : undefined
      if (version !== undefined) this.#versions.set(path, version)
    }
    this.#asked = evidence()
    this.#retryLater()
    if (this.count > 0) this.#wakeup.wake()
  }

  #retryLater(): void {
    this.#retryAtMs = this.#parts.clock.monotonicMs() + this.#retryMs
    this.#retryMs = Math.min(2 * this.#retryMs, retryLongestMs)
  }
}
