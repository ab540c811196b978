// The real network: libp2p over TCP. Only engine/net imports libp2p. Adapter to libp2p, which lives on real time, so the
// platform's timers are used here (in the libp2p-*.ts files only).

import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { assert, present } from '../base/assert.ts'
import { throwIfAborted } from '../base/queue.ts'
import { EngineError, messageOf } from '../base/errors.ts'
import { parsePeerId } from '../model/ids.ts'
import { defaultNetworkLimits } from './limits.ts'
import { Libp2pChannel } from './libp2p-channel.ts'
import { Liveness } from './libp2p-liveness.ts'
import { createLibp2pNode, startLibp2pNode } from './libp2p-node.ts'
import type { Log } from '../base/log.ts'
import type { Libp2p } from 'libp2p'
import type { Connection, PeerInfo } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Channel, Network, NetworkEvent, Protocol, Traffic } from './network.ts'
import type { NetworkLimits } from './limits.ts'
import type { PeerId } from '../model/ids.ts'

export interface Libp2pNetworkOptions {
  /** 32-byte Ed25519 seed. */
  readonly identityKey: Uint8Array
  /** Multiaddrs, for example /ip4/0.0.0.0/tcp/0; none means: dial only. */
  readonly listen: readonly string[]
  /** Whether to look for and answer nodes on the local network by mDNS. */
  readonly discovery: boolean
  readonly log: Log
  readonly limits?: Partial<NetworkLimits>
}

const disconnectTimeoutMs = 1_000

/** Opens the network. Throws `PORT_IN_USE`, `BAD_ARGUMENT` for an address that cannot be listened on, `ABORTED`. */
export async function openLibp2pNetwork(options: Libp2pNetworkOptions, signal: AbortSignal): Promise<Network> {
  throwIfAborted(signal)
  const limits: NetworkLimits = { ...defaultNetworkLimits, ...options.limits }
  const { log } = options
  const liveness = new Liveness({
    pingIntervalMs: limits.pingIntervalMs,
    pingTimeoutMs: limits.pingTimeoutMs,
    onDead: (connection) => log.info('connection is dead', { address: connection.remoteAddr.toString() }),
  })
  const discovered: { report: (info: PeerInfo) => void } = { report: () => undefined }
  try {
    const node = await createLibp2pNode({
      ...options,
      limits,
      onConnection: (connection) => liveness.watch(connection),
      onDiscovered: (info) => discovered.report(info),
    })
    const network = new Libp2pNetwork(node, liveness, limits, log)
    discovered.report = (info) => network.reportDiscovered(info)
    await startLibp2pNode(node, options.listen)
    if (signal.aborted) await network[Symbol.asyncDispose]()
    throwIfAborted(signal)
    return network
  } catch (error) {
    liveness[Symbol.dispose]()
    throw error
  }
}

class Libp2pNetwork implements Network {
  readonly self: PeerId
  readonly #node: Libp2p
  readonly #liveness: Liveness
  readonly #limits: NetworkLimits
  readonly #log: Log
  readonly #traffic = { sentBytes: 0, receivedBytes: 0 }
  readonly #listeners = new Set<(event: NetworkEvent) => void>()
  readonly #connections = new Map<PeerId, Connection[]>()
  readonly #served = new Set<string>()
  readonly #closing = new AbortController()

