// The block store in an object storage (docs/disk-format.md): each group of writes is one object, a pack, which is a sealed segment. What
// is where is in an index on the home's disk, as that of the segment store, and can be made again from the bucket alone. What the bucket
// does not answer is never taken for lost.

import type { Clock, Random } from '../base/clock.ts'
import { EngineError, errorCodeOf, messageOf } from '../base/errors.ts'
import { FilesError, type Files } from '../base/files.ts'
import type { Log } from '../base/log.ts'
import { ObjectsError, type Objects } from '../base/objects.ts'
import { Semaphore } from '../base/queue.ts'
import type { BlockId, FolderId } from '../model/ids.ts'
import { Allowances, chargedBytes } from './allowances.ts'
import { checkBlocks, closedError } from './checked.ts'
import type { CompactionReport } from './compact.ts'
import { GroupCommit, type Step } from './group-commit.ts'
import { IndexCare } from './index-care.ts'
import type { LiveTotals } from './live-counts.ts'
import { claimStore } from './pack-claim.ts'
import { compactPacks, type PackCompactionParts } from './pack-compact.ts'
import { objectsFailure } from './pack-errors.ts'
import { PackInspection } from './pack-inspection.ts'
import { defaultPackLimits, type PackLimits } from './pack-limits.ts'
import { PackLog } from './pack-log.ts'
import { readPackedBlock, type PackReadParts } from './pack-reader.ts'
import { recoverPacks, saveIndex } from './pack-recover.ts'
import { isPackedAt, packedBlocks, replayPacks } from './pack-walk.ts'
import { Quarantine, type DamagedRecord, type DamageReason } from './quarantine.ts'
import { rebuildIndex, type RebuildReport } from './rebuild.ts'
import { recordBytesOf } from './record.ts'
import { RetryingObjects } from './retrying-objects.ts'
import { SegmentIndex, type BlockLocation } from './segment-index.ts'
import type { SegmentStore } from './segment-store.ts'
import { SegmentTable } from './segment-table.ts'
import { summarize, type HeldBlock, type SegmentSummary } from './segment-walk.ts'
import type { StoredBlock, StoreHealth, StoreTotals } from './store.ts'

export interface PackStoreOptions {
  readonly objects: Objects
  readonly files: Files
  /** In the home, for the index; absolute. Its parent exists. Nothing else lives in it. */
  readonly directory: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** The peer id of this node, and what people call it. */
  readonly owner: string
  readonly node: string
  /** Take the store over from the node that it belongs to. */
  readonly takeOver: boolean
  readonly limits?: Partial<PackLimits>
}

/**
 * Opens the store, or makes it where neither the bucket nor the home knows of one. Throws `STORE_OFFLINE`, `STORE_IN_USE`, `STORE_CORRUPT`,
 * `VERSION_UNSUPPORTED`, `NO_SPACE`, `DISK_FAILED`, `ABORTED`.
 */
export async function openPackStore(options: PackStoreOptions, signal: AbortSignal): Promise<SegmentStore> {
  const { files, directory, clock, random, log, owner } = options
  const limits = { ...defaultPackLimits, ...options.limits }
  const objects = new RetryingObjects({ objects: options.objects, clock, random, log, limits: limits.retry })
  const startedMs = clock.monotonicMs()
  let index: SegmentIndex | undefined
  try {
    if (files.lstat(directory) === undefined) files.makeDirectory(directory, 0o700)
    const storeId = await claimStore({ ...options, objects }, signal)
    const opened = SegmentIndex.open({ files, directory, storeId, clock, log, rowsMax: limits.indexRowsMax })
    index = opened.index
    const table = new SegmentTable()
    const quarantine = new Quarantine(limits.quarantineMax)
    const read = { objects, storeId, packBytesMax: limits.packBytesMax }
    await recoverPacks({ ...read, clock, log, index, table, quarantine }, opened.checkpoint, signal)
    const ending = new AbortController()
    const packs = new PackLog({ objects, storeId, owner, clock, random, table, claimLookMs: limits.claimLookMs, signal: ending.signal })
    log.info('opened the block store', { ...index.totals(), place: objects.place, durationMs: clock.monotonicMs() - startedMs })
    return new OpenPackStore({ ...read, clock, log, limits, index, table, quarantine, packs, ending, allowances: new Allowances() })
  } catch (error) {
    await index?.close()
    throw asFailure(error, 'opening the block store', objects.place)
  }
}

