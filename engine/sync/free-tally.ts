// How many members have each block of some entries: the copies of a file are those of the block that the fewest have. Pure.

import { bytesKey } from '../base/bytes.ts'
import type { EntryRow } from '../index/entry-table.ts'
import type { BlockId, PeerId } from '../model/ids.ts'

export class ProofTally {
  /** By row of the entry, then by block, who has it. */
  readonly #holders = new Map<number, ReadonlyMap<string, Set<PeerId>>>()
  /** Of entries without blocks, who speaks of them. */
  readonly #speakers = new Map<number, Set<PeerId>>()
  readonly #unsound = new Set<number>()

  constructor(entries: readonly EntryRow[]) {
    for (const { rowSeq, entry } of entries) {
      this.#holders.set(rowSeq, new Map(entry.blocks.map(({ id }) => [bytesKey(id), new Set()])))
      this.#speakers.set(rowSeq, new Set())
    }
  }

  /** The member has these blocks of the entry; undefined: it does not speak of the entry. */
  note(peer: PeerId, { rowSeq }: EntryRow, ids: readonly BlockId[] | undefined): void {
    if (ids === undefined) return
    this.#speakers.get(rowSeq)?.add(peer)
    for (const id of ids) this.#holders.get(rowSeq)?.get(bytesKey(id))?.add(peer)
  }

  /** The file here does not hold what the entry says. */
  noteUnsound({ rowSeq }: EntryRow): void {
    this.#unsound.add(rowSeq)
  }

  isSound({ rowSeq }: EntryRow): boolean {
    return !this.#unsound.has(rowSeq)
  }

  copies({ rowSeq }: EntryRow): number {
    const blocks = this.#holders.get(rowSeq)
    if (blocks === undefined) return 0
    if (blocks.size === 0) return this.#speakers.get(rowSeq)?.size ?? 0
    let fewest = Number.POSITIVE_INFINITY
    for (const { size } of blocks.values()) fewest = Math.min(fewest, size)
    return fewest
  }
}
