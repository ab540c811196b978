// Takes losses and rewrites here for accidents: nobody is told of them, and what the members have is brought to the disk again. What is
// on disk now counts as seen by no version, so that the ordinary way of a change from elsewhere replaces it, and keeps it in the history.

import { shortKeyOf } from '../index/columns.ts'
import type { Index } from '../index/index-store.ts'
import { needRank } from '../index/need-table.ts'
import { depthOf, type RelativePath } from '../model/path.ts'
import { emptyVector } from '../model/vector.ts'
import { entryIdOfPath, type FolderHandle } from './folder-handle.ts'
import { isStillBase, itemOf, type FoundPath } from './ingest-commit.ts'
import { isSameContent } from './reconcile.ts'
import { parseStanding } from './standing.ts'

/**
 * True when what is on disk came with the old backup that the folder was found to come from, and is nobody's edit: met for the first time
 * since, it is older than what was there, or was at the path before. Doubt belongs to the path and not to one look at the folder: what
 * could not be read then is judged when it can be.
 */
export function isFromBackup(index: Index, handle: FolderHandle, found: FoundPath, restoredUs: number | undefined): boolean {
  const { item, found: state } = found
  if (state.kind === 'missing') return false
  if (item === undefined) {
    // What changed there since did not come with the backup.
    return restoredUs !== undefined && state.stat.ctimeUs <= restoredUs && isPastVersion(index, handle, found)
  }
  if (item.isDoubted !== true || item.isLeftover) return false
  const isOlder = item.kind !== 'directory' && state.kind !== 'directory' && state.stat.mtimeUs < item.mtimeUs
  if (isSameContent(item, state)) return isOlder && state.kind === 'file' && item.isRotten !== true
  return isOlder || isPastVersion(index, handle, found)
}

/** When the folder was found to come from a backup (see Standing); undefined once all that came with it was looked at. */
export function restoredUsOf(index: Index, handle: FolderHandle): number | undefined {
  return parseStanding(index.folders.standing(handle.row))?.restoredUs
}

/** Everything that came with the backup was looked at: what turns up from now on did not. */
export function forgetRestore(index: Index, handle: FolderHandle): void {
  const standing = parseStanding(index.folders.standing(handle.row))
  if (standing?.restoredUs === undefined) return
  const { restoredUs: _, ...rest } = standing
  index.transact(() => index.folders.setStanding(handle.row, JSON.stringify(rest)))
}

function isPastVersion(index: Index, handle: FolderHandle, { path, found }: FoundPath): boolean {
  if (found.kind !== 'file' || found.blocks.count === 0) return false
  return index.history.ofPath(handle.row, path, pastVersionsMax).some(({ blocks }) => blocks.equals(found.blocks))
}

const pastVersionsMax = 100

/** One transaction; gives the paths whose item moved on meanwhile. */
export function takeBack(index: Index, handle: FolderHandle, accidents: readonly FoundPath[], timeMs: number): readonly RelativePath[] {
  return index.transact(() => {
    const again: RelativePath[] = []
    for (const { path, item, found } of accidents) {
      const current = index.items.byPath(handle.row, path)
      if (!isStillBase(current, item)) {
        again.push(path)
        continue
      }
      const entryId = entryIdOfPath(handle, path)
      if (found.kind !== 'missing') {
        const origin = { editor: handle.authorId, timeUs: found.stat.mtimeUs }
        index.items.put(handle.row, entryId, itemOf(path, found, emptyVector, undefined, origin, timeMs), current)
        index.folders.setUnflushed(handle.row, true)
      } else if (current !== undefined) index.items.remove(current)
      index.needs.put(handle.row, shortKeyOf(entryId), needRank(depthOf(path), false), item?.kind === 'file' ? item.sizeBytes : 0)
    }
    return again
  })
}
