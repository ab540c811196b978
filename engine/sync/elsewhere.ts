// Which files are not to be on this disk, which directories went with them, and what is noted of them. Why a file that is elsewhere has no
// item, and what follows from that: decision 0048.

import { blake3 } from '../crypto/hash.ts'
import { shortKeyOf } from '../index/columns.ts'
import type { Elsewhere, ElsewhereRow } from '../index/elsewhere-table.ts'
import type { Index } from '../index/index-store.ts'
import type { ItemRow } from '../index/item-table.ts'
import { needRank } from '../index/need-table.ts'
import type { BlockList } from '../model/block-list.ts'
import type { EntryId } from '../model/ids.ts'
import { depthOf, normalisePath, type RelativePath } from '../model/path.ts'
import { entryIdOfPath, type FolderHandle } from './folder-handle.ts'
import type { OpenedVersion } from './versions.ts'

/** Whether this node keeps the file at a path, as far as the folder's rule says. */
export type IsKept = (path: RelativePath) => boolean

/** A file that stays elsewhere, or a directory that went from here. */
export interface StayingElsewhere {
  readonly version: OpenedVersion
  /** The path that it had when it was let go of, if others have renamed it since. */
  readonly movedFrom: ElsewhereRow | undefined
}

const digestBytes = 16

function contentDigest(blocks: BlockList): Uint8Array {
  return blake3(blocks.bytes).slice(0, digestBytes)
}

/** For a path without an item, by its current versions: what is not to come; undefined where something is to be done. */
export function stayingElsewhere(
  index: Index,
  handle: FolderHandle,
  isKept: IsKept,
  versions: readonly OpenedVersion[],
): StayingElsewhere | undefined {
  const living = versions.filter(({ state }) => state !== undefined)
  const [version] = living
  if (version === undefined) return undefined
  const noted = index.elsewhere.get(handle.row, version.row.entry.entryId)
  const isDirectory = noted?.isDirectory === true && living.every(({ state }) => state?.kind === 'directory')
  if (!isDirectory && living.some(({ state }) => state?.kind !== 'file')) return undefined
  if (noted?.isDirectory === isDirectory) return noted.isWanted ? undefined : { version, movedFrom: undefined }
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
  const { path, sizeBytes } = version.meta
  if (version.state?.kind === 'directory') index.elsewhere.put(handle.row, entryId, directoryAt(path))
  else putElsewhere(index, handle, entryId, path, sizeBytes, version.state?.blocks)
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
  index.elsewhere.put(row, entryId, { path: normalisePath(path), sizeBytes, content, isWanted: false, isDirectory: false })
}

function directoryAt(path: RelativePath): Elsewhere {
  return { path: normalisePath(path), sizeBytes: 0, content: new Uint8Array(0), isWanted: false, isDirectory: true }
}

/**
 * A directory went from this disk. With files in it that are elsewhere, it is theirs too: whoever deleted it did not see them, so that it
 * goes nowhere else, and here it comes again with the first of them that is fetched. False for any other. Inside a transaction.
 */
export function leaveDirectory(index: Index, handle: FolderHandle, item: ItemRow): boolean {
  const { row } = handle
  if (item.kind !== 'directory' || item.isLeftover || index.elsewhere.totals(row).rows === 0) return false
  const path = normalisePath(item.path)
  if (index.elsewhere.atOrBelow(row, path, '', 1).length === 0) return false
  const entryId = entryIdOfPath(handle, item.path)
  index.items.remove(item)
  index.elsewhere.put(row, entryId, directoryAt(path))
  return true
}

/** Something is to come into a directory that went from here: so is the directory, and those above it. False when it did not go so. */
export function wantDirectory(index: Index, handle: FolderHandle, path: RelativePath): boolean {
  const row = index.elsewhere.get(handle.row, entryIdOfPath(handle, path))
  if (row?.isDirectory !== true) return false
  index.transact(() => wantElsewhere(index, handle, row))
  return true
}

/** The file is to come, and pull is to be woken. Inside a transaction. */
export function wantElsewhere(index: Index, { row }: Pick<FolderHandle, 'row'>, elsewhere: ElsewhereRow): void {
  const { entryId, path, sizeBytes } = elsewhere
  index.elsewhere.put(row, entryId, { ...elsewhere, isWanted: true })
  index.needs.put(row, shortKeyOf(entryId), needRank(depthOf(path), false), sizeBytes)
}
