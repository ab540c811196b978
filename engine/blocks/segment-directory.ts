// The files of one segment store: their names, the marker that says "this is a store", open handles for reading, where the reserve is.

import { equalBytes } from '../base/bytes.ts'
import { EngineError, messageOf } from '../base/errors.ts'
import { FilesError, type Files, type OpenFile } from '../base/files.ts'
import type { Random } from '../base/clock.ts'
import { readMarkerFile, writeMarkerFile } from './marker-file.ts'
import { storeIdBytes } from './record.ts'

const markerName = 'store'
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
    const known = storeIdAt(files, directory)
    if (known !== undefined) return known
    const isThere = files.lstat(directory) !== undefined
    if (isThere && listSegments(files, directory).length > 0) {
      throw new EngineError(
        'STORE_CORRUPT',
        `opening the block store ${directory}: it has segments but its marker file "${markerName}" is missing; put the file back from a backup, or move the directory away and start with --new-store: the blocks are fetched again`,
      )
    }
    if (!create) {
      throw new EngineError(
        'HOME_UNUSABLE',
        `opening the block store ${directory}: ${isThere ? 'the directory has no store in it' : 'there is no such directory'}, though there was a store before; if it is on a disk that is not mounted, mount it and start again. Only where the blocks are gone for good, start once with --new-store: they are fetched again`,
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
    const known = storeIdAt(files, directory)
    return known !== undefined && equalBytes(known, storeId)
  } catch (error) {
    if (!(error instanceof FilesError) && !(error instanceof EngineError)) throw error
    return false
  }
}

/** The id of the store in the directory; undefined where there is none. Throws as `openMarker`, and FilesError. */
export function storeIdAt(files: Files, directory: string): Uint8Array | undefined {
  return readMarkerFile(
    files,
    `${directory}/${markerName}`,
    'put it back from a backup, or move the directory away and start with --new-store: the blocks are fetched again',
  )
}

async function createMarker(parts: { files: Files; directory: string; random: Random }, isThere: boolean): Promise<Uint8Array> {
  const { files, directory } = parts
  if (!isThere) {
    files.makeDirectory(directory, directoryMode)
    await files.syncDirectory(directory.slice(0, Math.max(1, directory.lastIndexOf('/'))))
  }
  const storeId = Uint8Array.from(parts.random.bytes(storeIdBytes))
  await writeMarkerFile(files, directory, markerName, storeId)
  return storeId
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
