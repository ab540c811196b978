// A small file system in memory for tests of stores: what is not synced is kept apart and can be lost, torn or kept at a power loss;
// it can stop at any call, refuse syncs, be full, be read-only. Not the simulator's disk (test/sim/): no symlinks, no times.

import {
  FilesError,
  type DirectoryItem,
  type FileKind,
  type Files,
  type FilesFault,
  type FileStat,
  type OpenFile,
  type OpenMode,
} from '../../engine/base/files.ts'

/** The process is gone: thrown by the call that was to be the last and by every one after it. */
export class Crashed extends Error {}

interface Inode {
  live: Uint8Array
  durable: Uint8Array
  /** Not yet synced, in order: bytes at an offset, or a new size. */
  pending: ({ readonly offset: number; readonly bytes: Uint8Array } | { readonly sizeBytes: number })[]
}

type NameChange = { readonly directory: string; readonly path: string; readonly inode: Inode | undefined; readonly also?: NameChange }

/** Gives a number from 0 up to, not including, `below`. */
export type Chance = (below: number) => number

export class CrashFiles implements Files {
  readonly #directories = new Set<string>(['/'])
  readonly #names = new Map<string, Inode>()
  readonly #durableNames = new Map<string, Inode>()
  #pendingNames: NameChange[] = []
  #isCrashed = false
  calls = 0
  syncs = 0
  /** The call with this number does half its work, if it can, and crashes. */
  crashAtCall: number = Infinity
  /** From now on so many syncs fail; nobody knows what of theirs is durable, and no later sync makes it so. */
  failingSyncs = 0
  /** So many calls of `write` fail with `writeFault` after half of the bytes. */
  failingWrites = 0
  writeFault: FilesFault = 'io'
  capacityBytes: number = Infinity
  isReadOnly = false
  /** Reads of a file at this place and behind it fail. */
  unreadable: { readonly path: string; readonly fromBytes: number } | undefined
  isUnplugged = false

