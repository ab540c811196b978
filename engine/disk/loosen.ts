// Directories whose own bits forbid their owner to change what is in them: a folder has such ones too, and its content still has to get
// in. They are opened for the one change and get their bits back right after it, before any watcher can have looked.

import { FilesError } from '../base/files.ts'
import type { FolderDisk } from './folder-disk.ts'

/** What an owner needs of a directory to change what is in it. */
const ownerBits = 0o700

interface Loosened {
  readonly path: string
  readonly mode: number
}

/** Runs `work` with every directory above these paths open to its owner. Those in `disk.open` are not looked at again. */
export function withOpenParents<T>(disk: FolderDisk, paths: readonly string[], work: () => T): T {
  const loosened = paths.flatMap((path) => ancestorsOf(path)).flatMap((directory) => loosen(disk, directory))
  try {
    return work()
  } finally {
    for (const one of loosened.toReversed()) restore(disk, one)
  }
}

/** The same for the directory itself. */
export async function withOpenDirectory(disk: FolderDisk, directory: string, work: () => Promise<void>): Promise<void> {
  const loosened = [...ancestorsOf(directory), directory].filter((path) => path !== '').flatMap((path) => loosen(disk, path))
  try {
    await work()
  } finally {
    for (const one of loosened.toReversed()) restore(disk, one)
  }
}

/** From the top down, without the root: what forbids that is for its person. */
function ancestorsOf(path: string): readonly string[] {
  const ancestors: string[] = []
  for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) ancestors.push(path.slice(0, at))
  return ancestors
}

function loosen(disk: FolderDisk, directory: string): readonly Loosened[] {
  if (disk.open.has(directory)) return []
  const path = disk.absolute(directory)
  try {
    const stat = disk.files.lstat(path)
    if (stat?.kind !== 'directory') return []
    if ((stat.mode & ownerBits) === ownerBits) {
      disk.open.add(directory)
      return []
    }
    disk.files.setMode(path, stat.mode | ownerBits)
    return [{ path, mode: stat.mode }]
  } catch (error) {
    if (error instanceof FilesError) return [] // not ours to open: the change itself says what is wrong
    throw error
  }
}

function restore(disk: FolderDisk, { path, mode }: Loosened): void {
  try {
    if (disk.files.lstat(path)?.kind === 'directory') disk.files.setMode(path, mode)
  } catch (error) {
    if (!(error instanceof FilesError)) throw error // the walk finds other bits than the index has, and tells them
  }
}
