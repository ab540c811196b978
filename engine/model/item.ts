// An item: one path as this node last saw or put it on disk, and the version it is.

import type { BlockList } from './block-list.ts'
import type { EntryKind } from './meta.ts'
import type { RelativePath } from './path.ts'
import type { VersionVector } from './vector.ts'

export interface Item {
  readonly path: RelativePath
  readonly kind: EntryKind
  readonly sizeBytes: number
  readonly mtimeUs: number
  readonly ctimeUs: number
  readonly inode: number
  readonly mode: number
  readonly chunkClass: number
  /** A directory that stays only for the ignored or unknown files in it: its deletion is applied. */
  readonly isLeftover: boolean
  readonly vector: VersionVector
  /** A file's blocks. */
  readonly blocks: BlockList
  /** A symlink's target. */
  readonly linkTarget: string | undefined
  /** The version in which the content last changed; undefined = `vector`. */
  readonly contentVector: VersionVector | undefined
}

/** '' = the root. */
export function directoryOf(path: string): string {
  const at = path.lastIndexOf('/')
  return at < 0 ? '' : path.slice(0, at)
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** The path of a child of `directory` ('' = the root); both come from the index or a directory listing. */
export function childPath(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`
}
