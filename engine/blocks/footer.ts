// The index at the end of a sealed segment: one row a record, so that opening a store reads a hundredth of its bytes.
// It is the payload of a record of type footer; its last 16 bytes say where that record starts. Layout in docs/disk-format.md.

import { present } from '../base/assert.ts'
import { bytesKey } from '../base/bytes.ts'
import { hashIdBytes } from '../model/ids.ts'
import type { Place } from './record.ts'

export const footerRowBytes = 56
export const footerTrailerBytes = 16
const footerHeadBytes = 8
const trailerMagic = Uint8Array.of(0x48, 0x46, 0x46, 0x4f, 0x4f, 0x54, 0x0d, 0x0a) // HFFOOT and a line end

export interface FooterRow {
  readonly type: number
  readonly flags: number
  readonly folder: Uint8Array
  readonly id: Uint8Array
  /** Where the record stands in the segment, and how long its payload is. */
  readonly offset: number
  readonly lengthBytes: number
  /** Only of tombstones. */
  readonly kills: Place | undefined
}

/** Gathers the rows of the active segment, about 60 bytes each. */
export class FooterBuilder {
  #rows = new Uint8Array(footerRowBytes * 64)
  #count = 0
  readonly #folders: Uint8Array[] = []
  readonly #folderNumbers = new Map<string, number>()

  get rowCount(): number {
    return this.#count
  }

  add(row: FooterRow): void {
    const at = this.#count * footerRowBytes
    if (at + footerRowBytes > this.#rows.length) {
      const grown = new Uint8Array(this.#rows.length * 2)
      grown.set(this.#rows)
      this.#rows = grown
    }
    const view = new DataView(this.#rows.buffer, at, footerRowBytes)
    view.setUint8(0, row.type)
    view.setUint8(1, row.flags)
    view.setUint16(2, this.#folderNumber(row.folder), true)
    view.setUint32(4, row.offset, true)
    view.setUint32(8, row.lengthBytes, true)
    view.setUint32(12, row.kills?.segment ?? 0, true)
    view.setUint32(16, row.kills?.offset ?? 0, true)
    this.#rows.set(row.id, at + 20)
    this.#count++
  }

  /** Whether a row of this folder still has a number to name it by; a segment that is out of them is sealed. */
  hasRoomFor(folder: Uint8Array): boolean {
    return this.#folders.length < 0xffff || this.#folderNumbers.has(bytesKey(folder))
  }

  /** What was added, in that order. */
  rows(): Iterable<FooterRow> {
    return present(decodeFooter(this.encode(0)), 'a footer can be read again')
  }

  /** How long `encode` will be. */
  get sizeBytes(): number {
    return footerHeadBytes + this.#folders.length * hashIdBytes + this.#count * footerRowBytes + footerTrailerBytes
  }

  /** The payload of a footer record that stands at `offset`. */
  encode(offset: number): Uint8Array {
    const bytes = new Uint8Array(this.sizeBytes)
    const view = new DataView(bytes.buffer)
    view.setUint32(0, this.#folders.length, true)
    view.setUint32(4, this.#count, true)
    let at = footerHeadBytes
    for (const folder of this.#folders) {
      bytes.set(folder, at)
      at += hashIdBytes
    }
    bytes.set(this.#rows.subarray(0, this.#count * footerRowBytes), at)
    at += this.#count * footerRowBytes
    view.setBigUint64(at, BigInt(offset), true)
    bytes.set(trailerMagic, at + 8)
    return bytes
  }

  #folderNumber(folder: Uint8Array): number {
    const key = bytesKey(folder)
    const known = this.#folderNumbers.get(key)
    if (known !== undefined) return known
    const next = this.#folders.length
    this.#folders.push(Uint8Array.from(folder))
    this.#folderNumbers.set(key, next)
    return next
  }
}

/** Where the footer record starts, by the last 16 bytes of its payload. */
export function decodeFooterTrailer(trailer: Uint8Array): number | undefined {
  if (trailer.length !== footerTrailerBytes || !trailerMagic.every((byte, index) => trailer[8 + index] === byte)) return undefined
  return Number(new DataView(trailer.buffer, trailer.byteOffset, footerTrailerBytes).getBigUint64(0, true))
}

/** The rows in the order of the log, made one by one; undefined when the lengths do not fit each other. Ids are views of `payload`. */
export function decodeFooter(payload: Uint8Array): Iterable<FooterRow> | undefined {
  if (payload.length < footerHeadBytes + footerTrailerBytes) return undefined
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length)
  const folderCount = view.getUint32(0, true)
  const rowCount = view.getUint32(4, true)
  const rowsAt = footerHeadBytes + folderCount * hashIdBytes
  const rowsEnd = rowsAt + rowCount * footerRowBytes
  if (rowsEnd + footerTrailerBytes !== payload.length) return undefined
  for (let at = rowsAt; at < rowsEnd; at += footerRowBytes) if (view.getUint16(at + 2, true) >= folderCount) return undefined
  return rowsOf(payload, view, rowsAt, rowsEnd)
}

function* rowsOf(payload: Uint8Array, view: DataView, rowsAt: number, rowsEnd: number): Generator<FooterRow> {
  for (let at = rowsAt; at < rowsEnd; at += footerRowBytes) {
    const folderAt = footerHeadBytes + view.getUint16(at + 2, true) * hashIdBytes
    const killsSegment = view.getUint32(at + 12, true)
    yield {
      type: view.getUint8(at),
      flags: view.getUint8(at + 1),
      folder: payload.subarray(folderAt, folderAt + hashIdBytes),
      id: payload.subarray(at + 20, at + 20 + hashIdBytes),
      offset: view.getUint32(at + 4, true),
      lengthBytes: view.getUint32(at + 8, true),
      kills: killsSegment === 0 ? undefined : { segment: killsSegment, offset: view.getUint32(at + 16, true) },
    }
  }
}
