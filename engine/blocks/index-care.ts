// Keeps the index of a store sound: one that was found damaged is made again from the log, once at a time, and who must not go on with one
// that misses blocks waits for that.

import { EngineError, messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { RebuildReport } from './rebuild.ts'
import type { SegmentIndex } from './segment-index.ts'

export interface IndexCareParts {
  readonly index: SegmentIndex
  readonly log: Log
  /** Where the blocks are, as people know it. */
  readonly place: string
  readonly rebuild: () => Promise<RebuildReport>
  readonly isClosed: () => boolean
}

export class IndexCare {
  readonly #parts: IndexCareParts
  #making: Promise<void> | undefined

  constructor(parts: IndexCareParts) {
    this.#parts = parts
    parts.index.onDamaged = () => this.makeAgain()
    if (parts.index.damage !== undefined) this.makeAgain()
  }

  /** Begins to make the index again, unless that goes on already. */
  makeAgain(): void {
    const { log, rebuild, isClosed } = this.#parts
    if (isClosed()) return
    this.#making ??= rebuild()
      .then((report) => log.info('made the index of the block store again', { ...report }))
      .catch((error: unknown) => log.warn('could not make the index of the block store again', { cause: messageOf(error) }))
      .finally(() => {
        this.#making = undefined
      })
  }

  /** An index that misses blocks would let removed ones live on, and compaction drop them. Throws `DISK_FAILED` when it stays damaged. */
  async whenSound(): Promise<void> {
    const { index, place } = this.#parts
    if (index.damage === undefined) return
    this.makeAgain()
    await this.#making
    if (index.damage === undefined) return
    throw new EngineError('DISK_FAILED', `the index of ${place} is damaged and cannot be made again: ${index.damage}; check the disk`)
  }
}
