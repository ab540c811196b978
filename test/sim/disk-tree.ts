// The names of a simulated disk: inodes, directories and how a path finds them. A tree changes only by TreeChange values, so that
// the same changes can be replayed on the tree that the device has (see disk.ts). File content is elsewhere (file-data.ts).

import { FilesError } from '../../engine/base/files.ts'
import type { FileKind, FilesFault } from '../../engine/base/files.ts'

export interface Inode {
  readonly number: number
  readonly kind: FileKind
  mode: number
  mtimeUs: number
  ctimeUs: number
  links: number
  /** Of a symlink. */
  readonly target: string
  /** Of a directory: by folded name. */
  readonly items: Map<string, { readonly name: string; readonly inode: number }>
}

export type TreeChange =
  | {
      readonly kind: 'create'
      readonly number: number
      readonly what: FileKind
      readonly mode: number
      readonly target: string
      readonly into: number
      readonly name: string
      readonly timeUs: number
    }
  | { readonly kind: 'link'; readonly number: number; readonly into: number; readonly name: string; readonly timeUs: number }
  | { readonly kind: 'remove'; readonly from: number; readonly name: string; readonly timeUs: number }
  | {
      readonly kind: 'rename'
      readonly from: number
      readonly name: string
      readonly into: number
      readonly newName: string
      readonly timeUs: number
    }
  | { readonly kind: 'attributes'; readonly number: number; readonly mode?: number; readonly mtimeUs?: number; readonly timeUs: number }

export interface NameRules {
  readonly isCaseSensitive: boolean
  /** `exact`: bytes are names (ext4). `insensitive`: both forms are one name, kept as given (APFS). `nfd`: stored decomposed (HFS+). */
  readonly unicode: 'exact' | 'insensitive' | 'nfd'
}

export const rootInode = 2
const linksFollowedMax = 40
const nameBytesMax = 255
const pathBytesMax = 4096

export interface Place {
  readonly parent: Inode
  /** As it will be stored. */
  readonly name: string
  readonly inode: Inode | undefined
}

export class DiskTree {
  readonly rules: NameRules
  readonly inodes: Map<number, Inode> = new Map()

  constructor(rules: NameRules, timeUs: number) {
    this.rules = rules
    this.inodes.set(rootInode, {
      number: rootInode,
      kind: 'directory',
      mode: 0o755,
      mtimeUs: timeUs,
      ctimeUs: timeUs,
      links: 1,
      target: '',
      items: new Map(),
    })
  }

  clone(): DiskTree {
    const twin = new DiskTree(this.rules, 0)
    for (const [number, inode] of this.inodes) twin.inodes.set(number, { ...inode, items: new Map(inode.items) })
    return twin
  }

  fold(name: string): string {
    const form = this.rules.unicode === 'exact' ? name : name.normalize('NFC')
    return this.rules.isCaseSensitive ? form : form.toLowerCase()
  }

  child(directory: Inode, name: string): Inode | undefined {
    const item = directory.items.get(this.fold(name))
    return item === undefined ? undefined : this.inodes.get(item.inode)
  }

