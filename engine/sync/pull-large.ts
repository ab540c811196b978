// Brings in one large file: a temp file that is filled in any order, goes on after a restart where it was, and takes over
// what the old version of the file has at the same places.

import type { Jobs } from '../base/jobs.ts'
import { EngineError } from '../base/errors.ts'
import { bytesKey, toHex } from '../base/bytes.ts'
import { blake3 } from '../crypto/hash.ts'
import { temporaryDirectory } from '../disk/folder-disk.ts'
import { concatBytes } from '../base/bytes.ts'
import { packVector, type Entry } from '../model/entry.ts'
import type { BlockList } from '../model/block-list.ts'
import { commitApplied } from './pull-commit.ts'
import {
  largeTemporaryPrefix,
  type checkLarge,
  type fillLarge,
  type finishLarge,
  type FillPiece,
  type prepareLarge,
} from './large-file-job.ts'
import { appliedResult, gatherBlocks, locateBlocks, type BatchParts, type ChangeResult, type LocatedBlock } from './pull-batch.ts'
import type { PlannedChange } from './pull-plan.ts'
import type { fillByLane } from './fill-by-lane-job.ts'
import type { InLaneWorld } from '../transfer/lane-jobs.ts'
import type { Lanes } from '../transfer/lanes.ts'

export type LargeJobs = Jobs<{
  readonly prepareLarge: typeof prepareLarge
  readonly checkLarge: typeof checkLarge
  readonly fillLarge: typeof fillLarge
  readonly finishLarge: typeof finishLarge
}>

type FillJobs = Jobs<{ readonly fillByLane: InLaneWorld<typeof fillByLane> }>

export interface LargeParts extends Omit<BatchParts, 'jobs'> {
  readonly jobs: LargeJobs
  /** Absent where there are no lanes. */
  readonly lanes?: { readonly jobs: FillJobs; readonly lanes: Lanes } | undefined
  /** For progress. */
  readonly onBytes: (bytes: number) => void
}

/** Bytes asked for at once, and how many such windows are under way: what a link of some delay needs to stay full. */
const windowBytes = 6 * 1024 * 1024
const windowsUnderWay = 3
/** Bytes one job reads back of a temp file. */
const checkBytes = 128 * 1024 * 1024
/** A lane is worth its opening from this on. */
const laneBytesMin = 16 * 1024 * 1024
/** Bytes after which the device is given what was written. */
const flushBytes = 64 * 1024 * 1024
/** Below this share of blocks at their old places a copy of the old file saves nothing. */
const cloneShareMin = 0.5

/** The same version has the same temp file: that is how a transfer goes on after a restart. */
export function largeTemporaryName({ entryId, vector }: Pick<Entry, 'entryId' | 'vector'>): string {
  const hash = blake3(concatBytes([entryId, packVector(vector)]))
  return `${largeTemporaryPrefix}${toHex(hash.subarray(0, 16))}`
}

export async function pullLarge(parts: LargeParts, change: PlannedChange, signal: AbortSignal): Promise<ChangeResult> {
  const { jobs, handle } = parts
  const blocks = change.content?.blocks
  if (blocks === undefined || change.operation.kind !== 'file') throw new EngineError('INTERNAL', 'a large change is a file')
  const temporary = largeTemporaryName(change.version.row.entry)
  const cloneFrom = change.item?.kind === 'file' && isMostlyInPlace(change.item.blocks, blocks) ? change.item.path : undefined
  const sizeBytes = change.content?.sizeBytes ?? 0
  const hasContent = await jobs.run('prepareLarge', { root: handle.root, temporary, sizeBytes, cloneFrom }, { signal })
  let missing = hasContent ? await findMissing(parts, temporary, blocks, signal) : Array.from({ length: blocks.count }, (_, at) => at)
  let avoidLocal = false
  while (missing.length > 0) {
    const left = await fillMissing(parts, change, temporary, blocks, missing, avoidLocal, signal)
    // Local files that turned out not to hold a block are not asked again; a member that has none left ends the attempt.
    if (left.length === missing.length && avoidLocal) return { kind: 'noSource' }
    avoidLocal = left.length > 0
    missing = left
  }
  const operation = { ...change.operation, temporary }
  const outcome = await jobs.run('finishLarge', { root: handle.root, temporary, operation, names: parts.names?.() }, { signal })
  if (outcome.kind !== 'done') return { kind: 'refused', outcome }
  const applied = [{ change, stat: outcome.stat, isParkedChanged: outcome.isParkedChanged === true }]
  commitApplied(parts.index, handle, applied, parts.clock.nowMs())
  return appliedResult(change, outcome)
}

