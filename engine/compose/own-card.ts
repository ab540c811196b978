// What this node says of itself. A new edition goes out now and then, as a sign of life that others pass on, and when somebody took this
// node for gone.

import type { Identity } from '../crypto/identity.ts'
import type { Network } from '../net/network.ts'
import { signCard } from '../sync/cards.ts'
import type { EngineWorld } from './parts.ts'

const addressesMax = 16
/** An edition that somebody made up is followed up to here. */
const editionMax = Number.MAX_SAFE_INTEGER - 1

export class OwnCard {
  readonly #world: EngineWorld
  readonly #network: Network
  readonly #identity: Identity
  #edition: number
  #isAsleep = false
  #sleepsForMs = 0

  constructor(world: EngineWorld, network: Network, identity: Identity) {
    this.#world = world
    this.#network = network
    this.#identity = identity
    this.#edition = world.clock.nowMs()
  }

  get edition(): number {
    return this.#edition
  }

  /** A newer edition, over `above`: the clock may have gone back since the last one. */
  renew(above = 0): void {
    this.#edition = Math.min(editionMax, Math.max(this.#world.clock.nowMs(), this.#edition + 1, above + 1))
  }

  /** For how long this node will be off once it goes; 0 when nobody knows. */
  planSleep(forMs: number): void {
    this.#sleepsForMs = forMs
  }

  /** This node goes in good order. */
  fallAsleep(): void {
    this.#isAsleep = true
    this.renew()
  }

  encoded(): Uint8Array {
    const { name, zone, class: nodeClass, capacityBytes, version } = this.#world
    return signCard(this.#identity, {
      edition: this.#edition,
      name,
      zone,
      class: nodeClass,
      capacityBytes,
      addresses: this.#network.addresses().slice(0, addressesMax),
      software: `holdfast/${version}`,
      ...(this.#isAsleep ? { asleepForMs: this.#sleepsForMs } : {}),
    })
  }
}
