// Writing many small finished files into .holdfast/temp at once: the flush of each waits for the device, so many wait together.

import { FilesError } from '../base/files.ts'
import type { Files, FilesFault, OpenFile } from '../base/files.ts'
import { FolderDisk, succeedsUnless } from './folder-disk.ts'

export interface Temporary {
  /** A plain name in .holdfast/temp; what a crash left there under it is replaced. */
  readonly name: string
  /** The content, in order. */
  readonly bytes: readonly Uint8Array[]
  readonly mode: number
  /** Set before the flush, so that apply need not open the file again. */
  readonly mtimeUs?: number
}

export type TemporaryOutcome =
  | { readonly kind: 'ok' }
  /** No temp file is left under this name. */
  | { readonly kind: 'failed'; readonly fault: FilesFault; readonly detail: string }

/** Flushes in flight, and files open: as many as libuv's pool has threads when UV_THREADPOOL_SIZE is set as the launcher sets it. */
const flushesMax = 64

/** Writes and flushes each file; resolves when the content of all that are `ok` is on the device. Their names are not yet. */
export async function writeTemporaries(files: Files, root: string, list: readonly Temporary[]): Promise<readonly TemporaryOutcome[]> {
  const disk = new FolderDisk(files, root)
  if (!disk.isOwnDirectoryGood()) {
    return list.map(() => ({ kind: 'failed', fault: 'notDirectory', detail: "the folder's own .holdfast directory is not as it was made" }))
  }
  const outcomes: TemporaryOutcome[] = []
  let next = 0
  const work = async (): Promise<void> => {
    for (let at = next++; at < list.length; at = next++) {
      const temporary = list[at]
      if (temporary !== undefined) outcomes[at] = await writeOne(files, disk.temporary(temporary.name), temporary)
    }
  }
  await Promise.all(Array.from({ length: Math.min(flushesMax, list.length) }, work))
  return outcomes
}

async function writeOne(files: Files, path: string, temporary: Temporary): Promise<TemporaryOutcome> {
  let file: OpenFile | undefined
  try {
    file = createAnew(files, path)
    let offset = 0
    for (const part of temporary.bytes) {
      file.write(part, offset)
      offset += part.length
    }
    if (temporary.mtimeUs !== undefined) file.setMtime(temporary.mtimeUs)
    file.setMode(temporary.mode)
    await file.datasync()
    file.close()
    return { kind: 'ok' }
  } catch (error) {
    if (!(error instanceof FilesError)) throw error
    if (file !== undefined) discard(files, path, file)
    return { kind: 'failed', fault: error.fault, detail: error.message }
  }
}

function createAnew(files: Files, path: string): OpenFile {
  try {
    return files.open(path, 'create')
  } catch (error) {
    if (!(error instanceof FilesError) || error.fault !== 'exists') throw error
    files.unlink(path)
    return files.open(path, 'create')
  }
}

function discard(files: Files, path: string, file: OpenFile): void {
  try {
    file.close()
    succeedsUnless('missing', () => files.unlink(path))
  } catch (error) {
    // The trouble worth telling is the first; what stays behind in temp is cleared at the next start.
    if (!(error instanceof FilesError)) throw error
  }
}
