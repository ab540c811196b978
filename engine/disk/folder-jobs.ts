// Worker jobs around a folder's own directory: is this the folder, make it one, tidy it up.

import { FilesError } from '../base/files.ts'
import type { JobResult, JobWorld } from '../base/jobs.ts'
import type { Platform } from '../model/path.ts'
import { replacedDirectory } from './folder-disk.ts'
import { probeNameRules } from './names.ts'
import { isSessionReplaced, type SessionFile } from './session.ts'
import { checkRoot, clearTemporaries, prepareFolder, writeMarker, type Marker, type RootState } from './marker.ts'

/** `session`: what the folder's work began with. */
export function inspectRoot(
  input: { readonly root: string; readonly folder: string; readonly session?: SessionFile | undefined },
  { files }: JobWorld,
): JobResult<RootState> {
  const { root, folder, session } = input
  const state = checkRoot(files, root, folder)
  if (state !== 'ok' || session === undefined) return { output: state }
  try {
    return { output: isSessionReplaced(files, root, session) ? 'replaced' : 'ok' }
  } catch (error) {
    if (error instanceof FilesError) return { output: 'unreadable' }
    throw error
  }
}

/** Makes the directory a folder: .holdfast with its marker. Throws FilesError. */
export async function establishRoot(
  input: { readonly root: string; readonly marker: Marker },
  { files }: JobWorld,
): Promise<JobResult<undefined>> {
  await prepareFolder(files, input.root)
  await writeMarker(files, input.root, input.marker)
  return { output: undefined }
}

/** Makes sure of the folder's own directories and clears what a crash left. Gives whose rules for names the drive has. Throws FilesError. */
export async function tidyRoot(
  input: { readonly root: string; readonly keptPrefix: string },
  { files }: JobWorld,
): Promise<JobResult<Platform>> {
  await prepareFolder(files, input.root)
  clearTemporaries(files, input.root, input.keptPrefix)
  return { output: probeNameRules(files, input.root) }
}

/** What is at a path a person names for a folder. */
export type PlaceState = 'directory' | 'missing' | 'parentMissing' | 'notDirectory' | 'notWritable'

/** Looks at a place for a folder: can it be one? `realPath` has every symlink resolved. */
export async function inspectPlace(
  input: { readonly path: string },
  { files }: JobWorld,
): Promise<JobResult<{ readonly state: PlaceState; readonly realPath: string }>> {
  const { path } = input
  try {
    const stat = files.lstat(path)
    if (stat === undefined) {
      const parent = path.slice(0, Math.max(1, path.lastIndexOf('/')))
      const realParent = files.realPath(parent)
      if (files.lstat(realParent)?.kind !== 'directory') return { output: { state: 'parentMissing', realPath: path } }
      const realPath = `${realParent === '/' ? '' : realParent}/${path.slice(path.lastIndexOf('/') + 1)}`
      // Found out now, before a link is used up for a place that cannot be made.
      return { output: { state: isWritable(files, realParent) ? 'missing' : 'notWritable', realPath } }
    }
    const realPath = files.realPath(path)
    if (files.lstat(realPath)?.kind !== 'directory') return { output: { state: 'notDirectory', realPath } }
    return { output: { state: isWritable(files, realPath) ? 'directory' : 'notWritable', realPath } }
  } catch (error) {
    if (!(error instanceof FilesError)) throw error
    if (error.fault === 'missing') return { output: { state: 'parentMissing', realPath: path } }
    if (error.fault === 'notDirectory') return { output: { state: 'notDirectory', realPath: path } }
    return { output: { state: 'notWritable', realPath: path } }
  }
}

const probeName = '.holdfast-probe'

/** Permission bits do not tell (root, read-only mounts, ACLs): making something does. */
function isWritable(files: JobWorld['files'], path: string): boolean {
  try {
    files.makeDirectory(`${path}/${probeName}`, 0o700)
  } catch (error) {
    return error instanceof FilesError && error.fault === 'exists'
  }
  files.removeDirectory(`${path}/${probeName}`)
  return true
}

export function makePlace(input: { readonly path: string }, { files }: JobWorld): JobResult<undefined> {
  files.makeDirectory(input.path, 0o755)
  return { output: undefined }
}

/**
 * Gives a parked file whose content nobody else has a name among the person's files; `false` when the name is taken.
 * Throws FilesError.
 */
export function unpark(
  input: { readonly root: string; readonly parked: string; readonly path: string },
  { files }: JobWorld,
): JobResult<boolean> {
  const from = `${input.root}/${replacedDirectory}/${input.parked}`
  try {
    files.link(from, `${input.root}/${input.path}`)
  } catch (error) {
    if (error instanceof FilesError && error.fault === 'exists') return { output: false }
    throw error
  }
  files.unlink(from)
  return { output: true }
}
