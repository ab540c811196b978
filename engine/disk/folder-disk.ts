// One batch's view of a folder on disk: its paths, what is known of its directories, which of them were touched.

import { assert } from '../base/assert.ts'
import { FilesError } from '../base/files.ts'
import type { Files, FileStat } from '../base/files.ts'
import { folderDirectoryName, replacedDirectoryName, temporaryDirectoryName } from './limits.ts'
import type { Expected } from './operations.ts'
import { absolutePath, DirectoryChecks } from './parents.ts'

export const temporaryDirectory: string = `${folderDirectoryName}/${temporaryDirectoryName}`
export const replacedDirectory: string = `${folderDirectoryName}/${replacedDirectoryName}`

/** Temp names under which a move puts the old name aside for a moment. */
export const asidePrefix = 'move-'

/** The directory of a relative path; '' = the root. */
export function parentPathOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}

/** Names in .holdfast are made by this program: anything else is a bug. */
function checkedName(name: string): string {
  assert(/^[a-zA-Z0-9_-][a-zA-Z0-9._-]{0,200}$/.test(name), `${name} is a plain name`)
  return name
}

export class FolderDisk {
  readonly files: Files
  readonly root: string
  /** Relative directories in which a name was made, changed or removed. */
  readonly touched: Set<string> = new Set()
  /** Relative directories in which their owner may change things, as far as this batch has looked. */
  readonly open: Set<string> = new Set()
  readonly #checks: DirectoryChecks
  #isOwnGood: boolean | undefined

  constructor(files: Files, root: string) {
    this.files = files
    this.root = root
    this.#checks = new DirectoryChecks(files, root)
  }

  absolute(relative: string): string {
    return absolutePath(this.root, relative)
  }

  temporary(name: string): string {
    return this.absolute(`${temporaryDirectory}/${checkedName(name)}`)
  }

  /** The absolute path of a park name; the directory counts as touched. */
  replaced(name: string): string {
    this.touched.add(replacedDirectory)
    return this.absolute(`${replacedDirectory}/${checkedName(name)}`)
  }

  touchParentOf(path: string): void {
    this.touched.add(parentPathOf(path))
  }

  /** Looks at the parent itself each time, at those above it once a batch. */
  isParentGood(path: string): boolean {
    const parent = parentPathOf(path)
    return this.#checks.check(parent) === 'ok' && this.#checks.checkItself(parent) === 'ok'
  }

  isOwnDirectoryGood(): boolean {
    this.#isOwnGood ??= this.#checks.check(temporaryDirectory) === 'ok' && this.#checks.check(replacedDirectory) === 'ok'
    return this.#isOwnGood
  }

  /** A directory at `path` is gone or becomes something else. */
  forgetDirectory(path: string): void {
    this.#checks.forget(path)
    this.touched.delete(path)
  }

  isAsExpected(path: string, expected: Expected | undefined): boolean {
    return matches(this.files.lstat(this.absolute(path)), expected)
  }
}

/** Whether what is there is what was expected, to the last attribute that tells of a change. */
export function matches(stat: FileStat | undefined, expected: Expected | undefined): boolean {
  if (stat === undefined || expected === undefined) return stat === expected
  return expected.kind === 'directory' ? stat.kind === 'directory' : isSameContent(stat, expected) && stat.ctimeUs === expected.ctimeUs
}

/** As `matches`, but after a rename or a link, which move the ctime. */
export function isSameContent(stat: FileStat | undefined, expected: Omit<Expected, 'ctimeUs'>): boolean {
  return (
    stat !== undefined &&
    stat.kind === expected.kind &&
    stat.inode === expected.inode &&
    stat.sizeBytes === expected.sizeBytes &&
    stat.mtimeUs === expected.mtimeUs
  )
}

/** Runs `work`; false when it failed with `fault`. */
export function succeedsUnless(fault: FilesError['fault'], work: () => void): boolean {
  try {
    work()
    return true
  } catch (error) {
    if (error instanceof FilesError && error.fault === fault) return false
    throw error
  }
}