function isMostlyInPlace(old: BlockList, wanted: BlockList): boolean {
  const shared = Math.min(old.count, wanted.count)
  let same = 0
  for (let at = 0; at < shared; at++) if (isSameBlock(old, wanted, at)) same++
  return same > wanted.count * cloneShareMin
}

function isSameBlock(old: BlockList, wanted: BlockList, at: number): boolean {
  return old.hash(at).every((byte, index) => byte === wanted.hash(at)[index])
}

/** Reads the temp file back: what it holds already need not come again. */
async function findMissing(parts: LargeParts, temporary: string, blocks: BlockList, signal: AbortSignal): Promise<number[]> {
  const { jobs, handle } = parts
  const missing: number[] = []
  let offset = 0
  for (let from = 0; from < blocks.count;) {
    let to = from
    let bytes = 0
    while (to < blocks.count && bytes < checkBytes) bytes += blocks.lengthBytes(to++)
    const input = {
      root: handle.root,
      temporary,
      sealKey: handle.jobKeys.sealKey,
      blocks: blocks.bytes,
      fromBlock: from,
      toBlock: to,
      offset,
    }
    const good = await jobs.run('checkLarge', input, { signal })
    for (let at = from; at < to; at++) {
      if (good[at - from] === 1) parts.onBytes(blocks.lengthBytes(at))
      else missing.push(at)
    }
    from = to
    offset += bytes
  }
  return missing
}

/** One pass over the missing blocks; gives those that are still missing. */
async function fillMissing(
  parts: LargeParts,
  change: PlannedChange,
  temporary: string,
  blocks: BlockList,
  missing: readonly number[],
  avoidLocal: boolean,
  signal: AbortSignal,
): Promise<number[]> {
  const offsets = offsetsOf(blocks)
  const wanted = new Set(missing)
  const { once, repeats } = splitRepeats(locateBlocks(parts, change, avoidLocal).filter(({ at }) => wanted.has(at)))
  const left = await fillAll(parts, { temporary, blocks, offsets }, once, signal)
  // What came once is in the temp file by now: a repeat is read from there.
  const open = new Set(left)
  const copies = repeats.map(({ block, firstAt }): LocatedBlock => {
    const place = { kind: 'local', path: `${temporaryDirectory}/${temporary}`, offset: offsets[firstAt] ?? 0 } as const
    return open.has(firstAt) ? block : { ...block, place }
  })
  left.push(...(await fillAll(parts, { temporary, blocks, offsets }, copies, signal)))
  return left.toSorted((a, b) => a - b)
}

/** Sets blocks aside whose content is that of an earlier one: a disk image or a sparse file has thousands of the same. */
function splitRepeats(located: readonly LocatedBlock[]): {
  readonly once: readonly LocatedBlock[]
  readonly repeats: readonly { readonly block: LocatedBlock; readonly firstAt: number }[]
} {
  const firsts = new Map<string, number>()
  const once: LocatedBlock[] = []
  const repeats: { readonly block: LocatedBlock; readonly firstAt: number }[] = []
  for (const block of located) {
    const key = bytesKey(block.ref.id)
    const firstAt = firsts.get(key)
    if (firstAt !== undefined) repeats.push({ block, firstAt })
    else {
      firsts.set(key, block.at)
      once.push(block)
    }
  }
  return { once, repeats }
}

