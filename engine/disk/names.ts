// Whose rules for names a drive has, tried out on the drive: one with the rules of Windows may be mounted anywhere.

import { FilesError, type Files } from '../base/files.ts'
import type { Platform } from '../model/path.ts'
import { temporaryDirectory } from './folder-disk.ts'
import { absolutePath } from './parents.ts'

const probeName = 'probe:name'

/** Whose rules for names the file system below the folder has: one that does not hold a colon has those of Windows. */
export function probeNameRules(files: Files, root: string): Platform {
  const directory = absolutePath(root, temporaryDirectory)
  const path = `${directory}/${probeName}`
  try {
    files.open(path, 'create').close()
  } catch (error) {
    if (!(error instanceof FilesError)) throw error
    if (error.fault !== 'exists') return error.fault === 'unsupported' ? 'win32' : 'linux'
  }
  // Windows makes a stream of another file from it, and shows that file.
  const isHeld = files.readDirectory(directory).some((item) => item.name === probeName)
  for (const name of [probeName, ...(isHeld ? [] : [probeName.slice(0, probeName.indexOf(':'))])]) {
    try {
      files.unlink(`${directory}/${name}`)
    } catch (error) {
      if (!(error instanceof FilesError)) throw error // cleared at the next start
    }
  }
  return isHeld ? 'linux' : 'win32'
}
