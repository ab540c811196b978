// Worker job that puts a batch of small files and other changes on disk: opens the sealed blocks, writes temp files, flushes
// them together, then applies all operations in order.

import { assert } from '../base/assert.ts'
import { concatBytes } from '../base/bytes.ts'
import { EngineError } from '../base/errors.ts'
import { FilesError, type Files } from '../base/files.ts'
import type { JobResult, JobWorld } from '../base/jobs.ts'
import { blockKeyOf, openBlockInto } from '../crypto/seal.ts'
import { applyOperations } from '../disk/apply.ts'
import { temporaryDirectory } from '../disk/folder-disk.ts'
import type { Operation, Outcome } from '../disk/operations.ts'
import { writeTemporaries, type Temporary } from '../disk/temporaries.ts'
import type { Platform } from '../model/path.ts'
import { BlockList } from '../model/block-list.ts'
import { RangeOpener } from '../transfer/seal-ranges-job.ts'

/** Where the bytes of one block come from. */
export type BlockOrigin =
  /** Sealed, in the input's buffer. */
  | { readonly kind: 'sealed'; readonly from: number; readonly to: number }
  /** In the clear, in another file of the folder. */
  | { readonly kind: 'local'; readonly path: string; readonly offset: number }

export interface PublishTask {
  readonly operation: Operation
  /** For a file: its packed block list, and an origin for each block. */
  readonly blocks: Uint8Array
  readonly origins: readonly BlockOrigin[]
}

export interface PublishInput {
  readonly root: string
  readonly sealKey: Uint8Array
  readonly tasks: readonly PublishTask[]
  readonly sealed: Uint8Array
  readonly names?: Platform | undefined
}

export type PublishOutcome =
  | Outcome
  /** These blocks are not what their ids say: whoever sent them, or the local file that was said to hold them, is to be doubted. */
  | { readonly kind: 'badBlocks'; readonly places: readonly number[] }

export async function publishBatch(input: PublishInput, { files }: JobWorld): Promise<JobResult<readonly PublishOutcome[]>> {
  const outcomes: (PublishOutcome | undefined)[] = []
  const temporaries: Temporary[] = []
  const temporaryPlaces: number[] = []
  const opener = new RangeOpener(files, input.root)
  try {
    for (const [at, task] of input.tasks.entries()) {
      if (task.operation.kind !== 'file') continue
      const opened = openContent(task, input, opener)
      if (opened.kind === 'badBlocks') outcomes[at] = opened
      else {
        const { temporary: name, mode, mtimeUs } = task.operation
        temporaries.push({ name, bytes: opened.parts, mode, mtimeUs })
        temporaryPlaces.push(at)
      }
    }
  } finally {
    opener.close()
  }
  const written = await writeTemporaries(files, input.root, temporaries)
  written.forEach((outcome, index) => {
    const at = temporaryPlaces[index]
    if (outcome.kind === 'failed' && at !== undefined) outcomes[at] = outcome
  })
  const open = input.tasks.flatMap((task, at) => (outcomes[at] === undefined ? [{ at, operation: task.operation }] : []))
  const applied = await applyOperations(
    files,
    input.root,
    open.map(({ operation }) => operation),
    input.names,
  )
  open.forEach(({ at }, index) => (outcomes[at] = applied[index]))
  dropUnused(input, outcomes, files)
  return { output: outcomes.map((outcome) => complete(outcome)) }
}

/** A temp file whose change did not come about is of no more use: the next attempt writes its own. */
function dropUnused(input: PublishInput, outcomes: readonly (PublishOutcome | undefined)[], files: Files): void {
  for (const [at, { operation }] of input.tasks.entries()) {
    if (operation.kind !== 'file' || outcomes[at]?.kind === 'done') continue
    const path = `${input.root}/${temporaryDirectory}/${operation.temporary}`
    try {
      files.unlink(path)
    } catch (error) {
      if (!(error instanceof FilesError)) throw error // never written, or cleared at the next start
    }
  }
}

function complete(outcome: PublishOutcome | undefined): PublishOutcome {
  assert(outcome !== undefined, 'every task has an outcome')
  return outcome
}

type OpenedContent =
  | { readonly kind: 'opened'; readonly parts: readonly Uint8Array[] }
  | { readonly kind: 'badBlocks'; readonly places: readonly number[] }

function openContent(task: PublishTask, input: PublishInput, opener: RangeOpener): OpenedContent {
  const blocks = new BlockList(task.blocks)
  const content = new Uint8Array(blocks.totalBytes())
  const bad: number[] = []
  let offset = 0
  for (const [at, origin] of task.origins.entries()) {
    if (!openBlockAt(content, offset, blocks, at, origin, input, opener)) bad.push(at)
    offset += blocks.lengthBytes(at)
  }
  return bad.length > 0 ? { kind: 'badBlocks', places: bad } : { kind: 'opened', parts: [content] }
}

/** Puts the plaintext of one block into `target`, checked; false when its origin does not hold it. */
export function openBlockAt(
  target: Uint8Array,
  offset: number,
  blocks: BlockList,
  at: number,
  origin: BlockOrigin,
  input: { readonly sealKey: Uint8Array; readonly sealed: Uint8Array },
  opener: RangeOpener,
): boolean {
  const lengthBytes = blocks.lengthBytes(at)
  if (origin.kind === 'local') {
    const plaintext = opener.read({ path: origin.path, offset: origin.offset, lengthBytes })
    if (plaintext === undefined || !isKeyOf(input.sealKey, plaintext, blocks.key(at))) return false
    target.set(plaintext, offset)
    return true
  }
  try {
    openBlockInto(target, offset, blocks.id(at), blocks.key(at), input.sealed.subarray(origin.from, origin.to), input.sealKey)
    return true
  } catch (error) {
    if (error instanceof EngineError && error.code === 'BAD_BLOCK') return false
    throw error
  }
}

export function isKeyOf(sealKey: Uint8Array, plaintext: Uint8Array, key: Uint8Array): boolean {
  const made = blockKeyOf(sealKey, plaintext)
  return made.every((byte, at) => byte === key[at])
}

/** One buffer for a job, and where each piece lies in it. */
export function packSealed(pieces: readonly Uint8Array[]): {
  readonly sealed: Uint8Array<ArrayBuffer>
  readonly origins: readonly BlockOrigin[]
} {
  let at = 0
  const origins = pieces.map((piece): BlockOrigin => ({ kind: 'sealed', from: at, to: (at += piece.length) }))
  return { sealed: concatBytes(pieces), origins }
}
