// base/files.ts on a simulated drive, as one actor sees it: the engine (whose calls pass a gate that may refuse them, crash the process
// or let the user act just before) or the user.

import { FilesError } from '../../engine/base/files.ts'
import type { DirectoryItem, Files, FileStat, OpenFile, OpenMode } from '../../engine/base/files.ts'
import type { CallName, Gate } from './disk-gate.ts'
import type { ActorKind, SimDisk } from './disk.ts'
import type { Inode, Place, TreeChange } from './disk-tree.ts'
import type { FileData } from './file-data.ts'

const mayRead = 0o400
const mayWrite = 0o200
const maySearch = 0o100
const privateFileMode = 0o600
const symlinkMode = 0o777

export interface FilesActor {
  readonly kind: ActorKind
  readonly gate: Gate
  /** How long a flush takes; what it covers is durable afterwards. */
  readonly flushPause?: () => Promise<void>
}

export class SimFiles implements Files {
  readonly #disk: SimDisk
  readonly #actor: FilesActor
  readonly #isChecked: boolean

  constructor(disk: SimDisk, actor: FilesActor) {
    this.#disk = disk
    this.#actor = actor
    this.#isChecked = actor.kind === 'engine' && (disk.options.isPermissionChecked ?? true)
  }

  lstat(path: string): FileStat | undefined {
    try {
      const { inode } = this.#find('lstat', path)
      return inode === undefined ? undefined : statOf(this.#disk, inode)
    } catch (error) {
      if (error instanceof FilesError && error.fault === 'missing') return undefined
      throw error
    }
  }

  readDirectory(path: string): readonly DirectoryItem[] {
    const directory = this.#existing('readDirectory', path)
    if (directory.kind === 'symlink') throw new FilesError('symlink', 'readDirectory', path, 'ELOOP')
    if (directory.kind !== 'directory') throw new FilesError('notDirectory', 'readDirectory', path, 'ENOTDIR')
    this.#demand(directory, mayRead, 'readDirectory', path)
    const items = [...directory.items.values()].map((item) => ({
      name: item.name.toWellFormed(),
      kind: this.#disk.tree.inodes.get(item.inode)?.kind ?? 'other',
      isValidName: item.name.isWellFormed(),
    }))
    return this.#actor.kind === 'engine' ? this.#disk.options.random.shuffle(items) : items
  }

  readLink(path: string): string {
    const inode = this.#existing('readLink', path)
    if (inode.kind !== 'symlink') throw new FilesError('unsupported', 'readLink', path, 'EINVAL')
    return inode.target
  }

  realPath(path: string): string {
    let real = path
    // Each round replaces the first symlink on the way, by which time the rest has been checked.
    for (let round = 0; round < 50; round++) {
      this.#actor.gate.before('realPath', path)
      const next = this.#withoutFirstLink(real, path)
      if (next === real) return real
      real = next
    }
    throw new FilesError('symlink', 'realPath', path, 'ELOOP')
  }

  freeBytes(path: string): number {
    this.#existing('freeBytes', path)
    return this.#disk.freeBytes
  }

  open(path: string, mode: OpenMode): OpenFile {
    const place = this.#find('open', path)
    const inode = mode === 'create' ? this.#create('open', path, place, 'file', privateFileMode, '') : this.#toOpen(place, path, mode)
    return new SimOpenFile(this.#disk, this.#actor, path, inode, mode !== 'read')
  }

  makeDirectory(path: string, mode: number): void {
    this.#create('makeDirectory', path, this.#find('makeDirectory', path), 'directory', mode, '')
  }

  symlink(target: string, path: string): void {
    this.#create('symlink', path, this.#find('symlink', path), 'symlink', symlinkMode, target)
  }

  /** A FIFO, socket or device: nothing that a folder keeps. */
  makeOther(path: string): void {
    this.#create('open', path, this.#find('open', path), 'other', privateFileMode, '')
  }

  rename(from: string, to: string): void {
    const source = this.#find('rename', from)
    const target = this.#lookUp('rename', to)
    const moved = source.inode
    if (moved === undefined) throw new FilesError('missing', 'rename', from, 'ENOENT')
    this.#demand(source.parent, mayWrite | maySearch, 'rename', from)
    this.#demand(target.parent, mayWrite | maySearch, 'rename', to)
    if (moved.kind === 'directory' && this.#disk.tree.isWithin(moved, target.parent))
      throw new FilesError('unsupported', 'rename', from, 'EINVAL')
    const isSameName = source.parent === target.parent && this.#disk.tree.fold(source.name) === this.#disk.tree.fold(target.name)
    // rename(2): two names of one file stay as they are.
    if (target.inode === moved && !isSameName) return
    if (target.inode !== undefined && !isSameName) refuseReplacement(moved, target.inode, to)
    this.#change(from, {
      kind: 'rename',
      from: source.parent.number,
      name: source.name,
      into: target.parent.number,
      newName: target.name,
      timeUs: this.#disk.now(),
    })
    this.#disk.notify(to, this.#actor.kind)
  }

  link(existing: string, to: string): void {
    const { inode } = this.#find('link', existing)
    const target = this.#lookUp('link', to)
    if (inode === undefined) throw new FilesError('missing', 'link', existing, 'ENOENT')
    if (inode.kind === 'directory') throw new FilesError('denied', 'link', existing, 'EPERM')
    if (this.#disk.options.hasHardLinks === false) throw new FilesError('unsupported', 'link', to, 'EOPNOTSUPP')
    if (target.inode !== undefined) throw new FilesError('exists', 'link', to, 'EEXIST')
    this.#demand(target.parent, mayWrite | maySearch, 'link', to)
    this.#change(to, { kind: 'link', number: inode.number, into: target.parent.number, name: target.name, timeUs: this.#disk.now() })
  }

  unlink(path: string): void {
    const { parent, name, inode } = this.#find('unlink', path)
    if (inode === undefined) throw new FilesError('missing', 'unlink', path, 'ENOENT')
    if (inode.kind === 'directory') throw new FilesError('isDirectory', 'unlink', path, 'EISDIR')
    this.#demand(parent, mayWrite | maySearch, 'unlink', path)
    this.#change(path, { kind: 'remove', from: parent.number, name, timeUs: this.#disk.now() })
  }

  removeDirectory(path: string): void {
    const { parent, name, inode } = this.#find('removeDirectory', path)
    if (inode === undefined) throw new FilesError('missing', 'removeDirectory', path, 'ENOENT')
    if (inode.kind !== 'directory') throw new FilesError('notDirectory', 'removeDirectory', path, 'ENOTDIR')
    if (inode.items.size > 0) throw new FilesError('exists', 'removeDirectory', path, 'ENOTEMPTY')
    this.#demand(parent, mayWrite | maySearch, 'removeDirectory', path)
    this.#change(path, { kind: 'remove', from: parent.number, name, timeUs: this.#disk.now() })
  }

  setMode(path: string, mode: number): void {
    const inode = this.#existing('setMode', path)
    if (inode.kind === 'symlink') throw new FilesError('symlink', 'setMode', path, 'ELOOP')
    this.#change(path, { kind: 'attributes', number: inode.number, mode, timeUs: this.#disk.now() })
  }

  copy(from: string, to: string): void {
    const { inode } = this.#find('copy', from)
    const target = this.#lookUp('copy', to)
    if (inode === undefined) throw new FilesError('missing', 'copy', from, 'ENOENT')
    if (inode.kind !== 'file')
      throw new FilesError(inode.kind === 'symlink' ? 'symlink' : 'other', 'copy', from, 'it is not a regular file')
    this.#demand(inode, mayRead, 'copy', from)
    const twin = this.#create('copy', to, target, 'file', privateFileMode, '')
    const bytes = this.#disk.dataOf(inode).view().slice()
    const count = this.#disk.write(twin, this.#disk.dataOf(twin), bytes, 0)
    if (count < bytes.length) throw new FilesError('noSpace', 'copy', to, 'ENOSPC')
  }

  async syncDirectory(path: string): Promise<void> {
    const directory = this.#existing('syncDirectory', path)
    if (directory.kind !== 'directory') throw new FilesError('notDirectory', 'syncDirectory', path, 'ENOTDIR')
    const mark = this.#disk.markOf(directory)
    await this.#actor.flushPause?.()
    this.#disk.commitNames(mark)
  }

  #create(operation: CallName, path: string, place: Place, what: Inode['kind'], mode: number, target: string): Inode {
    if (place.inode !== undefined) throw new FilesError('exists', operation, path, 'EEXIST')
    this.#demand(place.parent, mayWrite | maySearch, operation, path)
    if (this.#disk.freeInodes === 0) throw new FilesError('noSpace', operation, path, 'ENOSPC')
    const number = this.#disk.nextInode()
    this.#change(path, {
      kind: 'create',
      number,
      what,
      mode,
      target,
      into: place.parent.number,
      name: place.name,
      timeUs: this.#disk.now(),
    })
    const inode = this.#disk.tree.inodes.get(number)
    if (inode === undefined) throw new Error('a file just made is not there')
    return inode
  }

