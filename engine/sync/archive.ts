// Moves replaced and deleted content from the folder's own directory into the block store: only blocks that no file of the
// folder holds any more, so that history costs what changed and no second copy.

import type { Clock } from '../base/clock.ts'
import { FilesError } from '../base/files.ts'
import { messageOf } from '../base/errors.ts'
import type { Jobs, JobResult, JobWorld } from '../base/jobs.ts'
import type { Log } from '../base/log.ts'
import { waitAtMost, Wakeup } from '../base/queue.ts'
import type { BlockStore, StoredBlock } from '../blocks/store.ts'
import { folderDirectoryName, replacedDirectoryName } from '../disk/limits.ts'
import type { HistoryTable, ParkedVersion } from '../index/history-table.ts'
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
}

const parkedDirectory = `${folderDirectoryName}/${replacedDirectoryName}`
const versionsPerRound = 64
const sealBytesMax = 8 * 1024 * 1024
const retryMs = 60_000
/** Others' work comes first: a round starts after things have been quiet for this long. */
const settleMs = 500

export class Archive {
  readonly #parts: ArchiveParts
  readonly #wakeup = new Wakeup()

  constructor(parts: ArchiveParts) {
    this.#parts = parts
  }

  wake(): void {
    this.#wakeup.wake()
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#parts
    for (;;) {
      let isStuck = false
      try {
        while (await this.#round(signal)) await clock.sleep(0, signal)
      } catch (error) {
        if (signal.aborted) throw error
        isStuck = true
        log.warn('could not archive replaced content', { error: messageOf(error) })
      }
      if (isStuck) await waitAtMost(this.#wakeup, clock, retryMs, signal)
      else await this.#wakeup.wait(signal)
      await clock.sleep(settleMs, signal)
    }
  }

  /** True while there is more to do. */
  async #round(signal: AbortSignal): Promise<boolean> {
    const { index, jobs, handle } = this.#parts
    const versions = index.history.parked(handle.row, versionsPerRound)
    if (versions.length === 0) return false
    const archived: ParkedVersion[] = []
    const lost: ParkedVersion[] = []
    for (const version of versions) ((await this.#archive(version, signal)) ? archived : lost).push(version)
    // Rows first, files after: a file without a row is found again, a row without its file would be a lie.
    index.transact(() => settle(index.history, archived, lost))
    await jobs.run('dropParked', { root: handle.root, names: archived.map(({ parked }) => parked) }, { signal })
    return true
  }

  /** False when the parked file does not hold what its row says: it stays where it is, for a person. */
  async #archive(version: ParkedVersion, signal: AbortSignal): Promise<boolean> {
    const { index, jobs, handle, store } = this.#parts
    const path = `${parkedDirectory}/${version.parked}`
    let batch: SealRange[] = []
    let bytes = 0
    let offset = 0
    const flush = async (): Promise<boolean> => {
      if (batch.length === 0) return true
      const ranges = batch
      batch = []
      bytes = 0
      const { payload, lengths } = await jobs.run('sealRanges', { root: handle.root, sealKey: handle.jobKeys.sealKey, ranges }, { signal })
      await store.put(cut(payload, lengths, ranges, handle))
      return lengths.every((length) => length > 0)
    }
    for (let at = 0; at < version.blocks.count; at++) {
      const id = version.blocks.id(at)
      const lengthBytes = version.blocks.lengthBytes(at)
      if (index.items.homeOf(handle.row, id) === undefined && !store.has(handle.record.id, id)) {
        batch.push({ path, offset, lengthBytes, id, key: version.blocks.key(at) })
        bytes += lengthBytes
      }
      offset += lengthBytes
      if (bytes >= sealBytesMax && !(await flush())) return false
    }
    return flush()
  }
}

function settle(history: HistoryTable, archived: readonly ParkedVersion[], lost: readonly ParkedVersion[]): void {
  for (const version of archived) history.setArchived(version.row)
  for (const version of lost) history.remove(version.row)
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

/** Worker job: removes parked files whose blocks are stored. */
export function dropParked(input: { readonly root: string; readonly names: readonly string[] }, { files }: JobWorld): JobResult<undefined> {
  for (const name of input.names) {
    try {
      files.unlink(`${input.root}/${parkedDirectory}/${name}`)
    } catch (error) {
      // Gone already, or in the way of nothing: the next start clears what has no row.
      if (!(error instanceof FilesError)) throw error
    }
  }
  return { output: undefined }
}
