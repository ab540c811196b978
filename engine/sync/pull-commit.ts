// From what apply did to rows: one transaction a batch. The disk was changed and flushed before; a crash in between is
// harmless, because content on disk that equals a known version is that version.

import { equalBytes } from '../base/bytes.ts'
import type { FileStat } from '../base/files.ts'
import { shortKeyOf } from '../index/columns.ts'
import type { Index } from '../index/index-store.ts'
import type { ItemRow } from '../index/item-table.ts'
import { BlockList } from '../model/block-list.ts'
import type { RelativePath } from '../model/path.ts'
import { originField, type ContentOrigin, type Item } from '../model/item.ts'
import { entryIdOfPath, type FolderHandle } from './folder-handle.ts'
import { statColumns } from './ingest-commit.ts'
import { authorRowOf, notePast, sinceOf } from './past.ts'
import type { PlannedChange } from './pull-plan.ts'
import type { OpenedVersion } from './versions.ts'

/** A change that apply has made. */
export interface AppliedChange {
  readonly change: PlannedChange
  /** undefined after a removal. */
  readonly stat: FileStat | undefined
  /** What is parked is not the content of the replaced version. */
  readonly isParkedChanged: boolean
}

export function commitApplied(index: Index, handle: FolderHandle, applied: readonly AppliedChange[], timeMs: number): void {
  index.transact(() => {
    for (const one of applied) commitOne(index, handle, one, timeMs)
  })
}

function commitOne(index: Index, handle: FolderHandle, { change, stat, isParkedChanged }: AppliedChange, timeMs: number): void {
  const { version, operation, movedFrom } = change
  const { entryId } = version.row.entry
  const current = index.items.byPath(handle.row, change.path)
  const author = authorRowOf(index, handle, version)
  const isReplacing = replacesContent(change)
  if (change.item !== undefined && isReplacing && change.isRepair !== true) {
    const parked = 'park' in operation && operation.park !== undefined && !isParkedChanged ? { parked: operation.park } : {}
    notePast(index, handle, change.item, { timeMs, author, isDeletion: stat === undefined, ...parked })
  }
  if (movedFrom !== undefined) {
    notePast(index, handle, movedFrom, { timeMs, author, isDeletion: true })
    index.items.remove(movedFrom)
    settleLeft(index, handle, movedFrom.path)
  }
  if (stat === undefined) {
    if (current !== undefined) index.items.remove(current)
  } else {
    const isSame = current !== undefined && (!isReplacing || change.isRepair === true) && !current.isLeftover
    const sinceMs = isSame ? current.sinceMs : sinceOf(index, version, timeMs)
    index.items.put(handle.row, entryId, itemOf(change.path, version, stat, sinceMs), current)
  }
  settleNeed(index, handle, version)
}

/** Whether what was at the path is gone from it: not so where only permission bits or times changed. */
function replacesContent({ operation, item }: PlannedChange): boolean {
  switch (operation.kind) {
    case 'attributes':
      return false
    case 'directory':
      return item?.kind !== 'directory'
    case 'file':
    case 'symlink':
    case 'remove':
    case 'move':
      return true
  }
}

/** The need goes when the version applied is the only current one: a newer one that came meanwhile is still needed. */
export function settleNeed(index: Index, handle: FolderHandle, version: OpenedVersion): void {
  const { entry, rowSeq } = version.row
  const pathKey = shortKeyOf(entry.entryId)
  if (index.entries.isOnly(handle.row, pathKey, rowSeq) || isOnlyCurrent(index, handle, version)) index.needs.clear(handle.row, pathKey)
}

/** As it came again, under another row number, or beside another path's. An equal vector alone does not tell (see isPreferred). */
function isOnlyCurrent(index: Index, handle: FolderHandle, { row: { entry, bytes } }: OpenedVersion): boolean {
  const [sibling, another] = index.entries.siblings(handle.row, entry.entryId)
  return sibling !== undefined && another === undefined && equalBytes(sibling.bytes, bytes)
}

/** The file that was to go from this path has moved away: that is all, unless something else is to be there by now. */
function settleLeft(index: Index, handle: FolderHandle, path: RelativePath): void {
  const entryId = entryIdOfPath(handle, path)
  const siblings = index.entries.siblings(handle.row, entryId)
  if (siblings.length === 1 && siblings[0]?.entry.deleted === true) index.needs.clear(handle.row, shortKeyOf(entryId))
}

/** The version moved on without a byte to change: only the row follows. */
export function recordVersion(index: Index, handle: FolderHandle, item: ItemRow, version: OpenedVersion, isLeftover: boolean): void {
  const { origin: _, ...rest } = item
  const { vector, meta } = version
  const moved: Item = {
    ...rest,
    vector,
    contentVector: meta.contentVector,
    isLeftover,
    ...originField(versionOrigin(version), { ...rest, vector }),
  }
  index.items.put(handle.row, version.row.entry.entryId, moved, item)
  settleNeed(index, handle, version)
}

function itemOf(path: RelativePath, version: OpenedVersion, stat: FileStat, sinceMs: number): Item {
  const { meta, state } = version
  const columns = statColumns(stat)
  return {
    path,
    kind: meta.kind,
    ...columns,
    ...originField(versionOrigin(version), { vector: version.vector, mtimeUs: columns.mtimeUs }),
    sizeBytes: meta.kind === 'directory' ? 0 : stat.sizeBytes,
    chunkClass: meta.chunkClass,
    isLeftover: false,
    vector: version.vector,
    contentVector: meta.contentVector,
    blocks: state?.blocks ?? BlockList.empty,
    linkTarget: meta.linkTarget,
    sinceMs,
  }
}

function versionOrigin({ editor, contentTimeUs }: OpenedVersion): ContentOrigin {
  return { editor, timeUs: contentTimeUs }
}
