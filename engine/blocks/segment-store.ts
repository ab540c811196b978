// The segment store (docs/disk-format.md): blocks in append-only files whose end is the write-ahead log. The parts: group-commit.ts orders
// writes, segment-log.ts makes them durable, recover.ts opens, compact.ts gives back space. One writer per directory: the home lock's care.

import type { Clock, Random } from '../base/clock.ts'
import { EngineError, errorCodeOf, messageOf } from '../base/errors.ts'
import { FilesError, type Files } from '../base/files.ts'
import type { Log } from '../base/log.ts'
import { Semaphore } from '../base/queue.ts'
import { Reserve } from '../base/reserve.ts'
import type { BlockId, FolderId } from '../model/ids.ts'
import { Allowances, chargedBytes } from './allowances.ts'
import { readBlock, type BlockRead } from './block-reader.ts'
import { checkBlocks, closedError } from './checked.ts'
import { compactSegments, type CompactionParts, type CompactionReport } from './compact.ts'
import { GroupCommit, type Step } from './group-commit.ts'
import { IndexCare } from './index-care.ts'
import type { LiveTotals } from './live-counts.ts'
import { Quarantine, type DamagedRecord, type DamageReason } from './quarantine.ts'
import { MissingSegments } from './missing-segments.ts'
import { rebuildIndex, replaySegments, type RebuildReport } from './rebuild.ts'
import { heldBlocks, isRecordedAt, summarize, type HeldBlock, type SegmentSummary } from './segment-walk.ts'
import { markerBytes, recordBytesOf } from './record.ts'
import { recoverSegments } from './recover.ts'
import { isFault, isMarkedAs, openMarker, ReadHandles, reservePath } from './segment-directory.ts'
import { SegmentIndex, type BlockLocation } from './segment-index.ts'
import { defaultSegmentLimits, type SegmentLimits } from './segment-limits.ts'
import { inspectionOf, type SegmentInspection } from './segment-inspection.ts'
import { SegmentLog } from './segment-log.ts'
import { SegmentTable } from './segment-table.ts'
import { roomWithoutEnd, type BlockStore, type StoredBlock, type StoreHealth, type StoreTotals } from './store.ts'

/** Left free on the disk when blocks are asked for. */
const leftBytesMax = 8 * 1024 * 1024

export interface SegmentStoreOptions {
  readonly files: Files
  /** Absolute. Its parent exists. Nothing else lives in it. */
  readonly directory: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Makes a store of an absent or empty directory. Without it such a directory is refused: the disk may not be mounted. */
  readonly create: boolean
  readonly limits?: Partial<SegmentLimits>
}

export interface SegmentStore extends BlockStore {
  /**
   * Rewrites segments with much dead space; safe beside every other call. One at a time: further calls wait.
   * Throws `ABORTED`, `CLOSED`, `NO_SPACE`, `STORE_READ_ONLY`, `DISK_FAILED`; the store is whole after each of them.
   */
  compact(signal: AbortSignal): Promise<CompactionReport>
  /**
   * Makes the index again from the segments, compares it with the one in use and replaces that. Safe beside every other call; writes wait
   * towards its end. Throws `ABORTED`, `CLOSED`, `NO_SPACE`, `DISK_FAILED`; the index in use stays then.
   */
  rebuild(signal: AbortSignal): Promise<RebuildReport>
  /** For scrub. */
  readonly inspection: SegmentInspection
  /** In the order of the log. For whoever goes through everything: no list of all blocks is needed. */
  segments(): readonly SegmentSummary[]
  /** The live blocks of one segment in the order in which they stand there, from `fromOffset` on; none of a segment that went. */
  blocksIn(segment: number, fromOffset: number, signal: AbortSignal): AsyncGenerator<readonly HeldBlock[]>
  totalsOf(folder: FolderId): LiveTotals
  /**
   * Told of each damaged piece that is found while the store is open, and without one when the index was found to name blocks that are not
   * here: something that `has` said was here may be gone. Of what was found by opening the store, `quarantine` tells.
   */
  onDamaged: (record: DamagedRecord | undefined) => void
  /** What was found damaged or missing since the store was opened; `count` also counts what was too much to list. */
  quarantine(): { readonly count: number; readonly records: readonly DamagedRecord[] }
}

