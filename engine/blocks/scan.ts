// Reads the records of one segment from the front, without an index: what a store does with its active segment and with any whose
// footer is missing or damaged. Damage costs the record it hit: the scan goes on at the next header that is whole and in its place.

import type { OpenFile } from '../base/files.ts'
import {
  decodeRecordHeader,
  isPayloadWhole,
  recordHeaderBytes,
  recordMagicFirstByte,
  recordOverheadBytes,
  startsRecord,
  storeTagBytes,
} from './record.ts'
import type { RecordHeader } from './record.ts'

const windowBytes = 1024 * 1024

export type ScanEvent =
  /** A whole record; header and payload are views that the next step may overwrite. */
  | {
      readonly kind: 'record'
      readonly offset: number
      readonly sizeBytes: number
      readonly header: RecordHeader
      readonly payload: Uint8Array
    }
  /** Bytes that are no record. With a header when only the payload is damaged: then it is known what was lost. */
  | { readonly kind: 'damaged'; readonly offset: number; readonly sizeBytes: number; readonly header: RecordHeader | undefined }
  /** Always the last. Nothing but zeros, or the first part of a record, may stand from `offset` to the end of what was scanned. */
  | { readonly kind: 'end'; readonly offset: number; readonly tail: 'none' | 'zeros' | 'torn' }

export interface ScanRange {
  readonly storeId: Uint8Array
  readonly segment: number
  readonly fromBytes: number
  readonly toBytes: number
}

/** Yields the range's records in order, then one `end`. Reads are synchronous, a mebibyte at a time. */
export function* scanRecords(file: OpenFile, range: ScanRange): Generator<ScanEvent> {
  const window = new ReadWindow(file, range.toBytes)
  let at = range.fromBytes
  while (at < range.toBytes) {
    const header = headerAt(window, range, at)
    if (header !== undefined) {
      const sizeBytes = recordOverheadBytes + header.lengthBytes
      if (at + sizeBytes > range.toBytes) {
        yield { kind: 'end', offset: at, tail: 'torn' }
        return
      }
      const own = { ...header, folder: header.folder.slice(), id: header.id.slice() }
      const body = window.bytes(at + recordHeaderBytes, header.lengthBytes + recordOverheadBytes - recordHeaderBytes)
      if (isPayloadWhole(body)) yield { kind: 'record', offset: at, sizeBytes, header: own, payload: body.subarray(0, header.lengthBytes) }
      else yield { kind: 'damaged', offset: at, sizeBytes, header: own }
      at += sizeBytes
      continue
    }
    const next = nextHeader(window, range, at + 1)
    if (next === undefined) {
      yield* endOfScan(window, range, at)
      return
    }
    yield { kind: 'damaged', offset: at, sizeBytes: next - at, header: undefined }
    at = next
  }
  yield { kind: 'end', offset: at, tail: 'none' }
}

/** No record starts behind `at`. What is there: nothing yet (zeros), a write cut short (less than a header), or damage. */
function* endOfScan(window: ReadWindow, range: ScanRange, at: number): Generator<ScanEvent> {
  const sizeBytes = range.toBytes - at
  if (isZero(window, at, range.toBytes)) yield { kind: 'end', offset: at, tail: 'zeros' }
  else if (sizeBytes < recordHeaderBytes) yield { kind: 'end', offset: at, tail: 'torn' }
  else {
    yield { kind: 'damaged', offset: at, sizeBytes, header: undefined }
    yield { kind: 'end', offset: range.toBytes, tail: 'none' }
  }
}

function headerAt(window: ReadWindow, range: ScanRange, at: number): RecordHeader | undefined {
  return decodeRecordHeader(window.bytes(at, recordHeaderBytes), range.storeId, { segment: range.segment, offset: at })
}

function nextHeader(window: ReadWindow, range: ScanRange, from: number): number | undefined {
  let at = from
  while (at + recordHeaderBytes <= range.toBytes) {
    const bytes = window.bytes(at, Math.min(windowBytes, range.toBytes - at))
    const start = nextStart(bytes, range.storeId)
    if (start !== undefined) {
      if (headerAt(window, range, at + start) !== undefined) return at + start
      at += start + 1
      continue
    }
    // A start that lies across the window's end is looked at again in the next one.
    at += Math.max(1, bytes.length - recordStartBytes + 1)
  }
  return undefined
}

const recordStartBytes = 4 + storeTagBytes

function nextStart(bytes: Uint8Array, storeId: Uint8Array): number | undefined {
  let at = bytes.indexOf(recordMagicFirstByte)
  while (at >= 0) {
    if (startsRecord(bytes, at, storeId)) return at
    at = bytes.indexOf(recordMagicFirstByte, at + 1)
  }
  return undefined
}

function isZero(window: ReadWindow, from: number, to: number): boolean {
  for (let at = from; at < to;) {
    const bytes = window.bytes(at, Math.min(windowBytes, to - at))
    if (bytes.length === 0 || bytes.some((byte) => byte !== 0)) return false
    at += bytes.length
  }
  return true
}

/** Positional reads through one buffer. What `bytes` gave is overwritten by the next call. */
class ReadWindow {
  readonly #file: OpenFile
  readonly #endBytes: number
  #buffer = new Uint8Array(0)
  #startBytes = 0
  #filledBytes = 0

  constructor(file: OpenFile, endBytes: number) {
    this.#file = file
    this.#endBytes = endBytes
  }

  /** Shorter than asked only at the end of the range or of the file. */
  bytes(offset: number, length: number): Uint8Array {
    const wanted = Math.max(0, Math.min(length, this.#endBytes - offset))
    const isHeld = offset >= this.#startBytes && offset + wanted <= this.#startBytes + this.#filledBytes
    if (!isHeld) {
      const size = Math.max(wanted, Math.min(windowBytes, this.#endBytes - offset))
      if (size > this.#buffer.length) this.#buffer = new Uint8Array(size)
      const room = Math.min(this.#buffer.length, this.#endBytes - offset)
      this.#startBytes = offset
      this.#filledBytes = this.#file.read(this.#buffer.subarray(0, room), offset)
    }
    const start = offset - this.#startBytes
    return this.#buffer.subarray(start, Math.min(start + wanted, this.#filledBytes))
  }
}
