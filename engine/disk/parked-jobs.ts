// Worker jobs on .holdfast/replaced: what lies there, and removing what is kept elsewhere by now.

import { FilesError } from '../base/files.ts'
import type { JobResult, JobWorld } from '../base/jobs.ts'
import { replacedDirectory } from './folder-disk.ts'

export interface ParkedFile {
  readonly name: string
  readonly inode: number
  readonly sizeBytes: number
  readonly mtimeUs: number
  /** When it was put there, or later. */
  readonly ctimeUs: number
}

/** Throws FilesError. */
export function listParked(input: { readonly root: string }, { files }: JobWorld): JobResult<readonly ParkedFile[]> {
  const directory = `${input.root}/${replacedDirectory}`
  const output: ParkedFile[] = []
  for (const { name, kind, isValidName } of files.readDirectory(directory)) {
    const stat = kind === 'file' && isValidName ? files.lstat(`${directory}/${name}`) : undefined
    if (stat?.kind !== 'file') continue
    const { inode, sizeBytes, mtimeUs, ctimeUs } = stat
    output.push({ name, inode, sizeBytes, mtimeUs, ctimeUs })
  }
  return { output }
}

/** Removes files of which nothing is needed any more; once it resolves they do not come back. */
export async function dropParked(
  input: { readonly root: string; readonly names: readonly string[] },
  { files }: JobWorld,
): Promise<JobResult<undefined>> {
  for (const name of input.names) {
    try {
      files.unlink(`${input.root}/${replacedDirectory}/${name}`)
    } catch (error) {
      // Gone already, or in the way of nothing: the next start looks through what has no row.
      if (!(error instanceof FilesError)) throw error
    }
  }
  await files.syncDirectory(`${input.root}/${replacedDirectory}`)
  return { output: undefined }
}
