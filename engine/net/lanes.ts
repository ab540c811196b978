// Lanes: TCP connections between worker threads of two members that carry the content of large files past both main threads
// (docs/decisions/0017). One is agreed on over a channel, serves one folder in one direction, and may fail at any time: whoever
// uses one asks over the channel for what it did not bring.

/** Names a lane within one process. */
export type LaneName = string

/** Bytes of the token by which the side that connects says which lane it comes for. */
export const laneTokenBytes = 16
/** Bytes of the secret that a lane's key is made from. */
export const laneSecretBytes = 32

/** What a record takes on the wire beside its plaintext: a length and a tag. */
export const recordFramingBytes = 20

export interface LaneSender {
  /** Sends one record; resolves when there is room for more. `plaintext` is read before this returns. Throws `CLOSED`. */
  send(plaintext: Uint8Array): Promise<void>
}

export interface LaneReceiver {
  /**
   * The next `count` records, each valid until `take` returns; calls are served one after the other. Throws `CLOSED`; what `take` throws
   * ends the lane, since the records behind belong to nobody then.
   */
  receive(count: number, take: (plaintext: Uint8Array, at: number) => void): Promise<void>
}

export interface LaneOffer {
  /** Addresses of this machine to listen on. */
  readonly hosts: readonly string[]
  readonly token: Uint8Array
  readonly key: Uint8Array
}

export interface LaneTake {
  /** Addresses of the other machine, tried in order. */
  readonly hosts: readonly string[]
  readonly port: number
  readonly token: Uint8Array
  readonly key: Uint8Array
}

export interface LaneSockets {
  /**
   * Waits for the other side; the result is the port. The offer lapses when nobody comes for a while, the lane when it is not used for
   * a while. Throws `PORT_IN_USE` when none of the hosts can be listened on.
   */
  offer(name: LaneName, offer: LaneOffer): Promise<number>
  /** Connects; resolves when the other side has shown that it has the key. Throws `PEER_UNREACHABLE`. */
  take(name: LaneName, take: LaneTake): Promise<void>
  /** Throws `CLOSED` when there is none of that name, or when the other side has not come. */
  sender(name: LaneName): LaneSender
  /** Throws `CLOSED` when there is none of that name. */
  receiver(name: LaneName): LaneReceiver
  /** Ends the lane if there is one. */
  end(name: LaneName): void
}
