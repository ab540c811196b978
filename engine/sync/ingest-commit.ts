// From what a worker read to rows: one transaction that turns changed paths into entries and items. Optimistic: a path whose
// item moved on since it was looked at is given back to be looked at again.

import type { FileStat } from '../base/files.ts'
import { sealMeta } from '../crypto/seal.ts'
import type { Index } from '../index/index-store.ts'
import { needRank } from '../index/need-table.ts'
import type { ItemRow } from '../index/item-table.ts'
import { shortKeyOf } from '../index/columns.ts'
import type { BlockList } from '../model/block-list.ts'
import type { EntryId } from '../model/ids.ts'
import { originField, originOf, type ContentOrigin, type Item } from '../model/item.ts'
import { encodeMeta, type EntryKind, type Meta } from '../model/meta.ts'
import { depthOf, normalisePath, type RelativePath } from '../model/path.ts'
import { compareVectors, emptyVector, joinVectors, type VersionVector } from '../model/vector.ts'
import { blockRefsOf, writeEntries, type EntryDraft } from './author.ts'
import { leaveDirectory } from './elsewhere.ts'
import { entryIdOfPath, type FolderHandle } from './folder-handle.ts'
import { packedKeys, sealPathMeta } from './ingest-job.ts'
import { authorRowOf, notePast, sinceOf } from './past.ts'
import { isSameContent } from './reconcile.ts'
import { openVersions, type OpenedVersion } from './versions.ts'

/** A path as it was found, with the item it was compared to. */
export interface FoundPath {
  readonly path: RelativePath
  /** undefined = the index had nothing there. */
  readonly item: ItemRow | undefined
  readonly found: FoundState
}

export type FoundState =
  | {
      readonly kind: EntryKind
      readonly stat: FileStat
      readonly chunkClass: number
      readonly blocks: BlockList
      readonly linkTarget: string | undefined
      /** The sealed part for a change of content. */
      readonly sealed: Uint8Array
    }
  | { readonly kind: 'missing' }

export interface IngestOutcome {
  /** Entries written in this node's name. */
  readonly written: number
  /** Paths found to hold what some member wrote, and something else before: more can be had from here. */
  readonly adopted: number
  /** Files as somebody else wrote them: nobody has flushed them. */
  readonly unflushed: readonly RelativePath[]
  /** Paths that moved on meanwhile: look again. */
  readonly again: readonly RelativePath[]
  /** True when some path is to be reconciled with what others wrote. */
  readonly hasNeeds: boolean
}

interface Plan {
  readonly found: FoundPath
  readonly entryId: EntryId
  readonly draft: EntryDraft
  readonly contentVector: VersionVector | undefined
  readonly origin: ContentOrigin
}

/** 'note': nothing is written that others would be told; what is known already is still taken over. */
export type CommitManner = 'tell' | 'note'

/** Commits what was found, appearances before removals as given. */
export function commitFound(
  index: Index,
  handle: FolderHandle,
  paths: readonly FoundPath[],
  timeMs: number,
  manner: CommitManner = 'tell',
): IngestOutcome {
  return index.transact(() => {
    const again: RelativePath[] = []
    const plans: Plan[] = []
    const unflushed: RelativePath[] = []
    let adopted = 0
    const seen = new Set<string>()
    for (const found of paths) {
      // A path can be found twice, by its own hint and by the walk of its new parent.
      if (seen.has(found.path)) continue
      seen.add(found.path)
      const { item } = found
      if (!isStillBase(index.items.byPath(handle.row, found.path), item)) again.push(found.path)
      else if (manner === 'tell' && found.found.kind === 'missing' && item !== undefined && leaveDirectory(index, handle, item)) continue
      else {
        if (found.found.kind === 'file' && found.found.blocks.count > 0) unflushed.push(found.path)
        const plan = planPath(index, handle, asRecorded(found), timeMs)
        if (plan === 'adopted') adopted++
        else if (plan !== undefined) plans.push(plan)
      }
    }
    if (unflushed.length > 0) index.folders.setUnflushed(handle.row, true)
    if (manner === 'note') return { written: 0, adopted, unflushed, again, hasNeeds: false }
    const written = writeEntries(
      index,
      handle,
      plans.map((plan) => plan.draft),
      timeMs,
    )
    let hasNeeds = false
    plans.forEach((plan, at) => {
      const result = written[at]
      if (result === undefined) return
      recordItem(index, handle, plan, result.vector, timeMs)
      const pathKey = shortKeyOf(plan.entryId)
      if (result.concurrent.length === 0) {
        if (!isStillRotten(plan.found)) index.needs.clear(handle.row, pathKey)
      } else {
        index.needs.put(handle.row, pathKey, needRank(depthOf(plan.found.path), false), 0)
        hasNeeds = true
      }
    })
    return { written: plans.length, adopted, unflushed, again, hasNeeds }
  })
}

