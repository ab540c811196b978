// The contract of every block store. test/contract/block-store.ts is its suite: each implementation passes it.

import type { BlockId, FolderId } from '../model/ids.ts'

export interface StoredBlock {
  readonly folder: FolderId
  readonly id: BlockId
  /** Sealed bytes. The store does not keep a reference after `put` resolves. */
  readonly bytes: Uint8Array
}

export interface StoreTotals {
  readonly blocks: number
  /** Payload bytes of the blocks that can be read. */
  readonly payloadBytes: number
  /** What the store takes on disk, dead records included. */
  readonly diskBytes: number
}

export type StoreHealth =
  | { readonly state: 'ok' }
  | { readonly state: 'readOnly'; readonly reason: string }
  /** The place where blocks are does not answer, or is not what it was: nothing is known to be lost. */
  | { readonly state: 'offline'; readonly reason: string }
  | { readonly state: 'closed' }

/** What `roomOf` says where there is no limit. */
export const roomWithoutEnd: number = Number.MAX_SAFE_INTEGER

/** More than eight methods: limits belong where puts are put in order, or two at once would both fit. */
export interface BlockStore extends AsyncDisposable {
  /**
   * Stores blocks; resolves when all of them are durable. A block that is already here costs nothing.
   * Checks that every id is the hash of its bytes (`BAD_BLOCK` otherwise, nothing of the call stored).
   * Throws `NO_SPACE` (the disk is full, or a limit is reached), `STORE_READ_ONLY`, `STORE_OFFLINE`, `CLOSED`, `DISK_FAILED`; then blocks of the call may or may not be here,
   * and none of them is acknowledged.
   */
  put(blocks: readonly StoredBlock[]): Promise<void>
  /**
   * The sealed bytes, checked against the id, or undefined when the block is not here or turned out to be damaged
   * (it is then quarantined and no longer `has`). Throws `DISK_FAILED` or `STORE_OFFLINE` when that cannot be said.
   */
  get(folder: FolderId, id: BlockId): Promise<Uint8Array | undefined>
  /** Synchronous: answered from the store's index. As `sizeOf` and `list`, throws `DISK_FAILED` when the disk does not answer. */
  has(folder: FolderId, id: BlockId): boolean
  /** How long its sealed bytes are; undefined when the block is not here. Synchronous. */
  sizeOf(folder: FolderId, id: BlockId): number | undefined
  /** Forgets blocks (a durable tombstone); absent ones are no error. Works on a full disk. */
  remove(folder: FolderId, ids: readonly BlockId[]): Promise<void>
  /** Ids in ascending byte order, a snapshot page: at most `limit` after `after`. */
  list(folder: FolderId, after: BlockId | undefined, limit: number): readonly BlockId[]
  /** Payload bytes of one folder's blocks. */
  payloadBytesOf(folder: FolderId): number
  totals(): StoreTotals
  health(): StoreHealth
  /**
   * How much a folder, or all together without one, may take from now on, by the measure of allowances.ts; undefined for no limit. `put`
   * refuses what is beyond with `NO_SPACE`; what is there stays.
   */
  setLimit(folder: FolderId | undefined, sizeBytes: number | undefined): void
  /**
   * How much more of a folder is taken, by the same measure, as far as can be told beforehand; never less than 0. Some room is left on a disk for
   * what is to be written beside blocks, so that `put` may take a little more.
   */
  roomOf(folder: FolderId): number
}
