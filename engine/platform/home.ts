// The node's home directory: where it is by each platform's convention, what lies where in it, and who may enter.

import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, lstatSync, mkdirSync, readFileSync, readdirSync, realpathSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { homedir, tmpdir, userInfo } from 'node:os'
import { posix, win32 } from 'node:path'
import { EngineError, messageOf } from '../base/errors.ts'
import { folderDirectoryName } from '../model/limits.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** The home when nobody names one. `homeDirectory` is the person's. */
export function defaultHome(env: Environment, platform: NodeJS.Platform, homeDirectory: string = homedir()): string {
  if (platform === 'win32')
    return win32.join(
      absoluteOr(env['LOCALAPPDATA'], win32.join(homeDirectory, 'AppData', 'Local'), (path) => win32.isAbsolute(path)),
      'Holdfast',
    )
  if (platform === 'darwin') return posix.join(homeDirectory, 'Library', 'Application Support', 'Holdfast')
  return posix.join(
    absoluteOr(env['XDG_DATA_HOME'], posix.join(homeDirectory, '.local', 'share'), (path) => posix.isAbsolute(path)),
    'holdfast',
  )
}

/** The XDG specification says to ignore a relative path. */
function absoluteOr(given: string | undefined, otherwise: string, isAbsolute: (path: string) => boolean): string {
  return given !== undefined && isAbsolute(given) ? given : otherwise
}

export interface HomePaths {
  readonly database: string
  readonly lock: string
  readonly key: string
  readonly segments: string
  /** What a node whose blocks are in object storage knows of them. */
  readonly bucket: string
  readonly apiToken: string
  readonly logFile: string
  /** The ports listened on last. */
  readonly ports: string
  /** How it was started last. */
  readonly serve: string
}

/** `home` is '/'-separated on every platform, and so are these. */
export function homePaths(home: string): HomePaths {
  const at = (...names: string[]): string => posix.join(home, ...names)
  return {
    database: at('index.db'),
    lock: at('lock.db'),
    key: at('node.key'),
    segments: at('segments'),
    bucket: at('bucket'),
    apiToken: at('api-token'),
    logFile: at('log', 'holdfast.log'),
    ports: at('ports.json'),
    serve: at('serve.json'),
  }
}

/** What the kernels allow in a socket's address: 108 bytes with the NUL on Linux, 104 on macOS. */
const socketPathBytesMax = 103

/** Where the daemon of this home listens. A home with a long path has its socket in a directory of its own under `temporary`. */
export function socketPathOf(home: string, platform: NodeJS.Platform, temporary: string = tmpdir()): string {
  const tag = createHash('sha256').update(home).digest('hex').slice(0, 16)
  if (platform === 'win32') return `\\\\.\\pipe\\holdfast-${tag}`
  const inHome = posix.join(home, 'api.sock')
  return Buffer.byteLength(inHome) <= socketPathBytesMax ? inHome : posix.join(temporary, `holdfast-${tag}`, 'api.sock')
}

/**
 * Makes sure that only this user can have made or can reach the socket. Daemon and client both ask, since a directory
 * under the temporary one could be someone else's. Throws `HOME_UNUSABLE`.
 */
export function secureSocketDirectory(socketPath: string, home: string): void {
  const directory = posix.dirname(socketPath)
  if (process.platform === 'win32' || directory === home) return
  try {
    mkdirSync(directory, { mode: 0o700 })
  } catch (error) {
    if (faultOf(error) !== 'EEXIST') throw unusable(directory, error)
  }
  const stat = lstatSync(directory)
  if (!stat.isDirectory() || stat.uid !== userInfo().uid || (stat.mode & 0o077) !== 0) {
    throw new EngineError(
      'HOME_UNUSABLE',
      `${directory} is not a directory of your own with mode 0700: remove it, or use a --home with a shorter path`,
    )
  }
}

/** Makes the home (mode 0700) and its log directory. Throws `HOME_UNUSABLE`. */
export function prepareHome(home: string): void {
  try {
    mkdirSync(home, { recursive: true, mode: 0o700 })
    const facts = homeFacts(home)
    if (facts?.trouble !== undefined) throw new EngineError('HOME_UNUSABLE', facts.trouble)
    refuseInsideFolder(realpathSync(home))
    if (facts?.isOpenToOthers === true) {
      // Someone's own directory given by mistake must not have its permissions changed.
      if (readdirSync(home).length > 0 && !facts.hasDatabase) {
        throw new EngineError(
          'HOME_UNUSABLE',
          `${home} holds other things and is open to other users: use an empty or new directory as --home`,
        )
      }
      chmodSync(home, 0o700)
    }
    mkdirSync(posix.join(home, 'log'), { recursive: true, mode: 0o700 })
  } catch (error) {
    throw error instanceof EngineError ? error : unusable(home, error)
  }
}