/** True when a file of the folder has other content now, or is something else than a file or directory. */
export function isRewrite({ item, found }: FoundPath): boolean {
  return item?.kind === 'file' && found.kind !== 'missing' && found.kind !== 'directory' && !isSameContent(item, found)
}

/** True when what was found is a version that members told of: nobody's edit. */
export function isKnownVersion(index: Index, handle: FolderHandle, { path, found }: FoundPath): boolean {
  const siblings = index.entries.siblings(handle.row, entryIdOfPath(handle, path))
  return openVersions(handle.reading.metaKeys, siblings).some((version) => isFoundVersion(version, found))
}

export function isStillBase(current: ItemRow | undefined, seen: ItemRow | undefined): boolean {
  if (current === undefined || seen === undefined) return current === seen
  return current.row === seen.row && compareVectors(current.vector, seen.vector) === 'equal'
}

/**
 * Bytes that changed by themselves do not become an edit when the file's ctime or bits move, as the repair itself moves them. Saved anew,
 * which moves the time, the file is the person's again.
 */
function asRecorded(found: FoundPath): FoundPath {
  const { item, found: state } = found
  if (!isStillRotten(found) || item === undefined || state.kind === 'missing') return found
  return { ...found, found: { ...state, blocks: item.blocks, chunkClass: item.chunkClass } }
}

function isStillRotten({ item, found }: FoundPath): boolean {
  if (item?.isRotten !== true || found.kind !== 'file') return false
  const { stat } = found
  return stat.mtimeUs === item.mtimeUs && stat.sizeBytes === item.sizeBytes && stat.inode === item.inode
}

/** What to write for one path; undefined when no entry is needed (the item row is then brought up to date here). */
function planPath(index: Index, handle: FolderHandle, found: FoundPath, timeMs: number): Plan | 'adopted' | undefined {
  const entryId = entryIdOfPath(handle, found.path)
  const { item } = found
  if (found.found.kind === 'missing') return planRemoval(index, handle, found, entryId)
  const twin = item === undefined ? index.items.bySpelling(handle.row, entryId, found.path) : undefined
  if (twin !== undefined) return planTwin(index, handle, found, entryId, twin, timeMs)
  const isSame = item !== undefined && isSameContent(item, { ...found.found, kind: found.found.kind })
  if (isSame && !item.isLeftover && hasSameAttributes(item, found.found.kind, found.found.stat)) {
    const { isDoubted: _, ...known } = item
    index.items.put(handle.row, entryId, { ...known, ...statColumns(found.found.stat) }, item)
    return undefined
  }
  const siblings = index.entries.siblings(handle.row, entryId)
  const opened = siblings.length === 0 ? [] : openVersions(handle.reading.metaKeys, siblings)
  const equal = opened.find((version) => isFoundVersion(version, found.found))
  if (equal !== undefined) {
    adopt(index, handle, found, equal, siblings.length, timeMs)
    return isSame ? undefined : 'adopted'
  }
  const seen = item === undefined ? seenByUnknown(index, handle, entryId, opened) : []
  const base = item?.vector ?? seen.map((version) => version.vector).reduce(joinVectors, emptyVector)
  const contentVector = isSame ? (item.contentVector ?? item.vector) : undefined
  const origin = isSame ? knownOrigin(item, opened) : originOfEdit(handle, found.found, item, seen)
  const sealed = isSame ? sealAttributes(handle, found, entryId, item, origin) : sealContent(handle, found.path, found.found, origin)
  const draft: EntryDraft = { entryId, base, kind: 'change', deleted: false, blocks: blockRefsOf(found.found.blocks), sealed }
  return { found, entryId, draft, contentVector, origin }
}

/** An edit counts as later than what it replaces, whatever the clocks say: then all who merge, knowing more or less, choose alike. */
function originOfEdit(
  handle: FolderHandle,
  found: Exclude<FoundState, { kind: 'missing' }>,
  item: ItemRow | undefined,
  seen: readonly OpenedVersion[],
): ContentOrigin {
  const replacedUs = item === undefined ? seen.map((version) => version.contentTimeUs) : [originOf(item).timeUs]
  const mtimeUs = found.kind === 'directory' ? 0 : found.stat.mtimeUs
  return { editor: handle.authorId, timeUs: timeAfter(mtimeUs, replacedUs) }
}