  /**
   * Where a path leads, following symlinks but for the last component. `enter` is asked before each directory is passed
   * through (permissions). Throws `missing` when a parent is missing or no directory.
   */
  find(operation: string, path: string, enter: (directory: Inode) => boolean): Place {
    const names = splitPath(operation, path)
    let followed = 0
    let parents: Inode[] = [this.#root()]
    for (;;) {
      const name = names.shift()
      const parent = parents.at(-1)
      if (parent === undefined) throw new Error('the root is its own parent')
      if (name === undefined) return { parent, name: '.', inode: parent }
      if (!enter(parent)) throw new FilesError('denied', operation, path, 'EACCES')
      if (name === '..') {
        parents = parents.length > 1 ? parents.slice(0, -1) : parents
        continue
      }
      const inode = this.child(parent, name)
      if (names.length === 0) return { parent, name: this.#stored(name), inode }
      if (inode?.kind === 'symlink') {
        if (++followed > linksFollowedMax) throw new FilesError('symlink', operation, path, 'ELOOP')
        if (inode.target.startsWith('/')) parents = [this.#root()]
        names.unshift(...inode.target.split('/').filter((part) => part !== '' && part !== '.'))
      } else if (inode?.kind === 'directory') {
        parents.push(inode)
      } else {
        throw new FilesError('missing', operation, path, inode === undefined ? 'ENOENT' : 'ENOTDIR')
      }
    }
  }

  /** Whether `inode` is `directory` or somewhere below it. */
  isWithin(directory: Inode, inode: Inode): boolean {
    if (directory === inode) return true
    for (const item of directory.items.values()) {
      const child = this.inodes.get(item.inode)
      if (child?.kind === 'directory' && this.isWithin(child, inode)) return true
    }
    return false
  }

  /** Applies a change that has been checked to be possible. */
  apply(change: TreeChange): void {
    switch (change.kind) {
      case 'create':
        this.inodes.set(change.number, {
          number: change.number,
          kind: change.what,
          mode: change.mode,
          mtimeUs: change.timeUs,
          ctimeUs: change.timeUs,
          links: 0,
          target: change.target,
          items: new Map(),
        })
        this.#enter(change.into, change.name, change.number, change.timeUs)
        break
      case 'link':
        this.#enter(change.into, change.name, change.number, change.timeUs)
        break
      case 'remove':
        this.#leave(change.from, change.name, change.timeUs)
        break
      case 'rename':
        this.#rename(change)
        break
      case 'attributes': {
        const inode = this.inodes.get(change.number)
        if (inode === undefined) break // the file was still open while its last name went
        if (change.mode !== undefined) inode.mode = change.mode
        if (change.mtimeUs !== undefined) inode.mtimeUs = change.mtimeUs
        inode.ctimeUs = change.timeUs
        break
      }
    }
  }

  #rename(change: TreeChange & { readonly kind: 'rename' }): void {
    const moved = this.#directory(change.from).items.get(this.fold(change.name))
    if (moved === undefined) throw new Error(`the simulated disk renames ${change.name}, which is not there`)
    const inode = this.inodes.get(moved.inode)
    if (inode === undefined) throw new Error('a name without an inode')
    inode.links++ // held over the moment in which it has no name
    this.#leave(change.from, change.name, change.timeUs)
    if (this.#directory(change.into).items.has(this.fold(change.newName))) this.#leave(change.into, change.newName, change.timeUs)
    this.#enter(change.into, change.newName, moved.inode, change.timeUs)
    inode.links--
  }

  #enter(into: number, name: string, number: number, timeUs: number): void {
    const directory = this.#directory(into)
    const inode = this.inodes.get(number)
    if (inode === undefined) throw new Error(`the simulated disk names inode ${number}, which is not there`)
    directory.items.set(this.fold(name), { name, inode: number })
    directory.mtimeUs = timeUs
    directory.ctimeUs = timeUs
    inode.links++
    inode.ctimeUs = timeUs
  }

  #leave(from: number, name: string, timeUs: number): void {
    const directory = this.#directory(from)
    const item = directory.items.get(this.fold(name))
    const inode = item === undefined ? undefined : this.inodes.get(item.inode)
    if (inode === undefined) throw new Error(`the simulated disk removes ${name}, which is not there`)
    directory.items.delete(this.fold(name))
    directory.mtimeUs = timeUs
    directory.ctimeUs = timeUs
    inode.links--
    inode.ctimeUs = timeUs
    if (inode.links === 0) this.inodes.delete(inode.number)
  }

  #directory(number: number): Inode {
    const inode = this.inodes.get(number)
    if (inode?.kind !== 'directory') throw new Error(`inode ${number} is no directory of the simulated disk`)
    return inode
  }

  #root(): Inode {
    return this.#directory(rootInode)
  }

  #stored(name: string): string {
    return this.rules.unicode === 'nfd' ? name.normalize('NFD') : name
  }
}

function splitPath(operation: string, path: string): string[] {
  const refuse = (fault: FilesFault, detail: string): never => {
    throw new FilesError(fault, operation, path, detail)
  }
  if (!path.startsWith('/')) refuse('other', 'the simulated disk knows only absolute paths')
  if (path.includes('\0')) refuse('other', 'ERR_INVALID_ARG_VALUE')
  if (Buffer.byteLength(path) > pathBytesMax) refuse('nameTooLong', 'ENAMETOOLONG')
  const names = path.split('/').filter((name) => name !== '' && name !== '.')
  for (const name of names) if (Buffer.byteLength(name) > nameBytesMax) refuse('nameTooLong', 'ENAMETOOLONG')
  return names
}
