// Serves blocks to members: from the user's files where they are, from the block store otherwise. A block that turns out
// to be gone is said to be absent, and its path is looked at.

import { present } from '../base/assert.ts'
import { concatBytes } from '../base/bytes.ts'
import { EngineError } from '../base/errors.ts'
import type { Jobs } from '../base/jobs.ts'
import type { BlockStore } from '../blocks/store.ts'
import type { Index } from '../index/index-store.ts'
import { sealOverheadBytes } from '../model/block-list.ts'
import type { MemberRecord } from '../model/folder.ts'
import { hashIdBytes, parseBlockId, type BlockId } from '../model/ids.ts'
import type { GetMany } from '../model/wire/exchange_pb.ts'
import type { Channel } from '../net/network.ts'
import { partBytesTarget, receiveBlocksFrame, requestIdsMax, sendBlocksFrame, sendBlocksPart } from './blocks-frames.ts'
import type { LaneName } from '../net/lanes.ts'
import type { Lanes } from './lanes.ts'
import type { sealRanges, SealRange } from './seal-ranges-job.ts'

export interface ServeParts {
  readonly index: Index
  readonly store: BlockStore
  readonly folder: Pick<MemberRecord, 'row' | 'id'>
  /** The tree whose files hold blocks; absent where blocks are in the store only. */
  readonly tree: ServedTree | undefined
}

export interface ServedTree {
  readonly jobs: Jobs<{ readonly sealRanges: typeof sealRanges }>
  /** Absolute. */
  readonly root: string
  readonly sealKey: Uint8Array
  /** Absent where there are none. */
  readonly lanes?: Lanes | undefined
  /** A file did not hold what the index said: look at it. */
  readonly onStale: (path: string) => void
}

/** Blocks in one part: bounds the time of one job where files are tiny. */
const partBlocksMax = 512

type Source =
  | { readonly kind: 'file'; readonly range: SealRange }
  | { readonly kind: 'store'; readonly id: BlockId; readonly storedBytes: number }
  | { readonly kind: 'absent' }

interface Part {
  readonly lengths: readonly number[]
  readonly payload: Uint8Array
}

/** Answers requests until the peer closes or `signal` aborts. The peer's membership has been checked. */
export async function serveBlocks(channel: Channel, parts: ServeParts, signal: AbortSignal): Promise<void> {
  let lane: LaneName | undefined
  try {
    for (;;) {
      const frame = await receiveBlocksFrame(channel, signal)
      if (frame === undefined) return
      if (frame.case === 'laneWanted') {
        if (lane !== undefined) parts.tree?.lanes?.end(lane)
        lane = await offerLane(channel, parts.tree, signal)
      } else if (frame.case !== 'getMany') {
        throw new EngineError('PEER_MISBEHAVED', `${channel.peer} spoke out of turn; the connection for its blocks was closed`)
      } else if (!frame.value.byLane) await answer(channel, parts, frame.value, signal)
      else if (lane !== undefined) await answerByLane(channel, lane, parts, frame.value, signal)
    }
  } finally {
    if (lane !== undefined) parts.tree?.lanes?.end(lane)
  }
}

async function offerLane(channel: Channel, tree: ServedTree | undefined, signal: AbortSignal): Promise<LaneName | undefined> {
  const offered = await tree?.lanes?.offer(tree.sealKey, signal)
  await sendBlocksFrame(channel, { case: 'laneOffer', value: offered?.terms ?? {} }, signal)
  return offered?.lane
}

/** Only blocks of files: what is in the store is asked for again over the channel. */
async function answerByLane(channel: Channel, lane: LaneName, parts: ServeParts, request: GetMany, signal: AbortSignal): Promise<void> {
  const { tree } = parts
  const ranges = parseIds(request.ids, channel).map((id) => {
    const source = sourceOf(parts, id)
    return source.kind === 'file' ? source.range : undefined
  })
  try {
    const stale = await tree?.lanes?.send(lane, { root: tree.root, sealKey: tree.sealKey, ranges }, signal)
    for (const at of stale ?? []) tree?.onStale(present(ranges[at], 'only a range is stale').path)
  } catch (error) {
    // The other side notices the same, and asks over the channel.
    if (!(error instanceof EngineError && error.code === 'CLOSED')) throw error
  }
}

