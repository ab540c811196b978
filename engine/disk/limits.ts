// The names of what Holdfast itself keeps in a folder. Bounds of paths are in model/limits.ts.

export { folderDirectoryName } from '../model/limits.ts'
/** In the folder's directory: says which folder this is. */
export const markerName = 'folder.json'
export const temporaryDirectoryName = 'temp'
export const replacedDirectoryName = 'replaced'
/** At the root of the folder, synced like any file. */
export const ignoreFileName = '.holdfastignore'
/** In the folder's directory: a number that the index knows too. */
export const sessionName = 'session.json'
