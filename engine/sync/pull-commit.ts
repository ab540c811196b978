// From what apply did to rows: one transaction a batch. The disk was changed and flushed before; a crash in between is
// harmless, because content on disk that equals a known version is that version.

import type { FileStat } from '../base/files.ts'
import { shortKeyOf } from '../index/columns.ts'
import type { Index } from '../index/index-store.ts'
import type { ItemRow } from '../index/item-table.ts'
import { BlockList } from '../model/block-list.ts'
import { originField, type ContentOrigin, type Item } from '../model/item.ts'
import { compareVectors } from '../model/vector.ts'
import { entryIdOfPath, type FolderHandle } from './folder-handle.ts'
import { statColumns } from './ingest-commit.ts'
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
  if ('park' in operation && operation.park !== undefined && change.item !== undefined && !isParkedChanged) {
    index.history.insert(handle.row, change.item, operation.park, timeMs)
  }
  if (movedFrom !== undefined) {
    index.items.remove(movedFrom)
    index.needs.clear(handle.row, shortKeyOf(entryIdOfPath(handle, movedFrom.path)))
  }
  if (stat === undefined) {
    if (current !== undefined) index.items.remove(current)
  } else index.items.put(handle.row, entryId, itemOf(version, stat), current)
  settleNeed(index, handle, version)
}

/** The need goes when the version applied is the only current one: a newer one that came meanwhile is still needed. */
export function settleNeed(index: Index, handle: FolderHandle, version: OpenedVersion): void {
  const { entry } = version.row
  const siblings = index.entries.siblings(handle.row, entry.entryId)
  const isCurrent = siblings.length === 1 && siblings[0] !== undefined && compareVectors(siblings[0].entry.vector, entry.vector) === 'equal'
  if (isCurrent) index.needs.clear(handle.row, shortKeyOf(entry.entryId))
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

function itemOf(version: OpenedVersion, stat: FileStat): Item {
  const { meta, state } = version
  const columns = statColumns(stat)
  return {
    path: meta.path,
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
  }
}

function versionOrigin({ editor, contentTimeUs }: OpenedVersion): ContentOrigin {
  return { editor, timeUs: contentTimeUs }
}