/**
 * Opens the store, repairing what a crash left. Throws `HOME_UNUSABLE` (no store here, see `create`), `STORE_CORRUPT`,
 * `VERSION_UNSUPPORTED`, `NO_SPACE`, `DISK_FAILED`, `ABORTED`. A disk that can only be read gives a store that can only be read.
 */
export async function openSegmentStore(options: SegmentStoreOptions, signal: AbortSignal): Promise<SegmentStore> {
  const { files, directory, clock, random, log } = options
  const limits = { ...defaultSegmentLimits, ...options.limits }
  const startedMs = clock.monotonicMs()
  const storeId = await openMarker(options, options.create)
  const table = new SegmentTable()
  const quarantine = new Quarantine(limits.quarantineMax)
  const handles = new ReadHandles(files, directory, limits.openSegmentsMax)
  let segments: SegmentLog | undefined
  let index: SegmentIndex | undefined
  try {
    const opened = SegmentIndex.open({ files, directory, storeId, clock, log, rowsMax: limits.indexRowsMax })
    index = opened.index
    const unsyncedBytesMax = limits.groupBytesMax + recordBytesOf(limits.blockBytesMax)
    const recovery = { files, directory, storeId, clock, log, index, table, handles, quarantine, unsyncedBytesMax }
    const active = await recoverSegments(recovery, opened.checkpoint, signal)
    segments = new SegmentLog({ files, directory, storeId, limits, clock, log, table }, active)
    const reserve = new Reserve({ files, random, path: reservePath(directory), sizeBytes: limits.reserveBytes })
    const parts = {
      files,
      directory,
      storeId,
      clock,
      log,
      limits,
      index,
      table,
      quarantine,
      handles,
      segments,
      reserve,
      allowances: new Allowances(),
    }
    await prepareWrites(parts, active !== undefined)
    log.info('opened the block store', { ...index.totals(), damaged: quarantine.count, durationMs: clock.monotonicMs() - startedMs })
    return new OpenSegmentStore(parts)
  } catch (error) {
    segments?.close()
    handles.close()
    await index?.close()
    if (!(error instanceof FilesError)) throw error
    throw new EngineError('DISK_FAILED', `opening the block store ${directory}: ${messageOf(error)}; check the disk and its permissions`, {
      cause: error,
    })
  }
}

interface StoreParts extends Omit<CompactionParts, 'commits' | 'lose'> {
  readonly quarantine: Quarantine
  readonly allowances: Allowances
}

/**
 * The reserve, and a segment to write to: a sealed segment that is followed by another one cannot be taken for an active one that was torn.
 * A disk that refuses is met again at the first put.
 */
async function prepareWrites(parts: StoreParts, hasActive: boolean): Promise<void> {
  try {
    if (!hasActive) await parts.segments.roll()
    await parts.reserve.hold()
  } catch (error) {
    if (!(error instanceof FilesError) && !(error instanceof EngineError)) throw error
    parts.log.warn('the block store cannot be written for now', { cause: messageOf(error) })
  }
}

class OpenSegmentStore implements SegmentStore {
  onDamaged: (record: DamagedRecord | undefined) => void = () => undefined
  readonly inspection: SegmentInspection
  readonly #parts: StoreParts
  readonly #commits: GroupCommit
  readonly #indexCare: IndexCare
  readonly #missing: MissingSegments
  readonly #compactions = new Semaphore(1)
  readonly #closing = new AbortController()
  #closed: Promise<void> | undefined
  /** Why nothing can be read, until the directory is the store's again. An error of the disk while it is, is none of the whole store. */
  #offlineReason: string | undefined

