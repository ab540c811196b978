// Which blocks are whose in one folder: the layout of now, as an owner published it or laid anew from that when members or their cards have
// changed since. An owner publishes what it laid.

import { bytesKey, equalBytes } from '../base/bytes.ts'
import { Allowance } from '../base/allowance.ts'
import { waitAtMost, Wakeup } from '../base/queue.ts'
import type { Signer } from '../crypto/sign.ts'
import type { Index } from '../index/index-store.ts'
import { activeMembers, type Keep, type MemberRecord } from '../model/folder.ts'
import type { BlockId, PeerId } from '../model/ids.ts'
import type { Holding } from '../replicas/holding.ts'
import type { KeptLayout } from '../replicas/kept-layout.ts'
import { LayoutShelf } from '../replicas/layout-shelf.ts'
import { holdersOf } from '../replicas/layout.ts'
import { offeredBytes, type Offer } from '../replicas/offer.ts'
import { placementFacts, type AbsentMember, type PlacementInput } from '../replicas/place.ts'
import type { PlacementMember } from '../replicas/placement-pool.ts'
import { publishesInMs, signLayout, type PublishedLayout } from '../replicas/published-layout.ts'
import type { FolderLog } from '../share/folder-log.ts'
import type { CardShelf } from './card-box.ts'
import type { EngineWorld } from './parts.ts'

export interface FolderLayoutParts {
  readonly index: Index
  readonly world: Pick<EngineWorld, 'clock' | 'jobs' | 'zone' | 'class' | 'capacityBytes'>
  readonly cards: Pick<CardShelf, 'cardOf'>
  readonly self: PeerId
  readonly signer: Signer
  readonly folder: Pick<MemberRecord, 'id' | 'row'>
  readonly log: Pick<FolderLog, 'members' | 'state' | 'roleOf'>
  readonly ownKeep: () => Keep
  /** As the member's receipt says; undefined until one came. */
  readonly keepOf: (peer: PeerId) => Keep | undefined
  /** As its receipt says, this node's own too. */
  readonly offerOf: (peer: PeerId) => Offer
  readonly hasLeft: (peer: PeerId) => boolean
  /** Members that are overdue or lost. */
  readonly absent: () => ReadonlyMap<PeerId, AbsentMember['degree']>
  /** There is another layout, or one more that receipts may name. */
  readonly changed: () => void
  /** There is a published layout to be told to the members. */
  readonly tell: () => void
}

/** Cards come in bursts when nodes meet: one layout for all of them. */
const settleMs = 1500
const idleMs = 60_000
/** A member that changes its card all the time does not keep the others busy: some at once, then one a minute. */
const layoutsAllowed = { burst: 30, perSecond: 1 / 60 }
const nothingYet: Holding = { layout: Uint8Array.of(0), isMine: () => false }

interface LaidFor {
  readonly facts: Uint8Array
  readonly published: PublishedLayout | undefined
  readonly absent: readonly AbsentMember[]
}

export class FolderLayout {
  readonly shelf: LayoutShelf
  readonly #parts: FolderLayoutParts
  readonly #wakeup = new Wakeup()
  readonly #allowance: Allowance
  /** Of all members, whether they are there or not: what is published, so that who comes back has what it had. */
  #base: KeptLayout | undefined
  /** … and as it is without those that are absent. */
  #current: KeptLayout | undefined
  /** What the two were laid from. */
  #laidFor: LaidFor | undefined

