// Serves blocks to members, or proof of having them, for which only what a power cut would leave counts. A block that turns out to be gone is said
// to be absent, and its path is looked at.

import { present } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { bytesKey } from '../base/bytes.ts'
import { EngineError } from '../base/errors.ts'
import { proofKeyOf } from '../crypto/block-proof.ts'
import { hashIdBytes, parseBlockId, type BlockId, type PeerId } from '../model/ids.ts'
import type { GetMany, KeepWanted } from '../model/wire/exchange_pb.ts'
import type { LaneName } from '../net/lanes.ts'
import type { Channel } from '../net/network.ts'
import { proofBytes, receiveBlocksFrame, requestIdsMax, sendBlocksFrame, sendBlocksPart } from './blocks-frames.ts'
import { onlySome, readHeld, sourceOf, type HeldParts, type ServedTree } from './held-blocks.ts'
import { PartSize } from './part-size.ts'

/** Answers requests until the peer closes or `signal` aborts. The peer's membership has been checked. */
export async function serveBlocks(
  channel: Channel,
  parts: HeldParts,
  node: { readonly self: PeerId; readonly clock: Clock },
  signal: AbortSignal,
): Promise<void> {
  const size = new PartSize()
  let lane: LaneName | undefined
  try {
    for (;;) {
      const frame = await receiveBlocksFrame(channel, signal)
      if (frame === undefined) return
      if (frame.case === 'laneWanted') {
        if (lane !== undefined) parts.tree?.lanes?.end(lane)
        lane = await offerLane(channel, parts.tree, signal)
      } else if (frame.case === 'keepWanted') {
        await answerLease({ ...node, channel, size }, parts, frame.value, signal)
      } else if (frame.case !== 'getMany') {
        throw new EngineError('PEER_MISBEHAVED', `${channel.peer} spoke out of turn; the connection for its blocks was closed`)
      } else if (!frame.value.byLane) await answer({ ...node, channel, size }, parts, frame.value, signal)
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
async function answerByLane(channel: Channel, lane: LaneName, parts: HeldParts, request: GetMany, signal: AbortSignal): Promise<void> {
  const { tree } = parts
  const ids = parseIds(request.ids, channel)
  parts.onAsked?.(channel.peer, ids)
  const ranges = ids.map((id) => {
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

interface Taker {
  readonly channel: Channel
  readonly self: PeerId
  readonly clock: Clock
  readonly size: PartSize
}

async function answer({ channel, self, clock, size }: Taker, parts: HeldParts, request: GetMany, signal: AbortSignal): Promise<void> {
  const { nonce, isGuess } = request
  const { onAbsent, ...quiet } = parts
  const isProof = nonce.length === proofBytes
  const ids = parseIds(request.ids, channel)
  if (!isProof) parts.onAsked?.(channel.peer, ids)
  const proofKey = isProof ? proofKeyOf(self, nonce) : undefined
  for await (const part of readHeld(isGuess || onAbsent === undefined ? quiet : parts, ids, signal, {
    size,
    proofKey,
    isDurable: isProof,
  })) {
    const startedMs = clock.monotonicMs()
    await sendBlocksPart(channel, { request: request.request, ...part }, signal)
    size.took(clock.monotonicMs() - startedMs)
  }
}

/** A keep lease is granted by proof of having the block, and only for what is kept from this moment on. */
async function answerLease(
  { channel, self }: Taker,
  parts: HeldParts,
  { request, ids, nonce }: KeepWanted,
  signal: AbortSignal,
): Promise<void> {
  if (nonce.length !== proofBytes) throw new EngineError('PEER_MISBEHAVED', `${channel.peer} asked for a keep lease without a nonce`)
  const asked = parseIds(ids, channel)
  let at = 0
  for await (const part of readHeld(parts, asked, signal, { proofKey: proofKeyOf(self, nonce), isDurable: true })) {
    const here = asked.slice(at, at + part.lengths.length)
    at += part.lengths.length
    const read = here.filter((_, place) => (part.lengths[place] ?? 0) > 0)
    const kept = new Set(parts.leases?.grant(channel.peer, read).map(bytesKey))
    const isKept = here.map((id) => kept.has(bytesKey(id)))
    await sendBlocksPart(channel, { request, ...onlySome(part, (place) => isKept[place] === true) }, signal)
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
