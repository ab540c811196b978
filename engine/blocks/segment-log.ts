// The end of the log: appends records to the active segment and makes them durable, seals it when it is full, gives it up after a disk
// error, and tries again later. One append at a time, which group-commit.ts sees to. Never leaves a hole: what was not acknowledged is cut or written over.

import { assert, present } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { EngineError, messageOf } from '../base/errors.ts'
import { FilesError, type Files } from '../base/files.ts'
import type { Log } from '../base/log.ts'
import { FooterBuilder } from './footer.ts'
import { RecordWriter, type LogRecord } from './record-writer.ts'
import type { ActiveSegment } from './recover.ts'
import { encodeRecord, encodeSegmentHeader, recordBytesOf, recordTypes, segmentVersion, type Place } from './record.ts'
import { isFault, segmentPath } from './segment-directory.ts'
import type { SegmentLimits } from './segment-limits.ts'
import { countTombstone, newSegmentState, type SegmentState, type SegmentTable } from './segment-table.ts'

export interface SegmentLogParts {
  readonly files: Files
  readonly directory: string
  readonly storeId: Uint8Array
  readonly limits: SegmentLimits
  readonly clock: Clock
  readonly log: Log
  readonly table: SegmentTable
}

/** Offsets in tombstones and footers have 32 bits; one bit is room for whatever is appended last. */
const segmentBytesMax = 2 ** 31
const attemptsMax = 2
/** How long a disk that failed rests before a write tries it again. */
const restMs = 30_000
const noIds = new Uint8Array(33)

export class SegmentLog {
  readonly #parts: SegmentLogParts
  readonly #writer: RecordWriter
  #active: ActiveSegment | undefined
  #failure: { readonly reason: string; readonly untilMs: number } | undefined
  #hasUncertainTail = false

  constructor(parts: SegmentLogParts, active: ActiveSegment | undefined) {
    this.#parts = parts
    this.#active = active
    this.#writer = new RecordWriter(parts.storeId)
  }

  /** Why nothing can be written; undefined once a write has succeeded again. */
  get readOnlyReason(): string | undefined {
    return this.#failure?.reason
  }

  /** Throws `STORE_READ_ONLY` while a disk that failed rests. After that one write may try, in a new segment, as after a first failure. */
  checkWritable(): void {
    if (this.#failure === undefined || this.#parts.clock.monotonicMs() >= this.#failure.untilMs) return
    throw new EngineError(
      'STORE_READ_ONLY',
      `storing blocks: the block store takes no writes since ${this.#failure.reason}; check the disk`,
    )
  }

  /** Whether bytes that nobody was promised may stand behind the acknowledged end and be read after a crash. */
  get hasUncertainTail(): boolean {
    return this.#hasUncertainTail
  }

  get activeSegment(): SegmentState | undefined {
    return this.#active?.state
  }

  /**
   * Resolves with the records' places when they are durable. `mayRoll` false keeps to the active segment even when it is full, so that
   * tombstones do not need room for a footer. Throws `NO_SPACE`, `DISK_FAILED`, `STORE_READ_ONLY`: then none of them is promised.
   */
  async append(records: readonly LogRecord[], mayRoll: boolean): Promise<readonly Place[]> {
    return await this.#retried('storing blocks', () => this.#appendOnce(records, mayRoll))
  }

  /** Makes certain that nothing unacknowledged can be read again, not even after a crash. Throws as `append`. */
  async settleTail(): Promise<void> {
    await this.#retried('tidying up after a failed write', async () => {
      if (!this.#hasUncertainTail) return
      if (this.#active === undefined) this.#active = await this.#create()
      else await this.#sync(this.#active)
      this.#hasUncertainTail = false
    })
  }

  /** Seals the active segment, if it holds anything, and starts a new one. Throws as `append`. */
  async roll(): Promise<void> {
    await this.#retried('sealing a segment', async () => {
      if (this.#active !== undefined && this.#active.footer.rowCount === 0) return
      if (this.#active !== undefined) await this.#seal(this.#active)
      this.#active ??= await this.#create()
    })
  }

  /** The file of a segment is gone: should it be the active one, nothing more is written to it. */
  leave(segment: number): void {
    if (this.#active?.state.number === segment) this.#giveUp(this.#active)
  }

  close(): void {
    this.#active?.file.close()
    this.#active = undefined
  }

  async #retried<T>(what: string, attempt: () => Promise<T>): Promise<T> {
    this.checkWritable()
    let cause: unknown
    for (let count = this.#failure === undefined ? 0 : attemptsMax - 1; count < attemptsMax; count++) {
      try {
        const result = await attempt()
        if (this.#active !== undefined) this.#noteGood()
        return result
      } catch (error) {
        if (isFault(error, 'noSpace')) {
          throw new EngineError(
            'NO_SPACE',
            `${what} in ${this.#parts.directory}: the disk is full; free some space and it goes on by itself`,
            { cause: error },
          )
        }
        if (!(error instanceof FilesError)) throw error
        this.#parts.log.error('the disk refused a write', { what, cause: error.message })
        cause = error
      }
    }
    const reason = this.#failure?.reason ?? `the disk failed twice in a row: ${messageOf(cause)}`
    this.#failure = { reason, untilMs: this.#parts.clock.monotonicMs() + restMs }
    throw new EngineError('DISK_FAILED', `${what} in ${this.#parts.directory}: ${reason}; check the disk. It is tried again by itself`, {
      cause,
    })
  }

  /** There is a segment that was made, or written to, since the failure: after one there is none. */
  #noteGood(): void {
    if (this.#failure === undefined) return
    this.#failure = undefined
    this.#parts.log.info('the disk takes writes again')
  }

  async #appendOnce(records: readonly LogRecord[], mayRoll: boolean): Promise<readonly Place[]> {
    let bytes = 0
    for (const record of records) bytes += recordBytesOf(record.payload?.length ?? 8)
    const active = await this.#roomFor(records, bytes, mayRoll)
    const { state, file, footer } = active
    let places: readonly Place[]
    try {
      places = this.#writer.write(file, { segment: state.number, offset: state.endBytes }, records)
    } catch (error) {
      if (!isFault(error, 'noSpace') || !this.#cutBack(active)) this.#giveUp(active)
      throw error
    }
    await this.#sync(active)
    state.endBytes += bytes
    state.sizeBytes = state.endBytes
    this.#hasUncertainTail = false
    for (const [at, record] of records.entries()) this.#noteRow(state, footer, record, present(places[at], 'each record has a place'))
    return places
  }

  async #sync(active: ActiveSegment): Promise<void> {
    try {
      await active.file.datasync()
      this.#checkName(active)
    } catch (error) {
      this.#giveUp(active)
      throw error
    }
  }

  /** Nothing is promised that is in a file without a name: somebody deleted it, and it goes when it is closed. */
  #checkName({ state, file }: ActiveSegment): void {
    const { files, directory } = this.#parts
    const path = segmentPath(directory, state.number)
    // Not every file system counts names.
    if (file.stat().links > 0 || files.lstat(path) !== undefined) return
    throw new FilesError('missing', 'sync', path, 'ENOENT')
  }

