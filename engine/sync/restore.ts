// Brings past versions back in place: as new versions by this node, which then come to the disk as any other does. So what they replace
// goes to history in turn, directories that are gone live again, and a crash at any point is one that pull knows.

import { equalBytes } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import type { BlockStore, StoredBlock } from '../blocks/store.ts'
import { blockIdOf } from '../crypto/seal.ts'
import { shortKeyOf } from '../index/columns.ts'
import type { PastVersion } from '../index/history-table.ts'
import type { Index } from '../index/index-store.ts'
import { needRank } from '../index/need-table.ts'
import { sealOverheadBytes } from '../model/block-list.ts'
import type { BlockRef } from '../model/entry.ts'
import { depthOf, type RelativePath } from '../model/path.ts'
import { joinVectors, type VersionVector } from '../model/vector.ts'
import type { Fetcher } from '../transfer/fetch.ts'
import { writeEntries } from './author.ts'
import { entryIdOfPath, type FolderHandle } from './folder-handle.ts'
import { timeAfter } from './ingest-commit.ts'
import { draftOf, type MergeDraft } from './merge.ts'
import { hasParentIn, leavesOf, stateOfPast } from './past-state.ts'
import type { PathState } from './reconcile.ts'
import { openVersions } from './versions.ts'

export interface RestoreParts {
  readonly index: Index
  readonly handle: FolderHandle
  readonly store: BlockStore
  readonly fetcher: Fetcher
  readonly clock: Clock
}

/** Content that passes through memory at once on its way from members to the store. */
const fetchBytesMax = 8 * 1024 * 1024
const stepsPerTransaction = 500
const microsecondsPerMillisecond = 1000

/**
 * Sees that all content is at hand, in files of the folder, parked ones too, or in the store, and fetches what only members have. Gives the versions of
 * which something cannot be had now. What is fetched is safe: these versions' rows refer to it. Throws what the store throws.
 */
export async function holdPast(
  parts: RestoreParts,
  versions: readonly PastVersion[],
  signal: AbortSignal,
): Promise<ReadonlySet<PastVersion>> {
  const missing = new Set<PastVersion>()
  const waiting: PastVersion[] = []
  let refs: BlockRef[] = []
  let bytes = 0
  const bring = async (): Promise<void> => {
    await fetchIntoStore(parts, refs, signal)
    refs = []
    bytes = 0
  }
  for (const version of versions) {
    const absent = absentBlocks(parts, version)
    if (absent.length === 0) continue
    waiting.push(version)
    for (const ref of absent) {
      refs.push(ref)
      bytes += ref.storedBytes
      if (bytes >= fetchBytesMax) await bring()
    }
  }
  await bring()
  for (const version of waiting) if (absentBlocks(parts, version).length > 0) missing.add(version)
  return missing
}

/** Blocks that neither a file of the folder, a parked one included, nor the store holds. */
export function absentBlocks(
  { index, handle, store }: Pick<RestoreParts, 'index' | 'handle' | 'store'>,
  { blocks }: Pick<PathState, 'blocks'>,
): readonly BlockRef[] {
  const areAtHome = index.items.areAtHome(handle.row, blocks)
  return areAtHome.flatMap((isAtHome, at) => {
    const id = blocks.id(at)
    const isHere = isAtHome || store.has(handle.record.id, id) || index.history.parkedHome(handle.row, id) !== undefined
    return isHere ? [] : [{ id, storedBytes: blocks.lengthBytes(at) + sealOverheadBytes }]
  })
}

async function fetchIntoStore({ handle, store, fetcher }: RestoreParts, refs: readonly BlockRef[], signal: AbortSignal): Promise<void> {
  if (refs.length === 0) return
  const fetched = await fetcher.fetch(refs, signal)
  const blocks = refs.flatMap(({ id }, at): StoredBlock[] => {
    const answer = fetched[at]
    if (answer === undefined) return []
    if (equalBytes(blockIdOf(answer.bytes), id)) return [{ folder: handle.record.id, id, bytes: answer.bytes }]
    fetcher.distrust(answer.from)
    return []
  })
  await store.put(blocks)
}

/** Writes what brings the paths back, and the needs that take it to the disk. Gives the paths' short keys. Pull is to be woken. */
export async function writeRollback(
  { index, handle, clock }: RestoreParts,
  restored: readonly PastVersion[],
  removed: readonly RelativePath[],
  signal: AbortSignal,
): Promise<readonly number[]> {
  const keys: number[] = []
  // Parents before their children where something appears, after them where something goes: as those who receive it apply it. What is in
  // a directory that becomes a file goes first of all: else whoever hears but half of it takes the rest for living still.
  const leaves = leavesOf(restored)
  const going = removed.toSorted((left, right) => (left < right ? 1 : -1))
  const steps: readonly (PastVersion | RelativePath)[] = [
    ...going.filter((path) => hasParentIn(path, leaves)),
    ...restored.toSorted((left, right) => (left.path < right.path ? -1 : 1)),
    ...going.filter((path) => !hasParentIn(path, leaves)),
  ]
  for (let from = 0; from < steps.length; from += stepsPerTransaction) {
    const slice = steps.slice(from, from + stepsPerTransaction)
    keys.push(...index.transact(() => writeSteps(index, handle, slice, clock.nowMs())))
    await clock.sleep(0, signal)
  }
  return keys
}

function writeSteps(index: Index, handle: FolderHandle, steps: readonly (PastVersion | RelativePath)[], timeMs: number): readonly number[] {
  const drafts = steps.flatMap((step): MergeDraft[] => {
    if (typeof step === 'string') return [draftStep(index, handle, step, undefined, timeMs)]
    // It may have been let go of meanwhile, and its blocks with it.
    const isKept = index.history.get(handle.row, step.row) !== undefined
    return isKept ? [draftStep(index, handle, step.path, stateOfPast(step), timeMs)] : []
  })
  writeEntries(
    index,
    handle,
    drafts.map(({ draft }) => draft),
    timeMs,
  )
  return drafts.map(({ draft, path, isRemoval, sizeBytes }) => {
    const pathKey = shortKeyOf(draft.entryId)
    index.needs.put(handle.row, pathKey, needRank(depthOf(path), isRemoval), sizeBytes)
    return pathKey
  })
}

/** A version that has seen everything that is known of the path here. */
function draftStep(index: Index, handle: FolderHandle, path: RelativePath, state: PathState | undefined, timeMs: number): MergeDraft {
  const siblings = openVersions(handle.reading.metaKeys, index.entries.siblings(handle.row, entryIdOfPath(handle, path)))
  const item = index.items.byPath(handle.row, path)
  const seen: VersionVector[] = [...siblings.map((version) => version.vector), ...(item === undefined ? [] : [item.vector])]
  const vector = seen.reduce(joinVectors, [])
  const contentTimeUs = timeAfter(
    timeMs * microsecondsPerMillisecond,
    siblings.map((version) => version.contentTimeUs),
  )
  const made = draftOf(handle, path, { vector, contentVector: vector, editor: handle.authorId, contentTimeUs, state }, vector)
  return { ...made, draft: { ...made.draft, kind: 'change' } }
}
