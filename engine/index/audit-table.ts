// The last audit of each member of a folder: whether it could prove what it says that it holds.

import type { StatementSync } from 'node:sqlite'
import type { PeerId } from '../model/ids.ts'
import { bytesOf, numberOf } from './columns.ts'
import type { Database, Row } from './database.ts'

export interface AuditRow {
  /** Wall clock of this node, milliseconds since 1970. */
  readonly atMs: number
  /** How many blocks were asked for. */
  readonly blocks: number
  /** … and not proven. */
  readonly missing: number
  /** The blocks were drawn from entries up to this row … */
  readonly lastRow: number
  /** … as this receipt claimed them; empty: from none that count now. */
  readonly word: Uint8Array
}

/** Of all audits of a member. */
export interface AuditCounts {
  readonly runs: number
  readonly failures: number
}

export class AuditTable {
  readonly #database: Database
  readonly #get: StatementSync
  readonly #put: StatementSync
  readonly #doubt: StatementSync
  readonly #counts: StatementSync
  /** Asked for with every count of copies. */
  readonly #known = new Map<string, AuditRow | undefined>()

  constructor(database: Database) {
    this.#database = database
    this.#get = database.prepare('select at_ms, blocks, missing, last_row, word from audit where folder = ? and peer_id = ?')
    this.#put = database.prepare(
      `insert into audit (folder, peer_id, at_ms, blocks, missing, last_row, word, runs, failures) values (?, ?, ?, ?, ?, ?, ?, 1, ?)
       on conflict do update set at_ms = excluded.at_ms, blocks = excluded.blocks, missing = excluded.missing,
         last_row = excluded.last_row, word = excluded.word, runs = runs + 1, failures = failures + excluded.failures`,
    )
    this.#doubt = database.prepare("update audit set last_row = 0, word = x'' where folder = ? and peer_id = ?")
    this.#counts = database.prepare('select runs, failures from audit where folder = ? and peer_id = ?')
  }

  get(folderRow: number, peer: PeerId): AuditRow | undefined {
    const key = `${folderRow}/${peer}`
    if (!this.#known.has(key)) {
      const row = this.#get.get(folderRow, peer)
      this.#known.set(key, row === undefined ? undefined : parseRow(row))
    }
    return this.#known.get(key)
  }

  counts(folderRow: number, peer: PeerId): AuditCounts {
    const row = this.#counts.get(folderRow, peer)
    return row === undefined ? { runs: 0, failures: 0 } : { runs: numberOf(row, 'runs'), failures: numberOf(row, 'failures') }
  }

  put(folderRow: number, peer: PeerId, audit: AuditRow): void {
    const { atMs, blocks, missing, lastRow, word } = audit
    const failures = missing > 0 ? 1 : 0
    this.#database.transact(() => this.#put.run(folderRow, peer, atMs, blocks, missing, lastRow, word, failures), 'soon')
    this.#known.set(`${folderRow}/${peer}`, audit)
  }

  /** What the member passed does not count any more, and it is to be audited anew; what it failed stays. */
  doubt(folderRow: number, peer: PeerId): void {
    const known = this.get(folderRow, peer)
    if (known === undefined || known.missing > 0) return
    this.#database.transact(() => this.#doubt.run(folderRow, peer), 'soon')
    this.#known.set(`${folderRow}/${peer}`, { ...known, lastRow: 0, word: new Uint8Array(0) })
  }

  /** After a rollback, and when a folder goes. */
  forgetCaches(): void {
    this.#known.clear()
  }
}

function parseRow(row: Row): AuditRow {
  return {
    atMs: numberOf(row, 'at_ms'),
    blocks: numberOf(row, 'blocks'),
    missing: numberOf(row, 'missing'),
    lastRow: numberOf(row, 'last_row'),
    word: bytesOf(row, 'word'),
  }
}
