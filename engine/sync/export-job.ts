// Worker jobs that write past states to a place outside of what is synced: nothing that is there already is touched.

import { FilesError, type Files, type OpenFile } from '../base/files.ts'
import type { JobResult, JobWorld } from '../base/jobs.ts'
import { BlockList } from '../model/block-list.ts'
import { RangeOpener } from '../transfer/seal-ranges-job.ts'
import { openBlockAt, type BlockOrigin } from './publish-job.ts'

export type PlaceForExport = 'ready' | 'taken' | 'parentMissing'

const directoryMode = 0o755

/** Makes the directory, or takes it when it is there and empty. Throws FilesError. */
export function prepareExport(input: { readonly target: string }, { files }: JobWorld): JobResult<PlaceForExport> {
  const { target } = input
  const stat = files.lstat(target)
  if (stat !== undefined) {
    const isEmpty = stat.kind === 'directory' && files.readDirectory(target).length === 0
    return { output: isEmpty ? 'ready' : 'taken' }
  }
  try {
    files.makeDirectory(target, directoryMode)
  } catch (error) {
    if (error instanceof FilesError && error.fault === 'missing') return { output: 'parentMissing' }
    throw error
  }
  return { output: 'ready' }
}

/** Whether a file can be put at `path`: nothing is there, and its directory is. Throws FilesError. */
export function inspectExport(input: { readonly path: string }, { files }: JobWorld): JobResult<PlaceForExport> {
  const { path } = input
  try {
    const parent = files.lstat(files.realPath(path.slice(0, Math.max(1, path.lastIndexOf('/')))))
    if (parent?.kind !== 'directory') return { output: 'parentMissing' }
    return { output: files.lstat(path) === undefined ? 'ready' : 'taken' }
  } catch (error) {
    if (error instanceof FilesError && error.fault === 'missing') return { output: 'parentMissing' }
    throw error
  }
}

/** One block of one file. */
export interface ExportPiece {
  /** Below the target. */
  readonly path: string
  readonly offset: number
  /** A packed list of just this block. */
  readonly block: Uint8Array
  readonly origin: BlockOrigin
}

export interface ExportPiecesInput {
  /** Of the folder, where local origins are. */
  readonly root: string
  readonly target: string
  readonly sealKey: Uint8Array
  readonly sealed: Uint8Array
  readonly pieces: readonly ExportPiece[]
}

/** Gives the positions of pieces whose origin did not hold the block. Throws FilesError. */
export function exportPieces(input: ExportPiecesInput, { files }: JobWorld): JobResult<readonly number[]> {
  const bad: number[] = []
  const opener = new RangeOpener(files, input.root)
  let open: { readonly path: string; readonly file: OpenFile } | undefined
  try {
    for (const [at, piece] of input.pieces.entries()) {
      const blocks = new BlockList(piece.block)
      const content = new Uint8Array(blocks.lengthBytes(0))
      if (!openBlockAt(content, 0, blocks, 0, piece.origin, input, opener)) {
        bad.push(at)
        continue
      }
      if (open?.path !== piece.path) {
        open?.file.close()
        open = undefined
        open = { path: piece.path, file: openPiece(files, `${input.target}/${piece.path}`) }
      }
      open.file.write(content, piece.offset)
    }
  } finally {
    open?.file.close()
    opener.close()
  }
  return { output: bad }
}

function openPiece(files: Files, path: string): OpenFile {
  return files.lstat(path) === undefined ? files.open(path, 'create') : files.open(path, 'edit')
}

export interface FinishExportInput {
  readonly target: string
  /** In the order in which it is to be done. */
  readonly steps: readonly ExportStep[]
}

export type ExportStep =
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'symlink'; readonly path: string; readonly linkTarget: string }
  /** The file is complete (an empty one is made): it gets its attributes, is flushed, and gets its own name when it has another yet. */
  | { readonly kind: 'file'; readonly path: string; readonly mode: number; readonly mtimeUs: number; readonly finalPath?: string }
  | { readonly kind: 'mode'; readonly path: string; readonly mode: number }
  /** What was begun is not to be. */
  | { readonly kind: 'drop'; readonly path: string }

/** Gives the paths whose final name was taken. Throws FilesError. */
export async function finishExport(input: FinishExportInput, { files }: JobWorld): Promise<JobResult<readonly string[]>> {
  const taken: string[] = []
  for (const step of input.steps) {
    const path = `${input.target}/${step.path}`
    switch (step.kind) {
      case 'directory':
        files.makeDirectory(path, directoryMode)
        break
      case 'symlink':
        files.symlink(step.linkTarget, path)
        break
      case 'mode':
        await files.syncDirectory(path)
        files.setMode(path, step.mode)
        break
      case 'drop':
        if (files.lstat(path) !== undefined) files.unlink(path)
        break
      case 'file':
        await finishFile(files, path, step)
        if (step.finalPath !== undefined && !giveName(files, path, `${input.target}/${step.finalPath}`)) taken.push(step.finalPath)
    }
  }
  await files.syncDirectory(input.target)
  return { output: taken }
}

async function finishFile(files: Files, path: string, { mode, mtimeUs }: Extract<ExportStep, { kind: 'file' }>): Promise<void> {
  const file = openPiece(files, path)
  try {
    file.setMtime(mtimeUs)
    file.setMode(mode)
    await file.datasync()
  } finally {
    file.close()
  }
}

/** False when the name was taken meanwhile: the file is then dropped. */
function giveName(files: Files, path: string, finalPath: string): boolean {
  try {
    files.link(path, finalPath)
    files.unlink(path)
    return true
  } catch (error) {
    if (!(error instanceof FilesError)) throw error
    if (error.fault === 'unsupported' && files.lstat(finalPath) === undefined) {
      files.rename(path, finalPath)
      return true
    }
    files.unlink(path)
    if (error.fault === 'exists') return false
    throw error
  }
}