export function timeAfter(timeUs: number, replacedUs: readonly number[]): number {
  return Math.max(timeUs, ...replacedUs.map((replaced) => Math.min(replaced + 1, Number.MAX_SAFE_INTEGER)))
}

function knownOrigin(item: ItemRow, siblings: readonly OpenedVersion[]): ContentOrigin {
  const origin = originOf(item)
  if (origin.editor !== undefined) return origin
  return { ...origin, editor: siblings.find((version) => compareVectors(version.vector, item.vector) === 'equal')?.editor }
}

/** The sealed part for a change of content: the worker made one, which holds unless it is to say more than the worker knew. */
function sealContent(
  handle: FolderHandle,
  path: RelativePath,
  found: Exclude<FoundState, { kind: 'missing' }>,
  { timeUs }: ContentOrigin,
): Uint8Array {
  const mtimeUs = found.kind === 'directory' ? 0 : found.stat.mtimeUs
  return timeUs === mtimeUs ? found.sealed : sealPathMeta(handle.jobKeys, handle.authorId, { ...found, path }, { contentTimeUs: timeUs })
}

/**
 * A path that is an item already under another Unicode form of its name. The same file was respelled, which no entry tells of. Another one
 * is a twin: one of the two would have to overwrite the other elsewhere, so it stays here alone (see `twinOf`).
 */
function planTwin(
  index: Index,
  handle: FolderHandle,
  found: FoundPath,
  entryId: EntryId,
  twin: ItemRow,
  timeMs: number,
): Plan | 'adopted' | undefined {
  if (!isRespelled(found, twin)) return undefined
  const { row: _, folderRow: __, ...rest } = twin
  index.items.remove(twin)
  index.items.put(handle.row, entryId, { ...rest, path: found.path }, undefined)
  return planPath(index, handle, { ...found, item: index.items.byPath(handle.row, found.path) }, timeMs)
}

function isRespelled({ found }: FoundPath, twin: ItemRow): boolean {
  return found.kind === twin.kind && found.stat.inode === twin.inode
}

/** The item that another Unicode form of this new path's name has, when it is another file. */
export function twinOf(index: Index, handle: FolderHandle, found: FoundPath): ItemRow | undefined {
  if (found.item !== undefined || found.found.kind === 'missing' || /^[\0-\x7f]*$/.test(found.path)) return undefined
  const twin = index.items.bySpelling(handle.row, entryIdOfPath(handle, found.path), found.path)
  return twin === undefined || twin.path === found.path || isRespelled(found, twin) ? undefined : twin
}

/**
 * What a new path has seen: the deletion that is applied here, if there was one. A version that is known but not applied yet, or whose
 * content is elsewhere, has not been seen by whoever made this file: the two are concurrent.
 */
function seenByUnknown(index: Index, handle: FolderHandle, entryId: EntryId, siblings: readonly OpenedVersion[]): readonly OpenedVersion[] {
  if (siblings.length === 0 || index.needs.has(handle.row, shortKeyOf(entryId))) return []
  return index.elsewhere.has(handle.row, entryId) ? [] : siblings
}

function planRemoval(index: Index, handle: FolderHandle, found: FoundPath, entryId: EntryId): Plan | undefined {
  const { item } = found
  if (item === undefined) return undefined
  if (item.isLeftover) {
    index.items.remove(item)
    return undefined
  }
  const meta: Meta = {
    path: normalisePath(found.path),
    kind: item.kind,
    sizeBytes: 0,
    mtimeUs: 0,
    mode: 0,
    chunkClass: 0,
    blockKeys: new Uint8Array(0),
    blockLengths: [],
    linkTarget: item.linkTarget,
    contentVector: undefined,
    editor: handle.authorId,
    contentTimeUs: originOf(item).timeUs,
  }
  const sealed = sealMeta(handle.jobKeys.metaKey, entryId, encodeMeta(meta))
  const draft: EntryDraft = { entryId, base: item.vector, kind: 'change', deleted: true, blocks: [], sealed }
  return { found, entryId, draft, contentVector: undefined, origin: originOf(item) }
}