interface StoreParts extends PackReadParts {
  readonly clock: Clock
  readonly log: Log
  readonly limits: PackLimits
  readonly index: SegmentIndex
  readonly table: SegmentTable
  readonly quarantine: Quarantine
  readonly packs: PackLog
  /** Aborted when closing does not wait for the storage any longer. */
  readonly ending: AbortController
  readonly allowances: Allowances
}

/** A bucket has no reserve to give up. */
const noReserve = { hold: async (): Promise<void> => undefined, release: () => false }

class OpenPackStore implements SegmentStore {
  onDamaged: (record: DamagedRecord | undefined) => void = () => undefined
  readonly inspection: PackInspection
  readonly #parts: StoreParts
  readonly #commits: GroupCommit
  readonly #indexCare: IndexCare
  readonly #compactions = new Semaphore(1)
  readonly #closing = new AbortController()
  #closed: Promise<void> | undefined
  #tidying: Promise<void> | undefined
  #looking: Promise<void> | undefined
  #packsSaved: number
  #packsTidied: number

  constructor(parts: StoreParts) {
    this.#parts = parts
    this.#packsSaved = parts.packs.appended
    this.#packsTidied = parts.packs.appended
    this.#commits = new GroupCommit({ ...parts, segments: parts.packs, reserve: noReserve })
    parts.quarantine.onAdded = (record) => this.onDamaged(record)
    const { index, log, packs } = parts
    this.inspection = new PackInspection({
      ...parts,
      lookAtClaim: async () => await packs.lookAtClaim(),
      loseWithPack: ({ folder, id }, location) => this.#forget(folder, id, location, 'unreadable'),
    })
    const rebuild = (): Promise<RebuildReport> => this.rebuild(this.#closing.signal)
    this.#indexCare = new IndexCare({ index, log, place: parts.objects.place, rebuild, isClosed: () => this.#closed !== undefined })
  }

  async put(blocks: readonly StoredBlock[]): Promise<void> {
    this.#checkOpen('storing blocks')
    checkBlocks(blocks, this.#parts.limits.blockBytesMax)
    this.#parts.packs.checkWritable()
    const isAllHere = this.#commits.isAtRest && blocks.every((block) => this.#parts.index.locate(block.folder, block.id) !== undefined)
    if (!isAllHere) await this.#commits.commit(blocks.map((block): Step => ({ kind: 'put', block })))
    this.#care()
  }

  async get(folder: FolderId, id: BlockId): Promise<Uint8Array | undefined> {
    this.#checkOpen('reading a block')
    const { index, packs, ending } = this.#parts
    let location = index.locate(folder, id)
    try {
      while (location !== undefined) {
        const read = await readPackedBlock(this.#parts, { folder, id, location }, ending.signal)
        if (read !== 'noPack' && read.bytes !== undefined) return read.bytes
        if (read === 'noPack') await packs.lookAtClaim()
        const now = index.locate(folder, id)
        if (now?.segment === location.segment && now.offset === location.offset) {
          await this.#lose(folder, id, location, read === 'noPack' ? 'unreadable' : read.damage)
          return undefined
        }
        location = now // compaction moved it meanwhile
      }
      return undefined
    } catch (error) {
      throw asFailure(error, 'reading a block', this.#parts.objects.place)
    }
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
    this.#parts.packs.checkWritable()
    if (this.#parts.index.damage !== undefined) await this.#indexCare.whenSound()
    await this.#commits.commit(ids.map((id): Step => ({ kind: 'remove', folder, id })))
    this.#care()
  }

  list(folder: FolderId, after: BlockId | undefined, limit: number): readonly BlockId[] {
    this.#checkOpen('listing blocks')
    return this.#parts.index.list(folder, after, limit)
  }

  payloadBytesOf(folder: FolderId): number {
    return this.totalsOf(folder).payloadBytes
  }

  totalsOf(folder: FolderId): LiveTotals {
    this.#checkOpen('counting blocks')
    return this.#parts.index.totalsOf(folder)
  }

  totals(): StoreTotals {
    this.#checkOpen('counting blocks')
    const { index, table } = this.#parts
    return { ...index.totals(), diskBytes: table.diskBytes() }
  }

  setLimit(folder: FolderId | undefined, sizeBytes: number | undefined): void {
    this.#parts.allowances.set(folder, sizeBytes)
  }

  roomOf(folder: FolderId): number {
    this.#checkOpen('looking for room')
    const { allowances, index } = this.#parts
    return allowances.roomOf(folder, chargedBytes(index.totalsOf(folder)), chargedBytes(index.totals()))
  }

  health(): StoreHealth {
    if (this.#closed !== undefined) return { state: 'closed' }
    const reason = this.#parts.packs.offlineReason
    if (reason === undefined) return { state: 'ok' }
    this.#look()
    return { state: 'offline', reason }
  }

  /** Whoever asks how it is makes it look again, where nobody reads or writes: a storage that is back is not offline until somebody does. */
  #look(): void {
    const { packs, log } = this.#parts
    if (packs.isLost || this.#looking !== undefined) return
    this.#looking = packs
      .lookAtClaim()
      .catch((error: unknown) => log.debug('the object storage is away still', { cause: messageOf(error) }))
      .finally(() => {
        this.#looking = undefined
      })
  }

  async compact(signal: AbortSignal): Promise<CompactionReport> {
    this.#checkOpen('compacting')
    this.#parts.packs.checkWritable()
    await this.#indexCare.whenSound()
    const stop = AbortSignal.any([signal, this.#closing.signal])
    const lose: PackCompactionParts['lose'] = (folder, id, location, damage) => void this.#lose(folder, id, location, damage)
    const parts = { ...this.#parts, ...this.#parts.limits, commits: this.#commits, lose }
    try {
      return await this.#compactions.hold(() => compactPacks(parts, stop), stop)
    } catch (error) {
      throw asFailure(error, 'compacting', parts.objects.place)
    }
  }

  async rebuild(signal: AbortSignal): Promise<RebuildReport> {
    this.#checkOpen('making the index again')
    const stop = AbortSignal.any([signal, this.#closing.signal])
    try {
      const parts = { ...this.#parts, commits: this.#commits, replay: replayPacks(this.#parts) }
      const report = await this.#compactions.hold(() => rebuildIndex(parts, stop), stop)
      if (report.surplus > 0) this.onDamaged(undefined)
      return report
    } catch (error) {
      throw asFailure(error, 'making the index again', this.#parts.objects.place)
    }
  }

  segments(): readonly SegmentSummary[] {
    this.#checkOpen('listing packs')
    return summarize(this.#parts)
  }

  blocksIn(segment: number, fromOffset: number, signal: AbortSignal): AsyncGenerator<readonly HeldBlock[]> {
    this.#checkOpen('listing blocks')
    return packedBlocks(this.#parts, { segment, offset: fromOffset }, AbortSignal.any([signal, this.#closing.signal]))
  }

  quarantine(): { readonly count: number; readonly records: readonly DamagedRecord[] } {
    return { count: this.#parts.quarantine.count, records: this.#parts.quarantine.list() }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close()
    await this.#closed
  }

  /** What was asked for before is still written, as long as the storage answers soon; compaction stops where it is. */
  async #close(): Promise<void> {
    const { clock, ending, index, table, limits } = this.#parts
    this.#closing.abort()
    const settled = new AbortController()
    const waiting = clock.sleep(limits.closeMsMax, settled.signal).then(
      () => ending.abort(),
      () => undefined,
    )
    await this.#compactions.hold(() => this.#commits.settle(), new AbortController().signal)
    settled.abort()
    await waiting
    await saveIndex(index, table)
    ending.abort()
    await this.#looking
    await index.close()
  }

  /** What is done now and then beside everything else: saving the index, and making few packs of many. */
  #care(): void {
    const { packs, limits, index, table, log } = this.#parts
    if (packs.appended - this.#packsSaved >= limits.packsPerSave) {
      this.#packsSaved = packs.appended
      this.#commits
        .exclusively(() => saveIndex(index, table))
        .catch((error: unknown) => {
          log.warn('could not save the index of the block store', { cause: messageOf(error) })
        })
    }
    if (packs.appended - this.#packsTidied < 2 * limits.smallPacksMin || this.#tidying !== undefined || this.#closed !== undefined) return
    this.#packsTidied = packs.appended
    this.#tidying = this.compact(this.#closing.signal)
      .then((report) => log.debug('tidied the packs', { ...report }))
      .catch((error: unknown) => log.debug('could not tidy the packs', { cause: messageOf(error) }))
      .finally(() => {
        this.#tidying = undefined
      })
  }

  /** As the segment store's: the block is forgotten, and a mark in the log says so; where it is the index that is wrong, that is made again. */
  async #lose(folder: FolderId, id: BlockId, location: BlockLocation, reason: DamageReason): Promise<void> {
    const { log, ending } = this.#parts
    this.#drop(folder, id, location, reason)
    try {
      if (!(await isPackedAt(this.#parts, location, id, ending.signal))) {
        this.#indexCare.makeAgain()
        return
      }
    } catch (error) {
      // Without a mark the damage is found again; with one, an index that is wrong would have killed the block wherever that is.
      log.debug('could not look at a pack again', { cause: messageOf(error) })
      return
    }
    this.#mark(folder, id, location)
  }

  /** As `#lose`, where it is known already that the index is right. */
  #forget(folder: FolderId, id: BlockId, location: BlockLocation, reason: DamageReason): void {
    this.#drop(folder, id, location, reason)
    this.#mark(folder, id, location)
  }

  #drop(folder: FolderId, id: BlockId, { segment, offset, payloadBytes }: BlockLocation, reason: DamageReason): void {
    const { index, quarantine, log } = this.#parts
    index.apply([{ kind: 'remove', folder, id }])
    quarantine.add({ segment, offset, sizeBytes: recordBytesOf(payloadBytes), folder, id, reason })
    log.warn('a stored block is damaged: it is not served any more', { pack: segment, offset, reason })
  }

  #mark(folder: FolderId, id: BlockId, { segment, offset }: BlockLocation): void {
    const { log } = this.#parts
    const mark: Step = { kind: 'tombstone', folder, id, kills: { segment, offset }, isDamage: true }
    this.#commits.commit([mark]).catch((error: unknown) => {
      log.warn('could not note a damaged block', { pack: segment, offset, code: errorCodeOf(error), cause: messageOf(error) })
    })
  }

  #checkOpen(what: string): void {
    if (this.#closed !== undefined) throw closedError(what)
  }
}

function asFailure(error: unknown, what: string, place: string): unknown {
  if (error instanceof ObjectsError) return objectsFailure(error, what, place)
  if (!(error instanceof FilesError)) return error
  const code = error.fault === 'noSpace' ? 'NO_SPACE' : 'DISK_FAILED'
  return new EngineError(code, `${what} in ${place}: its index in the home: ${error.message}; check the disk`, { cause: error })
}
