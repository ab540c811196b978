// Keeps connections to the members of all folders: dials every address known, with growing pauses while nobody answers.

import type { Clock, Random } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { waitAtMost, Wakeup } from '../base/queue.ts'
import type { Index } from '../index/index-store.ts'
import type { PeerId } from '../model/ids.ts'
import type { Network } from '../net/network.ts'
import type { CardShelf } from './card-box.ts'

export interface PeerKeeperParts {
  readonly index: Index
  readonly network: Network
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly cards: CardShelf
  /** Members of all folders, this node left out. */
  readonly members: () => readonly PeerId[]
}

const firstPauseMs = 1000
const longestPauseMs = 60_000
const dialTimeoutMs = 15_000
const addressesMax = 16

export class PeerKeeper {
  readonly #parts: PeerKeeperParts
  readonly #loops = new Map<PeerId, Wakeup>()
  readonly #discovered = new Map<PeerId, readonly string[]>()

  constructor(parts: PeerKeeperParts) {
    this.#parts = parts
  }

  /** Starts keeping members that came; call it whenever members, addresses or connections may have changed. */
  refresh(signal: AbortSignal): void {
    for (const peer of this.#parts.members()) {
      const known = this.#loops.get(peer)
      if (known === undefined) this.#start(peer, signal)
      else known.wake()
    }
  }

  /** Addresses seen on the local network. Only good for dialling: who answers proves itself. */
  discovered(peer: PeerId, addresses: readonly string[]): void {
    if (!this.#parts.members().includes(peer)) return
    this.#discovered.set(peer, addresses.slice(0, addressesMax))
    this.#loops.get(peer)?.wake()
  }

  /** What would be dialled, most promising first. */
  addressesOf(peer: PeerId): readonly string[] {
    const { index, cards } = this.#parts
    const remembered = index.peers.get(peer)?.addresses ?? []
    const told = cards.cardOf(peer)?.addresses ?? []
    return [...new Set([...(this.#discovered.get(peer) ?? []), ...remembered, ...told])].slice(0, addressesMax)
  }

  #start(peer: PeerId, signal: AbortSignal): void {
    const wakeup = new Wakeup()
    this.#loops.set(peer, wakeup)
    this.#keep(peer, wakeup, signal).catch((error: unknown) => {
      this.#loops.delete(peer)
      if (!signal.aborted) this.#parts.log.error('stopped keeping a peer', { peer, error: messageOf(error) })
    })
  }

  async #keep(peer: PeerId, wakeup: Wakeup, signal: AbortSignal): Promise<void> {
    const { network, clock, random } = this.#parts
    let pauseMs = firstPauseMs
    for (;;) {
      if (!this.#parts.members().includes(peer)) await wakeup.wait(signal)
      else if (network.connectedPeers().includes(peer)) {
        pauseMs = firstPauseMs
        await wakeup.wait(signal)
      } else if (!(await this.#dial(peer, signal))) {
        // Jitter keeps two nodes that look for each other from dialling in step for ever.
        const jitter = 0.75 + ((random.bytes(1)[0] ?? 0) / 255) * 0.5
        await waitAtMost(wakeup, clock, pauseMs * jitter, signal)
        pauseMs = Math.min(pauseMs * 2, longestPauseMs)
      }
    }
  }

  async #dial(peer: PeerId, signal: AbortSignal): Promise<boolean> {
    const { network, clock, log, index } = this.#parts
    const addresses = this.addressesOf(peer)
    if (addresses.length === 0) return false
    const deadline = new AbortController()
    const both = AbortSignal.any([signal, deadline.signal])
    const timer = clock.sleep(dialTimeoutMs, both).then(
      () => deadline.abort(),
      () => undefined, // connected in time, or stopping
    )
    try {
      await network.connect(peer, addresses, both)
      const reached = network.peerAddresses(peer).filter((address) => addresses.includes(address))
      if (reached.length > 0)
        index.transact(() => index.peers.setAddresses(peer, [...new Set([...reached, ...addresses])].slice(0, addressesMax)))
      return true
    } catch (error) {
      if (signal.aborted) throw error
      log.debug('could not reach a peer', { peer, error: messageOf(error) })
      return false
    } finally {
      deadline.abort()
      await timer
    }
  }
}
