// What every Network must do, whatever carries it. Run it with a maker of two networks that can reach each other.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EngineError, errorCodeOf } from '../../engine/base/errors.ts'
import { parsePeerId } from '../../engine/model/ids.ts'
import type { ErrorCode } from '../../engine/base/errors.ts'
import type { Channel, Network, NetworkEvent, Protocol } from '../../engine/net/network.ts'

/** Two networks that do not know each other yet; `right.addresses()` can be dialled from `left`, and the other way round. */
export interface NetworkPair extends AsyncDisposable {
  readonly left: Network
  readonly right: Network
}

const protocol: Protocol = { name: '/contract/echo/1', frameBytesMax: 1024 * 1024 }
const never = new AbortController().signal

export function networkSuite(name: string, makePair: () => Promise<NetworkPair>): void {
  const it = (claim: string, body: (pair: NetworkPair) => Promise<void>): void => {
    test(`${name}: ${claim}`, { timeout: 20_000 }, async () => {
      await using pair = await makePair()
      await body(pair)
    })
  }

  it('connects by address and names the peer on both sides, once', async ({ left, right }) => {
    const events: string[] = []
    left.onEvent((event) => events.push(`left ${event.kind} ${peerOf(event) === right.self}`))
    const seen = eventOf(right, 'connected')
    await left.connect(right.self, right.addresses(), never)
    await left.connect(right.self, right.addresses(), never)
    assert.deepEqual(await seen, { kind: 'connected', peer: left.self })
    assert.deepEqual(events, ['left connected true'])
    assert.deepEqual(left.connectedPeers(), [right.self])
    assert.equal(left.peerAddresses(right.self).length, 1)
  })

  it('says when the last connection is gone, on both sides', async ({ left, right }) => {
    await left.connect(right.self, right.addresses(), never)
    const gone = [eventOf(left, 'disconnected'), eventOf(right, 'disconnected')]
    await left.disconnect(right.self)
    assert.deepEqual(await Promise.all(gone), [
      { kind: 'disconnected', peer: right.self },
      { kind: 'disconnected', peer: left.self },
    ])
    assert.deepEqual(left.connectedPeers(), [])
    await left.connect(right.self, right.addresses(), never)
    assert.deepEqual(left.connectedPeers(), [right.self])
  })

  it('refuses to open a channel without a connection, or of a protocol that the peer does not serve', async ({ left, right }) => {
    await rejectsWith('PEER_UNREACHABLE', left.open(right.self, protocol, never))
    await left.connect(right.self, right.addresses(), never)
    await rejectsWith('PEER_UNREACHABLE', left.open(right.self, { ...protocol, name: '/contract/nobody/1' }, never))
  })

  it('cannot reach a peer that is not at the address given, and says where it tried', async ({ left, right }) => {
    const stranger = parsePeerId('12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp')
    assert.ok(stranger)
    const bare = right.addresses().map((address) => address.replace(/\/p2p\/.*$/, ''))
    await assert.rejects(left.connect(stranger, bare, never), (error: unknown) => {
      assert.ok(error instanceof EngineError)
      assert.equal(error.code, 'PEER_UNREACHABLE')
      assert.ok(error.message.includes(stranger) && error.message.includes(bare[0] ?? '?'), error.message)
      return true
    })
    assert.deepEqual(left.connectedPeers(), [])
    await rejectsWith('PEER_UNREACHABLE', left.connect(stranger, [], never))
    await rejectsWith('PEER_UNREACHABLE', left.connect(stranger, ['nonsense', ...right.addresses()], never))
  })

  it('takes no longer frame than it was told to, from then on', async (pair) => {
    const [near, far] = await openChannel(pair)
    far.limitFrames(1000)
    await near.send([new Uint8Array(1000)], never)
    assert.equal((await far.receive(never))?.length, 1000)
    far.limitFrames(2000)
    await near.send([new Uint8Array(2000)], never)
    assert.equal((await far.receive(never))?.length, 2000)
    far.limitFrames(1000)
    await near.send([new Uint8Array(1001)], never).catch(() => undefined) // it may be closed already
    await rejectsWith('FRAME_TOO_LARGE', far.receive(never))
  })

  it('carries frames whole, in order, in any sizes and parts', async (pair) => {
    const [near, far] = await openChannel(pair)
    assert.equal(near.peer, pair.right.self)
    assert.equal(far.peer, pair.left.self)
    assert.equal(far.protocol, protocol.name)
    const sizes = [0, 1, 127, 128, 0, 8_192, 8_193, 16_384, 65_536, 262_063, 262_064, 262_065, protocol.frameBytesMax, 0, 3]
    const sent = Promise.all(sizes.map((size, index) => near.send(cut(patterned(size, index)), never)))
    for (const [index, size] of sizes.entries()) assert.deepEqual(await far.receive(never), patterned(size, index))
    await sent
    await near.close()
    assert.equal(await far.receive(never), undefined)
    await far.send([patterned(5, 1)], never)
    await far.close()
    assert.deepEqual(await near.receive(never), patterned(5, 1))
    assert.equal(await near.receive(never), undefined)
  })

  it('carries ten thousand small frames', async (pair) => {
    const [near, far] = await openChannel(pair)
    const sending = (async () => {
      for (let index = 0; index < 10_000; index++) await near.send([Uint8Array.of(index & 255), Uint8Array.of(index >> 8)], never)
      await near.close()
    })()
    for (let index = 0; index < 10_000; index++) assert.deepEqual(await far.receive(never), Uint8Array.of(index & 255, index >> 8))
    assert.equal(await far.receive(never), undefined)
    await sending
  })

  it('lets the caller reuse the parts of a frame once it is sent', async (pair) => {
    const [near, far] = await openChannel(pair)
    const sizes = [10, 5_000, 700_000]
    const sending = (async () => {
      for (const size of sizes) {
        const part = new Uint8Array(size).fill(1)
        await near.send([part], never)
        part.fill(2)
      }
    })()
    for (const size of sizes) assert.deepEqual(await far.receive(never), new Uint8Array(size).fill(1))
    await sending
  })

  it('refuses to send a frame over the limit and stays usable', async (pair) => {
    const [near, far] = await openChannel(pair)
    await rejectsWith('FRAME_TOO_LARGE', near.send([new Uint8Array(protocol.frameBytesMax), new Uint8Array(1)], never))
    await near.send([patterned(3, 0)], never)
    assert.deepEqual(await far.receive(never), patterned(3, 0))
  })

  it('refuses to receive a frame over its own limit and drops the channel', async ({ left, right }) => {
    const [near, far] = await openChannel({ left, right }, { ...protocol, frameBytesMax: 4 * 1024 * 1024 })
    const sent = near.send([new Uint8Array(protocol.frameBytesMax + 1)], never).then(() => undefined, errorCodeOf)
    await rejectsWith('FRAME_TOO_LARGE', far.receive(never))
    await rejectsWith('CLOSED', near.receive(never))
    assert.ok([undefined, 'CLOSED'].includes(await sent))
    assert.deepEqual(left.connectedPeers(), [right.self])
  })

  it('holds the sender back while nobody receives, and loses nothing', async (pair) => {
    const [near, far] = await openChannel(pair)
    const frames = 64
    let sentFrames = 0
    const sending = (async () => {
      for (; sentFrames < frames; sentFrames++) await near.send([patterned(protocol.frameBytesMax, sentFrames)], never)
    })()
    // Other traffic flows meanwhile: when this many round trips have passed, the first channel has long been full.
    const [ping, pong] = await openChannel(pair)
    for (let round = 0; round < 300; round++) {
      await ping.send([patterned(100, round)], never)
      await pong.receive(never)
    }
    assert.ok(sentFrames < frames, `all ${sentFrames} frames went out though nobody received`)
    for (let index = 0; index < frames; index++) assert.deepEqual(await far.receive(never), patterned(protocol.frameBytesMax, index))
    await sending
  })

  it('gives up waiting when the signal aborts, and the channel stays usable', async (pair) => {
    const [near, far] = await openChannel(pair)
    const abort = new AbortController()
    const waiting = far.receive(abort.signal)
    abort.abort()
    await rejectsWith('ABORTED', waiting)
    await rejectsWith('ABORTED', near.send([patterned(1, 1)], abort.signal))
    await rejectsWith('ABORTED', pair.left.connect(pair.right.self, [], abort.signal))
    await rejectsWith('ABORTED', pair.left.open(pair.right.self, protocol, abort.signal))
    await near.send([patterned(9, 1)], never)
    assert.deepEqual(await far.receive(never), patterned(9, 1))
  })

  it('breaks the channel on both sides when one aborts it', async (pair) => {
    const [near, far] = await openChannel(pair)
    await near.send([patterned(1, 1)], never)
    await far.receive(never)
    const waiting = far.receive(never)
    near.abort()
    near.abort()
    await rejectsWith('CLOSED', waiting)
    await rejectsWith('CLOSED', near.receive(never))
    await rejectsWith('CLOSED', near.send([patterned(1, 1)], never))
    await rejectsWith('CLOSED', far.send([patterned(1, 1)], never))
  })

  it('breaks channels, waiting sends included, when the connection goes', async (pair) => {
    const [near, far] = await openChannel(pair)
    const sends = Promise.all(
      Array.from({ length: 64 }, () => near.send([new Uint8Array(protocol.frameBytesMax)], never).catch(errorCodeOf)),
    )
    far.abort()
    await pair.right.disconnect(pair.left.self)
    await rejectsWith('CLOSED', near.receive(never))
    assert.ok((await sends).includes('CLOSED'))
  })

  it('counts the bytes of all channels', async (pair) => {
    const [near, far] = await openChannel(pair)
    await near.send([new Uint8Array(1_000)], never)
    await far.receive(never)
    await far.send([new Uint8Array(100)], never)
    await near.receive(never)
    assert.deepEqual(pair.left.traffic(), { sentBytes: 1_002, receivedBytes: 101 })
    assert.deepEqual(pair.right.traffic(), { sentBytes: 101, receivedBytes: 1_002 })
  })

  it('refuses everything once it is closed, and closing again is nothing', async (pair) => {
    const [near, far] = await openChannel(pair)
    await pair.left[Symbol.asyncDispose]()
    await pair.left[Symbol.asyncDispose]()
    await rejectsWith('CLOSED', near.send([patterned(1, 1)], never))
    await rejectsWith('CLOSED', pair.left.connect(pair.right.self, pair.right.addresses(), never))
    await rejectsWith('CLOSED', pair.left.open(pair.right.self, protocol, never))
    // The end of the channel is either in good order or a break, depending on what carries it; it does come.
    await far.receive(never).catch((error: unknown) => assert.equal(errorCodeOf(error), 'CLOSED'))
  })
}

