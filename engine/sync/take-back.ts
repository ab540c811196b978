// Takes losses and rewrites here for accidents: nobody is told of them, and what the members have is brought to the disk again. What is
// on disk now counts as seen by no version, so that the ordinary way of a change from elsewhere replaces it, and keeps it in the history.

import { shortKeyOf } from '../index/columns.ts'
import type { Index } from '../index/index-store.ts'
import { needRank } from '../index/need-table.ts'
import type { RelativePath } from '../model/path.ts'
import { compareVectors, emptyVector } from '../model/vector.ts'
import { entryIdOfPath, type FolderHandle } from './folder-handle.ts'
import { depthOf, itemOf, type FoundPath } from './ingest-commit.ts'

/** One transaction; gives the paths whose item moved on meanwhile. */
export function takeBack(index: Index, handle: FolderHandle, accidents: readonly FoundPath[], timeMs: number): readonly RelativePath[] {
  return index.transact(() => {
    const again: RelativePath[] = []
    for (const { path, item, found } of accidents) {
      const current = index.items.byPath(handle.row, path)
      if (item === undefined || current?.row !== item.row || compareVectors(current.vector, item.vector) !== 'equal') {
        again.push(path)
        continue
      }
      const entryId = entryIdOfPath(handle, path)
      if (found.kind === 'missing') index.items.remove(current)
      else {
        const origin = { editor: handle.authorId, timeUs: found.stat.mtimeUs }
        index.items.put(handle.row, entryId, itemOf(path, found, emptyVector, undefined, origin, timeMs), current)
      }
      index.needs.put(handle.row, shortKeyOf(entryId), needRank(depthOf(path), false), item.kind === 'file' ? item.sizeBytes : 0)
    }
    return again
  })
}
