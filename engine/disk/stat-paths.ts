// A job that looks at named paths: what hints of a watcher are checked with before anything is read.

import { FilesError, type FileStat } from '../base/files.ts'
import type { JobResult, JobWorld } from '../base/jobs.ts'
import { normalisePath, type RelativePath } from '../model/path.ts'
import { DirectoryChecks, absolutePath } from './parents.ts'

export interface StatPathsInput {
  readonly root: string
  readonly paths: readonly RelativePath[]
}

/** `path`: how the folder spells it, where the drive takes several forms for one name. */
export type PathFinding = (
  | { readonly kind: 'present'; readonly stat: FileStat }
  /** Nothing is there, or a directory on the way is a symlink or no directory: for the folder it is not there. */
  | { readonly kind: 'missing' }
  /** It could not be looked at: unknown, not deleted. */
  | { readonly kind: 'unknown'; readonly detail: string }
) & { readonly path?: RelativePath }

/** One finding a path, in their order. */
export function statPaths(input: StatPathsInput, { files, folding }: JobWorld): JobResult<readonly PathFinding[]> {
  const checks = new DirectoryChecks(files, input.root)
  const isFormFolded = folding?.isFormFolded === true
  return {
    output: input.paths.map((hinted) => {
      const path = isFormFolded ? normalisePath(hinted) : hinted
      return path === hinted ? findPath(path) : { ...findPath(path), path }
    }),
  }

  function findPath(path: RelativePath): PathFinding {
    try {
      if (checks.check(path.slice(0, Math.max(0, path.lastIndexOf('/')))) !== 'ok') return { kind: 'missing' }
      const stat = files.lstat(absolutePath(input.root, path))
      return stat === undefined ? { kind: 'missing' } : { kind: 'present', stat }
    } catch (error) {
      if (!(error instanceof FilesError)) throw error
      return error.fault === 'missing' || error.fault === 'notDirectory' ? { kind: 'missing' } : { kind: 'unknown', detail: error.message }
    }
  }
}