/** A home that is synced would be two nodes of one identity, and its index the copy of another moment. Throws `HOME_UNUSABLE`. */
function refuseInsideFolder(home: string): void {
  for (let directory = home; ; directory = posix.dirname(directory)) {
    if (statOrMissing(posix.join(directory, folderDirectoryName, 'folder.json')) !== undefined) {
      throw new EngineError(
        'HOME_UNUSABLE',
        `the home ${home} is inside the folder ${directory}, which is synced: use a --home outside of it`,
      )
    }
    if (posix.dirname(directory) === directory) return
  }
}

/** Numbers by which Linux knows them. Other systems have other numbers: nothing is said there. */
const weakDrives: ReadonlyMap<number, 'FAT' | 'exFAT'> = new Map([
  [0x4d44, 'FAT'],
  [0x2011bab0, 'exFAT'],
])

/** What the drive of a path is formatted as, when a drive of that kind may lose what was flushed; undefined also when it cannot be told. */
export function weakDriveAt(
  path: string,
  platform: NodeJS.Platform,
  typeOf: (at: string) => number = (at) => statfsSync(at).type,
): 'FAT' | 'exFAT' | undefined {
  if (platform !== 'linux') return undefined
  try {
    return weakDrives.get(typeOf(path))
  } catch (error) {
    if (faultOf(error) === undefined) throw error
    return undefined
  }
}

export interface HomeFacts {
  readonly isOpenToOthers: boolean
  readonly hasDatabase: boolean
  readonly freeBytes: number
  /** Why it cannot be a home at all. */
  readonly trouble: string | undefined
}

/** What can be seen of the home without changing it; undefined when it is not there. Throws `HOME_UNUSABLE`. */
export function homeFacts(home: string): HomeFacts | undefined {
  const stat = statOrMissing(home)
  if (stat === undefined) return undefined
  const { bavail, bsize } = statfsSync(home)
  const isOthers = process.platform !== 'win32' && stat.uid !== userInfo().uid
  const trouble = !stat.isDirectory()
    ? `the home ${home} is not a directory: use another --home`
    : isOthers
      ? `the home ${home} belongs to another user: use another --home`
      : undefined
  return {
    isOpenToOthers: process.platform !== 'win32' && (stat.mode & 0o077) !== 0,
    hasDatabase: stat.isDirectory() && statOrMissing(homePaths(home).database) !== undefined,
    freeBytes: bavail * bsize,
    trouble,
  }
}

function statOrMissing(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch (error) {
    throw unusable(path, error)
  }
}

const tokenBytes = 32

/** The token of the API, made at the first call; the file has mode 0600. Throws `HOME_UNUSABLE`. */
export function loadApiToken(home: string): string {
  const path = homePaths(home).apiToken
  try {
    writeFileSync(path, `${randomBytes(tokenBytes).toString('base64url')}\n`, { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if (faultOf(error) !== 'EEXIST') throw unusable(path, error)
  }
  try {
    chmodSync(path, 0o600)
    const token = readFileSync(path, 'utf8').trim()
    if (/^[\w-]{32,}$/.test(token)) return token
  } catch (error) {
    throw unusable(path, error)
  }
  throw new EngineError(
    'HOME_UNUSABLE',
    `${path} does not hold a token of at least 32 letters and digits: remove it, a new one is made at the next start`,
  )
}

/** Removes a socket that nobody listens on any more. */
export function removeStaleSocket(path: string): void {
  rmSync(path, { force: true })
}

/** Only this user may connect. A named pipe has no mode: Windows lets only its maker and administrators write to it. */
export function restrictSocket(path: string): void {
  if (process.platform !== 'win32') chmodSync(path, 0o600)
}

function faultOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

function unusable(path: string, error: unknown): EngineError {
  return new EngineError('HOME_UNUSABLE', `cannot use ${path} for the node's home: ${messageOf(error)}; use another --home or repair it`, {
    cause: error,
  })
}
