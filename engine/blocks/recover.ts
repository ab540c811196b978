// Opening a segment store: reads what the segments say, in the order of the log, into the index and the table. Recovery is the only
// path there is: a store that was closed well is one with nothing to repair.

import { assert, present } from '../base/assert.ts'
import { EngineError, messageOf } from '../base/errors.ts'
import { FilesError, type Files, type OpenFile } from '../base/files.ts'
import { parseBlockId, parseFolderId } from '../model/ids.ts'
import type { FooterBuilder } from './footer.ts'
import { decodeSegmentHeader, recordTypes, segmentHeaderBytes, segmentVersion, type SegmentHeader } from './record.ts'
import { replaySegment, type FoundSegment, type ReplayedSegment, type ReplayParts } from './replay.ts'
import { listSegments, segmentPath, type ReadHandles } from './segment-directory.ts'
import type { Checkpoint, SegmentState } from './segment-table.ts'

export interface RecoveryParts extends ReplayParts {
  readonly files: Files
  readonly directory: string
  readonly handles: ReadHandles
  /** At most so many bytes at the end of the log were not synced when the node stopped: one group. */
  readonly unsyncedBytesMax: number
}

/** The segment that goes on being written. */
export interface ActiveSegment {
  readonly state: SegmentState
  readonly file: OpenFile
  readonly footer: FooterBuilder
}

/**
 * Gives the active segment when there is one to go on with. What was saved of the index is used as far as it fits the segments, else they are
 * all read. Throws `VERSION_UNSUPPORTED`, `STORE_CORRUPT`, FilesError.
 */
export async function recoverSegments(
  parts: RecoveryParts,
  saved: Checkpoint | undefined,
  signal: AbortSignal,
): Promise<ActiveSegment | undefined> {
  const recovered = await replayLog(parts, saved, signal)
  if (recovered !== 'unfit') return await openLast(parts, recovered)
  const { index, table, quarantine, log } = parts
  log.warn('the index of the block store does not fit its segments: it is made again from them')
  await index.reset()
  table.clear()
  quarantine.clear()
  const again = await replayLog(parts, undefined, signal)
  assert(again !== 'unfit', 'what nothing was saved of fits')
  if (saved !== undefined) reportLostEnd(parts, saved)
  return await openLast(parts, again)
}

/** The last segment, undefined when there is none or it is sealed; 'unfit' when what was saved is not what the segments say. */
type Recovered = ReplayedSegment | undefined | 'unfit'

async function replayLog(parts: RecoveryParts, saved: Checkpoint | undefined, signal: AbortSignal): Promise<Recovered> {
  const { index, table } = parts
  const numbers = listSegments(parts.files, parts.directory)
  if (saved !== undefined && !(await takeSaved(parts, saved, numbers))) return 'unfit'
  const end = saved?.end ?? { segment: 0, offset: 0 }
  const found = readHeaders(
    parts,
    numbers.filter((number) => number >= end.segment),
  )
  const acknowledged = new Map<number, number>()
  for (const { header } of found) if (header !== undefined) acknowledged.set(header.previousSegment, header.previousEndBytes)
  const last = found.at(-1)
  let active: ReplayedSegment | undefined
  let savedLast: ReplayedSegment | undefined
  for (const each of found) {
    const isLast = each === last
    const isSavedLast = each.segment === end.segment
    const range = {
      acknowledged: isLast ? ('last' as const) : acknowledged.get(each.segment),
      fromOffset: isSavedLast ? end.offset : 0,
    }
    const loaded = await replaySegment(parts, each, range, signal)
    table.add(loaded.state)
    if (isSavedLast) savedLast = loaded
    if (!loaded.state.hasFooter && !isLast) await cutVoid(parts, loaded.state)
    if (!loaded.state.hasFooter && isLast && each.header !== undefined) active = loaded
    // Where something was saved, it is yet to be seen whether it fits.
    if (saved === undefined && index.isDue) await index.save(present(table.checkpoint(), 'a segment was read'))
  }
  return saved === undefined || (savedLast !== undefined && fits(parts, saved, savedLast)) ? active : 'unfit'
}

/** Fills the table with the segments that need not be read; false when the files are not what they were. */
async function takeSaved(parts: RecoveryParts, saved: Checkpoint, numbers: readonly number[]): Promise<boolean> {
  const states = new Map(saved.segments.map((state) => [state.number, state]))
  for (const number of numbers) {
    if (number >= saved.end.segment) break
    const state = states.get(number)
    const sizeBytes = parts.files.lstat(segmentPath(parts.directory, number))?.sizeBytes
    if (state === undefined || sizeBytes === undefined) return false
    if (state.hasFooter ? sizeBytes !== state.sizeBytes : sizeBytes < state.endBytes) return false
    state.sizeBytes = sizeBytes
    parts.table.add(state)
    if (saved.leftovers.has(number)) parts.table.addLeftover(number)
    if (!state.hasFooter) await cutVoid(parts, state)
  }
  return true
}

/** Whether the rows from the index and the records that were read now belong together. */
function fits({ index, table }: RecoveryParts, { end, segments }: Checkpoint, last: ReplayedSegment): boolean {
  if (index.damage !== undefined || last.state.endBytes < end.offset) return false
  // Compaction removes segments, but only when nothing in them is live.
  if (segments.some(({ number }) => table.get(number) === undefined && index.liveIn(number).blocks > 0)) return false
  if (last.damagedAt.every((offset) => offset >= end.offset)) return true
  let blocks = 0
  for (const row of last.footer.rows()) {
    const folder = parseFolderId(row.folder)
    const id = parseBlockId(row.id)
    if (row.type !== recordTypes.put || folder === undefined || id === undefined) continue
    const at = index.locate(folder, id)
    if (at?.segment === end.segment && at.offset === row.offset) blocks++
  }
  return index.liveIn(end.segment).blocks === blocks
}

