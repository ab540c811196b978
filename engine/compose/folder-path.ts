// A path inside a folder as a person gives it: relative to the folder, or the path on this machine.

import { EngineError } from '../base/errors.ts'
import { parseRelativePath, type RelativePath } from '../model/path.ts'

/** Throws `BAD_PATH`. */
export function pathInFolder(folder: { readonly name: string; readonly path: string }, text: string): RelativePath {
  const inside = text.startsWith(`${folder.path}/`) ? text.slice(folder.path.length + 1) : text.replace(/^(\.\/)+/, '')
  const path = parseRelativePath(inside.replace(/\/+$/, ''))
  if (path !== undefined) return path
  throw new EngineError(
    'BAD_PATH',
    `${text} is not a path in ${folder.name}: give it as it is called in the folder, or below ${folder.path}`,
  )
}
