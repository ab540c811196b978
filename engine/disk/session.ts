// Worker jobs for the folder's session file: a number that index and folder both know, new each time the folder's work begins. Where
// they differ, one of them came back from a backup.

import { FilesError, type Files } from '../base/files.ts'
import { fromUtf8, utf8 } from '../base/bytes.ts'
import type { JobResult, JobWorld } from '../base/jobs.ts'
import { temporaryDirectory } from './folder-disk.ts'
import { folderDirectoryName, sessionName } from './limits.ts'

const schema = 1
const bytesMax = 4096

export interface SessionMark {
  /** How many there were before. */
  readonly count: number
  readonly nonce: string
}

/** The file itself: a copy was made at another time. */
export interface SessionPlace {
  readonly ctimeUs: number
}

/** The file as it was written: a bit that changes leaves inode and time alone, a restored file has others. */
export interface SessionFile extends SessionPlace {
  readonly inode: number
  readonly mtimeUs: number
}

export interface FoundSession extends SessionPlace {
  readonly mark: SessionMark
}

/** undefined when there is none that can be understood. What is given is durable: no power cut brings an earlier one back. Throws FilesError. */
export async function readSession(input: { readonly root: string }, { files }: JobWorld): Promise<JobResult<FoundSession | undefined>> {
  const directory = `${input.root}/${folderDirectoryName}`
  const path = `${directory}/${sessionName}`
  const stat = files.lstat(path)
  if (stat?.kind !== 'file') return { output: undefined }
  const mark = parseMark(readText(files, path))
  if (mark === undefined) return { output: undefined }
  await files.syncDirectory(directory)
  return { output: { mark, ctimeUs: stat.ctimeUs } }
}

/** Durable when it resolves. Throws FilesError. */
export async function writeSession(
  input: { readonly root: string; readonly mark: SessionMark },
  { files }: JobWorld,
): Promise<JobResult<SessionFile>> {
  const directory = `${input.root}/${folderDirectoryName}`
  const temporary = `${input.root}/${temporaryDirectory}/${sessionName}`
  if (files.lstat(temporary) !== undefined) files.unlink(temporary)
  const file = files.open(temporary, 'create')
  try {
    file.write(utf8(`${JSON.stringify({ schema, ...input.mark })}\n`), 0)
    await file.datasync()
  } finally {
    file.close()
  }
  const path = `${directory}/${sessionName}`
  files.rename(temporary, path)
  await files.syncDirectory(directory)
  const stat = files.lstat(path)
  if (stat === undefined) throw new FilesError('missing', 'write', path, 'it is gone again')
  return { output: { ctimeUs: stat.ctimeUs, inode: stat.inode, mtimeUs: stat.mtimeUs } }
}

/** Whether another file has taken the place of the one that was written. Throws FilesError. */
export function isSessionReplaced(files: Pick<Files, 'lstat'>, root: string, written: SessionFile): boolean {
  const stat = files.lstat(`${root}/${folderDirectoryName}/${sessionName}`)
  if (stat === undefined) return true
  return stat.ctimeUs !== written.ctimeUs && (stat.inode !== written.inode || stat.mtimeUs !== written.mtimeUs)
}

function readText(files: Files, path: string): string {
  const file = files.open(path, 'read')
  try {
    const bytes = new Uint8Array(bytesMax)
    return fromUtf8(bytes.subarray(0, file.read(bytes, 0))) ?? ''
  } finally {
    file.close()
  }
}

function parseMark(text: string): SessionMark | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || !('schema' in value) || value.schema !== schema) return undefined
    if (!('count' in value) || typeof value.count !== 'number' || !('nonce' in value) || typeof value.nonce !== 'string') return undefined
    return { count: value.count, nonce: value.nonce }
  } catch {
    return undefined // torn or foreign: as good as none
  }
}
