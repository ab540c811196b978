// Worker job that reads files again whose looks have not changed, and says which do not hold what was recorded of them.

import { FilesError, type Files } from '../base/files.ts'
import type { JobResult, JobWorld } from '../base/jobs.ts'
import { matches } from '../disk/folder-disk.ts'
import type { Expected } from '../disk/operations.ts'
import { absolutePath, DirectoryChecks } from '../disk/parents.ts'
import { BlockList } from '../model/block-list.ts'
import { parentOf, type RelativePath } from '../model/path.ts'
import { isKeyOf } from './publish-job.ts'

/** A run of a file's blocks. */
export interface VerifyTask {
  readonly path: RelativePath
  readonly expected: Expected
  /** The packed list of all its blocks, and which of them are to be read. */
  readonly blocks: Uint8Array
  readonly fromBlock: number
  readonly toBlock: number
  /** Where the first of them begins. */
  readonly offset: number
}

export interface VerifyInput {
  readonly root: string
  readonly sealKey: Uint8Array
  readonly tasks: readonly VerifyTask[]
}

export type VerifyFinding =
  | 'good'
  /** It looks as it did, and its bytes are others. */
  | 'rotten'
  /** It does not look as it did: a matter for the scan. */
  | 'changed'
  | 'unreadable'

/** One finding a task, in their order. */
export function verifyFiles(input: VerifyInput, { files }: JobWorld): JobResult<readonly VerifyFinding[]> {
  const checks = new DirectoryChecks(files, input.root)
  const findings = input.tasks.map((task) => {
    try {
      if (checks.check(parentOf(task.path) ?? '') !== 'ok') return 'changed'
      return verifyOne(files, absolutePath(input.root, task.path), task, input.sealKey)
    } catch (error) {
      if (!(error instanceof FilesError)) throw error
      return error.fault === 'missing' || error.fault === 'symlink' ? 'changed' : 'unreadable'
    }
  })
  return { output: findings }
}

function verifyOne(files: Files, absolute: string, task: VerifyTask, sealKey: Uint8Array): VerifyFinding {
  const file = files.open(absolute, 'read')
  try {
    if (!matches(file.stat(), task.expected)) return 'changed'
    const blocks = new BlockList(task.blocks)
    let isGood = true
    let { offset } = task
    for (let at = task.fromBlock; at < task.toBlock && isGood; at++) {
      const plaintext = new Uint8Array(blocks.lengthBytes(at))
      isGood = file.read(plaintext, offset) === plaintext.length && isKeyOf(sealKey, plaintext, blocks.key(at))
      offset += plaintext.length
    }
    // Looked at again after reading: an edit of this moment is an edit.
    if (!matches(file.stat(), task.expected) || !matches(files.lstat(absolute), task.expected)) return 'changed'
    return isGood ? 'good' : 'rotten'
  } finally {
    file.close()
  }
}
