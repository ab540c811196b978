// The folders of this node, those with a tree and those that are only stored: finding one by what a person typed, adding and removing, and
// refusing places that cannot be one.

import { assert } from '../base/assert.ts'
import { equalBytes } from '../base/bytes.ts'
import { EngineError, messageOf } from '../base/errors.ts'
import { throwIfAborted } from '../base/queue.ts'
import type { FolderRecord, HostedRecord } from '../model/folder.ts'
import { folderIdText, type FolderId } from '../model/ids.ts'
import { isFolderDirectory } from '../model/path.ts'
import type { PlaceState } from '../disk/folder-jobs.ts'
import { incarnationBytes } from '../model/limits.ts'
import { FolderKeeping, type KeptFolder } from './folder-keeping.ts'
import { FolderRuntime, type RuntimeParts } from './folder-runtime.ts'
import { HostedRuntime } from './hosted-runtime.ts'
import type { MemberRuntime } from './member-runtime.ts'

const idPrefixLettersMin = 4
const nameUnitsMax = 128
const reopenPollMs = 20
const idsPerPage = 1000

export class FolderRegistry {
  readonly #parts: RuntimeParts
  readonly #folders = new Map<number, FolderRuntime>()
  readonly #hosted = new Map<number, HostedRuntime>()
  readonly #keeping: FolderKeeping
  readonly #revived = new Set<number>()
  /** Folders that are being removed: they are neither written down nor opened again. */
  readonly #leaving = new Set<number>()
  readonly #ending = new AbortController()
  #sweeping: Promise<void> = Promise.resolve()

  constructor(parts: RuntimeParts) {
    this.#parts = parts
    const { index, world } = parts
    this.#keeping = new FolderKeeping({ world, index, directory: `${world.home}/folders` })
  }

  /** Opens every folder in the index, and those that were kept beside it and are not in it any more; `start` begins their work. */
  open(): void {
    const { index, world } = this.#parts
    const known = new Set([...index.folders.all(), ...index.folders.hosted()].map(({ id }) => folderIdText(id)))
    const lost = this.#keeping.load().filter(({ folder }) => !known.has(folderIdText(folder.id)))
    for (const kept of lost) this.#revived.add(this.#revive(kept))
    for (const record of index.folders.all()) {
      this.#folders.set(record.row, new FolderRuntime(this.#parts, record, this.#revived.has(record.row)))
    }
    for (const record of index.folders.hosted()) this.#hosted.set(record.row, new HostedRuntime(this.#parts, record))
    if (lost.length > 0) world.log.warn('folders that the index had lost were opened again', { folders: lost.length })
    this.save()
    this.#sweeping = this.#sweep()
  }

  /** Writes down beside the index what has changed of what is kept there. */
  save(): void {
    for (const runtime of this.members()) {
      if (!this.#leaving.has(runtime.handle.row)) void this.#keeping.save(runtime.record, runtime.work.peers)
    }
  }

  /** Gives its row. */
  #revive({ folder, isPaused, log, peers }: KeptFolder): number {
    const { index, world } = this.#parts
    return index.transactDurably(() => {
      const incarnation = world.random.bytes(incarnationBytes)
      const { row } =
        'path' in folder ? index.folders.insert({ ...folder, incarnation }) : index.folders.insertHosted({ ...folder, incarnation })
      log.forEach((entry, position) => index.folders.appendLog(row, position, entry))
      for (const { peer, addresses } of peers) {
        index.peers.ensure(peer, '')
        index.peers.setAddresses(peer, addresses)
      }
      if (isPaused) index.folders.setPaused(row, true)
      return row
    })
  }

