// The folder's own directory and the marker in it: the proof that this directory is the folder and not, say, the empty mount point
// of a drive that is not there.

import { EngineError } from '../base/errors.ts'
import { fromUtf8, utf8 } from '../base/bytes.ts'
import { FilesError } from '../base/files.ts'
import type { Files } from '../base/files.ts'
import { probeForms } from './exact-files.ts'
import { folderDirectoryName, markerName } from './limits.ts'
import { asidePrefix, replacedDirectory, temporaryDirectory } from './folder-disk.ts'

const markerSchema = 1
const markerBytesMax = 4096
const ownDirectoryMode = 0o700

export interface Marker {
  /** As folderIdText gives it. */
  readonly folder: string
  /** Wall clock, milliseconds since 1970; for people. */
  readonly createdMs: number
}

export type RootState =
  | 'ok'
  | 'rootMissing'
  /** The root is there without a marker: most likely something else is mounted, or nothing. */
  | 'markerMissing'
  /** The marker names another folder, or is of a newer version. */
  | 'markerForeign'
  | 'unreadable'
  /** It is this folder, and its own files are others than those that its work began with: they came from a backup or a copy. */
  | 'replaced'

/** Makes .holdfast with its directories, readable by the owner only; keeps what is there. Throws FilesError. */
export async function prepareFolder(files: Files, root: string): Promise<void> {
  for (const relative of [folderDirectoryName, temporaryDirectory, replacedDirectory]) {
    const path = `${root}/${relative}`
    const stat = files.lstat(path)
    if (stat === undefined) files.makeDirectory(path, ownDirectoryMode)
    else if (stat.kind !== 'directory')
      throw new FilesError('notDirectory', 'prepare', path, `there is a ${stat.kind} where a directory belongs`)
  }
  probeForms(files, root)
  await files.syncDirectory(`${root}/${folderDirectoryName}`)
  await files.syncDirectory(root)
}

/**
 * Removes what a crash left among the temp files, except those that start with `keptPrefix`: large transfers go on where they
 * were. To be called before anything is written there.
 */
export function clearTemporaries(files: Files, root: string, keptPrefix?: string): void {
  const directory = `${root}/${temporaryDirectory}`
  if (files.lstat(directory)?.kind !== 'directory') return
  for (const item of files.readDirectory(directory)) {
    const path = `${directory}/${item.name}`
    if (item.kind === 'directory' || !item.isValidName) continue
    if (keptPrefix !== undefined && item.name.startsWith(keptPrefix)) continue
    // Put aside by a move that never ended: the only name of a file may be a person's.
    if (item.name.startsWith(asidePrefix) && files.lstat(path)?.links === 1) files.rename(path, `${root}/${replacedDirectory}/${item.name}`)
    else files.unlink(path)
  }
}

/** Durable when it resolves. The folder must be prepared. Throws FilesError. */
export async function writeMarker(files: Files, root: string, marker: Marker): Promise<void> {
  const directory = `${root}/${folderDirectoryName}`
  const temporary = `${root}/${temporaryDirectory}/${markerName}`
  if (files.lstat(temporary) !== undefined) files.unlink(temporary)
  const file = files.open(temporary, 'create')
  try {
    const text = {
      schema: markerSchema,
      folder: marker.folder,
      createdMs: marker.createdMs,
      note: 'Holdfast keeps this folder. Do not delete.',
    }
    file.write(utf8(`${JSON.stringify(text)}\n`), 0)
    await file.datasync()
  } finally {
    file.close()
  }
  files.rename(temporary, `${directory}/${markerName}`)
  await files.syncDirectory(directory)
}

/**
 * undefined when there is none. Throws `VERSION_UNSUPPORTED` for a marker of a newer version, `STORE_CORRUPT` for one that cannot be
 * understood, FilesError when it cannot be read.
 */
export function readMarker(files: Files, root: string): Marker | undefined {
  const directory = `${root}/${folderDirectoryName}`
  const path = `${directory}/${markerName}`
  if (files.lstat(directory)?.kind !== 'directory' || files.lstat(path) === undefined) return undefined
  const file = files.open(path, 'read')
  try {
    const bytes = new Uint8Array(markerBytesMax)
    return parseMarker(path, fromUtf8(bytes.subarray(0, file.read(bytes, 0))))
  } finally {
    file.close()
  }
}

function parseMarker(path: string, text: string | undefined): Marker {
  const value = parseJson(text)
  if (typeof value === 'object' && value !== null && 'schema' in value) {
    if (typeof value.schema === 'number' && value.schema > markerSchema) {
      throw new EngineError('VERSION_UNSUPPORTED', `${path} was written by a newer Holdfast: update this one`)
    }
    if (value.schema === markerSchema && 'folder' in value && typeof value.folder === 'string') {
      const createdMs = 'createdMs' in value && typeof value.createdMs === 'number' ? value.createdMs : 0
      return { folder: value.folder, createdMs }
    }
  }
  throw new EngineError('STORE_CORRUPT', `${path} is damaged: restore it from a backup, or remove the folder here and join it again`)
}

function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '')
  } catch {
    return undefined // said by the caller, with the path
  }
}

/** Whether `root` is the folder with this id, before anything in it is believed or changed. */
export function checkRoot(files: Files, root: string, folderIdText: string): RootState {
  try {
    if (files.lstat(root)?.kind !== 'directory') return 'rootMissing'
    const marker = readMarker(files, root)
    if (marker === undefined) return 'markerMissing'
    return marker.folder === folderIdText ? 'ok' : 'markerForeign'
  } catch (error) {
    if (error instanceof EngineError && error.code === 'VERSION_UNSUPPORTED') return 'markerForeign'
    if (error instanceof EngineError || error instanceof FilesError) return 'unreadable'
    throw error
  }
}
