// The bounds of a store in an object storage. Tests make them small; nothing else changes them.

import { defaultRetryLimits, type RetryLimits } from './retrying-objects.ts'
import { defaultSegmentLimits, type SegmentLimits } from './segment-limits.ts'

export interface PackLimits extends SegmentLimits {
  /** No pack is larger: what is fetched of one is bounded by it. */
  readonly packBytesMax: number
  /** A pack below this is small, and so many small ones are made into one. */
  readonly smallPackBytes: number
  readonly smallPacksMin: number
  /** The index is saved after so many packs: that many are looked at again after a kill. */
  readonly packsPerSave: number
  /** So often it is looked whether the store still is there and this node's. */
  readonly claimLookMs: number
  /** How long closing waits for what is being written. */
  readonly closeMsMax: number
  readonly retry: RetryLimits
}

const mebibyte = 1024 * 1024

/** A request is dear and slow, so groups are large; in memory a pack is there twice while it is put. */
export const defaultPackLimits: PackLimits = {
  ...defaultSegmentLimits,
  groupBlocksMax: 4096,
  groupBytesMax: 16 * mebibyte,
  reserveBytes: 0,
  packBytesMax: 32 * mebibyte,
  smallPackBytes: 2 * mebibyte,
  smallPacksMin: 32,
  packsPerSave: 64,
  claimLookMs: 60_000,
  closeMsMax: 5000,
  retry: defaultRetryLimits,
}
