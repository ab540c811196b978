// A slow uplink sends each block once: hosts that are to hold the same blocks fetch them from each other.

import assert from 'node:assert/strict'
import { describe, it, test } from 'node:test'
import { silentLog } from '../../engine/base/log.ts'
import { Coalescer } from '../../engine/base/queue.ts'
import { MemoryBlockStore } from '../../engine/blocks/memory-store.ts'
import { createIdentity } from '../../engine/crypto/identity.ts'
import { blockIdOf, sealBlock } from '../../engine/crypto/seal.ts'
import { utf8 } from '../../engine/base/bytes.ts'
import type { PeerId } from '../../engine/model/ids.ts'
import type { Network } from '../../engine/net/network.ts'
import { holdsAll } from '../../engine/replicas/holding.ts'
import { Repair } from '../../engine/replicas/repair.ts'
import { firstOf, Spread } from '../../engine/replicas/spread.ts'
import { blocksProtocol } from '../../engine/transfer/blocks-frames.ts'
import { Fetcher } from '../../engine/transfer/fetch.ts'
import { serveBlocks } from '../../engine/transfer/serve.ts'
import { testBytes, testRandom } from '../support/blocks.ts'
import { accessKey, welcome } from '../support/block-server.ts'
import { channelPair, IndexNode } from '../support/index-world.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { Scheduler, SimClock, WallClock } from '../sim/scheduler.ts'
import { Trace } from '../sim/trace.ts'

const peers = Array.from({ length: 5 }, (_, at) => createIdentity(new Uint8Array(32).fill(at + 40)).peerId)
const [first, second, third] = peers
assert.ok(first !== undefined && second !== undefined && third !== undefined)
const ids = Array.from({ length: 3000 }, (_, seed) => blockIdOf(testBytes(seed, 8)))

describe('which host fetches a block first', () => {
  it('is the same in whatever order they are listed, each for about as many', () => {
    const counts = new Map<PeerId | undefined, number>()
    for (const id of ids) {
      const chosen = firstOf(id, peers)
      assert.equal(firstOf(id, peers.toReversed()), chosen)
      counts.set(chosen, (counts.get(chosen) ?? 0) + 1)
    }
    assert.equal(counts.size, peers.length)
    for (const count of counts.values()) assert.ok(Math.abs(count - 600) < 90, `${count} of 3000`)
  })

  it('changes only for what a host was first for that goes', () => {
    for (const id of ids) {
      const chosen = firstOf(id, peers)
      for (const gone of peers)
        if (gone !== chosen)
          assert.equal(
            firstOf(
              id,
              peers.filter((peer) => peer !== gone),
            ),
            chosen,
          )
    }
    assert.equal(firstOf(ids[0] ?? blockIdOf(new Uint8Array(1)), []), undefined)
  })
})

describe('a host that is waited for', () => {
  const relay = second
  const block = ids.find((id) => firstOf(id, [first, relay]) === relay) ?? blockIdOf(new Uint8Array(1))
  it('and gives nothing in 20 seconds is left alone for ten minutes, and for longer the next time', () => {
    const spread = new Spread(first)
    assert.equal(spread.relayOf(block, [first, relay], 0), relay)
    assert.deepEqual(spread.waitsFor(new Set([relay]), 0, 0), [])
    assert.equal(spread.nextLookMs(5000), 15_000)
    assert.deepEqual(spread.waitsFor(new Set([relay]), 0, 19_999), [])
    assert.deepEqual(spread.waitsFor(new Set([relay]), 0, 20_000), [relay])
    assert.equal(spread.relayOf(block, [first, relay], 20_000), undefined)
    assert.equal(spread.relayOf(block, [first, relay], 620_000), relay)
    spread.waitsFor(new Set([relay]), 0, 620_000)
    assert.deepEqual(spread.waitsFor(new Set([relay]), 0, 640_000), [relay])
    assert.equal(spread.relayOf(block, [first, relay], 1_800_000), undefined)
  })

  it('and gives something is waited for again, but not when it trickles', () => {
    const spread = new Spread(first)
    spread.waitsFor(new Set([relay]), 0, 0)
    spread.got(relay, 70_000)
    assert.deepEqual(spread.waitsFor(new Set([relay]), 0, 20_000), [])
    spread.got(relay, 1000)
    assert.deepEqual(spread.waitsFor(new Set([relay]), 0, 40_000), [relay])
  })

  it('is given as long as this node needs for its own', () => {
    const spread = new Spread(first)
    spread.waitsFor(new Set([relay]), 60_000, 0)
    assert.deepEqual(spread.waitsFor(new Set([relay]), 60_000, 179_000), [])
    assert.deepEqual(spread.waitsFor(new Set([relay]), 60_000, 180_000), [relay])
  })
})

