// What a stranger sends first: bounded before it is decoded, on every protocol, for parsing costs far more than sending.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { create, toBinary } from '@bufbuild/protobuf'

import { present } from '../../engine/base/assert.ts'
import type { Clock } from '../../engine/base/clock.ts'
import { EngineError } from '../../engine/base/errors.ts'
import { silentLog, type Log } from '../../engine/base/log.ts'
import { abortable } from '../../engine/base/queue.ts'
import { MemoryBlockStore } from '../../engine/blocks/memory-store.ts'
import { CardShelf } from '../../engine/compose/card-box.ts'
import { FolderRegistry } from '../../engine/compose/folder-registry.ts'
import type { RuntimeParts } from '../../engine/compose/folder-runtime.ts'
import { routeChannels } from '../../engine/compose/router.ts'
import { BlocksFrameSchema, IndexFrameSchema, JoinRequestSchema } from '../../engine/model/wire/exchange_pb.ts'
import type { Channel, Network, Protocol } from '../../engine/net/network.ts'
import { Inviter } from '../../engine/share/invite.ts'
import { joinProtocol, receiveJoinRequest } from '../../engine/share/join-frames.ts'
import { indexProtocol } from '../../engine/sync/exchange-frames.ts'
import { blocksProtocol } from '../../engine/transfer/blocks-frames.ts'
import { never, testRandom } from '../support/blocks.ts'
import { channelPair, IndexNode } from '../support/index-world.ts'
import { secondIdentity } from '../support/model-values.ts'

const mebibyte = 1024 * 1024
const refuse = (): never => {
  throw new Error('a stranger gets no further than the first frame')
}

const clock: Clock = {
  nowMs: () => 0,
  monotonicMs: () => 0,
  sleep: async (_durationMs, signal) => await abortable<void>(() => undefined, signal),
}

interface Door extends Disposable {
  /** What the log says of a channel on which a stranger sent this first; resolves once the channel is gone. */
  knock(protocol: Protocol, frame: Uint8Array): Promise<string>
}

/** A node without folders. */
function openDoor(): Door {
  const node = new IndexNode(0)
  const accepting = new Map<string, (channel: Channel) => void>()
  const network: Network = {
    self: node.peer,
    addresses: refuse,
    connectedPeers: refuse,
    peerAddresses: refuse,
    connect: refuse,
    disconnect: refuse,
    open: refuse,
    serve: ({ name }, accept) => void accepting.set(name, accept),
    onEvent: refuse,
    traffic: refuse,
    [Symbol.asyncDispose]: async () => await Promise.resolve(),
  }
  const lines: string[] = []
  const note: Log['debug'] = (message, fields) => void lines.push([message, fields?.['code'], fields?.['error']].join(' '))
  const log: Log = { ...silentLog, debug: note, info: note }
  const { index } = node
  const world: RuntimeParts['world'] = {
    clock,
    random: testRandom,
    get files(): never {
      return refuse()
    },
    jobs: { width: 1, run: refuse },
    log,
    openWatcher: refuse,
    openNetwork: refuse,
    home: '/',
    databasePath: '/database',
    lockPath: '/lock',
    get databaseCare(): never {
      return refuse()
    },
    keyPath: '/key',
    segmentsPath: '/segments',
    bucketPath: '/bucket',
    name: 'desk',
    zone: '',
    class: 'daily',
    capacityBytes: 0,
    version: '0',
  }
  const events = {
    changed: () => undefined,
    written: () => undefined,
    membersChanged: () => undefined,
    renewed: () => undefined,
    ownPastMet: () => undefined,
  }
  const cards = new CardShelf(index, { edition: 1, renew: refuse, encoded: refuse }, refuse, refuse)
  const { identity } = node.handle
  const store = Object.assign(new MemoryBlockStore(), { compact: async () => undefined })
  const folders = new FolderRegistry({
    lanes: undefined,
    world,
    index,
    network,
    identity,
    store,
    cards,
    presence: { degreeOf: () => 'here', awakeMs: 0, doubted: [] },
    isPersonWaiting: () => false,
    events,
  })
  const inviter = new Inviter({ index, network, signer: identity, clock, random: testRandom, log, cards: () => [], folderOf: refuse })
  routeChannels({ network, folders, inviter, clock, log }, never)
  return {
    knock: async (protocol, frame) => {
      lines.length = 0
      const { left, right } = channelPair(secondIdentity.peerId, node.peer, protocol.name)
      await left.send([frame], never)
      present(accepting.get(protocol.name), 'a protocol that is served')(right)
      await left.receive(never).catch(() => undefined)
      return lines.join('\n')
    },
    [Symbol.dispose]: () => node[Symbol.dispose](),
  }
}

const honestIndex = toBinary(
  IndexFrameSchema,
  create(IndexFrameSchema, { kind: { case: 'hello', value: { version: 1, nonce: new Uint8Array(16), proof: new Uint8Array(32) } } }),
)
const honestBlocks = toBinary(
  BlocksFrameSchema,
  create(BlocksFrameSchema, { kind: { case: 'hello', value: { version: 1, nonce: new Uint8Array(16), proof: new Uint8Array(32) } } }),
)
const honestJoin = toBinary(
  JoinRequestSchema,
  create(JoinRequestSchema, { version: 1, linkId: new Uint8Array(8), proof: new Uint8Array(32), nodeName: 'lap' }),
)

/** No protobuf at all: who decodes it says that it cannot be read. */
function garbage(lengthBytes: number): Uint8Array {
  return new Uint8Array(lengthBytes).fill(255)
}

const protocols: readonly (readonly [Protocol, number, Uint8Array])[] = [
  [indexProtocol, 1024, honestIndex],
  [blocksProtocol, 1024, honestBlocks],
  [joinProtocol, 4096, honestJoin],
]

describe("a stranger's first frame", () => {
  for (const [protocol, bytesMax, honest] of protocols) {
    it(`of 16 MiB is refused undecoded on ${protocol.name}, and so is one a byte over the bound`, async () => {
      using door = openDoor()
      for (const lengthBytes of [16 * mebibyte, bytesMax + 1]) {
        const said = await door.knock(protocol, garbage(lengthBytes))
        assert.match(said, new RegExp(`a frame of ${lengthBytes} bytes`, 'u'))
        assert.doesNotMatch(said, /cannot be read/u)
      }
    })

    it(`within the bound is decoded on ${protocol.name}, whatever comes of it`, async () => {
      using door = openDoor()
      assert.match(await door.knock(protocol, garbage(bytesMax)), /cannot be read/u)
      assert.equal(await door.knock(protocol, honest), '', 'what is well formed and proves nothing gets no word')
    })
  }

  it('that asks to join is refused with a code of its own', async () => {
    const { left, right } = channelPair(secondIdentity.peerId, secondIdentity.peerId, joinProtocol.name)
    await left.send([garbage(16 * mebibyte)], never)
    await assert.rejects(receiveJoinRequest(right, never), (error) => error instanceof EngineError && error.code === 'FRAME_TOO_LARGE')
  })
})
