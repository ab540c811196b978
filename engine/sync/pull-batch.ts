// Carries out a batch of planned changes: finds each block (in another file here, in the store, at a member), has a worker put
// everything on disk, and commits what came of it.

import type { Clock } from '../base/clock.ts'
import type { Jobs } from '../base/jobs.ts'
import type { BlockStore } from '../blocks/store.ts'
import { replacedDirectory } from '../disk/folder-disk.ts'
import type { Index } from '../index/index-store.ts'
import { sealOverheadBytes, type BlockList } from '../model/block-list.ts'
import type { BlockRef } from '../model/entry.ts'
import type { Platform } from '../model/path.ts'
import type { PeerId } from '../model/ids.ts'
import type { Fetcher } from '../transfer/fetch.ts'
import type { FolderHandle } from './folder-handle.ts'
import { commitApplied, type AppliedChange } from './pull-commit.ts'
import type { PlannedChange } from './pull-plan.ts'
import { packSealed, type BlockOrigin, type publishBatch, type PublishOutcome, type PublishTask } from './publish-job.ts'

export interface BatchParts {
  readonly index: Index
  readonly jobs: Jobs<{ readonly publishBatch: typeof publishBatch }>
  readonly handle: FolderHandle
  readonly store: BlockStore
  readonly fetcher: Fetcher
  readonly clock: Clock
  /** Whose rules for names the drive has. */
  readonly names?: () => Platform
}

export type ChangeResult =
  /** `keptParked`: somebody wrote to the replaced file in the last moment; it is parked under this name. */
  | { readonly kind: 'applied'; readonly keptParked?: string }
  /** Nobody reachable has some of its blocks now. */
  | { readonly kind: 'noSource' }
  | { readonly kind: 'refused'; readonly outcome: Exclude<PublishOutcome, { kind: 'done' }> }

export interface LocatedBlock {
  readonly at: number
  readonly ref: BlockRef
  readonly place:
    | { readonly kind: 'local'; readonly path: string; readonly offset: number }
    | { readonly kind: 'store' }
    | { readonly kind: 'peer' }
}

/** Where each block of a change's content can be had; blocks of `avoid`ed local files are fetched instead. */
export function locateBlocks(
  parts: Pick<BatchParts, 'index' | 'handle' | 'store'>,
  change: PlannedChange,
  avoidLocal: boolean,
): readonly LocatedBlock[] {
  const blocks = change.content?.blocks
  return blocks === undefined ? [] : Array.from({ length: blocks.count }, (_, at) => locateBlock(parts, blocks, at, avoidLocal))
}

/**
 * In a file of the folder, in the store, in a parked file whose blocks are not stored yet, at a member. Parked files count for more than
 * history: what goes at one path often comes again at another (a renamed directory, told in pieces).
 */
export function locateBlock(
  { index, handle, store }: Pick<BatchParts, 'index' | 'handle' | 'store'>,
  blocks: BlockList,
  at: number,
  avoidLocal: boolean,
): LocatedBlock {
  const ref = { id: blocks.id(at), storedBytes: blocks.lengthBytes(at) + sealOverheadBytes }
  const home = avoidLocal ? undefined : index.items.homeOf(handle.row, ref.id)
  if (home !== undefined) return { at, ref, place: { kind: 'local', path: home.item.path, offset: home.offset } }
  if (store.has(handle.record.id, ref.id)) return { at, ref, place: { kind: 'store' } }
  const parked = avoidLocal ? undefined : index.history.parkedHome(handle.row, ref.id)
  if (parked === undefined) return { at, ref, place: { kind: 'peer' } }
  return { at, ref, place: { kind: 'local', path: `${replacedDirectory}/${parked.parked}`, offset: parked.offset } }
}

export interface GatheredBlocks {
  /** By position in the request; undefined = nobody has it now. */
  readonly origins: readonly (BlockOrigin | undefined)[]
  readonly sealed: Uint8Array<ArrayBuffer>
  readonly senders: readonly (PeerId | undefined)[]
}

