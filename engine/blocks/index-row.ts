// One row of the block index, as bytes: which block of which folder stands where. Rows are ordered by folder, then by id, so that
// a folder's blocks are one stretch of a run. Layout in docs/disk-format.md. Pure.

import { hashIdBytes, idVersion, parseBlockId, type BlockId } from '../model/ids.ts'
import { present } from '../base/assert.ts'

/** Of an id without its version byte, which is the same for all. */
export const rowIdBytes = 32
export const rowBytes = 48

/** Where a block is; segment 0 says that it was removed. */
export interface RowPlace {
  readonly segment: number
  readonly offset: number
  readonly payloadBytes: number
}

export function encodeRow(target: DataView, at: number, folder: number, place: RowPlace): void {
  target.setUint32(at + 32, folder, true)
  target.setUint32(at + 36, place.segment, true)
  target.setUint32(at + 40, place.offset, true)
  target.setUint32(at + 44, place.payloadBytes, true)
}

export function decodeRowPlace(view: DataView, at: number): RowPlace {
  return { segment: view.getUint32(at + 36, true), offset: view.getUint32(at + 40, true), payloadBytes: view.getUint32(at + 44, true) }
}

export function rowFolder(view: DataView, at: number): number {
  return view.getUint32(at + 32, true)
}

/** The whole id of the row at `at`, a copy. */
export function rowBlockId(bytes: Uint8Array, at: number): BlockId {
  const id = new Uint8Array(hashIdBytes)
  id[0] = idVersion
  id.set(bytes.subarray(at, at + rowIdBytes), 1)
  return present(parseBlockId(id), 'an id with the version byte is one')
}

/** The first 48 bits of the id that stands at `at`, as a number in the order of the ids. */
export function leadOf(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0)
  const low = ((bytes[at + 3] ?? 0) << 16) | ((bytes[at + 4] ?? 0) << 8) | (bytes[at + 5] ?? 0)
  return high * 2 ** 24 + low
}

/** Order of two ids without version byte: negative, zero or positive. */
export function compareRowIds(left: Uint8Array, leftAt: number, right: Uint8Array, rightAt: number): number {
  for (let index = 0; index < rowIdBytes; index++) {
    const difference = (left[leftAt + index] ?? 0) - (right[rightAt + index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
