// When a socket is over: closed by either side, broken, or silent for too long.

import type { Socket } from 'node:net'

import { EngineError } from '../base/errors.ts'

export class SocketEnd {
  readonly ended: Promise<void>
  #isOver = false

  /** Nothing read and nothing written for `idleMsMax` ends the socket. */
  constructor(socket: Socket, idleMsMax: number) {
    this.ended = new Promise<void>((resolve) => {
      socket.once('close', () => {
        this.#isOver = true
        resolve()
      })
    })
    socket.on('error', () => undefined) // 'close' follows
    socket.on('end', () => socket.destroy())
    socket.setTimeout(idleMsMax, () => socket.destroy())
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** As `promise`; throws `CLOSED` when the socket is over before. */
  async until<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([
      promise,
      this.ended.then((): never => {
        throw new EngineError('CLOSED', 'the connection ended')
      }),
    ])
  }
}
