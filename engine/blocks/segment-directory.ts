// The files of one segment store: their names, the marker that says "this is a store", open handles for reading, where the reserve is.

import { equalBytes } from '../base/bytes.ts'
import { EngineError, messageOf } from '../base/errors.ts'
import { FilesError, type Files, type OpenFile } from '../base/files.ts'
import type { Random } from '../base/clock.ts'
import { decodeMarker, encodeMarker, markerBytes, markerVersion, storeIdBytes } from './record.ts'

const markerName = 'store'
const markerTempName = 'store.new'
const reserveName = 'reserve'
const directoryMode = 0o700

export function segmentName(segment: number): string {
  return `${segment.toString().padStart(10, '0')}.segment`
}

export function segmentNumberOf(name: string): number | undefined {
  const digits = /^(\d{10})\.segment$/.exec(name)?.[1]
  const segment = digits === undefined ? 0 : Number(digits)
  return segment > 0 && segment <= 0xffff_ffff ? segment : undefined
}

export function isFault(error: unknown, fault: FilesError['fault']): boolean {
  return error instanceof FilesError && error.fault === fault
}

/** Room for tombstones on a full disk. */
export function reservePath(directory: string): string {
  return `${directory}/${reserveName}`
}

export function segmentPath(directory: string, segment: number): string {
  return `${directory}/${segmentName(segment)}`
}

/** Ascending. Other names in the directory are left alone. */
export function listSegments(files: Files, directory: string): readonly number[] {
  const segments: number[] = []
  for (const item of files.readDirectory(directory)) {
    const segment = item.kind === 'file' && item.isValidName ? segmentNumberOf(item.name) : undefined
    if (segment !== undefined) segments.push(segment)
  }
  return segments.toSorted((left, right) => left - right)
}

/**
 * The id of the store in `directory`. With `create`, an absent or empty directory becomes a store; without, it is refused, because an
 * unmounted disk looks the same. Throws `HOME_UNUSABLE`, `STORE_CORRUPT`, `VERSION_UNSUPPORTED`, `DISK_FAILED`, `NO_SPACE`.
 */
export async function openMarker(parts: { files: Files; directory: string; random: Random }, create: boolean): Promise<Uint8Array> {
  const { files, directory } = parts
  try {
    const known = readMarker(files, directory)
    if (known !== undefined) return known
    const isThere = files.lstat(directory) !== undefined
    if (isThere && listSegments(files, directory).length > 0) {
      throw new EngineError(
        'STORE_CORRUPT',
        `opening the block store ${directory}: it has segments but its marker file "${markerName}" is missing; put the file back from a backup, or move the directory away and let the blocks be fetched again`,
      )
    }
    if (!create) {
      throw new EngineError(
        'HOME_UNUSABLE',
        `opening the block store ${directory}: ${isThere ? 'the directory has no store in it' : 'there is no such directory'}, though there was a store before; if it is on a disk that is not mounted, mount it and start again. Only where the blocks are gone for good: remove the directory, and they are fetched again`,
      )
    }
    return await createMarker(parts, isThere)
  } catch (error) {
    if (!(error instanceof FilesError)) throw error
    const code = isFault(error, 'noSpace') ? 'NO_SPACE' : 'DISK_FAILED'
    throw new EngineError(code, `opening the block store ${directory}: ${messageOf(error)}; check the disk and its permissions`, {
      cause: error,
    })
  }
}

/** Whether the store in the directory is the one with this id; false when that cannot be told. */
export function isMarkedAs(files: Files, directory: string, storeId: Uint8Array): boolean {
  try {
    const known = readMarker(files, directory)
    return known !== undefined && equalBytes(known, storeId)
  } catch (error) {
    if (!(error instanceof FilesError) && !(error instanceof EngineError)) throw error
    return false
  }
}

function readMarker(files: Files, directory: string): Uint8Array | undefined {
  const path = `${directory}/${markerName}`
  if (files.lstat(path) === undefined) return undefined
  const file = files.open(path, 'read')
  try {
    const bytes = new Uint8Array(markerBytes)
    const marker = decodeMarker(bytes.subarray(0, file.read(bytes, 0)))
    if (marker === undefined) {
      throw new EngineError(
        'STORE_CORRUPT',
        `opening the block store: its marker ${path} is damaged; put it back from a backup, or move the directory away and let the blocks be fetched again`,
      )
    }
    if (marker.version !== markerVersion) {
      throw new EngineError(
        'VERSION_UNSUPPORTED',
        `opening the block store: ${path} has format ${marker.version}, this program knows ${markerVersion}; use a newer Holdfast`,
      )
    }
    return marker.storeId
  } finally {
    file.close()
  }
}

async function createMarker(parts: { files: Files; directory: string; random: Random }, isThere: boolean): Promise<Uint8Array> {
  const { files, directory } = parts
  if (!isThere) {
    files.makeDirectory(directory, directoryMode)
    await files.syncDirectory(directory.slice(0, Math.max(1, directory.lastIndexOf('/'))))
  }
  const storeId = Uint8Array.from(parts.random.bytes(storeIdBytes))
  const temp = `${directory}/${markerTempName}`
  if (files.lstat(temp) !== undefined) files.unlink(temp)
  await writeWholeFile(files, temp, encodeMarker({ version: markerVersion, storeId }))
  files.rename(temp, `${directory}/${markerName}`)
  await files.syncDirectory(directory)
  return storeId
}

async function writeWholeFile(files: Files, path: string, bytes: Uint8Array): Promise<void> {
  const file = files.open(path, 'create')
  try {
    file.write(bytes, 0)
    await file.datasync()
  } finally {
    file.close()
  }
}

/** Segments open for reading, the longest unused one closed when there are too many. */
export class ReadHandles {
  readonly #files: Files
  readonly #directory: string
  readonly #max: number
  /** In order of last use. */
  readonly #open = new Map<number, OpenFile>()

  constructor(files: Files, directory: string, max: number) {
    this.#files = files
    this.#directory = directory
    this.#max = max
  }

  /** Good until the next call. Throws FilesError. */
  take(segment: number): OpenFile {
    let file = this.#open.get(segment)
    if (file === undefined) file = this.#files.open(segmentPath(this.#directory, segment), 'read')
    else this.#open.delete(segment)
    this.#open.set(segment, file)
    for (const [oldest] of this.#open) {
      if (this.#open.size <= this.#max) break
      this.drop(oldest)
    }
    return file
  }

  drop(segment: number): void {
    this.#open.get(segment)?.close()
    this.#open.delete(segment)
  }

  close(): void {
    for (const file of this.#open.values()) file.close()
    this.#open.clear()
  }
}
