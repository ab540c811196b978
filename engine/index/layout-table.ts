// Placements of a folder, the latest few: receipts name them for a while after they changed. And the one that an owner published last.

import type { StatementSync } from 'node:sqlite'
import { bytesOf } from './columns.ts'
import type { Database } from './database.ts'

export class LayoutTable {
  readonly #all: StatementSync
  readonly #put: StatementSync
  readonly #remove: StatementSync
  readonly #published: StatementSync
  readonly #setPublished: StatementSync

  constructor(database: Database) {
    this.#all = database.prepare('select bytes from layout where folder = ? order by seen_ms')
    this.#put = database.prepare(
      `insert into layout (folder, digest, bytes, seen_ms) values (?, ?, ?, ?)
       on conflict do update set bytes = excluded.bytes, seen_ms = excluded.seen_ms`,
    )
    this.#remove = database.prepare('delete from layout where folder = ? and digest = ?')
    this.#published = database.prepare('select bytes from published_layout where folder = ?')
    this.#setPublished = database.prepare(
      'insert into published_layout (folder, bytes) values (?, ?) on conflict do update set bytes = excluded.bytes',
    )
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

  /** What an owner published, as it was signed. */
  published(folderRow: number): Uint8Array | undefined {
    const row = this.#published.get(folderRow)
    return row === undefined ? undefined : bytesOf(row, 'bytes')
  }

  /** In place of an earlier one. */
  setPublished(folderRow: number, bytes: Uint8Array): void {
    this.#setPublished.run(folderRow, bytes)
  }
}
