// One member's lane as the side that asks sees it: opened behind when it is first wished for, and anew after it ended.

import type { Clock } from '../base/clock.ts'
import type { PeerId } from '../model/ids.ts'
import { laneSecretBytes, laneTokenBytes, type LaneName } from '../net/lanes.ts'
import type { Network } from '../net/network.ts'
import { laneIdleMsMax, type Lanes, type LaneTerms } from './lanes.ts'

/** After a lane that could not be had, or that broke in use. */
const restMs = 60_000
/** How long content waits for a lane that is being opened; the channel would take longer for the same, and both nodes' main threads. */
const openingMsMax = 2000
/** A lane idle for longer may end at any moment. */
const trustedIdleMs = laneIdleMsMax - 5000

type State =
  | { readonly kind: 'none' }
  | { readonly kind: 'opening'; readonly settled: Promise<void> }
  | { readonly kind: 'open'; readonly lane: LaneName; usedMs: number }
  | { readonly kind: 'resting'; readonly untilMs: number }

/** Ports that systems give out to whoever asks for any begin here; below are services that have nothing to do with lanes. */
const portMin = 1024

export interface LaneSourceParts {
  readonly lanes: Pick<Lanes, 'prepare' | 'take' | 'end'>
  /** Of the folder. */
  readonly sealKey: Uint8Array
  readonly network: Pick<Network, 'peerAddresses'>
  readonly peer: PeerId
  readonly clock: Clock
}

export class LaneSource {
  readonly #parts: LaneSourceParts
  #state: State = { kind: 'none' }
  /** Takes the member's answer, while one is expected. */
  #terms: ((terms: LaneTerms, signal: AbortSignal) => void) | undefined

  constructor(parts: LaneSourceParts) {
    this.#parts = parts
  }

  /**
   * The lane to use now. Who never answers is asked once for the life of its channel, and everything goes over that. Where there is none, `ask` asks the member for one, and its answer is waited for a little.
   */
  async use(ask: () => void, signal: AbortSignal): Promise<LaneName | undefined> {
    const state = this.#state
    if (state.kind === 'open' && this.#nowMs() - state.usedMs > trustedIdleMs) this.end()
    if (state.kind === 'resting' && this.#nowMs() > state.untilMs) this.end()
    if (this.#state.kind === 'none' && this.#hosts().length > 0) this.#open(ask, signal)
    if (this.#state.kind === 'opening') await this.#state.settled
    return this.#openLane()
  }

  /** The member's answer. False when it is malformed, or nobody asked. */
  answered(terms: LaneTerms, signal: AbortSignal): boolean {
    const isPort = terms.port >= portMin && terms.port < 65_536
    const isWellFormed = isPort && terms.token.length === laneTokenBytes && terms.secret.length === laneSecretBytes
    if (this.#terms === undefined || (terms.port !== 0 && !isWellFormed)) return false
    this.#terms(terms, signal)
    this.#terms = undefined
    return true
  }

  /** The lane failed: it is left alone for a while. */
  broke(): void {
    this.end()
    this.#state = { kind: 'resting', untilMs: this.#nowMs() + restMs }
  }

  end(): void {
    if (this.#state.kind === 'open') this.#parts.lanes.end(this.#state.lane)
    this.#state = { kind: 'none' }
  }

  #openLane(): LaneName | undefined {
    if (this.#state.kind !== 'open') return undefined
    this.#state.usedMs = this.#nowMs()
    return this.#state.lane
  }

  #open(ask: () => void, signal: AbortSignal): void {
    this.#parts.lanes.prepare()
    const { promise: settled, resolve: settle } = Promise.withResolvers<void>()
    this.#parts.clock.sleep(openingMsMax, signal).then(settle, settle)
    const opening: State = { kind: 'opening', settled }
    this.#state = opening
    this.#terms = (terms, until) => {
      const taken = terms.port === 0 ? Promise.resolve(undefined) : this.#take(terms, until)
      void taken
        .then((lane) => {
          if (this.#state !== opening) this.#parts.lanes.end(lane ?? '')
          else if (lane === undefined) this.broke()
          else this.#state = { kind: 'open', lane, usedMs: this.#nowMs() }
        })
        .finally(settle)
    }
    ask()
  }

  /** Undefined when it cannot be had: a firewall between, most likely. */
  async #take(terms: LaneTerms, signal: AbortSignal): Promise<LaneName | undefined> {
    const { lanes, sealKey } = this.#parts
    return await lanes.take(this.#hosts(), terms, sealKey, signal).catch(() => undefined)
  }

  #hosts(): readonly string[] {
    return directHosts(this.#parts.network.peerAddresses(this.#parts.peer))
  }

  #nowMs(): number {
    return this.#parts.clock.monotonicMs()
  }
}

/** The hosts of multiaddrs that lead straight to a machine. */
export function directHosts(addresses: readonly string[]): readonly string[] {
  const hosts = addresses.flatMap((address) => {
    const host = /^\/(?:ip4|ip6|dns|dns4|dns6)\/([^/]+)\/tcp\//.exec(address)?.[1]
    return host === undefined || address.includes('/p2p-circuit') ? [] : [host]
  })
  return [...new Set(hosts)]
}
