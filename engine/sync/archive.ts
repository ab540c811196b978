// Moves replaced and deleted content from the folder's own directory into the block store: only blocks that no file of the
// folder holds any more, so that history costs what changed and no second copy. When such a file is replaced in turn, it comes here too.

import type { Clock } from '../base/clock.ts'
import { errorCodeOf, messageOf } from '../base/errors.ts'
import type { Jobs } from '../base/jobs.ts'
import type { Log } from '../base/log.ts'
import { Semaphore, waitAtMost, Wakeup } from '../base/queue.ts'
import type { BlockStore, StoredBlock } from '../blocks/store.ts'
import { replacedDirectory } from '../disk/folder-disk.ts'
import type { dropParked } from '../disk/parked-jobs.ts'
import type { ParkedVersion } from '../index/history-table.ts'
import type { Index } from '../index/index-store.ts'
import type { sealRanges, SealRange } from '../transfer/seal-ranges-job.ts'
import type { FolderHandle } from './folder-handle.ts'

export type ArchiveJobs = Jobs<{ readonly sealRanges: typeof sealRanges; readonly dropParked: typeof dropParked }>

export interface ArchiveParts {
  readonly index: Index
  readonly jobs: ArchiveJobs
  readonly handle: FolderHandle
  readonly store: BlockStore
  readonly clock: Clock
  readonly log: Log
  readonly events: ArchiveListener
  /** Whether the index is as new as the disk: a file that was replaced before a crash does not hold its blocks any more. */
  readonly isWalked: () => boolean
}

export interface ArchiveListener {
  /** Blocks were stored, or there was no room for them. */
  stored(isFull: boolean): void
  /** A parked file is not what its row says: somebody wrote to it after it was put there. It stays for a person. */
  strayed(signal: AbortSignal): Promise<void>
}

const versionsPerRound = 64
const sealBytesMax = 8 * 1024 * 1024
const retryMs = 60_000
const walkPollMs = 500
/** Others' work comes first: a round starts after things have been quiet for this long. */
const settleMs = 500

/** Whether the parked file is what its row says. */
type Finding = 'asNoted' | 'differs'

export class Archive {
  readonly #parts: ArchiveParts
  readonly #wakeup = new Wakeup()
  readonly #rounds = new Semaphore(1)

  constructor(parts: ArchiveParts) {
    this.#parts = parts
  }

  wake(): void {
    this.#wakeup.wake()
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, events } = this.#parts
    for (;;) {
      let isStuck = false
      try {
        while (!this.#parts.isWalked()) await clock.sleep(walkPollMs, signal)
        while (await this.round(signal)) await clock.sleep(0, signal)
      } catch (error) {
        if (signal.aborted) throw error
        isStuck = true
        log.warn('could not archive replaced content', { error: messageOf(error) })
        if (errorCodeOf(error) === 'NO_SPACE') events.stored(true)
      }
      if (isStuck) await waitAtMost(this.#wakeup, clock, retryMs, signal)
      else await this.#wakeup.wait(signal)
      await clock.sleep(settleMs, signal)
    }
  }

  /** Stores what is parked now: for those who want it back at once. Throws what the store throws. */
  async settle(signal: AbortSignal): Promise<void> {
    while (this.#parts.isWalked() && (await this.round(signal))) continue
  }

  /** True while there is more to do. */
  async round(signal: AbortSignal): Promise<boolean> {
    return await this.#rounds.hold(() => this.#round(signal), signal)
  }

  async #round(signal: AbortSignal): Promise<boolean> {
    const { index, jobs, handle, events } = this.#parts
    const versions = index.history.parked(handle.row, versionsPerRound)
    if (versions.length === 0) return false
    const findings: Finding[] = []
    for (const version of versions) findings.push(await this.#store(version, signal))
    // Looked at once more in one go: a file that held some of the blocks may have gone meanwhile. Then the next round stores those.
    const settled = versions.filter((version, at) => findings[at] === 'differs' || this.#isKept(version))
    const strayed = settled.filter((version) => findings[versions.indexOf(version)] === 'differs')
    const stored = settled.filter((version) => !strayed.includes(version))
    // Files first, rows after: the blocks are kept by now, and a row whose file is gone is settled again. A file without a row would be
    // a riddle for the next start.
    await jobs.run('dropParked', { root: handle.root, names: stored.map(({ parked }) => parked) }, { signal })
    index.transact(() => {
      for (const { row } of settled) index.history.clearParked(row)
    })
    if (strayed.length > 0) await events.strayed(signal)
    events.stored(false)
    // What is not settled is tried again after a pause: files of the folder are on the move.
    if (settled.length < versions.length) this.#wakeup.wake()
    return settled.length === versions.length
  }

  /** True when every block is stored, or in a file of the folder. Asks for no other version's sake: each has its own parked file. */
  #isKept({ blocks }: ParkedVersion): boolean {
    const { index, handle, store } = this.#parts
    return index.items.areAtHome(handle.row, blocks).every((isAtHome, at) => isAtHome || store.has(handle.record.id, blocks.id(at)))
  }

  /** Stores what no file of the folder holds. */
  async #store({ parked, blocks }: ParkedVersion, signal: AbortSignal): Promise<Finding> {
    const { index, handle, store } = this.#parts
    const path = `${replacedDirectory}/${parked}`
    const areAtHome = index.items.areAtHome(handle.row, blocks)
    let batch: SealRange[] = []
    let bytes = 0
    let offset = 0
    let isAsNoted = true
    const flush = async (): Promise<void> => {
      if (batch.length === 0) return
      const ranges = batch
      batch = []
      bytes = 0
      // What is still as noted is stored, whatever came of the rest of the file.
      if (!(await this.#sealIntoStore(ranges, signal))) isAsNoted = false
    }
    for (let at = 0; at < blocks.count; at++) {
      const id = blocks.id(at)
      const lengthBytes = blocks.lengthBytes(at)
      if (areAtHome[at] !== true && !store.has(handle.record.id, id)) {
        batch.push({ path, offset, lengthBytes, id, key: blocks.key(at) })
        bytes += lengthBytes
      }
      offset += lengthBytes
      if (bytes >= sealBytesMax) await flush()
    }
    await flush()
    return isAsNoted ? 'asNoted' : 'differs'
  }

  async #sealIntoStore(ranges: readonly SealRange[], signal: AbortSignal): Promise<boolean> {
    const { jobs, handle, store } = this.#parts
    const { payload, lengths } = await jobs.run('sealRanges', { root: handle.root, sealKey: handle.jobKeys.sealKey, ranges }, { signal })
    await store.put(cut(payload, lengths, ranges, handle))
    return lengths.every((length) => length > 0)
  }
}

function cut(payload: Uint8Array, lengths: readonly number[], ranges: readonly SealRange[], handle: FolderHandle): readonly StoredBlock[] {
  let at = 0
  return ranges.flatMap((range, index): StoredBlock[] => {
    const length = lengths[index] ?? 0
    const bytes = payload.subarray(at, at + length)
    at += length
    return length === 0 ? [] : [{ folder: handle.record.id, id: range.id, bytes }]
  })
}
