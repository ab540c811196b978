// What apply can be asked to do to a user's folder, and what can come of it. All paths are relative to the folder's root.

import type { FileKind, FileStat, FilesFault } from '../base/files.ts'

/**
 * What the index believes is at a path: undefined = nothing. Content is the same while all of it is the same; of a directory only
 * the kind counts, since its other values change with what is in it.
 */
export interface Expected {
  readonly kind: FileKind
  readonly sizeBytes: number
  readonly mtimeUs: number
  readonly ctimeUs: number
  readonly inode: number
}

export type Operation =
  /** Publish a finished, datasynced temp file (a name in .holdfast/temp) as `path`. */
  | {
      readonly kind: 'file'
      readonly path: string
      readonly temporary: string
      readonly mode: number
      readonly mtimeUs: number
      readonly expected: Expected | undefined
      /** Keep what was there under this name in .holdfast/replaced; absent = it need not be kept. */
      readonly park?: string
    }
  | {
      readonly kind: 'directory'
      readonly path: string
      readonly mode: number
      readonly expected: Expected | undefined
      readonly park?: string
    }
  | {
      readonly kind: 'symlink'
      readonly path: string
      readonly target: string
      readonly expected: Expected | undefined
      readonly park?: string
    }
  /** Same content, other permission bits or time. */
  | {
      readonly kind: 'attributes'
      readonly path: string
      readonly mode: number
      readonly mtimeUs: number | undefined
      readonly expected: Expected
    }
  /** A file or symlink goes (parked when asked); a directory goes only when it is empty. */
  | { readonly kind: 'remove'; readonly path: string; readonly expected: Expected; readonly park?: string }
  /** The file at `from`, unchanged, becomes `path`, with these attributes; nothing may be at `path`. */
  | {
      readonly kind: 'move'
      readonly from: string
      readonly path: string
      readonly mode: number
      readonly mtimeUs: number
      readonly expectedFrom: Expected
    }

export type Outcome =
  /**
   * Done and, once apply resolves, durable. `stat` is what is there now; undefined after a removal. `isParkedChanged`: somebody wrote
   * to the replaced file in the last moment; what is parked is not the expected content and must be kept where a person finds it.
   */
  | { readonly kind: 'done'; readonly stat: FileStat | undefined; readonly isParkedChanged?: true }
  /** What is on disk is not what was expected, before the change or right after it. The path is to be scanned. */
  | { readonly kind: 'differs' }
  /** A directory that was to go still holds something (ignored or unknown files). Nothing was touched. */
  | { readonly kind: 'notEmpty' }
  /** Nothing was touched: a parent is missing, not a directory or a symlink. */
  | { readonly kind: 'badParent' }
  /** The system refused: nothing visible changed, or what changed could not be made durable (`detail` says so) and is to be scanned. */
  | { readonly kind: 'failed'; readonly fault: FilesFault; readonly detail: string }
