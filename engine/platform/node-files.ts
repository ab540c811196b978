// Files over Node's synchronous fs. The contract is base/files.ts; what differs between platforms is settled here:
// Windows has no O_NOFOLLOW, no directory fsync and '\' in resolved paths (its long paths Node prefixes itself),
// macOS answers EPERM where Linux says EISDIR.

import * as fs from 'node:fs'

import { FilesError } from '../base/files.ts'
import type { DirectoryItem, FileKind, Files, FileStat, OpenFile, OpenMode } from '../base/files.ts'
import { filesErrorOf, linkErrorOf } from './files-faults.ts'

const isWindows = process.platform === 'win32'
const { O_CREAT, O_EXCL, O_RDONLY, O_RDWR } = fs.constants
// Both are absent on Windows, where FIFOs are not files and `open` looks with lstat first.
const openCarefully = (fs.constants.O_NOFOLLOW ?? 0) | (fs.constants.O_NONBLOCK ?? 0)

const flagsOf: Readonly<Record<OpenMode, number>> = {
  read: O_RDONLY | openCarefully,
  edit: O_RDWR | openCarefully,
  create: O_RDWR | O_CREAT | O_EXCL | openCarefully,
}

const privateFileMode = 0o600
const permissionBits = 0o777

/** The file system of this machine. Stateless: any thread may have its own. */
export function nodeFiles(): Files {
  return {
    lstat,
    readDirectory,
    readLink,
    realPath,
    freeBytes,
    open,
    makeDirectory,
    rename,
    link,
    symlink,
    unlink,
    removeDirectory,
    setMode,
    copy,
    syncDirectory,
  }
}

function attempt<T>(operation: string, path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw filesErrorOf(error, operation, path)
  }
}

/** A call of the thread pool as a promise; fs.promises would need its own file handles. */
function pooled(operation: string, path: string, start: (done: (error: unknown) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => (error === null || error === undefined ? resolve() : reject(filesErrorOf(error, operation, path))))
  })
}

function kindOf(mode: number): FileKind {
  switch (mode & fs.constants.S_IFMT) {
    case fs.constants.S_IFREG:
      return 'file'
    case fs.constants.S_IFDIR:
      return 'directory'
    case fs.constants.S_IFLNK:
      return 'symlink'
    default:
      return 'other'
  }
}

// Not bigint: doubles hold whole microseconds until the year 2255 and cost a third. An inode above 2^53 (ReFS, some network
// drives) is rounded, always alike, and is only ever compared together with size and times.
function statOf(stats: fs.Stats): FileStat {
  return {
    kind: kindOf(stats.mode),
    sizeBytes: stats.size,
    mtimeUs: microsecondsOf(stats.mtimeMs),
    ctimeUs: microsecondsOf(stats.ctimeMs),
    mode: stats.mode & permissionBits,
    inode: stats.ino,
    device: stats.dev,
    links: stats.nlink,
  }
}

function lstat(path: string): FileStat | undefined {
  try {
    const stats = fs.lstatSync(path, { throwIfNoEntry: false })
    return stats === undefined ? undefined : statOf(stats)
  } catch (error) {
    const trouble = filesErrorOf(error, 'look at', path)
    if (trouble.fault === 'missing') return undefined
    throw trouble
  }
}

function refuseSymlink(operation: string, path: string): void {
  if (fs.lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true) {
    throw new FilesError('symlink', operation, path, 'it is a symlink')
  }
}

function readDirectory(path: string): readonly DirectoryItem[] {
  return attempt('list', path, () => {
    // opendir(3) follows a symlink; this look before it leaves a gap of microseconds that only an attacker with write access can hit.
    refuseSymlink('list', path)
    const items = fs.readdirSync(path, { withFileTypes: true }).map((item) => ({
      name: item.name,
      kind: kindOfDirent(item),
      isValidName: isWindows ? item.name.isWellFormed() : !item.name.includes('\ufffd'),
    }))
    // A replacement character may have been typed by a person: only the bytes can tell.
    return !isWindows && items.some((item) => !item.isValidName) ? readDirectoryBytes(path) : items
  })
}

function readDirectoryBytes(path: string): readonly DirectoryItem[] {
  return fs.readdirSync(path, { withFileTypes: true, encoding: 'buffer' }).map((item) => {
    const name = item.name.toString('utf8')
    return { name, kind: kindOfDirent(item), isValidName: Buffer.from(name, 'utf8').equals(item.name) }
  })
}

function kindOfDirent(item: fs.Dirent<string> | fs.Dirent<NonSharedBuffer>): FileKind {
  if (item.isFile()) return 'file'
  if (item.isDirectory()) return 'directory'
  return item.isSymbolicLink() ? 'symlink' : 'other'
}

function readLink(path: string): string {
  return attempt('read the symlink', path, () => fs.readlinkSync(path))
}

function realPath(path: string): string {
  const real = attempt('resolve', path, () => fs.realpathSync.native(path))
  return isWindows ? real.replaceAll('\\', '/') : real
}

function freeBytes(path: string): number {
  return attempt('ask the free space of', path, () => {
    const space = fs.statfsSync(path)
    return space.bavail * space.bsize
  })
}

