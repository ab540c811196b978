// Makes a drive that takes several spellings for one name (Windows, macOS) look like one that does not: a name is there only in the
// spelling that the drive keeps, and a name that clashes with another spelling cannot be made. What it costs is a listing of each
// directory that a job touches; on other drives nothing of this is in the way.

import { FilesError } from '../base/files.ts'
import type { DirectoryItem, Files, FileStat, NameFolding, OpenFile, OpenMode } from '../base/files.ts'
import type { JobWorld } from '../base/jobs.ts'
import { folderDirectoryName } from './limits.ts'

/** In the folder's own directory, on drives where it has two spellings: it is there to be looked up in the other. */
const formProbeName = 'é'

/**
 * Looks the folder's own names up in another spelling. `undefined` for a drive that takes each for its own, and where there is no
 * folder yet. Throws FilesError.
 */
export function foldingOf(files: Files, root: string): NameFolding | undefined {
  const own = `${root}/${folderDirectoryName}`
  const inode = files.lstat(own)?.inode
  if (inode === undefined) return undefined
  const isCaseFolded = files.lstat(`${root}/${folderDirectoryName.toUpperCase()}`)?.inode === inode
  const probe = files.lstat(`${own}/${formProbeName.normalize('NFC')}`)
  const isFormFolded = probe !== undefined && files.lstat(`${own}/${formProbeName.normalize('NFD')}`)?.inode === probe.inode
  return isCaseFolded || isFormFolded ? { isCaseFolded, isFormFolded } : undefined
}

/** Leaves the probe where it tells something. The folder's own directory is there. Throws FilesError. */
export function probeForms(files: Files, root: string): void {
  const probe = `${root}/${folderDirectoryName}/${formProbeName.normalize('NFC')}`
  if (files.lstat(probe) === undefined) files.makeDirectory(probe, 0o700)
  if (files.lstat(probe.normalize('NFD')) === undefined) files.removeDirectory(probe)
}

/** The job with the folder at its `root` made exact. */
export function inFolder<Input extends { readonly root: string }, Output>(
  job: (input: Input, world: JobWorld) => Output,
): (input: Input, world: JobWorld) => Output {
  return (input, world) => {
    const folding = attemptFolding(world.files, input.root)
    return job(input, folding === undefined ? world : { ...world, folding, files: new ExactFiles(world.files, input.root, folding) })
  }
}

function attemptFolding(files: Files, root: string): NameFolding | undefined {
  try {
    return foldingOf(files, root)
  } catch (error) {
    if (error instanceof FilesError) return undefined // the job finds out for itself what is wrong there
    throw error
  }
}

/** Lives as long as one job: what a directory holds is remembered that long, and looked up again where it matters. */
export class ExactFiles implements Files {
  readonly #files: Files
  readonly #start: string
  readonly #own: string
  readonly #folding: NameFolding
  readonly #names = new Map<string, Set<string>>()

  constructor(files: Files, root: string, folding: NameFolding) {
    this.#files = files
    this.#start = `${root}/`
    this.#own = `${root}/${folderDirectoryName}`
    this.#folding = folding
  }

  lstat(path: string): FileStat | undefined {
    const stat = this.#files.lstat(path)
    return stat === undefined || this.#isExact(path) ? stat : undefined
  }

  /** In composed form, where the drive takes both for one. */
  readDirectory(path: string): readonly DirectoryItem[] {
    const items = this.#files.readDirectory(path)
    const named = this.#folding.isFormFolded ? items.map((item) => ({ ...item, name: item.name.normalize('NFC') })) : items
    this.#names.set(path, new Set(named.map(({ name }) => name)))
    return named
  }

  readLink(path: string): string {
    this.#demand('readLink', path)
    return this.#files.readLink(path)
  }

  realPath(path: string): string {
    return this.#files.realPath(path)
  }

  freeBytes(path: string): number {
    return this.#files.freeBytes(path)
  }