  constructor(node: Libp2p, liveness: Liveness, limits: NetworkLimits, log: Log) {
    this.#node = node
    this.#liveness = liveness
    this.#limits = limits
    this.#log = log
    this.self = present(parsePeerId(node.peerId.toString()), 'an Ed25519 seed gives an Ed25519 peer id')
    node.addEventListener('connection:open', (event) => this.#onOpen(event.detail))
    node.addEventListener('connection:close', (event) => this.#onClose(event.detail))
  }

  addresses(): readonly string[] {
    return this.#node.getMultiaddrs().map(String)
  }

  connectedPeers(): readonly PeerId[] {
    return [...this.#connections.keys()]
  }

  peerAddresses(peer: PeerId): readonly string[] {
    return this.#openConnections(peer).map((connection) => connection.remoteAddr.toString())
  }

  async connect(peer: PeerId, addresses: readonly string[], signal: AbortSignal): Promise<void> {
    throwIfAborted(signal)
    this.#throwIfClosed()
    if (peer === this.self) throw new EngineError('PEER_UNREACHABLE', `${peer} is this node itself; there is nothing to connect to`)
    if (this.#openConnections(peer).length > 0) return
    const targets = dialTargets(peer, addresses)
    if (targets.length === 0) {
      const known =
        addresses.length === 0 ? 'no address of it is known' : `none of ${addresses.join(', ')} is an address of it that can be dialled`
      throw new EngineError('PEER_UNREACHABLE', `cannot reach ${peer}: ${known}; start it on the same network, or give its address`)
    }
    const timeout = AbortSignal.timeout(this.#limits.connectTimeoutMs)
    try {
      await this.#node.dial([...targets], { signal: AbortSignal.any([signal, timeout, this.#closing.signal]) })
    } catch (cause) {
      throwIfAborted(signal)
      this.#throwIfClosed()
      const reason = timeout.aborted ? `no answer within ${this.#limits.connectTimeoutMs / 1000} s` : dialReason(cause)
      const tried = targets.map(String).join(', ')
      throw new EngineError(
        'PEER_UNREACHABLE',
        `cannot reach ${peer} at ${tried}: ${reason}; check that it runs and that a firewall lets it through`,
        { cause },
      )
    }
  }

  async disconnect(peer: PeerId): Promise<void> {
    this.#throwIfClosed()
    if (!this.#connections.has(peer)) return
    await this.#node.hangUp(peerIdFromString(peer), { signal: AbortSignal.timeout(disconnectTimeoutMs) })
  }

  async open(peer: PeerId, protocol: Protocol, signal: AbortSignal): Promise<Channel> {
    throwIfAborted(signal)
    this.#throwIfClosed()
    const connection = this.#openConnections(peer)[0]
    if (connection === undefined)
      throw new EngineError('PEER_UNREACHABLE', `cannot open ${protocol.name}: there is no connection to ${peer}`)
    try {
      const stream = await connection.newStream(protocol.name, {
        signal: AbortSignal.any([signal, AbortSignal.timeout(this.#limits.openTimeoutMs), this.#closing.signal]),
        maxOutboundStreams: this.#limits.outboundStreamsPerProtocolMax,
      })
      return this.#channel(stream, peer, protocol)
    } catch (cause) {
      throwIfAborted(signal)
      this.#throwIfClosed()
      throw new EngineError(
        'PEER_UNREACHABLE',
        `cannot open ${protocol.name} to ${peer}: ${messageOf(cause)}; it may run another version`,
        { cause },
      )
    }
  }

  serve(protocol: Protocol, accept: (channel: Channel) => void): void {
    this.#throwIfClosed()
    assert(!this.#served.has(protocol.name), `${protocol.name} is served once`)
    this.#served.add(protocol.name)
    const handler = (stream: Parameters<Parameters<Libp2p['handle']>[1]>[0], connection: Connection): void => {
      const peer = parsePeerId(connection.remotePeer.toString())
      if (peer === undefined) stream.abort(new Error('not a peer of ours'))
      else accept(this.#channel(stream, peer, protocol))
    }
    const limits = {
      maxInboundStreams: this.#limits.inboundStreamsPerProtocolMax,
      maxOutboundStreams: this.#limits.outboundStreamsPerProtocolMax,
    }
    // The handler is in place when this returns; what is awaited is libp2p's note of it in its peer store.
    this.#node
      .handle(protocol.name, handler, limits)
      .catch((error: unknown) => this.#log.warn('libp2p could not note a protocol', { text: messageOf(error) }))
  }

  onEvent(listener: (event: NetworkEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  traffic(): Traffic {
    return { ...this.#traffic }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing.signal.aborted) return
    this.#closing.abort()
    await this.#node.stop()
    this.#liveness[Symbol.dispose]()
    this.#listeners.clear()
    this.#connections.clear()
  }

  /** For mDNS only. The addresses are hearsay: good for dialling. */
  reportDiscovered(info: PeerInfo): void {
    const peer = parsePeerId(info.id.toString())
    if (peer === undefined || peer === this.self || info.multiaddrs.length === 0) return
    this.#announce({ kind: 'discovered', peer, addresses: info.multiaddrs.map((address) => withPeer(address, peer).toString()) })
  }

  #channel(stream: ConstructorParameters<typeof Libp2pChannel>[0]['stream'], peer: PeerId, protocol: Protocol): Channel {
    return new Libp2pChannel({ stream, peer, protocol, traffic: this.#traffic, receiveBufferBytes: this.#limits.receiveBufferBytes })
  }

  #throwIfClosed(): void {
    if (this.#closing.signal.aborted) throw new EngineError('CLOSED', 'the network is closed')
  }

  #openConnections(peer: PeerId): readonly Connection[] {
    return this.#connections.get(peer)?.filter((connection) => connection.status === 'open') ?? []
  }

  /** libp2p's own peer:connect and peer:disconnect come unpaired when a connection closes while it is being opened. */
  #onOpen(connection: Connection): void {
    const peer = parsePeerId(connection.remotePeer.toString())
    if (peer === undefined || connection.status !== 'open') return
    const earlier = this.#connections.get(peer) ?? []
    this.#connections.set(peer, [...earlier, connection])
    this.#log.debug('connection opened', { peer, address: connection.remoteAddr.toString(), direction: connection.direction })
    if (earlier.length === 0) this.#announce({ kind: 'connected', peer })
  }

  #onClose(connection: Connection): void {
    const peer = parsePeerId(connection.remotePeer.toString())
    const earlier = peer === undefined ? undefined : this.#connections.get(peer)
    if (peer === undefined || earlier?.includes(connection) !== true) return
    const rest = earlier.filter((other) => other !== connection)
    this.#log.debug('connection closed', { peer, address: connection.remoteAddr.toString(), left: rest.length })
    if (rest.length > 0) {
      this.#connections.set(peer, rest)
      return
    }
    this.#connections.delete(peer)
    this.#announce({ kind: 'disconnected', peer })
  }

  #announce(event: NetworkEvent): void {
    for (const listener of this.#listeners) listener(event)
  }
}

/** The addresses with the expected identity at the end; those of someone else and unreadable ones are left out. */
function dialTargets(peer: PeerId, addresses: readonly string[]): readonly Multiaddr[] {
  const targets: Multiaddr[] = []
  for (const address of addresses) {
    const target = dialTarget(peer, address)
    if (target !== undefined && !targets.some((other) => other.equals(target))) targets.push(target)
  }
  return targets
}

function dialTarget(peer: PeerId, address: string): Multiaddr | undefined {
  try {
    const parsed = multiaddr(address)
    const named = parsed.getComponents().find((component) => component.name === 'p2p')?.value
    return named === undefined || named === peer ? withPeer(parsed, peer) : undefined
  } catch {
    return undefined // not a multiaddr: addresses come from links and peers
  }
}

function withPeer(address: Multiaddr, peer: PeerId): Multiaddr {
  return address.getComponents().some((component) => component.name === 'p2p') ? address : address.encapsulate(`/p2p/${peer}`)
}

/** Several addresses fail each in its own way. */
function dialReason(cause: unknown): string {
  if (!(cause instanceof AggregateError)) return messageOf(cause)
  return [...new Set(cause.errors.map(messageOf))].join('; ')
}
