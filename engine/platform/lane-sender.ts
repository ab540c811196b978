// The sending end of a lane on a TCP socket: one record is a length of four bytes, ciphertext and tag (docs/wire-format.md).

import type { Socket } from 'node:net'

import { EngineError } from '../base/errors.ts'
import { RecordSealer, recordOverheadBytes } from '../crypto/lane-cipher.ts'
import type { LaneSender } from '../net/lanes.ts'
import { SocketEnd } from './socket-end.ts'

const lengthBytes = 4
/** Beyond this the sender waits for the socket: enough to bridge the time between two jobs, little enough to hold in memory. */
const queuedBytesMax = 2 * 1024 * 1024

export class SocketLaneSender implements LaneSender {
  readonly #socket: Socket
  readonly #sealer: RecordSealer
  readonly #end: SocketEnd
  /** Buffers that the socket is done with: new ones for every record cost more than all else (fresh pages). */
  readonly #spare: Uint8Array<ArrayBuffer>[] = []

  constructor(socket: Socket, key: Uint8Array, idleMsMax: number) {
    this.#socket = socket
    this.#sealer = new RecordSealer(key)
    this.#end = new SocketEnd(socket, idleMsMax)
    socket.on('data', () => socket.destroy()) // the other side has nothing to say
    this.#write(new Uint8Array(0)) // shows that this side has the key
  }

  async send(plaintext: Uint8Array): Promise<void> {
    if (this.#end.isOver) throw laneClosed()
    this.#write(plaintext)
    while (this.#socket.writableLength > queuedBytesMax) {
      await this.#end.until(new Promise<void>((resolve) => this.#socket.once('drain', () => resolve())))
    }
  }

  #write(plaintext: Uint8Array): void {
    const recordBytes = plaintext.length + recordOverheadBytes
    const buffer = this.#takeBuffer(lengthBytes + recordBytes)
    new DataView(buffer.buffer).setUint32(0, recordBytes)
    this.#sealer.sealInto(buffer, lengthBytes, plaintext)
    this.#socket.write(buffer.subarray(0, lengthBytes + recordBytes), () => this.#spare.push(buffer))
  }

  #takeBuffer(bytes: number): Uint8Array<ArrayBuffer> {
    const spare = this.#spare.pop()
    return spare !== undefined && spare.length >= bytes ? spare : new Uint8Array(bytes)
  }
}

export function laneClosed(): EngineError {
  return new EngineError('CLOSED', 'the direct connection for large files ended; what is missing is asked for again')
}
