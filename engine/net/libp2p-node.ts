// How the libp2p node is put together: transports, limits, what it answers to strangers. TCP, Noise, Yamux, identify, ping
// and, when asked for, mDNS; nothing that speaks to anyone outside. Adapter to libp2p, so it lives on real time.

import { createLibp2p } from 'libp2p'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { mdns } from '@libp2p/mdns'
import { multiaddr } from '@multiformats/multiaddr'
import { noise } from '@chainsafe/libp2p-noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { connectionCrypto } from './libp2p-crypto.ts'
import { yamux } from '@chainsafe/libp2p-yamux'
import { EngineError, messageOf } from '../base/errors.ts'
import { libp2pLogger } from './libp2p-log.ts'
import { parsePeerId } from '../model/ids.ts'
import type { Log } from '../base/log.ts'
import type { NetworkLimits } from './limits.ts'
import type { Libp2p } from 'libp2p'
import type { ConnectionGater, MultiaddrConnection, PeerInfo } from '@libp2p/interface'

/** What a socket buffers before it says it is full. Node's 64 KiB would stop the sender after every Noise message. */
const socketBufferBytes = 512 * 1024

/**
 * How far a sender may run ahead of its reader, per stream. Yamux starts at the 256 KiB of its specification and grows to
 * this while the reader keeps up. libp2p resets a paused stream whose buffer passes its limit, so that is kept above.
 */
const streamWindowBytesMax = 8 * 1024 * 1024
const streamReadBufferBytesMax = 2 * streamWindowBytesMax

/** Only nodes of this program answer, not every libp2p program on the local network. */
const discoveryTag = '_holdfast._udp.local'
const discoveryIntervalMs = 30_000

export interface Libp2pNodeOptions {
  readonly identityKey: Uint8Array
  readonly listen: readonly string[]
  readonly discovery: boolean
  readonly limits: NetworkLimits
  readonly log: Log
  /** Each connection whose peer has proven its identity. */
  readonly onConnection: (connection: MultiaddrConnection) => void
  readonly onDiscovered: (info: PeerInfo) => void
}

/** Makes the node listen. Throws `PORT_IN_USE`, `BAD_ARGUMENT` for an address that this machine does not have. */
export async function startLibp2pNode(node: Libp2p, listen: readonly string[]): Promise<void> {
  try {
    await node.start()
  } catch (error) {
    await node.stop()
    throw listenError(listen, error)
  }
}

/** A node that does nothing yet. Throws `BAD_ARGUMENT` for an address that cannot be listened on. */
export async function createLibp2pNode(options: Libp2pNodeOptions): Promise<Libp2p> {
  for (const address of options.listen) checkListenAddress(address)
  const { limits } = options
  // libp2p's types leave out highWaterMark, which it passes on to node:net as it is.
  const socketOptions = { noDelay: true, keepAlive: true, highWaterMark: socketBufferBytes }
  return await createLibp2p({
    start: false,
    privateKey: await generateKeyPairFromSeed('Ed25519', options.identityKey),
    nodeInfo: { name: 'holdfast', userAgent: 'holdfast' },
    logger: libp2pLogger(options.log),
    addresses: { listen: [...options.listen] },
    transports: [
      tcp({ listenOpts: socketOptions, dialOpts: socketOptions, maxConnections: limits.connectionsMax + limits.inboundPendingMax }),
    ],
    connectionEncrypters: [noise({ crypto: connectionCrypto })],
    streamMuxers: [
      yamux({
        // The pings keep a silent connection provably alive; connection-monitor.ts watches for the answers.
        enableKeepAlive: true,
        keepAliveInterval: limits.pingIntervalMs,
        maxEarlyStreams: limits.inboundStreamsPerProtocolMax,
        streamOptions: { maxStreamWindowSize: streamWindowBytesMax, maxReadBufferLength: streamReadBufferBytesMax },
      }),
    ],
    services: { identify: identify(), ping: ping() },
    peerDiscovery: options.discovery ? [discovery(options.onDiscovered)] : [],
    connectionGater: gater(options.onConnection),
    connectionMonitor: { enabled: false }, // it would close a slow but busy connection
    connectionManager: {
      maxConnections: limits.connectionsMax,
      maxIncomingPendingConnections: limits.inboundPendingMax,
      inboundConnectionThreshold: limits.inboundConnectionsPerSecondMax,
      inboundUpgradeTimeout: limits.inboundUpgradeTimeoutMs,
      inboundStreamProtocolNegotiationTimeout: limits.openTimeoutMs,
      outboundStreamProtocolNegotiationTimeout: limits.openTimeoutMs,
      dialTimeout: limits.connectTimeoutMs,
      addressDialTimeout: limits.connectAddressTimeoutMs,
      reconnectRetries: 0, // when to dial again is the engine's to decide
      resolvers: {}, // no TXT look-ups
    },
  })
}

function discovery(onDiscovered: (info: PeerInfo) => void): ReturnType<typeof mdns> {
  const create = mdns({ serviceTag: discoveryTag, interval: discoveryIntervalMs })
  return (components) => {
    const service = create(components)
    service.addEventListener('peer', (event) => onDiscovered(event.detail))
    return service
  }
}

/** Only Ed25519 identities are nodes of this program. The last gate is also where the raw connection can be seen. */
function gater(onConnection: (connection: MultiaddrConnection) => void): ConnectionGater {
  const isForeign = (peer: { toString(): string }): boolean => parsePeerId(peer.toString()) === undefined
  const watch = (_peer: unknown, connection: MultiaddrConnection): boolean => {
    onConnection(connection)
    return false
  }
  return {
    denyInboundEncryptedConnection: isForeign,
    denyOutboundEncryptedConnection: isForeign,
    denyInboundUpgradedConnection: watch,
    denyOutboundUpgradedConnection: watch,
  }
}

function checkListenAddress(address: string): void {
  try {
    const names = multiaddr(address)
      .getComponents()
      .map((component) => component.name)
    if (names.length === 2 && (names[0] === 'ip4' || names[0] === 'ip6') && names[1] === 'tcp') return
  } catch (cause) {
    throw new EngineError('BAD_ARGUMENT', `cannot listen on ${address}: ${messageOf(cause)}; give an address like /ip4/0.0.0.0/tcp/0`, {
      cause,
    })
  }
  throw new EngineError('BAD_ARGUMENT', `cannot listen on ${address}: only TCP is spoken; give an address like /ip4/0.0.0.0/tcp/0`)
}

function listenError(listen: readonly string[], cause: unknown): unknown {
  const text = messageOf(cause)
  // libp2p throws one error whose text has a line per address.
  const taken = listen.filter((address) => text.split('\n').some((line) => line.includes(`${address}: `) && line.includes('EADDRINUSE')))
  if (taken.length > 0) {
    const which = taken.join(' and ')
    return new EngineError(
      'PORT_IN_USE',
      `cannot listen on ${which}: another program uses that port; stop it, or choose another port (0 takes any free one)`,
      { cause },
    )
  }
  if (/EACCES|EADDRNOTAVAIL/.test(text)) {
    return new EngineError(
      'BAD_ARGUMENT',
      `cannot listen on ${listen.join(' and ')}: this machine does not allow it (${text.trim()}); choose another address`,
      { cause },
    )
  }
  return cause
}
