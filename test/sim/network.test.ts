// The simulated network against the contract of every network, and what only a simulated one can be asked: order under random delays.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { parsePeerId, type PeerId } from '../../engine/model/ids.ts'
import type { Channel, Network, Protocol } from '../../engine/net/network.ts'
import { networkSuite, type NetworkPair } from '../contract/network.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { calmConditions, SimFabric, type NetworkConditions } from './network.ts'
import { Scheduler } from './scheduler.ts'
import { Trace } from './trace.ts'

const { signal } = new AbortController()
const protocol: Protocol = { name: '/test/1', frameBytesMax: 1024 * 1024 }

function simulatedPeer(letter: string): PeerId {
  const peer = parsePeerId(`12D3Koo${letter.repeat(45)}`)
  assert.ok(peer)
  return peer
}

function fabricOf(seed: number, conditions: NetworkConditions = calmConditions): { scheduler: Scheduler; fabric: SimFabric } {
  const random = new SeededRandom(seed)
  const scheduler = new Scheduler(random, new Trace())
  return { scheduler, fabric: new SimFabric(scheduler, random, conditions) }
}

/** Lets virtual time pass whenever the test waits: the suite knows nothing of virtual time. */
function pumped(seed: number): NetworkPair {
  const { scheduler, fabric } = fabricOf(seed)
  const over = new AbortController()
  const pump = (async (): Promise<void> => {
    while (!over.signal.aborted) await scheduler.runUntil(() => over.signal.aborted, { durationMs: 1000, stepsMax: 10_000 })
  })()
  const [left, right] = [fabric.attach(simulatedPeer('A')), fabric.attach(simulatedPeer('B'))]
  const stop = async (): Promise<void> => {
    over.abort()
    await pump
  }
  return { left, right, [Symbol.asyncDispose]: stop }
}

for (const seed of [1, 2, 3]) networkSuite(`simulated, seed ${seed}`, async () => pumped(seed))

/** Connects two peers and opens `count` channels; the far ends come in the order of opening. */
async function channelsOf(fabric: SimFabric, left: Network, right: Network, count: number): Promise<(readonly [Channel, Channel])[]> {
  const { scheduler } = fabric
  const far: Channel[] = []
  right.serve(protocol, (channel) => far.push(channel))
  const limits = { durationMs: 60_000, stepsMax: 100_000 }
  await scheduler.settle(left.connect(right.self, right.addresses(), signal), limits)
  const pairs: (readonly [Channel, Channel])[] = []
  for (let at = 0; at < count; at++) {
    const near = await scheduler.settle(left.open(right.self, protocol, signal), limits)
    const other = far[at]
    assert.ok(other)
    pairs.push([near, other])
  }
  return pairs
}

test('frames keep their order within a channel and overtake each other between channels', async () => {
  const { scheduler, fabric } = fabricOf(7)
  const [left, right] = [fabric.attach(simulatedPeer('A')), fabric.attach(simulatedPeer('B'))]
  const pairs = await channelsOf(fabric, left, right, 2)
  const arrivals: string[] = []
  for (const [at, [near, far]] of pairs.entries()) {
    for (let frame = 0; frame < 50; frame++) scheduler.after(frame, 'send', () => void near.send([Uint8Array.of(frame)], signal))
    void (async () => {
      for (;;) arrivals.push(`${at}:${(await far.receive(signal))?.[0]}`)
    })()
  }
  await scheduler.runFor(1000)
  const [first, second] = [0, 1].map((at) => arrivals.filter((arrival) => arrival.startsWith(`${at}:`)))
  assert.deepEqual(
    first,
    Array.from({ length: 50 }, (_, frame) => `0:${frame}`),
  )
  assert.deepEqual(
    second,
    Array.from({ length: 50 }, (_, frame) => `1:${frame}`),
  )
  const switches = arrivals.filter((arrival, at) => at > 0 && arrival[0] !== arrivals[at - 1]?.[0]).length
  assert.ok(switches > 5, `channels took turns only ${switches} times`)
})

test('a broken connection loses frames from the end only, and always whole', async () => {
  for (let seed = 0; seed < 30; seed++) {
    const { scheduler, fabric } = fabricOf(seed, { ...calmConditions, delayMs: [1, 100] })
    const [left, right] = [fabric.attach(simulatedPeer('A')), fabric.attach(simulatedPeer('B'))]
    const [pair] = await channelsOf(fabric, left, right, 1)
    assert.ok(pair)
    const [near, far] = pair
    const arrivals: number[] = []
    const reading = (async () => {
      for (;;) arrivals.push((await far.receive(signal))?.length ?? -1)
    })().catch((error: unknown) => String(error))
    for (let frame = 0; frame < 20; frame++) void near.send([new Uint8Array(1000 + frame)], signal).catch(() => undefined)
    await scheduler.runFor(seed * 5)
    fabric.breakConnection(left.self, right.self)
    const before = arrivals.length
    await scheduler.runFor(30_000)
    assert.equal(arrivals.length, before)
    assert.match(await reading, /CLOSED|gone/)
    assert.deepEqual(
      arrivals,
      Array.from({ length: arrivals.length }, (_, frame) => 1000 + frame),
    )
    assert.deepEqual([left.connectedPeers(), right.connectedPeers()], [[], []])
  }
})

test('bandwidth holds: a megabyte takes as long as the line says', async () => {
  const { scheduler, fabric } = fabricOf(1, { ...calmConditions, bytesPerSecond: 100_000, windowBytes: 2 ** 30 })
  const [pair] = await channelsOf(fabric, fabric.attach(simulatedPeer('A')), fabric.attach(simulatedPeer('B')), 1)
  assert.ok(pair)
  const startUs = scheduler.nowUs
  void pair[0].send([new Uint8Array(1_000_000)], signal)
  await scheduler.settle(pair[1].receive(signal), { durationMs: 60_000, stepsMax: 1000 })
  const tookMs = (scheduler.nowUs - startUs) / 1000
  assert.ok(tookMs >= 10_000 && tookMs < 10_100, `${tookMs} ms`)
})

test('who is behind a one-way link cannot dial but can be dialled through the other way', async () => {
  const { scheduler, fabric } = fabricOf(3)
  const [left, right] = [fabric.attach(simulatedPeer('A')), fabric.attach(simulatedPeer('B'))]
  fabric.setReachable(left.self, right.self, false)
  const limits = { durationMs: 20_000, stepsMax: 1000 }
  await assert.rejects(scheduler.settle(left.connect(right.self, right.addresses(), signal), limits), /did not answer/)
  await scheduler.settle(right.connect(left.self, left.addresses(), signal), limits)
  assert.deepEqual(left.connectedPeers(), [right.self])
  fabric.partition([[left.self], [right.self]])
  await scheduler.runFor(20_000)
  assert.deepEqual(left.connectedPeers(), [])
})
