// Temp files of large transfers outlive a restart, so somebody has to drop those whose version nobody wants any more: it was replaced
// by a newer one, or deleted, before it was complete.

import type { Clock } from '../base/clock.ts'
import type { Jobs } from '../base/jobs.ts'
import { waitAtMost, Wakeup } from '../base/queue.ts'
import type { Index } from '../index/index-store.ts'
import type { FolderHandle } from './folder-handle.ts'
import type { dropTemporaries, listLarge } from './large-file-job.ts'
import { largeTemporaryName } from './pull-large.ts'

export interface LargeTidyParts {
  readonly index: Index
  readonly jobs: Jobs<{ readonly listLarge: typeof listLarge; readonly dropTemporaries: typeof dropTemporaries }>
  readonly handle: FolderHandle
  readonly clock: Clock
  /** True while temp files may be in use. */
  readonly isPulling: () => boolean
}

/** Looking through more would keep the main thread for long; once there are fewer, it is done. */
const needsMax = 5000
/** There is no hurry, and others' work comes first. */
const restMs = 60_000

export class LargeTidy {
  readonly #parts: LargeTidyParts
  readonly #wakeup = new Wakeup()

  constructor(parts: LargeTidyParts) {
    this.#parts = parts
  }

  /** A version may have been replaced by another. */
  wake(): void {
    this.#wakeup.wake()
  }

  /** Works until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts
    for (let isDone = false; ;) {
      if (isDone) await this.#wakeup.wait(signal)
      else await waitAtMost(this.#wakeup, clock, restMs, signal)
      await clock.sleep(restMs, signal)
      isDone = await this.tidy(signal)
    }
  }

  /** Drops what no need wants; false when it was not the time for it. */
  async tidy(signal: AbortSignal): Promise<boolean> {
    const { jobs, handle, isPulling } = this.#parts
    const names = await jobs.run('listLarge', { root: handle.root }, { signal })
    if (names.length === 0) return true
    if (isPulling() || this.#parts.index.needs.count(handle.row) > needsMax) return false
    const wanted = this.#wantedNames()
    await jobs.run('dropTemporaries', { root: handle.root, names: names.filter((name) => !wanted.has(name)) }, { signal })
    return true
  }

  #wantedNames(): ReadonlySet<string> {
    const { index, handle } = this.#parts
    const start = { rank: -1, pathKey: Number.MAX_SAFE_INTEGER }
    const needs = index.needs.ready(handle.row, start, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, needsMax)
    const rows = needs.flatMap(({ pathKey }) => index.entries.siblingsByKey(handle.row, pathKey))
    return new Set(rows.map(({ entry }) => largeTemporaryName(entry)))
  }
}
