// What a folder was at an earlier time, by what this node had on its disk: for each path the first version that was replaced after that
// time, if it had begun by then; where none was replaced, what is there now. Reads rows only.

import type { Clock } from '../base/clock.ts'
import { throwIfAborted } from '../base/queue.ts'
import type { PastVersion } from '../index/history-table.ts'
import type { Index } from '../index/index-store.ts'
import type { ItemRow } from '../index/item-table.ts'
import { isBelow, parentOf, type RelativePath } from '../model/path.ts'
import type { FolderHandle } from './folder-handle.ts'
import { hasSameAttributes } from './ingest-commit.ts'
import { isSameContent, type PathState } from './reconcile.ts'

export interface PastParts {
  readonly index: Index
  readonly handle: FolderHandle
  readonly clock: Clock
}

/** What brings the folder back to what it was. */
export interface Rollback {
  readonly restored: readonly PastVersion[]
  readonly removed: readonly RelativePath[]
}

const rowsPerPage = 500

/**
 * `subtree`: a directory or a file; undefined = everything. What comes of it fits together: nothing stays or comes back below what is to be
 * a file or a symlink, though times of several clocks may say so.
 */
export async function planRollback(
  parts: PastParts,
  subtree: RelativePath | undefined,
  atMs: number,
  signal: AbortSignal,
): Promise<Rollback> {
  const { index, handle } = parts
  const past = await replacedAfter(parts, subtree, atMs, signal)
  const restored: PastVersion[] = []
  const removed: RelativePath[] = []
  for (const version of past.values()) {
    const item = index.items.byPath(handle.row, version.path)
    if (version.sinceMs > atMs) {
      if (item !== undefined && !item.isLeftover) removed.push(version.path)
    } else if (item === undefined || item.isLeftover || !isAsItem(version, item)) restored.push(version)
  }
  const leaves = leavesOf(restored)
  const going = new Set(removed)
  for await (const item of itemsOf(parts, subtree, signal)) {
    const isNew = item.sinceMs > atMs && !past.has(item.path)
    if (isNew || hasParentIn(item.path, leaves)) going.add(item.path)
  }
  // A file that was there all the time had nothing below it either.
  const coming = new Set(restored.map(({ path }) => path))
  for (const path of new Set(restored.flatMap((version) => parentOf(version.path) ?? []))) {
    for (let parent: RelativePath | undefined = path; parent !== undefined; parent = parentOf(parent)) {
      if (!coming.has(parent) && !going.has(parent) && isLeaf(index.items.byPath(handle.row, parent))) leaves.add(parent)
    }
  }
  return { restored: restored.filter(({ path }) => !hasParentIn(path, leaves)), removed: [...going] }
}

function isLeaf(item: ItemRow | undefined): boolean {
  return item !== undefined && item.kind !== 'directory'
}

/** The paths that have nothing below them. */
export function leavesOf(states: readonly Pick<PathState, 'path' | 'kind'>[]): Set<RelativePath> {
  return new Set(states.flatMap(({ path, kind }) => (kind === 'directory' ? [] : [path])))
}

export function hasParentIn(path: RelativePath, paths: ReadonlySet<RelativePath>): boolean {
  for (let parent = parentOf(path); parent !== undefined; parent = parentOf(parent)) if (paths.has(parent)) return true
  return false
}

/** Everything that was there, with what it was made of. */
export async function statesAt(
  parts: PastParts,
  subtree: RelativePath | undefined,
  atMs: number,
  signal: AbortSignal,
): Promise<readonly PathState[]> {
  const past = await replacedAfter(parts, subtree, atMs, signal)
  const states: PathState[] = []
  for (const version of past.values()) if (version.sinceMs <= atMs) states.push(stateOfPast(version))
  for await (const item of itemsOf(parts, subtree, signal)) {
    if (item.sinceMs <= atMs && !past.has(item.path)) states.push(item)
  }
  const leaves = leavesOf(states)
  return states.filter(({ path }) => !hasParentIn(path, leaves))
}

export function stateOfPast(version: PastVersion): PathState {
  const { path, kind, sizeBytes, mtimeUs, mode, chunkClass, blocks, linkTarget } = version
  return { path, kind, sizeBytes, mtimeUs, mode, chunkClass, blocks, linkTarget }
}

function isAsItem(version: PastVersion, item: ItemRow): boolean {
  return isSameContent(item, stateOfPast(version)) && hasSameAttributes(item, version.kind, version)
}

async function replacedAfter(
  { index, handle, clock }: PastParts,
  subtree: RelativePath | undefined,
  atMs: number,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, PastVersion>> {
  const past = new Map<string, PastVersion>()
  for (let after = ''; ;) {
    const page = index.history.firstReplacedAfter(handle.row, atMs, after, rowsPerPage)
    const last = page.at(-1)
    if (last === undefined) return past
    after = last.path
    for (const version of page) if (isIn(version.path, subtree)) past.set(version.path, version)
    await clock.sleep(0, signal)
  }
}

/** What is here now, without directories that only wait for their ignored files. */
async function* itemsOf(
  { index, handle, clock }: PastParts,
  subtree: RelativePath | undefined,
  signal: AbortSignal,
): AsyncGenerator<ItemRow> {
  for (let after = 0; ;) {
    throwIfAborted(signal)
    const page = index.items.page(handle.row, after, rowsPerPage)
    const last = page.at(-1)
    if (last === undefined) return
    after = last.row
    for (const item of page) if (!item.isLeftover && isIn(item.path, subtree)) yield item
    await clock.sleep(0, signal)
  }
}

function isIn(path: RelativePath, subtree: RelativePath | undefined): boolean {
  return path === subtree || isBelow(path, subtree)
}
