// What should I hold, what do I hold, fetch the difference: new content, repair and a new layout are this one loop. It looks through the
// entries for blocks that are to be held here and are not, and fetches those from whoever has them.

import { equalBytes } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { errorCodeOf, messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { throwIfAborted, waitAtMost, Wakeup } from '../base/queue.ts'
import type { BlockStore } from '../blocks/store.ts'
import type { EntryRow, StoredEntry } from '../index/entry-table.ts'
import type { Index } from '../index/index-store.ts'
import { decodeEntry } from '../model/entry.ts'
import type { BlockId, FolderId, PeerId } from '../model/ids.ts'
import type { Fetcher } from '../transfer/fetch.ts'
import type { Holding } from './holding.ts'
import { RepairFetch, type Lackers, type RepairProgress } from './repair-fetch.ts'
import type { LinkUse } from './repair-order.ts'

export interface RepairParts {
  readonly index: Index
  readonly store: BlockStore
  readonly folder: { readonly row: number; readonly id: FolderId }
  readonly fetcher: Fetcher
  readonly self: PeerId
  readonly clock: Clock
  readonly log: Log
  /** What this node is to hold, as it is now. */
  readonly holding: () => Holding
  /** Blocks of an entry that this node has said it holds, by whichever placement. */
  readonly claims: () => (entry: EntryRow) => readonly BlockId[]
  /** Which hosts lack what, as they say. */
  readonly lackers: () => Lackers
  /** `repairRank` of entries as they are held now. */
  readonly ranks: () => (entry: EntryRow) => number
  /** What else there is to know of the link. */
  readonly link: () => Omit<LinkUse, 'copies'>
  readonly events: RepairEvents
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
const clearedAtOnce = 5000
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
  readonly #fetch: RepairFetch
  /** Goes up with every need. */
  #needsAdded = 0

  constructor(parts: RepairParts) {
    this.#parts = parts
    this.#fetch = new RepairFetch(parts)
  }

  /** Entries came, somebody has more blocks, or what is to be held changed. */
  wake(): void {
    this.#wakeup.wake()
  }

  /** As `wake`; and what nobody had is asked for as often again as at first. */
  retryNow(): void {
    this.#fetch.retryNow()
    this.#wakeup.wake()
  }

  get isBusy(): boolean {
    return this.#isBusy
  }

  /** What is missing could be had from nobody who is reachable. */
  get isWaiting(): boolean {
    return this.#fetch.isWaiting
  }

  /** undefined while nothing is missing. */
  get progress(): RepairProgress | undefined {
    return this.#fetch.progress
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
      const waitMs = Math.max(dueLookMs, Math.min(untilLookMs, this.#fetch.nextRunMs))
      await waitAtMost(this.#wakeup, this.#parts.clock, waitMs, signal)
      this.#isBusy = true
      try {
        this.#beginDueLook()
        await this.#look(signal)
        await this.#fetch.run(this.#needsAdded, signal)
        this.#parts.events.trouble(undefined)
      } catch (error) {
        throwIfAborted(signal)
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
      if (!isSame && this.#clearSome()) {
        await clock.sleep(0, signal)
        continue
      }
      const from = isSame ? cursor.row : 0
      if (from === 0) this.#hasMissed = false // what is missing of all that is said to be held is met again on the way
      const rows = index.entries.after(folder.row, from, lookEntries)
      if (rows.length === 0 && isSame) return
      index.transact(() => {
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

  /** Lets go of needs of an earlier layout, a bounded piece at a time; false when there were none. Nothing is looked through by then. */
  #clearSome(): boolean {
    const { index, folder } = this.#parts
    return index.transact(() => {
      index.blockNeeds.setCursor(folder.row, { row: 0, layout: new Uint8Array(0) })
      return index.blockNeeds.clearSome(folder.row, clearedAtOnce) > 0
    })
  }

  /** Gives how many blocks the entry names. */
  #needOf(row: StoredEntry, { isMine, rankOf, claimedOf }: Looker): number {
    const { index, store, folder } = this.#parts
    const entry = decodeEntry(row.bytes)
    if (entry === undefined) return 0
    // What an earlier placement gave to this node is said to be held still: not when some of it went while nobody looked. It may be this node's by
    // the placement of now as well, and then the need alone takes back only what is said by that one.
    if (!this.#hasMissed) this.#hasMissed = claimedOf({ ...row, entry }).some((id) => !store.has(folder.id, id))
    let rank: number | undefined
    for (const { id, storedBytes } of entry.blocks) {
      if (!isMine(id) || store.has(folder.id, id)) continue
      rank ??= rankOf({ ...row, entry })
      this.#needsAdded++
      index.blockNeeds.put(folder.row, { rank, id, entryRow: row.rowSeq, storedBytes })
    }
    return entry.blocks.length
  }
}
