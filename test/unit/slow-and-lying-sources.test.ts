// Members as sources that are slow, lie, send without end or more than was asked: others are used, and what they cost is bounded.

import assert from 'node:assert/strict'
import { describe, it, test } from 'node:test'
import { equalBytes, utf8 } from '../../engine/base/bytes.ts'
import { Allowance } from '../../engine/base/allowance.ts'
import { Breaker } from '../../engine/base/breaker.ts'
import { silentLog } from '../../engine/base/log.ts'
import { MemoryBlockStore } from '../../engine/blocks/memory-store.ts'
import { blockIdOf, sealBlock } from '../../engine/crypto/seal.ts'
import type { BlockRef } from '../../engine/model/entry.ts'
import type { PeerId } from '../../engine/model/ids.ts'
import { FrameReader, encodeFrameHeader } from '../../engine/net/framing.ts'
import type { Channel } from '../../engine/net/network.ts'
import { holdsAll } from '../../engine/replicas/holding.ts'
import { Repair } from '../../engine/replicas/repair.ts'
import { receiveBlocksFrame, sendBlocksPart } from '../../engine/transfer/blocks-frames.ts'
import { deal, expectedMs, patienceMs, type Candidate } from '../../engine/transfer/choose.ts'
import { Fetcher } from '../../engine/transfer/fetch.ts'
import { readHeld } from '../../engine/transfer/held-blocks.ts'
import { Pace } from '../../engine/transfer/pace.ts'
import { PartSize } from '../../engine/transfer/part-size.ts'
import { never, testBytes, testRandom } from '../support/blocks.ts'
import { accessKey, honest, networkOf, openServer, welcome } from '../support/block-server.ts'
import { firstIdentity, secondIdentity } from '../support/model-values.ts'
import { IndexNode } from '../support/index-world.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { Scheduler, SimClock, WallClock } from '../sim/scheduler.ts'
import { Trace } from '../sim/trace.ts'

const [good, bad] = [new IndexNode(5).peer, firstIdentity.peerId]
const kibibyte = 1024

/** Virtual time for one test. */
function openTime() {
  const scheduler = new Scheduler(new SeededRandom('slow'), new Trace())
  return { scheduler, clock: new SimClock(scheduler, new WallClock(scheduler), 'node') }
}

function blocksOf(count: number, lengthBytes: number): readonly { readonly ref: BlockRef; readonly bytes: Uint8Array }[] {
  return Array.from({ length: count }, (_, seed) => {
    const bytes = testBytes(seed, lengthBytes)
    return { ref: { id: blockIdOf(bytes), storedBytes: bytes.length }, bytes }
  })
}

function candidate(peer: PeerId, bytesPerSecond: number | undefined, bytesUnderWay = 0): Candidate {
  return { peer, bytesPerSecond, bytesUnderWay }
}

describe('whom to ask', () => {
  const all = (count: number, candidates: readonly PeerId[]): Parameters<typeof deal>[0] =>
    blocksOf(count, 64 * kibibyte).map(({ ref }, place) => ({ place, block: ref, candidates }))
  const bytesOf = (requests: ReturnType<typeof deal>, peer: PeerId): number =>
    requests.filter((request) => request.peer === peer).reduce((sum, { bytes }) => sum + bytes, 0)

  it('is dealt by how soon each would be done: one that is ten times as fast gets ten times as much', () => {
    const known = new Map([candidate(good, 10_000_000), candidate(bad, 1_000_000)].map((one) => [one.peer, one]))
    const requests = deal(all(110, [good, bad]), known)
    assert.deepEqual([bytesOf(requests, good), bytesOf(requests, bad)], [100 * 64 * kibibyte, 10 * 64 * kibibyte])
  })

  it('counts what is under way already, and gives a crawling member nothing', () => {
    const busy = new Map([candidate(good, 1_000_000, 1_000_000), candidate(bad, 1_000_000)].map((one) => [one.peer, one]))
    assert.equal(bytesOf(deal(all(10, [good, bad]), busy), good), 0)
    const crawling = new Map([candidate(good, undefined), candidate(bad, kibibyte)].map((one) => [one.peer, one]))
    assert.equal(bytesOf(deal(all(100, [good, bad]), crawling), bad), 0)
  })

  it('asks a slow member for little at a time, and a block that nobody has of nobody', () => {
    const known = new Map([[bad, candidate(bad, 10 * kibibyte)]])
    assert.deepEqual(new Set(deal(all(4, [bad]), known).map(({ bytes }) => bytes)), new Set([64 * kibibyte]))
    assert.deepEqual(deal(all(4, []), known), [])
  })

  it('is patient for four times what is expected, and for three seconds at least', () => {
    const slow = candidate(bad, 10 * kibibyte, 10 * kibibyte)
    assert.equal(expectedMs(slow, 10 * kibibyte), 2000)
    assert.equal(patienceMs(slow, 10 * kibibyte), 8000)
    assert.equal(patienceMs(candidate(bad, 1e9), 1000), 3000)
  })
})

