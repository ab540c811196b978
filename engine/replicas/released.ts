// Partitions of which a member claims nothing any more, whatever a placement gave to it: it is letting go of them. In a receipt a bit each,
// the first in the lowest bit of the first byte; no bytes where there are none.

import type { BlockId } from '../model/ids.ts'
import { partitionCount, partitionOf } from './layout.ts'

export type Released = ReadonlySet<number>

export const nothingReleased: Released = new Set()
const releasedBytes = partitionCount / 8

export function encodeReleased(released: Released): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(released.size === 0 ? 0 : releasedBytes)
  for (const partition of released) bytes[partition >>> 3] = (bytes[partition >>> 3] ?? 0) | (1 << (partition & 7))
  return bytes
}

/** undefined when it is not what `encodeReleased` makes. */
export function decodeReleased(bytes: Uint8Array): Released | undefined {
  if (bytes.length === 0) return nothingReleased
  if (bytes.length !== releasedBytes) return undefined
  const released = new Set<number>()
  for (let partition = 0; partition < partitionCount; partition++) {
    if (((bytes[partition >>> 3] ?? 0) & (1 << (partition & 7))) !== 0) released.add(partition)
  }
  return released
}

export function isReleased(released: Released, block: BlockId): boolean {
  return released.size > 0 && released.has(partitionOf(block))
}
