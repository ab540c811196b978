// Connections of the real network: wrong identities, taken ports, dead and slow links, and a process that ends.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { promisify } from 'node:util'
import { test } from 'node:test'
import { EngineError, errorCodeOf } from '../../engine/base/errors.ts'
import { openLibp2pNetwork } from '../../engine/net/libp2p-network.ts'
import { silentLog } from '../../engine/base/log.ts'
import { TcpProxy, tcpTarget } from '../support/proxy.ts'
import type { Channel, Network, NetworkEvent, Protocol } from '../../engine/net/network.ts'
import type { NetworkLimits } from '../../engine/net/limits.ts'

const never = new AbortController().signal
const protocol: Protocol = { name: '/test/sink/1', frameBytesMax: 1024 * 1024 }

async function open(seed: number, limits: Partial<NetworkLimits> = {}, listen = '/ip4/127.0.0.1/tcp/0'): Promise<Network> {
  return await openLibp2pNetwork(
    { identityKey: new Uint8Array(32).fill(seed), listen: [listen], discovery: false, log: silentLog, limits },
    never,
  )
}

function nextEvent(network: Network, kind: NetworkEvent['kind']): Promise<NetworkEvent> {
  return new Promise((resolve) => network.onEvent((event) => event.kind === kind && resolve(event)))
}

async function rejection(promise: Promise<unknown>): Promise<EngineError> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof EngineError, String(error))
  return error
}

test('the peer id is the text form of the Ed25519 key, and the same key gives the same one', async () => {
  await using one = await open(1)
  await using other = await open(2)
  // Of the key pair made from 32 bytes of 1: public key 8a88e3dd…, wrapped and written in base58.
  assert.equal(one.self, '12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5')
  assert.notEqual(one.self, other.self)
})

test('a node that listens everywhere names loopback and every other address of the machine', async () => {
  await using network = await open(1, {}, '/ip4/0.0.0.0/tcp/0')
  const addresses = network.addresses()
  assert.ok(
    addresses.some((address) => address.startsWith('/ip4/127.0.0.1/tcp/')),
    addresses.join(' '),
  )
  assert.ok(
    addresses.every((address) => address.endsWith(`/p2p/${network.self}`) && !address.includes('0.0.0.0')),
    addresses.join(' '),
  )
})

test('a port in use is said with the address and what to do', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address !== 'string')
  const listen = `/ip4/127.0.0.1/tcp/${address.port}`
  const error = await rejection(open(1, {}, listen)).finally(() => server.close())
  assert.equal(error.code, 'PORT_IN_USE')
  assert.ok(error.message.includes(listen) && error.message.includes('choose another port'), error.message)
})

test('an address that cannot be listened on is refused', async () => {
  for (const listen of ['nonsense', '/ip4/127.0.0.1/udp/0/quic-v1', '/ip4/127.0.0.1', '/unix/tmp%2fx', '/ip4/203.0.113.7/tcp/0']) {
    assert.equal((await rejection(open(1, {}, listen))).code, 'BAD_ARGUMENT', listen)
  }
})

test('someone else at the address is refused', async () => {
  await using left = await open(1)
  await using right = await open(2)
  await using expected = await open(3)
  const bare = right.addresses().map((address) => address.replace(/\/p2p\/.*/, ''))
  const events: NetworkEvent[] = []
  left.onEvent((event) => events.push(event))
  const error = await rejection(left.connect(expected.self, bare, never))
  assert.equal(error.code, 'PEER_UNREACHABLE')
  assert.ok(error.message.includes(expected.self) && error.message.includes(bare[0] ?? '?'), error.message)
  assert.deepEqual(events, [])
  await left.connect(expected.self, [...bare, ...expected.addresses()], never)
  assert.deepEqual(left.connectedPeers(), [expected.self])
})

test('an address that accepts and says nothing is given up in time, or when the caller gives up', { timeout: 10_000 }, async () => {
  await using silent = await silentServer()
  await using left = await open(1, { connectTimeoutMs: 300 })
  await using right = await open(2)
  const error = await rejection(left.connect(right.self, [silent.address], never))
  assert.equal(error.code, 'PEER_UNREACHABLE')
  assert.ok(error.message.includes('0.3 s'), error.message)
  await using patient = await open(4)
  const abort = new AbortController()
  const waiting = rejection(patient.connect(right.self, [silent.address], abort.signal))
  abort.abort()
  assert.equal((await waiting).code, 'ABORTED')
})

