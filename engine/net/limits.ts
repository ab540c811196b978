// What a node bounds on its network side, and for how long it waits. All of it is per node unless the name says otherwise.

export interface NetworkLimits {
  /** Open connections; further ones that strangers make are refused. */
  readonly connectionsMax: number
  /** From one remote address: tells a flood from a person's few machines behind one router. */
  readonly inboundConnectionsPerSecondMax: number
  /** Connections that have not proven an identity yet. */
  readonly inboundPendingMax: number
  /** How long an incoming connection may take to prove its identity. */
  readonly inboundUpgradeTimeoutMs: number
  /** Streams that a peer may have open of one protocol, per connection: two for each folder, one to fetch by and one to ask for proofs. */
  readonly inboundStreamsPerProtocolMax: number
  readonly outboundStreamsPerProtocolMax: number
  /** How long agreeing on a stream's protocol may take, either way. */
  readonly openTimeoutMs: number
  /** All addresses of a peer together. */
  readonly connectTimeoutMs: number
  /** One address, so that a dead one leaves time for the next. */
  readonly connectAddressTimeoutMs: number
  /** How often an otherwise silent connection is pinged. */
  readonly pingIntervalMs: number
  /** How long after a ping was due the connection may stay silent before it is closed. */
  readonly pingTimeoutMs: number
  /** A channel that nobody receives from stops reading beyond this, or beyond two of its largest frames. */
  readonly receiveBufferBytes: number
}

export const defaultNetworkLimits: NetworkLimits = {
  connectionsMax: 256,
  inboundConnectionsPerSecondMax: 20,
  inboundPendingMax: 128,
  inboundUpgradeTimeoutMs: 5_000,
  inboundStreamsPerProtocolMax: 128,
  outboundStreamsPerProtocolMax: 128,
  openTimeoutMs: 10_000,
  connectTimeoutMs: 10_000,
  connectAddressTimeoutMs: 4_000,
  pingIntervalMs: 15_000,
  pingTimeoutMs: 10_000,
  receiveBufferBytes: 4 * 1024 * 1024,
}