/** Connects left to right and opens a channel; the pair of its ends. The far end has the limits of `protocol`. */
async function openChannel(pair: Pick<NetworkPair, 'left' | 'right'>, asked: Protocol = protocol): Promise<[Channel, Channel]> {
  const waiting = accepted.get(pair.right) ?? []
  if (!accepted.has(pair.right)) {
    accepted.set(pair.right, waiting)
    pair.right.serve(protocol, (channel) => waiting.shift()?.(channel))
  }
  const far = new Promise<Channel>((resolve) => waiting.push(resolve))
  await pair.left.connect(pair.right.self, pair.right.addresses(), never)
  const near = await pair.left.open(pair.right.self, asked, never)
  return [near, await far]
}

const accepted = new WeakMap<Network, ((channel: Channel) => void)[]>()

function eventOf(network: Network, kind: NetworkEvent['kind']): Promise<NetworkEvent> {
  return new Promise((resolve) => network.onEvent((event) => event.kind === kind && resolve(event)))
}

function peerOf(event: NetworkEvent): string {
  return event.peer
}

async function rejectsWith(code: ErrorCode, promise: Promise<unknown>): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.equal(errorCodeOf(error), code, String(error))
    return true
  })
}

/** Bytes that tell where they belong. */
function patterned(size: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(size)
  for (let index = 0; index < size; index += 251) bytes[index] = (index + seed) & 255
  return bytes
}

/** Uneven parts, an empty one among them. */
function cut(bytes: Uint8Array): readonly Uint8Array[] {
  const first = Math.min(bytes.length, 7)
  const second = first + Math.floor((bytes.length - first) / 3)
  return [bytes.subarray(0, first), new Uint8Array(0), bytes.subarray(first, second), bytes.subarray(second)]
}
