// Placements of a folder, as they were computed here, the latest few: receipts name them for a while after they changed.

import type { StatementSync } from 'node:sqlite'
import { bytesOf } from './columns.ts'
import type { Database } from './database.ts'

export class LayoutTable {
  readonly #all: StatementSync
  readonly #put: StatementSync
  readonly #remove: StatementSync

  constructor(database: Database) {
    this.#all = database.prepare('select bytes from layout where folder = ? order by seen_ms')
    this.#put = database.prepare(
      `insert into layout (folder, digest, bytes, seen_ms) values (?, ?, ?, ?)
       on conflict do update set bytes = excluded.bytes, seen_ms = excluded.seen_ms`,
    )
    this.#remove = database.prepare('delete from layout where folder = ? and digest = ?')
  }

  /** Encoded, the oldest first. */
  all(folderRow: number): readonly Uint8Array[] {
    return this.#all.all(folderRow).map((row) => bytesOf(row, 'bytes'))
  }

  put(folderRow: number, digest: Uint8Array, bytes: Uint8Array, seenMs: number): void {
    this.#put.run(folderRow, digest, bytes, seenMs)
  }

  remove(folderRow: number, digest: Uint8Array): void {
    this.#remove.run(folderRow, digest)
  }
}
