// The index's own table of contents: which runs make it up, how far in the log they reach, and what the store knew of each segment then.
// Replaced as a whole; layout in docs/disk-format.md. Anything odd about it and there is none: the segments are read instead.

import { equalBytes } from '../base/bytes.ts'
import { hashIdBytes, parseFolderId, type FolderId } from '../model/ids.ts'
import { checksumOf } from './checksum.ts'
import type { LiveTotals } from './live-counts.ts'
import { storeIdBytes } from './record.ts'
import { newSegmentState, type Checkpoint, type SegmentState } from './segment-table.ts'

export interface SavedCounts {
  /** By folder number. */
  readonly folders: readonly { readonly id: FolderId; readonly live: LiveTotals }[]
  readonly liveIn: (segment: number) => LiveTotals
}

export interface Manifest {
  /** Numbers of the runs, the newest first. */
  readonly runs: readonly number[]
  readonly folders: SavedCounts['folders']
  readonly segments: readonly { readonly state: SegmentState; readonly live: LiveTotals }[]
  readonly checkpoint: Checkpoint
}

const manifestVersion = 1
const magic = Uint8Array.of(0x48, 0x46, 0x49, 0x4e, 0x44, 0x58, 0x4d, 0x0a) // HFINDXM and a line feed
const headBytes = 40
const bodyHeadBytes = 16
const folderRowBytes = hashIdBytes + 12
const segmentRowBytes = 37
const tombstoneRowBytes = 8
const flags = { footer: 1, unknownRecords: 2, leftover: 4 } as const

/** Everything but the runs: what is true of the moment at which the newest run was made. */
export function encodeBody(checkpoint: Checkpoint, counts: SavedCounts): Uint8Array {
  const { end, segments, leftovers } = checkpoint
  let lengthBytes = bodyHeadBytes + counts.folders.length * folderRowBytes
  for (const state of segments) lengthBytes += segmentRowBytes + state.tombstoneBytes.size * tombstoneRowBytes
  const writer = new Writer(lengthBytes)
  writer.u32(end.segment)
  writer.u32(end.offset)
  writer.u32(counts.folders.length)
  writer.u32(segments.length)
  for (const { id, live } of counts.folders) {
    writer.bytes(id)
    writer.u32(live.blocks)
    writer.u64(live.payloadBytes)
  }
  for (const state of segments) {
    const live = counts.liveIn(state.number)
    const isLeftover = leftovers.has(state.number)
    writer.u32(state.number)
    writer.u32(state.previousSegment)
    writer.u32(state.endBytes)
    writer.u64(state.sizeBytes)
    writer.u8(
      (state.hasFooter ? flags.footer : 0) | (state.hasUnknownRecords ? flags.unknownRecords : 0) | (isLeftover ? flags.leftover : 0),
    )
    writer.u32(live.blocks)
    writer.u64(live.payloadBytes)
    writer.u32(state.tombstoneBytes.size)
    for (const [segment, sizeBytes] of state.tombstoneBytes) {
      writer.u32(segment)
      writer.u32(sizeBytes)
    }
  }
  return writer.target
}

export function encodeManifest(storeId: Uint8Array, runs: readonly number[], body: Uint8Array): Uint8Array {
  const writer = new Writer(headBytes + runs.length * 4 + body.length + 4)
  writer.bytes(magic)
  writer.u8(manifestVersion)
  writer.skip(7)
  writer.bytes(storeId)
  writer.u32(runs.length)
  writer.skip(4)
  for (const run of runs) writer.u32(run)
  writer.bytes(body)
  writer.u32(checksumOf(writer.target.subarray(0, writer.target.length - 4)))
  return writer.target
}

