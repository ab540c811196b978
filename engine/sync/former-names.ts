// What was moved is known by its inode before its content is read: the name it had is then told as gone together with the new one, so that
// others rename instead of letting go of content, or copying it.

import type { Index } from '../index/index-store.ts'
import type { ItemRow } from '../index/item-table.ts'
import type { FolderHandle } from './folder-handle.ts'
import type { Candidate } from './scan.ts'

export class FormerNames {
  readonly #index: Index
  readonly #handle: FolderHandle
  readonly #items = new Map<string, ItemRow>()

  constructor(index: Index, handle: FolderHandle) {
    this.#index = index
    this.#handle = handle
  }

  /** A path that may be a new name. A file with another size or time is none: inodes are used again, by what takes the place of others. */
  note({ item, kind, inode, sizeBytes, mtimeUs }: Candidate): void {
    if (item !== undefined || (kind !== 'file' && kind !== 'directory')) return
    for (const known of this.#index.items.byInode(this.#handle.row, inode)) {
      if (known.kind !== kind) continue
      if (kind === 'directory' || (known.sizeBytes === sizeBytes && known.mtimeUs === mtimeUs)) this.#items.set(known.path, known)
    }
  }

  has(path: string): boolean {
    return this.#items.has(path)
  }

  /** What has moved with everything below it. Whoever tells that it is gone looks first: a hard link still is where it was. */
  all(): readonly ItemRow[] {
    const found = new Map<string, ItemRow>()
    for (const item of this.#items.values()) {
      const below = item.kind === 'directory' ? this.#index.items.below(this.#handle.row, item.path) : []
      for (const each of [...below, item]) found.set(each.path, each)
    }
    return [...found.values()]
  }
}
