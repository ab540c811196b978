// Blocks served and fetched: from files and the store in the order asked, what is gone said to be absent, and peers that lie or break off
// left alone while others are asked.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { concatBytes, equalBytes, utf8 } from '../../engine/base/bytes.ts'
import type { Clock, Random } from '../../engine/base/clock.ts'
import { EngineError } from '../../engine/base/errors.ts'
import { abortable } from '../../engine/base/queue.ts'
import { blockProof } from '../../engine/crypto/block-proof.ts'
import { blockIdOf, sealBlock } from '../../engine/crypto/seal.ts'
import type { BlockRef } from '../../engine/model/entry.ts'
import type { Channel } from '../../engine/net/network.ts'
import { blocksProtocol, receiveBlocksFrame, requestIdsMax, sendBlocksFrame } from '../../engine/transfer/blocks-frames.ts'
import type { BlockId } from '../../engine/model/ids.ts'
import { Fetcher } from '../../engine/transfer/fetch.ts'
import type { LeaseGranter } from '../../engine/transfer/held-blocks.ts'
import { isProof, proveMembership, type ProofContext } from '../../engine/transfer/membership-proof.ts'
import { serveBlocks } from '../../engine/transfer/serve.ts'
import { never, testBytes, testRandom } from '../support/blocks.ts'
import { accessKey, honest, networkOf, openServer, welcome, type Server } from '../support/block-server.ts'
import { channelPair, IndexNode } from '../support/index-world.ts'
import { firstIdentity, secondIdentity } from '../support/model-values.ts'

const thirdPeer = new IndexNode(5).peer

let nowMs = 0
const clock: Clock = {
  nowMs: () => nowMs,
  monotonicMs: () => nowMs,
  sleep: async (_ms, signal) => await abortable<void>(() => undefined, signal),
}
const random: Random = testRandom

