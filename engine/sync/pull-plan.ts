// Decides, path by path, what brings the disk in line with the entries: reads rows, changes nothing.

import type { Expected, Operation } from '../disk/operations.ts'
import type { EntryRow } from '../index/entry-table.ts'
import type { Index } from '../index/index-store.ts'
import type { ItemRow } from '../index/item-table.ts'
import { shortKeyOf } from '../index/columns.ts'
import { bytesKey } from '../base/bytes.ts'
import type { EntryId } from '../model/ids.ts'
import { parentOf, type RelativePath } from '../model/path.ts'
import { compareVectors } from '../model/vector.ts'
import { stayingElsewhere, type IsKept, type StayingElsewhere } from './elsewhere.ts'
import { entryIdOfPath, localPath, type FolderHandle } from './folder-handle.ts'
import { hasSameAttributes } from './ingest-commit.ts'
import { resolveVersions, isSameContent, type PathState, type Version } from './reconcile.ts'
import { openVersions, type OpenedVersion } from './versions.ts'

/** Names for temp and parked files; random where nothing has to be found again. */
export interface PlanNames {
  temporary(): string
  parked(): string
}

/** A change to be made, and the rows it stands on. */
export interface PlannedChange {
  readonly pathKey: number
  readonly path: RelativePath
  readonly version: OpenedVersion
  readonly item: ItemRow | undefined
  readonly operation: Operation
  /** The content to be assembled first; undefined when the operation needs none. */
  readonly content: PathState | undefined
  /** The item a move takes the file from. */
  readonly movedFrom: ItemRow | undefined
  /** The file's bytes changed by themselves: what is replaced is no version of it. */
  readonly isRepair?: true
}

export type PathPlan =
  /** The disk is as it should be. `gone`: nothing is to be there, and nothing is. */
  | { readonly kind: 'settled'; readonly path?: RelativePath; readonly gone?: EntryId }
  /** The file is not here, and is not to come. */
  | { readonly kind: 'elsewhere'; readonly path: RelativePath; readonly staying: StayingElsewhere }
  /** Concurrent versions are to be brought together first. */
  | { readonly kind: 'merge'; readonly versions: readonly OpenedVersion[] }
  | { readonly kind: 'change'; readonly change: PlannedChange }
  /** The applied version moved ahead in name only: no byte changes. */
  | { readonly kind: 'record'; readonly item: ItemRow; readonly version: OpenedVersion }
  /** Its directory was deleted elsewhere while something was put into it: the directory is to live again. */
  | { readonly kind: 'needsParent'; readonly parent: RelativePath }
  /** The directory comes first and is not there yet. */
  | { readonly kind: 'awaitsParent' }
  /** A directory is to give way to a file, but holds things still: after the removals. */
  | { readonly kind: 'awaitsChildren'; readonly path: RelativePath }

/** Parked files that hold bytes which nobody wrote. */
export const rottenPrefix = 'rot-'

export class PullPlanner {
  readonly #index: Index
  readonly #handle: FolderHandle
  readonly #names: PlanNames
  readonly #isKept: IsKept
  /** Directories that are there or planned, for one page: most of its paths share a few parents. */
  readonly #goodParents = new Set<string>()

  constructor(index: Index, handle: FolderHandle, names: PlanNames, isKept: IsKept = () => true) {
    this.#index = index
    this.#handle = handle
    this.#names = names
    this.#isKept = isKept
  }

  /** Rows may have changed since the last page. */
  beginPage(): void {
    this.#goodParents.clear()
  }