  usedBytes(): number {
    let bytes = 0
    for (const inode of this.#names.values()) bytes += inode.live.length
    return bytes
  }

  paths(): readonly string[] {
    return [...this.#names.keys()].toSorted()
  }

  /** The live bytes, for tests to damage: behind the back of whoever has the file open. */
  bytesOf(path: string): Uint8Array {
    return this.#inode(path, 'test').live
  }

  replaceBytes(path: string, bytes: Uint8Array): void {
    const inode = this.#inode(path, 'test')
    inode.live = bytes
    inode.durable = bytes.slice()
    inode.pending = []
  }

  /** What a new process finds after kill -9: everything written, and still not more of it on the disk than before. */
  afterKill(): CrashFiles {
    const inodes = new Map<Inode, Inode>()
    const copied = (inode: Inode): Inode => {
      const known = inodes.get(inode) ?? { live: inode.live.slice(), durable: inode.durable.slice(), pending: [...inode.pending] }
      inodes.set(inode, known)
      return known
    }
    const renamed = (change: NameChange): NameChange => {
      const also = change.also === undefined ? {} : { also: renamed(change.also) }
      return { ...change, inode: change.inode === undefined ? undefined : copied(change.inode), ...also }
    }
    const files = this.#empty()
    for (const [path, inode] of this.#names) files.#names.set(path, copied(inode))
    for (const [path, inode] of this.#durableNames) files.#durableNames.set(path, copied(inode))
    files.#pendingNames = this.#pendingNames.map(renamed)
    return files
  }

  /** What is on the disk after the power went: synced bytes, and of the others a choice, some of them torn. */
  afterPowerLoss(chance: Chance): CrashFiles {
    const names = new Map(this.#durableNames)
    for (const change of this.#pendingNames) if (chance(2) === 0) applyName(names, change)
    const files = this.#empty()
    for (const [path, inode] of names) {
      const bytes = withSome(inode, chance)
      const copied = { live: bytes.slice(), durable: bytes.slice(), pending: [] }
      files.#names.set(path, copied)
      files.#durableNames.set(path, copied)
    }
    return files
  }

  #empty(): CrashFiles {
    const files = new CrashFiles()
    for (const directory of this.#directories) files.#directories.add(directory)
    files.capacityBytes = this.capacityBytes
    files.syncs = this.syncs
    return files
  }

  /** Counts a call; true when it is the one to crash in. */
  #step(path: string, isWrite: boolean): boolean {
    if (this.#isCrashed) throw new Crashed()
    if (this.isUnplugged) throw new FilesError('io', 'access', path, 'EIO')
    if (isWrite && this.isReadOnly) throw new FilesError('denied', 'write', path, 'EROFS')
    if (++this.calls < this.crashAtCall) return false
    this.#isCrashed = true
    return true
  }

  #enter(path: string, isWrite: boolean): void {
    if (this.#step(path, isWrite)) throw new Crashed()
  }

  #inode(path: string, operation: string): Inode {
    const inode = this.#names.get(path)
    if (inode === undefined) throw new FilesError('missing', operation, path, 'ENOENT')
    return inode
  }

  #name(change: NameChange): void {
    applyName(this.#names, change)
    this.#pendingNames.push(change)
  }

  lstat(path: string): FileStat | undefined {
    this.#enter(path, false)
    const inode = this.#names.get(path)
    if (inode !== undefined) return statOf('file', inode.live.length)
    return this.#directories.has(path) ? statOf('directory', 0) : undefined
  }

  readDirectory(path: string): readonly DirectoryItem[] {
    this.#enter(path, false)
    if (!this.#directories.has(path)) throw new FilesError('missing', 'readDirectory', path, 'ENOENT')
    const inHere = (entry: string): boolean => directoryOf(entry) === path && entry !== path
    const files = [...this.#names.keys()].filter(inHere).map((entry) => item(entry, 'file'))
    return [...files, ...[...this.#directories].filter(inHere).map((entry) => item(entry, 'directory'))]
  }

  open(path: string, mode: OpenMode): OpenFile {
    this.#enter(path, mode !== 'read')
    if (mode === 'create') {
      if (this.#names.has(path)) throw new FilesError('exists', 'open', path, 'EEXIST')
      const inode = { live: new Uint8Array(0), durable: new Uint8Array(0), pending: [] }
      this.#name({ directory: directoryOf(path), path, inode })
    }
    return this.#handle(path, this.#inode(path, 'open'))
  }

  makeDirectory(path: string): void {
    this.#enter(path, true)
    this.#directories.add(path)
  }

  rename(from: string, to: string): void {
    this.#enter(to, true)
    const inode = this.#inode(from, 'rename')
    const added = { directory: directoryOf(to), path: to, inode }
    this.#name({ directory: directoryOf(from), path: from, inode: undefined, also: added })
  }

  unlink(path: string): void {
    this.#enter(path, true)
    this.#inode(path, 'unlink')
    this.#name({ directory: directoryOf(path), path, inode: undefined })
  }

  async syncDirectory(path: string): Promise<void> {
    this.#enter(path, true)
    this.#failSync(path)
    for (const change of this.#pendingNames) if (change.directory === path) applyName(this.#durableNames, change)
    this.#pendingNames = this.#pendingNames.filter((change) => change.directory !== path)
  }

  freeBytes(): number {
    return this.capacityBytes - this.usedBytes()
  }

  readLink(path: string): string {
    throw unused(path)
  }
  realPath(path: string): string {
    return path
  }
  link(existing: string): void {
    throw unused(existing)
  }
  symlink(target: string): void {
    throw unused(target)
  }
  removeDirectory(path: string): void {
    throw unused(path)
  }
  setMode(path: string): void {
    throw unused(path)
  }
  copy(from: string): void {
    throw unused(from)
  }

  #failSync(path: string): void {
    this.syncs++
    if (this.failingSyncs <= 0) return
    this.failingSyncs--
    throw new FilesError('io', 'sync', path, 'EIO')
  }

  #handle(path: string, inode: Inode): OpenFile {
    let isOpen = true
    const check = (): void => {
      if (!isOpen) throw new FilesError('other', 'use', path, 'EBADF')
    }
    return {
      stat: () => {
        check()
        this.#enter(path, false)
        const links = [...this.#names.values()].filter((named) => named === inode).length
        return { ...statOf('file', inode.live.length), links }
      },
      read: (target, offset) => {
        check()
        this.#enter(path, false)
        if (this.unreadable?.path === path && offset >= this.unreadable.fromBytes) throw new FilesError('io', 'read', path, 'EIO')
        const bytes = inode.live.subarray(offset, offset + target.length)
        target.set(bytes)
        return bytes.length
      },
      write: (source, offset) => {
        check()
        const isLast = this.#step(path, true)
        const isFailing = this.failingWrites > 0
        if (isFailing) this.failingWrites--
        const room = Math.max(0, this.capacityBytes - this.usedBytes() + inode.live.length - offset)
        const wanted = isLast || isFailing ? source.length >> 1 : source.length
        const bytes = source.slice(0, Math.min(wanted, room))
        inode.live = written(inode.live, offset, bytes)
        inode.pending.push({ offset, bytes })
        if (isLast) throw new Crashed()
        if (isFailing) throw new FilesError(this.writeFault, 'write', path, this.writeFault)
        if (bytes.length < source.length) throw new FilesError('noSpace', 'write', path, 'ENOSPC')
      },
      truncate: (sizeBytes) => {
        check()
        this.#enter(path, true)
        inode.live = resized(inode.live, sizeBytes)
        inode.pending.push({ sizeBytes })
      },
      datasync: async () => {
        check()
        this.#enter(path, true)
        // What a failed sync was to write is clean to the system afterwards: no later sync writes it. Every other time it did arrive.
        const pending = inode.pending
        inode.pending = []
        if (this.failingSyncs === 0 || this.syncs % 2 === 0) for (const change of pending) inode.durable = applied(inode.durable, change)
        this.#failSync(path)
      },
      setMode: () => undefined,
      setMtime: () => undefined,
      close: () => {
        isOpen = false
      },
    }
  }
}

function withSome(inode: Inode, chance: Chance): Uint8Array {
  let bytes = inode.durable
  for (const change of inode.pending) {
    const choice = chance(4)
    if (choice === 0) continue
    if (choice === 1 && 'bytes' in change) bytes = applied(bytes, torn(change, chance))
    else bytes = applied(bytes, change)
  }
  return bytes
}

/** A part of a write: its front, its back (what is before is zero or old), or one piece in the middle. */
function torn(change: { readonly offset: number; readonly bytes: Uint8Array }, chance: Chance): { offset: number; bytes: Uint8Array } {
  const from = chance(2) === 0 ? 0 : chance(change.bytes.length + 1)
  const to = from + chance(change.bytes.length - from + 1)
  return { offset: change.offset + from, bytes: change.bytes.subarray(from, to) }
}

function applied(bytes: Uint8Array, change: Inode['pending'][number]): Uint8Array {
  return 'bytes' in change ? written(bytes, change.offset, change.bytes) : resized(bytes, change.sizeBytes)
}

function written(bytes: Uint8Array, offset: number, added: Uint8Array): Uint8Array {
  const whole = added.length === 0 ? bytes.slice() : resized(bytes, Math.max(bytes.length, offset + added.length))
  whole.set(added, offset > whole.length ? 0 : offset)
  return whole
}

function resized(bytes: Uint8Array, sizeBytes: number): Uint8Array {
  const whole = new Uint8Array(sizeBytes)
  whole.set(bytes.subarray(0, sizeBytes))
  return whole
}

function applyName(names: Map<string, Inode>, change: NameChange): void {
  if (change.inode === undefined) names.delete(change.path)
  else names.set(change.path, change.inode)
  if (change.also !== undefined) applyName(names, change.also)
}

function directoryOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf('/')))
}

function item(path: string, kind: FileKind): DirectoryItem {
  return { name: path.slice(path.lastIndexOf('/') + 1), kind, isValidName: true }
}

function statOf(kind: FileKind, sizeBytes: number): FileStat {
  return { kind, sizeBytes, mtimeUs: 0, ctimeUs: 0, mode: 0o600, inode: 0, device: 0, links: 1 }
}

function unused(path: string): FilesError {
  return new FilesError('unsupported', 'call', path, 'not in this file system')
}