  open(path: string, mode: OpenMode): OpenFile {
    if (mode !== 'create') {
      this.#demand('open', path)
      return this.#files.open(path, mode)
    }
    return this.#make('open', path, () => this.#files.open(path, mode))
  }

  makeDirectory(path: string, mode: number): void {
    this.#make('makeDirectory', path, () => this.#files.makeDirectory(path, mode))
  }

  /** Another spelling of the same file's name is what a rename can change. */
  rename(from: string, to: string): void {
    this.#demand('rename', from)
    if (this.#files.lstat(from)?.inode !== this.#files.lstat(to)?.inode) this.#refuseClash('rename', to)
    this.#files.rename(from, to)
    this.#drop(from)
    this.#add(to)
  }

  link(existing: string, to: string): void {
    this.#demand('link', existing)
    const there = this.#files.lstat(to)
    // The one name can be changed, by a rename, but not given twice.
    if (there !== undefined && there.inode === this.#files.lstat(existing)?.inode && !this.#isExact(to))
      throw new FilesError('unsupported', 'link', to, 'this drive takes both names for one')
    this.#make('link', to, () => this.#files.link(existing, to))
  }

  symlink(target: string, path: string): void {
    this.#make('symlink', path, () => this.#files.symlink(target, path))
  }

  unlink(path: string): void {
    this.#demand('unlink', path)
    this.#files.unlink(path)
    this.#drop(path)
  }

  removeDirectory(path: string): void {
    this.#demand('removeDirectory', path)
    this.#files.removeDirectory(path)
    this.#drop(path)
  }

  setMode(path: string, mode: number): void {
    this.#demand('setMode', path)
    this.#files.setMode(path, mode)
  }

  copy(from: string, to: string): void {
    this.#demand('copy', from)
    this.#make('copy', to, () => this.#files.copy(from, to))
  }

  syncDirectory(path: string): Promise<void> {
    return this.#files.syncDirectory(path)
  }

  #make<T>(operation: string, path: string, work: () => T): T {
    this.#refuseClash(operation, path)
    const made = work()
    this.#add(path)
    return made
  }

  #demand(operation: string, path: string): void {
    if (this.#files.lstat(path) !== undefined && !this.#isExact(path))
      throw new FilesError('missing', operation, path, 'it is spelled otherwise here')
  }

  #refuseClash(operation: string, path: string): void {
    if (this.#files.lstat(path) === undefined || this.#isExact(path)) return
    throw new FilesError('nameClash', operation, path, 'there is a name already that this drive takes for the same')
  }

  /** Whether the drive keeps the last name of a path in this very spelling. What Holdfast keeps for itself is spelled as it made it. */
  #isExact(path: string): boolean {
    if (!path.startsWith(this.#start) || path.startsWith(`${this.#own}/`) || path === this.#own) return true
    const [directory, name] = this.#split(path)
    // What is not among those remembered may have come since.
    return this.#names.get(directory)?.has(name) === true || this.#list(directory).has(name)
  }

  #split(path: string): readonly [directory: string, name: string] {
    const at = path.lastIndexOf('/')
    const name = path.slice(at + 1)
    return [path.slice(0, at), this.#folding.isFormFolded ? name.normalize('NFC') : name]
  }

  #list(directory: string): ReadonlySet<string> {
    this.readDirectory(directory)
    return this.#names.get(directory) ?? new Set()
  }

  #add(path: string): void {
    const [directory, name] = this.#split(path)
    this.#names.get(directory)?.add(name)
    this.#forgetBelow(path)
  }

  #drop(path: string): void {
    const [directory, name] = this.#split(path)
    this.#names.get(directory)?.delete(name)
    this.#forgetBelow(path)
  }

  #forgetBelow(path: string): void {
    for (const directory of this.#names.keys()) if (directory === path || directory.startsWith(`${path}/`)) this.#names.delete(directory)
  }
}
