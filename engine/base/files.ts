// What the engine asks of a file system. Node's is platform/node-files.ts, the simulated one test/sim/.
// Calls are synchronous because they run in worker jobs, where a synchronous call costs a third of a promise
// (measured: walk + lstat 350 k/s against 110 k/s); only flushing waits for the device and is a promise.
// Paths are absolute, '/'-separated on every platform; names are valid UTF-8 as far as the caller is concerned
// (see DirectoryItem.isValidName). No call follows a symlink in its last component.

/** Why a call failed, in words the same on every platform. `other` keeps the platform's own code in `detail`. */
export type FilesFault =
  | 'missing' // ENOENT, or a parent that is not a directory
  | 'exists' // EEXIST, ENOTEMPTY
  | 'denied' // EACCES, EPERM, EROFS
  | 'noSpace' // ENOSPC, EDQUOT
  | 'notDirectory' // ENOTDIR
  | 'isDirectory' // EISDIR
  | 'symlink' // ELOOP: the last component is a symlink and was to be opened
  | 'nameTooLong' // ENAMETOOLONG
  | 'nameClash' // another spelling of the name is there, which the drive takes for the same
  | 'busy' // EBUSY, ETXTBSY, sharing violation
  | 'crossDevice' // EXDEV
  | 'io' // EIO
  | 'unsupported' // ENOSYS, EOPNOTSUPP, EINVAL for a feature the file system lacks
  | 'other'

export class FilesError extends Error {
  readonly fault: FilesFault
  /** What was tried, in a word or two. */
  readonly operation: string
  readonly path: string
  readonly detail: string

  constructor(fault: FilesFault, operation: string, path: string, detail: string) {
    super(`${operation} ${path}: ${detail}`)
    this.name = 'FilesError'
    this.fault = fault
    this.operation = operation
    this.path = path
    this.detail = detail
  }
}

export type FileKind = 'file' | 'directory' | 'symlink' | 'other'

/** What lstat says. Times in whole microseconds since 1970: the finest that Node can also set. */
export interface FileStat {
  readonly kind: FileKind
  readonly sizeBytes: number
  readonly mtimeUs: number
  readonly ctimeUs: number
  /** Permission bits only: 0o000 to 0o777. */
  readonly mode: number
  readonly inode: number
  readonly device: number
  readonly links: number
}

export interface DirectoryItem {
  readonly name: string
  readonly kind: FileKind
  /** False when the name on disk is not valid UTF-8; `name` then holds replacement characters and cannot be opened. */
  readonly isValidName: boolean
}

/** An open file. Offsets and lengths in bytes. Reads and writes are positional; there is no cursor. */
export interface OpenFile {
  stat(): FileStat
  /** Fills `target` from `offset`; the count read is smaller than `target.length` only at the end of the file. */
  read(target: Uint8Array, offset: number): number
  /** Writes all of `source` at `offset`, or throws. */
  write(source: Uint8Array, offset: number): void
  truncate(sizeBytes: number): void
  setMode(mode: number): void
  setMtime(mtimeUs: number): void
  /** Resolves when the data and the size are on the device (fdatasync). A rejection means: nothing is promised. */
  datasync(): Promise<void>
  /** Idempotent. */
  close(): void
}

/** What a drive takes for one name; absent where it takes each spelling for its own. */
export interface NameFolding {
  readonly isCaseFolded: boolean
  /** NFC and NFD are one name. */
  readonly isFormFolded: boolean
}

export type OpenMode =
  | 'read' // must exist, must be a regular file
  | 'edit' // read and write, must exist, must be a regular file
  | 'create' // read and write, must not exist (mode 0600)

/** More than eight methods because a file system is one thing; split by reading and writing. */
export interface FileReads {
  /** undefined when there is nothing at `path`. Throws FilesError for any other trouble. */
  lstat(path: string): FileStat | undefined
  /** In no particular order. Throws `missing` or `notDirectory`. */
  readDirectory(path: string): readonly DirectoryItem[]
  readLink(path: string): string
  /** The path with every symlink resolved. Throws `missing`. */
  realPath(path: string): string
  freeBytes(path: string): number
}

export interface FileWrites {
  open(path: string, mode: OpenMode): OpenFile
  makeDirectory(path: string, mode: number): void
  /** Replaces what is at `to` as rename(2) does. */
  rename(from: string, to: string): void
  /** A second name for a file; throws `exists` when `to` is taken, `unsupported` where there are no hard links. */
  link(existing: string, to: string): void
  symlink(target: string, path: string): void
  /** Removes a file or a symlink. */
  unlink(path: string): void
  /** Removes an empty directory; throws `exists` when it is not empty. */
  removeDirectory(path: string): void
  setMode(path: string, mode: number): void
  /** Copies a whole file to a name that must not exist, by clone or inside the kernel where the system can. */
  copy(from: string, to: string): void
  /** Resolves when the names in this directory are on the device. A no-op where the platform has no such call. */
  syncDirectory(path: string): Promise<void>
}

export interface Files extends FileReads, FileWrites {}
