// One end of a channel of the simulated network. Frames arrive whole or not at all, in order. The sender may be ahead of the reader by a
// window of bytes; beyond it `send` waits, until the reader took what it has.

import { EngineError } from '../../engine/base/errors.ts'
import { concatBytes } from '../../engine/base/bytes.ts'
import { Broadcast, throwIfAborted } from '../../engine/base/queue.ts'
import type { PeerId } from '../../engine/model/ids.ts'
import { encodeFrameHeader } from '../../engine/net/framing.ts'
import type { Channel, Protocol } from '../../engine/net/network.ts'
import type { SimConnection } from './connection.ts'
import type { SimFabric, SimNetwork } from './network.ts'

type State = { readonly kind: 'open' } | { readonly kind: 'failed'; readonly code: 'CLOSED' | 'FRAME_TOO_LARGE' }

/** What a frame costs on the wire. */
function wireBytes(frame: Uint8Array): number {
  return encodeFrameHeader(frame.length).length + frame.length
}

export class ChannelEnd implements Channel {
  readonly network: SimNetwork
  readonly peer: PeerId
  readonly protocol: string
  readonly #fabric: SimFabric
  readonly #connection: SimConnection
  readonly #frameBytesMax: number
  readonly #onGone: () => void
  readonly #changed = new Broadcast()
  #receivedBytesMax: number
  #far: ChannelEnd | undefined
  #state: State = { kind: 'open' }
  #arrived: Uint8Array[] = []
  #aheadBytes = 0
  #lastArrivalUs = 0
  #isOurSideEnded = false
  #isTheirSideEnded = false

  constructor(fabric: SimFabric, connection: SimConnection, network: SimNetwork, protocol: Protocol, onGone: () => void) {
    this.#fabric = fabric
    this.#connection = connection
    this.network = network
    this.peer = connection.other(network).self
    this.protocol = protocol.name
    this.#frameBytesMax = protocol.frameBytesMax
    this.#receivedBytesMax = protocol.frameBytesMax
    this.#onGone = onGone
  }

  /** Makes two ends one channel. */
  join(far: ChannelEnd): void {
    this.#far = far
    far.#far = this
  }

  async send(parts: readonly Uint8Array[], signal: AbortSignal): Promise<void> {
    this.network.life.check()
    throwIfAborted(signal)
    this.#checkOpen()
    if (this.#isOurSideEnded) throw new EngineError('CLOSED', `our side of the channel to ${this.peer} has been closed`)
    const frame = concatBytes(parts)
    if (frame.length > this.#frameBytesMax)
      throw new EngineError('FRAME_TOO_LARGE', `a frame of ${frame.length} bytes is over ${this.#frameBytesMax}`)
    const sizeBytes = wireBytes(frame)
    this.#aheadBytes += sizeBytes
    this.network.count(sizeBytes, 0)
    this.#deliver(sizeBytes, (far) => far.#receiveFrame(frame))
    while (this.#state.kind === 'open' && this.#aheadBytes >= this.#fabric.conditions.windowBytes) await this.#changed.wait(signal)
    this.#checkOpen()
  }

  async receive(signal: AbortSignal): Promise<Uint8Array | undefined> {
    this.network.life.check()
    throwIfAborted(signal)
    for (;;) {
      const frame = this.#arrived.shift()
      if (frame !== undefined && frame.length > this.#receivedBytesMax) {
        this.#fail('FRAME_TOO_LARGE')
      } else if (frame !== undefined) {
        this.#release(wireBytes(frame))
        return frame
      }
      this.#checkOpen()
      if (this.#isTheirSideEnded) return undefined
      await this.#changed.wait(signal)
    }
  }

  limitFrames(bytesMax: number): void {
    this.#receivedBytesMax = Math.min(bytesMax, this.#frameBytesMax)
  }

  async close(): Promise<void> {
    if (this.#isOurSideEnded || this.#state.kind !== 'open') return
    this.#isOurSideEnded = true
    this.#deliver(0, (far) => far.#receiveEnd())
    this.#forgetWhenDone()
  }

  abort(): void {
    this.#fail('CLOSED')
  }

  /** The connection below broke. */
  breakDown(): void {
    this.#enter({ kind: 'failed', code: 'CLOSED' })
  }

  #receiveFrame(frame: Uint8Array): void {
    if (this.#state.kind !== 'open') return
    if (frame.length > this.#frameBytesMax) {
      this.#fail('FRAME_TOO_LARGE')
      return
    }
    this.network.count(0, wireBytes(frame))
    this.#arrived.push(frame)
    this.#wake()
  }

  #receiveEnd(): void {
    this.#isTheirSideEnded = true
    this.#forgetWhenDone()
    this.#wake()
  }

  /** Tells the sender that there is room again. */
  #release(sizeBytes: number): void {
    const tell = (far: ChannelEnd): void => {
      far.#aheadBytes -= sizeBytes
      far.#wake()
    }
    this.#later(this.#fabric.delayMs() * 1000 + this.#fabric.scheduler.nowUs, 'room', tell)
  }

  #fail(code: 'CLOSED' | 'FRAME_TOO_LARGE'): void {
    if (this.#state.kind !== 'open') return
    this.#enter({ kind: 'failed', code })
    this.#deliver(0, (far) => far.breakDown())
  }

  #enter(state: State): void {
    if (this.#state.kind !== 'open') return
    this.#state = state
    this.#arrived = [] // what was under way or unread goes with the channel, in whole frames
    this.#onGone()
    this.#wake()
  }

  #forgetWhenDone(): void {
    if (this.#isOurSideEnded && this.#isTheirSideEnded) this.#onGone()
  }

  /** In order with everything sent on this channel before. */
  #deliver(sizeBytes: number, arrive: (far: ChannelEnd) => void): void {
    this.#lastArrivalUs = Math.max(this.#lastArrivalUs + 1, Math.ceil(this.#connection.arrivalUs(this.network, sizeBytes)))
    this.#later(this.#lastArrivalUs, `${sizeBytes} bytes`, arrive)
  }

  #later(arrivalUs: number, what: string, arrive: (far: ChannelEnd) => void): void {
    const far = this.#far
    if (far === undefined) return
    const { scheduler } = this.#fabric
    const label = `${this.network.label} to ${far.network.label} ${this.protocol}: ${what}`
    const act = (): void => {
      if (!this.#connection.isBroken) arrive(far)
    }
    scheduler.after((arrivalUs - scheduler.nowUs) / 1000, label, act, far.network.life)
  }

  #checkOpen(): void {
    if (this.#state.kind === 'open') return
    throw new EngineError(this.#state.code, `the channel to ${this.peer} for ${this.protocol} is gone`)
  }

  #wake(): void {
    this.#fabric.scheduler.touch()
    this.#changed.announce()
  }
}
