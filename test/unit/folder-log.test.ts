// The folder's admin log as it is stored, and as a subscriber is told of it.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { create, fromBinary, toBinary } from '@bufbuild/protobuf'

import { abortable } from '../../engine/base/queue.ts'
import { createIdentity, type Identity } from '../../engine/crypto/identity.ts'
import { openIndex, type Index } from '../../engine/index/index-store.ts'
import { IndexFrameSchema, type Hello, type IndexFrame } from '../../engine/model/wire/exchange_pb.ts'
import type { Channel, Network } from '../../engine/net/network.ts'
import { folderIdOf, signEntry, type LogFact, type SignedEntry } from '../../engine/share/log-entry.ts'
import { encodeEntry, FolderLog } from '../../engine/share/folder-log.ts'
import { FolderNews } from '../../engine/sync/announce.ts'
import { Exchange } from '../../engine/sync/exchange.ts'
import { openFolderHandle } from '../../engine/sync/folder-handle.ts'
import {
  logFrames,
  logPartEntriesMax,
  otherNews,
  takeLogPart,
  type CardBox,
  type LayoutBox,
  type ReceiptBox,
  type OutgoingFrame,
} from '../../engine/sync/other-news.ts'
import { FolderProblems } from '../../engine/sync/problems.ts'
import type { FolderRecord } from '../../engine/model/folder.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { stillClock } from '../support/blocks.ts'

const noReceipts: ReceiptBox = { edition: 0, rows: () => [], take: () => undefined, leftEditionOf: () => 0 }
const noLayouts: LayoutBox = { edition: 0, bytes: undefined, mark: new Uint8Array(0), take: () => undefined }
const noCards: CardBox = { edition: 0, all: () => [], take: () => undefined }

function identityOf(label: string): Identity {
  return createIdentity(new SeededRandom(label).bytes(32))
}

function memberAdded(label: string): LogFact {
  return { kind: 'memberAdded', nodeKey: identityOf(label).publicKey, role: 'write', nodeName: label, linkId: new Uint8Array(16) }
}

interface World extends Disposable {
  readonly index: Index
  readonly owner: Identity
  readonly record: FolderRecord
  readonly log: FolderLog
}

/** A folder in a real index, made by `owner`. */
function openWorld(): World {
  using stack = new DisposableStack()
  const directory = stack.use(temporaryDirectory())
  const random = new SeededRandom('folder log')
  const index = stack.use(openIndex(`${directory.path}/index.db`, random))
  const owner = identityOf('owner')
  const first = signEntry(
    owner,
    [],
    { kind: 'created', folderName: 'Photos', nonce: random.bytes(16), nodeName: 'owner', targetCopies: 2 },
    1,
  )
  const secrets = { accessSecret: random.bytes(32), folderSecret: random.bytes(32), epochs: [{ epoch: 1, secret: random.bytes(32) }] }
  const record = index.transact(() => {
    const made = index.folders.insert({
      id: folderIdOf(first),
      name: 'Photos',
      path: directory.path,
      secrets,
      incarnation: random.bytes(8),
      createdMs: 1,
      targetCopies: 2,
    })
    index.folders.appendLog(made.row, 0, encodeEntry(first))
    return made
  })
  const log = new FolderLog(index, record.row, () => undefined)
  const owned = stack.move()
  return { index, owner, record, log, [Symbol.dispose]: () => owned.dispose() }
}

function append({ index, log, owner }: World, fact: LogFact): void {
  const next = log.prepare(owner, fact, 2)
  index.transact(() => next.write())
  next.take()
}