  #noteRow(state: SegmentState, footer: FooterBuilder, record: LogRecord, place: Place): void {
    const { folder, id } = record
    if (record.payload !== undefined) {
      footer.add({
        type: recordTypes.put,
        flags: 0,
        folder,
        id,
        offset: place.offset,
        lengthBytes: record.payload.length,
        kills: undefined,
      })
      return
    }
    const { kills } = record
    footer.add({ type: recordTypes.tombstone, flags: record.flags, folder, id, offset: place.offset, lengthBytes: 8, kills })
    countTombstone(state, kills)
  }

  async #roomFor(records: readonly LogRecord[], bytes: number, mayRoll: boolean): Promise<ActiveSegment> {
    const { limits } = this.#parts
    if (this.#active !== undefined) {
      const { state, footer } = this.#active
      const limitBytes = mayRoll ? limits.segmentBytes : segmentBytesMax
      const recordsMax = mayRoll ? limits.segmentRecordsMax : segmentBytesMax
      const fits = state.endBytes + bytes <= limitBytes && footer.rowCount + records.length <= recordsMax
      const hasNumbers = records.every((record) => footer.hasRoomFor(record.folder))
      if ((fits && hasNumbers) || footer.rowCount === 0) return this.#active
      await this.#seal(this.#active)
    }
    this.#active ??= await this.#create()
    return this.#active
  }

  async #seal(active: ActiveSegment): Promise<void> {
    const { state, file, footer } = active
    const payload = footer.encode(state.endBytes)
    const record = new Uint8Array(recordBytesOf(payload.length))
    const place = { segment: state.number, offset: state.endBytes }
    encodeRecord(record, 0, this.#parts.storeId, place, { type: recordTypes.footer, flags: 0, folder: noIds, id: noIds, payload })
    try {
      file.write(record, state.endBytes)
    } catch (error) {
      if (!isFault(error, 'noSpace') || !this.#cutBack(active)) this.#giveUp(active)
      throw error
    }
    await this.#sync(active)
    state.sizeBytes = state.endBytes + record.length
    state.hasFooter = true
    file.close()
    this.#active = undefined
  }

  async #create(): Promise<ActiveSegment> {
    const { files, directory, storeId, table } = this.#parts
    const previous = table.all().at(-1)
    const number = table.takeNumber()
    assert(number <= 0xffff_ffff, 'segment numbers have 32 bits')
    const path = segmentPath(directory, number)
    const header = {
      version: segmentVersion,
      segment: number,
      storeId,
      previousSegment: previous?.number ?? 0,
      previousEndBytes: previous?.endBytes ?? 0,
    }
    const file = files.open(path, 'create')
    try {
      file.write(encodeSegmentHeader(header), 0)
      await file.datasync()
      await files.syncDirectory(directory)
    } catch (error) {
      file.close()
      this.#removeUnborn(path)
      throw error
    }
    const state = newSegmentState(number, header.previousSegment)
    table.add(state)
    return { state, file, footer: new FooterBuilder() }
  }

  #removeUnborn(path: string): void {
    try {
      this.#parts.files.unlink(path)
    } catch (error) {
      if (!(error instanceof FilesError)) throw error // recovery removes it
    }
  }

  /** Takes back what a full disk let through of a write; false when the disk refuses even that. */
  #cutBack(active: ActiveSegment): boolean {
    try {
      active.file.truncate(active.state.endBytes)
      this.#hasUncertainTail = true
      return true
    } catch (error) {
      if (!(error instanceof FilesError)) throw error
      return false
    }
  }

  /**
   * After a failed sync nobody knows which pages are on the disk, and a second sync may lie about them: the segment is written no more.
   * What was acknowledged in it stays; the next segment's header says how far that goes.
   */
  #giveUp(active: ActiveSegment): void {
    this.#active = undefined
    this.#cutBack(active)
    this.#hasUncertainTail = true
    active.file.close()
  }
}
