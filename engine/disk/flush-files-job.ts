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

export interface FlushFilesOutput {
  /** Those of the paths that are not known to be on the device; what is gone or may not be opened is not among them. */
  readonly failed: readonly RelativePath[]
  /** Why; undefined when there are none. */
  readonly error: string | undefined
}

const flushesMax = 64

export async function flushFiles({ root, paths }: FlushFilesInput, { files }: JobWorld): Promise<JobResult<FlushFilesOutput>> {
  const checks = new DirectoryChecks(files, root)
  const sound = new Set([...directoriesOf(paths)].filter((directory) => checks.check(directory) === 'ok'))
  const failed = new Set<RelativePath>()
  const broken = new Set<string>()
  let error: string | undefined
  let next = 0
  const work = async (): Promise<void> => {
    for (let path = paths[next++]; path !== undefined; path = paths[next++]) {
      if (!sound.has(directoryOf(path))) continue
      const failure = await flushOne(files, absolutePath(root, path))
      if (failure !== undefined) failed.add(path)
      error ??= failure
    }
  }
  await Promise.all(Array.from({ length: Math.min(flushesMax, paths.length) }, work))
  for (const directory of sound) {
    const failure = await attempt(() => files.syncDirectory(absolutePath(root, directory)))
    if (failure !== undefined) broken.add(directory)
    error ??= failure
  }
  if (broken.size > 0) for (const path of paths) if (directoriesOf([path]).intersection(broken).size > 0) failed.add(path)
  return { output: { failed: [...failed], error } }
}

function directoryOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}

/** All on the way to the paths, the root among them. */
function directoriesOf(paths: readonly string[]): ReadonlySet<string> {
  const directories = new Set([''])
  for (const path of paths) {
    for (let parent = directoryOf(path); !directories.has(parent); parent = directoryOf(parent)) directories.add(parent)
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
