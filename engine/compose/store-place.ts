// Where a home's blocks are, and whether they may be looked for there. A home remembers its store: where that is gone, with its directory too, or
// is another one, it is not begun anew in silence, for that would tell everybody that nothing is held here, while a disk is only not mounted.

import { equalBytes } from '../base/bytes.ts'
import { EngineError, messageOf } from '../base/errors.ts'
import { FilesError, type Files } from '../base/files.ts'
import { readMarkerFile, writeMarkerFile } from '../blocks/marker-file.ts'
import { openPackStore } from '../blocks/pack-store.ts'
import { storeIdAt } from '../blocks/segment-directory.ts'
import { segmentBytesFor } from '../blocks/segment-limits.ts'
import { openSegmentStore, type SegmentStore } from '../blocks/segment-store.ts'
import type { Identity } from '../crypto/identity.ts'
import type { EngineWorld } from './parts.ts'

/** In the home, beside the store's directory and called after it. */
const memoryEnding = '.id'
const beginningEnding = '.new'

/** A home keeps to the place that its first blocks went to: at another one it would have none of them. */
export async function openStore(world: EngineWorld, identity: Identity, signal: AbortSignal): Promise<SegmentStore> {
  const { files, clock, random, log, bucket, bucketPath, segmentsPath: directory } = world
  if (bucket !== undefined) {
    if (files.lstat(directory) !== undefined || files.lstat(directory + memoryEnding) !== undefined)
      throw otherPlaceError(`${directory} has blocks already; start without --store, or use a new --home`)
    const options = { files, clock, random, log, directory: bucketPath, owner: identity.peerId, node: world.name }
    return await openPackStore({ ...options, ...bucket }, signal)
  }
  if (files.lstat(bucketPath) !== undefined) throw otherPlaceError('its blocks are in object storage; start with the --store that it had')
  const create = await mayCreate(world)
  const limits = { segmentBytes: segmentBytesFor(files.freeBytes(files.lstat(directory) === undefined ? world.home : directory)) }
  const store = await openSegmentStore({ files, directory, clock, random, log, create, limits }, signal)
  await remember(world)
  if (files.lstat(directory + beginningEnding) !== undefined) files.unlink(directory + beginningEnding)
  return store
}

/**
 * Whether a block store is to be made where there is none. A file says so until it is: else whoever dies between the making of the directory and of
 * its marker would leave what looks like an unmounted disk, and be refused for ever. Throws `HOME_UNUSABLE`.
 */
async function mayCreate({ files, home, segmentsPath: directory, isNewStore }: EngineWorld): Promise<boolean> {
  const known = readMemory(files, directory)
  if (known === undefined) {
    if (files.lstat(directory + beginningEnding) !== undefined) return true
    if (files.lstat(directory) !== undefined && isNewStore !== true) return false
  } else {
    const there = idThere(files, directory)
    if (there !== undefined && equalBytes(there, known)) return false
    if (isNewStore !== true) throw goneError(directory, there !== undefined)
  }
  // There already when this was begun before, and the process ended in the middle.
  if (files.lstat(directory + beginningEnding) === undefined) files.open(directory + beginningEnding, 'create').close()
  await files.syncDirectory(home)
  if (known !== undefined) files.unlink(directory + memoryEnding)
  return true
}

function idThere(files: Files, directory: string): Uint8Array | undefined {
  try {
    return storeIdAt(files, directory)
  } catch (error) {
    if (!(error instanceof FilesError)) throw error
    throw new EngineError('DISK_FAILED', `opening the block store ${directory}: ${messageOf(error)}; check the disk and its permissions`, {
      cause: error,
    })
  }
}

/** On a full disk it is done at another start: nothing may have to be written to begin. */
async function remember({ files, home, segmentsPath: directory, log }: EngineWorld): Promise<void> {
  const storeId = idThere(files, directory)
  if (storeId === undefined || readMemory(files, directory) !== undefined) return
  try {
    await writeMarkerFile(files, home, nameOf(directory) + memoryEnding, storeId)
  } catch (error) {
    if (!(error instanceof FilesError)) throw error
    log.warn('could not note which block store is the one of this home', { error: messageOf(error) })
  }
}

function readMemory(files: Files, directory: string): Uint8Array | undefined {
  const path = directory + memoryEnding
  return readMarkerFile(files, path, `remove it when ${directory} is the block store that this home had before`)
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

function goneError(directory: string, isOther: boolean): EngineError {
  const what = isOther ? 'the block store there is not the one of this home' : 'there is no block store, though there was one before'
  return new EngineError(
    'HOME_UNUSABLE',
    `opening the block store ${directory}: ${what}; if it is on a disk that is not mounted, mount it and start again. Only where the blocks are gone for good, start once with --new-store: they are fetched again`,
  )
}

function otherPlaceError(why: string): EngineError {
  return new EngineError('HOME_UNUSABLE', `opening the block store of this home: ${why}`)
}
