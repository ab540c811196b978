// How long peers have been away, as this node counted it: so that a restart is not the beginning of patience.

import type { StatementSync } from 'node:sqlite'
import { assert } from '../base/assert.ts'
import { parsePeerId, type PeerId } from '../model/ids.ts'
import { numberOf, textOf } from './columns.ts'
import type { Database, Row } from './database.ts'

export interface AbsenceRow {
  readonly peer: PeerId
  readonly isDown: boolean
  /** On the awake clock. */
  readonly sinceMs: number
  readonly awayMs: number
  /** The longest absences of late, and when each ended on the awake clock. */
  readonly past: readonly { readonly awayMs: number; readonly endedMs: number }[]
}

export class AbsenceTable {
  readonly #all: StatementSync
  readonly #clear: StatementSync
  readonly #put: StatementSync
  readonly #awake: StatementSync
  readonly #setAwake: StatementSync

  constructor(database: Database) {
    this.#all = database.prepare('select * from absence')
    this.#clear = database.prepare('delete from absence')
    this.#put = database.prepare('insert into absence (peer_id, is_down, since_ms, away_ms, past) values (?, ?, ?, ?, ?)')
    this.#awake = database.prepare('select ms from awake')
    this.#setAwake = database.prepare('insert into awake (id, ms) values (1, ?) on conflict do update set ms = excluded.ms')
  }

  /** For how long this node has run in all, without the time in which its machine slept. */
  get awakeMs(): number {
    const row = this.#awake.get()
    return row === undefined ? 0 : numberOf(row, 'ms')
  }

  all(): readonly AbsenceRow[] {
    return this.#all.all().map(parseRow)
  }

  /** In place of all that was there; inside a transaction. */
  replaceAll(awakeMs: number, rows: readonly AbsenceRow[]): void {
    this.#setAwake.run(awakeMs)
    this.#clear.run()
    for (const { peer, isDown, sinceMs, awayMs, past } of rows) this.#put.run(peer, Number(isDown), sinceMs, awayMs, JSON.stringify(past))
  }
}

function parseRow(row: Row): AbsenceRow {
  const peer = parsePeerId(textOf(row, 'peer_id'))
  assert(peer !== undefined, 'a stored peer id is one')
  return {
    peer,
    isDown: numberOf(row, 'is_down') === 1,
    sinceMs: numberOf(row, 'since_ms'),
    awayMs: numberOf(row, 'away_ms'),
    past: parsePast(JSON.parse(textOf(row, 'past'))),
  }
}

function parsePast(value: unknown): AbsenceRow['past'] {
  if (!Array.isArray(value)) return []
  return value.flatMap((one: Readonly<Record<string, unknown>>) => {
    const { awayMs, endedMs } = one
    return typeof awayMs === 'number' && typeof endedMs === 'number' ? [{ awayMs, endedMs }] : []
  })
}
