// How much the block store may take: --capacity for all folders together, the setting `grant` for one, less what entries take of the index.

import type { SegmentStore } from '../blocks/segment-store.ts'
import type { Index } from '../index/index-store.ts'
import { grantOf } from '../model/folder-settings.ts'
import type { MemberRecord } from '../model/folder.ts'

export interface StoreLimitParts {
  readonly world: { readonly capacityBytes: number }
  readonly index: Index
  readonly store: Pick<SegmentStore, 'setLimit'>
}

/** Once folders are open: their settings are in the index, the store does not know them. */
export function limitStore(parts: StoreLimitParts, records: readonly Pick<MemberRecord, 'row' | 'id'>[]): void {
  for (const record of records) limitFolder(parts, record)
  limitAll(parts)
}

/** What the entries of a folder take of what it may is not left to its blocks. */
export function limitFolder(parts: StoreLimitParts, { row, id }: Pick<MemberRecord, 'row' | 'id'>): void {
  const { index, store } = parts
  const grantBytes = grantOf(index.folders.settings(row))
  store.setLimit(id, grantBytes === undefined ? undefined : Math.max(0, grantBytes - index.folders.entryBytes(row)))
  limitAll(parts)
}

function limitAll({ world, index, store }: StoreLimitParts): void {
  const { capacityBytes } = world
  store.setLimit(undefined, capacityBytes > 0 ? Math.max(0, capacityBytes - index.folders.entryBytes()) : undefined)
}
