// The bounds of a segment store. Tests make them small; nothing else changes them.

export interface SegmentLimits {
  /** A segment is sealed before a group of blocks would take it beyond this. Below 2 GiB: a footer names offsets in 32 bits. */
  readonly segmentBytes: number
  /** Also sealed at so many records: it bounds a footer, which is read in one piece at open. */
  readonly segmentRecordsMax: number
  /**
   * One group commit: one write pass and one datasync. A group takes what is waiting when the one before it became durable and never
   * waits for more: under load groups fill by themselves, and a lone block is not delayed.
   */
  readonly groupBlocksMax: number
  readonly groupBytesMax: number
  readonly groupTombstonesMax: number
  /** Payloads above this are refused. */
  readonly blockBytesMax: number
  /** Held back so that tombstones can be written on a full disk; 0 for none. */
  readonly reserveBytes: number
  /** Segments open for reading at once. */
  readonly openSegmentsMax: number
  /** Compaction rewrites a segment when more than this share of its bytes is dead. */
  readonly compactDeadShare: number
  /** The active segment is sealed for compaction only when it holds at least so many dead bytes. */
  readonly compactActiveDeadBytesMin: number
  /** Damaged records that are remembered one by one; further ones are only counted. */
  readonly quarantineMax: number
  /** So many rows of the index are in memory, some 60 bytes each, before they are written down as a run. */
  readonly indexRowsMax: number
}

const kibibyte = 1024
const mebibyte = kibibyte * kibibyte

export const defaultSegmentLimits: SegmentLimits = {
  segmentBytes: 256 * mebibyte,
  segmentRecordsMax: 256 * kibibyte,
  groupBlocksMax: 256,
  groupBytesMax: 16 * mebibyte,
  groupTombstonesMax: 4 * kibibyte,
  blockBytesMax: 8 * mebibyte,
  reserveBytes: mebibyte,
  openSegmentsMax: 64,
  compactDeadShare: 0.5,
  compactActiveDeadBytesMin: mebibyte,
  quarantineMax: 10_000,
  indexRowsMax: 128 * kibibyte,
}

const segmentShareOfFree = 1 / 64

/** On a small disk segments are small: compaction needs room for what is alive in one of them. */
export function segmentBytesFor(freeBytes: number): number {
  return Math.round(Math.min(defaultSegmentLimits.segmentBytes, Math.max(mebibyte, freeBytes * segmentShareOfFree)))
}
