// The rows of one segment, from its footer when that is whole, else by reading every record. Used at open and by compaction.

import type { Clock } from '../base/clock.ts'
import type { OpenFile } from '../base/files.ts'
import { throwIfAborted } from '../base/queue.ts'
import { decodeFooter, decodeFooterTrailer, footerTrailerBytes, type FooterRow } from './footer.ts'
import {
  decodeRecordHeader,
  decodeTombstone,
  isPayloadWhole,
  recordBytesOf,
  recordHeaderBytes,
  recordTypes,
  segmentHeaderBytes,
} from './record.ts'
import { scanRecords, type ScanEvent } from './scan.ts'

export type LoadEvent =
  | { readonly kind: 'row'; readonly row: FooterRow }
  | Extract<ScanEvent, { readonly kind: 'damaged' }>
  /** Always the last. `offset` is the end of the records. */
  | { readonly kind: 'end'; readonly offset: number; readonly tail: 'footer' | 'none' | 'zeros' | 'torn' }

export interface LoadSource {
  readonly file: OpenFile
  readonly storeId: Uint8Array
  readonly segment: number
  readonly sizeBytes: number
  /** How far records were acknowledged, when a later segment says so: a scan stops there. */
  readonly acknowledgedBytes: number | undefined
}

const eventsPerBatch = 1024
const scannedBytesPerTurn = 8 * 1024 * 1024

/** Gives up the thread between batches. Throws FilesError, and `ABORTED` when the signal aborts. */
export async function* loadSegment(source: LoadSource, clock: Clock, signal: AbortSignal): AsyncGenerator<readonly LoadEvent[]> {
  throwIfAborted(signal)
  const footer = readFooter(source)
  const events = footer === undefined ? scanned(source) : footerEvents(footer)
  let batch: LoadEvent[] = []
  let turnBytes = 0
  for (const event of events) {
    batch.push(event)
    turnBytes += footer === undefined ? sizeOf(event) : 0
    if (batch.length < eventsPerBatch && turnBytes < scannedBytesPerTurn) continue
    yield batch
    batch = []
    if (turnBytes >= scannedBytesPerTurn) {
      await clock.sleep(0, signal)
      turnBytes = 0
    }
    throwIfAborted(signal)
  }
  yield batch
}

interface Footer {
  readonly rows: Iterable<FooterRow>
  readonly offset: number
}

function* footerEvents(footer: Footer): Generator<LoadEvent> {
  for (const row of footer.rows) yield { kind: 'row', row }
  yield { kind: 'end', offset: footer.offset, tail: 'footer' }
}

function sizeOf(event: LoadEvent): number {
  if (event.kind === 'row') return recordBytesOf(event.row.lengthBytes)
  return event.kind === 'damaged' ? event.sizeBytes : 0
}

function* scanned(source: LoadSource): Generator<LoadEvent> {
  const toBytes = Math.min(source.sizeBytes, source.acknowledgedBytes ?? source.sizeBytes)
  const range = { storeId: source.storeId, segment: source.segment, fromBytes: segmentHeaderBytes, toBytes }
  for (const event of scanRecords(source.file, range)) {
    if (event.kind !== 'record') {
      yield event
      continue
    }
    const { header, offset, payload } = event
    if (header.type === recordTypes.footer) continue // of a sealing that did not end well: what it lists has been read
    const kills = header.type === recordTypes.tombstone ? decodeTombstone(payload) : undefined
    const { type, flags, folder, id, lengthBytes } = header
    yield { kind: 'row', row: { type, flags, folder, id, offset, lengthBytes, kills } }
  }
}

function readFooter(source: LoadSource): Footer | undefined {
  const trailerAt = source.sizeBytes - 4 - footerTrailerBytes
  if (trailerAt < segmentHeaderBytes + recordHeaderBytes) return undefined
  const offset = decodeFooterTrailer(readExactly(source.file, trailerAt, footerTrailerBytes))
  if (offset === undefined || offset < segmentHeaderBytes || offset + recordHeaderBytes > trailerAt) return undefined
  const headBytes = readExactly(source.file, offset, recordHeaderBytes)
  const head = decodeRecordHeader(headBytes, source.storeId, { segment: source.segment, offset })
  if (head?.type !== recordTypes.footer || offset + recordBytesOf(head.lengthBytes) !== source.sizeBytes) return undefined
  const body = readExactly(source.file, offset + recordHeaderBytes, head.lengthBytes + 4)
  if (!isPayloadWhole(body)) return undefined
  const rows = decodeFooter(body.subarray(0, head.lengthBytes))
  return rows === undefined ? undefined : { rows, offset }
}

/** What the footer says of the record at `offset`; undefined when it says nothing, 'none' without a whole footer. Throws FilesError. */
export function footerRowAt(source: LoadSource, offset: number): FooterRow | 'none' | undefined {
  const footer = readFooter(source)
  if (footer === undefined) return 'none'
  for (const row of footer.rows) if (row.offset === offset) return row
  return undefined
}

function readExactly(file: OpenFile, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  return bytes.subarray(0, file.read(bytes, offset))
}
