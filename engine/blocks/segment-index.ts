// Where the segment store keeps what is where: one row a block that can be read. Segments are the truth, this can be rebuilt from
// them. In memory (memory-segment-index.ts) now; the SQLite index can take its place behind the same calls.

import type { BlockId, FolderId } from '../model/ids.ts'

export interface BlockLocation {
  /** From 1. */
  readonly segment: number
  /** Of the record's first byte in the segment. */
  readonly offset: number
  readonly payloadBytes: number
}

export type IndexChange =
  | { readonly kind: 'put'; readonly folder: FolderId; readonly id: BlockId; readonly location: BlockLocation }
  | { readonly kind: 'remove'; readonly folder: FolderId; readonly id: BlockId }

export interface LiveTotals {
  readonly blocks: number
  readonly payloadBytes: number
}

/** All calls are synchronous. Ids handed in are copied, ids handed out are the caller's. */
export interface SegmentIndex {
  /** Applies changes in order, all or none. A put of a block that has a row moves it; removing an absent one does nothing. */
  apply(changes: readonly IndexChange[]): void
  locate(folder: FolderId, id: BlockId): BlockLocation | undefined
  /** Ids of a folder in ascending byte order: at most `limit` after `after`. */
  list(folder: FolderId, after: BlockId | undefined, limit: number): readonly BlockId[]
  totals(): LiveTotals
  payloadBytesOf(folder: FolderId): number
  /** What of one segment is live. */
  liveIn(segment: number): LiveTotals
}
