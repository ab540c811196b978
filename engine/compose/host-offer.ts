// What a host that is full says of its room, kept up to date: its receipt tells the members, whose layouts then give a part of its share to
// others (decision 0050). The last word stands in the receipt itself, also over a restart.

import type { Clock } from '../base/clock.ts'
import type { BlockStore } from '../blocks/store.ts'
import type { FolderId } from '../model/ids.ts'
import { nextOffer, wholeOffer, type Offer } from '../replicas/offer.ts'

export interface HostOfferParts {
  readonly clock: Clock
  readonly store: Pick<BlockStore, 'payloadBytesOf' | 'roomOf'>
  readonly folder: FolderId
  readonly keepsAll: boolean
  readonly awakeMs: () => number
  /** What this node's last receipt said. */
  readonly said: () => Offer | undefined
  /** undefined while it is not known. */
  readonly neededBytes: () => number | undefined
  readonly mayOthersHelp: () => boolean
  readonly hasSurplus: () => boolean
  readonly changed: () => void
}

const lookMs = 10_000

export class HostOffer {
  readonly #parts: HostOfferParts
  #offer: Offer | undefined
  #refusedSinceMs: number | undefined
  #changedMs: number

  constructor(parts: HostOfferParts) {
    this.#parts = parts
    this.#changedMs = parts.awakeMs()
  }

  get offer(): Offer {
    return this.#offer ?? this.#parts.said() ?? wholeOffer
  }

  /** Blocks were refused for want of room … */
  refused(): void {
    this.#refusedSinceMs ??= this.#parts.awakeMs()
  }

  /** … or are not any more. */
  taken(): void {
    this.#refusedSinceMs = undefined
  }

  get isRefusing(): boolean {
    return this.#refusedSinceMs !== undefined
  }

  async run(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#parts.clock.sleep(lookMs, signal)
      this.#look()
    }
  }

  #look(): void {
    const { store, folder, keepsAll, awakeMs, neededBytes, mayOthersHelp, hasSurplus, changed } = this.#parts
    const needed = neededBytes() ?? (this.isRefusing ? 1 : undefined) // a disk that is full keeps this node from finding out
    const { offer } = this
    const isWhole = !offer.isFull && offer.share === wholeOffer.share
    if (needed === undefined || (isWhole && !this.isRefusing)) return
    const nowMs = awakeMs()
    const next = nextOffer(offer, {
      keepsAll,
      refusedForMs: this.#refusedSinceMs === undefined ? undefined : nowMs - this.#refusedSinceMs,
      neededBytes: needed,
      heldBytes: store.payloadBytesOf(folder),
      roomBytes: store.roomOf(folder),
      mayOthersHelp: mayOthersHelp(),
      unchangedForMs: nowMs - this.#changedMs,
      hasSurplus,
    })
    if (next === offer) return
    this.#offer = next
    if (next.share !== offer.share) this.#changedMs = nowMs
    changed()
  }
}
