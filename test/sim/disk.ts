// A simulated drive: what processes see, what the device has, and the difference that a power loss decides about.
// Names follow a journal as on ext4 or APFS: after a power loss the device has the names as they were after some prefix of the
// changes, at least up to the last change that was flushed. Data is not ordered with names: a rename whose data was not flushed may show
// an empty, zeroed or torn file, which is what fdatasync before rename guards against.

import type { SeededRandom } from '../support/seeded-random.ts'
import { DiskTree, type Inode, type NameRules, type TreeChange } from './disk-tree.ts'
import { FileData } from './file-data.ts'

export interface DiskOptions {
  /** The machine's wall clock, microseconds since 1970. */
  readonly nowUs: () => number
  readonly random: SeededRandom
  readonly rules?: NameRules
  /** All content together; `noSpace` beyond it. */
  readonly capacityBytes?: number
  /** File times are cut to multiples of this (FAT: 2 s). Unless it is above 1, no two changes carry the same time. */
  readonly granularityUs?: number
  /** Whether permission bits bind the engine; off = it runs as root. */
  readonly isPermissionChecked?: boolean
  readonly hasHardLinks?: boolean
}

export type ActorKind = 'engine' | 'user'

export interface DiskChange {
  readonly path: string
  readonly by: ActorKind
}

/** Clocks that go back by more than this are taken at their word, else times would stand still until the old time is reached. */
const clockStepUs = 1_000_000

const unlimited = 2 ** 50

export class SimDisk implements Disposable {
  readonly options: DiskOptions
  readonly #data = new Map<number, FileData>()
  readonly #listeners = new Set<(change: DiskChange) => void>()
  #capacityBytes: number
  #inodesMax = unlimited
  #tree: DiskTree
  #durableTree: DiskTree
  #journal: TreeChange[] = []
  #journalStart = 0
  #usedBytes = 0
  #lastTickUs = 0
  #lastInode = 100

  constructor(options: DiskOptions) {
    this.options = options
    this.#capacityBytes = options.capacityBytes ?? unlimited
    this.#tree = new DiskTree(options.rules ?? { isCaseSensitive: true, unicode: 'exact' }, this.#tick())
    this.#durableTree = this.#tree.clone()
  }

  get tree(): DiskTree {
    return this.#tree
  }

