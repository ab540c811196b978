// A segment file that somebody deletes or moves away under a running store: its blocks would count until they are read, weeks later, and those in
// files that are open for long could even be read. Looked for by name, cheaply; what is gone is gone from index and table at once.

import type { Log } from '../base/log.ts'
import { messageOf } from '../base/errors.ts'
import { FilesError } from '../base/files.ts'
import type { Semaphore } from '../base/queue.ts'
import type { BlockId } from '../model/ids.ts'
import type { GroupCommit } from './group-commit.ts'
import type { Quarantine } from './quarantine.ts'
import { isMarkedAs, segmentPath } from './segment-directory.ts'
import type { IndexChange } from './segment-index.ts'
import type { SegmentLog } from './segment-log.ts'
import type { SegmentState } from './segment-table.ts'
import type { WalkParts } from './segment-walk.ts'

export interface MissingSegmentsParts extends WalkParts {
  readonly log: Log
  readonly quarantine: Quarantine
  readonly segments: SegmentLog
  readonly commits: GroupCommit
  /** Nobody deletes segments while it is held. */
  readonly compactions: Semaphore
  readonly closing: AbortSignal
  /** The index may name blocks that no segment has. */
  readonly makeIndexAgain: () => void
}

/** Looked at without a turn for others. */
const segmentsPerTurn = 100
const entriesPerPage = 4096

export class MissingSegments {
  readonly #parts: MissingSegmentsParts
  #suspecting: Promise<void> | undefined

  constructor(parts: MissingSegmentsParts) {
    this.#parts = parts
  }

  /** Looks whether every segment has its file, and lets go of those that have none. Throws `ABORTED`, `DISK_FAILED`. */
  async look(signal: AbortSignal): Promise<void> {
    const { table, clock } = this.#parts
    const missing: SegmentState[] = []
    for (const [at, state] of table.all().entries()) {
      if (at > 0 && at % segmentsPerTurn === 0) await clock.sleep(0, signal)
      if (this.#isMissing(state)) missing.push(state)
    }
    if (missing.length > 0) await this.#letGo(missing, signal)
  }

  /** The file of a segment was not there when a block of it was to be read. */
  suspect(segment: number): void {
    const { table, closing, log } = this.#parts
    const state = table.get(segment)
    if (state === undefined || this.#suspecting !== undefined || !this.#isMissing(state)) return
    this.#suspecting = this.#letGo([state], closing)
      .catch((error: unknown) => {
        if (!closing.aborted) log.warn('could not let go of a segment whose file is gone', { segment, cause: messageOf(error) })
      })
      .finally(() => {
        this.#suspecting = undefined
      })
  }

  /** A disk that does not answer, or is another one, says nothing. */
  #isMissing(state: SegmentState): boolean {
    const { files, directory, storeId, table } = this.#parts
    try {
      const isThere = files.lstat(segmentPath(directory, state.number)) !== undefined
      return !isThere && table.get(state.number) === state && isMarkedAs(files, directory, storeId)
    } catch (error) {
      if (error instanceof FilesError) return false
      throw error
    }
  }

  /** Writes wait: a block that the index still names there would not be stored. */
  async #letGo(suspects: readonly SegmentState[], signal: AbortSignal): Promise<void> {
    const { commits, compactions, handles, index, log, makeIndexAgain, quarantine, segments, table } = this.#parts
    await compactions.hold(async () => {
      await commits.exclusively(async () => {
        const gone = suspects.filter((state) => this.#isMissing(state)) // compaction may have deleted it in the meantime
        for (const { number } of gone) {
          handles.drop(number)
          segments.leave(number)
        }
        const blocks = gone.reduce((count, { number }) => count + index.liveIn(number).blocks, 0)
        // Before the table: stopped halfway, an index that names blocks in a segment of the table that has no file is made again.
        if (index.damage === undefined) await this.#forget(new Set(gone.map(({ number }) => number)), blocks, signal)
        for (const { number, sizeBytes } of gone) {
          table.delete(number)
          log.error('the file of a segment is gone: its blocks are not here any more', { segment: number, sizeBytes })
          quarantine.add({ segment: number, offset: 0, sizeBytes, reason: 'missing' })
        }
      })
    }, signal)
    if (index.damage !== undefined) makeIndexAgain()
  }

  /** No marks in the log, as for damage: where the file comes back, so do its blocks. */
  async #forget(gone: ReadonlySet<number>, blocks: number, signal: AbortSignal): Promise<void> {
    const { index, clock } = this.#parts
    let left = blocks
    for (const folder of index.folders()) {
      for (let after: BlockId | undefined; left > 0;) {
        const page = index.entries(folder, after, entriesPerPage)
        const lost = page.filter(({ location }) => gone.has(location.segment))
        index.apply(lost.map(({ id }): IndexChange => ({ kind: 'remove', folder, id })))
        left -= lost.length
        after = page.at(-1)?.id
        if (page.length < entriesPerPage) break
        await clock.sleep(0, signal)
      }
    }
  }
}