test('a connection that goes silent is found and closed, and can be made again', { timeout: 15_000 }, async () => {
  const limits = { pingIntervalMs: 200, pingTimeoutMs: 300 }
  await using left = await open(1, limits)
  await using right = await open(2, limits)
  await using proxy = await TcpProxy.open(tcpTarget(right.addresses()[0] ?? ''))
  right.serve(protocol, () => undefined)
  await left.connect(right.self, [proxy.address], never)
  const channel = await left.open(right.self, protocol, never)
  const gone = [nextEvent(left, 'disconnected'), nextEvent(right, 'disconnected')]
  proxy.stall()
  await Promise.all(gone)
  assert.equal(errorCodeOf(await rejection(channel.receive(never))), 'CLOSED')
  await using bypass = await TcpProxy.open(tcpTarget(right.addresses()[0] ?? ''))
  await left.connect(right.self, [bypass.address], never)
  assert.deepEqual(left.connectedPeers(), [right.self])
})

test('a quiet connection outlives the ping timeout', { timeout: 15_000 }, async () => {
  const limits = { pingIntervalMs: 50, pingTimeoutMs: 250 }
  await using left = await open(1, limits)
  await using right = await open(2, limits)
  await using proxy = await TcpProxy.open(tcpTarget(right.addresses()[0] ?? ''))
  await left.connect(right.self, [proxy.address], never)
  const gone = nextEvent(left, 'disconnected').then(() => 'gone')
  // Five times the allowed silence, told by the pings themselves.
  const before = proxy.forwardBytes
  const quiet = (async () => {
    const until = performance.now() + 1_500
    while (performance.now() < until) await new Promise((resolve) => setImmediate(resolve))
    return 'quiet'
  })()
  assert.equal(await Promise.race([gone, quiet]), 'quiet')
  assert.ok(proxy.forwardBytes > before)
})

test('a cut connection breaks its channels at once', { timeout: 10_000 }, async () => {
  await using left = await open(1)
  await using right = await open(2)
  await using proxy = await TcpProxy.open(tcpTarget(right.addresses()[0] ?? ''))
  const accepted = new Promise<Channel>((resolve) => right.serve(protocol, resolve))
  await left.connect(right.self, [proxy.address], never)
  const near = await left.open(right.self, protocol, never)
  const far = await accepted
  const ends = [rejection(near.receive(never)), rejection(far.receive(never))]
  proxy.cut()
  assert.deepEqual(
    (await Promise.all(ends)).map((error) => error.code),
    ['CLOSED', 'CLOSED'],
  )
})

test('frames cross a long way with the window open: not one window per round trip', { timeout: 15_000 }, async () => {
  await using left = await open(1)
  await using right = await open(2)
  await using proxy = await TcpProxy.open(tcpTarget(right.addresses()[0] ?? ''))
  proxy.delayMs = 20
  const accepted = new Promise<Channel>((resolve) => right.serve(protocol, resolve))
  await left.connect(right.self, [proxy.address], never)
  const near = await left.open(right.self, protocol, never)
  const frames = 48
  const sending = (async () => {
    for (let index = 0; index < frames; index++) await near.send([new Uint8Array(protocol.frameBytesMax)], never)
    await near.close()
  })()
  const far = await accepted
  let receivedFrames = 0
  while ((await far.receive(never)) !== undefined) receivedFrames++
  await sending
  assert.equal(receivedFrames, frames)
})

test('a process ends by itself once its network is closed', { timeout: 20_000 }, async () => {
  const script = `
    import { openLibp2pNetwork } from './engine/net/libp2p-network.ts'
    import { silentLog } from './engine/base/log.ts'
    const signal = new AbortController().signal
    const open = (seed) => openLibp2pNetwork({ identityKey: new Uint8Array(32).fill(seed), listen: ['/ip4/127.0.0.1/tcp/0'], discovery: false, log: silentLog }, signal)
    const [one, other] = [await open(1), await open(2)]
    const protocol = { name: '/test/1', frameBytesMax: 1000 }
    other.serve(protocol, () => undefined)
    await one.connect(other.self, other.addresses(), signal)
    const channel = await one.open(other.self, protocol, signal)
    await channel.send([new Uint8Array(10)], signal)
    await one[Symbol.asyncDispose]()
    await other[Symbol.asyncDispose]()
    process.on('exit', () => console.log('ended'))`
  const cwd = new URL('../..', import.meta.url)
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], { cwd, timeout: 15_000 })
  assert.equal(stdout.trim(), 'ended')
})

async function silentServer(): Promise<{ readonly address: string } & AsyncDisposable> {
  const server = createServer((socket) => socket.on('error', () => undefined).resume()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address !== 'string')
  const port = address.port
  return {
    address: `/ip4/127.0.0.1/tcp/${port}`,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close')
      server.close()
      await closed
    },
  }
}
