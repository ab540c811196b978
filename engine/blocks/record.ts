// The bytes of segments: file header, records, tombstones, the store's marker. docs/disk-format.md, section "Segments",
// has the offsets; test/golden/segment.test.ts pins them. All numbers are little-endian. Pure; offsets and lengths in bytes.

import { assert } from '../base/assert.ts'
import { hashIdBytes } from '../model/ids.ts'
import { checksumOf } from './checksum.ts'

export const storeIdBytes = 16
/** So many bytes of the store's id stand in each record, so that nobody who chooses a payload can forge a record inside it. */
export const storeTagBytes = 8

export const segmentVersion = 1
export const segmentHeaderBytes = 64
export const recordVersion = 1
export const recordHeaderBytes = 104
/** What a record takes beyond its payload. */
export const recordOverheadBytes = 108
export const tombstonePayloadBytes = 8
export const markerVersion = 1
export const markerBytes = 32

const checksumBytes = 4
const segmentMagic = Uint8Array.of(0x48, 0x46, 0x53, 0x45, 0x47, 0x4d, 0x4e, 0x54) // HFSEGMNT
const recordMagic = Uint8Array.of(0x48, 0x46, 0xb1, 0x0c) // HF, then two bytes that no text has
const markerMagic = Uint8Array.of(0x48, 0x46, 0x53, 0x54, 0x4f, 0x52, 0x45, 0x0a) // HFSTORE and a line feed

export const recordTypes = { put: 1, tombstone: 2, footer: 3 } as const
/** Flag of a tombstone: the record it kills was found damaged; nobody asked for the block to go. */
export const damagedFlag = 1

/** A byte position in the log that all segments make together, in order of (segment, offset). */
export interface Place {
  readonly segment: number
  readonly offset: number
}

export function isAtOrBefore(left: Place, right: Place): boolean {
  return left.segment < right.segment || (left.segment === right.segment && left.offset <= right.offset)
}

export interface RecordHeader {
  readonly version: number
  /** Unknown types are skipped. */
  readonly type: number
  readonly flags: number
  readonly lengthBytes: number
  /** 33 bytes each, views of what was decoded; zeros in a footer. */
  readonly folder: Uint8Array
  readonly id: Uint8Array
}

export interface RecordContent {
  readonly type: number
  readonly flags: number
  readonly folder: Uint8Array
  readonly id: Uint8Array
  readonly payload: Uint8Array
}

export function recordBytesOf(payloadBytes: number): number {
  return recordOverheadBytes + payloadBytes
}

/** Writes the header into `target` at `at`; `place` is where the record will stand. */
export function encodeRecordHeader(target: Uint8Array, at: number, storeId: Uint8Array, place: Place, record: RecordContent): void {
  assert(record.folder.length === hashIdBytes && record.id.length === hashIdBytes, 'a record names its folder and block by whole ids')
  const view = new DataView(target.buffer, target.byteOffset + at, recordHeaderBytes)
  target.set(recordMagic, at)
  target.set(storeId.subarray(0, storeTagBytes), at + 4)
  view.setUint8(12, recordVersion)
  view.setUint8(13, record.type)
  view.setUint16(14, record.flags, true)
  view.setUint32(16, record.payload.length, true)
  view.setUint32(20, place.segment, true)
  view.setBigUint64(24, BigInt(place.offset), true)
  target.set(record.folder, at + 32)
  target.set(record.id, at + 65)
  view.setUint16(98, 0, true)
  view.setUint32(100, checksumOf(target.subarray(at, at + 100)), true)
}

/** Writes the whole record; gives the offset behind it. */
export function encodeRecord(target: Uint8Array, at: number, storeId: Uint8Array, place: Place, record: RecordContent): number {
  encodeRecordHeader(target, at, storeId, place, record)
  const payloadAt = at + recordHeaderBytes
  target.set(record.payload, payloadAt)
  const end = payloadAt + record.payload.length
  encodePayloadChecksum(target, end, record.payload)
  return end + checksumBytes
}

export function encodePayloadChecksum(target: Uint8Array, at: number, payload: Uint8Array): void {
  new DataView(target.buffer, target.byteOffset + at, checksumBytes).setUint32(0, checksumOf(payload), true)
}

