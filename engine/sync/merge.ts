// Brings concurrent versions of a path together by writing the outcome: the joined version under the path's own name, and the
// losers under their conflict names. Members that do this apart write the same versions.

import { concatBytes, equalBytes, utf8 } from '../base/bytes.ts'
import { blake3 } from '../crypto/hash.ts'
import { sealMeta } from '../crypto/seal.ts'
import { shortKeyOf } from '../index/columns.ts'
import type { Index } from '../index/index-store.ts'
import { needRank } from '../index/need-table.ts'
import { BlockList } from '../model/block-list.ts'
import { packVector } from '../model/entry.ts'
import { encodeMeta } from '../model/meta.ts'
import { depthOf, normalisePath, type RelativePath } from '../model/path.ts'
import { advanceVector, compareVectors, joinVectors, type VersionVector } from '../model/vector.ts'
import { blockRefsOf, writeEntries, type EntryDraft } from './author.ts'
import { conflictPath } from './conflict-name.ts'
import { entryIdOfPath, type FolderHandle } from './folder-handle.ts'
import { packedKeys } from './ingest-job.ts'
import { mergeOf } from './pull-plan.ts'
import { isSameContent, type PathState, type Version } from './reconcile.ts'
import { areCurrent, openVersions, type OpenedVersion } from './versions.ts'

export interface MergeDraft {
  readonly draft: EntryDraft
  readonly path: RelativePath
  readonly isRemoval: boolean
  readonly sizeBytes: number
}

/** Concurrent versions of one path. */
export interface MergeGroup {
  readonly versions: readonly OpenedVersion[]
  /** 'join' where every member comes to the same; 'change' where this node knows what others cannot: that a content is lost. */
  readonly kind: EntryDraft['kind']
}

/**
 * Writes the outcome for each group of concurrent versions, in one transaction; gives the groups that it was written for. Others moved on
 * while their contents were fetched, and are to be planned anew: an outcome written over the newer version, under a vector that is equal
 * to it, would stay here for good, since nobody sends that version again.
 */
export function writeMerges(index: Index, handle: FolderHandle, groups: readonly MergeGroup[], timeMs: number): readonly MergeGroup[] {
  return index.transact(() => {
    const current = groups.filter(({ versions }) => areCurrent(index, handle, versions))
    const drafts = current.flatMap((group) => draftsOf(index, handle, group))
    const written = writeEntries(
      index,
      handle,
      drafts.map(({ draft }) => draft),
      timeMs,
    )
    drafts.forEach(({ draft, path, isRemoval, sizeBytes }, at) => {
      const isAlone = written[at]?.concurrent.length === 0
      index.needs.put(handle.row, shortKeyOf(draft.entryId), needRank(depthOf(path), isRemoval && isAlone), sizeBytes)
    })
    return current
  })
}

function draftsOf(index: Index, handle: FolderHandle, { versions, kind }: MergeGroup): readonly MergeDraft[] {
  const resolution = mergeOf(versions)
  const path = versions[0]?.meta.path
  if (resolution === undefined || path === undefined) return []
  const merged = draftOf(handle, path, resolution.merged, resolution.merged.vector)
  const drafts = [{ ...merged, draft: { ...merged.draft, kind } }]
  for (const loser of resolution.losers) {
    const copy = copyOf(index, handle, path, loser)
    if (copy !== undefined) drafts.push(copy)
  }
  return drafts
}

/** The conflict copy of a losing version; undefined when it is written already. Its vector is the loser's: one version for all. */
function copyOf(index: Index, handle: FolderHandle, path: RelativePath, loser: Version): MergeDraft | undefined {
  const { state } = loser
  if (state === undefined) return undefined
  const content = state.kind === 'symlink' ? utf8(state.linkTarget ?? '') : state.blocks.bytes
  // The version is in the name: one content that lost twice has two copies, each with a history of its own.
  const mark = blake3(concatBytes([packVector(loser.contentVector), content]))
  const copyPath = conflictPath(path, loser.contentTimeUs, loser.editor, mark)
  if (copyPath === undefined) return undefined
  const known = openVersions(handle.reading.metaKeys, index.entries.siblings(handle.row, entryIdOfPath(handle, copyPath)))
  const isWritten = known.some((version) => {
    const order = compareVectors(loser.contentVector, version.vector)
    return order === 'before' || order === 'equal'
  })
  return isWritten ? undefined : draftOf(handle, copyPath, { ...loser, state: { ...state, path: copyPath } }, loser.contentVector)
}

/**
 * A file was made here under a name of which this node's own version is elsewhere. What this node writes next counts as having seen that one,
 * since both are by one author: so it gets its conflict copy here, as the loser of a merge does. Others have its content, and it is fetched.
 */