interface Host {
  readonly peer: PeerId
  readonly node: IndexNode
  readonly store: MemoryBlockStore
  readonly fetcher: Fetcher
  readonly repair: Repair
  readonly have: Coalescer
}

const fileBytes = 40_000
const uplinkBytesPerSecond = 100_000

/** An origin on a slow line and hosts that are to hold everything; what each sends is counted. */
class SpreadWorld implements AsyncDisposable {
  readonly scheduler = new Scheduler(new SeededRandom('spread'), new Trace())
  readonly clock = new SimClock(this.scheduler, new WallClock(this.scheduler), 'world')
  readonly sent = new Map<PeerId, number>()
  readonly hosts: Host[] = []
  readonly #origin = new IndexNode(30)
  readonly #originStore = new MemoryBlockStore()
  readonly #ending = new AbortController()
  readonly #running: Promise<unknown>[] = []
  #uplinkFreeMs = 0
  contentBytes = 0
  readonly contents: ReturnType<typeof sealBlock>[] = []
  /** Whose receipts say so. */
  readonly sayTheyHaveAll = new Set<PeerId>()

  async open(count: number, files: number): Promise<void> {
    const texts = Array.from({ length: files }, (_, at) => `${at} `.repeat(fileBytes / 4).slice(0, fileBytes))
    for (const text of texts) {
      const { id, sealed, key } = sealBlock(this.#origin.handle.jobKeys.sealKey, utf8(text))
      this.contents.push({ id, sealed, key })
      await this.#originStore.put([{ folder: this.#origin.handle.record.id, id, bytes: sealed }])
      this.contentBytes += sealed.length
    }
    for (let at = 0; at < count; at++) this.#addHost(at + 31, texts)
    for (const host of this.hosts)
      host.fetcher.setPeers([this.#origin.peer, ...this.hosts.filter((other) => other !== host).map(({ peer }) => peer)])
  }

  start(hosts: readonly Host[]): void {
    for (const { repair } of hosts) {
      const running = repair.run(this.#ending.signal)
      running.catch(() => undefined) // ended with the world
      this.#running.push(running)
    }
  }

  isComplete({ node, store }: Host): boolean {
    return store.list(node.handle.record.id, undefined, 10_000).length * (fileBytes + 16) >= this.contentBytes
  }

  get originPeer(): PeerId {
    return this.#origin.peer
  }

  #addHost(number: number, texts: readonly string[]): void {
    const node = new IndexNode(number)
    for (const [at, text] of texts.entries()) node.write(`file ${at}`, text)
    const store = new MemoryBlockStore()
    const { peer } = node
    const fetcher = new Fetcher({ network: this.#networkOf(peer), accessKey, clock: this.clock, random: testRandom })
    const have = new Coalescer(this.clock, 500, this.#ending.signal, () => {
      for (const other of this.hosts) {
        if (other.peer === peer) continue
        other.fetcher.peerHas(peer)
        other.repair.wake()
      }
    })
    const repair = new Repair({
      index: node.index,
      store,
      folder: node.handle.record,
      self: peer,
      fetcher,
      clock: this.clock,
      log: silentLog,
      holding: () => holdsAll,
      claims: () => () => [],
      lackers: () => ({
        hosts: 'all',
        of: () => this.hosts.filter((host) => !this.sayTheyHaveAll.has(host.peer)).map((host) => host.peer),
      }),
      link: () => ({ isMetered: false, isPersonWaiting: false }),
      ranks: () => () => 0,
      events: { stored: () => have.ring(), changed: () => undefined, trouble: () => undefined },
    })
    this.hosts.push({ peer, node, store, fetcher, repair, have })
  }

  /** Everybody can be reached; the origin's frames go out one after the other, as fast as its line is. */
  #networkOf(self: PeerId): Network {
    const open: Network['open'] = async (peer) => {
      const { left, right } = channelPair(self, peer, blocksProtocol.name)
      const isOrigin = peer === this.#origin.peer
      const shaped = {
        ...right,
        send: async (parts: readonly Uint8Array[], signal: AbortSignal): Promise<void> => {
          const bytes = parts.reduce((sum, part) => sum + part.length, 0)
          this.sent.set(peer, (this.sent.get(peer) ?? 0) + bytes)
          if (isOrigin) {
            const nowMs = this.clock.monotonicMs()
            this.#uplinkFreeMs = Math.max(nowMs, this.#uplinkFreeMs) + (bytes / uplinkBytesPerSecond) * 1000
            await this.clock.sleep(this.#uplinkFreeMs - nowMs, signal)
          }
          await right.send(parts, signal)
        },
      }
      const host = this.hosts.find((one) => one.peer === peer)
      const { handle, index } = host?.node ?? this.#origin
      const held = { index, store: host?.store ?? this.#originStore, folder: handle.record, tree: undefined }
      const serving = async (): Promise<void> => {
        await welcome(shaped, peer)
        await serveBlocks(shaped, held, { self: peer, clock: this.clock }, this.#ending.signal)
      }
      serving().catch(() => right.abort())
      return await Promise.resolve(left)
    }
    return { self, open } as Network // cast: the two that fetching uses
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort()
    await Promise.allSettled(this.#running)
    for (const { node, fetcher } of this.hosts) {
      fetcher.close()
      node[Symbol.dispose]()
    }
    this.#origin[Symbol.dispose]()
    this.scheduler[Symbol.dispose]()
  }
}

const limits = { stepsMax: 200_000, durationMs: 1_200_000 }

test('three hosts that are to hold everything: the origin sends each block once, and they are done when its line has sent it', async () => {
  await using world = new SpreadWorld()
  await world.open(3, 120)
  world.start(world.hosts)
  assert.equal(await world.scheduler.runUntil(() => world.hosts.every((host) => world.isComplete(host)), limits), 'reached')
  const sent = world.sent.get(world.originPeer) ?? 0
  assert.ok(sent <= 1.1 * world.contentBytes, `${(sent / world.contentBytes).toFixed(2)} times the content left the origin`)
  const leastMs = (world.contentBytes / uplinkBytesPerSecond) * 1000
  const tookMs = world.scheduler.nowUs / 1000
  assert.ok(tookMs < 1.3 * leastMs, `${tookMs} ms, the line alone takes ${leastMs}`)
  for (const { repair } of world.hosts) assert.equal(repair.isWaiting, false)
})

test('a host that stores nothing, though it is connected, holds the others up for a moment only', async () => {
  await using world = new SpreadWorld()
  await world.open(3, 60)
  const [stuck, ...others] = world.hosts
  assert.ok(stuck !== undefined)
  world.start(others)
  assert.equal(await world.scheduler.runUntil(() => others.every((host) => world.isComplete(host)), limits), 'reached')
  const leastMs = (world.contentBytes / uplinkBytesPerSecond) * 1000
  assert.ok(world.scheduler.nowUs / 1000 < 1.5 * leastMs + 60_000, `${world.scheduler.nowUs / 1000} ms`)
  assert.ok((world.sent.get(world.originPeer) ?? 0) <= 1.2 * world.contentBytes)
  assert.equal(stuck.store.list(stuck.node.handle.record.id, undefined, 10).length, 0)
})

test('what a host was waited for is fetched at once when its receipt says that it has everything before it says that there is more', async () => {
  await using world = new SpreadWorld()
  await world.open(2, 40)
  const [waiting, relay] = world.hosts
  assert.ok(waiting !== undefined && relay !== undefined)
  world.start([waiting])
  // It has fetched its own part, and waits for the other.
  await world.scheduler.runFor(15_000)
  assert.equal(world.isComplete(waiting), false)
  for (const [at, { id }] of world.contents.entries()) {
    await relay.store.put([{ folder: relay.node.handle.record.id, id, bytes: world.contents[at]?.sealed ?? new Uint8Array(0) }])
  }
  world.sayTheyHaveAll.add(relay.peer)
  relay.have.ring()
  await world.scheduler.runFor(3000)
  assert.equal(world.isComplete(waiting), true)
})

test('a host that comes when the others have everything takes nothing from the slow line that they can give', async () => {
  await using world = new SpreadWorld()
  await world.open(3, 60)
  const [late, ...others] = world.hosts
  assert.ok(late !== undefined)
  for (const { fetcher } of others) fetcher.setPeers([world.originPeer, ...others.map(({ peer }) => peer)])
  world.start(others)
  await world.scheduler.runUntil(() => others.every((host) => world.isComplete(host)), limits)
  const before = world.sent.get(world.originPeer) ?? 0
  world.start([late])
  assert.equal(await world.scheduler.runUntil(() => world.isComplete(late), limits), 'reached')
  assert.ok((world.sent.get(world.originPeer) ?? 0) - before <= 0.6 * world.contentBytes)
})
