// An item: one path as this node last saw or put it on disk, and the version it is.

import { equalBytes } from '../base/bytes.ts'
import type { BlockList } from './block-list.ts'
import type { EntryKind } from './meta.ts'
import type { RelativePath } from './path.ts'
import type { AuthorId } from './ids.ts'
import type { VersionVector } from './vector.ts'

/** Who made a content and when, as conflicts count it (see Meta). */
export interface ContentOrigin {
  readonly editor: AuthorId | undefined
  readonly timeUs: number
}

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
  /** Absent = the vector's only author, at `mtimeUs`. */
  readonly origin?: ContentOrigin
  /** The file's bytes changed by themselves: they are to be set aside, and fetched anew. */
  readonly isRotten?: true
  /** The folder came back from a backup since, and what is on disk at the path was not looked at yet (sync/take-back.ts). */
  readonly isDoubted?: true
  /** Since when the content is the path's, as far as is known here: wall clock, milliseconds since 1970. */
  readonly sinceMs: number
}

export function originOf({ origin, vector, mtimeUs }: Pick<Item, 'origin' | 'vector' | 'mtimeUs'>): ContentOrigin {
  return origin ?? { editor: vector.length === 1 ? vector[0]?.author : undefined, timeUs: mtimeUs }
}

/** The field for an item: nothing where the rest of the item says it. */
export function originField(origin: ContentOrigin, rest: Pick<Item, 'vector' | 'mtimeUs'>): Pick<Item, 'origin'> {
  const derived = originOf(rest)
  return isSameAuthor(derived.editor, origin.editor) && derived.timeUs === origin.timeUs ? {} : { origin }
}

function isSameAuthor(left: AuthorId | undefined, right: AuthorId | undefined): boolean {
  return left === undefined || right === undefined ? left === right : equalBytes(left, right)
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
