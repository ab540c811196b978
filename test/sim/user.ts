// The person at a simulated machine: changes files at once and completely, whatever permissions say, past every fault.
// What a person does is durable unless asked otherwise (then a power loss may undo or tear it).

import type { DirectoryItem, FileStat } from '../../engine/base/files.ts'
import { Gate } from './disk-gate.ts'
import type { SimDisk } from './disk.ts'
import type { FileData } from './file-data.ts'
import { SimFiles } from './files.ts'

const defaultFileMode = 0o644
const defaultDirectoryMode = 0o755

export class SimUser {
  readonly #disk: SimDisk
  readonly #files: SimFiles
  readonly #isDurable: boolean

  constructor(disk: SimDisk, options: { readonly isDurable?: boolean } = {}) {
    this.#disk = disk
    this.#files = new SimFiles(disk, { kind: 'user', gate: new Gate() })
    this.#isDurable = options.isDurable ?? true
  }

  // Looking

  lstat(path: string): FileStat | undefined {
    return this.#files.lstat(path)
  }

  list(path: string): readonly DirectoryItem[] {
    return this.#files.readDirectory(path)
  }

  readLink(path: string): string {
    return this.#files.readLink(path)
  }

  /** The content of a regular file; undefined when there is none. */
  dataAt(path: string): FileData | undefined {
    if (this.lstat(path)?.kind !== 'file') return undefined
    const { inode } = this.#disk.tree.find('read', path, () => true)
    return inode === undefined ? undefined : this.#disk.dataOf(inode)
  }

  read(path: string): Uint8Array | undefined {
    return this.dataAt(path)?.view().slice()
  }

  /** Paths of everything below a directory, parents first, in order of name. */
  walk(directory: string): readonly string[] {
    const paths: string[] = []
    const items = this.list(directory).toSorted((left, right) => (left.name < right.name ? -1 : 1))
    for (const item of items) {
      const path = `${directory}/${item.name}`
      paths.push(path)
      if (item.kind === 'directory') paths.push(...this.walk(path))
    }
    return paths
  }

  // Changing

  /** Whole new content: in place when the file exists, as an editor that truncates and writes. */
  write(path: string, bytes: Uint8Array): void {
    this.#act(path, () => {
      const isNew = this.lstat(path) === undefined
      const file = this.#files.open(path, isNew ? 'create' : 'edit')
      if (isNew) file.setMode(defaultFileMode)
      else file.truncate(0)
      file.write(bytes, 0)
      file.close()
    })
  }

  /** Whole new content under a new inode, as an editor that writes a temp file and renames it. */
  replace(path: string, bytes: Uint8Array, temporary: string = `${path}.tmp~`): void {
    this.write(temporary, bytes)
    this.rename(temporary, path)
  }

  append(path: string, bytes: Uint8Array): void {
    this.edit(path, this.lstat(path)?.sizeBytes ?? 0, bytes)
  }

  /** Overwrites a part in place. */
  edit(path: string, offset: number, bytes: Uint8Array): void {
    this.#act(path, () => {
      const file = this.#files.open(path, 'edit')
      file.write(bytes, offset)
      file.close()
    })
  }

  truncate(path: string, sizeBytes: number): void {
    this.#act(path, () => {
      const file = this.#files.open(path, 'edit')
      file.truncate(sizeBytes)
      file.close()
    })
  }

  /** Bit rot: one byte of a file changes on the device, and nothing that a stat shows. */
  rot(path: string, offset: number): void {
    this.dataAt(path)?.rot(offset)
  }

  touch(path: string, mtimeUs: number): void {
    this.#act(path, () => {
      const file = this.#files.open(path, 'edit')
      file.setMtime(mtimeUs)
      file.close()
    })
  }

  rename(from: string, to: string): void {
    this.#act(to, () => this.#files.rename(from, to))
  }

  /** Removes a file, a symlink or a whole tree. */
  remove(path: string): void {
    if (this.lstat(path)?.kind !== 'directory') {
      this.#act(path, () => this.#files.unlink(path))
      return
    }
    for (const item of this.list(path)) this.remove(`${path}/${item.name}`)
    this.#act(path, () => this.#files.removeDirectory(path))
  }

  mkdir(path: string): void {
    this.#act(path, () => this.#files.makeDirectory(path, defaultDirectoryMode))
  }

  chmod(path: string, mode: number): void {
    this.#act(path, () => this.#files.setMode(path, mode))
  }

  symlink(target: string, path: string): void {
    this.#act(path, () => this.#files.symlink(target, path))
  }

  link(existing: string, path: string): void {
    this.#act(path, () => this.#files.link(existing, path))
  }

  makeFifo(path: string): void {
    this.#act(path, () => this.#files.makeOther(path))
  }

  #act(path: string, work: () => void): void {
    work()
    if (!this.#isDurable) return
    this.#disk.commitNamesNow()
    const { inode } = this.#disk.tree.find('write', path, () => true)
    if (inode?.kind === 'file') this.#disk.dataOf(inode).commit()
  }
}
