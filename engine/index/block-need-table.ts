// Blocks that are to be held here and are not: one row for each entry that names them, in the order in which they are to be fetched.

import type { StatementSync } from 'node:sqlite'
import { assert, present } from '../base/assert.ts'
import { parseBlockId, type BlockId } from '../model/ids.ts'
import { bytesOf, numberOf } from './columns.ts'
import type { Database, Row } from './database.ts'

export interface BlockNeed {
  /** The lower, the sooner. */
  readonly rank: number
  readonly id: BlockId
  /** Row number of an entry that names it. */
  readonly entryRow: number
  readonly storedBytes: number
}

export interface BlockNeedTotals {
  /** A block that several entries name counts once for each. */
  readonly blocks: number
  readonly bytes: number
}

/** How far the look for blocks that are to be held has come. */
export interface HoldingCursor {
  /** Entries up to this row were looked at. */
  readonly row: number
  /** By this layout. */
  readonly layout: Uint8Array
}

export class BlockNeedTable {
  readonly #insert: StatementSync
  readonly #clear: StatementSync
  readonly #clearFirst: StatementSync
  readonly #clearRest: StatementSync
  readonly #clearEntry: StatementSync
  readonly #after: StatementSync
  readonly #has: StatementSync
  readonly #totals: StatementSync
  readonly #entries: StatementSync
  readonly #cursor: StatementSync
  readonly #setCursor: StatementSync
  /** Counted once and kept: acknowledgements and status ask often. */
  readonly #counted = new Map<number, BlockNeedTotals>()

  constructor(database: Database) {
    this.#insert = database.prepare(
      'insert or ignore into block_need (folder, rank, block_id, entry_row, stored_bytes) values (?, ?, ?, ?, ?)',
    )
    this.#clear = database.prepare(
      'delete from block_need indexed by block_need_id where folder = ? and block_id = ? returning stored_bytes',
    )
    this.#clearEntry = database.prepare(
      'delete from block_need indexed by block_need_id where folder = ? and block_id = ? and entry_row = ? returning stored_bytes',
    )
    this.#clearFirst = database.prepare(
      `delete from block_need where folder = ?1 and (rank, block_id, entry_row) <=
         (select rank, block_id, entry_row from block_need where folder = ?1 order by rank, block_id, entry_row limit 1 offset ?2)
       returning stored_bytes`,
    )
    this.#clearRest = database.prepare('delete from block_need where folder = ? returning stored_bytes')
    this.#after = database.prepare(
      `select rank, block_id, entry_row, stored_bytes from block_need
       where folder = ? and (rank, block_id, entry_row) > (?, ?, ?) order by rank, block_id, entry_row limit ?`,
    )
    this.#has = database.prepare('select 1 from block_need indexed by block_need_id where folder = ? and block_id = ? limit 1')
    this.#totals = database.prepare('select count(*) as blocks, total(stored_bytes) as bytes from block_need where folder = ?')
    this.#entries = database.prepare(
      'select distinct entry_row from block_need indexed by block_need_entry where folder = ? and entry_row > ? order by entry_row limit ?',
    )
    this.#cursor = database.prepare('select held_row, held_layout from folder where id = ?')
    this.#setCursor = database.prepare('update folder set held_row = ?, held_layout = ? where id = ?')
  }

  put(folderRow: number, need: BlockNeed): void {
    const totals = this.totals(folderRow)
    if (this.#insert.run(folderRow, need.rank, need.id, need.entryRow, need.storedBytes).changes === 0) return
    this.#counted.set(folderRow, { blocks: totals.blocks + 1, bytes: totals.bytes + need.storedBytes })
  }

  /** The block is here now, or no longer wanted. */
  clear(folderRow: number, id: BlockId): void {
    this.#uncount(folderRow, () => this.#clear.all(folderRow, id))
  }

  /** The entry is no longer there; others may name the block still. */
  clearEntry(folderRow: number, need: BlockNeed): void {
    this.#uncount(folderRow, () => this.#clearEntry.all(folderRow, need.id, need.entryRow))
  }

  /** Clears at most `limit`, in their order; gives how many. */
  clearSome(folderRow: number, limit: number): number {
    return this.#uncount(folderRow, () => {
      const cleared = this.#clearFirst.all(folderRow, limit - 1)
      return cleared.length > 0 ? cleared : this.#clearRest.all(folderRow) // fewer than that are there
    })
  }

  #uncount(folderRow: number, clear: () => readonly Row[]): number {
    const totals = this.totals(folderRow)
    const cleared = clear()
    const bytes = cleared.reduce((total, row) => total + numberOf(row, 'stored_bytes'), 0)
    this.#counted.set(folderRow, { blocks: totals.blocks - cleared.length, bytes: totals.bytes - bytes })
    return cleared.length
  }

  /** At most `limit` in their order, behind `last`. */
  after(folderRow: number, last: BlockNeed | undefined, limit: number): readonly BlockNeed[] {
    return this.#after.all(folderRow, last?.rank ?? -1, last?.id ?? new Uint8Array(0), last?.entryRow ?? 0, limit).map(parseNeed)
  }

  has(folderRow: number, id: BlockId): boolean {
    return this.#has.get(folderRow, id) !== undefined
  }

  totals(folderRow: number): BlockNeedTotals {
    const known = this.#counted.get(folderRow)
    if (known !== undefined) return known
    const row = present(this.#totals.get(folderRow), 'an aggregate gives a row')
    const counted = { blocks: numberOf(row, 'blocks'), bytes: numberOf(row, 'bytes') }
    this.#counted.set(folderRow, counted)
    return counted
  }

  /** Row numbers of entries that name blocks which are not here: at most `limit` after `last`, in order. */
  entryRows(folderRow: number, last: number, limit: number): readonly number[] {
    return this.#entries.all(folderRow, last, limit).map((row) => numberOf(row, 'entry_row'))
  }

  cursor(folderRow: number): HoldingCursor {
    const row = this.#cursor.get(folderRow)
    return row === undefined
      ? { row: 0, layout: new Uint8Array(0) }
      : { row: numberOf(row, 'held_row'), layout: bytesOf(row, 'held_layout') }
  }

  setCursor(folderRow: number, { row, layout }: HoldingCursor): void {
    this.#setCursor.run(row, layout, folderRow)
  }

  /** After a rollback. */
  forgetCaches(): void {
    this.#counted.clear()
  }
}

function parseNeed(row: Row): BlockNeed {
  const id = parseBlockId(bytesOf(row, 'block_id'))
  assert(id !== undefined, 'a stored block id is one')
  return { rank: numberOf(row, 'rank'), id, entryRow: numberOf(row, 'entry_row'), storedBytes: numberOf(row, 'stored_bytes') }
}