/** Fills in the blocks, several windows at once; gives those that are still missing. */
async function fillAll(
  parts: LargeParts,
  file: Omit<LargeTarget, 'isFlushed'>,
  located: readonly LocatedBlock[],
  signal: AbortSignal,
): Promise<number[]> {
  const windows = windowsOf(located)
  const left: number[] = []
  const usesLanes = windows.length * windowBytes >= laneBytesMin
  let next = 0
  const work = async (): Promise<void> => {
    for (let at = next++; at < windows.length; at = next++) {
      const target = { ...file, isFlushed: (at + 1) % (flushBytes / windowBytes) < 1 }
      const window = windows[at] ?? []
      const open = usesLanes ? await fillWindowByLane(parts, target, window, signal) : window
      if (open.length > 0) left.push(...(await fillWindow(parts, target, open, signal)))
    }
  }
  await Promise.all(Array.from({ length: windowsUnderWay }, work))
  return left
}

interface LargeTarget {
  readonly temporary: string
  readonly blocks: BlockList
  /** By block. */
  readonly offsets: readonly number[]
  readonly isFlushed: boolean
}

/** What a lane can bring of a window; gives what is still to be had otherwise. */
async function fillWindowByLane(
  parts: LargeParts,
  { temporary, blocks, offsets, isFlushed }: LargeTarget,
  window: readonly LocatedBlock[],
  signal: AbortSignal,
): Promise<readonly LocatedBlock[]> {
  const { handle, fetcher, lanes } = parts
  const wanted = window.filter(({ place }) => place.kind === 'peer')
  if (lanes === undefined || wanted.length === 0) return window
  const input = {
    root: handle.root,
    temporary,
    sealKey: handle.jobKeys.sealKey,
    keys: concatBytes(wanted.map(({ at }) => blocks.key(at))),
    offsets: wanted.map(({ at }) => offsets[at] ?? 0),
    lengths: wanted.map(({ at }) => blocks.lengthBytes(at)),
    isFlushed,
  }
  const fetched = await fetcher.fetchByLane(
    wanted.map(({ ref }) => ref),
    (lane) => lanes.jobs.run('fillByLane', { ...input, lane }, { signal }),
    signal,
  )
  if (fetched === undefined) return window
  const { outcomes, wireBytes } = fetched.result
  lanes.lanes.noteReceived(wireBytes)
  const written = new Set<number>()
  for (const [index, { at }] of wanted.entries()) {
    if (outcomes[index] !== 'written') continue
    written.add(at)
    parts.onBytes(blocks.lengthBytes(at))
  }
  if (outcomes.includes('bad')) fetcher.distrust(fetched.from)
  return window.filter(({ at }) => !written.has(at))
}

async function fillWindow(
  parts: LargeParts,
  { temporary, blocks, offsets }: LargeTarget,
  window: readonly LocatedBlock[],
  signal: AbortSignal,
): Promise<readonly number[]> {
  const { jobs, handle, fetcher } = parts
  const gathered = await gatherBlocks(parts, window, signal)
  const absent: number[] = []
  const pieces = window.flatMap(({ at }, index): FillPiece[] => {
    const origin = gathered.origins[index]
    if (origin === undefined) absent.push(at)
    return origin === undefined ? [] : [{ at, offset: offsets[at] ?? 0, origin }]
  })
  if (pieces.length === 0) return absent
  const bad = await jobs.run(
    'fillLarge',
    { root: handle.root, temporary, sealKey: handle.jobKeys.sealKey, blocks: blocks.bytes, pieces, sealed: gathered.sealed },
    { signal, transfer: [gathered.sealed.buffer] },
  )
  for (const { at } of pieces) if (!bad.includes(at)) parts.onBytes(blocks.lengthBytes(at))
  for (const at of bad) {
    const sender = gathered.senders[window.findIndex((block) => block.at === at)]
    if (sender !== undefined) fetcher.distrust(sender)
  }
  return [...absent, ...bad]
}

function windowsOf(located: readonly LocatedBlock[]): readonly (readonly LocatedBlock[])[] {
  const windows: LocatedBlock[][] = []
  let bytes = windowBytes
  for (const block of located) {
    if (bytes >= windowBytes) {
      windows.push([])
      bytes = 0
    }
    windows.at(-1)?.push(block)
    bytes += block.ref.storedBytes
  }
  return windows
}

function offsetsOf(blocks: BlockList): readonly number[] {
  const offsets: number[] = []
  let offset = 0
  for (let at = 0; at < blocks.count; at++) {
    offsets.push(offset)
    offset += blocks.lengthBytes(at)
  }
  return offsets
}
