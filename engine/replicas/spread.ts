// A slow uplink sends each block once: of the hosts that are to hold a block and lack it, one fetches it from wherever it is, and the others
// from that one. Who is first differs from block to block, and all compute it alike; whoever sees other members for a moment asks once more than
// it had to. Pure but for what it remembers; the caller says what time it is. Decision 0047.

import { Breaker } from '../base/breaker.ts'
import { utf8 } from '../base/bytes.ts'
import type { BlockId, PeerId } from '../model/ids.ts'

/** So much must come in this time from a host that is waited for, or it is waited for no longer. */
const patienceMsMin = 20_000
const patienceBytesMin = 64 * 1024
/** What this node itself was busy with for so long, another may be too. */
const patienceFactor = 3
const patienceMsMax = 10 * 60_000
const leftAlone = { firstMs: 10 * 60_000, longestMs: 6 * 3_600_000 }

/** Of these hosts the one that fetches the block first. Each is first for as many blocks, and one that goes changes only what it was first for. */
export function firstOf(block: BlockId, hosts: readonly PeerId[]): PeerId | undefined {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength)
  // Behind the bytes by which blocks fall into partitions.
  const seed = view.getUint32(view.byteLength - 4)
  let best: { readonly peer: PeerId; readonly key: number } | undefined
  for (const peer of hosts) {
    const key = mixed(seed, numberOf(peer))
    if (best === undefined || key > best.key || (key === best.key && peer < best.peer)) best = { peer, key }
  }
  return best?.peer
}

const numbers = new Map<PeerId, number>()

/** 32 bits of a peer: FNV-1a. */
function numberOf(peer: PeerId): number {
  const known = numbers.get(peer)
  if (known !== undefined) return known
  let hash = 0x811c9dc5
  for (const byte of utf8(peer)) hash = Math.imul(hash ^ byte, 0x01000193)
  numbers.set(peer, hash >>> 0)
  return hash >>> 0
}

/** The finaliser of MurmurHash3, twice. */
function mixed(left: number, right: number): number {
  let hash = left ^ right
  for (const factor of [0x85ebca6b, 0xc2b2ae35, 0x7feb352d]) {
    hash = Math.imul(hash ^ (hash >>> 16), factor)
    hash = (hash ^ (hash >>> 13)) + Math.imul(right, 0x9e3779b1)
  }
  return (hash ^ (hash >>> 16)) >>> 0
}

export class Spread {
  readonly #self: PeerId
  readonly #leftAlone = new Map<PeerId, Breaker>()
  readonly #waiting = new Map<PeerId, { readonly sinceMs: number; readonly patienceMs: number; bytes: number }>()

  constructor(self: PeerId) {
    this.#self = self
  }

  /** The host that is to fetch the block first, of those that lack it; undefined when that is this node. */
  relayOf(block: BlockId, lackers: readonly PeerId[], nowMs: number): PeerId | undefined {
    const first = firstOf(
      block,
      lackers.filter((peer) => this.#leftAlone.get(peer)?.isOpen(nowMs) !== true),
    )
    return first === this.#self ? undefined : first
  }

  /** Bytes came from a host. */
  got(peer: PeerId, bytes: number): void {
    const waited = this.#waiting.get(peer)
    if (waited !== undefined) waited.bytes += bytes
    if (bytes >= patienceBytesMin) this.#leftAlone.get(peer)?.didWell()
  }

  /**
   * These hosts are waited for and nothing else is to be done; `busyMs` is how long this node's own last page took. Gives those that are waited for
   * no longer: they are left alone for a while.
   */
  waitsFor(relays: ReadonlySet<PeerId>, busyMs: number, nowMs: number): readonly PeerId[] {
    for (const peer of this.#waiting.keys()) if (!relays.has(peer)) this.#waiting.delete(peer)
    const givenUp: PeerId[] = []
    for (const peer of relays) {
      const waited = this.#waiting.get(peer)
      if (waited !== undefined && nowMs - waited.sinceMs < waited.patienceMs) continue
      if (waited !== undefined && waited.bytes < patienceBytesMin) {
        const breaker = this.#leftAlone.get(peer) ?? new Breaker(leftAlone)
        this.#leftAlone.set(peer, breaker)
        breaker.failed(nowMs)
        this.#waiting.delete(peer)
        givenUp.push(peer)
        continue
      }
      const patienceMs = Math.min(patienceMsMax, Math.max(patienceMsMin, patienceFactor * busyMs))
      this.#waiting.set(peer, { sinceMs: nowMs, patienceMs, bytes: 0 })
    }
    return givenUp
  }

  /** Until `waitsFor` is to be called again; infinite when nobody is waited for. */
  nextLookMs(nowMs: number): number {
    return Math.min(...[...this.#waiting.values()].map(({ sinceMs, patienceMs }) => sinceMs + patienceMs - nowMs), Number.POSITIVE_INFINITY)
  }
}