  constructor(parts: FolderLayoutParts) {
    this.#parts = parts
    const { index, folder, world, log, changed, tell } = parts
    this.#allowance = new Allowance(layoutsAllowed, world.clock.monotonicMs())
    this.shelf = new LayoutShelf({
      index,
      folder,
      clock: world.clock,
      isOwner: (peer) => log.roleOf(peer) === 'owner',
      changed: () => {
        this.wake()
        changed()
        tell()
      },
    })
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

  /** Those that must hold the block by the layout of now; nobody while there is none. */
  holdersNow(block: BlockId): readonly PeerId[] {
    return this.#current === undefined ? [] : holdersOf(this.#current, block)
  }

  /** More members keep a share than there are copies of it: what one of them cannot hold, another one can. */
  get hasChoice(): boolean {
    const layout = this.#current
    return layout !== undefined && layout.copies < layout.peers.length
  }

  /** Which partitions are this node's own to hold; undefined while that is not known. */
  get ownPartitions(): ((partition: number) => boolean) | undefined {
    const { self } = this.#parts
    const layout = this.#current
    return layout === undefined ? undefined : (partition) => layout.holders[partition]?.includes(self) === true
  }

  /** undefined for a layout that is not known here. */
  isHolder(digest: Uint8Array, peer: PeerId, block: BlockId): boolean | undefined {
    const layout = this.shelf.of(digest)
    return layout === undefined ? undefined : holdersOf(layout, block).includes(peer)
  }

  /** Keeps the layout up to date until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts.world
    await this.#layOut(signal)
    for (;;) {
      await waitAtMost(this.#wakeup, clock, Math.min(idleMs, this.#publishesInMs ?? idleMs), signal)
      await clock.sleep(Math.max(settleMs, this.#allowance.waitMs(clock.monotonicMs())), signal) // a busy folder wakes it all the time
      if (this.#isStale) await this.#layOut(signal)
      if (this.#publishesInMs === 0) this.#publish()
    }
  }

  get #isStale(): boolean {
    const laid = this.#laidFor
    if (laid === undefined || laid.published !== this.shelf.published) return true
    return JSON.stringify(laid.absent) !== JSON.stringify(this.#absent) || !equalBytes(laid.facts, placementFacts(this.#input()))
  }

  async #layOut(signal: AbortSignal): Promise<void> {
    const { world, changed } = this.#parts
    const input = this.#input()
    const facts = placementFacts(input)
    const { published } = this.shelf
    const isAsPublished = published !== undefined && equalBytes(published.facts, facts)
    this.#allowance.use(1, world.clock.monotonicMs())
    const absent = this.#absent
    const previous = published?.layout
    const base = isAsPublished ? published.layout : await world.jobs.run('layOut', { ...input, previous: tableOf(previous) }, { signal })
    const layout = absent.length === 0 ? base : await world.jobs.run('layOut', { ...input, previous: tableOf(base), absent }, { signal })
    const isOther = this.#current === undefined || bytesKey(this.#current.digest) !== bytesKey(layout.digest)
    this.#base = base
    this.#laidFor = { facts, published, absent }
    if (!isOther) return
    this.#current = layout
    this.shelf.keep(layout)
    changed()
  }

  /** undefined where this node publishes nothing as things are. */
  get #publishesInMs(): number | undefined {
    const { log, self } = this.#parts
    const isOwner = log.members.some(({ peer, role, isRetired }) => peer === self && role === 'owner' && !isRetired)
    if (!isOwner || this.#base === undefined || this.#laidFor === undefined || this.#isStale) return undefined
    const { facts, published } = this.#laidFor
    return publishesInMs(published, { self, facts, copies: this.#base.copies }, this.shelf.publishedAgeMs)
  }

  /** What was laid from the step before is the next one. */
  #publish(): void {
    const { signer, folder, world } = this.#parts
    if (this.#base === undefined || this.#laidFor === undefined) return
    const { facts, published } = this.#laidFor
    const next = { step: (published?.step ?? 0) + 1, facts, layout: this.#base }
    this.shelf.take(signLayout(signer, folder.id, next, world.clock.nowMs()))
  }

  get #absent(): readonly AbsentMember[] {
    const absent = [...this.#parts.absent()].map(([peer, degree]) => ({ peer, degree }))
    return absent.toSorted((left, right) => (left.peer < right.peer ? -1 : 1))
  }

  /** Members that are to hold all of the folder, or a share of it, whether they are there or not. */
  keepers(): readonly PeerId[] {
    const everywhere = this.#members().flatMap(({ peer, keep }) => (keep === 'all' ? peer : []))
    return [...everywhere, ...this.sharers().map(({ peer }) => peer)]
  }

  /** Members that keep a share. */
  sharers(): readonly PlacementMember[] {
    return this.#members().filter(({ keep, capacityBytes }) => keep === 'share' && capacityBytes > 0)
  }

  #input(): PlacementInput {
    const { folder, log } = this.#parts
    return { folder: folder.id, members: this.#members(), targetCopies: log.state.targetCopies }
  }

  #members(): readonly PlacementMember[] {
    const active = activeMembers(this.#parts.log.members, this.#parts)
    return active.flatMap(({ peer, role }) => this.#memberOf(peer, role === 'host'))
  }

  /** Nothing for a host of which no card is known: what it offers is not known. */
  #memberOf(peer: PeerId, isHost: boolean): readonly PlacementMember[] {
    const { world, cards, self, ownKeep, keepOf, offerOf } = this.#parts
    const known = peer === self ? world : cards.cardOf(peer)
    const keep = peer === self ? ownKeep() : (keepOf(peer) ?? (isHost ? 'share' : 'all'))
    if (!isHost) return [{ peer, zone: known?.zone ?? '', class: known?.class ?? 'daily', capacityBytes: 0, keep }]
    if (known === undefined) return []
    const offer = offerOf(peer)
    const capacityBytes = offeredBytes(known.capacityBytes, offer)
    // Who is to hold everything and has no room for it is no copy that others can reckon with.
    return [{ peer, zone: known.zone, class: known.class, capacityBytes, keep: keep === 'all' && offer.isFull ? 'none' : keep }]
  }
}

/** Without what a worker has no use for. */
function tableOf(layout: KeptLayout | undefined): PlacementInput['previous'] {
  if (layout === undefined) return undefined
  const { peers, copies, slots } = layout
  return { peers, copies, slots }
}
