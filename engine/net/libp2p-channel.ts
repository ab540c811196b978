// A Channel on one libp2p stream. Streams of libp2p 3 are event targets: `send` returns false when full and a 'drain' event
// says when to go on (its onDrain() promise resolves only the first time rightly, so it is not used here). Adapter to
// libp2p, so timers of the platform may be used.

import { abortable, throwIfAborted } from '../base/queue.ts'
import { EngineError } from '../base/errors.ts'
import { assert } from '../base/assert.ts'
import { encodeFrameHeader, frameBytesLimit, frameChunks, FrameReader } from './framing.ts'
import type { Channel, Protocol } from './network.ts'
import type { PeerId } from '../model/ids.ts'
import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'

/**
 * A few whole Noise messages (65,519 bytes of plaintext each) less the 12 bytes of a Yamux header: a chunk of another size
 * spills a few bytes into a message of its own. Four cost the receiver a fifth less processor time than one.
 */
const chunkBytes = 4 * 65_519 - 12

/** Frames up to this size are gathered and leave together at the end of the turn; the copy is cheaper than a packet. */
const gatheredFrameBytesMax = 8 * 1024

/** Also of a channel of short frames so much may be read ahead. */
const heldBytesAlways = 256 * 1024

/** How long `close` lets a slow peer take what was sent. */
const closeTimeoutMs = 30_000

/** Counts payload of all channels of a network; the channel adds to it. */
export interface TrafficCount {
  sentBytes: number
  receivedBytes: number
}

interface WaitingSend {
  readonly parts: readonly Uint8Array[]
  readonly frameBytes: number
  isWritten: boolean
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export interface Libp2pChannelParts {
  readonly stream: Stream
  readonly peer: PeerId
  readonly protocol: Protocol
  readonly traffic: TrafficCount
  readonly receiveBufferBytes: number
}

export class Libp2pChannel implements Channel {
  readonly peer: PeerId
  readonly protocol: string
  readonly #stream: Stream
  readonly #frameBytesMax: number
  #heldBytesMax: number
  readonly #traffic: TrafficCount
  #reader: FrameReader
  /** Sends that found no room yet, and at most one written send that waits for room behind it. */
  #sends: WaitingSend[] = []
  #gathered: Uint8Array[] = []
  #gatheredBytes = 0
  #receiver: { readonly resolve: () => void } | undefined
  #isReceiving = false
  #isSendClosed = false
  #hasPeerFinished = false
  /** Why the channel is gone. */
  #broken: EngineError | undefined

  constructor(parts: Libp2pChannelParts) {
    this.peer = parts.peer
    this.protocol = parts.protocol.name
    this.#stream = parts.stream
    this.#frameBytesMax = Math.min(parts.protocol.frameBytesMax, frameBytesLimit)
    this.#heldBytesMax = Math.max(parts.receiveBufferBytes, 2 * this.#frameBytesMax)
    this.#traffic = parts.traffic
    this.#reader = new FrameReader(this.#frameBytesMax)
    this.#listen()
  }

