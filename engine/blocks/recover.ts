// Opening a segment store: reads what the segments say, in the order of the log, into the index and the table. Recovery is the only
// path there is: a store that was closed well is one with nothing to repair.

import type { Clock } from '../base/clock.ts'
import { EngineError, messageOf } from '../base/errors.ts'
import { FilesError, type Files, type OpenFile } from '../base/files.ts'
import type { Log } from '../base/log.ts'
import { parseBlockId, parseFolderId } from '../model/ids.ts'
import { FooterBuilder, type FooterRow } from './footer.ts'
import { loadSegment, type LoadEvent } from './load-segment.ts'
import type { Quarantine } from './quarantine.ts'
import { decodeSegmentHeader, isAtOrBefore, recordTypes, segmentHeaderBytes, segmentVersion, type SegmentHeader } from './record.ts'
import { listSegments, segmentPath, type ReadHandles } from './segment-directory.ts'
import type { SegmentIndex } from './segment-index.ts'
import { countTombstone, newSegmentState, type SegmentState, type SegmentTable } from './segment-table.ts'

export interface RecoveryParts {
  readonly files: Files
  readonly directory: string
  readonly storeId: Uint8Array
  readonly clock: Clock
  readonly log: Log
  readonly index: SegmentIndex
  readonly table: SegmentTable
  readonly handles: ReadHandles
  readonly quarantine: Quarantine
  /** At most so many bytes at the end of the log were not synced when the node stopped: one group. */
  readonly unsyncedBytesMax: number
}

/** The segment that goes on being written. */
export interface ActiveSegment {
  readonly state: SegmentState
  readonly file: OpenFile
  readonly footer: FooterBuilder
}

/** Gives the active segment when there is one to go on with. Throws `VERSION_UNSUPPORTED`, `STORE_CORRUPT`, FilesError. */
export async function recoverSegments(parts: RecoveryParts, signal: AbortSignal): Promise<ActiveSegment | undefined> {
  const found = readHeaders(parts)
  const acknowledged = new Map<number, number>()
  for (const { header } of found) if (header !== undefined) acknowledged.set(header.previousSegment, header.previousEndBytes)
  const last = found.at(-1)
  for (const each of found) {
    const isLast = each === last
    const loaded = await replaySegment(parts, each, isLast ? 'last' : acknowledged.get(each.segment), signal)
    parts.table.add(loaded.state)
    if (loaded.state.hasFooter) continue
    if (!isLast) await cutVoid(parts, loaded.state)
    else if (each.header !== undefined) return await openActive(parts, loaded)
  }
  return undefined
}

interface FoundSegment {
  readonly segment: number
  readonly sizeBytes: number
  /** undefined when it is damaged. */
  readonly header: SegmentHeader | undefined
}

function readHeaders(parts: RecoveryParts): readonly FoundSegment[] {
  const found: FoundSegment[] = []
  for (const segment of listSegments(parts.files, parts.directory)) {
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

interface Loaded {
  readonly state: SegmentState
  readonly footer: FooterBuilder
}

/** How far the next segment says this one was acknowledged: undefined when that one is gone. */
type Acknowledged = number | 'last' | undefined

async function replaySegment(parts: RecoveryParts, found: FoundSegment, acknowledged: Acknowledged, signal: AbortSignal): Promise<Loaded> {
  const { segment, sizeBytes, header } = found
  const state = newSegmentState(segment, header?.previousSegment ?? 0)
  const loaded: Loaded = { state, footer: new FooterBuilder() }
  state.sizeBytes = sizeBytes
  const acknowledgedBytes = acknowledged === 'last' ? undefined : acknowledged
  const source = { file: parts.handles.take(segment), storeId: parts.storeId, segment, sizeBytes, acknowledgedBytes }
  let tail = 'none'
  for await (const batch of loadSegment(source, parts.clock, signal)) {
    for (const event of batch) {
      if (event.kind === 'row') replayRow(parts, loaded, event.row)
      else if (event.kind === 'damaged') reportDamage(parts, segment, event)
      else {
        state.endBytes = event.offset
        tail = event.tail
      }
    }
  }
  state.hasFooter = tail === 'footer'
  if (header === undefined) parts.quarantine.add({ segment, offset: 0, sizeBytes: segmentHeaderBytes, reason: 'segmentHeader' })
  if (!state.hasFooter && acknowledged !== 'last') reportMissing(parts, state, acknowledged)
  if (acknowledged === 'last' && (tail === 'torn' || tail === 'zeros')) {
    parts.log.info('the active segment has an unfinished end, which is cut', { segment, endBytes: state.endBytes, tail })
  }
  return loaded
}

/** A segment that others followed had a footer, or an end that the next one names. Anything short of that was lost. */
function reportMissing(parts: RecoveryParts, state: SegmentState, acknowledgedBytes: number | undefined): void {
  if (acknowledgedBytes !== undefined && state.endBytes >= acknowledgedBytes) return
  const sizeBytes = acknowledgedBytes === undefined ? 0 : acknowledgedBytes - state.endBytes
  parts.quarantine.add({ segment: state.number, offset: state.endBytes, sizeBytes, reason: 'truncated' })
  parts.log.warn('a segment is shorter than it was', { segment: state.number, endBytes: state.endBytes, lostBytes: sizeBytes })
}

function reportDamage(parts: RecoveryParts, segment: number, event: Extract<LoadEvent, { kind: 'damaged' }>): void {
  const { offset, sizeBytes, header } = event
  const folder = header === undefined ? undefined : parseFolderId(header.folder)
  const id = header === undefined ? undefined : parseBlockId(header.id)
  if (header?.type === recordTypes.footer) return // its rows have been read from the records themselves
  const reason = header === undefined ? 'record' : header.type === recordTypes.tombstone ? 'tombstone' : 'payload'
  parts.quarantine.add({ segment, offset, sizeBytes, reason, ...(folder === undefined || id === undefined ? {} : { folder, id }) })
  parts.log.warn('found a damaged record', { segment, offset, sizeBytes, reason })
}

function replayRow(parts: RecoveryParts, loaded: Loaded, row: FooterRow): void {
  const { state } = loaded
  loaded.footer.add(row)
  const folder = parseFolderId(row.folder)
  const id = parseBlockId(row.id)
  const isKnown = row.type === recordTypes.put || (row.type === recordTypes.tombstone && row.kills !== undefined)
  if (folder === undefined || id === undefined || !isKnown) {
    state.hasUnknownRecords = true
    return
  }
  const before = parts.index.locate(folder, id)
  if (row.kills === undefined) {
    if (before !== undefined && before.segment !== state.number) parts.table.addLeftover(before.segment)
    const location = { segment: state.number, offset: row.offset, payloadBytes: row.lengthBytes }
    parts.index.apply([{ kind: 'put', folder, id, location }])
    return
  }
  countTombstone(state, row.kills)
  if (before === undefined || !isAtOrBefore(before, row.kills)) return
  if (before.segment !== row.kills.segment) parts.table.addLeftover(before.segment)
  parts.index.apply([{ kind: 'remove', folder, id }])
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
async function openActive(parts: RecoveryParts, loaded: Loaded): Promise<ActiveSegment | undefined> {
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
