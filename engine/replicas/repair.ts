// What should I hold, what do I hold, fetch the difference: new content, repair and a new layout are this one loop. It looks through the
// entries for blocks that are to be held here and are not, and fetches those from whoever has them.

import { equalBytes } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { errorCodeOf, messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { throwIfAborted, waitAtMost, Wakeup } from '../base/queue.ts'
import type { BlockStore, StoredBlock } from '../blocks/store.ts'
import { blockIdOf } from '../crypto/seal.ts'
import type { BlockNeed } from '../index/block-need-table.ts'
import type { EntryRow, StoredEntry } from '../index/entry-table.ts'
import type { Index } from '../index/index-store.ts'
import { decodeEntry } from '../model/entry.ts'
import type { BlockId, FolderId } from '../model/ids.ts'
import type { Fetcher } from '../transfer/fetch.ts'
import type { Holding } from './holding.ts'
import { copiesOfRank, linkShare, pauseAfterMs, retryAfterMs, type LinkUse } from './repair-order.ts'

export interface RepairParts {
  readonly index: Index
  readonly store: BlockStore
  readonly folder: { readonly row: number; readonly id: FolderId }
  readonly fetcher: Fetcher
  readonly clock: Clock
  readonly log: Log
  /** What this node is to hold, as it is now. */
  readonly holding: () => Holding
  /** Blocks of an entry that this node has said it holds, by whichever placement. */
  readonly claims: () => (entry: EntryRow) => readonly BlockId[]
  /** `repairRank` of entries as they are held now. */
  readonly ranks: () => (entry: EntryRow) => number
  /** What else there is to know of the link. */
  readonly link: () => Omit<LinkUse, 'copies'>
  readonly events: RepairEvents
}

/** Since the last time nothing was missing. */
export interface RepairProgress {
  readonly startedMs: number
  readonly blocks: number
  readonly bytes: number
}

export interface RepairEvents {
  /** Blocks came: others can have them. */
  stored(): void
  changed(): void
  /** Writing failed, or went well again. */
  trouble(trouble: { readonly code: string; readonly text: string } | undefined): void
}

/** What one page of entries is looked at with. */
interface Looker {
  readonly isMine: Holding['isMine']
  readonly rankOf: (entry: EntryRow) => number
  readonly claimedOf: (entry: EntryRow) => readonly BlockId[]
}

/** A page of entries is looked at in one go, some milliseconds. */
const lookEntries = 100
const lookBlocksMax = 5000
const fetchBlocksMax = 256
const fetchBytesTarget = 8 * 1024 * 1024
/** Everything is looked through again so long after the last time at the earliest: when others ask for what is not here, anybody may do that … */
const askedLookMs = 60_000
/** … and when this node found a loss itself. */
const lossLookMs = 10_000
/** A look that is due waits so long at a time for the one before it to come to an end: entries may have to be flushed first. */
const dueLookMs = 100
const troubleRetryMs = 10_000

export class Repair {
  readonly #parts: RepairParts
  readonly #wakeup = new Wakeup()
  #isBusy = false
  #hasMissed = false
  #lookedAgainMs = Number.NEGATIVE_INFINITY
  /** When everything is to be looked through again. */
  #lookAtMs = Number.POSITIVE_INFINITY
  /** A block is known to be gone, and not yet which entries are without it. */
  #hasLoss = false
  /** Needs that nobody had when they were last asked for. */
  #isWaiting = false
  /** Rounds in a row in which nothing came of what is missing. */
  #vainRounds = 0
  #progress: RepairProgress | undefined

  constructor(parts: RepairParts) {
    this.#parts = parts
  }

  /** Entries came, somebody has more blocks, or what is to be held changed. */
  wake(): void {
    this.#wakeup.wake()
  }

  /** As `wake`; and what nobody had is asked for as often again as at first. */
  retryNow(): void {
    this.#vainRounds = 0
    this.#wakeup.wake()
  }

  get isBusy(): boolean {
    return this.#isBusy
  }

  /** What is missing could be had from nobody who is reachable. */
  get isWaiting(): boolean {
    return this.#isWaiting
  }

  /** undefined while nothing is missing. */
  get progress(): RepairProgress | undefined {
    return this.#progress
  }

  /** Something that was held is not: nothing is known of what earlier placements gave to this node. */
  get hasMissed(): boolean {
    return this.#hasMissed
  }

  /** All that is to be held is known: every flushed entry was looked at by the layout of now, and nothing was lost since. */
  get hasLooked(): boolean {
    if (this.#hasLoss) return false
    return this.#isThrough
  }

  get #isThrough(): boolean {
    const { index, folder, holding } = this.#parts
    const cursor = index.blockNeeds.cursor(folder.row)
    return cursor.row >= index.entries.lastRowOf(folder.row) && equalBytes(cursor.layout, holding().layout)
  }

  /**
   * Somebody asked for a block that is not here. When it is to be held, and is not known to be missing, it may have been lost: then everything is
   * looked through again, soon. Anybody may ask for anything, so that this must cost little otherwise.
   */
  missed(id: BlockId): void {
    const { index, folder, holding } = this.#parts
    if (!holding().isMine(id) || index.blockNeeds.has(folder.row, id)) return
    if (this.#isThrough) this.#hasMissed = true
    this.#lookAgainFrom(this.#lookedAgainMs + askedLookMs)
  }

  /** The store lost blocks of the folder: until it is known of which entries, nothing that is said of them holds. */
  lost(): void {
    this.#hasMissed = true
    this.#hasLoss = true
    this.#lookAgainFrom(this.#lookedAgainMs + lossLookMs)
  }

  #lookAgainFrom(ms: number): void {
    this.#lookAtMs = Math.min(this.#lookAtMs, ms)
    this.#beginDueLook()
    this.#wakeup.wake()
  }

  /** A look under way goes on to its end first: whatever is lost all the time, it comes to one. */
  #beginDueLook(): void {
    if (this.#parts.clock.monotonicMs() < this.#lookAtMs || !this.#isThrough) return
    this.#lookAgain()
  }

  #lookAgain(): void {
    const { index, folder, clock } = this.#parts
    this.#lookedAgainMs = clock.monotonicMs()
    this.#lookAtMs = Number.POSITIVE_INFINITY
    this.#hasLoss = false
    index.transact(() => index.blockNeeds.setCursor(folder.row, { row: 0, layout: new Uint8Array(0) }))
  }

  /** Works until `signal` aborts. Begins with a look at everything: the store may have lost blocks when it was opened. */
  async run(signal: AbortSignal): Promise<void> {
    this.#lookAgain()
    this.#wakeup.wake()
    for (;;) {
      const untilLookMs = this.#lookAtMs - this.#parts.clock.monotonicMs()
      await waitAtMost(this.#wakeup, this.#parts.clock, Math.max(dueLookMs, Math.min(retryAfterMs(this.#vainRounds), untilLookMs)), signal)
      this.#isBusy = true
      try {
        this.#beginDueLook()
        await this.#look(signal)
        await this.#fetchAll(signal)
        this.#parts.events.trouble(undefined)
      } catch (error) {
        if (signal.aborted) throw error
        await this.#meetTrouble(error, signal)
      } finally {
        this.#isBusy = false
        this.#parts.events.changed()
      }
    }
  }

  async #meetTrouble(error: unknown, signal: AbortSignal): Promise<void> {
    const { log, events, clock } = this.#parts
    const code = errorCodeOf(error)
    if (code === undefined) throw error
    log.warn('could not store blocks of a folder', { code, error: messageOf(error) })
    events.trouble({ code, text: messageOf(error) })
    await clock.sleep(troubleRetryMs, signal)
    this.#wakeup.wake()
  }

  /** Turns entries that were not looked at yet into needs. */
  async #look(signal: AbortSignal): Promise<void> {
    const { index, folder, holding, clock, ranks, claims } = this.#parts
    for (;;) {
      throwIfAborted(signal)
      const { layout, isMine } = holding()
      const looker = { isMine, rankOf: ranks(), claimedOf: claims() }
      const cursor = index.blockNeeds.cursor(folder.row)
      const isSame = equalBytes(cursor.layout, layout)
      const from = isSame ? cursor.row : 0
      const rows = index.entries.after(folder.row, from, lookEntries)
      if (rows.length === 0 && isSame) return
      index.transact(() => {
        if (!isSame) index.blockNeeds.clearAll(folder.row)
        let row = from
        let blocks = 0
        for (const next of rows) {
          blocks += this.#needOf(next, looker)
          row = next.rowSeq
          if (blocks > lookBlocksMax) break
        }
        index.blockNeeds.setCursor(folder.row, { row, layout })
      })
      await clock.sleep(0, signal)
    }
  }

  /** Gives how many blocks the entry names. */
  #needOf(row: StoredEntry, { isMine, rankOf, claimedOf }: Looker): number {
    const { index, store, folder } = this.#parts
    const entry = decodeEntry(row.bytes)
    if (entry === undefined) return 0
    // What an earlier placement gave to this node is said to be held still: not when some of it went while nobody looked.
    if (!this.#hasMissed) this.#hasMissed = claimedOf({ ...row, entry }).some((id) => !isMine(id) && !store.has(folder.id, id))
    let rank: number | undefined
    for (const { id, storedBytes } of entry.blocks) {
      if (!isMine(id) || store.has(folder.id, id)) continue
      rank ??= rankOf({ ...row, entry })
      index.blockNeeds.put(folder.row, { rank, id, entryRow: row.rowSeq, storedBytes })
    }
    return entry.blocks.length
  }

  /** Once through the needs. What nobody has stays for the next time. */
  async #fetchAll(signal: AbortSignal): Promise<void> {
    const { index, folder, events, clock, fetcher } = this.#parts
    let last: BlockNeed | undefined
    let [missing, came] = [0, 0]
    if (this.#parts.link().isMetered) {
      this.#isWaiting = false
      return
    }
    for (;;) {
      const page = this.#page(last)
      last = page.at(-1)
      if (last === undefined) break
      await clock.sleep(0, signal) // other work of this thread gets its turn between pages
      const wanted = this.#stillWanted(page)
      if (wanted.length === 0) continue
      if (!fetcher.hasPeers) {
        missing += wanted.length
        break
      }
      const startedMs = clock.monotonicMs()
      const fetched = await this.#fetch(wanted, signal)
      came += fetched
      missing += wanted.length - fetched
      events.changed()
      const share = linkShare({ ...this.#parts.link(), copies: copiesOfRank(last.rank) })
      const pauseMs = fetched === 0 ? 0 : pauseAfterMs(clock.monotonicMs() - startedMs, share)
      if (pauseMs > 0) await clock.sleep(pauseMs, signal)
    }
    const { blocks } = index.blockNeeds.totals(folder.row)
    this.#isWaiting = missing > 0 && blocks > 0
    this.#vainRounds = came > 0 || blocks === 0 ? 0 : this.#vainRounds + 1
    if (blocks === 0) this.#progress = undefined
  }

  #count(good: readonly StoredBlock[]): void {
    const { startedMs, blocks, bytes } = this.#progress ?? { startedMs: this.#parts.clock.monotonicMs(), blocks: 0, bytes: 0 }
    const more = good.reduce((total, block) => total + block.bytes.length, 0)
    this.#progress = { startedMs, blocks: blocks + good.length, bytes: bytes + more }
  }

  #page(last: BlockNeed | undefined): readonly BlockNeed[] {
    const { index, folder } = this.#parts
    const needs = index.blockNeeds.after(folder.row, last, fetchBlocksMax)
    let bytes = 0
    const end = needs.findIndex((need) => (bytes += need.storedBytes) > fetchBytesTarget)
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

  /** Gives how many came. */
  async #fetch(wanted: readonly BlockNeed[], signal: AbortSignal): Promise<number> {
    const { index, store, folder, fetcher, events } = this.#parts
    const fetched = await fetcher.fetch(wanted, signal)
    const good: StoredBlock[] = []
    for (const [at, block] of fetched.entries()) {
      const need = wanted[at]
      if (block === undefined || need === undefined) continue
      if (equalBytes(blockIdOf(block.bytes), need.id)) good.push({ folder: folder.id, id: need.id, bytes: block.bytes })
      else fetcher.distrust(block.from)
    }
    if (good.length === 0) return 0
    await store.put(good)
    this.#count(good)
    index.transact(() => {
      for (const { id } of good) index.blockNeeds.clear(folder.row, id)
    })
    events.stored()
    return good.length
  }
}
