// How much of the index entries may take on a node that only stores a folder for others: part of what the folder was granted, so that a flood of tiny
// files is bounded like one of large ones.

import { EngineError } from '../base/errors.ts'
import type { Index } from '../index/index-store.ts'

export interface EntryRoom {
  /** undefined for no limit but the disk's. */
  readonly maxBytes: () => number | undefined
  /** Entries were refused. */
  readonly refused: () => void
}

/** Beside its bytes, what an entry, a signature or the note of an unusable one costs: its row, in three indexes. */
export const entryOverheadBytes = 256
/** A small grant has room for the entries of some ten thousand files all the same. */
const roomMinBytes = 16 * 1024 * 1024
/** The other half is for blocks. */
const roomShare = 1 / 2
/** Deletions make room in the end: they may go so far over. */
const overMax = 5 / 4

export function costOf(bytes: Uint8Array): number {
  return bytes.length + entryOverheadBytes
}

/** Of what the folder may take, and of what all may together; undefined where neither is limited. */
export function entryRoomBytes(grantBytes: number | undefined, capacityBytes: number | undefined): number | undefined {
  const quota = Math.min(grantBytes ?? Number.POSITIVE_INFINITY, capacityBytes ?? Number.POSITIVE_INFINITY)
  return quota === Number.POSITIVE_INFINITY ? undefined : Math.max(roomMinBytes, Math.floor(quota * roomShare))
}

/** What a batch costs. */
export interface EntryCost {
  /** Of its entries, less what they take the place of. */
  readonly entries: number
  /** Of the signatures that prove them, which stay. */
  readonly signatures: number
}

/**
 * Counts what a batch brought, inside its transaction. Throws `NO_SPACE` when that is too much. What only takes the place of others, or deletes, is taken
 * even then, until its signatures have used what is left for that.
 */
export function chargeEntries(index: Index, folderRow: number, room: EntryRoom, { entries, signatures }: EntryCost): void {
  const maxBytes = room.maxBytes()
  index.folders.addEntryBytes(folderRow, entries + signatures)
  const used = index.folders.entryBytes(folderRow)
  if (maxBytes === undefined || used <= (entries > 0 ? maxBytes : maxBytes * overMax)) return
  room.refused()
  throw new EngineError(
    'NO_SPACE',
    `entries of this folder are refused: they have filled the ${maxBytes} bytes that they may take of this node's index, half of what it grants; raise that with "holdfast folder set F grant=SIZE" and --capacity, or let the folder have fewer files`,
  )
}
