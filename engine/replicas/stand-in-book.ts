// What a host holds for members that are away: entries, as rows name them, all of whose blocks are in its store. It is said in a part of the receipt
// of its own, which names the entries by their numbers, since who is away is nothing that all see alike. Decision 0052.

import type { Clock } from '../base/clock.ts'
import { chargedBytes } from '../blocks/allowances.ts'
import type { BlockStore } from '../blocks/store.ts'
import type { EntryRow } from '../index/entry-table.ts'
import type { Index } from '../index/index-store.ts'
import type { EntryId, FolderId } from '../model/ids.ts'
import { addKnown, nothingKnown } from '../model/known.ts'
import { partitionCount, partitionOf } from './layout.ts'
import type { Held } from './receipt.ts'

export interface StandInBookParts {
  readonly index: Index
  readonly folder: { readonly row: number; readonly id: FolderId }
  readonly store: Pick<BlockStore, 'has'>
  readonly clock: Clock
}

export interface HeldEntry {
  /** Row number of the author. */
  readonly author: number
  readonly seq: number
  readonly entryId: EntryId
}

interface Keeping extends HeldEntry {
  readonly bytes: number
  readonly partitions: readonly number[]
  /** Others hold it by now, or another entry is in its place: it is not said any more that it is held. */
  isOver: boolean
}

export interface StandInReview {
  /** Others hold the entry as often as it is to be held. */
  readonly isEnough: (entry: EntryRow) => boolean
  /** This node's receipt names it still. */
  readonly isSaid: (entry: HeldEntry) => boolean
}

/** Looked at in one go. */
const entriesAtOnce = 50

export class StandInBook {
  readonly #parts: StandInBookParts
  readonly #kept = new Map<number, Keeping>()
  /** How many of these have blocks of each partition. */
  readonly #uses = new Uint32Array(partitionCount)
  #isVerified: boolean
  #bytes = 0

  constructor(parts: StandInBookParts) {
    this.#parts = parts
    const { index, folder } = parts
    const gone: number[] = []
    for (const rowSeq of index.standIns.rows(folder.row)) {
      const entry = index.entries.byRow(rowSeq)
      if (entry === undefined) gone.push(rowSeq)
      else this.#keep(entry)
    }
    this.#isVerified = this.#kept.size === 0
    if (gone.length > 0) index.transact(() => gone.forEach((rowSeq) => index.standIns.drop(folder.row, rowSeq)))
  }

  /** What rows say was seen to be here since the start, and since blocks were lost. */
  get isVerified(): boolean {
    return this.#isVerified
  }

  /** The store lost blocks. */
  doubt(): void {
    this.#isVerified = this.#kept.size === 0
  }

  get size(): number {
    return this.#kept.size
  }

  /** As blocks are charged. */
  get bytes(): number {
    return this.#bytes
  }

  /** Blocks of this partition are held for others, or said to be. */
  usesPartition(partition: number): boolean {
    return (this.#uses[partition] ?? 0) > 0
  }

  /** What this node may say of it; exact. */
  claim(): Held {
    const { index, folder } = this.#parts
    const numbers = new Map<number, number[]>()
    for (const { author, seq, isOver } of this.#kept.values()) {
      if (isOver) continue
      const known = numbers.get(author)
      if (known === undefined) numbers.set(author, [seq])
      else known.push(seq)
    }
    const heads = index.entries.authors(folder.row).flatMap(({ row, authorId }) => {
      const seqs = numbers.get(row)
      return seqs === undefined ? [] : [{ author: authorId, ...addKnown(nothingKnown, seqs) }]
    })
    return { heads, lacking: [] }
  }

  /** From now on the entry is held for others; false when it is superseded, or not all of it is here. */
  add(rowSeq: number): boolean {
    const { index, folder } = this.#parts
    const entry = index.entries.byRow(rowSeq)
    if (entry === undefined || this.#kept.has(rowSeq) || !this.#isHere(entry)) return false
    index.transact(() => index.standIns.put(folder.row, rowSeq))
    this.#keep(entry)
    return true
  }

  /** Finds out whether all is here still; gives rows of current entries that are not. */
  async verify(signal: AbortSignal): Promise<readonly number[]> {
    this.#isVerified = true // what is lost meanwhile takes it back
    const lost: number[] = []
    for await (const rowSeq of this.#unhurried(signal)) {
      const entry = this.#parts.index.entries.byRow(rowSeq)
      if (entry === undefined || this.#isHere(entry)) continue
      this.#drop(rowSeq)
      lost.push(rowSeq)
    }
    return lost
  }

  /** Lets go of what need not be held any more: first it is not said, and once that is so it is surplus as any other. True when something else is to be said. */
  async review({ isEnough, isSaid }: StandInReview, signal: AbortSignal): Promise<boolean> {
    let isOther = false
    for await (const rowSeq of this.#unhurried(signal)) {
      const keeping = this.#kept.get(rowSeq)
      if (keeping === undefined) continue
      if (keeping.isOver) {
        if (!isSaid(keeping)) this.#drop(rowSeq)
        continue
      }
      const entry = this.#parts.index.entries.byRow(rowSeq)
      if (entry !== undefined && !isEnough(entry)) continue
      keeping.isOver = true
      isOther = true
    }
    return isOther
  }

  async *#unhurried(signal: AbortSignal): AsyncGenerator<number> {
    let looked = 0
    for (const rowSeq of this.#kept.keys()) {
      yield rowSeq
      if (++looked % entriesAtOnce === 0) await this.#parts.clock.sleep(0, signal)
    }
  }

  #isHere({ entry }: EntryRow): boolean {
    const { store, folder } = this.#parts
    for (const { id } of entry.blocks) if (!store.has(folder.id, id)) return false
    return true
  }

  #keep({ rowSeq, author, seq, entry }: EntryRow): void {
    const partitions = new Set<number>()
    let payloadBytes = 0
    for (const { id, storedBytes } of entry.blocks) {
      partitions.add(partitionOf(id))
      payloadBytes += storedBytes
    }
    const bytes = chargedBytes({ blocks: entry.blocks.length, payloadBytes })
    this.#kept.set(rowSeq, { author, seq, entryId: entry.entryId, bytes, partitions: [...partitions], isOver: false })
    this.#bytes += bytes
    for (const partition of partitions) this.#uses[partition] = (this.#uses[partition] ?? 0) + 1
  }

  #drop(rowSeq: number): void {
    const { index, folder } = this.#parts
    const keeping = this.#kept.get(rowSeq)
    if (keeping === undefined) return
    index.transact(() => index.standIns.drop(folder.row, rowSeq))
    this.#kept.delete(rowSeq)
    this.#bytes -= keeping.bytes
    for (const partition of keeping.partitions) this.#uses[partition] = (this.#uses[partition] ?? 0) - 1
  }
}
