// What a person can do with a folder's history: see it, bring a version back, bring the folder or a part of it back to a time.

import type { History, PastPath, Restored, RolledBack } from '../api/controls.ts'
import { EngineError } from '../base/errors.ts'
import type { Jobs } from '../base/jobs.ts'
import { toHex } from '../base/bytes.ts'
import type { Random } from '../base/clock.ts'
import { peerIdOf } from '../crypto/identity.ts'
import type { PastVersion } from '../index/history-table.ts'
import type { ItemRow } from '../index/item-table.ts'
import { baseNameOf, parentOf, type RelativePath } from '../model/path.ts'
import { timeText } from '../sync/conflict-name.ts'
import type { inspectExport, prepareExport } from '../sync/export-job.ts'
import { entryIdOfPath } from '../sync/folder-handle.ts'
import { exportStates, type ExportedState, type ExportParts } from '../sync/export.ts'
import { planRollback, stateOfPast, statesAt } from '../sync/past-state.ts'
import type { PathState } from '../sync/reconcile.ts'
import { absentBlocks, holdPast, writeRollback, type RestoreParts } from '../sync/restore.ts'
import { pathInFolder } from './folder-path.ts'

export interface FolderPastParts extends RestoreParts, Omit<ExportParts, 'jobs'> {
  readonly jobs: ExportParts['jobs'] & Jobs<{ readonly prepareExport: typeof prepareExport; readonly inspectExport: typeof inspectExport }>
  readonly random: Random
  readonly folder: FolderAtWork
}

/** The rest of the folder, as far as history needs it. */
export interface FolderAtWork {
  /** Throws `NOT_ALLOWED` or `FOLDER_STOPPED` where nothing can be changed now. */
  checkActive(): void
  /** Resolves when what is on disk is in the index. */
  walk(signal: AbortSignal): Promise<void>
  /** Stores what was parked just now. */
  settle(signal: AbortSignal): Promise<void>
  /** Entries and needs were written. */
  wrote(): void
  nameOf(peer: string): string | undefined
}

const versionsDefault = 500
const pathsToldMax = 100
const blocksLookedForMax = 20_000
const waitMs = 20_000
const pollMs = 100
const nameBytes = 6
const microsecondsPerMillisecond = 1000

export class FolderPast {
  readonly #parts: FolderPastParts

  constructor(parts: FolderPastParts) {
    this.#parts = parts
  }

  /** Versions of a path, or of all below it when it is a directory (or absent: the whole folder). Throws `UNKNOWN_PATH`, `BAD_PATH`. */
  versions(typed: string | undefined, limit: number = versionsDefault): History {
    const { index, handle } = this.#parts
    const path = this.#parsePath(typed)
    const item = path === undefined ? undefined : index.items.byPath(handle.row, path)
    const own = path === undefined ? [] : index.history.ofPath(handle.row, path, limit)
    const isDirectory = path === undefined || item?.kind === 'directory' || (item === undefined && own.length === 0)
    const below = isDirectory ? index.history.below(handle.row, path ?? '', limit) : []
    if (path !== undefined) this.#refuseUnknown(path)
    const ownTotal = path === undefined ? 0 : index.history.countOfPath(handle.row, path)
    const versions = [...own, ...below].toSorted((left, right) => right.replacedMs - left.replacedMs || right.row - left.row)
    const nameOf = this.#authorNames()
    const isHere = this.#presence()
    return {
      path: path ?? '',
      floorMs: index.folders.historyFloorMs(handle.row),
      ...(item === undefined || item.isLeftover ? {} : { current: describe(item) }),
      total: ownTotal + (isDirectory ? index.history.countBelow(handle.row, path ?? '') : 0),
      versions: versions.slice(0, limit).map((version) => ({
        ...describe(version),
        id: String(version.row),
        replacedMs: version.replacedMs,
        deleted: version.isDeletion,
        ...(version.author === undefined ? {} : nameOf(version.author)),
        ...isHere(version),
      })),
    }
  }