describe('blocks fetched from a member', () => {
  it('come in the order asked, from files and from the store, absent where they are gone', async () => {
    using server = openServer()
    const [one, two, three] = [server.addFile('a', 'one'), await server.addStored(testBytes(1, 50)), server.addFile('b', 'three')]
    const gone: BlockRef = { id: blockIdOf(testBytes(9, 9)), storedBytes: 9 }
    const changed = server.addFile('c', 'before')
    server.disk.set('c', 'after!')
    const { network } = networkOf(new Map([[firstIdentity.peerId, honest(server, firstIdentity.peerId)]]))
    const fetcher = new Fetcher({ network, accessKey, clock, random })
    fetcher.setPeers([firstIdentity.peerId])
    const refs = [three, gone, two, changed, one]
    const fetched = await fetcher.fetch(refs, never)
    assert.deepEqual(
      fetched.map((block) => block !== undefined),
      [true, false, true, false, true],
    )
    fetched.forEach((block, at) => {
      if (block !== undefined) assert.deepEqual(blockIdOf(block.bytes), refs[at]?.id)
    })
    assert.deepEqual(server.stale, ['c'], 'the file that changed is to be looked at')
    const late = await server.addStored(testBytes(9, 9))
    assert.deepEqual(late, gone)
    assert.deepEqual(await fetcher.fetch([gone], never), [undefined], 'not asked again')
    fetcher.peerHas(firstIdentity.peerId)
    assert.notEqual((await fetcher.fetch([gone], never))[0], undefined, 'asked again once the peer has more')
    fetcher.close()
  })

  it('come in several parts when they are many', async () => {
    using server = openServer()
    const refs = Array.from({ length: 1500 }, (_, at) => server.addFile(`f${at}`, `content ${at}`))
    const { network } = networkOf(new Map([[firstIdentity.peerId, honest(server, firstIdentity.peerId)]]))
    const fetcher = new Fetcher({ network, accessKey, clock, random })
    fetcher.setPeers([firstIdentity.peerId])
    const fetched = await fetcher.fetch(refs, never)
    assert.ok(fetched.every((block, at) => block !== undefined && equalBytes(blockIdOf(block.bytes), refs[at]?.id ?? new Uint8Array(0))))
    fetcher.close()
  })

  it('come from another member where one lacks them', async () => {
    using first = openServer()
    using second = openServer()
    const refs = [first.addFile('a', 'one'), second.addFile('b', 'two')]
    const peers = new Map([
      [firstIdentity.peerId, honest(first, firstIdentity.peerId)],
      [thirdPeer, honest(second, thirdPeer)],
    ])
    const fetcher = new Fetcher({ network: networkOf(peers).network, accessKey, clock, random })
    fetcher.setPeers([...peers.keys()])
    assert.deepEqual(
      (await fetcher.fetch(refs, never)).map((block) => block?.from),
      [firstIdentity.peerId, thirdPeer],
    )
    fetcher.close()
  })

  type Liar = (channel: Channel) => Promise<void>
  const part = (request: number, lengths: readonly number[], payload: Uint8Array): Parameters<typeof sendBlocksFrame>[1] => ({
    case: 'part',
    value: { request, lengths: [...lengths], payload },
  })
  const answering = (answer: (request: number) => Parameters<typeof sendBlocksFrame>[1]): Liar => {
    return async (channel) => {
      await welcome(channel, firstIdentity.peerId)
      const frame = await receiveBlocksFrame(channel, never)
      if (frame?.case === 'getMany') await sendBlocksFrame(channel, answer(frame.value.request), never)
    }
  }
  const liars: readonly (readonly [string, Liar])[] = [
    ['gives a block of another length', answering((request) => part(request, [5], new Uint8Array(5)))],
    ['says more than it sends', answering((request) => part(request, [19], new Uint8Array(5)))],
    ['answers more than was asked', answering((request) => part(request, [19, 19], new Uint8Array(38)))],
    ['answers another request', answering((request) => part(request + 1, [19], new Uint8Array(19)))],
    ['answers nothing in a part', answering((request) => part(request, [], new Uint8Array(0)))],
    ['speaks out of turn', answering(() => ({ case: 'getMany', value: { request: 1, ids: new Uint8Array(33) } }))],
    ['is no member', async (channel) => await welcome(channel, firstIdentity.peerId, new Uint8Array(32))],
    ['proves with the key to somebody else', async (channel) => await welcome(channel, thirdPeer)],
    ['hangs up', async (channel) => await Promise.resolve(channel.abort())],
    ['sends what is no frame', async (channel) => await channel.send([Uint8Array.of(255)], never)],
  ]
  for (const [what, liar] of liars) {
    it(`scenario 67: come from another when one ${what}, and that one is left alone for a while`, async () => {
      using server = openServer()
      const ref = server.addFile('a', 'one')
      const peers = new Map([
        [firstIdentity.peerId, liar],
        [thirdPeer, honest(server, thirdPeer)],
      ])
      const { network, opened } = networkOf(peers)
      const fetcher = new Fetcher({ network, accessKey, clock, random })
      fetcher.setPeers([firstIdentity.peerId])
      assert.deepEqual(await fetcher.fetch([ref], never), [undefined])
      fetcher.setPeers([firstIdentity.peerId, thirdPeer])
      assert.equal((await fetcher.fetch([ref], never))[0]?.from, thirdPeer)
      assert.equal(opened.filter((peer) => peer === firstIdentity.peerId).length, 1, 'asked once')
      nowMs += 120_000
      fetcher.setPeers([firstIdentity.peerId])
      await fetcher.fetch([ref], never)
      assert.equal(opened.filter((peer) => peer === firstIdentity.peerId).length, 2, 'and again later')
      fetcher.close()
    })
  }

  it('end with an abort', async () => {
    const { network } = networkOf(
      new Map([[firstIdentity.peerId, async (channel: Channel) => await welcome(channel, firstIdentity.peerId)]]),
    )
    const fetcher = new Fetcher({ network, accessKey, clock, random })
    fetcher.setPeers([firstIdentity.peerId])
    const gone = new AbortController()
    const fetching = fetcher.fetch([{ id: blockIdOf(new Uint8Array(3)), storedBytes: 3 }], gone.signal)
    setImmediate(() => gone.abort())
    await assert.rejects(fetching, (error) => error instanceof EngineError && error.code === 'ABORTED')
    fetcher.close()
  })
})