test('the pace of a member is what came lately, gets less while nothing comes, and is forgotten after a while', () => {
  const pace = new Pace()
  assert.equal(pace.bytesPerSecond(0, 0), undefined)
  pace.note(1_000_000, 1000, 1000)
  assert.ok(Math.abs((pace.bytesPerSecond(0, 1000) ?? 0) - 1_000_000) < 10)
  assert.ok((pace.bytesPerSecond(9000, 10_000) ?? 0) < 101_000)
  for (let second = 2; second < 40; second++) pace.note(1000, 1000, second * 1000)
  assert.ok((pace.bytesPerSecond(0, 40_000) ?? 0) < 5000, 'what is long ago counts less')
  assert.equal(pace.bytesPerSecond(0, 40 * 60_000), undefined)
})

test('a breaker opens for twice as long each time, up to its longest, and what fails meanwhile counts once', () => {
  const breaker = new Breaker({ firstMs: 1000, longestMs: 3000 })
  assert.equal(breaker.isOpen(0), false)
  breaker.failed(0)
  breaker.failed(500)
  assert.deepEqual([breaker.isOpen(999), breaker.isOpen(1000)], [true, false])
  breaker.failed(1000)
  assert.deepEqual([breaker.isOpen(2999), breaker.isOpen(3000)], [true, false])
  breaker.failed(3000)
  assert.deepEqual([breaker.isOpen(5999), breaker.isOpen(6000)], [true, false])
  breaker.didWell()
  breaker.failed(10_000)
  assert.equal(breaker.isOpen(11_000), false)
})

test('an allowance gives a burst, then so much a second, and says how long to wait', () => {
  const allowance = new Allowance({ burst: 3, perSecond: 2 }, 0)
  for (let use = 0; use < 3; use++) {
    assert.equal(allowance.waitMs(0), 0)
    allowance.use(1, 0)
  }
  assert.equal(allowance.waitMs(0), 500)
  assert.equal(allowance.waitMs(500), 0)
  assert.equal(allowance.waitMs(60_000), 0)
  allowance.use(5, 60_000) // no more than the burst was saved up
  assert.equal(allowance.waitMs(60_000), 1500)
})

/** Answers every request, each block in a part of its own, at this many bytes a second. */
function slowly(
  server: ReturnType<typeof openServer>,
  clock: SimClock,
  bytesPerSecond: number,
  told: number[],
): (channel: Channel) => Promise<void> {
  return async (channel) => {
    await welcome(channel, bad)
    for (;;) {
      const frame = await receiveBlocksFrame(channel, never)
      if (frame?.case !== 'getMany') return
      const { request, ids } = frame.value
      for (let at = 0; at < ids.length; at += 33) {
        const id = ids.slice(at, at + 33) as BlockRef['id'] // cast: ids of a request are ids
        const bytes = (await server.parts.store.get(server.parts.folder.id, id)) ?? new Uint8Array(0)
        await clock.sleep((bytes.length / bytesPerSecond) * 1000, never)
        told.push(bytes.length)
        await sendBlocksPart(channel, { request, lengths: [bytes.length], payload: bytes }, never)
      }
    }
  }
}

