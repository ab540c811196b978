// Takes losses and rewrites here for accidents: nobody is told of them, and what the members have is brought to the disk again. What is
// on disk now counts as seen by no version, so that the ordinary way of a change from elsewhere replaces it, and keeps it in the history.

import { shortKeyOf } from '../index/columns.ts'
import type { Index } from '../index/index-store.ts'
import { needRank } from '../index/need-table.ts'
import type { RelativePath } from '../model/path.ts'
import { emptyVector } from '../model/vector.ts'
import { entryIdOfPath, type FolderHandle } from './folder-handle.ts'
import { depthOf, isStillBase, itemOf, type FoundPath } from './ingest-commit.ts'

/** True when what is new on disk is a version that was at this path before and went: it came back from a backup. */
export function isPastVersion(index: Index, handle: FolderHandle, { path, item, found }: FoundPath): boolean {
  if (item !== undefined || found.kind !== 'file' || found.blocks.count === 0) return false
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
      } else if (current !== undefined) index.items.remove(current)
      index.needs.put(handle.row, shortKeyOf(entryId), needRank(depthOf(path), false), item?.kind === 'file' ? item.sizeBytes : 0)
    }
    return again
  })
}
