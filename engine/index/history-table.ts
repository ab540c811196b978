// Versions that a change from elsewhere replaced or deleted: parked as files first, archived as blocks behind.

import type { StatementSync } from 'node:sqlite'
import { BlockList } from '../model/block-list.ts'
import { packVector } from '../model/entry.ts'
import type { Item } from '../model/item.ts'
import { bytesOf, numberOf, textOf } from './columns.ts'
import type { Database } from './database.ts'

export interface ParkedVersion {
  readonly row: number
  readonly path: string
  readonly parked: string
  readonly sizeBytes: number
  readonly blocks: BlockList
}

export class HistoryTable {
  readonly #insert: StatementSync
  readonly #parked: StatementSync
  readonly #archived: StatementSync
  readonly #remove: StatementSync

  constructor(database: Database) {
    this.#insert = database.prepare(
      `insert into history (folder, path, parked, kind, size_bytes, mtime_us, mode, vector, blocks, replaced_ms)
       values (?, ?, ?, 1, ?, ?, ?, ?, ?, ?)`,
    )
    this.#parked = database.prepare(
      'select id, path, parked, size_bytes, blocks from history where folder = ? and parked is not null order by id limit ?',
    )
    this.#archived = database.prepare('update history set parked = null where id = ?')
    this.#remove = database.prepare('delete from history where id = ?')
  }

  /** Written in the transaction that records what replaced it. */
  insert(folderRow: number, item: Item, parked: string, replacedMs: number): void {
    this.#insert.run(
      folderRow,
      item.path,
      parked,
      item.sizeBytes,
      item.mtimeUs,
      item.mode,
      packVector(item.vector),
      item.blocks.bytes,
      replacedMs,
    )
  }

  parked(folderRow: number, limit: number): readonly ParkedVersion[] {
    return this.#parked.all(folderRow, limit).map((row) => ({
      row: numberOf(row, 'id'),
      path: textOf(row, 'path'),
      parked: textOf(row, 'parked'),
      sizeBytes: numberOf(row, 'size_bytes'),
      blocks: new BlockList(bytesOf(row, 'blocks')),
    }))
  }

  setArchived(row: number): void {
    this.#archived.run(row)
  }

  remove(row: number): void {
    this.#remove.run(row)
  }
}
