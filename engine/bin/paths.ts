// From what a person typed to the absolute paths that the daemon wants. Pure.

import { EngineError } from '../base/errors.ts'
import { posix, win32 } from 'node:path'
import type { Environment } from '../platform/home.ts'

export interface PathWorld {
  readonly platform: NodeJS.Platform
  readonly workingDirectory: string
  readonly homeDirectory: string
}

/** `~` and `~/x` (a shell leaves them alone inside quotes and after `=`), then relative to the working directory. */
export function absolutePath(typed: string, { platform, workingDirectory, homeDirectory }: PathWorld): string {
  if (typed === '') throw new EngineError('BAD_ARGUMENT', 'the path is empty: name a directory (was a variable not set?)')
  const path = platform === 'win32' ? win32 : posix
  const isHome = typed === '~' || typed.startsWith('~/') || (platform === 'win32' && typed.startsWith('~\\'))
  const resolved = path.resolve(workingDirectory, isHome ? path.join(homeDirectory, typed.slice(1)) : typed)
  return platform === 'win32' ? resolved.replaceAll('\\', '/') : resolved
}

/** A FOLDER as the daemon resolves it: names and id prefixes as they are, what looks like a path made absolute. */
export function folderArgument(typed: string, world: PathWorld): string {
  const isPath = /^(?:\.{1,2}|~)$/.test(typed) || typed.includes('/') || (world.platform === 'win32' && /[\\:]/.test(typed))
  return isPath ? absolutePath(typed, world) : typed
}

/** A path in a folder: as typed, from the folder's root; made absolute when it says where it starts. */
export function pathArgument(typed: string, world: PathWorld): string {
  const path = world.platform === 'win32' ? win32 : posix
  const isPlaced = path.isAbsolute(typed) || /^(?:\.{1,2}|~)(?:[/\\]|$)/.test(typed)
  return isPlaced ? absolutePath(typed, world) : world.platform === 'win32' ? typed.replaceAll('\\', '/') : typed
}

/** `npm run` changes to the package's directory and leaves the person's own in INIT_CWD. `checkout` is this program's package. */
export function workingDirectoryOf(env: Environment, platform: NodeJS.Platform, processDirectory: string, checkout: string): string {
  const path = platform === 'win32' ? win32 : posix
  const isOurScript =
    env['npm_package_json'] !== undefined && path.resolve(path.dirname(env['npm_package_json'])) === path.resolve(checkout)
  return isOurScript && isLauncherScript(env) ? (env['INIT_CWD'] ?? processDirectory) : processDirectory
}

/** Whether `npm start` or `npm run holdfast` started this process. */
export function isLauncherScript(env: Environment): boolean {
  return env['npm_lifecycle_event'] === 'holdfast' || env['npm_lifecycle_event'] === 'start'
}