/** The found content is a version that is known already: it becomes what is applied here, and nothing is written. */
function adopt(index: Index, handle: FolderHandle, found: FoundPath, version: OpenedVersion, siblings: number, timeMs: number): void {
  const { found: state, item, path } = found
  if (state.kind === 'missing') return
  const { entryId } = version.row.entry
  const isSame = item !== undefined && !item.isLeftover && isSameContent(item, state)
  if (item !== undefined && !isSame) {
    notePast(index, handle, item, { timeMs, author: authorRowOf(index, handle, version), isDeletion: false })
  }
  const origin = { editor: version.editor, timeUs: version.contentTimeUs }
  const sinceMs = isSame ? item.sinceMs : sinceOf(index, version, timeMs)
  index.items.put(handle.row, entryId, itemOf(path, state, version.vector, version.meta.contentVector, origin, sinceMs), item)
  if (siblings === 1) index.needs.clear(handle.row, shortKeyOf(entryId))
}

function isFoundVersion(version: OpenedVersion, found: FoundState): boolean {
  if (version.state === undefined || found.kind === 'missing') return false
  return isSameContent(version.state, found) && hasSameAttributes(version.state, found.kind, found.stat)
}

/** Attributes that are synced: permission bits of files and directories, times of files. */
export function hasSameAttributes(
  known: { readonly mode: number; readonly mtimeUs: number },
  kind: EntryKind,
  stat: Pick<FileStat, 'mode' | 'mtimeUs'>,
): boolean {
  switch (kind) {
    case 'file':
      return known.mode === stat.mode && known.mtimeUs === stat.mtimeUs
    case 'directory':
      return known.mode === stat.mode
    case 'symlink':
      return true
  }
}

function sealAttributes(handle: FolderHandle, found: FoundPath, entryId: EntryId, item: ItemRow, origin: ContentOrigin): Uint8Array {
  const state = found.found
  if (state.kind === 'missing') return new Uint8Array(0)
  const meta: Meta = {
    path: normalisePath(found.path),
    kind: state.kind,
    sizeBytes: state.kind === 'file' ? state.stat.sizeBytes : 0,
    mtimeUs: state.kind === 'directory' ? 0 : state.stat.mtimeUs,
    mode: state.kind === 'symlink' ? 0 : state.stat.mode,
    chunkClass: item.chunkClass,
    blockKeys: packedKeys(item.blocks),
    blockLengths: Array.from({ length: item.blocks.count }, (_, at) => item.blocks.lengthBytes(at)),
    linkTarget: state.linkTarget,
    contentVector: item.contentVector ?? item.vector,
    editor: origin.editor,
    contentTimeUs: origin.timeUs,
  }
  return sealMeta(handle.jobKeys.metaKey, entryId, encodeMeta(meta))
}

function recordItem(index: Index, handle: FolderHandle, plan: Plan, vector: VersionVector, timeMs: number): void {
  const { found, entryId, contentVector, origin } = plan
  const { found: state, item } = found
  const isSame = item !== undefined && contentVector !== undefined
  if (item !== undefined && !isSame) {
    const author = index.entries.author(handle.row, handle.authorId)?.row
    notePast(index, handle, item, { timeMs, author, isDeletion: state.kind === 'missing' })
  }
  if (state.kind === 'missing') {
    if (item !== undefined) index.items.remove(item)
    return
  }
  const sinceMs = isSame ? item.sinceMs : timeMs
  const rot = isStillRotten(found) ? ({ isRotten: true } as const) : {}
  index.items.put(handle.row, entryId, { ...itemOf(found.path, state, vector, contentVector, origin, sinceMs), ...rot }, item)
}

export function itemOf(
  path: RelativePath,
  found: Exclude<FoundState, { kind: 'missing' }>,
  vector: VersionVector,
  contentVector: VersionVector | undefined,
  origin: ContentOrigin,
  sinceMs: number,
): Item {
  const columns = statColumns(found.stat)
  return {
    path,
    kind: found.kind,
    ...columns,
    ...originField(origin, { vector, mtimeUs: columns.mtimeUs }),
    sizeBytes: found.kind === 'directory' ? 0 : found.stat.sizeBytes,
    chunkClass: found.chunkClass,
    isLeftover: false,
    vector,
    contentVector,
    blocks: found.blocks,
    linkTarget: found.linkTarget,
    sinceMs,
  }
}

/** What an item remembers of a stat. */
export function statColumns(stat: FileStat): Pick<Item, 'mtimeUs' | 'ctimeUs' | 'inode' | 'mode'> {
  return { mtimeUs: stat.mtimeUs, ctimeUs: stat.ctimeUs, inode: stat.inode, mode: stat.mode }
}