test('scenario T32: a slow peer (1 KiB/s) among the sources: hedged to another, what comes late is dropped, no RAM growth beyond budget', async () => {
  const { scheduler, clock } = openTime()
  using slow = openServer()
  using fast = openServer()
  const blocks = blocksOf(64, 64 * kibibyte)
  for (const { bytes } of blocks) await slow.addStored(bytes)
  for (const { bytes } of blocks) await fast.addStored(bytes)
  const told: number[] = []
  const peers = new Map([
    [bad, slowly(slow, clock, kibibyte, told)],
    [good, honest(fast, good)],
  ])
  const fetcher = new Fetcher({ network: networkOf(peers).network, accessKey, clock, random: testRandom })
  fetcher.setPeers([bad, good])
  const limits = { stepsMax: 100_000, durationMs: 3_600_000 }
  const refs = blocks.map(({ ref }) => ref)
  const fetched = await scheduler.settle(fetcher.fetch(refs, never), limits)
  const tookMs = scheduler.nowUs / 1000
  assert.ok(fetched.every((block, at) => block !== undefined && equalBytes(block.bytes, blocks[at]?.bytes ?? new Uint8Array(0))))
  // Two MiB were dealt to it while nothing was known of it: at its speed they take 34 minutes.
  assert.ok(tookMs < 30_000, `it took ${tookMs} ms`)
  const before = told.length
  for (let round = 0; round < 5; round++) await scheduler.settle(fetcher.fetch(refs, never), limits)
  assert.ok(scheduler.nowUs / 1000 < tookMs + 1000, 'it is not asked again while another is faster')
  assert.equal(told.length, before)
  fetcher.close()
})

test('scenario T32: a slow peer (1 KiB/s) that alone has the blocks gives them all the same, at its speed', async () => {
  const { scheduler, clock } = openTime()
  using slow = openServer()
  const blocks = blocksOf(10, 10 * kibibyte)
  for (const { bytes } of blocks) await slow.addStored(bytes)
  const fetcher = new Fetcher({
    network: networkOf(new Map([[bad, slowly(slow, clock, kibibyte, [])]])).network,
    accessKey,
    clock,
    random: testRandom,
  })
  fetcher.setPeers([bad])
  const fetched = await scheduler.settle(
    fetcher.fetch(
      blocks.map(({ ref }) => ref),
      never,
    ),
    { stepsMax: 10_000, durationMs: 3_600_000 },
  )
  assert.equal(fetched.filter((block) => block !== undefined).length, 10)
  assert.ok(scheduler.nowUs / 1e6 < 110)
  fetcher.close()
})

test('scenario T32: a slow peer (1 KiB/s) that fetches: what is read ahead for it gets less, no RAM growth beyond budget', async () => {
  using server = openServer()
  const blocks = blocksOf(200, 16 * kibibyte)
  for (const { bytes } of blocks) await server.addStored(bytes)
  const size = new PartSize()
  const parts: number[] = []
  const ids = blocks.map(({ ref }) => ref.id)
  for await (const { payload } of readHeld(server.parts, ids, never, { size })) {
    parts.push(payload.length)
    size.took((payload.length / kibibyte) * 1000)
  }
  assert.equal(
    parts.reduce((sum, bytes) => sum + bytes, 0),
    200 * 16 * kibibyte,
  )
  assert.ok(Math.max(...parts.slice(6)) <= 80 * kibibyte, parts.join(' '))
  for (let round = 0; round < 20; round++) size.took(1)
  assert.equal(size.bytes, kibibyte * kibibyte)
})

