// Where the segment store keeps what is where: one row a block that can be read. What changed lately is in memory, the rest in sorted
// runs on the disk, so that ten million blocks cost some 20 MB. Segments are the truth: an index that is behind them, lost or damaged is
// made again from them. See docs/decisions/0036-the-block-index.md.

import { EngineError } from '../base/errors.ts'
import { bytesKey } from '../base/bytes.ts'
import { FilesError } from '../base/files.ts'
import { Semaphore } from '../base/queue.ts'
import { present } from '../base/assert.ts'
import { parseFolderId, type BlockId, type FolderId } from '../model/ids.ts'
import { IndexFiles, type IndexParts } from './index-files.ts'
import { encodeBody, type Manifest } from './index-manifest.ts'
import { decodeRowPlace, rowBlockId, rowBytes, type RowPlace } from './index-row.ts'
import { LiveCounts, type LiveTotals } from './live-counts.ts'
import { compareRowKey, RowArray, RowMerge, type RowSource } from './row-merge.ts'
import { RowTable } from './row-table.ts'
import { IndexDamaged, isIndexTrouble, type Run } from './run.ts'
import { RunStack } from './run-stack.ts'
import type { Checkpoint } from './segment-table.ts'

export interface BlockLocation {
  /** From 1. */
  readonly segment: number
  /** Of the record's first byte in the segment. */
  readonly offset: number
  readonly payloadBytes: number
}

export type IndexChange =
  | { readonly kind: 'put'; readonly folder: FolderId; readonly id: BlockId; readonly location: BlockLocation }
  | { readonly kind: 'remove'; readonly folder: FolderId; readonly id: BlockId }

export interface IndexEntry {
  readonly id: BlockId
  readonly location: BlockLocation
}

const never: AbortSignal = new AbortController().signal
const removed: RowPlace = { segment: 0, offset: 0, payloadBytes: 0 }

/** What an index is made of, so that one that was made beside it can take its place. */
interface Layers {
  /** Newer than the runs; with one that is being written down, what changed since then. */
  memory: RowTable
  frozen: RowTable | undefined
  readonly stack: RunStack
  readonly counts: LiveCounts
  readonly folders: FolderId[]
  readonly folderNumbers: Map<string, number>
}

/** Look-ups and changes are synchronous. Ids handed in are copied, ids handed out are the caller's. */
export class SegmentIndex {
  readonly #parts: IndexParts
  readonly #files: IndexFiles
  readonly #saving = new Semaphore(1)
  #layers: Layers
  #isDraft: boolean
  #damage: string | undefined
  /** Rows in memory from which on `isDue`; raised when the disk refused. */
  #dueRows: number
  /** Called when a read met damage, once until the index was made again. */
  onDamaged: () => void = () => undefined

  private constructor(parts: IndexParts, files: IndexFiles, isDraft: boolean) {
    this.#parts = parts
    this.#files = files
    this.#isDraft = isDraft
    this.#dueRows = parts.rowsMax
    this.#layers = this.#newLayers([], undefined)
  }

  /** What was saved, and how far it goes; an empty index and no checkpoint when there is none that can be used. Throws FilesError. */
  static open(parts: IndexParts): { readonly index: SegmentIndex; readonly checkpoint: Checkpoint | undefined } {
    const files = new IndexFiles(parts)
    const index = new SegmentIndex(parts, files, false)
    const manifest = files.readManifest()
    if (manifest === undefined) return { index, checkpoint: undefined }
    const runs: Run[] = []
    try {
      for (const number of manifest.runs) runs.push(files.openRun(number))
    } catch (error) {
      for (const run of runs) run.close()
      if (!isIndexTrouble(error)) throw error
      parts.log.warn('the index of the block store cannot be used: it is made again from the segments', { cause: error.message })
      return { index, checkpoint: undefined }
    }
    index.#restore(manifest, runs)
    return { index, checkpoint: manifest.checkpoint }
  }

