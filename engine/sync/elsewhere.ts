// Which files are not to be on this disk, and what is noted of them. Why a file that is elsewhere has no item, and what follows from
// that: decision 0048.

import { blake3 } from '../crypto/hash.ts'
import { shortKeyOf } from '../index/columns.ts'
import type { ElsewhereRow } from '../index/elsewhere-table.ts'
import type { Index } from '../index/index-store.ts'
import { needRank } from '../index/need-table.ts'
import type { BlockList } from '../model/block-list.ts'
import type { EntryId } from '../model/ids.ts'
import { normalisePath, type RelativePath } from '../model/path.ts'
import type { FolderHandle } from './folder-handle.ts'
import { depthOf } from './ingest-commit.ts'
import type { OpenedVersion } from './versions.ts'

/** Whether this node keeps the file at a path, as far as the folder's rule says. */
export type IsKept = (path: RelativePath) => boolean

/** A file that stays elsewhere. */
export interface StayingElsewhere {
  readonly version: OpenedVersion
  /** The path that it had when it was let go of, if others have renamed it since. */
  readonly movedFrom: ElsewhereRow | undefined
}

const digestBytes = 16

function contentDigest(blocks: BlockList): Uint8Array {
  return blake3(blocks.bytes).slice(0, digestBytes)
}

/** For a path without an item, by its current versions: the file that is not to come; undefined where something is to be done. */
export function stayingElsewhere(
  index: Index,
  handle: FolderHandle,
  isKept: IsKept,
  versions: readonly OpenedVersion[],
): StayingElsewhere | undefined {
  const living = versions.filter(({ state }) => state !== undefined)
  const [version] = living
  if (version === undefined || living.some(({ state }) => state?.kind !== 'file')) return undefined
  const known = index.elsewhere.get(handle.row, version.row.entry.entryId)
  if (known !== undefined) return known.isWanted ? undefined : { version, movedFrom: undefined }
  const own = index.entries.author(handle.row, handle.authorId)?.row
  if (living.some(({ row }) => row.author === own)) return undefined // its content may be here alone
  const movedFrom = formerPlace(index, handle, version)
  return movedFrom === undefined && isKept(version.meta.path) ? undefined : { version, movedFrom }
}

/** Where a file with this content was elsewhere that is gone from there: others have renamed it. */
function formerPlace(index: Index, handle: FolderHandle, { state }: OpenedVersion): ElsewhereRow | undefined {
  if (state === undefined || state.blocks.count === 0) return undefined
  const rows = index.elsewhere.ofContent(handle.row, contentDigest(state.blocks))
  return rows.find(({ entryId }) => index.entries.siblings(handle.row, entryId).every(({ entry }) => entry.deleted))
}

/** The path asks for nothing. Inside a transaction; it has no item. */
export function settleElsewhere(index: Index, handle: FolderHandle, { version, movedFrom }: StayingElsewhere): void {
  if (movedFrom !== undefined) index.elsewhere.remove(handle.row, movedFrom.entryId)
  const { entryId } = version.row.entry
  putElsewhere(index, handle, entryId, version.meta.path, version.meta.sizeBytes, version.state?.blocks)
  index.needs.clear(handle.row, shortKeyOf(entryId))
}

/** Inside a transaction; the path has no item. */
export function putElsewhere(
  index: Index,
  { row }: Pick<FolderHandle, 'row'>,
  entryId: EntryId,
  path: RelativePath,
  sizeBytes: number,
  blocks: BlockList | undefined,
): void {
  const content = blocks === undefined ? new Uint8Array(0) : contentDigest(blocks)
  index.elsewhere.put(row, entryId, { path: normalisePath(path), sizeBytes, content, isWanted: false })
}

/** The file is to come, and pull is to be woken. Inside a transaction. */
export function wantElsewhere(index: Index, { row }: Pick<FolderHandle, 'row'>, elsewhere: ElsewhereRow): void {
  const { entryId, path, sizeBytes } = elsewhere
  index.elsewhere.put(row, entryId, { ...elsewhere, isWanted: true })
  index.needs.put(row, shortKeyOf(entryId), needRank(depthOf(path), false), sizeBytes)
}