describe('scenario T30: a peer sends wrong bytes, oversized, an endless stream: aborted ≤ 16 KiB past the limit; penalised; other source used', () => {
  const [block] = blocksOf(1, 20 * kibibyte)
  assert.ok(block !== undefined)
  /** Bytes that got to the other side. */
  let sent = 0
  const evil = (answer: (channel: Channel, request: number) => Promise<void>): ((channel: Channel) => Promise<void>) => {
    return async (channel) => {
      await welcome(channel, bad)
      const frame = await receiveBlocksFrame(channel, never)
      if (frame?.case === 'getMany') await answer(channel, frame.value.request)
    }
  }
  const send = async (channel: Channel, request: number, lengths: readonly number[], payload: Uint8Array): Promise<void> => {
    await sendBlocksPart(channel, { request, lengths, payload }, never)
    sent += payload.length
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
  const whole = block.ref.storedBytes
  for (const [what, answer] of [
    [
      'a part that is longer than all that was asked',
      (channel, request) => send(channel, request, [whole], new Uint8Array(4 * 1024 * kibibyte)),
    ],
    [
      'blocks without end',
      async (channel, request) => {
        await send(channel, request, [whole], block.bytes)
        for (let part = 0; part < 1000; part++) await send(channel, request, [4096], new Uint8Array(4096))
      },
    ],
    [
      'parts of nothing without end',
      async (channel, request) => {
        for (let part = 0; part < 1000; part++) await send(channel, request, [], new Uint8Array(kibibyte))
      },
    ],
  ] as const satisfies readonly (readonly [string, (channel: Channel, request: number) => Promise<void>])[]) {
    it(`${what}: it is cut off, left alone, and the block comes from another`, async () => {
      const { scheduler, clock } = openTime()
      using server = openServer()
      await server.addStored(block.bytes)
      sent = 0
      const { network, opened } = networkOf(
        new Map([
          [bad, evil(answer)],
          [good, honest(server, good)],
        ]),
      )
      const lies: PeerId[] = []
      const fetcher = new Fetcher({ network, accessKey, clock, random: testRandom }, (peer) => lies.push(peer))
      const fetch = async () => (await scheduler.settle(fetcher.fetch([block.ref], never), { stepsMax: 1000, durationMs: 60_000 }))[0]
      fetcher.setPeers([bad])
      await fetch()
      fetcher.setPeers([bad, good])
      assert.equal((await fetch())?.from, good)
      assert.deepEqual(lies, [bad])
      assert.equal(opened.filter((peer) => peer === bad).length, 1, 'it is not asked again')
      if (what !== 'a part that is longer than all that was asked') assert.ok(sent <= whole + 16 * kibibyte, `${sent} bytes were taken`)
      fetcher.close()
    })
  }

  it('wrong bytes of the right length: they are not stored, the peer is left alone, and the block comes from another', async () => {
    using node = new IndexNode(1)
    using server = openServer()
    const { index, handle } = node
    node.write('a', 'the content of a')
    const { id, sealed } = sealBlock(handle.jobKeys.sealKey, utf8('the content of a'))
    await server.addStored(sealed)
    const wrong = Uint8Array.from(sealed, (byte) => byte ^ 1)
    const peers = new Map([[bad, evil((channel, request) => send(channel, request, [wrong.length], wrong))]])
    const { network } = networkOf(peers)
    const { scheduler, clock } = openTime()
    const lies: PeerId[] = []
    const fetcher = new Fetcher({ network, accessKey, clock, random: testRandom }, (peer) => lies.push(peer))
    fetcher.setPeers([bad])
    const store = new MemoryBlockStore()
    const repair = new Repair({
      index,
      store,
      folder: { row: handle.row, id: handle.record.id },
      fetcher,
      clock,
      log: silentLog,
      holding: () => holdsAll,
      claims: () => () => [],
      link: () => ({ isMetered: false, isPersonWaiting: false }),
      self: secondIdentity.peerId,
      lackers: () => ({ hosts: '', of: () => [secondIdentity.peerId] }),
      ranks: () => () => 0,
      events: { stored: () => undefined, changed: () => undefined, trouble: () => undefined },
    })
    const ending = new AbortController()
    const running = repair.run(ending.signal)
    running.catch(() => undefined) // ended below
    await scheduler.runFor(1000)
    assert.deepEqual(lies, [bad])
    assert.equal(store.has(handle.record.id, id), false)
    peers.set(good, honest(server, good))
    fetcher.setPeers([bad, good])
    repair.wake()
    await scheduler.runFor(1000)
    assert.equal(store.has(handle.record.id, id), true)
    assert.deepEqual(lies, [bad], 'it was not asked again')
    ending.abort()
    await assert.rejects(running, { code: 'ABORTED' })
    fetcher.close()
  })

  it('a frame that announces more than is left is refused by its head alone', () => {
    const reader = new FrameReader(8 * 1024 * kibibyte)
    reader.limitFrames(whole + kibibyte)
    reader.push(encodeFrameHeader(8 * 1024 * kibibyte))
    let pushed = 0
    assert.throws(
      () => {
        for (; pushed < 100; pushed++) {
          reader.push(new Uint8Array(kibibyte))
          reader.next()
        }
      },
      { code: 'FRAME_TOO_LARGE' },
    )
    assert.equal(pushed, 0)
  })
})