  /** An empty index beside this one, for `adopt`: its runs count for nothing until then. */
  draft(): SegmentIndex {
    return new SegmentIndex(this.#parts, this.#files, true)
  }

  /** Why the rows cannot be trusted; what is missing may be here, and nothing is saved. */
  get damage(): string | undefined {
    return this.#damage
  }

  /** Applies changes in order, all of them. A put of a block that has a row moves it; removing an absent one does nothing. */
  apply(changes: readonly IndexChange[]): void {
    const { memory, frozen, stack, counts } = this.#layers
    for (const change of changes) {
      const folder = this.#numberFolder(change.folder)
      const before = this.#known(change.id, folder)
      if (before !== undefined) counts.count(folder, before, -1)
      if (change.kind === 'put') {
        memory.set(change.id, folder, change.location)
        counts.count(folder, change.location, 1)
      } else if (frozen === undefined && stack.runs.length === 0) memory.delete(change.id, folder)
      else if (before !== undefined) memory.set(change.id, folder, removed)
    }
  }

  /** Throws `DISK_FAILED` when the disk does not answer. */
  locate(folder: FolderId, id: BlockId): BlockLocation | undefined {
    const number = this.#layers.folderNumbers.get(bytesKey(folder))
    if (number === undefined) return undefined
    try {
      return this.#find(id, number)
    } catch (error) {
      throw this.#asFailure(error)
    }
  }

  /** Ids of a folder in ascending byte order: at most `limit` after `after`. Throws `DISK_FAILED`. */
  list(folder: FolderId, after: BlockId | undefined, limit: number): readonly BlockId[] {
    return this.entries(folder, after, limit).map((entry) => entry.id)
  }

  /** As `list`, with the places. */
  entries(folder: FolderId, after: BlockId | undefined, limit: number): readonly IndexEntry[] {
    const number = this.#layers.folderNumbers.get(bytesKey(folder))
    const entries: IndexEntry[] = []
    if (number === undefined || limit <= 0) return entries
    try {
      const rows = new RowMerge(this.#sources(number, after))
      for (let source = rows.next(); source !== undefined && entries.length < limit; source = rows.next()) {
        if (source.folder > number) break
        if (source.folder < number || (after !== undefined && compareRowKey(source, after) <= 0)) continue
        const location = decodeRowPlace(source.view, source.at)
        if (location.segment !== 0) entries.push({ id: rowBlockId(source.bytes, source.at), location })
      }
    } catch (error) {
      if (!(error instanceof IndexDamaged)) throw this.#asFailure(error)
      this.#setDamaged(error)
    }
    return entries
  }

  totals(): LiveTotals {
    return this.#layers.counts.all
  }

  totalsOf(folder: FolderId): LiveTotals {
    return this.#layers.counts.ofFolder(this.#layers.folderNumbers.get(bytesKey(folder)) ?? -1)
  }

  /** What of one segment is live. */
  liveIn(segment: number): LiveTotals {
    return this.#layers.counts.ofSegment(segment)
  }

  /** Folders that have or had blocks. */
  folders(): readonly FolderId[] {
    return this.#layers.folders
  }

  /** Whether there is enough in memory to be saved. */
  get isDue(): boolean {
    return this.#layers.memory.size >= this.#dueRows && this.#damage === undefined
  }

  /**
   * Writes down what is in memory. `checkpoint` is what the store knows now, and the rows are all that the log has up to its end. A disk
   * that refuses is told to the log only: what is not saved is read from the segments again.
   */
  async save(checkpoint: Checkpoint): Promise<void> {
    await this.#saving.hold(async () => {
      const { counts, folders, memory, stack } = this.#layers
      if (this.#damage !== undefined || memory.size === 0) return
      const live = folders.map((id, number) => ({ id, live: counts.ofFolder(number) }))
      const body = this.#isDraft ? undefined : encodeBody(checkpoint, { folders: live, liveIn: (segment) => counts.ofSegment(segment) })
      this.#layers.frozen = memory
      this.#layers.memory = new RowTable()
      try {
        await stack.add(memory.encodeSorted(), memory.size, body)
        this.#dueRows = this.#parts.rowsMax
      } catch (error) {
        if (!(error instanceof FilesError)) throw error
        this.#thaw(memory)
        this.#dueRows = memory.size + this.#parts.rowsMax
        this.#parts.log.warn('could not save the index of the block store', { cause: error.message })
      }
      this.#layers.frozen = undefined
    }, never)
  }

  /** Forgets everything, on the disk too. */
  async reset(): Promise<void> {
    await this.#layers.stack.stop()
    await this.#files.forget()
    this.#layers.stack.discardAll()
    this.#layers = this.#newLayers([], undefined)
    this.#damage = undefined
  }

  /** Becomes what `draft` is, which is of no use afterwards. Throws FilesError, and nothing has changed then. */
  async adopt(draft: SegmentIndex, checkpoint: Checkpoint): Promise<void> {
    await this.#saving.hold(async () => {
      await draft.save(checkpoint)
      const { counts, folders, stack } = draft.#layers
      const live = folders.map((id, number) => ({ id, live: counts.ofFolder(number) }))
      await this.#layers.stack.stop()
      // With rows still in memory nothing may say that they are on the disk.
      if (draft.#layers.memory.size > 0) await this.#files.forget()
      else await stack.name(encodeBody(checkpoint, { folders: live, liveIn: (segment) => counts.ofSegment(segment) }))
      this.#layers.stack.discardAll()
      this.#layers = draft.#layers
      stack.onDamaged = (error) => this.#setDamaged(error)
      this.#damage = undefined
      this.#dueRows = this.#parts.rowsMax
    }, never)
  }

