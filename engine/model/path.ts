// Paths inside a folder: relative, '/'-separated, parsed once at the edge. Whether a platform can hold a name is a separate
// question, asked when the entry is applied: a folder may hold names that one of its members cannot.

import { utf8 } from '../base/bytes.ts'
import { folderDirectoryName, nameBytesMax, pathBytesMax, pathDepthMax } from './limits.ts'

declare const brand: unique symbol

/** A path below the folder's root that is safe to join to it. Never empty. Made only by parseRelativePath and joinPath. */
export type RelativePath = string & { readonly [brand]: 'RelativePath' }

export type Platform = 'linux' | 'darwin' | 'win32'

/**
 * The path, or undefined when it is empty, absolute, too long or too deep, has an empty, `.` or `..` component, a NUL or an
 * unpaired surrogate, or lies in the folder's own directory. On Windows a backslash would separate, so there it is refused as well.
 */
export function parseRelativePath(text: string, platform: Platform = 'linux'): RelativePath | undefined {
  // UTF-8 never needs fewer bytes than UTF-16 units: the cheap bound comes before everything that reads the text.
  if (text.length === 0 || text.length > pathBytesMax) return undefined
  if (text.includes('\0') || !text.isWellFormed()) return undefined
  if (platform === 'win32' && (text.includes('\\') || /^[a-z]:/i.test(text))) return undefined
  if (utf8Length(text) > pathBytesMax) return undefined
  const names = text.split('/')
  if (names.length > pathDepthMax || !names.every(isName)) return undefined
  if (isFolderDirectory(names[0] ?? '')) return undefined
  return text as RelativePath
}

function isName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && utf8Length(name) <= nameBytesMax
}

/**
 * Whether some file system would open the folder's own directory under this name: by ignoring case or compatibility forms, by
 * ignoring invisible characters (HFS+), or as a short name (NTFS makes HOLDFA~1).
 */
export function isFolderDirectory(name: string): boolean {
  if (name.length > nameBytesMax) return false
  const folded = name.replace(invisible, '').normalize('NFKC').toLowerCase()
  return folded === folderDirectoryName || shortName.test(folded)
}

const invisible = /[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/g
const shortName = /^holdfa~\d+$/

function utf8Length(text: string): number {
  // Most names are ASCII: only others are worth an array.
  return /^[\0-\x7f]*$/.test(text) ? text.length : utf8(text).length
}

/** The form from which entry ids are made: NFC, so that macOS's and Linux's spelling of one name are one entry. */
export function normalisePath(path: RelativePath): RelativePath {
  return /^[\0-\x7f]*$/.test(path) ? path : (path.normalize('NFC') as RelativePath) // cast: NFC makes no separators
}

/** The directory that holds `path`; undefined = the root. */
export function parentOf(path: RelativePath): RelativePath | undefined {
  const at = path.lastIndexOf('/')
  return at < 0 ? undefined : (path.slice(0, at) as RelativePath) // cast: a beginning of a path, whole components
}

/** How many directories it is in. */
export function depthOf(path: string): number {
  return path.split('/').length - 1
}

export function baseNameOf(path: RelativePath): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** `name` inside `directory` (undefined = the root); undefined when the result is not a path (see parseRelativePath). */
export function joinPath(directory: RelativePath | undefined, name: string): RelativePath | undefined {
  if (name.includes('/')) return undefined
  return parseRelativePath(directory === undefined ? name : `${directory}/${name}`)
}

/** True when `path` lies below `directory` (undefined = the root, below which everything lies). */
export function isBelow(path: RelativePath, directory: RelativePath | undefined): boolean {
  return directory === undefined || (path.length > directory.length && path.startsWith(directory) && path[directory.length] === '/')
}

const windowsReservedNames = /^(con|prn|aux|nul|conin\$|conout\$|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])[ ]*(\.|$)/i
// oxlint-disable-next-line no-control-regex
const windowsForbidden = /[\x01-\x1f<>:"/\\|?*]/

/** Whether a file system of this platform takes `name` as it is, instead of refusing or quietly changing it. */
export function isNameAllowed(name: string, platform: Platform): boolean {
  if (platform !== 'win32') return true
  return !windowsForbidden.test(name) && !windowsReservedNames.test(name) && !/[. ]$/.test(name)
}