  async restore(typed: string, versionId: string, to: string | undefined, signal: AbortSignal): Promise<Restored> {
    await this.#parts.folder.settle(signal)
    const version = this.#find(typed, versionId)
    const { path } = version
    if (to !== undefined) {
      await this.#exportOne(version, to, signal)
      return { path: to, state: 'done' }
    }
    const { folder, index, handle, clock } = this.#parts
    folder.checkActive()
    const item = index.items.byPath(handle.row, path)
    if (version.kind !== 'directory' && item?.kind === 'directory' && !item.isLeftover) {
      throw new EngineError('NOT_ALLOWED', `${path} is a directory now: move it away first, or bring the version back elsewhere with --to`)
    }
    this.#refuseBelowLeaf(path)
    if ((await holdPast(this.#parts, [version], signal)).size > 0) throw this.#unavailable(path)
    const undoAtMs = clock.nowMs() - 1
    const keys = await writeRollback(this.#parts, [version], [], signal)
    if (keys.length === 0) throw unknownVersion(path, versionId)
    folder.wrote()
    return { path, state: await this.#settled(keys, signal), undoAtMs }
  }

  async rollback(typed: string | undefined, atMs: number, to: string | undefined, signal: AbortSignal): Promise<RolledBack> {
    const { folder, clock } = this.#parts
    const subtree = this.#parsePath(typed)
    if (to === undefined) folder.checkActive()
    await folder.walk(signal)
    await folder.settle(signal)
    this.#checkTime(atMs)
    if (subtree !== undefined) this.#refuseUnknown(subtree)
    if (to !== undefined) return await this.#exportAll(subtree, atMs, to, signal)
    this.#refuseBelowLeaf(subtree)
    const { restored, removed } = await planRollback(this.#parts, subtree, atMs, signal)
    const missing = await holdPast(this.#parts, restored, signal)
    const possible = restored.filter((version) => !missing.has(version))
    const undoAtMs = clock.nowMs() - 1
    const keys = await writeRollback(this.#parts, possible, removed, signal)
    folder.wrote()
    const state = await this.#settled(keys, signal)
    return { restored: possible.length, removed: removed.length, ...missingPaths([...missing]), state, undoAtMs }
  }

  async #exportAll(subtree: RelativePath | undefined, atMs: number, to: string, signal: AbortSignal): Promise<RolledBack> {
    const { jobs } = this.#parts
    refusePlace(await jobs.run('prepareExport', { target: to }, { signal }), to, 'an empty directory, or one that is not there yet')
    const states = await statesAt(this.#parts, subtree, atMs, signal)
    const exported = states.flatMap((state): ExportedState[] => {
      if (state.path === subtree) return state.kind === 'directory' ? [] : [{ path: baseNameOf(state.path), state }]
      return [{ path: subtree === undefined ? state.path : state.path.slice(subtree.length + 1), state }]
    })
    const { missing } = await exportStates(this.#parts, to, exported, signal)
    return { restored: exported.length - missing.length, removed: 0, ...missingPaths(missing.map(({ state }) => state)), state: 'done' }
  }

  async #exportOne(version: PastVersion, to: string, signal: AbortSignal): Promise<void> {
    const { jobs, random } = this.#parts
    refusePlace(await jobs.run('inspectExport', { path: to }, { signal }), to, 'a name that is free')
    const slash = to.lastIndexOf('/')
    const target = slash === 0 ? '/' : to.slice(0, slash)
    const finalPath = to.slice(slash + 1)
    // Under a name that is ignored until it is complete: the place may be in a folder that is synced.
    const file = { path: `.#holdfast-${toHex(random.bytes(nameBytes))}`, state: stateOfPast(version), finalPath }
    const exported = version.kind === 'file' ? file : { path: finalPath, state: file.state }
    const { missing, taken } = await exportStates(this.#parts, target, [exported], signal)
    if (missing.length > 0) throw this.#unavailable(version.path)
    if (taken.length > 0) refusePlace('taken', to, 'a name that is free')
  }

  /** What comes back below a file would turn it into a directory, and the file into a conflict copy. */
  #refuseBelowLeaf(path: RelativePath | undefined): void {
    const { index, handle } = this.#parts
    for (let parent = path && parentOf(path); parent !== undefined; parent = parentOf(parent)) {
      const kind = index.items.byPath(handle.row, parent)?.kind
      if (kind === undefined || kind === 'directory') continue
      const what = `${parent} is a ${kind} now`
      throw new EngineError('NOT_ALLOWED', `${what}: roll that back or move it away first, or bring the version back elsewhere with --to`)
    }
  }

  /** Waits a while for pull to have brought the paths in line. */
  async #settled(keys: readonly number[], signal: AbortSignal): Promise<'done' | 'underWay'> {
    const { index, handle, clock } = this.#parts
    const deadlineMs = clock.monotonicMs() + waitMs
    for (let at = 0; ;) {
      while (at < keys.length && !index.needs.has(handle.row, keys[at] ?? 0)) at++
      if (at === keys.length) return 'done'
      if (clock.monotonicMs() >= deadlineMs) return 'underWay'
      await clock.sleep(pollMs, signal)
    }
  }

  /** For some versions: looking for each block of hundreds of large files would hold up everything else. */
  #presence(): (version: PastVersion) => { readonly isHere?: boolean } {
    let blocksLeft = blocksLookedForMax
    return (version) => {
      if (version.parked !== undefined) return { isHere: true }
      blocksLeft -= version.blocks.count
      return blocksLeft < 0 ? {} : { isHere: absentBlocks(this.#parts, version).length === 0 }
    }
  }

  #find(typed: string, versionId: string): PastVersion {
    const { index, handle } = this.#parts
    const path = this.#parsePath(typed)
    const version = /^\d{1,15}$/.test(versionId) ? index.history.get(handle.row, Number(versionId)) : undefined
    if (version === undefined || version.path !== path) throw unknownVersion(typed, versionId)
    return version
  }

  /** Throws `UNKNOWN_PATH` where nothing is, nothing was, and no member told of anything. */
  #refuseUnknown(path: RelativePath): void {
    const { index, handle } = this.#parts
    const { row, record } = handle
    if (index.items.byPath(row, path) !== undefined || index.entries.siblings(row, entryIdOfPath(handle, path)).length > 0) return
    if (index.history.countOfPath(row, path) > 0 || index.history.countBelow(row, path) > 0) return
    throw new EngineError(
      'UNKNOWN_PATH',
      `nothing is at ${path} in ${record.name}, and nothing was as far as its history goes back: 'holdfast history' with the folder alone lists what was`,
    )
  }

  #checkTime(atMs: number): void {
    const { index, handle, clock } = this.#parts
    if (atMs > clock.nowMs()) throw new EngineError('BAD_ARGUMENT', `${isoText(atMs)} is not over yet: give a time in the past`)
    const floorMs = index.folders.historyFloorMs(handle.row)
    if (atMs >= floorMs) return
    throw new EngineError(
      'BAD_ARGUMENT',
      `the history of ${handle.record.name} on this node goes back to ${isoText(floorMs)}, not to ${isoText(atMs)}: give a later time`,
    )
  }

  /** Relative to the folder, or absolute and inside it; undefined = the folder itself. Throws `BAD_PATH`. */
  #parsePath(typed: string | undefined): RelativePath | undefined {
    const { record, root } = this.#parts.handle
    const text = (typed ?? '').replace(/\/+$/, '')
    return text === '' || text === '.' || text === root ? undefined : pathInFolder(record, text)
  }

  #unavailable(path: string): EngineError {
    return new EngineError(
      'CONTENT_UNAVAILABLE',
      `some of the content of that version of ${path} is neither here nor with a member that can be reached now: start the others, and try again`,
    )
  }

  #authorNames(): (author: number) => { readonly by: string; readonly byName?: string } | object {
    const { index, handle, folder } = this.#parts
    const authors = new Map(index.entries.authors(handle.row).map(({ row, nodeKey }) => [row, peerIdOf(nodeKey)]))
    return (author) => {
      const by = authors.get(author)
      const byName = by === undefined ? undefined : folder.nameOf(by)
      return { ...(by === undefined ? {} : { by }), ...(byName === undefined ? {} : { byName }) }
    }
  }
}

function describe(state: ItemRow | PastVersion): PastPath {
  const { path, kind, sizeBytes, mtimeUs, mode, sinceMs } = state
  const modifiedMs = Math.floor(mtimeUs / microsecondsPerMillisecond)
  return { path, kind, bytes: kind === 'file' ? sizeBytes : 0, modifiedMs, mode, sinceMs }
}

function missingPaths(missing: readonly Pick<PathState, 'path'>[]): Pick<RolledBack, 'missing' | 'missingCount'> {
  const paths = missing.map(({ path }) => path).toSorted()
  return { missing: paths.slice(0, pathsToldMax), missingCount: paths.length }
}

function refusePlace(place: 'ready' | 'taken' | 'parentMissing', path: string, wanted: string): void {
  switch (place) {
    case 'ready':
      return
    case 'taken':
      throw new EngineError('PATH_TAKEN', `there is something at ${path} already, and nothing is written over: give ${wanted}`)
    case 'parentMissing':
      throw new EngineError('PATH_MISSING', `the directory that ${path} would be in does not exist: make it first`)
  }
}

function unknownVersion(path: string, id: string): EngineError {
  return new EngineError('UNKNOWN_VERSION', `${path} has no version ${id} here: 'holdfast history FOLDER PATH' shows those there are`)
}

function isoText(timeMs: number): string {
  const text = timeText(timeMs * microsecondsPerMillisecond) // YYYYMMDD-HHMMSS
  return text.replace(/^(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)$/, '$1-$2-$3T$4:$5:$6Z')
}
