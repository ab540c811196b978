// Content-defined chunking: FastCDC (Xia et al., 2016 and 2020) with normalisation level 2, on 32-bit arithmetic.
// The rolling hash is h = 2h + gear[byte]; a position is a cut when the hash's judged bits are all zero. Whether a position
// can be a cut depends on the 31 bytes before it only, so an insertion moves the cuts near it and no others.

import type { Gear } from './gear.ts'
import type { ChunkLimits } from './limits.ts'

/** Judged bits end below the sign bit, so that the hash of one byte can be judged shifted left by one (see `search`). */
const topJudgedBit = 30
/** The topmost judged bit depends on this many bytes. */
const windowBytes: number = topJudgedBit + 1
/** Normalisation level: cuts are 2^level times rarer than the target asks for below the target, as much likelier above. */
const normalisation = 2

/**
 * The end of the chunk that starts at `start`, in a file whose remaining bytes are all in `bytes[start, end)`.
 * Between start + 1 and end; `end` when `start` is `end`.
 */
export function findBoundary(bytes: Uint8Array, start: number, end: number, limits: ChunkLimits, gear: Gear): number {
  return findCut(bytes, start, end, limits, gear) ?? end
}

/**
 * As `findBoundary` where `bytes[start, end)` is only a window on the file: undefined when the window ends before the chunk is known to.
 * Never undefined for a window of `limits.maxBytes` or more. A later call with more bytes searches again from the start,
 * so a window should be several times that.
 */
export function findCut(bytes: Uint8Array, start: number, end: number, limits: ChunkLimits, gear: Gear): number | undefined {
  const lengthBytes = end - start
  const latest = start + limits.maxBytes
  const first = start + limits.minBytes
  if (lengthBytes > limits.minBytes && limits.minBytes < limits.maxBytes) {
    const limit = Math.min(end, latest)
    const turn = Math.min(limit, start + limits.targetBytes)
    const targetBits = 31 - Math.clz32(limits.targetBytes)
    const rare = search(bytes, first, turn, topMask(targetBits + normalisation), gear)
    if (rare !== undefined) return rare
    const likely = search(bytes, turn, limit, topMask(targetBits - normalisation), gear)
    if (likely !== undefined) return likely
  }
  return lengthBytes >= limits.maxBytes ? latest : undefined
}

/** The ends of all chunks of a file that is wholly in memory; the last is `bytes.length`. None for an empty file. */
export function chunkEnds(bytes: Uint8Array, limits: ChunkLimits, gear: Gear): number[] {
  const ends: number[] = []
  for (let at = 0; at < bytes.length;) {
    at = findBoundary(bytes, at, bytes.length, limits, gear)
    ends.push(at)
  }
  return ends
}

function topMask(bits: number): number {
  return ((1 << bits) - 1) << (topJudgedBit + 1 - bits)
}

/**
 * The first position from `from` up to, not including, `to` whose hash has no bit of `mask`. Position p is judged by the bytes before it.
 * Two bytes a step: the hash after the first byte is only ever needed shifted left by one, and then judged by the mask
 * shifted alike; this saves every second shift and a dependent addition.
 */
function search(bytes: Uint8Array, from: number, to: number, mask: number, gear: Gear): number | undefined {
  const { single, shifted } = gear
  const shiftedMask = mask << 1
  let hash = 0
  for (let at = from - windowBytes; at < from; at++) hash = ((hash << 1) + (single[bytes[at] ?? 0] ?? 0)) | 0
  if (from < to && (hash & mask) === 0) return from
  let at = from
  for (const last = to - 2; at < last; at += 2) {
    hash = ((hash << 2) + (shifted[bytes[at] ?? 0] ?? 0)) | 0
    if ((hash & shiftedMask) === 0) return at + 1
    hash = (hash + (single[bytes[at + 1] ?? 0] ?? 0)) | 0
    if ((hash & mask) === 0) return at + 2
  }
  for (; at + 1 < to; at++) {
    hash = ((hash << 1) + (single[bytes[at] ?? 0] ?? 0)) | 0
    if ((hash & mask) === 0) return at + 1
  }
  return undefined
}
