// One connection between nodes that are only an index: what one announces, the other receives.

import assert from 'node:assert/strict'
import { create } from '@bufbuild/protobuf'
import { BatchSchema, SubscribeSchema, type Batch } from '../../engine/model/wire/exchange_pb.ts'
import { announceTo, FolderNews } from '../../engine/sync/announce.ts'
import { receiveIndexFrame } from '../../engine/sync/exchange-frames.ts'
import { headMessage } from '../../engine/sync/own-past.ts'
import { receiveBatch, type ReceiveParts } from '../../engine/sync/receive.ts'
import { never, stillClock } from './blocks.ts'
import { channelPair, type IndexNode } from './index-world.ts'

/** As exchange.ts asks: what is known here of `sender`, and of all authors. */
export function subscription(receiver: IndexNode, sender: IndexNode): Parameters<typeof announceTo>[2] {
  const known = receiver.index.peers.cursor(receiver.handle.row, sender.peer)
  const heads = receiver.index.entries.authors(receiver.handle.row).map((author) => headMessage(receiver.index, author))
  return create(SubscribeSchema, { indexId: sender.index.indexId, cursor: BigInt(known?.position ?? 0), heads })
}

export interface Limits {
  /** The connection breaks after this many batches. */
  readonly batches: number
  /** Entries of a batch that the receiver sees at once: larger ones are cut. */
  readonly entries: number
}

const unlimited: Limits = { batches: Infinity, entries: Infinity }

/** One connection: `sender` announces to `receiver` until it has caught up or the connection breaks. */
export async function pass(
  sender: IndexNode,
  receiver: IndexNode,
  limits: Limits = unlimited,
  parts: ReceiveParts = receiver.parts,
): Promise<void> {
  sender.flush()
  const ending = new AbortController()
  const pair = channelPair(sender.peer, receiver.peer, 'test')
  const subscribe = subscription(receiver, sender)
  const announcement = {
    index: sender.index,
    folderRow: sender.handle.row,
    self: sender.handle.authorId,
    clock: stillClock,
    news: new FolderNews(),
    others: () => [],
  }
  const announcing = announceTo(pair.left, announcement, subscribe, ending.signal).catch((error: unknown) => error)
  for (let batches = 0; batches < limits.batches; batches++) {
    const frame = await receiveIndexFrame(pair.right, never)
    assert.ok(frame?.case === 'batch')
    const isWhole = frame.value.entries.length <= limits.entries
    const batch = isWhole ? frame.value : cutBatch(frame.value, limits.entries)
    if (batch !== undefined) await receiveBatch(parts, sender.peer, sender.index.indexId, batch, never)
    if (!isWhole || frame.value.caughtUp) break
  }
  ending.abort()
  pair.cut()
  await announcing
}

/** What a sender with smaller batches would have sent first: with the cursor unmoved, since a test cannot know its rows. */
function cutBatch(batch: Batch, entries: number): Batch {
  return create(BatchSchema, { sets: batch.sets, entries: batch.entries.slice(0, entries), cursor: 0n, caughtUp: false })
}

/** What `sender` would say first to `receiver`. */
export async function firstBatch(sender: IndexNode, receiver: IndexNode): Promise<Batch> {
  sender.flush()
  const pair = channelPair(sender.peer, receiver.peer, 'test')
  const ending = new AbortController()
  const announcement = {
    index: sender.index,
    folderRow: sender.handle.row,
    self: sender.handle.authorId,
    clock: stillClock,
    news: new FolderNews(),
    others: () => [],
  }
  const announcing = announceTo(pair.left, announcement, subscription(receiver, sender), ending.signal).catch((error: unknown) => error)
  const frame = await receiveIndexFrame(pair.right, never)
  ending.abort()
  await announcing
  assert.ok(frame?.case === 'batch')
  return frame.value
}