  /** Those with a tree here. */
  all(): readonly FolderRuntime[] {
    return [...this.#folders.values()]
  }

  /** All, those that are only stored here among them. */
  members(): readonly MemberRuntime[] {
    return [...this.#folders.values(), ...this.#hosted.values()]
  }

  byRow(row: number): FolderRuntime | undefined {
    return this.#folders.get(row)
  }

  /** A folder at this place that the index had lost. */
  revivedAt(path: string): FolderRuntime | undefined {
    const clean = path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
    return this.all().find((runtime) => this.#revived.has(runtime.handle.row) && runtime.record.path === clean)
  }

  /** As `findMember`, for what needs the folder's tree: throws `NOT_ALLOWED` where it is only stored. */
  find(text: string): FolderRuntime {
    const found = this.findMember(text)
    const runtime = this.#folders.get(found.handle.row)
    if (runtime !== undefined) return runtime
    throw new EngineError(
      'NOT_ALLOWED',
      `${found.record.name} is only stored on this node, sealed: ask a node that has the files for this, or see 'holdfast status'`,
    )
  }

  /** By name, path or id prefix. Throws `UNKNOWN_FOLDER`, `AMBIGUOUS_FOLDER`. */
  findMember(text: string): MemberRuntime {
    const path = text.length > 1 && text.endsWith('/') ? text.slice(0, -1) : text
    const byId = (runtime: MemberRuntime): boolean =>
      text.length >= idPrefixLettersMin && folderIdText(runtime.record.id).startsWith(text.toLowerCase())
    for (const fits of [
      (runtime: MemberRuntime) => runtime.record.name === text,
      (runtime: MemberRuntime) => this.#folders.get(runtime.handle.row)?.record.path === path,
      byId,
    ]) {
      const found = this.members().filter(fits)
      if (found.length > 1) {
        throw new EngineError(
          'AMBIGUOUS_FOLDER',
          `${text} fits ${found.length} folders: give the path or more of the id, as 'holdfast folder list' shows them`,
        )
      }
      if (found[0] !== undefined) return found[0]
    }
    throw new EngineError('UNKNOWN_FOLDER', `there is no folder ${text} on this node: 'holdfast folder list' shows them`)
  }

  /** Writes the folder down and opens it. */
  add(insert: () => FolderRecord): FolderRuntime {
    const record = this.#parts.index.transactDurably(insert)
    const runtime = new FolderRuntime(this.#parts, record)
    this.#folders.set(record.row, runtime)
    void this.#keeping.save(runtime.record, runtime.work.peers)
    return runtime
  }

  /** As `add`, for a folder that is only stored here. */
  addHosted(insert: () => HostedRecord): HostedRuntime {
    const record = this.#parts.index.transactDurably(insert)
    const runtime = new HostedRuntime(this.#parts, record)
    this.#hosted.set(record.row, runtime)
    void this.#keeping.save(runtime.record, runtime.work.peers)
    return runtime
  }

  /** As `Ingest.walkNow`, whichever runtime the folder has by then. Throws `CLOSED` when it was removed meanwhile. */
  async walkNow(runtime: FolderRuntime, signal: AbortSignal): Promise<void> {
    const { row } = runtime.handle
    try {
      await runtime.ingest.walkNow(AbortSignal.any([signal, runtime.work.ended]))
    } catch (error) {
      if (signal.aborted || !runtime.work.ended.aborted) throw error
      while (this.#folders.get(row) === runtime) await this.#parts.world.clock.sleep(reopenPollMs, signal)
      const next = this.#folders.get(row)
      if (next === undefined) throw new EngineError('CLOSED', `${runtime.record.name} was removed meanwhile`)
      await this.walkNow(next, signal)
    }
  }

  /** Puts another runtime in the place of this one: its row says who this node is in the folder now. */
  async reopen(runtime: FolderRuntime): Promise<void> {
    const { row } = runtime.handle
    await runtime.work.stop()
    const record = this.#parts.index.folders.all().find((candidate) => candidate.row === row)
    if (record === undefined || this.#ending.signal.aborted || this.#leaving.has(row) || this.#folders.get(row) !== runtime) return
    const next = new FolderRuntime(this.#parts, record, true)
    this.#folders.set(row, next)
    next.work.start()
    next.work.connectionsChanged()
  }

  /** Stops them all; none is opened after this. */
  async close(): Promise<void> {
    this.#ending.abort()
    await Promise.all(this.members().map((runtime) => runtime.work.stop()))
    await this.#sweeping
  }

  /**
   * Tells the members, stops the folder and forgets it; its files stay. Until its rows go, all in one, it is a folder of this node still, also
   * after a crash; from then on its blocks are only left over, and go now or at the next start.
   */
  async remove(runtime: MemberRuntime): Promise<void> {
    const { row, record } = runtime.handle
    this.#leaving.add(row)
    try {
      await runtime.work.leave()
      await runtime.work.stop()
      await this.#keeping.forget(runtime.record)
      this.#forgetRows(row, record.id)
    } finally {
      this.#leaving.delete(row)
    }
    await this.#sweep()
  }

  #forgetRows(row: number, folder: FolderId): void {
    const { index } = this.#parts
    this.#folders.delete(row)
    this.#hosted.delete(row)
    this.#revived.delete(row)
    index.transactToMakeRoom(() => {
      index.leftovers.put(folder)
      index.items.removeAllHomes(row)
      index.history.removeAllBlocks(row)
      index.folders.remove(row)
    })
    index.forgetCaches()
  }

  /** Blocks of folders that were removed. What cannot go now goes at the next start. */
  async #sweep(): Promise<void> {
    const { index, world } = this.#parts
    for (const folder of index.leftovers.all()) {
      try {
        await this.#forgetBlocks(folder)
        index.transact(() => index.leftovers.drop(folder))
      } catch (error) {
        if (this.#ending.signal.aborted) return
        world.log.warn('could not let go of what was stored of a folder that was removed', { error: messageOf(error) })
      }
    }
  }

  /** Past versions went with the folder's rows, and the keys with them: what is stored is of no more use. */
  async #forgetBlocks(folder: FolderId): Promise<void> {
    const { store } = this.#parts
    const { signal } = this.#ending
    const isBack = (): boolean => this.members().some(({ record }) => equalBytes(record.id, folder))
    let isAny = false
    for (;;) {
      // Nothing is awaited between the look and the call: the folder may be joined again meanwhile.
      throwIfAborted(signal)
      const ids = isBack() ? [] : store.list(folder, undefined, idsPerPage)
      if (ids.length === 0) break
      await store.remove(folder, ids)
      isAny = true
      // Whoever joined it again in that moment took them for being here.
      for (const { record, work } of this.members()) if (equalBytes(record.id, folder)) work.blocksLost()
    }
    if (isAny) await store.compact(signal)
  }

  /** Gives the place as the file system knows it. Throws what is wrong with it as a folder. */
  async checkPlace(path: string, mayBeMissing: boolean): Promise<{ readonly path: string; readonly isMissing: boolean }> {
    const { world } = this.#parts
    if (!path.startsWith('/') && !/^[a-z]:/i.test(path)) throw new EngineError('BAD_ARGUMENT', `${path} is not an absolute path`)
    const clean = path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
    const signal = new AbortController().signal
    const { state, realPath } = await world.jobs.run('inspectPlace', { path: clean }, { signal })
    refusePlace(state, clean, mayBeMissing)
    if (isSameOrBelow(realPath, world.home) || isSameOrBelow(world.home, realPath)) {
      throw new EngineError('PATH_IS_HOME', `${clean} is, holds or is inside Holdfast's own home ${world.home}: choose another directory`)
    }
    for (const other of this.all()) {
      const { name, path: otherPath } = other.record
      if (otherPath === realPath) throw new EngineError('FOLDER_EXISTS', `${clean} is the folder ${name} already`)
      if (isSameOrBelow(realPath, otherPath) || isSameOrBelow(otherPath, realPath)) {
        throw new EngineError(
          'FOLDER_NESTED',
          `${clean} and the folder ${name} (${otherPath}) lie inside one another: choose a directory outside it`,
        )
      }
    }
    return { path: realPath, isMissing: state === 'missing' }
  }

  /** Throws `BAD_ARGUMENT`, `PATH_IS_HOME`: nothing that a person asks for is written there. */
  refuseHome(path: string): void {
    if (!path.startsWith('/') && !/^[a-z]:/i.test(path)) throw new EngineError('BAD_ARGUMENT', `${path} is not an absolute path`)
    if (path.split('/').some((name) => isFolderDirectory(name)))
      throw new EngineError('BAD_PATH', `${path} is in a folder's own directory: choose another place`)
    if (!isSameOrBelow(path, this.#parts.world.home)) return
    throw new EngineError('PATH_IS_HOME', `${path} is inside Holdfast's own home: choose another place`)
  }

  /** As refuseHome, and throws `FOLDER_NESTED`: a tree that is being written is not one to be synced. */
  refuseSynced(path: string): void {
    this.refuseHome(path)
    const folder = this.all().find(({ record }) => isSameOrBelow(path, record.path))
    if (folder === undefined) return
    throw new EngineError(
      'FOLDER_NESTED',
      `${path} is in the folder ${folder.record.name}, and would be synced: choose a directory outside it`,
    )
  }

  /** Throws `FOLDER_EXISTS` when the name is taken, `BAD_ARGUMENT` when it cannot be one. */
  checkName(name: string): void {
    if (name === '' || name.length > nameUnitsMax || /[\p{Cc}/]/u.test(name)) {
      throw new EngineError('BAD_ARGUMENT', `a folder's name has 1 to ${nameUnitsMax} characters and no slash: give another with --name`)
    }
    if (this.members().some((runtime) => runtime.record.name === name)) {
      throw new EngineError('FOLDER_EXISTS', `there is a folder named ${name} on this node already: give another with --name`)
    }
  }

  /** A name that is free here, from the one wanted. */
  freeName(wanted: string): string {
    const names = new Set(this.members().map((runtime) => runtime.record.name))
    for (let number = 2; ; number++) {
      const name = number === 2 && !names.has(wanted) ? wanted : `${wanted} (${number})`
      if (!names.has(name)) return name
      assert(number < 10_000, 'a free name is found')
    }
  }
}

function refusePlace(state: PlaceState, path: string, mayBeMissing: boolean): void {
  switch (state) {
    case 'directory':
      return
    case 'missing':
      if (mayBeMissing) return
      throw new EngineError('PATH_MISSING', `${path} does not exist: make the directory first, or name one that is there`)
    case 'parentMissing':
      throw new EngineError('PATH_MISSING', `${path} cannot be made, because the directory it would be in does not exist: make that first`)
    case 'notDirectory':
      throw new EngineError('PATH_NOT_DIRECTORY', `${path} is not a directory: name the directory whose content is to be synced`)
    case 'notWritable':
      throw new EngineError(
        'PATH_NOT_WRITABLE',
        `${path} cannot be written to by the user that runs Holdfast: change its permissions, or name another`,
      )
  }
}

function isSameOrBelow(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`)
}