  #toOpen({ inode }: Place, path: string, mode: 'read' | 'edit'): Inode {
    if (inode === undefined) throw new FilesError('missing', 'open', path, 'ENOENT')
    if (inode.kind === 'symlink') throw new FilesError('symlink', 'open', path, 'ELOOP')
    if (inode.kind === 'directory') throw new FilesError('isDirectory', 'open', path, 'EISDIR')
    if (inode.kind === 'other') throw new FilesError('other', 'open', path, 'it is not a regular file')
    this.#demand(inode, mode === 'read' ? mayRead : mayRead | mayWrite, 'open', path)
    return inode
  }

  #change(path: string, change: TreeChange): void {
    this.#disk.change(change)
    this.#disk.notify(path, this.#actor.kind)
  }

  #demand(inode: Inode, bits: number, operation: string, path: string): void {
    if (this.#isChecked && (inode.mode & bits) !== bits) throw new FilesError('denied', operation, path, 'EACCES')
  }

  #find(operation: CallName, path: string): Place {
    this.#actor.gate.before(operation, path)
    return this.#lookUp(operation, path)
  }

  #lookUp(operation: CallName, path: string): Place {
    return this.#disk.tree.find(operation, path, (directory) => !this.#isChecked || (directory.mode & maySearch) !== 0)
  }

  #existing(operation: CallName, path: string): Inode {
    const { inode } = this.#find(operation, path)
    if (inode === undefined) throw new FilesError('missing', operation, path, 'ENOENT')
    return inode
  }

  #withoutFirstLink(real: string, asked: string): string {
    const names = real.split('/').filter((name) => name !== '' && name !== '.')
    for (let count = 1; count <= names.length; count++) {
      const here = `/${names.slice(0, count).join('/')}`
      const { inode } = this.#lookUp('realPath', here)
      if (inode === undefined) throw new FilesError('missing', 'realPath', asked, 'ENOENT')
      if (inode.kind !== 'symlink') continue
      const base = inode.target.startsWith('/') ? [] : names.slice(0, count - 1)
      return normalised([...base, ...inode.target.split('/'), ...names.slice(count)])
    }
    return normalised(names)
  }
}

