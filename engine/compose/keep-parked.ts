// Somebody wrote to a file in the moment in which a newer version took its place: what they wrote gets a name beside it.

import type { Clock } from '../base/clock.ts'
import { utf8 } from '../base/bytes.ts'
import { messageOf } from '../base/errors.ts'
import type { Jobs } from '../base/jobs.ts'
import { blake3 } from '../crypto/hash.ts'
import type { unpark } from '../disk/folder-jobs.ts'
import type { RelativePath } from '../model/path.ts'
import { conflictPath } from '../sync/conflict-name.ts'
import type { FolderHandle } from '../sync/folder-handle.ts'
import type { FolderProblems } from '../sync/problems.ts'

export interface KeepParkedParts {
  readonly jobs: Jobs<{ readonly unpark: typeof unpark }>
  readonly clock: Clock
  readonly handle: FolderHandle
  readonly problems: FolderProblems
}

const namesTriedMax = 8
const microsecondsPerMillisecond = 1000

/**
 * Gives the file that is parked under `parked` a free conflict name beside `path`, and gives that name. Where it cannot be done the
 * file stays where it is, a problem says so, and the result is undefined. Never throws.
 */
export async function keepParked(
  parts: KeepParkedParts,
  path: RelativePath,
  parked: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { jobs, clock, handle, problems } = parts
  let trouble = 'no name beside it is free'
  try {
    for (let attempt = 0; attempt < namesTriedMax; attempt++) {
      const hash = blake3(utf8(`${parked}/${attempt}`)) // other letters in the name, the rest of it stays
      const beside = conflictPath(path, clock.nowMs() * microsecondsPerMillisecond, handle.authorId, hash)
      if (beside === undefined) {
        trouble = 'its path leaves no room for a longer name'
        break
      }
      if (await jobs.run('unpark', { root: handle.root, parked, path: beside }, { signal })) return beside
    }
  } catch (error) {
    trouble = messageOf(error)
  }
  problems.note({
    code: 'KEPT_ASIDE',
    severity: 'warning',
    path,
    text: `${path} was changed here while a newer version was put in its place; what was written last is in .holdfast/replaced/${parked} (${trouble})`,
    next: 'Take it from there.',
  })
  return undefined
}
