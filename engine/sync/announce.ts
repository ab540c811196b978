// The sending half of the exchange: what this index learnt, in the order in which it did, to one subscriber for as long as the
// channel lives. Superseded entries are simply not there any more, so nothing has to be compacted.

import { bytesKey, equalBytes } from '../base/bytes.ts'
import { present } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { Broadcast } from '../base/queue.ts'
import type { Index } from '../index/index-store.ts'
import type { StoredEntry } from '../index/entry-table.ts'
import type { AuthorId } from '../model/ids.ts'
import { isKnown, type Known } from '../model/known.ts'
import { changeSetMessage, decodeChangeSet, entryHashBytes } from '../model/change-set.ts'
import type { Channel } from '../net/network.ts'
import type { Subscribe } from '../model/wire/exchange_pb.ts'
import { sendIndexFrame } from './exchange-frames.ts'
import { headMessage, headsOf } from './own-past.ts'

/** One batch: bounded by count and by bytes, whichever comes first; a single large entry goes alone. */
const batchBytesMax = 1024 * 1024
/** Fewer than a receiver takes: its transaction for one batch holds up its main thread for some 15 ms. */
const batchEntriesMax = 200

type SendBatch = Extract<Parameters<typeof sendIndexFrame>[1], { case: 'batch' }>['value']

/** What one folder's announcers wait on: rings when entries were written or received, or blocks can be had. */
export class FolderNews {
  readonly #news = new Broadcast()
  #haveCounter = 0

  ring(): void {
    this.#news.announce()
  }

  /** More blocks can be had from this node than before. */
  ringHave(): void {
    this.#haveCounter++
    this.#news.announce()
  }

  get haveCounter(): number {
    return this.#haveCounter
  }

  async wait(signal: AbortSignal): Promise<void> {
    await this.#news.wait(signal)
  }
}

export interface Announcement {
  readonly index: Index
  readonly folderRow: number
  readonly clock: Clock
  readonly news: FolderNews
  /** This node as an author: how far it was told is noted. */
  readonly self: AuthorId
  /** Whatever else is new for this peer (admin log, cards), as frames; none when nothing is. */
  readonly others: () => readonly Parameters<typeof sendIndexFrame>[1][]
}

/** Sends until the channel closes or `signal` aborts. `subscribe` is the peer's word for what it has. */
export async function announceTo(channel: Channel, announcement: Announcement, subscribe: Subscribe, signal: AbortSignal): Promise<void> {
  const { index, folderRow, clock, news, others, self } = announcement
  // A cursor beyond the last row is of an index that was rolled back since: rows up to it may be others now. Heads keep what is known from
  // being sent again.
  const isOurs = equalBytes(subscribe.indexId, index.indexId) && Number(subscribe.cursor) <= index.entries.lastRowSeq
  let cursor = isOurs ? Number(subscribe.cursor) : 0
  const heads = new Map(headsOf(subscribe.heads).map((head) => [bytesKey(head.author), head]))
  let sentHave = -1
  let caughtUpAt = -1
  for (;;) {
    // Listening starts before the rows are read: a ring in between is not missed.
    const ring = news.wait(signal)
    ring.catch(() => undefined) // awaited below unless a send fails first
    for (const frame of others()) await sendIndexFrame(channel, frame, signal)
    const newest = index.entries.lastRowSeq
    // What is not flushed yet is not told; heads, which claim everything, only when nothing is left untold.
    const isFlushed = index.entries.flushedRowSeq >= newest
    const rows = caughtUpAt === newest ? [] : index.entries.after(folderRow, cursor, batchEntriesMax)
    if (rows.length > 0 || (isFlushed && caughtUpAt !== newest)) {
      const { batch, last, told } = makeBatch(index, folderRow, rows, heads, cursor, isFlushed)
      if (batch.caughtUp) caughtUpAt = newest
      cursor = last
      const own = told.get(bytesKey(self))
      if (own !== undefined) index.folders.raiseTold(folderRow, own)
      await sendIndexFrame(channel, { case: 'batch', value: batch }, signal)
      await clock.sleep(0, signal) // a send with room resolves at once: other work of this thread gets its turn between batches
    } else if (news.haveCounter !== sentHave) {
      sentHave = news.haveCounter
      await sendIndexFrame(channel, { case: 'have', value: { counter: BigInt(sentHave) } }, signal)
    } else await ring
  }
}

function makeBatch(
  index: Index,
  folderRow: number,
  rows: readonly StoredEntry[],
  peerHeads: ReadonlyMap<string, Known>,
  cursor: number,
  isFlushed: boolean,
): { batch: SendBatch & { caughtUp: boolean }; last: number; told: ReadonlyMap<string, number> } {
  const authors = new Map(index.entries.authors(folderRow).map((author) => [author.row, author]))
  // Newest first: neighbours in row order nearly always share a set.
  const places: { author: number; firstSeq: number; endSeq: number; at: number }[] = []
  const sets: ReturnType<typeof changeSetMessage>[] = []
  const entries: { set: number; position: number; entry: Uint8Array }[] = []
  /** The highest sequence number told, by author. */
  const told = new Map<string, number>()
  let bytes = 0
  let last = cursor
  let taken = 0
  for (const row of rows) {
    if (bytes > 0 && bytes + row.bytes.length > batchBytesMax) break
    taken++
    last = row.rowSeq
    const author = present(authors.get(row.author), 'a stored entry has its author')
    const peerKnows = peerHeads.get(bytesKey(author.authorId))
    if (peerKnows !== undefined && isKnown(peerKnows, row.seq)) continue
    let place = places.find((known) => known.author === row.author && row.seq >= known.firstSeq && row.seq < known.endSeq)
    if (place === undefined) {
      const stored = index.entries.changeSetFor(row.author, row.seq)
      const set = present(decodeChangeSet(stored.bytes), 'a stored change set can be decoded')
      place = { author: row.author, firstSeq: set.firstSeq, endSeq: set.firstSeq + set.hashes.length / entryHashBytes, at: sets.length }
      places.unshift(place)
      sets.push(changeSetMessage(set))
      bytes += stored.bytes.length
    }
    told.set(bytesKey(author.authorId), Math.max(row.seq, told.get(bytesKey(author.authorId)) ?? 0))
    entries.push({ set: place.at, position: row.seq - place.firstSeq, entry: row.bytes })
    bytes += row.bytes.length
  }
  const caughtUp = isFlushed && taken === rows.length && rows.length < batchEntriesMax
  const heads = caughtUp ? [...authors.values()].map((author) => headMessage(index, author)) : []
  return { batch: { sets, entries, cursor: BigInt(last), caughtUp, heads }, last, told }
}
