// What the codes of the operating system mean in the words of base/files.ts.

import { lstatSync } from 'node:fs'

import { messageOf } from '../base/errors.ts'
import { FilesError } from '../base/files.ts'
import type { FilesFault } from '../base/files.ts'

const faultOf: ReadonlyMap<string, FilesFault> = new Map<string, FilesFault>([
  ['ENOENT', 'missing'],
  ['EEXIST', 'exists'],
  ['ENOTEMPTY', 'exists'],
  ['EACCES', 'denied'],
  ['EPERM', 'denied'],
  ['EROFS', 'denied'],
  ['ENOSPC', 'noSpace'],
  ['EDQUOT', 'noSpace'],
  ['ENOTDIR', 'notDirectory'],
  ['EISDIR', 'isDirectory'],
  ['ELOOP', 'symlink'],
  ['EMLINK', 'unsupported'],
  ['ENAMETOOLONG', 'nameTooLong'],
  ['EBUSY', 'busy'],
  ['ETXTBSY', 'busy'],
  ['EXDEV', 'crossDevice'],
  ['EIO', 'io'],
  ['ENOSYS', 'unsupported'],
  ['ENOTSUP', 'unsupported'],
  ['EOPNOTSUPP', 'unsupported'],
  ['EINVAL', 'unsupported'],
])

/** The FilesError for whatever `operation` on `path` threw; one that is one already passes through. */
export function filesErrorOf(error: unknown, operation: string, path: string): FilesError {
  if (error instanceof FilesError) return error
  const code = systemCodeOf(error)
  return new FilesError(refine(code, path), operation, path, code ?? messageOf(error))
}

/** As above for link(2), where EPERM and a full link count mean that this file system (or this file) takes no further name. */
export function linkErrorOf(error: unknown, to: string): FilesError {
  const code = systemCodeOf(error)
  if (code === 'EPERM') return new FilesError('unsupported', 'link', to, code)
  return filesErrorOf(error, 'link', to)
}

function refine(code: string | undefined, path: string): FilesFault {
  switch (code) {
    case undefined:
      return 'other'
    case 'ENOTDIR': // also said when a parent is not a directory: then the path itself is what is missing
      return kindAt(path) === undefined ? 'missing' : 'notDirectory'
    case 'EPERM': // macOS's answer to unlink of a directory
      return kindAt(path) === 'directory' && process.platform === 'darwin' ? 'isDirectory' : 'denied'
    default:
      return faultOf.get(code) ?? 'other'
  }
}

function kindAt(path: string): 'directory' | 'else' | undefined {
  try {
    return lstatSync(path).isDirectory() ? 'directory' : 'else'
  } catch {
    return undefined // any trouble here is the trouble already being reported
  }
}

function systemCodeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