describe("a folder's admin log", () => {
  it('has an entry once it was written and taken, in memory as on disk', () => {
    using world = openWorld()
    append(world, memberAdded('ada'))
    assert.equal(world.log.length, 2)
    assert.equal(world.log.roleOf(identityOf('ada').peerId), 'write')
    assert.equal(new FolderLog(world.index, world.record.row, () => undefined).length, 2)
  })

  it('is as long in memory as on disk after a transaction that failed, and goes on', () => {
    using world = openWorld()
    const next = world.log.prepare(world.owner, memberAdded('ada'), 2)
    assert.throws(() =>
      world.index.transact(() => {
        next.write()
        throw new Error('the link was used in the same moment')
      }),
    )
    assert.equal(world.log.length, 1)
    assert.ok(!world.log.isMember(identityOf('ada').peerId))
    append(world, memberAdded('ben'))
    assert.equal(new FolderLog(world.index, world.record.row, () => undefined).length, 2)
  })

  it('is told in parts that are bounded, and a part beyond the bound is refused', () => {
    const entries = Array.from({ length: 2 * logPartEntriesMax + 3 }, () => ({ body: new Uint8Array(200), signature: new Uint8Array(64) }))
    const told: number[] = []
    const log = {
      length: entries.length,
      heads: [],
      entriesFrom: () => entries,
      beyond: () => entries,
      extend: (part: readonly unknown[]) => void told.push(part.length),
      isMember: () => true,
    }
    for (const frame of logFrames(entries)) takeLogPart(log, identityOf('ada').peerId, partOf(frame))
    assert.deepEqual(told, [logPartEntriesMax, logPartEntriesMax, 3])
    const tooMany = partOf({ case: 'log', value: { entries: entries.slice(0, logPartEntriesMax + 1) } })
    assert.throws(() => takeLogPart(log, identityOf('ada').peerId, tooMany), { code: 'PEER_MISBEHAVED' })
  })

  it('is told once, and then only what is new', () => {
    using world = openWorld()
    const boxes = { folderLog: world.log, cards: noCards, receipts: noReceipts, layouts: noLayouts }
    const news = otherNews(boxes, { peer: identityOf('ada').peerId, logHeads: [], layoutMark: noLayouts.mark })
    assert.equal(news().length, 1)
    assert.equal(news().length, 0)
    append(world, memberAdded('ada'))
    assert.deepEqual(
      news().map((frame) => partOf(frame).entries.length),
      [1],
    )
  })

  it('reaches a subscriber also with what came between the welcome and the subscription', async () => {
    using world = openWorld()
    const ada = identityOf('ada').peerId
    const ending = new AbortController()
    const known = world.log.heads.slice()
    append(world, memberAdded('ada'))
    const told: SignedEntry[] = []
    let received = 0
    const channel: Channel = {
      peer: ada,
      protocol: '/holdfast/index/1',
      send: async ([bytes]) => {
        const { kind } = fromBinary(IndexFrameSchema, bytes ?? new Uint8Array(0))
        if (kind.case === 'log') told.push(...kind.value.entries.map(({ body, signature }) => ({ body, signature })))
        if (kind.case === 'batch') ending.abort()
      },
      receive: async (signal) => {
        if (received++ > 0) return abortable<undefined>(() => undefined, signal)
        append(world, memberAdded('ben'))
        return frameBytes({ case: 'subscribe', value: { indexId: new Uint8Array(16), cursor: 0n, heads: [] } })
      },
      limitFrames: () => undefined,
      close: async () => undefined,
      abort: () => undefined,
    }
    await assert.rejects(exchangeOf(world).serve(channel, helloWith(known), ending.signal))
    assert.deepEqual(told, world.log.entriesFrom(1))
  })
})

function exchangeOf({ index, log, owner, record }: World): Exchange {
  const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined, child: () => silent }
  const refused = (): never => assert.fail('serving a subscriber neither runs jobs nor opens channels')
  const network: Network = {
    self: owner.peerId,
    addresses: () => [],
    connectedPeers: () => [],
    peerAddresses: () => [],
    connect: refused,
    disconnect: refused,
    open: refused,
    serve: refused,
    onEvent: refused,
    traffic: () => ({ sentBytes: 0, receivedBytes: 0 }),
    [Symbol.asyncDispose]: async () => undefined,
  }
  return new Exchange({
    index,
    clock: stillClock,
    jobs: { width: 1, run: refused },
    handle: openFolderHandle(record, owner),
    membership: log,
    log: silent,
    problems: new FolderProblems(() => undefined),
    network,
    random: new SeededRandom('exchange'),
    folderLog: log,
    ownPastFound: () => undefined,
    cards: noCards,
    receipts: noReceipts,
    layouts: noLayouts,
    news: new FolderNews(),
    needs: () => 0,
    isFull: () => false,
    events: { received: () => undefined, peerHas: () => undefined, changed: () => undefined },
  })
}

function helloWith(logHeads: readonly Uint8Array[]): Hello {
  const { kind } = fromBinary(
    IndexFrameSchema,
    frameBytes({ case: 'hello', value: { version: 1, nonce: new Uint8Array(32), proof: new Uint8Array(32), logHeads: [...logHeads] } }),
  )
  assert.ok(kind.case === 'hello')
  return kind.value
}

function partOf(frame: OutgoingFrame): Extract<IndexFrame['kind'], { case: 'log' }>['value'] {
  const { kind } = fromBinary(IndexFrameSchema, frameBytes(frame))
  assert.ok(kind.case === 'log')
  return kind.value
}

function frameBytes(kind: OutgoingFrame): Uint8Array {
  return toBinary(IndexFrameSchema, create(IndexFrameSchema, { kind }))
}