function open(path: string, mode: OpenMode): OpenFile {
  return attempt('open', path, () => {
    if (isWindows && mode !== 'create') refuseSymlink('open', path)
    const descriptor = fs.openSync(path, flagsOf[mode], privateFileMode)
    if (mode !== 'create' && !fs.fstatSync(descriptor).isFile()) {
      const isDirectory = fs.fstatSync(descriptor).isDirectory()
      fs.closeSync(descriptor)
      throw new FilesError(
        isDirectory ? 'isDirectory' : 'other',
        'open',
        path,
        isDirectory ? 'it is a directory' : 'it is not a regular file',
      )
    }
    return new NodeOpenFile(path, descriptor)
  })
}

function makeDirectory(path: string, mode: number): void {
  attempt('make the directory', path, () => {
    fs.mkdirSync(path, { mode })
    fs.chmodSync(path, mode) // mkdir's mode is cut by the umask
  })
}

function rename(from: string, to: string): void {
  attempt('rename', from, () => fs.renameSync(from, to))
}

function link(existing: string, to: string): void {
  try {
    fs.linkSync(existing, to)
  } catch (error) {
    throw linkErrorOf(error, to)
  }
}

function symlink(target: string, path: string): void {
  attempt('make the symlink', path, () => fs.symlinkSync(target, path))
}

function unlink(path: string): void {
  attempt('remove', path, () => fs.unlinkSync(path))
}

function removeDirectory(path: string): void {
  attempt('remove the directory', path, () => fs.rmdirSync(path))
}

function setMode(path: string, mode: number): void {
  attempt('set the permissions of', path, () => {
    refuseSymlink('set the permissions of', path) // Linux has no lchmod
    fs.chmodSync(path, mode)
  })
}

function copy(from: string, to: string): void {
  attempt('copy', from, () => {
    const stats = fs.lstatSync(from)
    if (!stats.isFile()) throw new FilesError(stats.isSymbolicLink() ? 'symlink' : 'other', 'copy', from, 'it is not a regular file')
    fs.copyFileSync(from, to, fs.constants.COPYFILE_EXCL | fs.constants.COPYFILE_FICLONE)
    // copyfile takes over the bits of the original, which may forbid editing the copy.
    fs.chmodSync(to, privateFileMode)
  })
}

async function syncDirectory(path: string): Promise<void> {
  if (isWindows) return // NTFS logs names itself and FlushFileBuffers refuses directories
  // Open and close take microseconds; only the flush is worth a thread.
  const descriptor = attempt('open the directory', path, () => fs.openSync(path, O_RDONLY | openCarefully | fs.constants.O_DIRECTORY))
  try {
    await pooled('flush the directory', path, (done) => fs.fsync(descriptor, done))
  } finally {
    fs.closeSync(descriptor)
  }
}

class NodeOpenFile implements OpenFile {
  readonly #path: string
  #descriptor: number

  constructor(path: string, descriptor: number) {
    this.#path = path
    this.#descriptor = descriptor
  }

  stat(): FileStat {
    return this.#attempt('look at', (descriptor) => statOf(fs.fstatSync(descriptor)))
  }

  read(target: Uint8Array, offset: number): number {
    return this.#attempt('read', (descriptor) => {
      let done = 0
      while (done < target.length) {
        const count = fs.readSync(descriptor, target, done, target.length - done, offset + done)
        if (count === 0) break
        done += count
      }
      return done
    })
  }

  write(source: Uint8Array, offset: number): void {
    this.#attempt('write', (descriptor) => {
      let done = 0
      while (done < source.length) done += fs.writeSync(descriptor, source, done, source.length - done, offset + done)
    })
  }

  truncate(sizeBytes: number): void {
    this.#attempt('set the size of', (descriptor) => fs.ftruncateSync(descriptor, sizeBytes))
  }

  setMode(mode: number): void {
    this.#attempt('set the permissions of', (descriptor) => fs.fchmodSync(descriptor, mode))
  }

  setMtime(mtimeUs: number): void {
    const time = secondsOf(mtimeUs)
    this.#attempt('set the time of', (descriptor) => fs.futimesSync(descriptor, time, time))
  }

  async datasync(): Promise<void> {
    const descriptor = this.#opened('flush')
    await pooled('flush', this.#path, (done) => fs.fdatasync(descriptor, done))
  }

  close(): void {
    if (this.#descriptor < 0) return
    const descriptor = this.#descriptor
    this.#descriptor = -1
    attempt('close', this.#path, () => fs.closeSync(descriptor))
  }

  #opened(operation: string): number {
    if (this.#descriptor < 0) throw new FilesError('other', operation, this.#path, 'it has been closed')
    return this.#descriptor
  }

  #attempt<T>(operation: string, work: (descriptor: number) => T): T {
    const descriptor = this.#opened(operation)
    return attempt(operation, this.#path, () => work(descriptor))
  }
}

// Where inside the microsecond a time is aimed: a double misses by up to a quarter of one on its way in and out again. Read and
// write together are exact from 1906 to 2038 (measured on 200,000 random times); later times may be one microsecond off.
const aimUs = 0.25

/** Seconds as futimes wants them: text, because Node takes a negative number for "now" but a negative text for a time before 1970. */
function secondsOf(timeUs: number): string {
  // A whole second, which most copied files have, is exact as it is.
  return String((timeUs % 1_000_000 === 0 ? timeUs : timeUs + aimUs) / 1e6)
}

/** The whole microsecond that a time of Node's lies in; in two parts, because one product would round. */
function microsecondsOf(timeMs: number): number {
  const wholeMs = Math.floor(timeMs)
  return wholeMs * 1000 + Math.floor((timeMs - wholeMs) * 1000 + aimUs)
}