  /** Resolves when nothing is being merged any more. */
  async settle(): Promise<void> {
    await this.#layers.stack.settle()
  }

  /** Ends a draft that is not to be adopted. */
  async drop(): Promise<void> {
    await this.#layers.stack.stop()
    this.#layers.stack.discardAll()
  }

  async close(): Promise<void> {
    await this.#layers.stack.stop()
    this.#layers.stack.close()
  }

  #newLayers(runs: readonly Run[], body: Uint8Array | undefined): Layers {
    const stack = new RunStack(this.#parts, this.#files, runs, body)
    stack.onDamaged = (error) => this.#setDamaged(error)
    return { memory: new RowTable(), frozen: undefined, stack, counts: new LiveCounts(), folders: [], folderNumbers: new Map() }
  }

  #restore(manifest: Manifest, runs: readonly Run[]): void {
    const { folders, segments, checkpoint } = manifest
    const liveOf = new Map(segments.map(({ state, live }) => [state.number, live]))
    const body = encodeBody(checkpoint, { folders, liveIn: (segment) => present(liveOf.get(segment), 'each saved segment has its counts') })
    this.#layers = this.#newLayers(runs, body)
    for (const { id, live } of folders) this.#layers.counts.addFolder(this.#numberFolder(id), live)
    for (const { state, live } of segments) if (live.blocks > 0) this.#layers.counts.addSegment(state.number, live)
  }

  /** Puts back what could not be written down, under what changed meanwhile. */
  #thaw(frozen: RowTable): void {
    const newer = this.#layers.memory.encodeSorted()
    const view = new DataView(newer.buffer)
    for (let at = 0; at < newer.length; at += rowBytes) {
      const row = new RowArray(newer.subarray(at, at + rowBytes))
      frozen.set(rowBlockId(newer, at), row.folder, decodeRowPlace(view, at))
    }
    this.#layers.memory = frozen
  }

  /** Throws IndexDamaged and FilesError. */
  #findRow(id: BlockId, folder: number): RowPlace | undefined {
    const { memory, frozen, stack } = this.#layers
    return memory.find(id, folder) ?? frozen?.find(id, folder) ?? stack.find(id, folder)
  }

  /** Throws FilesError. */
  #find(id: BlockId, folder: number): BlockLocation | undefined {
    try {
      const place = this.#findRow(id, folder)
      return place === undefined || place.segment === 0 ? undefined : place
    } catch (error) {
      if (!(error instanceof IndexDamaged)) throw error
      this.#setDamaged(error)
      return undefined
    }
  }

  /** As `#find`, for a change that has been made already: it is not undone because the index cannot be read. */
  #known(id: BlockId, folder: number): BlockLocation | undefined {
    try {
      return this.#find(id, folder)
    } catch (error) {
      if (!(error instanceof FilesError)) throw error
      this.#setDamaged(error)
      return undefined
    }
  }

  #sources(folder: number, after: BlockId | undefined): readonly RowSource[] {
    const { memory, frozen, stack } = this.#layers
    const beside = frozen === undefined ? [] : [frozen.cursor(folder, after)]
    return [memory.cursor(folder, after), ...beside, ...stack.cursors({ folder, after })]
  }

  #setDamaged(error: Error): void {
    if (this.#damage !== undefined) return
    this.#damage = error.message
    this.#parts.log.error('the index of the block store is damaged: it is made again from the segments', { cause: error.message })
    this.onDamaged()
  }

  #asFailure(error: unknown): unknown {
    if (!(error instanceof FilesError)) return error
    return new EngineError('DISK_FAILED', `looking for a block in ${this.#parts.directory}: ${error.message}; check the disk`, {
      cause: error,
    })
  }

  #numberFolder(folder: FolderId): number {
    const { folders, folderNumbers } = this.#layers
    const key = bytesKey(folder)
    let number = folderNumbers.get(key)
    if (number === undefined) {
      number = folders.length
      folders.push(present(parseFolderId(folder.slice()), 'a folder id is one'))
      folderNumbers.set(key, number)
    }
    return number
  }
}
