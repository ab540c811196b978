// What the engine asks of a network. libp2p-network.ts is the real one; test/sim/ has one on simulated time.
// A channel is a sequence of frames to and from one peer whose identity the network has proven.

import type { PeerId } from '../model/ids.ts'

export interface Protocol {
  /** For example '/holdfast/index/1'. */
  readonly name: string
  /** A longer frame is refused before it is buffered, and the channel aborted with `FRAME_TOO_LARGE`. */
  readonly frameBytesMax: number
}

export interface Channel {
  readonly peer: PeerId
  readonly protocol: string
  /**
   * Sends one frame, given in parts that are sent one after the other without copying them together. Resolves when there
   * is room for more: awaiting it is the back-pressure. The parts must not change until then.
   * Throws `CLOSED` when the channel is gone, `FRAME_TOO_LARGE` for a frame over the limit, `ABORTED`.
   */
  send(parts: readonly Uint8Array[], signal: AbortSignal): Promise<void>
  /**
   * The next frame, undefined after the peer closed in good order. One call at a time. While nobody receives, the
   * channel stops reading from the peer (bounded buffer). Throws `CLOSED` when it broke, `FRAME_TOO_LARGE`, `ABORTED`.
   */
  receive(signal: AbortSignal): Promise<Uint8Array | undefined>
  /**
   * From the next `receive` on a longer frame breaks the channel with `FRAME_TOO_LARGE` as soon as its length is known: what is known of the
   * conversation says more than the protocol. Also bounds what is buffered while nobody receives. At most the protocol's limit.
   */
  limitFrames(bytesMax: number): void
  /** Ends our side after what was sent; idempotent. */
  close(): Promise<void>
  /** Drops the channel at once, both directions; idempotent. */
  abort(): void
}

export type NetworkEvent =
  | { readonly kind: 'connected'; readonly peer: PeerId }
  | { readonly kind: 'disconnected'; readonly peer: PeerId }
  /** Found on the local network, not proven to be who it says: only good for dialling. */
  | { readonly kind: 'discovered'; readonly peer: PeerId; readonly addresses: readonly string[] }

export interface Traffic {
  readonly sentBytes: number
  readonly receivedBytes: number
}

export interface Network extends AsyncDisposable {
  readonly self: PeerId
  /** Multiaddrs with /p2p/ID at the end under which this node can be dialled now. */
  addresses(): readonly string[]
  connectedPeers(): readonly PeerId[]
  /** The remote multiaddrs of the open connections to `peer`. */
  peerAddresses(peer: PeerId): readonly string[]
  /** Makes sure there is a connection. Tries the addresses; throws `PEER_UNREACHABLE`, `ABORTED`. */
  connect(peer: PeerId, addresses: readonly string[], signal: AbortSignal): Promise<void>
  disconnect(peer: PeerId): Promise<void>
  /** Opens a channel to a connected peer. Throws `PEER_UNREACHABLE` (also when the peer does not speak the protocol). */
  open(peer: PeerId, protocol: Protocol, signal: AbortSignal): Promise<Channel>
  /** Accepts channels of a protocol. `accept` must not throw; it owns the channel. Once per protocol. */
  serve(protocol: Protocol, accept: (channel: Channel) => void): void
  /** The listener must be quick and must not throw. Returns the way to stop listening. */
  onEvent(listener: (event: NetworkEvent) => void): () => void
  /** Bytes of all channels since the start, frame headers included, encryption overhead not. */
  traffic(): Traffic
}
