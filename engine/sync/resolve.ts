// Carries a person's decision about a conflict out: entries in this node's name, as if the person had moved and deleted the files, but
// applied here like a change from elsewhere, so that what goes is kept in the history of every member, this one too. Two nodes that
// decide alike write the same content under the name, which counts as one.

import { EngineError } from '../base/errors.ts'
import type { Index } from '../index/index-store.ts'
import { shortKeyOf } from '../index/columns.ts'
import { needRank } from '../index/need-table.ts'
import { depthOf, type RelativePath } from '../model/path.ts'
import { compareVectors, emptyVector, joinVectors } from '../model/vector.ts'
import { writeEntries, type EntryDraft } from './author.ts'
import { keptPath } from './conflict-name.ts'
import type { Conflict, ResolutionChoice } from './conflicts.ts'
import { entryIdOfPath, type FolderHandle } from './folder-handle.ts'
import { timeAfter } from './ingest-commit.ts'
import { draftOf } from './merge.ts'
import { isSameContent, type PathState, type Version } from './reconcile.ts'
import { openVersions, type OpenedVersion } from './versions.ts'

export interface Resolved {
  readonly kept: readonly RelativePath[]
  readonly removed: readonly RelativePath[]
}

export interface Write {
  readonly path: RelativePath
  readonly draft: EntryDraft
  readonly sizeBytes: number
}

/** In one transaction. Throws `CONFLICT_UNCLEAR` where the decision cannot be carried out; nothing is written then. */
export function writeResolution(
  index: Index,
  handle: FolderHandle,
  conflict: Conflict,
  choice: Exclude<ResolutionChoice, { kind: 'unclear' }>,
  timeMs: number,
): Resolved {
  return index.transact(() => {
    const plan = choice.kind === 'one' ? planOne(index, handle, conflict, choice) : planAll(index, handle, choice.kept)
    commitWrites(index, handle, plan.writes, timeMs)
    return plan.resolved
  })
}

/** Entries, and the needs that take them to the disk. Inside a transaction. */
export function commitWrites(index: Index, handle: FolderHandle, writes: readonly Write[], timeMs: number): void {
  writeEntries(
    index,
    handle,
    writes.map(({ draft }) => draft),
    timeMs,
  )
  for (const { path, draft, sizeBytes } of writes) {
    index.needs.put(handle.row, shortKeyOf(draft.entryId), needRank(depthOf(path), draft.deleted), sizeBytes)
  }
}

interface ResolutionPlan {
  readonly writes: readonly Write[]
  readonly resolved: Resolved
}

function planOne(
  index: Index,
  handle: FolderHandle,
  conflict: Conflict,
  { kept, gone }: Extract<ResolutionChoice, { kind: 'one' }>,
): ResolutionPlan {
  const removals = gone.map(({ path }) => removalOf(handle, currentOf(index, handle, path)))
  const removed = gone.map(({ path }) => path).filter((path) => path !== kept.path)
  const resolved = { kept: [conflict.path], removed }
  if (kept.path === conflict.path) return { writes: removals, resolved }
  if (conflict.winner?.kind === 'directory') {
    throw new EngineError('CONFLICT_UNCLEAR', `${conflict.path} is a directory now: move ${kept.path} where it should be, by hand`)
  }
  const copy = currentOf(index, handle, kept.path)
  return { writes: [presenceOf(index, handle, conflict.path, copy), ...removals], resolved }
}

function planAll(index: Index, handle: FolderHandle, copies: readonly { readonly path: RelativePath }[]): ResolutionPlan {
  const writes: Write[] = []
  const kept: RelativePath[] = []
  for (const { path } of copies) {
    const copy = currentOf(index, handle, path)
    const name = keptPath(path)
    if (name === undefined) throw new EngineError('CONFLICT_UNCLEAR', `${path} cannot be given another name: rename it by hand`)
    const taken = versionsAt(index, handle, name).find((version) => version.state !== undefined)
    if (taken?.state === undefined || copy.state === undefined) writes.push(presenceOf(index, handle, name, copy))
    else if (!isSameContent(taken.state, copy.state)) {
      throw new EngineError('CONFLICT_UNCLEAR', `there is another file at ${name}: rename ${path} by hand`)
    }
    writes.push(removalOf(handle, copy))
    kept.push(name)
  }
  return { writes, resolved: { kept, removed: [] } }
}

/** The one version of a path, applied here: a decision about something that the person does not see would be none. */
function currentOf(index: Index, handle: FolderHandle, path: RelativePath): OpenedVersion {
  const version = appliedVersion(index, handle, path)
  if (version !== undefined) return version
  throw new EngineError('CONFLICT_UNCLEAR', `${path} is being changed right now: try again in a moment`)
}

/** The one version of a path that is there, if it is what is on the disk as far as is known. */
export function appliedVersion(index: Index, handle: FolderHandle, path: RelativePath): OpenedVersion | undefined {
  const [version, ...others] = versionsAt(index, handle, path)
  const item = index.items.byPath(handle.row, path)
  const isApplied = version !== undefined && item !== undefined && compareVectors(item.vector, version.vector) === 'equal'
  return version?.state !== undefined && others.length === 0 && isApplied ? version : undefined
}

function versionsAt(index: Index, handle: FolderHandle, path: RelativePath): readonly OpenedVersion[] {
  return openVersions(handle.reading.metaKeys, index.entries.siblings(handle.row, entryIdOfPath(handle, path)))
}

export function removalOf(handle: FolderHandle, { meta, vector, contentTimeUs }: OpenedVersion): Write {
  const gone: Version = { vector, contentVector: vector, editor: handle.authorId, contentTimeUs, state: undefined }
  return { path: meta.path, draft: { ...draftOf(handle, meta.path, gone, vector).draft, kind: 'change' }, sizeBytes: 0 }
}

/** The copy's content and attributes at `path`, in place of all that is known there. */
export function presenceOf(
  index: Index,
  handle: FolderHandle,
  path: RelativePath,
  copy: Pick<Version, 'editor' | 'contentTimeUs' | 'state'>,
): Write {
  const replaced = versionsAt(index, handle, path)
  const vector = replaced.map((version) => version.vector).reduce(joinVectors, emptyVector)
  const contentTimeUs = timeAfter(
    copy.contentTimeUs,
    replaced.map((version) => version.contentTimeUs),
  )
  const state: PathState | undefined = copy.state === undefined ? undefined : { ...copy.state, path }
  const version: Version = { vector, contentVector: vector, editor: copy.editor, contentTimeUs, state }
  return { path, draft: { ...draftOf(handle, path, version, vector).draft, kind: 'change' }, sizeBytes: state?.sizeBytes ?? 0 }
}
