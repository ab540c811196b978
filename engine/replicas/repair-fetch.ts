// The fetching half of repair: once through the needs in their order. What another host is to fetch first is left to it, and taken from it as
// soon as it says that it has more.

import { equalBytes } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { EngineError } from '../base/errors.ts'
import { chargedBytes } from '../blocks/allowances.ts'
import type { BlockStore, StoredBlock } from '../blocks/store.ts'
import { blockIdOf } from '../crypto/seal.ts'
import type { BlockNeed } from '../index/block-need-table.ts'
import type { Index } from '../index/index-store.ts'
import type { FolderId, PeerId } from '../model/ids.ts'
import type { Fetcher, FetchOptions } from '../transfer/fetch.ts'
import { copiesOfRank, linkShare, pauseAfterMs, retryAfterMs, type LinkUse } from './repair-order.ts'
import { Spread } from './spread.ts'

/** Who else lacks what, at one moment. */
export interface Lackers {
  /** Changes with the hosts that are connected. */
  readonly hosts: string
  /** Connected hosts that are to hold the block and do not say that they do, this node among them. */
  readonly of: (need: BlockNeed) => readonly PeerId[]
}

export interface RepairFetchParts {
  readonly index: Index
  readonly store: BlockStore
  readonly folder: { readonly row: number; readonly id: FolderId }
  readonly self: PeerId
  readonly fetcher: Fetcher
  readonly clock: Clock
  readonly lackers: () => Lackers
  /** What else there is to know of the link. */
  readonly link: () => Omit<LinkUse, 'copies'>
  readonly events: { stored(): void; changed(): void }
}

/** Since the last time nothing was missing. */
export interface RepairProgress {
  readonly startedMs: number
  readonly blocks: number
  readonly bytes: number
}

const pageBlocksMax = 256
/** What is fetched at once: as much as comes in a few seconds, so that others can soon have it from here. */
const pageBytesMin = 256 * 1024
const pageBytesMax = 8 * 1024 * 1024
const pageLongMs = 4000
const pageShortMs = 1000
/** Looked through in vain for what another host may have by now. */
const sweepNeedsMax = 1024
/** Between two pages of one's own: others wait for those. */
const sweepPagesMax = 4
/** As long as nothing else changes, what is left to other hosts is not all looked through again. */
const passAgainMs = 30_000

export class RepairFetch {
  readonly #parts: RepairFetchParts
  readonly #spread: Spread
  #pageBytes = pageBytesMax / 8
  #pageMs = 0
  /** What the last pass that left nothing to be done here saw. */
  #passed: { readonly key: string; readonly atMs: number } | undefined
  #isWaiting = false
  /** Rounds in a row in which nothing came of what is missing. */
  #vainRounds = 0
  #progress: RepairProgress | undefined
  /** Hosts that had not got everything when they were last asked. */
  #awaited: ReadonlySet<PeerId> = new Set()

  constructor(parts: RepairFetchParts) {
    this.#parts = parts
    this.#spread = new Spread(parts.self)
  }

  /** What is missing could be had from nobody who is reachable. */
  get isWaiting(): boolean {
    return this.#isWaiting
  }

  /** undefined while nothing is missing. */
  get progress(): RepairProgress | undefined {
    return this.#progress
  }

