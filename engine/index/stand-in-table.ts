// Entries that are held here for members that are away, and how far the look for such entries has come.

import type { StatementSync } from 'node:sqlite'
import { numberOf } from './columns.ts'
import type { Database } from './database.ts'

export class StandInTable {
  readonly #rows: StatementSync
  readonly #put: StatementSync
  readonly #drop: StatementSync
  readonly #mark: StatementSync
  readonly #setMark: StatementSync

  constructor(database: Database) {
    this.#rows = database.prepare('select entry_row from stand_in where folder = ? order by entry_row')
    this.#put = database.prepare('insert or ignore into stand_in (folder, entry_row) values (?, ?)')
    this.#drop = database.prepare('delete from stand_in where folder = ? and entry_row = ?')
    this.#mark = database.prepare('select stand_in_row from folder where id = ?')
    this.#setMark = database.prepare('update folder set stand_in_row = ? where id = ?')
  }

  /** Row numbers of entries, of which some may have been superseded since. */
  rows(folderRow: number): readonly number[] {
    return this.#rows.all(folderRow).map((row) => numberOf(row, 'entry_row'))
  }

  put(folderRow: number, entryRow: number): void {
    this.#put.run(folderRow, entryRow)
  }

  drop(folderRow: number, entryRow: number): void {
    this.#drop.run(folderRow, entryRow)
  }

  /** No entry up to this row is to be looked at any more. */
  mark(folderRow: number): number {
    const row = this.#mark.get(folderRow)
    return row === undefined ? 0 : numberOf(row, 'stand_in_row')
  }

  setMark(folderRow: number, entryRow: number): void {
    this.#setMark.run(entryRow, folderRow)
  }
}
