// Reads what one segment says, in the order of the log, into the index and the table: at open, and when an index is made again.

import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { parseBlockId, parseFolderId } from '../model/ids.ts'
import { FooterBuilder, type FooterRow } from './footer.ts'
import { loadSegment, type LoadEvent } from './load-segment.ts'
import type { Quarantine } from './quarantine.ts'
import { isAtOrBefore, recordTypes, segmentHeaderBytes, type SegmentHeader } from './record.ts'
import type { ReadHandles } from './segment-directory.ts'
import type { SegmentIndex } from './segment-index.ts'
import { countTombstone, newSegmentState, type SegmentState, type SegmentTable } from './segment-table.ts'

export interface ReplayParts {
  readonly storeId: Uint8Array
  readonly clock: Clock
  readonly log: Log
  readonly index: SegmentIndex
  readonly table: SegmentTable
  readonly handles: Pick<ReadHandles, 'take'>
  readonly quarantine: Quarantine
}

export interface FoundSegment {
  readonly segment: number
  readonly sizeBytes: number
  /** undefined when it is damaged. */
  readonly header: SegmentHeader | undefined
}

export interface ReplayedSegment {
  readonly state: SegmentState
  readonly footer: FooterBuilder
  /** Where damage was found, in the order of the log. */
  readonly damagedAt: number[]
}

/** How far the next segment says this one was acknowledged: undefined when that one is gone. */
export type Acknowledged = number | 'last' | undefined

export interface ReplayRange {
  readonly acknowledged: Acknowledged
  /** The index knows what stands before it already. */
  readonly fromOffset: number
}

/** Throws FilesError, `DISK_FAILED`, `ABORTED`. Does not touch the table but for leftovers. */
export async function replaySegment(
  parts: ReplayParts,
  found: FoundSegment,
  range: ReplayRange,
  signal: AbortSignal,
): Promise<ReplayedSegment> {
  const { segment, sizeBytes, header } = found
  const { acknowledged, fromOffset } = range
  const state = newSegmentState(segment, header?.previousSegment ?? 0)
  const loaded: ReplayedSegment = { state, footer: new FooterBuilder(), damagedAt: [] }
  state.sizeBytes = sizeBytes
  const acknowledgedBytes = acknowledged === 'last' ? undefined : acknowledged
  const source = { file: parts.handles.take(segment), storeId: parts.storeId, segment, sizeBytes, acknowledgedBytes }
  let tail = 'none'
  for await (const batch of loadSegment(source, parts.clock, signal)) {
    for (const event of batch) {
      if (event.kind === 'row') replayRow(parts, loaded, event.row, fromOffset)
      else if (event.kind === 'damaged') {
        loaded.damagedAt.push(event.offset)
        reportDamage(parts, segment, event)
      } else {
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
function reportMissing(parts: ReplayParts, state: SegmentState, acknowledgedBytes: number | undefined): void {
  if (acknowledgedBytes !== undefined && state.endBytes >= acknowledgedBytes) return
  const sizeBytes = acknowledgedBytes === undefined ? 0 : acknowledgedBytes - state.endBytes
  parts.quarantine.add({ segment: state.number, offset: state.endBytes, sizeBytes, reason: 'truncated' })
  parts.log.warn('a segment is shorter than it was', { segment: state.number, endBytes: state.endBytes, lostBytes: sizeBytes })
}

function reportDamage(parts: ReplayParts, segment: number, event: Extract<LoadEvent, { kind: 'damaged' }>): void {
  const { offset, sizeBytes, header } = event
  const folder = header === undefined ? undefined : parseFolderId(header.folder)
  const id = header === undefined ? undefined : parseBlockId(header.id)
  if (header?.type === recordTypes.footer) return // its rows have been read from the records themselves
  const reason = header === undefined ? 'record' : header.type === recordTypes.tombstone ? 'tombstone' : 'payload'
  parts.quarantine.add({ segment, offset, sizeBytes, reason, ...(folder === undefined || id === undefined ? {} : { folder, id }) })
  parts.log.warn('found a damaged record', { segment, offset, sizeBytes, reason })
}

function replayRow(parts: ReplayParts, loaded: ReplayedSegment, row: FooterRow, fromOffset: number): void {
  const { state } = loaded
  loaded.footer.add(row)
  const folder = parseFolderId(row.folder)
  const id = parseBlockId(row.id)
  const isKnown = row.type === recordTypes.put || (row.type === recordTypes.tombstone && row.kills !== undefined)
  if (folder === undefined || id === undefined || !isKnown) {
    state.hasUnknownRecords = true
    return
  }
  if (row.kills !== undefined) countTombstone(state, row.kills)
  if (row.offset < fromOffset) return
  const before = parts.index.locate(folder, id)
  if (row.kills === undefined) {
    if (before !== undefined && before.segment !== state.number) parts.table.addLeftover(before.segment)
    const location = { segment: state.number, offset: row.offset, payloadBytes: row.lengthBytes }
    parts.index.apply([{ kind: 'put', folder, id, location }])
    return
  }
  if (before === undefined || !isAtOrBefore(before, row.kills)) return
  if (before.segment !== row.kills.segment) parts.table.addLeftover(before.segment)
  parts.index.apply([{ kind: 'remove', folder, id }])
}
