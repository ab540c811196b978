// What one member can make this node do at once, and over time.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create, toBinary } from '@bufbuild/protobuf'
import { present } from '../../engine/base/assert.ts'
import { silentLog } from '../../engine/base/log.ts'
import { abortable } from '../../engine/base/queue.ts'
import { routeChannels, type RouterParts } from '../../engine/compose/router.ts'
import { IndexFrameSchema } from '../../engine/model/wire/exchange_pb.ts'
import type { Channel, Network } from '../../engine/net/network.ts'
import { FolderNews } from '../../engine/sync/announce.ts'
import { Exchange, type ExchangeParts } from '../../engine/sync/exchange.ts'
import { receiveBlocksFrame, blocksProtocol, sendBlocksFrame } from '../../engine/transfer/blocks-frames.ts'
import { proofNonceBytes, proveMembership } from '../../engine/transfer/membership-proof.ts'
import { never, testRandom } from '../support/blocks.ts'
import { accessKey } from '../support/block-server.ts'
import { channelPair, IndexNode } from '../support/index-world.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { Scheduler, SimClock, WallClock } from '../sim/scheduler.ts'
import { Trace } from '../sim/trace.ts'

test('a member has four channels of a kind open for a folder; a fifth is closed, and one is free again when one ends', async () => {
  using node = new IndexNode(0)
  using member = new IndexNode(1)
  const ending = new AbortController()
  let accept: ((channel: Channel) => void) | undefined
  const network = {
    self: node.peer,
    serve: ({ name }: { readonly name: string }, accepting: (channel: Channel) => void) => {
      if (name === blocksProtocol.name) accept = accepting
    },
  } as unknown as Network // cast: the two that routing uses
  const runtime = {
    handle: { accessKey, row: 1 },
    isPaused: false,
    log: { isMember: () => true },
    work: {
      serveBlocks: async (channel: Channel, signal: AbortSignal) => {
        await receiveBlocksFrame(channel, signal) // until it is closed
      },
    },
  }
  const clock = {
    nowMs: () => 0,
    monotonicMs: () => 0,
    sleep: async (_: number, signal: AbortSignal) => await abortable<void>(() => undefined, signal),
  }
  const parts = { network, clock, log: silentLog, inviter: {}, folders: { members: () => [runtime] } } as unknown as RouterParts // cast: what it uses of them
  routeChannels(parts, ending.signal)
  /** undefined when the channel was closed instead of a welcome. */
  const open = async (): Promise<Channel | undefined> => {
    const { left, right } = channelPair(member.peer, node.peer, blocksProtocol.name)
    // Ends are named after who is at the other one.
    present(accept, 'blocks are served')({ ...right, peer: member.peer })
    const nonce = new Uint8Array(proofNonceBytes)
    const proof = proveMembership(accessKey, { protocol: blocksProtocol.name, prover: member.peer, verifier: node.peer, nonce })
    await sendBlocksFrame(left, { case: 'hello', value: { version: 1, nonce, proof } }, never)
    const welcome = await receiveBlocksFrame(left, never).catch(() => undefined)
    return welcome?.case === 'welcome' ? left : undefined
  }
  const channels = [await open(), await open(), await open(), await open()]
  assert.ok(channels.every((channel) => channel !== undefined))
  assert.equal(await open(), undefined)
  await channels[0]?.close()
  await new Promise<void>((resolve) => setImmediate(resolve))
  assert.notEqual(await open(), undefined)
  assert.equal(await open(), undefined)
  ending.abort()
})

test('a member that tells without end is read from 2,000 times, then 200 times a second', async () => {
  using node = new IndexNode(0)
  using member = new IndexNode(1)
  const scheduler = new Scheduler(new SeededRandom('limits'), new Trace())
  const clock = new SimClock(scheduler, new WallClock(scheduler), 'node')
  const ending = new AbortController()
  const log = { length: 0, heads: [], entriesFrom: () => [], beyond: () => [], extend: () => undefined, isMember: () => true }
  const box = { edition: 0, all: () => [], rows: () => [], bytes: undefined, mark: new Uint8Array(0), take: () => undefined }
  const parts = {
    ...node.parts,
    clock,
    random: testRandom,
    network: { self: node.peer },
    folderLog: log,
    cards: box,
    receipts: box,
    layouts: box,
    news: new FolderNews(),
    needs: () => 0,
    events: { received: () => undefined, peerHas: () => undefined, changed: () => undefined },
  } as unknown as ExchangeParts // cast: what serving uses of them
  const frame = (kind: Parameters<typeof create<typeof IndexFrameSchema>>[1]): Uint8Array =>
    toBinary(IndexFrameSchema, create(IndexFrameSchema, kind))
  const subscribe = frame({ kind: { case: 'subscribe', value: { indexId: new Uint8Array(16), cursor: 0n, heads: [] } } })
  const ack = frame({ kind: { case: 'ack', value: { cursor: 0n, needs: 0n } } })
  let read = 0
  const channel: Channel = {
    peer: member.peer,
    protocol: '/holdfast/index/1',
    send: async () => undefined,
    receive: async () => (read++ === 0 ? subscribe : ack),
    limitFrames: () => undefined,
    close: async () => undefined,
    abort: () => undefined,
  }
  const hello = { version: 1, nonce: new Uint8Array(16), proof: new Uint8Array(32), logHeads: [] }
  const serving = new Exchange(parts).serve(channel, { $typeName: 'holdfast.v1.Hello', ...hello }, ending.signal)
  serving.catch(() => undefined) // ended below
  await scheduler.runFor(10_000)
  assert.ok(read > 3900 && read < 4100, `read ${read} times in ten seconds`)
  ending.abort()
  await assert.rejects(serving)
  scheduler[Symbol.dispose]()
})