describe('questions to a member', () => {
  const { peerId } = firstIdentity
  const nonce = testBytes(6, 32)

  it('are answered with the hash of each block under their key, from files as from the store, and with nothing where it is gone', async () => {
    using server = openServer()
    const stored = testBytes(1, 50)
    const [one, two, changed] = [server.addFile('a', 'one'), await server.addStored(stored), server.addFile('c', 'before')]
    server.disk.set('c', 'after!')
    const { network } = networkOf(new Map([[peerId, honest(server, peerId)]]))
    const fetcher = new Fetcher({ network, accessKey, clock, random })
    fetcher.setPeers([peerId])
    const proofs = await fetcher.prove(peerId, [two.id, one.id, changed.id, blockIdOf(testBytes(9, 9))], nonce, never)
    const { sealed } = sealBlock(server.node.handle.jobKeys.sealKey, utf8('one'))
    assert.deepEqual(proofs, [blockProof(peerId, nonce, stored), blockProof(peerId, nonce, sealed), undefined, undefined])
    fetcher.close()
  })

  it('hold up no blocks: they go over a channel of their own', async () => {
    using server = openServer()
    const ref = server.addFile('a', 'one')
    let channels = 0
    const silentAtFirst = async (channel: Channel): Promise<void> => {
      if (++channels > 1) return await honest(server, peerId)(channel)
      await welcome(channel, peerId) // and no answer to what it is asked
    }
    const { network } = networkOf(new Map([[peerId, silentAtFirst]]))
    const fetcher = new Fetcher({ network, accessKey, clock, random })
    fetcher.setPeers([peerId])
    const asking = fetcher.prove(peerId, [ref.id], nonce, never)
    asking.catch(() => undefined) // awaited below
    assert.notEqual((await fetcher.fetch([ref], never))[0], undefined)
    fetcher.close()
    await assert.rejects(asking, { code: 'ABORTED' })
  })

  it('show who said that it lacks a block, which one that broke off has not', async () => {
    using server = openServer()
    const gone: BlockRef = { id: blockIdOf(testBytes(9, 9)), storedBytes: 9 }
    const peers = new Map([
      [peerId, honest(server, peerId)],
      [thirdPeer, async (channel: Channel) => await Promise.resolve(channel.abort())],
    ])
    const { network } = networkOf(peers)
    const fetcher = new Fetcher({ network, accessKey, clock, random })
    fetcher.setPeers([peerId, thirdPeer])
    assert.deepEqual(await fetcher.fetch([gone], never), [undefined])
    assert.deepEqual([fetcher.saidToLack(peerId, gone.id), fetcher.saidToLack(thirdPeer, gone.id)], [true, false])
    fetcher.peerHas(peerId)
    assert.equal(fetcher.saidToLack(peerId, gone.id), false, 'it has more now')
    fetcher.close()
  })
})

