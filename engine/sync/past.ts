// What every flow that changes an item has to note for history: which version is in the past now, by whom, and since when the new one
// counts.

import type { Index } from '../index/index-store.ts'
import type { ItemRow } from '../index/item-table.ts'
import type { FolderHandle } from './folder-handle.ts'
import type { OpenedVersion } from './versions.ts'

/** Inside the transaction that records what took the item's place. */
export function notePast(
  index: Index,
  handle: FolderHandle,
  item: ItemRow,
  how: { readonly timeMs: number; readonly author: number | undefined; readonly isDeletion: boolean; readonly parked?: string },
): void {
  if (item.isLeftover) return // its deletion was noted when it was applied
  const { timeMs, author, isDeletion, parked } = how
  index.history.insert(handle.row, item, { parked, replacedMs: timeMs, isDeletion, author })
}

/** Who wrote the content of a version: their row. */
export function authorRowOf(index: Index, handle: FolderHandle, { editor, row }: OpenedVersion): number {
  const known = editor === undefined ? undefined : index.entries.author(handle.row, editor)
  return known?.row ?? row.author
}

/**
 * Since when a version that comes to be applied now counts as the path's: since it was written, as its author says, so that what was in
 * the folder before this node joined it is not taken for new; but never later than now.
 */
export function sinceOf(index: Index, { row }: OpenedVersion, timeMs: number): number {
  return Math.min(timeMs, index.entries.timeMsOf(row.author, row.seq))
}
