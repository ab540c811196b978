// A subscriber's cursor is only where the sender begins to look; what is sent is what the subscriber's heads do not cover. So a cursor that is no
// good costs a walk over the sender's rows, and no bytes.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { SubscribeSchema } from '../../engine/model/wire/exchange_pb.ts'
import { announceTo, FolderNews } from '../../engine/sync/announce.ts'
import { receiveIndexFrame } from '../../engine/sync/exchange-frames.ts'
import { headMessage } from '../../engine/sync/own-past.ts'
import { receiveBatch } from '../../engine/sync/receive.ts'
import { never, stillClock } from '../support/blocks.ts'
import { pass } from '../support/exchange-pass.ts'
import { channelPair, IndexNode } from '../support/index-world.ts'

/** Entries that both know, and those that came since. */
const knownEntries = 400
const freshEntries = 30
/** Of an entry with its part of a change set; what else a batch and the heads of two authors take. */
const entryBytesMax = 400
const batchBytesMax = 1000

interface Cursor {
  readonly indexId: Uint8Array
  readonly position: bigint
}

/** One connection with this cursor: gives the bytes that `sender` sent. */
async function bytesSent(sender: IndexNode, receiver: IndexNode, { indexId, position }: Cursor): Promise<number> {
  sender.flush()
  const heads = receiver.index.entries.authors(receiver.handle.row).map((author) => headMessage(receiver.index, author))
  const pair = channelPair(sender.peer, receiver.peer, 'test')
  let bytes = 0
  const counted = {
    ...pair.left,
    send: async (parts: readonly Uint8Array[], signal: AbortSignal): Promise<void> => {
      bytes += parts.reduce((sum, part) => sum + part.length, 0)
      await pair.left.send(parts, signal)
    },
  }
  const ending = new AbortController()
  const { index, handle } = sender
  const announcement = {
    index,
    folderRow: handle.row,
    self: handle.authorId,
    clock: stillClock,
    news: new FolderNews(),
    others: () => [],
  }
  const subscribe = create(SubscribeSchema, { indexId, cursor: position, heads })
  const announcing = announceTo(counted, announcement, subscribe, ending.signal).catch((error: unknown) => error)
  for (;;) {
    const frame = await receiveIndexFrame(pair.right, never)
    assert.ok(frame?.case === 'batch')
    await receiveBatch(receiver.parts, sender.peer, index.indexId, frame.value, never)
    if (frame.value.caughtUp) break
  }
  ending.abort()
  pair.cut()
  await announcing
  return bytes
}

describe('scenario T50: have-log cursor lost / truncated / from another log (here: the cursor of an exchange, decision 0001): falls to what heads say, converges, bytes within model', () => {
  const cursors: readonly (readonly [string, (sender: IndexNode, good: bigint) => Cursor])[] = [
    ['as it is', ({ index }, position) => ({ indexId: index.indexId, position })],
    ['lost', ({ index }) => ({ indexId: index.indexId, position: 0n })],
    ['of a while ago', ({ index }, position) => ({ indexId: index.indexId, position: position / 2n })],
    ['beyond the last row, as after a rollback of the sender', ({ index }) => ({ indexId: index.indexId, position: 1_000_000n })],
    ['of another index', (_, position) => ({ indexId: new Uint8Array(16).fill(7), position })],
    ['of nothing that there is', () => ({ indexId: new Uint8Array(3), position: 2n ** 63n })],
  ]
  for (const [what, cursorOf] of cursors) {
    it(`a cursor ${what}`, async () => {
      using sender = new IndexNode(0)
      using receiver = new IndexNode(1)
      const write = (first: number, count: number): void =>
        sender.writeAll(Array.from({ length: count }, (_, at) => ({ path: `file ${first + at}`, text: `content ${first + at}`, base: [] })))
      write(0, knownEntries)
      receiver.write('mine', 'of the other')
      await pass(sender, receiver)
      await pass(receiver, sender)
      const good = receiver.index.peers.cursor(receiver.handle.row, sender.peer)
      assert.ok(good !== undefined)
      write(knownEntries, freshEntries)
      const bytes = await bytesSent(sender, receiver, cursorOf(sender, BigInt(good.position)))
      assert.equal(receiver.print(), sender.print())
      assert.ok(bytes <= freshEntries * entryBytesMax + batchBytesMax * 4, `${bytes} bytes for ${freshEntries} entries`)
      // And it goes on from there.
      assert.equal(receiver.index.peers.cursor(receiver.handle.row, sender.peer)?.position, sender.index.entries.lastRowSeq)
    })
  }

  it('a cursor that is lost with everything else: all entries come once', async () => {
    using sender = new IndexNode(0)
    using receiver = new IndexNode(1)
    sender.writeAll(Array.from({ length: knownEntries }, (_, at) => ({ path: `file ${at}`, text: `content ${at}`, base: [] })))
    const bytes = await bytesSent(sender, receiver, { indexId: sender.index.indexId, position: 0n })
    assert.equal(receiver.print(), sender.print())
    assert.ok(bytes > knownEntries * 100 && bytes <= knownEntries * entryBytesMax + batchBytesMax * 4, `${bytes} bytes`)
  })

  it('rows that a sender wrote after it was rolled back reach a member whose cursor is from before', async () => {
    using sender = new IndexNode(0)
    using receiver = new IndexNode(1)
    sender.write('a', 'after the rollback')
    // The member had heard of a hundred rows of the same index, which are no more.
    const bytes = await bytesSent(sender, receiver, { indexId: sender.index.indexId, position: 100n })
    assert.equal(receiver.print(), sender.print())
    assert.ok(bytes <= entryBytesMax + batchBytesMax, `${bytes} bytes`)
  })
})