  /** One plan for each path that shares this short key: nearly always one. */
  plan(pathKey: number): readonly PathPlan[] {
    const byEntry = new Map<string, EntryRow[]>()
    for (const row of this.#index.entries.siblingsByKey(this.#handle.row, pathKey)) {
      const key = bytesKey(row.entry.entryId)
      const siblings = byEntry.get(key)
      if (siblings === undefined) byEntry.set(key, [row])
      else siblings.push(row)
    }
    return [...byEntry.values()].map((siblings) => this.#planPath(siblings))
  }

  #planPath(siblings: readonly EntryRow[]): PathPlan {
    const versions = openVersions(this.#handle.reading.metaKeys, siblings)
    const [version] = versions
    if (version === undefined) return { kind: 'settled' }
    const path = localPath(this.#index, this.#handle, version.meta.path)
    const item = this.#index.items.byPath(this.#handle.row, path)
    const staying = item === undefined ? stayingElsewhere(this.#index, this.#handle, this.#isKept, versions) : undefined
    if (staying !== undefined) return { kind: 'elsewhere', path, staying } // whoever has it brings its versions together
    if (versions.length > 1) return { kind: 'merge', versions }
    if (item !== undefined) {
      const order = compareVectors(item.vector, version.vector)
      const repair = order === 'after' ? undefined : this.#planRepair(version, item)
      if (repair !== undefined) return repair
      if (order === 'after' || (order === 'equal' && isAsVersion(item, version))) return { kind: 'settled', path }
    }
    if (version.state === undefined) {
      return item === undefined ? { kind: 'settled', path, gone: version.row.entry.entryId } : this.#planRemoval(version, item)
    }
    return this.#planPresence(version, { ...version.state, path }, item)
  }

  /** For a file that should hold what it held before its bytes changed by themselves. */
  #planRepair(version: OpenedVersion, item: ItemRow): PathPlan | undefined {
    const { state } = version
    if (item.isRotten !== true || state?.kind !== 'file' || !isSameContent(item, state)) return undefined
    const { mode, mtimeUs } = state
    const park = `${rottenPrefix}${this.#names.parked()}`
    const temporary = this.#names.temporary()
    const operation: Operation = { kind: 'file', path: item.path, temporary, mode, mtimeUs, expected: expectedOf(item), park }
    const pathKey = shortKeyOf(version.row.entry.entryId)
    const change = {
      pathKey,
      path: item.path,
      version,
      item,
      operation,
      content: state,
      movedFrom: undefined,
      isRepair: true,
    } as const
    return { kind: 'change', change }
  }

  #planRemoval(version: OpenedVersion, item: ItemRow): PathPlan {
    const { path } = item
    const expected = expectedOf(item)
    const operation: Operation =
      item.kind === 'file' && item.blocks.count > 0
        ? { kind: 'remove', path, expected, park: this.#names.parked() }
        : { kind: 'remove', path, expected }
    return this.#change(version, item, operation)
  }

  #planPresence(version: OpenedVersion, state: PathState, item: ItemRow | undefined): PathPlan {
    const parent = parentOf(state.path)
    if (parent !== undefined && !this.#isGoodParent(parent)) return this.#planParent(parent)
    if (item !== undefined && isSameContent(item, state)) {
      if (item.mode === state.mode && (state.kind !== 'file' || item.mtimeUs === state.mtimeUs)) return { kind: 'record', item, version }
      const mtimeUs = state.kind === 'file' ? state.mtimeUs : undefined
      return this.#change(version, item, { kind: 'attributes', path: state.path, mode: state.mode, mtimeUs, expected: expectedOf(item) })
    }
    if (item?.kind === 'directory' && state.kind !== 'directory' && this.#index.items.below(this.#handle.row, item.path).length > 0) {
      return { kind: 'awaitsChildren', path: item.path }
    }
    return this.#planContent(version, state, item)
  }

  #isGoodParent(parent: RelativePath): boolean {
    if (this.#goodParents.has(parent)) return true
    const isGood = this.#index.items.isDirectory(this.#handle.row, parent)
    if (isGood) this.#goodParents.add(parent)
    return isGood
  }

  #planParent(parent: RelativePath): PathPlan {
    const entryId = entryIdOfPath(this.#handle, parent)
    const siblings = openVersions(this.#handle.reading.metaKeys, this.#index.entries.siblings(this.#handle.row, entryId))
    const isWanted = siblings.some((sibling) => sibling.state?.kind === 'directory')
    if (isWanted)
      return this.#index.needs.has(this.#handle.row, shortKeyOf(entryId)) ? { kind: 'awaitsParent' } : { kind: 'needsParent', parent }
    return { kind: 'needsParent', parent }
  }

  #planContent(version: OpenedVersion, state: PathState, item: ItemRow | undefined): PathPlan {
    const { path, mode, mtimeUs } = state
    const expected = item === undefined ? undefined : expectedOf(item)
    const park = item?.kind === 'file' && item.blocks.count > 0 ? { park: this.#names.parked() } : {}
    switch (state.kind) {
      case 'directory':
        this.#goodParents.add(path) // made before what is below it: needs come by depth, and a page's directories in their order
        return this.#change(version, item, { kind: 'directory', path, mode, expected, ...park })
      case 'symlink':
        return this.#change(version, item, { kind: 'symlink', path, target: state.linkTarget ?? '', expected, ...park })
      case 'file': {
        const source = item === undefined ? this.#movable(state) : undefined
        if (source !== undefined) {
          const operation: Operation = { kind: 'move', from: source.path, path, mode, mtimeUs, expectedFrom: expectedOf(source) }
          return this.#change(version, item, operation, undefined, source)
        }
        const operation: Operation = { kind: 'file', path, temporary: this.#names.temporary(), mode, mtimeUs, expected, ...park }
        return this.#change(version, item, operation, state)
      }
    }
  }

  /** A file here with this very content whose own path is to go: it can simply be renamed. */
  #movable(state: PathState): ItemRow | undefined {
    if (state.blocks.count === 0) return undefined
    const home = this.#index.items.homeOf(this.#handle.row, state.blocks.id(0))?.item
    if (home === undefined || !home.blocks.equals(state.blocks)) return undefined
    const entryId = entryIdOfPath(this.#handle, home.path)
    if (!this.#index.needs.has(this.#handle.row, shortKeyOf(entryId))) return undefined
    const siblings = this.#index.entries.siblings(this.#handle.row, entryId)
    const isGoing = siblings.length === 1 && siblings[0]?.entry.deleted === true
    return isGoing ? home : undefined
  }

  #change(version: OpenedVersion, item: ItemRow | undefined, operation: Operation, content?: PathState, movedFrom?: ItemRow): PathPlan {
    const pathKey = shortKeyOf(version.row.entry.entryId)
    return {
      kind: 'change',
      change: {
        pathKey,
        path: item?.path ?? localPath(this.#index, this.#handle, version.meta.path),
        version,
        item,
        operation,
        content,
        movedFrom,
      },
    }
  }
}

/** Whether what is applied is this version to the last bit: an equal vector alone does not tell (see isPreferred). */
function isAsVersion(item: ItemRow, { state, contentVector }: Version): boolean {
  if (state === undefined) return true
  const isSameHistory = compareVectors(item.contentVector ?? item.vector, contentVector) === 'equal'
  return isSameHistory && isSameContent(item, state) && hasSameAttributes(item, state.kind, state)
}

export function expectedOf(item: ItemRow): Expected {
  const { kind, sizeBytes, mtimeUs, ctimeUs, inode } = item
  return { kind, sizeBytes, mtimeUs, ctimeUs, inode }
}

/** What concurrent versions of one path come to. */
export function mergeOf(versions: readonly Version[]): Extract<ReturnType<typeof resolveVersions>, { kind: 'merge' }> | undefined {
  const resolution = resolveVersions(versions)
  return resolution.kind === 'merge' ? resolution : undefined
}