  #listen(): void {
    const stream = this.#stream
    stream.addEventListener('message', (event) => this.#onMessage(event))
    stream.addEventListener('remoteCloseWrite', () => {
      this.#hasPeerFinished = true
      this.#receiver?.resolve()
    })
    stream.addEventListener('close', (event) => this.#onClose(event))
    // libp2p writes what it had queued in a microtask after 'drain': look once that is done.
    const lookAgain = (): void => queueMicrotask(() => this.#pump())
    stream.addEventListener('drain', lookAgain)
    stream.addEventListener('idle', lookAgain)
    // The stream may have moved on between its opening and this constructor.
    this.#hasPeerFinished = stream.remoteWriteStatus === 'closed'
    if (stream.status !== 'open' && !this.#hasPeerFinished) this.#break(this.#closedError(undefined))
  }

  async send(parts: readonly Uint8Array[], signal: AbortSignal): Promise<void> {
    throwIfAborted(signal)
    let frameBytes = 0
    for (const part of parts) frameBytes += part.length
    if (frameBytes > this.#frameBytesMax) {
      throw new EngineError(
        'FRAME_TOO_LARGE',
        `a frame of ${frameBytes} bytes is over the ${this.#frameBytesMax} that ${this.protocol} allows`,
      )
    }
    this.#throwIfNotWritable()
    if (this.#sends.length === 0 && this.#hasRoom()) {
      this.#write(parts, frameBytes)
      this.#throwIfNotWritable()
      if (this.#hasRoom()) return
      await this.#waitForRoom({ parts: [], frameBytes: 0, isWritten: true }, signal)
      return
    }
    await this.#waitForRoom({ parts, frameBytes, isWritten: false }, signal)
  }

  async receive(signal: AbortSignal): Promise<Uint8Array | undefined> {
    throwIfAborted(signal)
    assert(!this.#isReceiving, 'a channel is received from one call at a time')
    this.#isReceiving = true
    try {
      for (;;) {
        const frame = this.#nextFrame()
        if (frame !== undefined) return frame
        if (this.#hasPeerFinished && this.#stream.readBufferLength === 0) return this.#endOfFrames()
        if (this.#broken !== undefined) throw this.#broken
        await abortable<void>((resolve) => (this.#receiver = { resolve: () => resolve() }), signal)
      }
    } finally {
      this.#receiver = undefined
      this.#isReceiving = false
    }
  }

  limitFrames(bytesMax: number): void {
    const frameBytesMax = Math.min(bytesMax, this.#frameBytesMax)
    this.#reader.limitFrames(frameBytesMax)
    this.#heldBytesMax = Math.max(heldBytesAlways, 2 * frameBytesMax)
  }

  async close(): Promise<void> {
    if (this.#isSendClosed || this.#broken !== undefined) return
    this.#isSendClosed = true
    for (const send of this.#sends.splice(0)) {
      if (!send.isWritten) this.#write(send.parts, send.frameBytes)
      send.resolve()
    }
    this.#flush()
    try {
      await this.#stream.close({ signal: AbortSignal.timeout(closeTimeoutMs) })
    } catch {
      // The peer takes nothing any more, or the connection died meanwhile: there is nobody to close in good order with.
      this.abort()
    }
  }

  abort(): void {
    this.#break(new EngineError('CLOSED', `the channel ${this.protocol} to ${this.peer} was dropped here`))
    this.#reader = new FrameReader(this.#frameBytesMax) // what nobody received goes too
    this.#hasPeerFinished = false
    this.#stream.abort(new Error('dropped'))
  }

  #nextFrame(): Uint8Array | undefined {
    try {
      let frame = this.#reader.next()
      // Reading may pause again at once, with all that libp2p had buffered and still no whole frame.
      while (frame === undefined && this.#stream.readStatus === 'paused') {
        this.#resume()
        frame = this.#reader.next()
      }
      if (this.#stream.readStatus === 'paused' && this.#reader.heldBytes < this.#heldBytesMax / 2) this.#resume()
      return frame
    } catch (error) {
      assert(error instanceof EngineError, 'a frame reader throws EngineErrors')
      this.#break(error)
      this.#stream.abort(error)
      throw error
    }
  }

  #resume(): void {
    try {
      this.#stream.resume()
    } catch {
      // What was buffered has been delivered; telling a peer that is gone to send more is what failed ('close' follows or came).
    }
  }

  #endOfFrames(): undefined {
    if (this.#reader.isEmpty) return undefined
    throw new EngineError('CLOSED', `${this.peer} ended the channel ${this.protocol} in the middle of a frame`)
  }

  #onMessage(event: StreamMessageEvent): void {
    this.#traffic.receivedBytes += event.data.byteLength
    if (event.data instanceof Uint8Array) this.#reader.push(event.data)
    else for (const piece of event.data) this.#reader.push(piece)
    if (this.#receiver !== undefined) this.#receiver.resolve()
    else if (this.#reader.heldBytes > this.#heldBytesMax && this.#stream.readStatus === 'readable') this.#stream.pause()
  }

  #onClose(event: StreamCloseEvent): void {
    this.#break(this.#closedError(event.error))
    this.#receiver?.resolve()
  }

  #closedError(cause: unknown): EngineError {
    return new EngineError('CLOSED', `the channel ${this.protocol} to ${this.peer} broke; it can be opened again`, { cause })
  }

  #break(error: EngineError): void {
    if (this.#broken !== undefined) return
    this.#broken = error
    for (const send of this.#sends.splice(0)) send.reject(error)
    this.#receiver?.resolve()
  }

  #throwIfNotWritable(): void {
    if (this.#broken !== undefined) throw this.#broken
    if (this.#isSendClosed) throw new EngineError('CLOSED', `the channel ${this.protocol} to ${this.peer} was closed here`)
  }

  #hasRoom(): boolean {
    return !this.#stream.writableNeedsDrain && this.#stream.writeBufferLength === 0
  }

  async #waitForRoom(send: Pick<WaitingSend, 'parts' | 'frameBytes' | 'isWritten'>, signal: AbortSignal): Promise<void> {
    let waiting: WaitingSend | undefined
    try {
      await abortable<void>((resolve, reject) => {
        waiting = { ...send, resolve: () => resolve(), reject }
        this.#sends.push(waiting)
      }, signal)
    } finally {
      const at = waiting === undefined ? -1 : this.#sends.indexOf(waiting)
      if (at >= 0) this.#sends.splice(at, 1)
    }
  }

  /** Writes as many waiting frames as there is room for, in the order in which they came. */
  #pump(): void {
    while (this.#broken === undefined && this.#hasRoom()) {
      const send = this.#sends[0]
      if (send === undefined) return
      if (send.isWritten) {
        this.#sends.shift()
        send.resolve()
        continue
      }
      send.isWritten = true
      this.#write(send.parts, send.frameBytes)
    }
  }

  #write(parts: readonly Uint8Array[], frameBytes: number): void {
    if (frameBytes > gatheredFrameBytesMax) {
      this.#flush()
      for (const chunk of frameChunks(parts, frameBytes, chunkBytes)) this.#hand(chunk)
      return
    }
    const header = encodeFrameHeader(frameBytes)
    if (this.#gatheredBytes === 0) process.nextTick(() => this.#flush())
    // Copied: the caller may reuse its parts as soon as send resolves, which is before the turn ends.
    this.#gathered.push(header)
    for (const part of parts) this.#gathered.push(new Uint8Array(part)) // not slice(): of a Buffer it is a view
    this.#gatheredBytes += header.length + frameBytes
    if (this.#gatheredBytes >= chunkBytes - gatheredFrameBytesMax) this.#flush()
  }

  #flush(): void {
    if (this.#gatheredBytes === 0) return
    const bytes = new Uint8Array(this.#gatheredBytes)
    let at = 0
    for (const piece of this.#gathered) {
      bytes.set(piece, at)
      at += piece.length
    }
    this.#gathered = []
    this.#gatheredBytes = 0
    if (this.#broken === undefined) this.#hand(bytes)
  }

  #hand(chunk: Uint8Array): void {
    try {
      this.#stream.send(chunk)
      this.#traffic.sentBytes += chunk.length
    } catch (cause) {
      this.#break(this.#closedError(cause))
      this.#stream.abort(new Error('could not be written to', { cause }))
    }
  }
}
