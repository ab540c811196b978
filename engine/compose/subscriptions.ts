// One folder's subscriptions: one to each member that is connected, begun again with growing pauses when it ends.

import type { Clock } from '../base/clock.ts'
import { errorCodeOf, messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { waitAtMost, Wakeup } from '../base/queue.ts'
import type { PeerId } from '../model/ids.ts'
import type { FolderProblems } from '../sync/problems.ts'
import { faultKeptMs } from '../sync/receive.ts'

export interface SubscriptionParts {
  readonly clock: Clock
  readonly log: Log
  readonly problems: FolderProblems
  /** Subscribes to one member; ends with the connection. Throws what ended it. */
  readonly subscribe: (peer: PeerId, signal: AbortSignal) => Promise<void>
  /** Members with a connection now. */
  readonly connected: () => readonly PeerId[]
}

const firstPauseMs = 500
const longestPauseMs = 30_000

export class Subscriptions {
  readonly #parts: SubscriptionParts
  readonly #running = new Map<PeerId, Promise<void>>()
  /** Rung when a peer subscribes here: it knows the folder now, so a subscription to it is worth another try. */
  readonly #ready = new Map<PeerId, Wakeup>()

  constructor(parts: SubscriptionParts) {
    this.#parts = parts
  }

  /** Begins those that are missing; each goes on until its peer is gone or `signal` aborts. */
  refresh(signal: AbortSignal): void {
    for (const peer of this.#parts.connected()) {
      if (!this.#running.has(peer)) this.#running.set(peer, this.#keep(peer, signal))
    }
  }

  /** The peer knows the folder: a subscription that was refused is tried again at once. */
  retry(peer: PeerId): void {
    this.#ready.get(peer)?.wake()
  }

  /** Resolves when all have ended; somebody has to end them. */
  async ended(): Promise<void> {
    await Promise.allSettled(this.#running.values())
  }

  async #keep(peer: PeerId, signal: AbortSignal): Promise<void> {
    const { clock, log, subscribe, connected } = this.#parts
    const ready = new Wakeup()
    this.#ready.set(peer, ready)
    let pauseMs = firstPauseMs
    try {
      while (!signal.aborted && connected().includes(peer)) {
        const startedMs = clock.monotonicMs()
        try {
          await subscribe(peer, signal)
        } catch (error) {
          if (signal.aborted) return
          this.#noteEnd(peer, error)
        }
        if (!connected().includes(peer)) return
        if (clock.monotonicMs() - startedMs > longestPauseMs) pauseMs = firstPauseMs
        await waitAtMost(ready, clock, pauseMs, signal)
        pauseMs = Math.min(pauseMs * 2, longestPauseMs)
      }
    } catch (error) {
      if (!signal.aborted) log.error('a subscription ended', { peer, error: messageOf(error) })
    } finally {
      this.#ready.delete(peer)
      this.#running.delete(peer)
    }
  }

  #noteEnd(peer: PeerId, error: unknown): void {
    const code = errorCodeOf(error)
    this.#parts.log.info('a subscription ended', { peer, code, error: messageOf(error) })
    if (code !== 'BAD_SIGNATURE' && code !== 'PEER_MISBEHAVED') return
    this.#parts.problems.note(
      {
        code,
        severity: 'warning',
        path: peer,
        text: messageOf(error),
        next: 'Nothing was taken over. Update Holdfast on that member; if it stays, remove the member.',
      },
      faultKeptMs,
    )
  }
}