describe('a keep lease', () => {
  const nonce = testBytes(5, 32)
  const leaseFrom = async (server: Server, ids: readonly BlockId[]): ReturnType<Fetcher['lease']> => {
    const { network } = networkOf(new Map([[firstIdentity.peerId, honest(server, firstIdentity.peerId)]]))
    const fetcher = new Fetcher({ network, accessKey, clock, random })
    fetcher.setPeers([firstIdentity.peerId])
    try {
      return await fetcher.lease(firstIdentity.peerId, ids, nonce, never)
    } finally {
      fetcher.close()
    }
  }

  it('is granted by proof of the very block, for what is here and kept, and for nothing else', async () => {
    using server = openServer()
    const stored = testBytes(1, 50)
    const [one, other] = [await server.addStored(stored), await server.addStored(testBytes(2, 50))]
    const changed = server.addFile('c', 'before')
    server.disk.set('c', 'after!')
    const gone = blockIdOf(testBytes(9, 9))
    const asked: unknown[] = []
    const leases: LeaseGranter = { grant: (to, ids) => (asked.push(to, ids), ids.filter((id) => equalBytes(id, one.id))) }
    const proofs = await leaseFrom({ ...server, parts: { ...server.parts, leases } }, [other.id, changed.id, one.id, gone])
    assert.deepEqual(proofs, [undefined, undefined, blockProof(firstIdentity.peerId, nonce, stored), undefined])
    assert.deepEqual(asked, [secondIdentity.peerId, [other.id, one.id]], 'only what was read whole is asked about')
  })

  it('is granted on a file once that is on the device, and not where it cannot be brought there', async () => {
    using server = openServer()
    const [one, lost] = [server.addFile('a', 'one'), server.addFile('b', 'two')]
    server.unflushable.add('b')
    const asked: unknown[] = []
    const leases: LeaseGranter = { grant: (_to, ids) => (asked.push([...server.flushed], ids), ids) }
    const proofs = await leaseFrom({ ...server, parts: { ...server.parts, leases } }, [one.id, lost.id])
    assert.deepEqual(
      proofs.map((proof) => proof !== undefined),
      [true, false],
    )
    assert.deepEqual(asked, [['a', 'b'], [one.id]], 'flushed before anything is granted')
  })

  it('is granted by nobody who keeps no account of them', async () => {
    using server = openServer()
    const { id } = await server.addStored(testBytes(1, 50))
    assert.deepEqual(await leaseFrom(server, [id]), [undefined])
  })

  it('asked for without a nonce ends the channel', async () => {
    using server = openServer()
    const { left, right } = channelPair(secondIdentity.peerId, firstIdentity.peerId, blocksProtocol.name)
    await sendBlocksFrame(left, { case: 'keepWanted', value: { request: 1, ids: blockIdOf(new Uint8Array(1)) } }, never)
    await assert.rejects(
      serveBlocks(right, server.parts, { self: firstIdentity.peerId, clock }, never),
      (error) => error instanceof EngineError && error.code === 'PEER_MISBEHAVED',
    )
  })
})

describe('a request for blocks', () => {
  const id = blockIdOf(new Uint8Array(1))
  const wrong: readonly (readonly [string, Uint8Array])[] = [
    ['for none', new Uint8Array(0)],
    ['with part of an id', id.subarray(1)],
    ['with an id of another form', new Uint8Array(33)],
    ['for too many', concatBytes(Array.from({ length: requestIdsMax + 1 }, () => id))],
  ]
  for (const [what, ids] of wrong) {
    it(`${what} is refused`, async () => {
      using server = openServer()
      const { left, right } = channelPair(secondIdentity.peerId, firstIdentity.peerId, blocksProtocol.name)
      await sendBlocksFrame(left, { case: 'getMany', value: { request: 1, ids } }, never)
      await assert.rejects(
        serveBlocks(right, server.parts, { self: firstIdentity.peerId, clock }, never),
        (error) => error instanceof EngineError && error.code === 'PEER_MISBEHAVED',
      )
    })
  }
})

describe('the proof of membership', () => {
  const context: ProofContext = {
    protocol: '/p/1',
    prover: firstIdentity.peerId,
    verifier: secondIdentity.peerId,
    nonce: new Uint8Array(16),
  }
  const proof = proveMembership(accessKey, context)
  it('convinces whom it is for', () => assert.ok(isProof(accessKey, context, proof)))
  for (const [what, holds] of [
    ['under another key', isProof(new Uint8Array(32), context, proof)],
    ['of another protocol', isProof(accessKey, { ...context, protocol: '/p/2' }, proof)],
    ['sent back', isProof(accessKey, { ...context, prover: context.verifier, verifier: context.prover }, proof)],
    ['for another', isProof(accessKey, { ...context, verifier: thirdPeer }, proof)],
    ['of another moment', isProof(accessKey, { ...context, nonce: new Uint8Array(16).fill(1) }, proof)],
    ['cut', isProof(accessKey, context, proof.subarray(1))],
    ['that is empty', isProof(accessKey, context, new Uint8Array(0))],
  ] as const) {
    it(`${what} convinces nobody`, () => assert.equal(holds, false))
  }
})
