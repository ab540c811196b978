// Writes past states to another place: blocks from files of the folder, parked ones too, from the store, from members, a window at a time.

import type { Jobs } from '../base/jobs.ts'
import type { BlockList } from '../model/block-list.ts'
import type { exportPieces, ExportStep, finishExport } from './export-job.ts'
import { gatherBlocks, locateBlock, type BatchParts } from './pull-batch.ts'
import type { PathState } from './reconcile.ts'

export type ExportParts = Pick<BatchParts, 'index' | 'handle' | 'store' | 'fetcher'> & {
  readonly jobs: Jobs<{ readonly exportPieces: typeof exportPieces; readonly finishExport: typeof finishExport }>
}

/** A state, and where below the target it is to be. */
export interface ExportedState {
  readonly path: string
  readonly state: PathState
  /** The name that it gets when it is complete; absent = it has it from the start. */
  readonly finalPath?: string
}

export interface ExportReport {
  /** Those whose content could not be had: nothing of them is there. */
  readonly missing: readonly ExportedState[]
  /** Final names that were taken meanwhile. */
  readonly taken: readonly string[]
}

const windowBytes = 6 * 1024 * 1024
const windowPieces = 512
const stepsPerJob = 256

interface Piece {
  readonly file: ExportedState
  readonly at: number
  readonly offset: number
}

/** `target` is a directory that is there. Throws FilesError, and what the store throws. */
export async function exportStates(
  parts: ExportParts,
  target: string,
  states: readonly ExportedState[],
  signal: AbortSignal,
): Promise<ExportReport> {
  const ordered = states.toSorted((left, right) => (left.path < right.path ? -1 : 1))
  const of = (kind: PathState['kind']): readonly ExportedState[] => ordered.filter(({ state }) => state.kind === kind)
  const directories = of('directory')
  const made = directories.map(({ path }): ExportStep => ({ kind: 'directory', path }))
  await finish(parts, target, made, signal)
  const missing = new Set<ExportedState>()
  for (const window of windowsOf(of('file'))) {
    const left = await writeWindow(parts, target, window, false, signal)
    for (const { file } of left.length === 0 ? left : await writeWindow(parts, target, left, true, signal)) missing.add(file)
  }
  const steps: readonly ExportStep[] = [
    ...of('file').map((file) => fileStep(file, missing.has(file))),
    ...of('symlink').map(({ path, state }): ExportStep => ({ kind: 'symlink', path, linkTarget: state.linkTarget ?? '' })),
    // Last, and children first: bits may forbid writing.
    ...directories.toReversed().map(({ path, state }): ExportStep => ({ kind: 'mode', path, mode: state.mode })),
  ]
  return { missing: [...missing], taken: await finish(parts, target, steps, signal) }
}

function fileStep({ path, state, finalPath }: ExportedState, isMissing: boolean): ExportStep {
  if (isMissing) return { kind: 'drop', path }
  const { mode, mtimeUs } = state
  return { kind: 'file', path, mode, mtimeUs, ...(finalPath === undefined ? {} : { finalPath }) }
}

async function finish(
  { jobs }: ExportParts,
  target: string,
  steps: readonly ExportStep[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const taken: string[] = []
  for (let from = 0; from < steps.length; from += stepsPerJob) {
    taken.push(...(await jobs.run('finishExport', { target, steps: steps.slice(from, from + stepsPerJob) }, { signal })))
  }
  return taken
}

function* windowsOf(files: readonly ExportedState[]): Generator<readonly Piece[]> {
  let window: Piece[] = []
  let bytes = 0
  for (const file of files) {
    let offset = 0
    const { blocks } = file.state
    for (let at = 0; at < blocks.count; at++) {
      window.push({ file, at, offset })
      offset += blocks.lengthBytes(at)
      bytes += blocks.lengthBytes(at)
      if (bytes < windowBytes && window.length < windowPieces) continue
      yield window
      window = []
      bytes = 0
    }
  }
  if (window.length > 0) yield window
}

/** Gives the pieces that could not be written. */
async function writeWindow(
  parts: ExportParts,
  target: string,
  window: readonly Piece[],
  avoidLocal: boolean,
  signal: AbortSignal,
): Promise<readonly Piece[]> {
  const { handle, jobs } = parts
  const located = window.map(({ file, at }) => locateBlock(parts, file.state.blocks, at, avoidLocal))
  const gathered = await gatherBlocks(parts, located, signal)
  const left: Piece[] = []
  const written: Piece[] = []
  const pieces = window.flatMap((piece, index) => {
    const origin = gathered.origins[index]
    if (origin === undefined) left.push(piece)
    else written.push(piece)
    const { file, at, offset } = piece
    return origin === undefined ? [] : [{ path: file.path, offset, block: oneBlock(file.state.blocks, at), origin }]
  })
  const input = { root: handle.root, target, sealKey: handle.jobKeys.sealKey, sealed: gathered.sealed, pieces }
  const bad = await jobs.run('exportPieces', input, { signal, transfer: [gathered.sealed.buffer] })
  return [...left, ...bad.flatMap((at) => written[at] ?? [])]
}

function oneBlock(blocks: BlockList, at: number): Uint8Array {
  const packedBytes = blocks.bytes.length / blocks.count
  return blocks.bytes.slice(at * packedBytes, (at + 1) * packedBytes)
}
