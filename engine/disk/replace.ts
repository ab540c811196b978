// Putting a finished file or a symlink at a path: atomically, without overwriting what appeared meanwhile, parking what was there.

import { FilesError } from '../base/files.ts'
import type { FileStat, OpenFile } from '../base/files.ts'
import { isSameContent, succeedsUnless } from './folder-disk.ts'
import type { FolderDisk } from './folder-disk.ts'
import type { Expected, Operation, Outcome } from './operations.ts'

const readableMode = 0o600

type FileOperation = Extract<Operation, { kind: 'file' }>
type SymlinkOperation = Extract<Operation, { kind: 'symlink' }>

export function replaceWithFile(disk: FolderDisk, operation: FileOperation): Outcome {
  const temporary = disk.temporary(operation.temporary)
  const made = setAttributes(disk, temporary, operation.mode, operation.mtimeUs)
  return replace(disk, operation, temporary, (stat) => isSameContent(stat, made) && stat?.mode === made.mode)
}

export function replaceWithSymlink(disk: FolderDisk, operation: SymlinkOperation): Outcome {
  const { expected, target } = operation
  const path = disk.absolute(operation.path)
  if (expected === undefined) {
    if (!disk.isAsExpected(operation.path, undefined)) return { kind: 'differs' }
    if (!succeedsUnless('exists', () => disk.files.symlink(target, path))) return { kind: 'differs' }
    disk.touchParentOf(operation.path)
    return doneIf(disk, operation.path, (stat) => stat?.kind === 'symlink', false)
  }
  // Unique while this file exists, and the same again after a crash, so that nothing piles up.
  const temporary = disk.temporary(`link-${expected.inode}-${expected.ctimeUs}`)
  if (!succeedsUnless('exists', () => disk.files.symlink(target, temporary))) {
    disk.files.unlink(temporary)
    disk.files.symlink(target, temporary)
  }
  const outcome = replace(disk, operation, temporary, (stat) => stat?.kind === 'symlink')
  if (outcome.kind !== 'done') succeedsUnless('missing', () => disk.files.unlink(temporary))
  return outcome
}

function replace(
  disk: FolderDisk,
  operation: FileOperation | SymlinkOperation,
  temporary: string,
  isOurs: (stat: FileStat | undefined) => boolean,
): Outcome {
  const { path, expected, park } = operation
  if (!disk.isAsExpected(path, expected)) return { kind: 'differs' }
  const target = disk.absolute(path)
  if (expected === undefined || expected.kind === 'directory') {
    if (expected !== undefined) {
      if (!succeedsUnless('exists', () => disk.files.removeDirectory(target))) return { kind: 'notEmpty' }
      disk.forgetDirectory(path)
      disk.touchParentOf(path)
    }
    if (!publishNew(disk, temporary, target, operation.kind === 'file')) return { kind: 'differs' }
    disk.touchParentOf(path)
    return doneIf(disk, path, isOurs, false)
  }
  const parked = park === undefined ? undefined : disk.replaced(park)
  if (parked !== undefined) parkSecondName(disk, target, parked, expected)
  // The last look, as near to the rename as it can be. Parking moved the ctime of a file, so that is left out.
  if (!isSameContent(disk.files.lstat(target), expected)) {
    if (parked !== undefined) succeedsUnless('missing', () => disk.files.unlink(parked))
    return { kind: 'differs' }
  }
  disk.files.rename(temporary, target)
  disk.touchParentOf(path)
  const isParkedChanged = parked !== undefined && expected.kind === 'file' && !isParkedAsExpected(disk, parked, expected)
  return doneIf(disk, path, isOurs, isParkedChanged)
}

/** Gives a finished temp file its name; false when the name was taken meanwhile. Measured: link and unlink cost no more than rename. */
function publishNew(disk: FolderDisk, temporary: string, target: string, isFile: boolean): boolean {
  if (isFile) {
    try {
      disk.files.link(temporary, target)
      disk.files.unlink(temporary)
      return true
    } catch (error) {
      if (!(error instanceof FilesError)) throw error
      if (error.fault === 'exists') return false
      if (error.fault !== 'unsupported') throw error
    }
  }
  // No hard links here (FAT, some network drives), or a symlink, whose link() differs between systems.
  if (disk.files.lstat(target) !== undefined) return false
  disk.files.rename(temporary, target)
  return true
}

/** A second name for what will be replaced, so that the path is never without content, not even in a crash. */
function parkSecondName(disk: FolderDisk, target: string, parked: string, expected: Expected): void {
  if (expected.kind === 'symlink') {
    disk.files.symlink(disk.files.readLink(target), parked)
    return
  }
  if (succeedsUnless('unsupported', () => disk.files.link(target, parked))) return
  disk.files.copy(target, parked)
}

function isParkedAsExpected(disk: FolderDisk, parked: string, expected: Expected): boolean {
  const stat = disk.files.lstat(parked)
  if (stat?.inode !== expected.inode) return stat?.sizeBytes === expected.sizeBytes // a copy: made from what was looked at after it
  return isSameContent(stat, expected)
}

/**
 * What is there after the change, if it still is what was put there: the caller will take these values for those of the content it
 * knows, so the values of somebody's newer file must not slip in.
 */
export function doneIf(disk: FolderDisk, path: string, isOurs: (stat: FileStat | undefined) => boolean, isParkedChanged: boolean): Outcome {
  const stat = disk.files.lstat(disk.absolute(path))
  if (!isOurs(stat)) return { kind: 'differs' }
  return isParkedChanged ? { kind: 'done', stat, isParkedChanged: true } : { kind: 'done', stat }
}

/** Sets permission bits and time of a regular file unless it has them; its stat after that. */
export function setAttributes(disk: FolderDisk, path: string, mode: number, mtimeUs: number | undefined): FileStat {
  const before = disk.files.lstat(path)
  if (before?.kind === 'file' && before.mode === mode && (mtimeUs === undefined || before.mtimeUs === mtimeUs)) return before
  const file = openForAttributes(disk, path)
  try {
    if (mtimeUs !== undefined) file.setMtime(mtimeUs)
    file.setMode(mode)
    return file.stat()
  } finally {
    file.close()
  }
}

/** The owner may set time and bits of a file whose bits forbid reading it, but only by way of an open file. */
function openForAttributes(disk: FolderDisk, path: string): OpenFile {
  try {
    return disk.files.open(path, 'read')
  } catch (error) {
    if (!(error instanceof FilesError) || error.fault !== 'denied') throw error
    disk.files.setMode(path, readableMode)
    return disk.files.open(path, 'read')
  }
}
