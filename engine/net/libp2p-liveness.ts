// Finds connections that died without saying so (a pulled cable, a machine asleep): Yamux pings keep an answer coming on a
// live connection, so one from which nothing at all arrives is dead. Any byte counts, so that a slow link that is busy with
// a long frame is not taken for dead. Adapter to libp2p, which lives on real time: the platform's timers are used here.

import type { MultiaddrConnection } from '@libp2p/interface'

export interface LivenessOptions {
  readonly pingIntervalMs: number
  readonly pingTimeoutMs: number
  readonly onDead: (connection: MultiaddrConnection) => void
}

/** Checks per allowed silence: a dead connection is found at most this fraction later. */
const checksPerSilence = 5

export class Liveness implements Disposable {
  /** Checks since the last byte arrived. Counted, not timed: a blocked event loop must not look like a silent peer. */
  readonly #silentChecks = new Map<MultiaddrConnection, number>()
  readonly #timer: ReturnType<typeof setInterval>
  readonly #silenceMs: number
  readonly #onDead: (connection: MultiaddrConnection) => void

  constructor(options: LivenessOptions) {
    this.#silenceMs = options.pingIntervalMs + options.pingTimeoutMs
    this.#onDead = options.onDead
    this.#timer = setInterval(() => this.#check(), this.#silenceMs / checksPerSilence)
    this.#timer.unref()
  }

  watch(connection: MultiaddrConnection): void {
    this.#silentChecks.set(connection, 0)
    connection.addEventListener('message', () => {
      if (this.#silentChecks.has(connection)) this.#silentChecks.set(connection, 0)
    })
    connection.addEventListener('close', () => this.#silentChecks.delete(connection))
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#silentChecks.clear()
  }

  #check(): void {
    for (const [connection, checks] of this.#silentChecks) {
      if (checks < checksPerSilence) {
        this.#silentChecks.set(connection, checks + 1)
        continue
      }
      this.#silentChecks.delete(connection)
      this.#onDead(connection)
      connection.abort(new Error(`nothing arrived for ${this.#silenceMs} ms, no answer to a ping either`))
    }
  }
}
