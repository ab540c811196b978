// A job that lists directories of a user's folder. One call lists a bounded number of items and hands back the directories it
// did not reach, so that the caller can walk a tree of any size, or just what a hint names, without one long job.
// The items of all listings share their columns: a structured clone pays per object, not per byte.

import { FilesError } from '../base/files.ts'
import type { FileKind, Files, FileStat } from '../base/files.ts'
import type { JobResult, JobWorld } from '../base/jobs.ts'
import { messageOf } from '../base/errors.ts'
import { utf8 } from '../base/bytes.ts'
import { folderDirectoryName, pathBytesMax, pathDepthMax } from '../model/limits.ts'
import { isFolderDirectory } from '../model/path.ts'
import { DirectoryChecks, absolutePath } from './parents.ts'

export interface WalkInput {
  /** Absolute. */
  readonly root: string
  /** Relative to the root, '' = the root itself. */
  readonly directories: readonly string[]
  /** The walk stops after the directory with which this many items are reached; a single directory is never cut. */
  readonly itemsMax: number
}

export interface WalkOutput {
  readonly listings: readonly Listing[]
  readonly items: ItemColumns
  /** Of the directories asked for, those not looked at yet. */
  readonly unvisited: readonly string[]
}

export interface Listing {
  readonly directory: string
  readonly outcome:
    | 'ok'
    | 'missing'
    /** It is there and cannot be listed: what is below is unknown, not deleted. */
    | 'unreadable'
    /** It, or a parent, is a symlink or anything else but a directory. */
    | 'notDirectory'
  /** For `unreadable`: what the system said. */
  readonly detail: string | undefined
  /** Its items are those from `first` to `first + count` of the columns. */
  readonly first: number
  readonly count: number
  readonly problems: readonly WalkProblem[]
}

export interface WalkProblem {
  readonly name: string
  readonly reason:
    | 'nameInvalid' // not UTF-8: not among the items
    | 'nameReserved' // a look-alike of the folder's own directory: not among the items
    | 'pathTooLong' // not among the items
    | 'special' // a FIFO, socket or device: an item of kind other
    | 'otherDevice' // a mount point: an item like any other, said once so that a person may know
    | 'vanished' // listed, then gone: not among the items, and truly not there
    | 'unreadable' // lstat failed: not among the items, and unknown rather than deleted
  readonly detail: string | undefined
}

/** What lstat said, one row an item. */
export interface ItemColumns {
  readonly names: readonly string[]
  /** See kindOfCode. */
  readonly kinds: Uint8Array<ArrayBuffer>
  readonly sizes: Float64Array<ArrayBuffer>
  readonly mtimesUs: Float64Array<ArrayBuffer>
  readonly ctimesUs: Float64Array<ArrayBuffer>
  readonly inodes: Float64Array<ArrayBuffer>
  readonly modes: Uint16Array<ArrayBuffer>
}

const kindsByCode: readonly FileKind[] = ['file', 'directory', 'symlink', 'other']

export function kindOfCode(code: number): FileKind {
  return kindsByCode[code] ?? 'other'
}

/** The job. Trouble with one directory or one name is in the output; throws only for what is wrong with the program. */
export function listDirectories(input: WalkInput, world: JobWorld): JobResult<WalkOutput> {
  const { files } = world
  const columns = new GrowingColumns()
  const checks = new DirectoryChecks(files, input.root)
  const rootDevice = tryLstat(files, input.root)?.device
  const listings: Listing[] = []
  let visited = 0
  while (visited < input.directories.length && (columns.length < input.itemsMax || visited === 0)) {
    const directory = input.directories[visited++] ?? ''
    listings.push(listOne(files, input.root, directory, { checks, columns, rootDevice }))
  }
  const { items, transfer } = columns.finish()
  return { output: { listings, items, unvisited: input.directories.slice(visited) }, transfer }
}

interface WalkState {
  readonly checks: DirectoryChecks
  readonly columns: GrowingColumns
  readonly rootDevice: number | undefined
}

function listOne(files: Files, root: string, directory: string, state: WalkState): Listing {
  const first = state.columns.length
  const without = (outcome: Listing['outcome'], detail?: string): Listing => {
    state.columns.length = first
    return { directory, outcome, detail, first, count: 0, problems: [] }
  }
  try {
    const check = state.checks.check(directory)
    if (check !== 'ok') return without(check)
    const problems = listItems(files, root, directory, state)
    return { directory, outcome: 'ok', detail: undefined, first, count: state.columns.length - first, problems }
  } catch (error) {
    if (!(error instanceof FilesError)) throw error
    if (error.fault === 'missing') return without('missing')
    if (error.fault === 'symlink' || error.fault === 'notDirectory') return without('notDirectory')
    return without('unreadable', error.message)
  }
}

