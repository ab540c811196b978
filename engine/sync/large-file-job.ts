// Worker jobs for one large file on its way in: its temp file is made once, filled piece by piece in any order, survives a
// restart, and is published when every block in it has been checked.

import { FilesError, type Files, type OpenFile } from '../base/files.ts'
import type { JobResult, JobWorld } from '../base/jobs.ts'
import { applyOperations } from '../disk/apply.ts'
import { folderDirectoryName, temporaryDirectoryName } from '../disk/limits.ts'
import type { Platform } from '../model/path.ts'
import type { Operation, Outcome } from '../disk/operations.ts'
import { BlockList } from '../model/block-list.ts'
import { RangeOpener } from '../transfer/seal-ranges-job.ts'
import { isKeyOf, openBlockAt, type BlockOrigin } from './publish-job.ts'

/** Temp files with this prefix outlive a restart: their content is checked, not trusted. */
export const largeTemporaryPrefix = 'large-'

export interface PrepareLargeInput {
  readonly root: string
  readonly temporary: string
  readonly sizeBytes: number
  /** A file of the folder with much of the content at the same offsets; copied when there is no temp file yet. */
  readonly cloneFrom: string | undefined
}

/** Makes the temp file, or finds the one that an earlier run left. True when it may hold some of the content already. Throws FilesError. */
export function prepareLarge(input: PrepareLargeInput, { files }: JobWorld): JobResult<boolean> {
  const path = temporaryPath(input.root, input.temporary)
  const found = files.lstat(path)
  const isFound = found?.kind === 'file'
  if (!isFound && input.cloneFrom !== undefined) files.copy(`${input.root}/${input.cloneFrom}`, path)
  const isCloned = !isFound && input.cloneFrom !== undefined
  const file = isFound || isCloned ? files.open(path, 'edit') : files.open(path, 'create')
  try {
    if (isCloned) file.setMode(ownMode)
    if (file.stat().sizeBytes !== input.sizeBytes) file.truncate(input.sizeBytes)
  } finally {
    file.close()
  }
  return { output: isFound || isCloned }
}

const ownMode = 0o600

export interface CheckLargeInput {
  readonly root: string
  readonly temporary: string
  readonly sealKey: Uint8Array
  readonly blocks: Uint8Array
  readonly fromBlock: number
  readonly toBlock: number
  /** Of `fromBlock` in the file. */
  readonly offset: number
}

/** For each block of the range, 1 when the temp file holds it. */
export function checkLarge(input: CheckLargeInput, { files }: JobWorld): JobResult<Uint8Array> {
  const blocks = new BlockList(input.blocks)
  const good = new Uint8Array(input.toBlock - input.fromBlock)
  withTemporary(files, input, (file) => {
    let offset = input.offset
    for (let at = input.fromBlock; at < input.toBlock; at++) {
      const lengthBytes = blocks.lengthBytes(at)
      const plaintext = scratch(lengthBytes)
      if (file.read(plaintext, offset) === lengthBytes && isKeyOf(input.sealKey, plaintext, blocks.key(at))) good[at - input.fromBlock] = 1
      offset += lengthBytes
    }
  })
  return { output: good, transfer: [good.buffer] }
}

export interface FillPiece {
  readonly at: number
  readonly offset: number
  readonly origin: BlockOrigin
}

export interface FillLargeInput {
  readonly root: string
  readonly temporary: string
  readonly sealKey: Uint8Array
  readonly blocks: Uint8Array
  readonly pieces: readonly FillPiece[]
  readonly sealed: Uint8Array
}

/** Writes checked blocks to their places; gives the places whose origin did not hold the block. Throws FilesError. */
export function fillLarge(input: FillLargeInput, { files }: JobWorld): JobResult<readonly number[]> {
  const blocks = new BlockList(input.blocks)
  const bad: number[] = []
  const opener = new RangeOpener(files, input.root)
  try {
    withTemporary(files, input, (file) => {
      for (const piece of input.pieces) {
        const plaintext = scratch(blocks.lengthBytes(piece.at))
        if (openBlockAt(plaintext, 0, blocks, piece.at, piece.origin, input, opener)) writeUnlessHole(file, plaintext, piece.offset)
        else bad.push(piece.at)
      }
    })
  } finally {
    opener.close()
  }
  return { output: bad }
}

/** Flushes the finished temp file and applies the operation. */
export async function finishLarge(
  input: { readonly root: string; readonly temporary: string; readonly operation: Operation; readonly names?: Platform | undefined },
  { files }: JobWorld,
): Promise<JobResult<Outcome>> {
  try {
    const file = files.open(temporaryPath(input.root, input.temporary), 'edit')
    try {
      await file.datasync()
    } finally {
      file.close()
    }
  } catch (error) {
    if (!(error instanceof FilesError)) throw error
    return { output: { kind: 'failed', fault: error.fault, detail: error.message } }
  }
  const [outcome] = await applyOperations(files, input.root, [input.operation], input.names)
  return { output: outcome ?? { kind: 'differs' } }
}

/** The names of the folder's large temp files. Throws FilesError. */
export function listLarge(input: { readonly root: string }, { files }: JobWorld): JobResult<readonly string[]> {
  const found = files.readDirectory(`${input.root}/${folderDirectoryName}/${temporaryDirectoryName}`)
  return { output: found.map(({ name }) => name).filter((name) => name.startsWith(largeTemporaryPrefix)) }
}

/** Removes temp files that are of no more use. */
export function dropTemporaries(
  input: { readonly root: string; readonly names: readonly string[] },
  { files }: JobWorld,
): JobResult<undefined> {
  for (const name of input.names) {
    const path = temporaryPath(input.root, name)
    if (files.lstat(path)?.kind === 'file') files.unlink(path)
  }
  return { output: undefined }
}

function temporaryPath(root: string, name: string): string {
  return `${root}/${folderDirectoryName}/${temporaryDirectoryName}/${name}`
}

let scratchBuffer = new Uint8Array(0)

function scratch(bytes: number): Uint8Array {
  if (scratchBuffer.length < bytes) scratchBuffer = new Uint8Array(bytes)
  return scratchBuffer.subarray(0, bytes)
}

/** The temp file of a large file, to be written into. Throws FilesError. */
export function openLargeTemporary(files: Files, input: { readonly root: string; readonly temporary: string }): OpenFile {
  return files.open(temporaryPath(input.root, input.temporary), 'edit')
}

/** Writes the bytes, but leaves a hole a hole where they are zeros: a sparse file arrives as one. */
export function writeUnlessHole(file: OpenFile, bytes: Uint8Array, offset: number): void {
  if (isZeros(bytes)) {
    const there = new Uint8Array(bytes.length)
    if (file.read(there, offset) === bytes.length && isZeros(there)) return
  }
  file.write(bytes, offset)
}

function isZeros(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at++) if (bytes[at] !== 0) return false // a fifth of the time of every()
  return true
}

function withTemporary(files: Files, input: { readonly root: string; readonly temporary: string }, work: (file: OpenFile) => void): void {
  const file = openLargeTemporary(files, input)
  try {
    work(file)
  } finally {
    file.close()
  }
}