async function answer(channel: Channel, parts: ServeParts, request: GetMany, signal: AbortSignal): Promise<void> {
  const slices = slicesOf(parseIds(request.ids, channel), parts)
  // One part is sealed while the one before it is sent.
  let next = makePart(parts, slices[0], signal)
  for (let at = 0; at < slices.length; at++) {
    const part = await next
    next = makePart(parts, slices[at + 1], signal)
    next.catch(() => undefined) // awaited in the next round unless sending fails first
    await sendBlocksPart(channel, { request: request.request, ...part }, signal)
  }
}

function parseIds(bytes: Uint8Array, channel: Channel): readonly BlockId[] {
  const count = bytes.length / hashIdBytes
  const ids: BlockId[] = []
  for (let at = 0; at < Math.min(count, requestIdsMax); at++) {
    const id = parseBlockId(bytes.slice(at * hashIdBytes, (at + 1) * hashIdBytes))
    if (id !== undefined) ids.push(id)
  }
  if (ids.length === count && count > 0) return ids
  throw new EngineError('PEER_MISBEHAVED', `${channel.peer} sent a request that is malformed or over the limit`)
}

function slicesOf(ids: readonly BlockId[], parts: ServeParts): readonly (readonly Source[])[] {
  const slices: Source[][] = []
  let slice: Source[] = []
  let bytes = 0
  for (const id of ids) {
    const source = sourceOf(parts, id)
    slice.push(source)
    bytes += sizeOf(source)
    if (bytes < partBytesTarget && slice.length < partBlocksMax) continue
    slices.push(slice)
    slice = []
    bytes = 0
  }
  if (slice.length > 0) slices.push(slice)
  return slices
}

function sizeOf(source: Source): number {
  switch (source.kind) {
    case 'file':
      return source.range.lengthBytes + sealOverheadBytes
    case 'store':
      return source.storedBytes
    case 'absent':
      return 0
  }
}

function sourceOf({ index, store, folder, tree }: ServeParts, id: BlockId): Source {
  const home = tree === undefined ? undefined : index.items.homeOf(folder.row, id)
  if (home !== undefined) {
    const { item, at, offset } = home
    const key = item.blocks.key(at).slice() // a view would be cloned with the whole list
    const range = { path: item.path, offset, lengthBytes: item.blocks.lengthBytes(at), id, key }
    return { kind: 'file', range }
  }
  const storedBytes = store.sizeOf(folder.id, id)
  return storedBytes === undefined ? { kind: 'absent' } : { kind: 'store', id, storedBytes }
}

async function makePart(parts: ServeParts, slice: readonly Source[] | undefined, signal: AbortSignal): Promise<Part> {
  if (slice === undefined) return { lengths: [], payload: new Uint8Array(0) }
  const ranges = slice.flatMap((source) => (source.kind === 'file' ? [source.range] : []))
  const { tree } = parts
  const sealed =
    tree === undefined || ranges.length === 0
      ? { payload: new Uint8Array(0), lengths: [] }
      : await tree.jobs.run('sealRanges', { root: tree.root, sealKey: tree.sealKey, ranges }, { signal })
  sealed.lengths.forEach((length, at) => {
    if (length === 0) tree?.onStale(present(ranges[at], 'a length a range').path)
  })
  if (ranges.length === slice.length && sealed.lengths.every((length) => length > 0)) return sealed
  return mixPart(parts, slice, sealed)
}

/** Puts blocks of the store between those of files, in the order asked, and in place of those that a file turned out not to hold. */
async function mixPart(parts: ServeParts, slice: readonly Source[], sealed: Part): Promise<Part> {
  const pieces: Uint8Array[] = []
  const lengths: number[] = []
  let fileAt = 0
  let payloadAt = 0
  for (const source of slice) {
    if (source.kind === 'file') {
      const length = sealed.lengths[fileAt++] ?? 0
      pieces.push(length > 0 ? sealed.payload.subarray(payloadAt, payloadAt + length) : await storedBlock(parts, source.range.id))
      payloadAt += length
    } else if (source.kind === 'store') pieces.push(await storedBlock(parts, source.id))
    else pieces.push(new Uint8Array(0))
    lengths.push(present(pieces.at(-1), 'a piece was pushed').length)
  }
  return { lengths, payload: concatBytes(pieces) }
}

async function storedBlock({ store, folder }: ServeParts, id: BlockId): Promise<Uint8Array> {
  return (await store.get(folder.id, id)) ?? new Uint8Array(0)
}
