// Each member's latest word for what it holds of a folder, this node's own among them.

import type { StatementSync } from 'node:sqlite'
import { assert } from '../base/assert.ts'
import { parsePeerId, type PeerId } from '../model/ids.ts'
import { bytesOf, numberOf, textOf } from './columns.ts'
import type { Database, Row } from './database.ts'

export interface ReceiptRow {
  readonly peer: PeerId
  readonly edition: number
  /** As it was signed. */
  readonly bytes: Uint8Array
}

export class ReceiptTable {
  readonly #all: StatementSync
  readonly #put: StatementSync

  constructor(database: Database) {
    this.#all = database.prepare('select peer_id, edition, bytes from receipt where folder = ?')
    this.#put = database.prepare(
      `insert into receipt (folder, peer_id, edition, bytes) values (?, ?, ?, ?)
       on conflict do update set edition = excluded.edition, bytes = excluded.bytes`,
    )
  }

  all(folderRow: number): readonly ReceiptRow[] {
    return this.#all.all(folderRow).map(parseRow)
  }

  /** In place of an earlier one. */
  put(folderRow: number, { peer, edition, bytes }: ReceiptRow): void {
    this.#put.run(folderRow, peer, edition, bytes)
  }
}

function parseRow(row: Row): ReceiptRow {
  const peer = parsePeerId(textOf(row, 'peer_id'))
  assert(peer !== undefined, 'a stored peer id is one')
  return { peer, edition: numberOf(row, 'edition'), bytes: bytesOf(row, 'bytes') }
}
