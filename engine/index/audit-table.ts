// The last audit of each member of a folder: whether it could prove what it says that it holds.

import type { StatementSync } from 'node:sqlite'
import type { PeerId } from '../model/ids.ts'
import { numberOf } from './columns.ts'
import type { Database } from './database.ts'

export interface AuditRow {
  /** Wall clock of this node, milliseconds since 1970. */
  readonly atMs: number
  /** How many blocks were asked for. */
  readonly blocks: number
  /** … and not proven. */
  readonly missing: number
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
  readonly #counts: StatementSync
  /** Asked for with every count of copies. */
  readonly #known = new Map<string, AuditRow | undefined>()

  constructor(database: Database) {
    this.#database = database
    this.#get = database.prepare('select at_ms, blocks, missing from audit where folder = ? and peer_id = ?')
    this.#put = database.prepare(
      `insert into audit (folder, peer_id, at_ms, blocks, missing, runs, failures) values (?, ?, ?, ?, ?, 1, ?)
       on conflict do update set at_ms = excluded.at_ms, blocks = excluded.blocks, missing = excluded.missing,
       runs = runs + 1, failures = failures + excluded.failures`,
    )
    this.#counts = database.prepare('select runs, failures from audit where folder = ? and peer_id = ?')
  }

  get(folderRow: number, peer: PeerId): AuditRow | undefined {
    const key = `${folderRow}/${peer}`
    if (!this.#known.has(key)) {
      const row = this.#get.get(folderRow, peer)
      const audit =
        row === undefined ? undefined : { atMs: numberOf(row, 'at_ms'), blocks: numberOf(row, 'blocks'), missing: numberOf(row, 'missing') }
      this.#known.set(key, audit)
    }
    return this.#known.get(key)
  }

  counts(folderRow: number, peer: PeerId): AuditCounts {
    const row = this.#counts.get(folderRow, peer)
    return row === undefined ? { runs: 0, failures: 0 } : { runs: numberOf(row, 'runs'), failures: numberOf(row, 'failures') }
  }

  put(folderRow: number, peer: PeerId, audit: AuditRow): void {
    const failures = audit.missing > 0 ? 1 : 0
    this.#database.transact(() => this.#put.run(folderRow, peer, audit.atMs, audit.blocks, audit.missing, failures), 'soon')
    this.#known.set(`${folderRow}/${peer}`, audit)
  }

  /** After a rollback, and when a folder goes. */
  forgetCaches(): void {
    this.#known.clear()
  }
}