/** The header in the first 104 bytes; undefined when this is none, is damaged, or was written for another store or place. */
export function decodeRecordHeader(bytes: Uint8Array, storeId: Uint8Array, place: Place): RecordHeader | undefined {
  if (bytes.length < recordHeaderBytes || !startsRecord(bytes, 0, storeId)) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, recordHeaderBytes)
  if (view.getUint32(100, true) !== checksumOf(bytes.subarray(0, 100))) return undefined
  if (view.getUint32(20, true) !== place.segment || view.getBigUint64(24, true) !== BigInt(place.offset)) return undefined
  return {
    version: view.getUint8(12),
    type: view.getUint8(13),
    flags: view.getUint16(14, true),
    lengthBytes: view.getUint32(16, true),
    folder: bytes.subarray(32, 65),
    id: bytes.subarray(65, 98),
  }
}

/** Whether magic and store tag stand at `at`: the cheap look before a header is decoded. */
export function startsRecord(bytes: Uint8Array, at: number, storeId: Uint8Array): boolean {
  if (at + 4 + storeTagBytes > bytes.length) return false
  for (let index = 0; index < recordMagic.length; index++) if (bytes[at + index] !== recordMagic[index]) return false
  for (let index = 0; index < storeTagBytes; index++) if (bytes[at + 4 + index] !== storeId[index]) return false
  return true
}

export const recordMagicFirstByte: number = recordMagic[0] ?? 0

/** Whether payload and checksum, as they stand behind a header, belong together. */
export function isPayloadWhole(payloadAndChecksum: Uint8Array): boolean {
  const end = payloadAndChecksum.length - checksumBytes
  if (end < 0) return false
  const stored = new DataView(payloadAndChecksum.buffer, payloadAndChecksum.byteOffset + end, checksumBytes).getUint32(0, true)
  return stored === checksumOf(payloadAndChecksum.subarray(0, end))
}

/** A tombstone's payload: the put that it kills, and with it every put of that block before it. */
export function encodeTombstone(kills: Place): Uint8Array {
  const payload = new Uint8Array(tombstonePayloadBytes)
  const view = new DataView(payload.buffer)
  view.setUint32(0, kills.segment, true)
  view.setUint32(4, kills.offset, true)
  return payload
}

export function decodeTombstone(payload: Uint8Array): Place | undefined {
  if (payload.length !== tombstonePayloadBytes) return undefined
  const view = new DataView(payload.buffer, payload.byteOffset, tombstonePayloadBytes)
  return { segment: view.getUint32(0, true), offset: view.getUint32(4, true) }
}

export interface SegmentHeader {
  readonly version: number
  readonly segment: number
  readonly storeId: Uint8Array
  /** The segment that was active before, 0 for none, and how far its records were acknowledged: what is behind that is void. */
  readonly previousSegment: number
  readonly previousEndBytes: number
}

export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const bytes = new Uint8Array(segmentHeaderBytes)
  const view = new DataView(bytes.buffer)
  bytes.set(segmentMagic, 0)
  view.setUint8(8, header.version)
  view.setUint32(12, header.segment, true)
  bytes.set(header.storeId, 16)
  view.setUint32(32, header.previousSegment, true)
  view.setBigUint64(40, BigInt(header.previousEndBytes), true)
  view.setUint32(60, checksumOf(bytes.subarray(0, 60)), true)
  return bytes
}

/** undefined when the bytes are no segment header or a damaged one. A newer version is given back as it is, for the caller to refuse. */
export function decodeSegmentHeader(bytes: Uint8Array): SegmentHeader | undefined {
  if (bytes.length < segmentHeaderBytes || !segmentMagic.every((byte, index) => bytes[index] === byte)) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, segmentHeaderBytes)
  if (view.getUint32(60, true) !== checksumOf(bytes.subarray(0, 60))) return undefined
  return {
    version: view.getUint8(8),
    segment: view.getUint32(12, true),
    storeId: bytes.slice(16, 16 + storeIdBytes),
    previousSegment: view.getUint32(32, true),
    previousEndBytes: Number(view.getBigUint64(40, true)),
  }
}

export interface StoreMarker {
  readonly version: number
  readonly storeId: Uint8Array
}

export function encodeMarker(marker: StoreMarker): Uint8Array {
  const bytes = new Uint8Array(markerBytes)
  const view = new DataView(bytes.buffer)
  bytes.set(markerMagic, 0)
  view.setUint8(8, marker.version)
  bytes.set(marker.storeId, 12)
  view.setUint32(28, checksumOf(bytes.subarray(0, 28)), true)
  return bytes
}

export function decodeMarker(bytes: Uint8Array): StoreMarker | undefined {
  if (bytes.length < markerBytes || !markerMagic.every((byte, index) => bytes[index] === byte)) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, markerBytes)
  if (view.getUint32(28, true) !== checksumOf(bytes.subarray(0, 28))) return undefined
  return { version: view.getUint8(8), storeId: bytes.slice(12, 12 + storeIdBytes) }
}
