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
import type { statPaths } from '../disk/stat-paths.ts'
import type { ParkedVersion } from '../index/history-table.ts'
import type { Index } from '../index/index-store.ts'
import type { ItemRow } from '../index/item-table.ts'
import type { sealRanges, SealRange } from '../transfer/seal-ranges-job.ts'
import type { FolderHandle } from './folder-handle.ts'
import { isAsIndexed } from './scan.ts'

export type ArchiveJobs = Jobs<{
  readonly sealRanges: typeof sealRanges
  readonly dropParked: typeof dropParked
  readonly statPaths: typeof statPaths
}>

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
  /** These files are not as the index says: somebody is at them, and no hint has come yet. */
  stale(paths: readonly string[]): void
}

const versionsPerRound = 256
const sealBytesMax = 8 * 1024 * 1024
const rangesPerJob = 512
const pathsPerJob = 1000
const retryMs = 60_000
/** Files that are not as the index says are left alone for so long: a held folder has some for hours. */
const staleRetryMs = 5000
const walkPollMs = 500
/** Others' work comes first: a round starts after things have been quiet for this long. */
const settleMs = 500

export class Archive {
  readonly #parts: ArchiveParts
  readonly #wakeup = new Wakeup()
  readonly #rounds = new Semaphore(1)
  /** How long what the last round could not settle is left alone; undefined when it can be tried at once. */
  #pauseMs: number | undefined

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
      const pauseMs = isStuck ? retryMs : this.#pauseMs
      if (pauseMs !== undefined) await waitAtMost(this.#wakeup, clock, pauseMs, signal)
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
    this.#pauseMs = undefined
    const versions = index.history.parked(handle.row, versionsPerRound)
    if (versions.length === 0) return false
    const differing = await this.#store(versions, signal)
    const stored = await this.#kept(
      versions.filter((version) => !differing.has(version)),
      signal,
    )
    // Files first, rows after: the blocks are kept by now, and a row whose file is gone is settled again. A file without a row would be
    // a riddle for the next start.
    await jobs.run('dropParked', { root: handle.root, names: stored.map(({ parked }) => parked) }, { signal })
    index.transact(() => {
      for (const { row } of [...stored, ...differing]) index.history.clearParked(row)
    })
    if (differing.size > 0) await events.strayed(signal)
    events.stored(false)
    // What is not settled is tried again after a pause: files of the folder are on the move, or a drive is in trouble. It keeps nobody else up.
    const settled = stored.length + differing.size
    const isSettled = settled === versions.length
    if (!isSettled && this.#pauseMs === undefined) this.#wakeup.wake()
    return isSettled || (settled > 0 && versions.length === versionsPerRound)
  }

  /**
   * Versions whose blocks are all stored, or in files that the disk has as the index says: a person may have deleted a copy of which no
   * hint told, and the parked file may then be all that is left. Such files are told; a later round stores what they held. A version that
   * goes from a file in this moment has a parked file of its own.
   */
  async #kept(versions: readonly ParkedVersion[], signal: AbortSignal): Promise<readonly ParkedVersion[]> {
    const { jobs, handle, events } = this.#parts
    const homes = new Map<ParkedVersion, readonly ItemRow[]>()
    for (const version of versions) {
      const files = this.#homesOf(version)
      if (files !== undefined) homes.set(version, files)
    }
    const items = [...new Map([...homes.values()].flat().map((item) => [item.path, item])).values()]
    const stale = new Set<string>()
    for (let from = 0; from < items.length; from += pathsPerJob) {
      const page = items.slice(from, from + pathsPerJob)
      const findings = await jobs.run('statPaths', { root: handle.root, paths: page.map(({ path }) => path) }, { signal })
      for (const [at, item] of page.entries()) {
        const finding = findings[at]
        if (finding?.kind !== 'present' || !isAsIndexed(item, finding.stat)) stale.add(item.path)
      }
    }
    if (stale.size > 0) {
      this.#pauseMs ??= staleRetryMs
      events.stale([...stale])
    }
    return [...homes].flatMap(([version, files]) => (files.some(({ path }) => stale.has(path)) ? [] : [version]))
  }

  /** The files of the folder that hold blocks of this version which are not stored; undefined when some block is nowhere. */
  #homesOf({ blocks }: ParkedVersion): readonly ItemRow[] | undefined {
    const { index, handle, store } = this.#parts
    const files = new Map<number, ItemRow>()
    for (const [at, item] of index.items.homesOf(handle.row, blocks).entries()) {
      if (store.has(handle.record.id, blocks.id(at))) continue
      if (item === undefined) return undefined
      files.set(item.row, item)
    }
    return [...files.values()]
  }

  /**
   * Stores what no file of the folder holds, many small versions at once; gives those whose parked file is not what was noted. One that
   * cannot be read is not among them: a drive in trouble for a moment must not cost the version its file.
   */
  async #store(versions: readonly ParkedVersion[], signal: AbortSignal): Promise<ReadonlySet<ParkedVersion>> {
    const { jobs, handle, store, log } = this.#parts
    const differing = new Set<ParkedVersion>()
    let batch: Unstored[] = []
    let bytes = 0
    const flush = async (): Promise<void> => {
      if (batch.length === 0) return
      const unstored = batch
      batch = []
      bytes = 0
      const ranges = unstored.map(({ range }) => range)
      const input = { root: handle.root, sealKey: handle.jobKeys.sealKey, ranges }
      const { payload, lengths, unread } = await jobs.run('sealRanges', input, { signal })
      // What is still as noted is stored, whatever came of the rest of the file.
      await store.put(cut(payload, lengths, ranges, handle))
      const isUnread = new Set(unread)
      for (const [at, { version }] of unstored.entries()) if (lengths[at] === 0 && !isUnread.has(at)) differing.add(version)
      if (unread.length === 0) return
      this.#pauseMs = retryMs
      log.warn('parked files cannot be read for now', { ranges: unread.length })
    }
    for (const version of versions) {
      for (const unstored of this.#unstored(version)) {
        batch.push(unstored)
        bytes += unstored.range.lengthBytes
        if (bytes >= sealBytesMax || batch.length >= rangesPerJob) await flush()
      }
    }
    await flush()
    return differing
  }

  #unstored(version: ParkedVersion): readonly Unstored[] {
    const { index, handle, store } = this.#parts
    const { blocks, parked } = version
    const path = `${replacedDirectory}/${parked}`
    const areAtHome = index.items.areAtHome(handle.row, blocks)
    const unstored: Unstored[] = []
    let offset = 0
    for (let at = 0; at < blocks.count; at++) {
      const id = blocks.id(at)
      const lengthBytes = blocks.lengthBytes(at)
      if (areAtHome[at] !== true && !store.has(handle.record.id, id)) {
        unstored.push({ version, range: { path, offset, lengthBytes, id, key: blocks.key(at) } })
      }
      offset += lengthBytes
    }
    return unstored
  }
}

/** A block that is only in a parked file yet. */
interface Unstored {
  readonly version: ParkedVersion
  readonly range: SealRange
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
