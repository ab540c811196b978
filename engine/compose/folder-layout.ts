// Which blocks are whose in one folder: the layout of now, computed anew when members or their cards change, and those of a while ago that
// receipts still name.

import { bytesKey } from '../base/bytes.ts'
import { waitAtMost, Wakeup } from '../base/queue.ts'
import type { Index } from '../index/index-store.ts'
import type { Keep, MemberRecord } from '../model/folder.ts'
import type { BlockId, PeerId } from '../model/ids.ts'
import type { Holding } from '../replicas/holding.ts'
import { decodeLayout, encodeLayout, type KeptLayout } from '../replicas/kept-layout.ts'
import { holdersOf } from '../replicas/layout.ts'
import { placementDigest, type PlacementInput } from '../replicas/place.ts'
import type { PlacementMember } from '../replicas/placement-pool.ts'
import type { FolderLog } from '../share/folder-log.ts'
import type { CardShelf } from './card-box.ts'
import type { EngineWorld } from './parts.ts'

export interface FolderLayoutParts {
  readonly index: Index
  readonly world: EngineWorld
  readonly cards: CardShelf
  readonly self: PeerId
  readonly folder: Pick<MemberRecord, 'id' | 'row'>
  readonly log: FolderLog
  readonly ownKeep: Keep
  /** As the member's receipt says; undefined until one came. */
  readonly keepOf: (peer: PeerId) => Keep | undefined
  readonly changed: () => void
}

/** Cards come in bursts when nodes meet: one layout for all of them. */
const settleMs = 1500
const idleMs = 60_000
const keptLayoutsMax = 8
const nothingYet: Holding = { layout: Uint8Array.of(0), isMine: () => false }

export class FolderLayout {
  readonly #parts: FolderLayoutParts
  readonly #wakeup = new Wakeup()
  /** By digest (`bytesKey`), the oldest first. */
  readonly #known = new Map<string, KeptLayout>()
  #current: KeptLayout | undefined

  constructor(parts: FolderLayoutParts) {
    this.#parts = parts
    for (const bytes of parts.index.layouts.all(parts.folder.row)) {
      const layout = decodeLayout(bytes)
      if (layout !== undefined) this.#known.set(bytesKey(layout.digest), layout)
    }
  }

  /** Members, their cards or what they keep may have changed. */
  wake(): void {
    this.#wakeup.wake()
  }

  get isKnown(): boolean {
    return this.#current !== undefined
  }

  /** What is this node's own to hold. */
  get own(): Holding {
    const { self } = this.#parts
    const layout = this.#current
    return layout === undefined ? nothingYet : { layout: layout.digest, isMine: (id) => holdersOf(layout, id).includes(self) }
  }

  /** undefined for a layout that is not known here. */
  isHolder(digest: Uint8Array, peer: PeerId, block: BlockId): boolean | undefined {
    const layout = this.#known.get(bytesKey(digest))
    return layout === undefined ? undefined : holdersOf(layout, block).includes(peer)
  }

  /** Keeps the layout up to date until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts.world
    await this.#layOut(signal)
    for (;;) {
      await waitAtMost(this.#wakeup, clock, idleMs, signal)
      await clock.sleep(settleMs, signal) // a busy folder wakes it all the time
      if (this.#isStale) await this.#layOut(signal)
    }
  }

  get #isStale(): boolean {
    return this.#current === undefined || bytesKey(placementDigest(this.#input())) !== bytesKey(this.#current.digest)
  }

  async #layOut(signal: AbortSignal): Promise<void> {
    const { index, world, folder, changed } = this.#parts
    const input = this.#input()
    const name = bytesKey(placementDigest(input))
    const layout = this.#known.get(name) ?? (await world.jobs.run('layOut', input, { signal }))
    this.#current = layout
    if (!this.#known.has(name)) {
      this.#known.set(name, layout)
      const dropped = [...this.#known.values()].slice(0, Math.max(0, this.#known.size - keptLayoutsMax))
      for (const { digest } of dropped) this.#known.delete(bytesKey(digest))
      index.transact(() => {
        index.layouts.put(folder.row, layout.digest, encodeLayout(layout), world.clock.nowMs())
        for (const { digest } of dropped) index.layouts.remove(folder.row, digest)
      })
    }
    changed()
  }

  #input(): PlacementInput {
    const { folder, log } = this.#parts
    const active = log.members.filter(({ isRetired }) => !isRetired)
    const members = active.flatMap(({ peer, role }) => this.#memberOf(peer, role === 'host'))
    return { folder: folder.id, members, targetCopies: log.state.targetCopies }
  }

  /** Nothing for a host of which no card is known: what it offers is not known. */
  #memberOf(peer: PeerId, isHost: boolean): readonly PlacementMember[] {
    const { world, cards, self, ownKeep, keepOf } = this.#parts
    if (peer === self) return [{ peer, zone: world.zone, class: world.class, capacityBytes: world.capacityBytes, keep: ownKeep }]
    const card = cards.cardOf(peer)
    if (!isHost) return [{ peer, zone: card?.zone ?? '', class: card?.class ?? 'daily', capacityBytes: 0, keep: 'all' }]
    if (card === undefined) return []
    return [{ peer, zone: card.zone, class: card.class, capacityBytes: card.capacityBytes, keep: keepOf(peer) ?? 'share' }]
  }
}