export function keepBeside(
  index: Index,
  handle: FolderHandle,
  path: RelativePath,
  made: Pick<PathState, 'kind' | 'blocks' | 'linkTarget'>,
  timeMs: number,
): void {
  const siblings = index.entries.siblings(handle.row, entryIdOfPath(handle, path))
  const own = openVersions(handle.reading.metaKeys, siblings).filter(
    ({ vector, state }) =>
      state?.kind === 'file' && !isSameContent(state, made) && vector.every(({ author }) => equalBytes(author, handle.authorId)),
  )
  const copies = own.flatMap((version) => copyOf(index, handle, path, version) ?? [])
  writeEntries(
    index,
    handle,
    copies.map(({ draft }) => draft),
    timeMs,
  )
  for (const { draft, path: copyPath, sizeBytes } of copies) {
    index.needs.put(handle.row, shortKeyOf(draft.entryId), needRank(depthOf(copyPath), false), sizeBytes)
  }
}

/** The entry of a version, as all who come to it write it, and its path. */
export function draftOf(handle: FolderHandle, path: RelativePath, version: Version, vector: VersionVector): MergeDraft {
  const entryId = entryIdOfPath(handle, path)
  const { state } = version
  const isSameVersion = compareVectors(version.contentVector, vector) === 'equal'
  const meta = encodeMeta({
    path: normalisePath(path),
    kind: state?.kind ?? 'file',
    sizeBytes: state?.sizeBytes ?? 0,
    mtimeUs: state?.mtimeUs ?? 0,
    mode: state?.mode ?? 0,
    chunkClass: state?.chunkClass ?? 0,
    blockKeys: state === undefined ? new Uint8Array(0) : packedKeys(state.blocks),
    blockLengths: state === undefined ? [] : Array.from({ length: state.blocks.count }, (_, at) => state.blocks.lengthBytes(at)),
    linkTarget: state?.linkTarget,
    contentVector: isSameVersion || state === undefined ? undefined : version.contentVector,
    editor: version.editor,
    contentTimeUs: version.contentTimeUs,
  })
  const draft: EntryDraft = {
    entryId,
    base: vector,
    kind: 'join',
    deleted: state === undefined,
    blocks: state === undefined ? [] : blockRefsOf(state.blocks),
    sealed: sealMeta(handle.jobKeys.metaKey, entryId, meta),
  }
  return { draft, path, isRemoval: state === undefined, sizeBytes: state?.sizeBytes ?? 0 }
}

/** Says that a content this node wrote is lost: the path goes, until somebody writes it again. */
export function writeLoss(index: Index, handle: FolderHandle, version: OpenedVersion, timeMs: number): void {
  const { path } = version.meta
  const { vector, contentTimeUs } = version
  const lost = { vector, contentVector: vector, editor: handle.authorId, contentTimeUs, state: undefined }
  const { draft } = draftOf(handle, path, lost, vector)
  index.transact(() => {
    writeEntries(index, handle, [{ ...draft, kind: 'change' }], timeMs)
    index.needs.put(handle.row, shortKeyOf(draft.entryId), needRank(depthOf(path), true), 0)
  })
}

/** Lets a directory live again that was deleted elsewhere while something was put into it here. */
export function reviveDirectory(index: Index, handle: FolderHandle, path: RelativePath, timeMs: number): void {
  index.transact(() => {
    const entryId = entryIdOfPath(handle, path)
    const siblings = openVersions(handle.reading.metaKeys, index.entries.siblings(handle.row, entryId))
    const item = index.items.byPath(handle.row, path)
    // Beside what others made of the name meanwhile, not over it: a file there gets its conflict copy by the ordinary rule.
    const isGone = siblings.every((version) => version.state === undefined)
    const seen = item === undefined && isGone ? siblings.map((version) => version.vector).reduce(joinVectors, []) : []
    const vector = item?.kind === 'directory' ? item.vector : seen
    const state: PathState = { ...emptyDirectory, path, ...(item?.kind === 'directory' ? { mode: item.mode } : {}) }
    const revived = { vector, contentVector: vector, editor: handle.authorId, contentTimeUs: 0, state }
    const { draft, ...rest } = draftOf(handle, path, revived, vector)
    // What this node wrote itself cannot stand beside its next version: its copy is made here and now.
    const next = advanceVector(vector, handle.authorId, Number.MAX_SAFE_INTEGER)
    const covered = siblings.filter((version) => version.state !== undefined && compareVectors(version.vector, next) === 'before')
    const losers = covered.filter((version) => version.state?.kind !== 'directory')
    const copies = losers.flatMap((version) => copyOf(index, handle, path, version) ?? [])
    const drafts: readonly MergeDraft[] = [{ ...rest, draft: { ...draft, kind: 'change' } }, ...copies]
    writeEntries(
      index,
      handle,
      drafts.map((each) => each.draft),
      timeMs,
    )
    for (const each of drafts) {
      index.needs.put(handle.row, shortKeyOf(each.draft.entryId), needRank(depthOf(each.path), false), each.sizeBytes)
    }
  })
}

const revivedMode = 0o755

const emptyDirectory = {
  kind: 'directory' as const,
  sizeBytes: 0,
  mtimeUs: 0,
  mode: revivedMode,
  chunkClass: 0,
  blocks: BlockList.empty,
  linkTarget: undefined,
}
