// A job that waits until files that somebody else wrote are on the device, with their names: what a person saved is in the system's memory for a while.

import { FilesError } from '../base/files.ts'
import type { Files } from '../base/files.ts'
import type { JobResult, JobWorld } from '../base/jobs.ts'
import type { RelativePath } from '../model/path.ts'
import { absolutePath, DirectoryChecks } from './parents.ts'

export interface FlushFilesInput {
  readonly root: string
  readonly paths: readonly RelativePath[]
}

const flushesMax = 64

/** Gives what failed; undefined when all that is there and can be opened is on the device. */
export async function flushFiles({ root, paths }: FlushFilesInput, { files }: JobWorld): Promise<JobResult<string | undefined>> {
  const checks = new DirectoryChecks(files, root)
  const sound = new Set([...directoriesOf(paths)].filter((directory) => checks.check(directory) === 'ok'))
  let failed: string | undefined
  let next = 0
  const work = async (): Promise<void> => {
    for (let at = next++; at < paths.length; at = next++) {
      const path = paths[at] ?? ''
      if (!sound.has(parentOf(path))) continue
      failed = (await flushOne(files, absolutePath(root, path))) ?? failed
    }
  }
  await Promise.all(Array.from({ length: Math.min(flushesMax, paths.length) }, work))
  for (const directory of sound) failed = (await attempt(() => files.syncDirectory(absolutePath(root, directory)))) ?? failed
  return { output: failed }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}

/** All on the way to the paths, the root among them. */
function directoriesOf(paths: readonly string[]): ReadonlySet<string> {
  const directories = new Set([''])
  for (const path of paths) {
    for (let parent = parentOf(path); !directories.has(parent); parent = parentOf(parent)) directories.add(parent)
  }
  return directories
}

async function flushOne(files: Files, path: string): Promise<string | undefined> {
  return await attempt(async () => {
    const file = files.open(path, 'read')
    try {
      await file.datasync()
    } finally {
      file.close()
    }
  })
}

/** What is gone, became something else or may not be opened is looked at by the scan, not here. */
async function attempt(work: () => Promise<void>): Promise<string | undefined> {
  try {
    await work()
    return undefined
  } catch (error) {
    if (!(error instanceof FilesError)) throw error
    const isGone = ['missing', 'notDirectory', 'isDirectory', 'symlink', 'denied'].includes(error.fault)
    return isGone ? undefined : error.message
  }
}
