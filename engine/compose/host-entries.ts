// Entries of a folder that is only stored here: how much of the index they may take, and what happens when they have it: they are refused, this node says that it
// is full, and asks again when there is room.

import type { Clock } from '../base/clock.ts'
import type { Index } from '../index/index-store.ts'
import { grantOf } from '../model/folder-settings.ts'
import type { MemberRecord } from '../model/folder.ts'
import { entryRoomBytes, type EntryRoom } from '../sync/entry-room.ts'
import type { FolderProblems } from '../sync/problems.ts'

export interface HostEntryParts {
  readonly index: Index
  readonly clock: Clock
  readonly record: Pick<MemberRecord, 'row'>
  readonly capacityBytes: number
  readonly problems: () => FolderProblems
  /** Entries are refused, or are not any more. */
  readonly changed: () => void
}

const problemCode = 'HOST_ENTRIES_REFUSED'
const lookMs = 10_000
/** After that a member may send once more what does not fit: by then it may be less. */
const patienceMs = 600_000
/** Room for more than the next batch. */
const freeShare = 1 / 16

export class HostEntries implements EntryRoom {
  readonly #parts: HostEntryParts
  #isRefusing = false

  constructor(parts: HostEntryParts) {
    this.#parts = parts
  }

  get isRefusing(): boolean {
    return this.#isRefusing
  }

  readonly maxBytes = (): number | undefined => {
    const { index, record, capacityBytes } = this.#parts
    return entryRoomBytes(grantOf(index.folders.settings(record.row)), capacityBytes > 0 ? capacityBytes : undefined)
  }

  readonly refused = (): void => {
    const { problems, changed } = this.#parts
    this.#isRefusing = true
    problems().note({
      code: problemCode,
      severity: 'error',
      text: `no more entries of the folder are taken: those that are here fill what they may take of this node's index, ${this.maxBytes()} bytes`,
      next: 'Raise what the folder may take: "holdfast folder set FOLDER grant=SIZE", and --capacity. Or let the folder have fewer files.',
    })
    changed()
  }

  /** Resolves when it makes sense to ask a member for entries. */
  async mayAsk(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts
    const startedMs = clock.monotonicMs()
    while (this.#isRefusing && !this.#hasRoom && clock.monotonicMs() - startedMs < patienceMs) await clock.sleep(lookMs, signal)
    if (!this.#isRefusing || !this.#hasRoom) return
    this.#isRefusing = false
    this.#parts.problems().clear(problemCode)
    this.#parts.changed()
  }

  get #hasRoom(): boolean {
    const { index, record } = this.#parts
    const maxBytes = this.maxBytes()
    return maxBytes === undefined || index.folders.entryBytes(record.row) <= maxBytes * (1 - freeShare)
  }
}
