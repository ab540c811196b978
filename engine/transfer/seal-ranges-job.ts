// Worker job that serves blocks from the user's own files, or proof of having them: reads ranges, seals them again, and gives only what still is
// the block that was asked for. A file that changed simply does not hold the block any more.

import { equalBytes } from '../base/bytes.ts'
import { FilesError, type Files, type FilesFault, type OpenFile } from '../base/files.ts'
import type { JobResult, JobWorld } from '../base/jobs.ts'
import { blake3Keyed, hashBytes } from '../crypto/hash.ts'
import { blockKeyOf, blockOverheadBytes, resealBlockInto } from '../crypto/seal.ts'
import type { BlockId } from '../model/ids.ts'

export interface SealRange {
  readonly path: string
  readonly offset: number
  readonly lengthBytes: number
  readonly id: BlockId
  readonly key: Uint8Array
}

export interface SealRangesInput {
  readonly root: string
  readonly sealKey: Uint8Array
  readonly ranges: readonly SealRange[]
  /** Of each block only its hash under this key is wanted. */
  readonly proofKey?: Uint8Array | undefined
}

export interface SealRangesOutput {
  /** The sealed blocks, or the proofs, one after the other. */
  readonly payload: Uint8Array
  /** By range; 0 = the file does not hold the block any more, or could not be read. */
  readonly lengths: readonly number[]
  /** Ranges that could not be read: what their files hold is not known. */
  readonly unread: readonly number[]
}

export function sealRanges(input: SealRangesInput, { files }: JobWorld): JobResult<SealRangesOutput> {
  const { proofKey } = input
  const sizes = input.ranges.map((range) => range.lengthBytes + blockOverheadBytes)
  const payload = new Uint8Array(proofKey === undefined ? sizes.reduce((total, size) => total + size, 0) : sizes.length * hashBytes)
  const sealed = proofKey === undefined ? payload : new Uint8Array(Math.max(0, ...sizes))
  const opener = new RangeOpener(files, input.root)
  const lengths: number[] = []
  const unread: number[] = []
  let at = 0
  try {
    for (const range of input.ranges) {
      const plaintext = opener.look(range)
      if (plaintext === 'unreadable') unread.push(lengths.length)
      const start = proofKey === undefined ? at : 0
      const sealedBytes = typeof plaintext === 'string' ? 0 : sealInto(sealed, start, input.sealKey, range, plaintext)
      if (proofKey !== undefined && sealedBytes > 0) payload.set(blake3Keyed(proofKey, sealed.subarray(0, sealedBytes)), at)
      const length = proofKey === undefined || sealedBytes === 0 ? sealedBytes : hashBytes
      lengths.push(length)
      at += length
    }
  } finally {
    opener.close()
  }
  return { output: { payload: payload.subarray(0, at), lengths, unread }, transfer: [payload.buffer] }
}

function sealInto(payload: Uint8Array, at: number, sealKey: Uint8Array, range: SealRange, plaintext: Uint8Array): number {
  if (!equalBytes(blockKeyOf(sealKey, plaintext), range.key)) return 0
  const id = resealBlockInto(payload, at, range.key, plaintext)
  return equalBytes(id, range.id) ? plaintext.length + blockOverheadBytes : 0
}

interface FileRange {
  readonly path: string
  readonly offset: number
  readonly lengthBytes: number
}

/** What is at the path is none of the drive's trouble. */
function isOtherwise(fault: FilesFault): boolean {
  return fault === 'missing' || fault === 'symlink' || fault === 'isDirectory' || fault === 'notDirectory'
}

/** Reads ranges; neighbours are nearly always of one file, so the last one stays open. */
export class RangeOpener {
  readonly #files: Files
  readonly #root: string
  readonly #realDirectories = new Map<string, boolean>()
  #path: string | undefined
  #file: OpenFile | undefined
  #scratch = new Uint8Array(0)

  constructor(files: Files, root: string) {
    this.#files = files
    this.#root = root
  }

  /** The bytes, valid until the next call; undefined when the file is not there, too short or cannot be read. */
  read(range: FileRange): Uint8Array | undefined {
    const found = this.look(range)
    return typeof found === 'string' ? undefined : found
  }

  /** As `read`, and why not: the file is gone, too short or no file; or it cannot be read now, which says nothing about it. */
  look(range: FileRange): Uint8Array | 'otherwise' | 'unreadable' {
    try {
      const file = this.#open(range.path)
      if (file === undefined) return 'unreadable' // its directory is gone: perhaps the drive
      if (this.#scratch.length < range.lengthBytes) this.#scratch = new Uint8Array(range.lengthBytes)
      const target = this.#scratch.subarray(0, range.lengthBytes)
      return file.read(target, range.offset) === range.lengthBytes ? target : 'otherwise'
    } catch (error) {
      if (error instanceof FilesError) return isOtherwise(error.fault) ? 'otherwise' : 'unreadable'
      throw error
    }
  }

  close(): void {
    this.#file?.close()
    this.#file = undefined
    this.#path = undefined
  }

  #open(path: string): OpenFile | undefined {
    if (this.#path === path) return this.#file
    this.close()
    if (!this.#isBelowRealDirectories(path)) return undefined
    this.#file = this.#files.open(`${this.#root}/${path}`, 'read')
    this.#path = path
    return this.#file
  }

  /** Nothing is read through a symlink: a directory replaced by one would leak what lies outside the folder. */
  #isBelowRealDirectories(path: string): boolean {
    const slash = path.lastIndexOf('/')
    if (slash < 0) return true
    const directory = path.slice(0, slash)
    const known = this.#realDirectories.get(directory)
    if (known !== undefined) return known
    const isReal = this.#isBelowRealDirectories(directory) && this.#files.lstat(`${this.#root}/${directory}`)?.kind === 'directory'
    this.#realDirectories.set(directory, isReal)
    return isReal
  }
}
