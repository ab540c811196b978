// Strangers at the port: garbage, silence, floods of streams and lengths. The node goes on serving its peers.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { test } from 'node:test'
import { createLibp2p } from 'libp2p'
import { noise } from '@chainsafe/libp2p-noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@chainsafe/libp2p-yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { errorCodeOf } from '../../engine/base/errors.ts'
import { openLibp2pNetwork } from '../../engine/net/libp2p-network.ts'
import { silentLog } from '../../engine/base/log.ts'
import { tcpTarget } from '../support/proxy.ts'
import type { Channel, Network, Protocol } from '../../engine/net/network.ts'
import type { NetworkLimits } from '../../engine/net/limits.ts'

const never = new AbortController().signal
const protocol: Protocol = { name: '/test/echo/1', frameBytesMax: 100_000 }

async function open(seed: number, limits: Partial<NetworkLimits> = {}): Promise<Network> {
  const identityKey = new Uint8Array(32).fill(seed)
  return await openLibp2pNetwork({ identityKey, listen: ['/ip4/127.0.0.1/tcp/0'], discovery: false, log: silentLog, limits }, never)
}

function serveEcho(network: Network): { readonly codes: string[] } {
  const codes: string[] = []
  const echo = async (channel: Channel): Promise<void> => {
    try {
      for (let frame = await channel.receive(never); frame !== undefined; frame = await channel.receive(never))
        await channel.send([frame], never)
      await channel.close()
    } catch (error) {
      codes.push(errorCodeOf(error))
    }
  }
  network.serve(protocol, (channel) => void echo(channel))
  return { codes }
}

async function assertServes(network: Network): Promise<void> {
  await using friend = await open(9)
  await friend.connect(network.self, network.addresses(), never)
  const channel = await friend.open(network.self, protocol, never)
  await channel.send([Uint8Array.of(1, 2, 3)], never)
  assert.deepEqual(await channel.receive(never), Uint8Array.of(1, 2, 3))
}

test('garbage, an HTTP request and silence on the port are hung up on, and peers are served meanwhile', { timeout: 20_000 }, async () => {
  await using network = await open(1, { inboundUpgradeTimeoutMs: 700, inboundConnectionsPerSecondMax: 1_000 })
  serveEcho(network)
  const { host, port } = tcpTarget(network.addresses()[0] ?? '')
  const random = Uint8Array.from({ length: 50_000 }, (_, index) => (index * 7_919) >> 3)
  const openings: readonly Uint8Array[] = [
    random,
    new TextEncoder().encode('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
    new Uint8Array(0),
    new TextEncoder().encode('\x13/multistream/1.0.0\n'),
    new TextEncoder().encode('\x13/multistream/1.0.0\n\x07/noise\n\xff\xff'),
    Uint8Array.from([0xff, 0xff, 0xff, 0xff, 0x7f]),
  ]
  const hungUp = Array.from({ length: 5 }, () => openings)
    .flat()
    .map(async (bytes) => {
      const socket = connectTcp(port, host)
      socket.on('error', () => undefined) // being reset is what is expected
      socket.resume()
      if (bytes.length > 0) socket.write(bytes)
      await new Promise((resolve) => socket.on('close', resolve))
    })
  await assertServes(network)
  await Promise.all(hungUp)
  await assertServes(network)
})

test('a length prefix over the limit ends that channel only', { timeout: 20_000 }, async () => {
  await using network = await open(1)
  const served = serveEcho(network)
  await using stranger = await rawPeer()
  const connection = await stranger.node.dial(multiaddr(network.addresses()[0] ?? ''))
  const bad = await connection.newStream(protocol.name)
  const reset = once(bad, 'close')
  bad.send(Uint8Array.from([0xff, 0xff, 0xff, 0x7f]))
  await reset
  assert.deepEqual(served.codes, ['FRAME_TOO_LARGE'])
  const good = await connection.newStream(protocol.name)
  const answer = once(good, 'message')
  good.send(Uint8Array.of(1, 42))
  await answer
  await assertServes(network)
})

test('a peer that sends without end to a channel that nobody reads is held back', { timeout: 20_000 }, async () => {
  const receiveBufferBytes = 512 * 1024
  await using network = await open(1, { receiveBufferBytes })
  const accepted: Channel[] = []
  network.serve(protocol, (channel) => accepted.push(channel))
  await using stranger = await rawPeer()
  const connection = await stranger.node.dial(multiaddr(network.addresses()[0] ?? ''))
  const stream = await connection.newStream(protocol.name)
  let sentBytes = 0
  const flood = new Uint8Array(64 * 1024) // zeros: frames of length zero without end
  while (stream.send(flood)) sentBytes += flood.length
  while (sentBytes < 64 * 1024 * 1024) {
    const drained = await Promise.race([once(stream, 'drain').then(() => true), pings(stranger, network, 50).then(() => false)])
    if (!drained) break
    while (stream.writeBufferLength === 0 && stream.send(flood)) sentBytes += flood.length
  }
  assert.ok(sentBytes < 16 * 1024 * 1024, `${sentBytes} bytes went in`)
  assert.ok(network.traffic().receivedBytes <= receiveBufferBytes + 2 * flood.length, String(network.traffic().receivedBytes))
  assert.deepEqual(await accepted[0]?.receive(never), new Uint8Array(0))
})

test('a peer may open only so many streams, and protocols that nobody serves are refused', { timeout: 20_000 }, async () => {
  await using network = await open(1, { inboundStreamsPerProtocolMax: 5 })
  serveEcho(network)
  await using stranger = await rawPeer()
  const connection = await stranger.node.dial(multiaddr(network.addresses()[0] ?? ''))
  await assert.rejects(connection.newStream('/test/nobody/1'))
  const streams = await Promise.all(
    Array.from({ length: 12 }, () => connection.newStream(protocol.name, { maxOutboundStreams: 100 }).catch(() => undefined)),
  )
  const answers = await Promise.all(
    streams.map(async (stream) => {
      if (stream === undefined || stream.status !== 'open') return 'refused'
      const answered = Promise.race([once(stream, 'message').then(() => 'served'), once(stream, 'close').then(() => 'refused')])
      try {
        stream.send(Uint8Array.of(1, 42))
      } catch {
        return 'refused'
      }
      return await answered
    }),
  )
  assert.equal(answers.filter((answer) => answer === 'served').length, 5)
  await assertServes(network)
})

/** A libp2p node without our frames: it can send whatever bytes it likes. */
async function rawPeer(): Promise<{ readonly node: Awaited<ReturnType<typeof createLibp2p>> } & AsyncDisposable> {
  const node = await createLibp2p({
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
  })
  return { node, [Symbol.asyncDispose]: async () => await node.stop() }
}

/** Lets `rounds` refused streams go by: a clock that ticks with the network. */
async function pings(stranger: Awaited<ReturnType<typeof rawPeer>>, network: Network, rounds: number): Promise<void> {
  const connection = await stranger.node.dial(multiaddr(network.addresses()[0] ?? ''))
  for (let round = 0; round < rounds; round++) await connection.newStream('/test/nobody/1').catch(() => undefined)
}