/** undefined when it is damaged, of another version or of another store. */
export function decodeManifest(bytes: Uint8Array, storeId: Uint8Array): Manifest | undefined {
  if (bytes.length < headBytes + bodyHeadBytes + 4) return undefined
  const end = bytes.length - 4
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (view.getUint32(end, true) !== checksumOf(bytes.subarray(0, end))) return undefined
  if (!equalBytes(bytes.subarray(0, magic.length), magic) || bytes[magic.length] !== manifestVersion) return undefined
  if (!equalBytes(bytes.subarray(16, 16 + storeIdBytes), storeId)) return undefined
  const reader = new Reader(bytes.subarray(0, end), 32)
  const runCount = reader.u32()
  reader.skip(4)
  const runs = reader.times(runCount, () => reader.u32())
  const place = { segment: reader.u32(), offset: reader.u32() }
  const folderCount = reader.u32()
  const segmentCount = reader.u32()
  const folders = reader.times(folderCount, () => ({ id: parseFolderId(reader.bytes(hashIdBytes)), live: readTotals(reader) }))
  const leftovers = new Set<number>()
  const segments = reader.times(segmentCount, () => readSegment(reader, leftovers))
  const known = folders.flatMap(({ id, live }) => (id === undefined ? [] : [{ id, live }]))
  if (!reader.isAtEnd || known.length !== folders.length) return undefined
  return { runs, folders: known, segments, checkpoint: { end: place, segments: segments.map(({ state }) => state), leftovers } }
}

function readTotals(reader: Reader): LiveTotals {
  return { blocks: reader.u32(), payloadBytes: reader.u64() }
}

function readSegment(reader: Reader, leftovers: Set<number>): Manifest['segments'][number] {
  const state = newSegmentState(reader.u32(), reader.u32())
  state.endBytes = reader.u32()
  state.sizeBytes = reader.u64()
  const bits = reader.u8()
  state.hasFooter = (bits & flags.footer) !== 0
  state.hasUnknownRecords = (bits & flags.unknownRecords) !== 0
  if ((bits & flags.leftover) !== 0) leftovers.add(state.number)
  const live = readTotals(reader)
  for (const [segment, sizeBytes] of reader.times(reader.u32(), () => [reader.u32(), reader.u32()] as const)) {
    state.tombstoneBytes.set(segment, sizeBytes)
  }
  return { state, live }
}

class Writer {
  readonly target: Uint8Array<ArrayBuffer>
  readonly #view: DataView
  #at = 0

  constructor(lengthBytes: number) {
    this.target = new Uint8Array(lengthBytes)
    this.#view = new DataView(this.target.buffer)
  }

  u8(value: number): void {
    this.#view.setUint8(this.#at, value)
    this.#at++
  }

  u32(value: number): void {
    this.#view.setUint32(this.#at, value, true)
    this.#at += 4
  }

  u64(value: number): void {
    this.#view.setBigUint64(this.#at, BigInt(value), true)
    this.#at += 8
  }

  bytes(source: Uint8Array): void {
    this.target.set(source, this.#at)
    this.#at += source.length
  }

  skip(count: number): void {
    this.#at += count
  }
}

/** Reads zeros behind the end, and is not at it then. */
class Reader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at: number

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#at = at
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  u8(): number {
    const at = this.#take(1)
    return at === undefined ? 0 : this.#view.getUint8(at)
  }

  u32(): number {
    const at = this.#take(4)
    return at === undefined ? 0 : this.#view.getUint32(at, true)
  }

  u64(): number {
    const at = this.#take(8)
    return at === undefined ? 0 : Number(this.#view.getBigUint64(at, true))
  }

  bytes(count: number): Uint8Array {
    const at = this.#take(count)
    return at === undefined ? new Uint8Array(0) : this.#bytes.slice(at, at + count)
  }

  skip(count: number): void {
    this.#take(count)
  }

  /** Stops at the end of the bytes, so that a count from a damaged file cannot run on. */
  times<T>(count: number, read: () => T): T[] {
    const items: T[] = []
    while (items.length < count && this.#at < this.#bytes.length) items.push(read())
    if (items.length < count) this.#at = Infinity
    return items
  }

  #take(count: number): number | undefined {
    const at = this.#at
    this.#at += count
    return this.#at <= this.#bytes.length ? at : undefined
  }
}
