// The receiving end of a lane. The kernel writes straight into the record being read: no piece is allocated and none is put together.

import { connect, type Socket } from 'node:net'

import { freeBytes } from '../base/bytes.ts'
import { Semaphore } from '../base/queue.ts'
import { RecordOpener, recordOverheadBytes } from '../crypto/lane-cipher.ts'
import type { LaneReceiver } from '../net/lanes.ts'
import { laneClosed } from './lane-sender.ts'
import { SocketEnd } from './socket-end.ts'

export interface ReceiverOptions {
  readonly host: string
  readonly port: number
  readonly token: Uint8Array
  readonly key: Uint8Array
  /** Longer records end the lane. */
  readonly recordBytesMax: number
  readonly idleMsMax: number
}

const lengthBytes = 4

export class SocketLaneReceiver implements LaneReceiver {
  readonly #socket: Socket
  readonly #opener: RecordOpener
  readonly #recordBytesMax: number
  readonly #end: SocketEnd
  readonly #turn = new Semaphore(1)
  readonly #never = new AbortController().signal
  /** The length, then the record; replaced by a larger one when a record needs it. */
  #buffer = new Uint8Array(64 * 1024)
  #filledBytes = 0
  /** Of the length or of the record that is being read. */
  #wantedBytes = lengthBytes
  #isInRecord = false
  /** A record that came while nobody waited; then nothing is read until somebody does. */
  #held: Uint8Array | undefined
  #waiting: ((plaintext: Uint8Array) => void) | undefined

  constructor(options: ReceiverOptions) {
    this.#opener = new RecordOpener(options.key)
    this.#recordBytesMax = options.recordBytesMax
    const onread = {
      buffer: () => this.#buffer.subarray(this.#filledBytes, this.#wantedBytes),
      callback: (readBytes: number) => this.#onRead(readBytes),
    }
    this.#socket = connect({ host: options.host, port: options.port, noDelay: true, onread })
    this.#end = new SocketEnd(this.#socket, options.idleMsMax)
    this.#socket.once('connect', () => this.#socket.write(options.token))
  }

  /** Resolves when the other side has shown that it has the key. Throws `CLOSED` when it does not come to that. */
  async opened(): Promise<void> {
    await this.#next()
  }

  async receive(count: number, take: (plaintext: Uint8Array, at: number) => void): Promise<void> {
    await this.#turn.hold(async () => {
      try {
        for (let at = 0; at < count; at++) {
          const plaintext = await this.#next()
          take(plaintext, at)
          freeBytes(plaintext)
        }
      } catch (error) {
        this.end()
        throw error
      }
    }, this.#never)
  }

  async ended(): Promise<void> {
    await this.#end.ended
  }

  end(): void {
    this.#socket.destroy()
  }

  async #next(): Promise<Uint8Array> {
    const held = this.#held
    if (held !== undefined) {
      this.#held = undefined
      this.#socket.resume()
      return held
    }
    if (this.#end.isOver) throw laneClosed()
    return await this.#end.until(new Promise<Uint8Array>((resolve) => (this.#waiting = resolve)))
  }

  /** Whether to read on. */
  #onRead(readBytes: number): boolean {
    this.#filledBytes += readBytes
    if (this.#filledBytes < this.#wantedBytes) return true
    this.#filledBytes = 0
    if (!this.#isInRecord) return this.#startRecord()
    const plaintext = this.#opener.open(this.#buffer.subarray(0, this.#wantedBytes))
    this.#isInRecord = false
    this.#wantedBytes = lengthBytes
    if (plaintext === undefined) {
      this.#socket.destroy()
      return false
    }
    return this.#handOver(plaintext)
  }

  #startRecord(): boolean {
    const recordBytes = new DataView(this.#buffer.buffer).getUint32(0)
    if (recordBytes < recordOverheadBytes || recordBytes > this.#recordBytesMax) {
      this.#socket.destroy()
      return false
    }
    if (this.#buffer.length < recordBytes) this.#buffer = new Uint8Array(recordBytes)
    this.#wantedBytes = recordBytes
    this.#isInRecord = true
    return true
  }

  #handOver(plaintext: Uint8Array): boolean {
    const waiting = this.#waiting
    if (waiting !== undefined) {
      this.#waiting = undefined
      waiting(plaintext)
      return true
    }
    this.#held = plaintext
    return false
  }
}