  get freeBytes(): number {
    return Math.max(0, this.#capacityBytes - this.#usedBytes)
  }

  /** Files, directories and links that can still be made. */
  get freeInodes(): number {
    return Math.max(0, this.#inodesMax - this.#tree.inodes.size)
  }

  /** Makes the drive so large that no more than this fits any more (a quota); without limit where nothing is said. */
  leaveRoom(room: { readonly bytes?: number; readonly inodes?: number }): void {
    this.#capacityBytes = room.bytes === undefined ? unlimited : this.#usedBytes + room.bytes
    this.#inodesMax = room.inodes === undefined ? unlimited : this.#tree.inodes.size + room.inodes
  }

  /** Every change of content or names, by whomever, as it happens. */
  onChange(listener: (change: DiskChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  notify(path: string, by: ActorKind): void {
    for (const listener of this.#listeners) listener({ path, by })
  }

  /** A time for the next change. */
  now(): number {
    const granularityUs = this.options.granularityUs ?? 1
    return Math.floor(this.#tick() / granularityUs) * granularityUs
  }

  nextInode(): number {
    return ++this.#lastInode
  }

  dataOf(inode: Inode): FileData {
    let data = this.#data.get(inode.number)
    if (data === undefined) {
      data = new FileData()
      this.#data.set(inode.number, data)
    }
    return data
  }

  /** Changes the names at once for processes, in the journal for the device. */
  change(change: TreeChange): void {
    const goes = this.#sizeGoingBy(change)
    this.#tree.apply(change)
    this.#usedBytes -= goes
    const last = this.#journal.at(-1)
    // Many writes to one file: one line of journal is enough.
    if (change.kind === 'attributes' && last?.kind === 'attributes' && last.number === change.number) {
      this.#journal[this.#journal.length - 1] = { ...last, ...change }
    } else {
      this.#journal.push(change)
    }
  }

  /** Writes what fits, and says how much that was. */
  write(inode: Inode, data: FileData, source: Uint8Array, offset: number): number {
    const grows = Math.max(0, offset + source.length - data.sizeBytes)
    const lacking = Math.max(0, grows - this.freeBytes)
    const fitting = Math.max(0, source.length - lacking)
    if (lacking > 0 && fitting === 0) return 0
    this.#resized(inode, data, () => data.write(source.subarray(0, fitting), offset))
    return fitting
  }

  /** False when the drive is too full for it. */
  truncate(inode: Inode, data: FileData, sizeBytes: number): boolean {
    if (sizeBytes - data.sizeBytes > this.freeBytes) return false
    this.#resized(inode, data, () => data.truncate(sizeBytes))
    return true
  }

  /** A mark of the journal: what a directory flush that starts now will cover; only up to the last change of that directory. */
  markOf(directory: Inode): number {
    const at = this.#journal.findLastIndex((change) => touches(change, directory.number))
    return this.#journalStart + at + 1
  }

  commitNames(mark: number): void {
    const count = Math.max(0, mark - this.#journalStart)
    for (const change of this.#journal.splice(0, count)) this.#durableTree.apply(change)
    this.#journalStart += count
  }

  /** The whole journal reaches the device, without the data of the files. */
  commitNamesNow(): void {
    this.commitNames(this.#journalStart + this.#journal.length)
  }

  /** Everything reaches the device, as `sync` does. */
  commitAll(): void {
    this.commitNamesNow()
    for (const data of this.#data.values()) data.commit()
    this.#dropLostData()
  }

  /** Power loss: processes must be dead by now. Afterwards the drive shows what survived. */
  crash(random: SeededRandom): void {
    this.commitNames(this.#journalStart + random.between(0, this.#journal.length))
    this.#journalStart += this.#journal.length
    this.#journal = []
    this.#tree = this.#durableTree.clone()
    this.#dropLostData()
    for (const data of this.#data.values()) data.crash(random)
    this.#usedBytes = 0
    for (const number of this.#tree.inodes.keys()) this.#usedBytes += this.#data.get(number)?.sizeBytes ?? 0
  }

  /** Lets go of the contents: what a dead process still waits for keeps the drive from being collected. */
  [Symbol.dispose](): void {
    for (const data of this.#data.values()) data[Symbol.dispose]()
    this.#data.clear()
  }

  #resized(inode: Inode, data: FileData, work: () => void): void {
    const before = data.sizeBytes
    work()
    if (this.#tree.inodes.has(inode.number)) this.#usedBytes += data.sizeBytes - before
    const timeUs = this.now()
    this.change({ kind: 'attributes', number: inode.number, mtimeUs: timeUs, timeUs })
    // A file that is open but has no name any more is no part of the tree.
    inode.mtimeUs = timeUs
    inode.ctimeUs = timeUs
  }

  /** Bytes that get free when this change takes the last name of a file. */
  #sizeGoingBy(change: TreeChange): number {
    const [directory, name] =
      change.kind === 'remove' ? [change.from, change.name] : change.kind === 'rename' ? [change.into, change.newName] : []
    if (directory === undefined || name === undefined) return 0
    const parent = this.#tree.inodes.get(directory)
    const inode = parent === undefined ? undefined : this.#tree.child(parent, name)
    const isSameName =
      change.kind === 'rename' && change.from === change.into && this.#tree.fold(change.name) === this.#tree.fold(change.newName)
    if (inode === undefined || inode.links !== 1 || isSameName) return 0
    return this.#data.get(inode.number)?.sizeBytes ?? 0
  }

  #dropLostData(): void {
    for (const number of this.#data.keys()) {
      if (!this.#tree.inodes.has(number) && !this.#durableTree.inodes.has(number)) this.#data.delete(number)
    }
  }

  #tick(): number {
    const nowUs = Math.floor(this.options.nowUs())
    const isStep = nowUs <= this.#lastTickUs && nowUs > this.#lastTickUs - clockStepUs
    this.#lastTickUs = isStep ? this.#lastTickUs + 1 : nowUs
    return this.#lastTickUs
  }
}

function touches(change: TreeChange, directory: number): boolean {
  switch (change.kind) {
    case 'create':
    case 'link':
      return change.into === directory
    case 'remove':
      return change.from === directory
    case 'rename':
      return change.from === directory || change.into === directory
    case 'attributes':
      return change.number === directory
  }
}
