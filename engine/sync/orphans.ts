// Items in a directory that is none any more: a crash came between the commit that told of the directory and those that tell of what was in
// it. A walk of the tree compares directory by directory, so it never comes to them.

import type { Clock } from '../base/clock.ts'
import type { Index } from '../index/index-store.ts'
import type { ItemRow } from '../index/item-table.ts'
import type { FolderHandle } from './folder-handle.ts'

export interface OrphanParts {
  readonly index: Index
  readonly handle: FolderHandle
  readonly clock: Clock
}

/** Two short look-ups each; other work of this thread gets its turn in between. */
const directoriesAtOnce = 500

/** Looks at the index only: whether they are there after all has to be seen on disk. */
export async function findOrphans({ index, handle, clock }: OrphanParts, signal: AbortSignal): Promise<readonly ItemRow[]> {
  const orphans: ItemRow[] = []
  let looked = 0
  let directory = index.items.nextDirectory(handle.row, '')
  while (directory !== undefined) {
    if (index.items.byPath(handle.row, directory)?.kind !== 'directory')
      orphans.push(...index.items.children(handle.row, directory).values())
    if (++looked % directoriesAtOnce === 0) await clock.sleep(0, signal)
    directory = index.items.nextDirectory(handle.row, directory)
  }
  return orphans
}