  /** Until `run` is to be called again whatever happens. */
  get nextRunMs(): number {
    return Math.min(retryAfterMs(this.#vainRounds), this.#spread.nextLookMs(this.#parts.clock.monotonicMs()))
  }

  /** What nobody had is asked for as often again as at first. */
  retryNow(): void {
    this.#vainRounds = 0
  }

  /** Once through the needs. What nobody has stays for the next time. `edition` changes when needs were added. */
  async run(edition: number, signal: AbortSignal): Promise<void> {
    const { index, folder, link } = this.#parts
    if (link().isMetered) {
      this.#isWaiting = false
      return
    }
    const before = this.#progress?.blocks ?? 0
    while (await this.#round(edition, signal)); // after each something is left to fewer hosts
    const { blocks } = index.blockNeeds.totals(folder.row)
    if (blocks === 0) this.#isWaiting = false
    this.#vainRounds = blocks === 0 || (this.#progress?.blocks ?? 0) > before ? 0 : this.#vainRounds + 1
    if (blocks === 0) this.#progress = undefined
  }

  /** True when what was left to another host is to be fetched otherwise: it was waited for in vain, or says by now that it has everything. */
  async #round(edition: number, signal: AbortSignal): Promise<boolean> {
    const { clock, lackers } = this.#parts
    const key = `${edition}/${lackers().hosts}`
    const isPassed = this.#passed?.key === key && clock.monotonicMs() - this.#passed.atMs < passAgainMs
    if (!isPassed) {
      const missing = await this.#pass(signal)
      this.#passed = missing === 0 ? { key, atMs: clock.monotonicMs() } : undefined
      this.#isWaiting = missing > 0
    }
    const hasOwn = await this.#sweep(Number.POSITIVE_INFINITY, signal)
    const givenUp = this.#spread.waitsFor(this.#awaited, this.#pageMs, clock.monotonicMs())
    const isOther = givenUp.length > 0 || (isPassed && hasOwn)
    if (isOther) this.#passed = undefined
    return isOther
  }

  /** Fetches what no other host is to fetch first; gives how many of these could not be had. */
  async #pass(signal: AbortSignal): Promise<number> {
    const { clock, fetcher, lackers, events } = this.#parts
    let last: BlockNeed | undefined
    let missing = 0
    let seen = lackers()
    for (;;) {
      const page = this.#page(last)
      last = page.at(-1)
      if (last === undefined) return missing
      await clock.sleep(0, signal) // other work of this thread gets its turn between pages
      const wanted = this.#stillWanted(page)
      const others = new Map(wanted.map((need) => [need, seen.of(need)]))
      const own = wanted.filter((need) => this.#relayOf(need, others.get(need)) === undefined)
      if (own.length === 0) continue
      if (!fetcher.hasPeers) return missing + own.length
      const startedMs = clock.monotonicMs()
      const fetched = await this.#fetchOwn(own, others, signal)
      missing += own.length - fetched
      events.changed()
      if (fetched > 0) await this.#leaveLink(last, startedMs, signal)
      const isAnyReady = this.#awaited.size === 0 || [...this.#awaited].some((relay) => !fetcher.hasLacked(relay))
      if (isAnyReady) await this.#sweep(sweepPagesMax, signal)
      seen = lackers()
    }
  }

  async #fetchOwn(own: readonly BlockNeed[], others: ReadonlyMap<object, readonly PeerId[]>, signal: AbortSignal): Promise<number> {
    const { clock, self } = this.#parts
    const startedMs = clock.monotonicMs()
    const alone = own.filter((need) => others.get(need)?.some((peer) => peer !== self) !== true)
    const shared = own.filter((need) => !alone.includes(need))
    const came = new Set(await this.#fetch(alone, {}, signal))
    for (const need of await this.#fetch(shared, { mayAsk: (peer, block) => others.get(block)?.includes(peer) !== true }, signal))
      came.add(need)
    this.#notePage(clock.monotonicMs() - startedMs)
    // Whoever says nothing may have it all the same.
    const left = shared.filter((need) => !came.has(need))
    return came.size + (await this.#fetch(left, { isGuess: true }, signal)).length
  }

  /** Leaves the link to others for a while, after something was fetched since then. */
  async #leaveLink({ rank }: BlockNeed, startedMs: number, signal: AbortSignal): Promise<void> {
    const { clock, link } = this.#parts
    const share = linkShare({ ...link(), copies: copiesOfRank(rank) })
    const pauseMs = pauseAfterMs(clock.monotonicMs() - startedMs, share)
    if (pauseMs > 0) await clock.sleep(pauseMs, signal)
  }

  #notePage(tookMs: number): void {
    this.#pageMs = tookMs
    if (tookMs > pageLongMs) this.#pageBytes = Math.max(pageBytesMin, this.#pageBytes / 2)
    else if (tookMs < pageShortMs) this.#pageBytes = Math.min(pageBytesMax, this.#pageBytes * 2)
  }

  /** Takes from other hosts what they were to fetch first, as far as they have it. True when it came upon what is left to nobody. */
  async #sweep(pagesMax: number, signal: AbortSignal): Promise<boolean> {
    const { clock, fetcher, lackers } = this.#parts
    const seen = lackers()
    const awaited = new Set<PeerId>()
    let last: BlockNeed | undefined
    /** Who gave something of the last page that it was asked for. */
    const isReady = new Map<PeerId, boolean>()
    let hasOwn = false
    let inVain = 0
    for (let pages = 0; pages < pagesMax && inVain < sweepNeedsMax; pages++) {
      const page = this.#page(last)
      last = page.at(-1)
      if (last === undefined) break
      await clock.sleep(0, signal)
      const missing = this.#stillWanted(page)
      const relays = new Map<object, PeerId>(missing.flatMap((need) => this.#relayed(need, seen)))
      if (relays.size < missing.length) hasOwn = true
      const wanted = page.filter((need) => {
        const relay = relays.get(need)
        return relay !== undefined && (isReady.get(relay) ?? !fetcher.hasLacked(relay))
      })
      for (const need of wanted) isReady.set(relays.get(need) ?? this.#parts.self, false)
      const startedMs = clock.monotonicMs()
      const came = await this.#fetch(wanted, { mayAsk: (peer, block) => relays.get(block) === peer, isGuess: true }, signal)
      for (const need of came) isReady.set(relays.get(need) ?? this.#parts.self, true)
      for (const need of came) relays.delete(need)
      if (came.length > 0) await this.#leaveLink(last, startedMs, signal)
      for (const relay of relays.values()) awaited.add(relay)
      inVain = came.length > 0 ? 0 : inVain + page.length
    }
    this.#awaited = awaited
    return hasOwn
  }

  #relayed(need: BlockNeed, seen: Lackers): readonly (readonly [BlockNeed, PeerId])[] {
    const relay = this.#relayOf(need, seen.of(need))
    return relay === undefined ? [] : [[need, relay]]
  }

  #relayOf(need: BlockNeed, lackers: readonly PeerId[] = []): PeerId | undefined {
    return this.#spread.relayOf(need.id, lackers, this.#parts.clock.monotonicMs())
  }

  #page(last: BlockNeed | undefined): readonly BlockNeed[] {
    const { index, folder } = this.#parts
    const needs = index.blockNeeds.after(folder.row, last, pageBlocksMax)
    let bytes = 0
    const end = needs.findIndex((need) => (bytes += need.storedBytes) > this.#pageBytes)
    return end <= 0 ? needs.slice(0, end === 0 ? 1 : undefined) : needs.slice(0, end)
  }

  /** One need a block; those whose entry was superseded, or whose block came meanwhile, are let go of. */
  #stillWanted(page: readonly BlockNeed[]): readonly BlockNeed[] {
    const { index, store, folder } = this.#parts
    const wanted: BlockNeed[] = []
    index.transact(() => {
      for (const need of page) {
        if (store.has(folder.id, need.id)) index.blockNeeds.clear(folder.row, need.id)
        else if (!index.entries.isCurrent(need.entryRow)) index.blockNeeds.clearEntry(folder.row, need)
        else if (!wanted.some(({ id }) => equalBytes(id, need.id))) wanted.push(need)
      }
    })
    return wanted
  }

  /** What there is room for: the rest is not asked of anybody, or a full disk would cost others their link for ever. */
  #fitting(needs: readonly BlockNeed[]): readonly BlockNeed[] {
    const { store, folder } = this.#parts
    let room = store.roomOf(folder.id)
    return needs.filter(({ storedBytes }) => {
      const cost = chargedBytes({ blocks: 1, payloadBytes: storedBytes })
      if (cost > room) return false
      room -= cost
      return true
    })
  }

  /** Gives those that came. Throws `NO_SPACE` when there is no room for all; what fits is stored then. */
  async #fetch(needs: readonly BlockNeed[], options: FetchOptions, signal: AbortSignal): Promise<readonly BlockNeed[]> {
    const fitting = this.#fitting(needs)
    const came = fitting.length === 0 ? [] : await this.#fetchFitting(fitting, options, signal)
    if (fitting.length === needs.length) return came
    throw new EngineError(
      'NO_SPACE',
      'storing blocks: the disk is full, or the folder or this node has all that --capacity or "holdfast folder set F grant=SIZE" allow',
    )
  }

