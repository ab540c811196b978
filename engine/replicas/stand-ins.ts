// Stands in for members that are away: what came while those that are to hold it are not here is fetched by the next in order among those that are,
// and given up once others hold it. The loop; who and when is stand-in.ts, what is held then stand-in-book.ts. Decision 0052.

import { bytesKey, equalBytes } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { errorCodeOf, messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { throwIfAborted, waitAtMost, Wakeup } from '../base/queue.ts'
import { chargedBytes } from '../blocks/allowances.ts'
import type { BlockStore, StoredBlock } from '../blocks/store.ts'
import { blockIdOf } from '../crypto/seal.ts'
import type { EntryRow, StoredEntry } from '../index/entry-table.ts'
import type { Index } from '../index/index-store.ts'
import { glanceAtEntry, type BlockRef } from '../model/entry.ts'
import type { FolderId, PeerId } from '../model/ids.ts'
import type { Fetcher } from '../transfer/fetch.ts'
import { partitionOf } from './layout.ts'
import { linkShare, pauseAfterMs, type LinkUse } from './repair-order.ts'
import { hasRoomToStandIn, isShort, standInAfterMs, standInOrder, type StandInCandidate, type StandInPace } from './stand-in.ts'
import type { HeldEntry, StandInBook } from './stand-in-book.ts'

/** Who has what, and who is here, at one moment. */
export interface StandInOutlook {
  readonly targetCopies: number
  /** How many members say that they hold the entry, of those that are away too; undefined for a deletion. Cheap. */
  readonly claimsOf: (row: StoredEntry) => number | undefined
  /** Of the block that the fewest say they hold, or are here and are to fetch: who. */
  readonly holdersOf: (row: EntryRow) => readonly PeerId[]
  /** Copies that can be counted on, what this node holds for others left out. */
  readonly otherCopiesOf: (row: EntryRow) => number
  /** Hosts with room that are here, this node among them when it is one. */
  readonly candidates: readonly StandInCandidate[]
  readonly zoneOf: (peer: PeerId) => string
}

export interface StandInsParts {
  readonly index: Index
  readonly store: Pick<BlockStore, 'has' | 'put' | 'roomOf'>
  readonly folder: { readonly row: number; readonly id: FolderId }
  readonly book: StandInBook
  readonly self: PeerId
  readonly fetcher: Pick<Fetcher, 'fetch' | 'hasPeers' | 'distrust'>
  readonly clock: Clock
  readonly log: Log
  readonly awakeMs: () => number
  readonly pace: StandInPace
  /** What the store has is known, and so is what is whose. */
  readonly canLook: () => boolean
  /** Some member that is to hold content of the folder is not here. */
  readonly isAnyAway: () => boolean
  readonly outlook: () => StandInOutlook
  /** This node's receipt says that it holds the entry for others. */
  readonly isSaid: (entry: HeldEntry) => boolean
  readonly link: () => Omit<LinkUse, 'copies'>
  readonly events: {
    /** Blocks came: others can have them. */
    stored(): void
    /** What is to be said of it changed. */
    changed(): void
  }
}

/** More are not held for others, nor waited for. */
const entriesMax = 10_000
const pageEntries = 200
/** Judged one by one between two turns of other work. */
const judgedAtOnce = 20
const fetchBlocksMax = 64
const fetchBytesMax = 4 * 1024 * 1024
/** Looking takes at most the twentieth part of the time. */
const restShare = 20

export class StandIns {
  readonly #parts: StandInsParts
  readonly #wakeup = new Wakeup()
  /** Entries that fewer members hold than are to: by row, since when there is nobody here who is to fetch it. */
  readonly #short = new Map<number, number | undefined>()
  #scannedRow: number
  /** Of the look of now, spent on the line. */
  #fetchedMs = 0

  constructor(parts: StandInsParts) {
    this.#parts = parts
    this.#scannedRow = parts.index.standIns.mark(parts.folder.row)
  }

  /** The store lost blocks. */
  lost(): void {
    this.#parts.book.doubt()
    this.#wakeup.wake()
  }

  /** What the store has may be known by now. */
  wake(): void {
    if (!this.#parts.book.isVerified) this.#wakeup.wake()
  }

  /** Works until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, pace, log } = this.#parts
    this.#wakeup.wake()
    for (;;) {
      const startedMs = clock.monotonicMs()
      this.#fetchedMs = 0
      try {
        await this.look(signal)
      } catch (error) {
        throwIfAborted(signal)
        if (errorCodeOf(error) === undefined) throw error
        log.warn('could not hold content for members that are away; it is tried again', { error: messageOf(error) })
      }
      const lookedMs = clock.monotonicMs() - startedMs - this.#fetchedMs
      await waitAtMost(this.#wakeup, clock, Math.max(pace.lookMs, restShare * lookedMs), signal)
    }
  }

  /** One look. Throws what the store and the index throw. */
  async look(signal: AbortSignal): Promise<void> {
    const { book, canLook, isAnyAway, link, outlook, isSaid, events } = this.#parts
    if (!canLook()) return
    if (!book.isVerified) {
      for (const rowSeq of await book.verify(signal)) this.#short.set(rowSeq, undefined)
      events.changed()
    }
    if (book.size > 0) {
      const { otherCopiesOf, targetCopies } = outlook()
      if (await book.review({ isEnough: (entry) => otherCopiesOf(entry) >= targetCopies, isSaid }, signal)) events.changed()
    }
    if (!isAnyAway()) return this.#forgetTimes()
    if (link().isMetered) return
    await this.#scan(signal)
    await this.#takeDue(signal)
    this.#saveMark()
  }

  #forgetTimes(): void {
    for (const rowSeq of this.#short.keys()) this.#short.set(rowSeq, undefined)
  }

  /** Finds entries that too few hold, of those that came since the last look. */
  async #scan(signal: AbortSignal): Promise<void> {
    const { index, folder, clock, outlook } = this.#parts
    while (this.#short.size < entriesMax) {
      const rows = index.entries.after(folder.row, this.#scannedRow, pageEntries)
      if (rows.length === 0) return
      const { claimsOf, targetCopies } = outlook()
      for (const row of rows) {
        this.#scannedRow = row.rowSeq
        if (glanceAtEntry(row.bytes).blocks === 0) continue
        const claims = claimsOf(row)
        if (claims !== undefined && isShort(claims, targetCopies)) this.#short.set(row.rowSeq, undefined)
      }
      await clock.sleep(0, signal)
    }
  }

  async #takeDue(signal: AbortSignal): Promise<void> {
    const { index, fetcher, clock, outlook, book } = this.#parts
    let view = outlook()
    let judged = 0
    for (const rowSeq of this.#short.keys()) {
      // What was lost is to be taken back before anything else: until then nothing new is said.
      if (!fetcher.hasPeers || book.size >= entriesMax || !book.isVerified) return
      if (++judged % judgedAtOnce === 0) {
        await clock.sleep(0, signal)
        view = outlook()
      }
      const row = index.entries.byRow(rowSeq)
      if (row === undefined) this.#short.delete(rowSeq)
      else if (this.#isDue(row, view)) {
        await this.#take(row, signal)
        view = outlook()
      }
    }
  }

  #isDue(row: EntryRow, { claimsOf, holdersOf, targetCopies, candidates, zoneOf }: StandInOutlook): boolean {
    const { folder, self, awakeMs, pace } = this.#parts
    const [first] = row.entry.blocks
    if (first === undefined || !isShort(claimsOf(row) ?? targetCopies, targetCopies)) {
      this.#short.delete(row.rowSeq)
      return false
    }
    const holders = holdersOf(row)
    const sinceMs = isShort(holders.length, targetCopies) ? (this.#short.get(row.rowSeq) ?? awakeMs()) : undefined
    this.#short.set(row.rowSeq, sinceMs)
    if (sinceMs === undefined) return false
    const others = candidates.filter(({ peer }) => !holders.includes(peer))
    const order = standInOrder(folder.id, partitionOf(first.id), others, new Set(holders.map(zoneOf)))
    const place = order.indexOf(self)
    return place >= 0 && awakeMs() - sinceMs >= standInAfterMs(place, bytesOf([...row.entry.blocks]), pace)
  }

  /** Fetches what is missing of the entry, for as long as nobody else comes to do it. */
  async #take(row: EntryRow, signal: AbortSignal): Promise<void> {
    const { index, folder, store, book, outlook, awakeMs, events, log } = this.#parts
    const missing = this.#missingOf(row)
    const cost = chargedBytes({ blocks: missing.length, payloadBytes: bytesOf(missing) })
    const room = {
      standingInBytes: book.bytes,
      freeBytes: store.roomOf(folder.id),
      neededBytes: index.blockNeeds.totals(folder.row).bytes,
    }
    if (!hasRoomToStandIn(cost, room)) return
    for (const page of pagesOf(missing)) {
      const { holdersOf, targetCopies } = outlook()
      if (!book.isVerified || !index.entries.isCurrent(row.rowSeq) || !isShort(holdersOf(row).length, targetCopies)) return
      if (await this.#fetch(page, signal)) continue
      this.#short.set(row.rowSeq, awakeMs()) // nobody who is here has it, or gives it
      return
    }
    if (!book.add(row.rowSeq)) return
    this.#short.delete(row.rowSeq)
    log.info('hold a file for members that are away', { blocks: row.entry.blocks.length })
    events.stored()
    events.changed()
  }

  #missingOf({ entry }: EntryRow): readonly BlockRef[] {
    const { store, folder } = this.#parts
    const missing = new Map<string, BlockRef>()
    for (const { id, storedBytes } of entry.blocks) if (!store.has(folder.id, id)) missing.set(bytesKey(id), { id, storedBytes })
    return [...missing.values()]
  }

  /** True when all of them came and are stored. */
  async #fetch(wanted: readonly BlockRef[], signal: AbortSignal): Promise<boolean> {
    const { store, folder, fetcher, clock, link } = this.#parts
    const startedMs = clock.monotonicMs()
    const fetched = await fetcher.fetch(wanted, signal, { isGuess: true })
    const good: StoredBlock[] = []
    for (const [at, block] of fetched.entries()) {
      const id = wanted[at]?.id
      if (block === undefined || id === undefined) continue
      if (equalBytes(blockIdOf(block.bytes), id)) good.push({ folder: folder.id, id, bytes: block.bytes })
      else fetcher.distrust(block.from)
    }
    if (good.length > 0) await store.put(good)
    const pauseMs = pauseAfterMs(clock.monotonicMs() - startedMs, linkShare({ ...link(), copies: 1 }))
    if (good.length > 0) await clock.sleep(pauseMs, signal)
    this.#fetchedMs += clock.monotonicMs() - startedMs
    return good.length === wanted.length
  }

  /** After a restart only what is behind the mark is looked at. */
  #saveMark(): void {
    const { index, folder } = this.#parts
    let mark = this.#scannedRow
    for (const rowSeq of this.#short.keys()) mark = Math.min(mark, rowSeq - 1)
    if (mark <= index.standIns.mark(folder.row)) return
    index.transact(() => index.standIns.setMark(folder.row, mark))
  }
}

function bytesOf(blocks: readonly BlockRef[]): number {
  return blocks.reduce((total, { storedBytes }) => total + storedBytes, 0)
}

function* pagesOf(blocks: readonly BlockRef[]): Generator<readonly BlockRef[]> {
  let page: BlockRef[] = []
  let bytes = 0
  for (const block of blocks) {
    if (page.length > 0 && (page.length >= fetchBlocksMax || bytes + block.storedBytes > fetchBytesMax)) {
      yield page
      page = []
      bytes = 0
    }
    page.push(block)
    bytes += block.storedBytes
  }
  if (page.length > 0) yield page
}
