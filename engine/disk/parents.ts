// Nothing is read or written through a symlink: every directory on the way to a path is looked at itself.

import type { Files } from '../base/files.ts'

export type DirectoryCheck = 'ok' | 'missing' | 'notDirectory'

/** `root` and a relative path ('' = the root) as one absolute path. */
export function absolutePath(root: string, relative: string): string {
  return relative === '' ? root : `${root}/${relative}`
}

/**
 * Whether relative directories are real ones, from the root down. What was found to be a directory is remembered for the life
 * of this object, which is one job: `forget` when a directory was removed or replaced.
 */
export class DirectoryChecks {
  readonly #files: Files
  readonly #root: string
  readonly #good = new Set<string>()

  constructor(files: Files, root: string) {
    this.#files = files
    this.#root = root
  }

  /** Throws FilesError when a component cannot be looked at. */
  check(directory: string): DirectoryCheck {
    if (this.#good.has(directory)) return 'ok'
    if (directory !== '') {
      const above = this.check(directory.slice(0, Math.max(0, directory.lastIndexOf('/'))))
      if (above !== 'ok') return above
    }
    return this.checkItself(directory)
  }

  /** As `check`, but looks again at the directory itself and trusts what is known of those above. */
  checkItself(directory: string): DirectoryCheck {
    const stat = this.#files.lstat(absolutePath(this.#root, directory))
    if (stat?.kind === 'directory') {
      this.#good.add(directory)
      return 'ok'
    }
    this.#good.delete(directory)
    return stat === undefined ? 'missing' : 'notDirectory'
  }

  /** This directory and everything below it must be looked at again. */
  forget(directory: string): void {
    for (const known of this.#good) if (known === directory || known.startsWith(`${directory}/`)) this.#good.delete(known)
  }
}
