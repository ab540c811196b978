// The native watcher on Linux: inotify by way of one fs.watch per directory (20,000 directories: 0.1 s and 22 MB).
// @parcel/watcher 2.6 would be it, but on Linux it never watches directories that were made or moved in before it looked, says
// nothing when the kernel's queue overflows, and holds hints back for 50 to 500 ms (this one: 10 to 15). See test/contract/watcher.ts.

import * as fs from 'node:fs'
import { basename } from 'node:path'

import { EngineError, messageOf } from '../base/errors.ts'
import { throwIfAborted } from '../base/queue.ts'
import type { OpenWatcher, Watcher, WatcherOptions } from '../disk/watch.ts'
import { HintBatch } from './hint-batch.ts'

/** The kernel drops events beyond its queue (16,384 by default) without Node telling; this many in one go may be such a moment. */
const eventsPerTurnMax = 8000

/** One watched directory; the tree mirrors the folder's, so that a branch goes as a whole. */
interface Branch {
  watcher: fs.FSWatcher | undefined
  readonly below: Map<string, Branch>
}

/** Throws `PATH_MISSING` when the root is not a directory, `DISK_FAILED` when the system has no room for more watches. */
export const openDirectoryWatcher: OpenWatcher = async (options, signal) => {
  throwIfAborted(signal)
  const watcher = new DirectoryWatcher(options)
  try {
    await watcher.start(signal)
    return watcher
  } catch (error) {
    await watcher[Symbol.asyncDispose]()
    throw error
  }
}

class DirectoryWatcher implements Watcher {
  readonly method = 'native'
  readonly #options: WatcherOptions
  readonly #hints: HintBatch
  readonly #trunk: Branch = { watcher: undefined, below: new Map() }
  #rootInode: number | undefined
  #isClosed = false
  #eventsThisTurn = 0

  constructor(options: WatcherOptions) {
    this.#options = options
    this.#hints = new HintBatch(options)
  }

  async start(signal: AbortSignal): Promise<void> {
    const { root } = this.#options
    const stats = look(root)
    if (stats?.isDirectory() !== true) throw new EngineError('PATH_MISSING', `${root} cannot be watched: it is not a directory`)
    this.#rootInode = stats.ino
    await this.#watchBranch('', this.#trunk, signal)
    if (this.#trunk.watcher === undefined) throw new EngineError('PATH_MISSING', `${root} cannot be watched: it is gone or may not be read`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    this.#hints[Symbol.dispose]()
    fell(this.#trunk)
  }

  /** Watches a directory and all below it: first the watch, then the listing, so that what is made in between is seen. */
  async #watchBranch(relative: string, branch: Branch, signal: AbortSignal | undefined): Promise<void> {
    const waiting: (readonly [string, Branch])[] = [[relative, branch]]
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (this.#isClosed) return
      if (signal !== undefined) throwIfAborted(signal)
      const [path, at] = next
      if (!this.#watchOne(path, at)) continue
      for (const name of await this.#directoriesIn(path)) {
        const childPath = path === '' ? name : `${path}/${name}`
        if (at.below.has(name) || this.#options.isIgnored(childPath)) continue
        const child: Branch = { watcher: undefined, below: new Map() }
        at.below.set(name, child)
        waiting.push([childPath, child])
      }
    }
  }

  #watchOne(path: string, branch: Branch): boolean {
    try {
      const watcher = fs.watch(this.#absolute(path), (kind, name) => this.#onChange(path, branch, kind, name))
      branch.watcher = watcher
      watcher.on('error', (error) => this.#onTrouble(path, branch, error))
      return true
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      if (code === 'ENOSPC' || code === 'EMFILE' || code === 'ENFILE') {
        throw new EngineError('DISK_FAILED', 'the system has no room for more watches: raise fs.inotify.max_user_watches', { cause: error })
      }
      // Gone meanwhile, or not readable: its parent tells of the first, the walk of the second.
      branch.watcher = undefined
      return false
    }
  }

  async #directoriesIn(path: string): Promise<readonly string[]> {
    try {
      const items = await fs.promises.readdir(this.#absolute(path), { withFileTypes: true })
      return items.filter((item) => item.isDirectory() && !item.name.includes('\ufffd')).map((item) => item.name)
    } catch {
      return [] // gone or not readable, as above
    }
  }

  #onChange(directory: string, branch: Branch, kind: string, name: string | null): void {
    if (this.#isClosed) return
    this.#countEvent()
    if (directory === '' && kind === 'rename' && !this.#isRootStill()) return
    if (name === null || name.includes('\ufffd')) {
      this.#hints.add(directory)
      return
    }
    const path = directory === '' ? name : `${directory}/${name}`
    if (kind !== 'rename' || this.#options.isIgnored(path)) {
      this.#hints.add(path)
      return
    }
    const old = branch.below.get(name)
    if (old !== undefined) {
      fell(old)
      branch.below.delete(name)
    }
    if (look(this.#absolute(path))?.isDirectory() === true) void this.#adopt(path, branch, name)
    else this.#hints.add(path)
  }

  /** A directory appeared. Its hint comes when all below is watched: whoever looks then misses nothing. */
  async #adopt(path: string, parent: Branch, name: string): Promise<void> {
    const branch: Branch = { watcher: undefined, below: new Map() }
    parent.below.set(name, branch)
    try {
      await this.#watchBranch(path, branch, undefined)
      this.#hints.add(path)
    } catch (error) {
      this.#die(messageOf(error))
    }
  }

  #isRootStill(): boolean {
    const stats = look(this.#options.root)
    if (stats?.isDirectory() === true && stats.ino === this.#rootInode) return true
    this.#die(`${basename(this.#options.root)} is gone or another directory`)
    return false
  }

  #onTrouble(path: string, branch: Branch, error: Error): void {
    fell(branch)
    if (path === '') this.#die(error.message)
    else this.#hints.add(path)
  }

  #countEvent(): void {
    if (this.#eventsThisTurn === 0) {
      setImmediate(() => {
        if (this.#eventsThisTurn >= eventsPerTurnMax)
          this.#hints.lost(`${this.#eventsThisTurn} changes at once: some may have been dropped`)
        this.#eventsThisTurn = 0
      })
    }
    this.#eventsThisTurn++
  }

  #die(reason: string): void {
    if (this.#isClosed) return
    this.#isClosed = true
    fell(this.#trunk)
    this.#hints.dead(reason)
  }

  #absolute(path: string): string {
    return path === '' ? this.#options.root : `${this.#options.root}/${path}`
  }
}

function fell(branch: Branch): void {
  branch.watcher?.close()
  branch.watcher = undefined
  for (const child of branch.below.values()) fell(child)
  branch.below.clear()
}

/** Whatever cannot be looked at (gone, below what became a file, too long a path, forbidden) is not a directory that can be watched. */
function look(path: string): fs.Stats | undefined {
  try {
    return fs.lstatSync(path)
  } catch {
    return undefined
  }
}