  constructor(parts: StoreParts) {
    this.#parts = parts
    this.#commits = new GroupCommit(parts)
    this.#missing = new MissingSegments({
      ...parts,
      commits: this.#commits,
      compactions: this.#compactions,
      closing: this.#closing.signal,
      makeIndexAgain: () => this.#indexCare.makeAgain(),
    })
    this.inspection = inspectionOf(parts, this.#missing, (folder, id, location, damage) => this.#lose(folder, id, location, damage))
    parts.quarantine.onAdded = (record) => this.onDamaged(record)
    const { index, log } = parts
    const rebuild = (): Promise<RebuildReport> => this.rebuild(this.#closing.signal)
    this.#indexCare = new IndexCare({ index, log, place: parts.directory, rebuild, isClosed: () => this.#closed !== undefined })
  }

  async put(blocks: readonly StoredBlock[]): Promise<void> {
    this.#checkOpen('storing blocks')
    checkBlocks(blocks, this.#parts.limits.blockBytesMax)
    this.#parts.segments.checkWritable()
    const isAllHere = this.#commits.isAtRest && blocks.every((block) => this.#parts.index.locate(block.folder, block.id) !== undefined)
    if (!isAllHere) await this.#commits.commit(blocks.map((block): Step => ({ kind: 'put', block })))
  }

  async get(folder: FolderId, id: BlockId): Promise<Uint8Array | undefined> {
    this.#checkOpen('reading a block')
    const { index, handles, storeId } = this.#parts
    const location = index.locate(folder, id)
    if (location === undefined) return undefined
    let read: BlockRead
    try {
      read = readBlock(handles, storeId, folder, id, location)
      // Another disk in this one's place damages nothing.
      if (read.bytes === undefined) this.#checkPlace()
    } catch (error) {
      if (errorCodeOf(error) === 'DISK_FAILED') {
        if (!this.#isInPlace) this.#offlineReason = messageOf(error)
        this.#missing.suspect(location.segment)
      }
      throw error
    }
    if (read.bytes === undefined) this.#lose(folder, id, location, read.damage)
    return read.bytes
  }

  has(folder: FolderId, id: BlockId): boolean {
    this.#checkOpen('looking for a block')
    return this.#parts.index.locate(folder, id) !== undefined
  }

  sizeOf(folder: FolderId, id: BlockId): number | undefined {
    this.#checkOpen('looking for a block')
    return this.#parts.index.locate(folder, id)?.payloadBytes
  }

  async remove(folder: FolderId, ids: readonly BlockId[]): Promise<void> {
    this.#checkOpen('removing blocks')
    this.#parts.segments.checkWritable()
    // Calls count in the order they were made: no turn is given away without need.
    if (this.#parts.index.damage !== undefined) await this.#indexCare.whenSound()
    await this.#commits.commit(ids.map((id): Step => ({ kind: 'remove', folder, id })))
  }

  list(folder: FolderId, after: BlockId | undefined, limit: number): readonly BlockId[] {
    this.#checkOpen('listing blocks')
    return this.#parts.index.list(folder, after, limit)
  }

  payloadBytesOf(folder: FolderId): number {
    this.#checkOpen('counting blocks')
    return this.#parts.index.totalsOf(folder).payloadBytes
  }

  totalsOf(folder: FolderId): LiveTotals {
    this.#checkOpen('counting blocks')
    return this.#parts.index.totalsOf(folder)
  }

  totals(): StoreTotals {
    this.#checkOpen('counting blocks')
    const { index, table, reserve } = this.#parts
    return { ...index.totals(), diskBytes: table.diskBytes() + reserve.heldBytes + markerBytes }
  }

  setLimit(folder: FolderId | undefined, sizeBytes: number | undefined): void {
    this.#parts.allowances.set(folder, sizeBytes)
  }

  roomOf(folder: FolderId): number {
    this.#checkOpen('looking for room')
    const { allowances, index } = this.#parts
    const allowed = allowances.roomOf(folder, chargedBytes(index.totalsOf(folder)), chargedBytes(index.totals()))
    return Math.max(0, Math.min(allowed, this.#diskRoom))
  }

  health(): StoreHealth {
    if (this.#closed !== undefined) return { state: 'closed' }
    if (this.#offlineReason !== undefined && !this.#isInPlace) return { state: 'offline', reason: this.#offlineReason }
    this.#offlineReason = undefined
    const reason = this.#parts.segments.readOnlyReason
    return reason === undefined ? { state: 'ok' } : { state: 'readOnly', reason }
  }

  async compact(signal: AbortSignal): Promise<CompactionReport> {
    this.#checkOpen('compacting')
    this.#parts.segments.checkWritable()
    await this.#indexCare.whenSound()
    const stop = AbortSignal.any([signal, this.#closing.signal])
    const lose: CompactionParts['lose'] = (folder, id, location, damage) => {
      this.#checkPlace()
      this.#lose(folder, id, location, damage)
    }
    const parts = { ...this.#parts, commits: this.#commits, lose }
    return await this.#compactions.hold(() => compactSegments(parts, stop), stop)
  }

  async rebuild(signal: AbortSignal): Promise<RebuildReport> {
    this.#checkOpen('making the index again')
    const stop = AbortSignal.any([signal, this.#closing.signal])
    const { directory } = this.#parts
    try {
      const parts = { ...this.#parts, commits: this.#commits, replay: replaySegments(this.#parts) }
      const report = await this.#compactions.hold(() => rebuildIndex(parts, stop), stop)
      if (report.surplus > 0) this.onDamaged(undefined)
      return report
    } catch (error) {
      if (!(error instanceof FilesError)) throw error
      const code = isFault(error, 'noSpace') ? 'NO_SPACE' : 'DISK_FAILED'
      throw new EngineError(code, `making the index of ${directory} again: ${error.message}; check the disk`, { cause: error })
    }
  }

  segments(): readonly SegmentSummary[] {
    this.#checkOpen('listing segments')
    return summarize(this.#parts)
  }

  blocksIn(segment: number, fromOffset: number, signal: AbortSignal): AsyncGenerator<readonly HeldBlock[]> {
    this.#checkOpen('listing blocks')
    return heldBlocks(this.#parts, { segment, offset: fromOffset }, AbortSignal.any([signal, this.#closing.signal]))
  }

  quarantine(): { readonly count: number; readonly records: readonly DamagedRecord[] } {
    return { count: this.#parts.quarantine.count, records: this.#parts.quarantine.list() }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close()
    await this.#closed
  }

  /** What was asked for before is still written; compaction stops where it is. */
  async #close(): Promise<void> {
    this.#closing.abort()
    await this.#compactions.hold(() => this.#commits.settle(), new AbortController().signal)
    this.#parts.segments.close()
    this.#parts.handles.close()
    await this.#parts.index.close()
  }

  /** Throws `DISK_FAILED` when the directory is not that of this store any more: what was read there says nothing. */
  #checkPlace(): void {
    if (this.#isInPlace) return
    const { directory } = this.#parts
    throw new EngineError('DISK_FAILED', `reading a block: the block store is not in ${directory} any more; mount its disk there again`)
  }

  /** The directory can be read and is that of this store. */
  get #isInPlace(): boolean {
    const { files, directory, storeId } = this.#parts
    return isMarkedAs(files, directory, storeId)
  }

  /**
   * Forgets a damaged block and marks it in the log, so that the next open does not count on it again. The mark is not waited for,
   * and lost without harm: the damage is found again. Where it is the index that is wrong there is no mark, for it would kill the block
   * wherever that is; the index is made again. Where the disk does not say which of them is wrong, neither is done.
   */
  #lose(folder: FolderId, id: BlockId, location: BlockLocation, reason: DamageReason): void {
    const { index, quarantine, log, segments } = this.#parts
    const { segment, offset, payloadBytes } = location
    index.apply([{ kind: 'remove', folder, id }])
    quarantine.add({ segment, offset, sizeBytes: recordBytesOf(payloadBytes), folder, id, reason })
    log.warn('a stored block is damaged: it is not served any more', { segment, offset, reason })
    const isRecorded = isRecordedAt(this.#parts, location, id)
    if (isRecorded === false) this.#indexCare.makeAgain()
    if (isRecorded !== true) return
    if (segments.readOnlyReason !== undefined) return
    const mark: Step = { kind: 'tombstone', folder, id, kills: { segment, offset }, isDamage: true }
    this.#commits.commit([mark]).catch((error: unknown) => {
      log.warn('could not note a damaged block', { segment, offset, code: errorCodeOf(error), cause: messageOf(error) })
    })
  }

  /** What is free, without the reserve and what is left to the index of the node, which is on this disk too mostly. */
  get #diskRoom(): number {
    const { files, directory, limits, reserve } = this.#parts
    try {
      return files.freeBytes(directory) - (reserve.isHeld ? 0 : limits.reserveBytes) - Math.min(leftBytesMax, limits.segmentBytes)
    } catch (error) {
      if (!(error instanceof FilesError)) throw error
      return roomWithoutEnd // whatever is wrong, `put` will meet it
    }
  }

  #checkOpen(what: string): void {
    if (this.#closed !== undefined) throw closedError(what)
  }
}