function listItems(files: Files, root: string, directory: string, state: WalkState): readonly WalkProblem[] {
  const problems: WalkProblem[] = []
  const base = absolutePath(root, directory)
  const nameUnitsSafe = (pathBytesMax - utf8(directory).length - 1) / 3 // no UTF-16 unit needs more than three bytes
  const isTooDeep = directory !== '' && directory.split('/').length >= pathDepthMax
  for (const item of files.readDirectory(base)) {
    const { name } = item
    if (directory === '' && isFolderDirectory(name)) {
      if (name !== folderDirectoryName) problems.push({ name, reason: 'nameReserved', detail: undefined })
      continue
    }
    if (!item.isValidName) {
      problems.push({ name, reason: 'nameInvalid', detail: undefined })
      continue
    }
    if (isTooDeep || (name.length > nameUnitsSafe && utf8(name).length > nameUnitsSafe * 3)) {
      problems.push({ name, reason: 'pathTooLong', detail: undefined })
      continue
    }
    lookAt(files, `${base}/${name}`, name, state, problems)
  }
  return problems
}

function lookAt(files: Files, path: string, name: string, state: WalkState, problems: WalkProblem[]): void {
  let stat: FileStat | undefined
  try {
    stat = files.lstat(path)
  } catch (error) {
    problems.push({ name, reason: 'unreadable', detail: messageOf(error) })
    return
  }
  if (stat === undefined) {
    problems.push({ name, reason: 'vanished', detail: undefined })
    return
  }
  if (stat.kind === 'other') problems.push({ name, reason: 'special', detail: undefined })
  if (stat.kind === 'directory' && stat.device !== state.rootDevice) problems.push({ name, reason: 'otherDevice', detail: undefined })
  state.columns.push(name, stat)
}

function tryLstat(files: Files, path: string): FileStat | undefined {
  try {
    return files.lstat(path)
  } catch {
    return undefined // the listing of the root will say what is wrong with it
  }
}

const firstCapacity = 1024

/** Columns that double when full. Setting `length` back forgets the rows after it. */
class GrowingColumns {
  #capacity = firstCapacity
  #length = 0
  readonly #names: string[] = []
  #kinds = new Uint8Array(firstCapacity)
  #modes = new Uint16Array(firstCapacity)
  #sizes = new Float64Array(firstCapacity)
  #mtimesUs = new Float64Array(firstCapacity)
  #ctimesUs = new Float64Array(firstCapacity)
  #inodes = new Float64Array(firstCapacity)

  get length(): number {
    return this.#length
  }

  set length(length: number) {
    this.#length = length
    this.#names.length = length
  }

  push(name: string, stat: FileStat): void {
    if (this.#length === this.#capacity) this.#resize(this.#capacity * 2)
    const at = this.#length++
    this.#names.push(name)
    this.#kinds[at] = kindsByCode.indexOf(stat.kind)
    this.#modes[at] = stat.mode
    this.#sizes[at] = stat.sizeBytes
    this.#mtimesUs[at] = stat.mtimeUs
    this.#ctimesUs[at] = stat.ctimeUs
    this.#inodes[at] = stat.inode
  }

  finish(): { readonly items: ItemColumns; readonly transfer: readonly ArrayBuffer[] } {
    this.#resize(this.#length)
    const items: ItemColumns = {
      names: this.#names,
      kinds: this.#kinds,
      sizes: this.#sizes,
      mtimesUs: this.#mtimesUs,
      ctimesUs: this.#ctimesUs,
      inodes: this.#inodes,
      modes: this.#modes,
    }
    const columns = [items.kinds, items.sizes, items.mtimesUs, items.ctimesUs, items.inodes, items.modes]
    return { items, transfer: columns.map((column) => column.buffer) }
  }

  #resize(capacity: number): void {
    const bytesOf = (column: { readonly buffer: ArrayBuffer; readonly BYTES_PER_ELEMENT: number }): ArrayBuffer =>
      column.buffer.transfer(capacity * column.BYTES_PER_ELEMENT)
    this.#capacity = capacity
    this.#kinds = new Uint8Array(bytesOf(this.#kinds))
    this.#modes = new Uint16Array(bytesOf(this.#modes))
    this.#sizes = new Float64Array(bytesOf(this.#sizes))
    this.#mtimesUs = new Float64Array(bytesOf(this.#mtimesUs))
    this.#ctimesUs = new Float64Array(bytesOf(this.#ctimesUs))
    this.#inodes = new Float64Array(bytesOf(this.#inodes))
  }
}
