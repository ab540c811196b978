// The operations that need no finished file: directories, attributes, removals, moves.

import { FilesError } from '../base/files.ts'
import { doneIf, setAttributes } from './replace.ts'
import { asidePrefix, isSameContent, matches, succeedsUnless } from './folder-disk.ts'
import type { FolderDisk } from './folder-disk.ts'
import type { Expected, Operation, Outcome } from './operations.ts'

type Of<Kind extends Operation['kind']> = Extract<Operation, { kind: Kind }>

export function makeOrKeepDirectory(disk: FolderDisk, operation: Of<'directory'>): Outcome {
  const { path, mode, expected, park } = operation
  if (!disk.isAsExpected(path, expected)) return { kind: 'differs' }
  const absolute = disk.absolute(path)
  let isParkedChanged = false
  if (expected?.kind === 'directory') {
    if (disk.files.lstat(absolute)?.mode !== mode) disk.files.setMode(absolute, mode)
  } else {
    if (expected !== undefined) {
      const removed = removeLeaf(disk, path, expected, park)
      if (removed.kind !== 'done') return removed
      isParkedChanged = removed.isParkedChanged === true
    }
    if (!succeedsUnless('exists', () => disk.files.makeDirectory(absolute, mode))) return { kind: 'differs' }
    disk.touchParentOf(path)
  }
  return doneIf(disk, path, (stat) => stat?.kind === 'directory', isParkedChanged)
}

export function changeAttributes(disk: FolderDisk, operation: Of<'attributes'>): Outcome {
  const { path, mode, mtimeUs, expected } = operation
  if (!disk.isAsExpected(path, expected)) return { kind: 'differs' }
  const absolute = disk.absolute(path)
  disk.touchParentOf(path) // flushing the directory commits the journal in which the new bits are, on the file systems that have one
  switch (expected.kind) {
    case 'file': {
      const made = setAttributes(disk, absolute, mode, mtimeUs)
      const isStillContent = made.inode === expected.inode && made.sizeBytes === expected.sizeBytes
      return doneIf(disk, path, (stat) => isStillContent && matches(stat, made), false)
    }
    case 'directory':
      disk.files.setMode(absolute, mode)
      return doneIf(disk, path, (stat) => stat?.kind === 'directory', false)
    case 'symlink': // has neither bits nor a time that can be set everywhere
    case 'other':
      return doneIf(disk, path, (stat) => matches(stat, expected), false)
  }
}

export function removeItem(disk: FolderDisk, operation: Of<'remove'>): Outcome {
  const { path, expected, park } = operation
  if (!disk.isAsExpected(path, expected)) return { kind: 'differs' }
  if (expected.kind !== 'directory') return removeLeaf(disk, path, expected, park)
  if (!succeedsUnless('exists', () => disk.files.removeDirectory(disk.absolute(path)))) return { kind: 'notEmpty' }
  disk.forgetDirectory(path)
  disk.touchParentOf(path)
  return { kind: 'done', stat: undefined }
}

/** Moves a file or a symlink aside and looks at what was moved; it goes back when it is not what was expected. */
function removeLeaf(disk: FolderDisk, path: string, expected: Expected, park: string | undefined): Outcome {
  const target = disk.absolute(path)
  if (park === undefined) {
    disk.files.unlink(target)
    disk.touchParentOf(path)
    return { kind: 'done', stat: undefined }
  }
  const parked = disk.replaced(park)
  disk.files.rename(target, parked)
  disk.touchParentOf(path)
  if (isSameContent(disk.files.lstat(parked), expected)) return { kind: 'done', stat: undefined }
  return giveBack(disk, parked, target) ? { kind: 'differs' } : { kind: 'done', stat: undefined, isParkedChanged: true }
}

/** Returns a file to its name unless that was taken meanwhile. */
function giveBack(disk: FolderDisk, parked: string, target: string): boolean {
  try {
    disk.files.link(parked, target)
    disk.files.unlink(parked)
    return true
  } catch (error) {
    if (!(error instanceof FilesError)) throw error
    if (error.fault !== 'unsupported' || disk.files.lstat(target) !== undefined) return false
    disk.files.rename(parked, target)
    return true
  }
}

export function moveFile(disk: FolderDisk, operation: Of<'move'>): Outcome {
  const { from, path, expectedFrom, mode, mtimeUs } = operation
  if (!disk.isAsExpected(from, expectedFrom) || !disk.isAsExpected(path, undefined)) return { kind: 'differs' }
  const moved = expectedFrom.kind === 'file' ? moveByLink(disk, from, path, expectedFrom) : moveByRename(disk, from, path)
  if (!moved) return { kind: 'differs' }
  disk.touchParentOf(path)
  disk.touchParentOf(from)
  if (expectedFrom.kind === 'directory') {
    disk.forgetDirectory(from)
    return doneIf(disk, path, (stat) => stat?.kind === 'directory', false)
  }
  if (expectedFrom.kind !== 'file') return doneIf(disk, path, (stat) => isSameContent(stat, expectedFrom), false)
  // Only what is still the expected content gets the time that goes with it: a time would hide an edit of this moment.
  if (!isSameContent(disk.files.lstat(disk.absolute(path)), expectedFrom)) return { kind: 'differs' }
  const made = setAttributes(disk, disk.absolute(path), mode, mtimeUs)
  const isStillContent = made.inode === expectedFrom.inode && made.sizeBytes === expectedFrom.sizeBytes
  return doneIf(disk, path, (stat) => isStillContent && matches(stat, made), false)
}

/**
 * Overwrites nothing at the new path and loses nothing that appears at the old one: the new name is linked, then the old name is
 * moved aside and only removed when it is the same file.
 */
function moveByLink(disk: FolderDisk, from: string, path: string, expected: Expected): boolean {
  const source = disk.absolute(from)
  try {
    disk.files.link(source, disk.absolute(path))
  } catch (error) {
    if (!(error instanceof FilesError)) throw error
    if (error.fault === 'exists') return false
    if (error.fault === 'unsupported') return moveByRename(disk, from, path)
    throw error
  }
  const aside = disk.temporary(`${asidePrefix}${expected.inode}-${expected.ctimeUs}`)
  disk.files.rename(source, aside)
  if (disk.files.lstat(aside)?.inode === expected.inode) disk.files.unlink(aside)
  else giveBack(disk, aside, source)
  return true
}

function moveByRename(disk: FolderDisk, from: string, path: string): boolean {
  if (disk.files.lstat(disk.absolute(path)) !== undefined) return false
  disk.files.rename(disk.absolute(from), disk.absolute(path))
  return true
}