/** What was acknowledged when the index was saved and is not there any more: no torn end explains that. */
function reportLostEnd({ table, quarantine, log }: RecoveryParts, { end }: Checkpoint): void {
  const state = table.get(end.segment)
  if (state === undefined || state.endBytes >= end.offset) return
  const sizeBytes = end.offset - state.endBytes
  quarantine.add({ segment: end.segment, offset: state.endBytes, sizeBytes, reason: 'truncated' })
  log.warn('a segment is shorter than it was', { segment: end.segment, endBytes: state.endBytes, lostBytes: sizeBytes })
}

async function openLast(parts: RecoveryParts, last: ReplayedSegment | undefined): Promise<ActiveSegment | undefined> {
  return last === undefined ? undefined : await openActive(parts, last)
}

function readHeaders(parts: RecoveryParts, numbers: readonly number[]): readonly FoundSegment[] {
  const found: FoundSegment[] = []
  for (const segment of numbers) {
    const file = parts.handles.take(segment)
    const bytes = new Uint8Array(segmentHeaderBytes)
    const header = decodeSegmentHeader(bytes.subarray(0, file.read(bytes, 0)))
    const { sizeBytes } = file.stat()
    if (header === undefined && sizeBytes <= segmentHeaderBytes) removeUnborn(parts, segment)
    else found.push({ segment, sizeBytes, header })
    if (header !== undefined) checkHeader(parts, segment, header)
  }
  return found
}

/** A segment that was being created when the node stopped: nothing in it was acknowledged. */
function removeUnborn(parts: RecoveryParts, segment: number): void {
  parts.handles.drop(segment)
  try {
    parts.files.unlink(segmentPath(parts.directory, segment))
  } catch (error) {
    if (!(error instanceof FilesError)) throw error // it is looked at again at the next open
  }
}

function checkHeader(parts: RecoveryParts, segment: number, header: SegmentHeader): void {
  const path = segmentPath(parts.directory, segment)
  if (header.version !== segmentVersion) {
    throw new EngineError(
      'VERSION_UNSUPPORTED',
      `opening the block store: ${path} has format ${header.version}, this program knows ${segmentVersion}; use a newer Holdfast`,
    )
  }
  const isOfStore = header.storeId.every((byte, index) => parts.storeId[index] === byte)
  if (!isOfStore || header.segment !== segment) {
    throw new EngineError(
      'STORE_CORRUPT',
      `opening the block store: ${path} belongs to ${isOfStore ? `segment ${header.segment}` : 'another store'}; move the file out of the directory`,
    )
  }
}

/** Bytes behind the acknowledged end of a segment given up after a disk error: were they read again one day, removed blocks could be back. */
async function cutVoid(parts: RecoveryParts, state: SegmentState): Promise<void> {
  if (state.sizeBytes <= state.endBytes) return
  const path = segmentPath(parts.directory, state.number)
  try {
    const file = parts.files.open(path, 'edit')
    try {
      file.truncate(state.endBytes)
      await file.datasync()
    } finally {
      file.close()
    }
    state.sizeBytes = state.endBytes
  } catch (error) {
    if (!(error instanceof FilesError)) throw error
    parts.log.warn('could not cut a segment; compaction will replace it', { segment: state.number, cause: messageOf(error) })
  }
}

/**
 * Cuts the torn tail and makes durable what is left: after a kill the records may be in the page cache only, and whoever
 * opens the store counts on what it has.
 */
async function openActive(parts: RecoveryParts, loaded: ReplayedSegment): Promise<ActiveSegment | undefined> {
  const { state, footer } = loaded
  let file: OpenFile | undefined
  try {
    file = parts.files.open(segmentPath(parts.directory, state.number), 'edit')
    if (state.sizeBytes > state.endBytes) file.truncate(state.endBytes)
    rewrite(file, Math.max(0, state.endBytes - parts.unsyncedBytesMax), state.endBytes)
    await file.datasync()
    // A next segment that was begun and removed must not come back: its header would say that this one ends where it did then.
    await parts.files.syncDirectory(parts.directory)
    state.sizeBytes = state.endBytes
    return { state, file, footer }
  } catch (error) {
    file?.close()
    if (!(error instanceof FilesError)) throw error
    parts.log.warn('cannot go on with the active segment; the next block starts a new one', {
      segment: state.number,
      cause: messageOf(error),
    })
    return undefined
  }
}

/**
 * Writes bytes over themselves. When a sync failed just before the node was killed, the system holds them as clean though they are on no
 * disk, and a sync alone would do nothing and succeed.
 */
function rewrite(file: OpenFile, fromBytes: number, toBytes: number): void {
  const buffer = new Uint8Array(Math.min(rewriteBytesMax, toBytes - fromBytes))
  for (let at = fromBytes; at < toBytes; at += buffer.length) {
    const bytes = buffer.subarray(0, file.read(buffer.subarray(0, Math.min(buffer.length, toBytes - at)), at))
    file.write(bytes, at)
  }
}

const rewriteBytesMax = 1024 * 1024