function normalised(names: readonly string[]): string {
  const kept: string[] = []
  for (const name of names) {
    if (name === '..') kept.pop()
    else if (name !== '' && name !== '.') kept.push(name)
  }
  return `/${kept.join('/')}`
}

function refuseReplacement(moved: Inode, replaced: Inode, to: string): void {
  if (replaced.kind === 'directory') {
    if (moved.kind !== 'directory') throw new FilesError('isDirectory', 'rename', to, 'EISDIR')
    if (replaced.items.size > 0) throw new FilesError('exists', 'rename', to, 'ENOTEMPTY')
  } else if (moved.kind === 'directory') {
    throw new FilesError('notDirectory', 'rename', to, 'ENOTDIR')
  }
}

function statOf(disk: SimDisk, inode: Inode, data?: FileData): FileStat {
  const sizes = {
    file: () => (data ?? disk.dataOf(inode)).sizeBytes,
    symlink: () => Buffer.byteLength(inode.target),
    directory: () => 4096,
    other: () => 0,
  }
  const { kind, mtimeUs, ctimeUs, mode, number, links } = inode
  return { kind, sizeBytes: sizes[kind](), mtimeUs, ctimeUs, mode, inode: number, device: 1, links: kind === 'directory' ? 2 : links }
}

class SimOpenFile implements OpenFile {
  readonly #disk: SimDisk
  readonly #actor: FilesActor
  readonly #path: string
  readonly #inode: Inode
  readonly #data: FileData
  readonly #isWritable: boolean
  #isClosed = false

