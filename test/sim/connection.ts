// One connection of the simulated network: two ends, any number of channels, a bandwidth each way, and a way to break.

import { EngineError } from '../../engine/base/errors.ts'
import type { Channel, Protocol } from '../../engine/net/network.ts'
import { ChannelEnd } from './channel.ts'
import type { SimFabric, SimNetwork } from './network.ts'

interface Opening {
  readonly resolve: (channel: Channel) => void
  readonly reject: (error: unknown) => void
  readonly signal: AbortSignal
}

export class SimConnection {
  readonly ends: readonly [SimNetwork, SimNetwork]
  readonly #fabric: SimFabric
  readonly #onBroken: () => void
  readonly #channels = new Set<ChannelEnd>()
  readonly #openings = new Set<Opening>()
  /** When the line in the direction away from an end is free again. */
  readonly #freeAtUs = new Map<SimNetwork, number>()
  #isBroken = false

  constructor(fabric: SimFabric, left: SimNetwork, right: SimNetwork, onBroken: () => void) {
    this.#fabric = fabric
    this.ends = [left, right]
    this.#onBroken = onBroken
  }

  get isBroken(): boolean {
    return this.#isBroken
  }

  isEnd(network: SimNetwork): boolean {
    return this.ends.includes(network)
  }

  other(end: SimNetwork): SimNetwork {
    return this.ends[0] === end ? this.ends[1] : this.ends[0]
  }

  open(from: SimNetwork, protocol: Protocol, opening: Opening): void {
    const { scheduler } = this.#fabric
    const to = this.other(from)
    this.#openings.add(opening)
    scheduler.after(this.#fabric.delayMs(), `${from.label} opens ${protocol.name} to ${to.label}`, () => {
      if (this.#isBroken || opening.signal.aborted) return
      const served = to.servedProtocol(protocol.name)
      if (served === undefined) {
        scheduler.after(this.#fabric.delayMs(), `${to.label} refuses ${protocol.name}`, () =>
          this.#refuse(opening, `${to.self} does not speak ${protocol.name}`),
        )
        return
      }
      const near = this.#channelEnd(from, protocol)
      const far = this.#channelEnd(to, served)
      near.join(far)
      scheduler.after(
        this.#fabric.delayMs(),
        `${from.label} has ${protocol.name}`,
        () => {
          if (!this.#openings.delete(opening)) return
          if (opening.signal.aborted) near.abort()
          else opening.resolve(near)
        },
        from.life,
      )
      to.accept(far)
    })
  }

  /** When bytes that leave `from` now will arrive. */
  arrivalUs(from: SimNetwork, sizeBytes: number): number {
    const { nowUs } = this.#fabric.scheduler
    const startUs = Math.max(nowUs, this.#freeAtUs.get(from) ?? 0)
    const sentUs = startUs + (sizeBytes / this.#fabric.conditions.bytesPerSecond) * 1e6
    this.#freeAtUs.set(from, sentUs)
    return sentUs + this.#fabric.delayMs() * 1000
  }

  /**
   * Nothing arrives any more from now on. The end that did it notices at once, the other soon; when it just happened, each
   * end notices in its own time, perhaps only after a silence.
   */
  breakDown(reason: string, by?: SimNetwork): void {
    if (this.#isBroken) return
    this.#isBroken = true
    this.#onBroken()
    const { scheduler, random, conditions } = this.#fabric
    scheduler.note(`connection ${this.ends[0].label}-${this.ends[1].label} breaks: ${reason}`)
    const isQuick = by !== undefined || random.chance(0.5)
    for (const end of this.ends) {
      if (end === by) {
        this.#notice(end)
        continue
      }
      const afterMs = isQuick ? this.#fabric.delayMs() : random.unit() * conditions.silenceMsMax
      scheduler.after(afterMs, `${end.label} notices`, () => this.#notice(end), end.life)
    }
  }

  #notice(end: SimNetwork): void {
    for (const channel of this.#channels) if (channel.network === end) channel.breakDown()
    for (const opening of this.#openings) this.#refuse(opening, 'the connection broke')
    end.drop(this, this.other(end).self)
  }

  #refuse(opening: Opening, why: string): void {
    if (this.#openings.delete(opening)) opening.reject(new EngineError('PEER_UNREACHABLE', why))
  }

  #channelEnd(network: SimNetwork, protocol: Protocol): ChannelEnd {
    const end = new ChannelEnd(this.#fabric, this, network, protocol, () => this.#channels.delete(end))
    this.#channels.add(end)
    return end
  }
}