  async #fetchFitting(wanted: readonly BlockNeed[], options: FetchOptions, signal: AbortSignal): Promise<readonly BlockNeed[]> {
    const { index, store, folder, fetcher, events } = this.#parts
    const fetched = await fetcher.fetch(wanted, signal, options)
    const good: StoredBlock[] = []
    const came: BlockNeed[] = []
    for (const [at, block] of fetched.entries()) {
      const need = wanted[at]
      if (block === undefined || need === undefined) continue
      if (!equalBytes(blockIdOf(block.bytes), need.id)) {
        fetcher.distrust(block.from)
        continue
      }
      good.push({ folder: folder.id, id: need.id, bytes: block.bytes })
      came.push(need)
      this.#spread.got(block.from, block.bytes.length)
    }
    if (good.length === 0) return []
    await store.put(good)
    this.#count(good)
    index.transact(() => {
      for (const { id } of good) index.blockNeeds.clear(folder.row, id)
    })
    events.stored()
    return came
  }

  #count(good: readonly StoredBlock[]): void {
    const { startedMs, blocks, bytes } = this.#progress ?? { startedMs: this.#parts.clock.monotonicMs(), blocks: 0, bytes: 0 }
    const more = good.reduce((total, block) => total + block.bytes.length, 0)
    this.#progress = { startedMs, blocks: blocks + good.length, bytes: bytes + more }
  }
}
