// Changes to a user's folder. Each one looks at what is there immediately before it touches it, never goes through a symlink, and
// never overwrites what appeared meanwhile; what it replaces is parked when asked. Node has no openat(2): between a look and the
// change lie microseconds that no program on Node can close, which is why replaced files are moved aside first and compared after.

import { FilesError } from '../base/files.ts'
import type { Files } from '../base/files.ts'
import { unreachable } from '../base/assert.ts'
import { baseNameOf, isNameAllowed, parseRelativePath } from '../model/path.ts'
import type { Platform } from '../model/path.ts'
import { changeAttributes, makeOrKeepDirectory, moveFile, removeItem } from './apply-directly.ts'
import { FolderDisk, parentPathOf } from './folder-disk.ts'
import { withOpenDirectory, withOpenParents } from './loosen.ts'
import type { Operation, Outcome } from './operations.ts'
import { replaceWithFile, replaceWithSymlink } from './replace.ts'

/** Directory flushes in flight: each holds a thread of libuv's pool. */
const directorySyncsMax = 16

/**
 * Applies the operations in order and resolves when what was done is durable. One outcome an operation, in the same order; trouble
 * with one never stops the others. `platform` decides which names can be made here.
 */
export async function applyOperations(
  files: Files,
  root: string,
  operations: readonly Operation[],
  platform: Platform = 'linux',
): Promise<readonly Outcome[]> {
  const disk = new FolderDisk(files, root)
  const outcomes = operations.map((operation) => applyOne(disk, operation, platform))
  const failures = await syncTouched(disk)
  if (failures.size === 0) return outcomes
  return outcomes.map((outcome, at) => {
    const operation = operations[at]
    const failure =
      operation === undefined
        ? undefined
        : directoriesOf(operation)
            .map((directory) => failures.get(directory))
            .find(Boolean)
    return outcome.kind === 'done' && failure !== undefined ? failedBy(failure, 'made, but not known to be durable: ') : outcome
  })
}

function applyOne(disk: FolderDisk, operation: Operation, platform: Platform): Outcome {
  const paths = operation.kind === 'move' ? [operation.from, operation.path] : [operation.path]
  try {
    return withOpenParents(disk, paths, () => refuse(disk, operation, platform) ?? change(disk, operation))
  } catch (error) {
    if (error instanceof FilesError) return failedBy(error, '')
    throw error
  } finally {
    if (operation.kind !== 'file' && operation.kind !== 'symlink') disk.open.clear() // others may change a directory's bits
  }
}

function change(disk: FolderDisk, operation: Operation): Outcome {
  switch (operation.kind) {
    case 'file':
      return replaceWithFile(disk, operation)
    case 'symlink':
      return replaceWithSymlink(disk, operation)
    case 'directory':
      return makeOrKeepDirectory(disk, operation)
    case 'attributes':
      return changeAttributes(disk, operation)
    case 'remove':
      return removeItem(disk, operation)
    case 'move':
      return moveFile(disk, operation)
    default:
      return unreachable(operation)
  }
}

/** What is wrong with the operation before anything is touched. The parents are looked at again for each operation. */
function refuse(disk: FolderDisk, operation: Operation, platform: Platform): Outcome | undefined {
  const paths = operation.kind === 'move' ? [operation.from, operation.path] : [operation.path]
  for (const path of paths) {
    const parsed = parseRelativePath(path, platform)
    if (parsed === undefined) return { kind: 'failed', fault: 'unsupported', detail: 'it is not a path inside a folder' }
    if (!isNameAllowed(baseNameOf(parsed), platform))
      return { kind: 'failed', fault: 'unsupported', detail: 'this system cannot hold such a name' }
    if (!disk.isParentGood(path)) return { kind: 'badParent' }
  }
  return disk.isOwnDirectoryGood()
    ? undefined
    : { kind: 'failed', fault: 'notDirectory', detail: "the folder's own .holdfast directory is not as it was made" }
}

function directoriesOf(operation: Operation): readonly string[] {
  const own = parentPathOf(operation.path)
  return operation.kind === 'move' ? [own, parentPathOf(operation.from)] : [own]
}

function failedBy(error: FilesError, prefix: string): Outcome {
  return { kind: 'failed', fault: error.fault, detail: `${prefix}${error.message}` }
}

async function syncOne(disk: FolderDisk, directory: string): Promise<void> {
  const sync = (): Promise<void> => disk.files.syncDirectory(disk.absolute(directory))
  try {
    await sync()
  } catch (error) {
    if (!(error instanceof FilesError) || error.fault !== 'denied') throw error
    disk.open.clear()
    await withOpenDirectory(disk, directory, sync) // its bits forbid reading, and so opening
  }
}

/** Flushes every touched directory that still is one; the failures by directory. */
async function syncTouched(disk: FolderDisk): Promise<ReadonlyMap<string, FilesError>> {
  const failures = new Map<string, FilesError>()
  const waiting = [...disk.touched]
  const work = async (): Promise<void> => {
    for (let directory = waiting.pop(); directory !== undefined; directory = waiting.pop()) {
      try {
        await syncOne(disk, directory)
      } catch (error) {
        if (!(error instanceof FilesError)) throw error
        // A directory that a later operation removed is flushed with its parent.
        if (error.fault !== 'missing') failures.set(directory, error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(directorySyncsMax, waiting.length) }, work))
  return failures
}