/** Brings the bytes of located blocks together, as a job takes them. */
export async function gatherBlocks(
  parts: Pick<BatchParts, 'handle' | 'store' | 'fetcher'>,
  located: readonly LocatedBlock[],
  signal: AbortSignal,
): Promise<GatheredBlocks> {
  const wanted = located.filter(({ place }) => place.kind === 'peer')
  const fetched = await parts.fetcher.fetch(
    wanted.map(({ ref }) => ref),
    signal,
  )
  const senders = located.map((): PeerId | undefined => undefined)
  const pieces: Uint8Array[] = []
  const pieceOf = new Map<number, number>()
  let fetchedAt = 0
  for (const [at, block] of located.entries()) {
    if (block.place.kind === 'local') continue
    const answer = block.place.kind === 'peer' ? fetched[fetchedAt++] : undefined
    const bytes = block.place.kind === 'store' ? await parts.store.get(parts.handle.record.id, block.ref.id) : answer?.bytes
    senders[at] = answer?.from
    if (bytes === undefined) continue
    pieceOf.set(at, pieces.length)
    pieces.push(bytes)
  }
  const packed = packSealed(pieces)
  const origins = located.map((block, at): BlockOrigin | undefined => {
    if (block.place.kind === 'local') return block.place
    const piece = pieceOf.get(at)
    return piece === undefined ? undefined : packed.origins[piece]
  })
  return { origins, sealed: packed.sealed, senders }
}

/** Carries out the changes; one result a change. Local files that did not hold what the index said are avoided in a second try. */
export async function executeBatch(
  parts: BatchParts,
  changes: readonly PlannedChange[],
  signal: AbortSignal,
): Promise<readonly ChangeResult[]> {
  const results = await attempt(parts, changes, false, signal)
  const again = results.flatMap((result, at) => (result.kind === 'refused' && result.outcome.kind === 'badBlocks' ? [at] : []))
  if (again.length === 0) return results
  const retried = await attempt(
    parts,
    again.flatMap((at) => changes[at] ?? []),
    true,
    signal,
  )
  const merged = [...results]
  again.forEach((at, index) => {
    const result = retried[index]
    if (result !== undefined) merged[at] = result
  })
  return merged
}

async function attempt(
  parts: BatchParts,
  changes: readonly PlannedChange[],
  avoidLocal: boolean,
  signal: AbortSignal,
): Promise<readonly ChangeResult[]> {
  const located = changes.map((change) => locateBlocks(parts, change, avoidLocal))
  const gathered = await gatherBlocks(parts, located.flat(), signal)
  const tasks: PublishTask[] = []
  const taskOf: (number | undefined)[] = []
  const senders: (readonly (PeerId | undefined)[])[] = []
  let from = 0
  for (const [at, change] of changes.entries()) {
    const count = located[at]?.length ?? 0
    const origins = gathered.origins.slice(from, from + count)
    const known = origins.filter((origin) => origin !== undefined)
    taskOf.push(known.length === count ? tasks.length : undefined)
    if (known.length === count) {
      tasks.push({ operation: change.operation, blocks: change.content?.blocks.bytes ?? new Uint8Array(0), origins: known })
      senders.push(gathered.senders.slice(from, from + count))
    }
    from += count
  }
  const outcomes = await publish(parts, tasks, gathered.sealed, signal)
  distrustLiars(parts.fetcher, outcomes, senders)
  const results = changes.map((_, at): ChangeResult => {
    const task = taskOf[at]
    const outcome = task === undefined ? undefined : outcomes[task]
    if (outcome === undefined) return { kind: 'noSource' }
    return outcome.kind === 'done' ? appliedResult(changes[at], outcome) : { kind: 'refused', outcome }
  })
  const applied = changes.flatMap((change, at): AppliedChange[] => {
    const outcome = outcomes[taskOf[at] ?? -1]
    return outcome?.kind === 'done' ? [{ change, stat: outcome.stat, isParkedChanged: outcome.isParkedChanged === true }] : []
  })
  commitApplied(parts.index, parts.handle, applied, parts.clock.nowMs())
  return results
}

export function appliedResult(change: PlannedChange | undefined, outcome: { readonly isParkedChanged?: true }): ChangeResult {
  const operation = change?.operation
  const parked = operation !== undefined && 'park' in operation ? operation.park : undefined
  return outcome.isParkedChanged === true && parked !== undefined ? { kind: 'applied', keptParked: parked } : { kind: 'applied' }
}

async function publish(
  parts: BatchParts,
  tasks: readonly PublishTask[],
  sealed: Uint8Array<ArrayBuffer>,
  signal: AbortSignal,
): Promise<readonly PublishOutcome[]> {
  if (tasks.length === 0) return []
  const { root, jobKeys } = parts.handle
  return parts.jobs.run(
    'publishBatch',
    { root, sealKey: jobKeys.sealKey, tasks, sealed, names: parts.names?.() },
    { signal, transfer: [sealed.buffer] },
  )
}

function distrustLiars(fetcher: Fetcher, outcomes: readonly PublishOutcome[], senders: readonly (readonly (PeerId | undefined)[])[]): void {
  for (const [at, outcome] of outcomes.entries()) {
    if (outcome.kind !== 'badBlocks') continue
    for (const place of outcome.places) {
      const sender = senders[at]?.[place]
      if (sender !== undefined) fetcher.distrust(sender)
    }
  }
}