  constructor(disk: SimDisk, actor: FilesActor, path: string, inode: Inode, isWritable: boolean) {
    this.#disk = disk
    this.#actor = actor
    this.#path = path
    this.#inode = inode
    this.#data = disk.dataOf(inode)
    this.#isWritable = isWritable
  }

  stat(): FileStat {
    this.#begin('stat')
    return statOf(this.#disk, this.#inode, this.#data)
  }

  read(target: Uint8Array, offset: number): number {
    this.#begin('read')
    const source = this.#data.view().subarray(offset, offset + target.length)
    target.set(source)
    return source.length
  }

  write(source: Uint8Array, offset: number): void {
    this.#beginChange('write')
    if (source.length === 0) return
    const count = this.#disk.write(this.#inode, this.#data, source, offset)
    this.#disk.notify(this.#path, this.#actor.kind)
    if (count < source.length) throw new FilesError('noSpace', 'write', this.#path, 'ENOSPC')
  }

  truncate(sizeBytes: number): void {
    this.#beginChange('truncate')
    if (!this.#disk.truncate(this.#inode, this.#data, sizeBytes)) throw new FilesError('noSpace', 'truncate', this.#path, 'ENOSPC')
    this.#disk.notify(this.#path, this.#actor.kind)
  }

  setMode(mode: number): void {
    this.#begin('setMode')
    this.#attributes({ mode })
  }

  setMtime(mtimeUs: number): void {
    this.#begin('setMtime')
    const granularityUs = this.#disk.options.granularityUs ?? 1
    this.#attributes({ mtimeUs: Math.floor(mtimeUs / granularityUs) * granularityUs })
  }

  async datasync(): Promise<void> {
    try {
      this.#begin('datasync')
    } catch (error) {
      if (error instanceof FilesError && error.fault === 'io') this.#data.loseFlush()
      throw error
    }
    const mark = this.#data.mark()
    await this.#actor.flushPause?.()
    this.#data.commit(mark)
  }

  close(): void {
    this.#isClosed = true
  }

  #attributes(attributes: { readonly mode?: number; readonly mtimeUs?: number }): void {
    const timeUs = this.#disk.now()
    this.#disk.change({ kind: 'attributes', number: this.#inode.number, ...attributes, timeUs })
    Object.assign(this.#inode, attributes, { ctimeUs: timeUs }) // also when it has no name any more
    this.#disk.notify(this.#path, this.#actor.kind)
  }

  #begin(operation: CallName): void {
    if (this.#isClosed) throw new FilesError('other', operation, this.#path, 'it has been closed')
    this.#actor.gate.before(operation, this.#path)
  }

  #beginChange(operation: CallName): void {
    if (!this.#isWritable) throw new FilesError('other', operation, this.#path, 'EBADF')
    this.#begin(operation)
  }
}
