// How far scrub has come: what is read in turn, when each was read last, and what the runs came to.

import type { StatementSync } from 'node:sqlite'
import { present } from '../base/assert.ts'
import { numberOf } from './columns.ts'
import type { Database } from './database.ts'

/** The block store; other places are folders, by their row. */
export const storePlace = 0

export interface ScrubUnitRow {
  readonly place: number
  readonly number: number
  /** Wall clock: when it was read to its end, or seen first. */
  readonly verifiedMs: number
  /** How far it was read since; what that means is the place's affair. */
  readonly reached: number
  readonly isSuspect: boolean
}

/** Times in milliseconds since 1970, 0 for none. */
export interface ScrubStateRow {
  readonly pausedMs: number
  /** A person wants it done now. */
  readonly isHurried: boolean
  readonly runStartedMs: number
  readonly runBytes: number
  readonly runPieces: number
  readonly runFound: number
  readonly lastStartedMs: number
  readonly lastEndedMs: number
  readonly lastBytes: number
  readonly lastPieces: number
  readonly lastFound: number
  /** Of all time. */
  readonly found: number
  readonly healed: number
}

export class ScrubTable {
  readonly #units: StatementSync
  readonly #put: StatementSync
  readonly #remove: StatementSync
  readonly #state: StatementSync
  readonly #setState: StatementSync

  constructor(database: Database) {
    this.#units = database.prepare('select place, number, verified_ms, reached, is_suspect from scrub_unit')
    this.#put = database.prepare(
      `insert into scrub_unit (place, number, verified_ms, reached, is_suspect) values (?, ?, ?, ?, ?)
       on conflict do update set verified_ms = excluded.verified_ms, reached = excluded.reached, is_suspect = excluded.is_suspect`,
    )
    this.#remove = database.prepare('delete from scrub_unit where place = ? and number = ?')
    this.#state = database.prepare('select * from scrub_state')
    this.#setState = database.prepare(
      `update scrub_state set paused_ms = ?, is_hurried = ?, run_started_ms = ?, run_bytes = ?, run_pieces = ?, run_found = ?,
       last_started_ms = ?, last_ended_ms = ?, last_bytes = ?, last_pieces = ?, last_found = ?, found = ?, healed = ?`,
    )
  }

  units(): readonly ScrubUnitRow[] {
    return this.#units.all().map((row) => ({
      place: numberOf(row, 'place'),
      number: numberOf(row, 'number'),
      verifiedMs: numberOf(row, 'verified_ms'),
      reached: numberOf(row, 'reached'),
      isSuspect: numberOf(row, 'is_suspect') === 1,
    }))
  }

  putUnit({ place, number, verifiedMs, reached, isSuspect }: ScrubUnitRow): void {
    this.#put.run(place, number, Math.round(verifiedMs), reached, isSuspect ? 1 : 0)
  }

  removeUnit(place: number, number: number): void {
    this.#remove.run(place, number)
  }

  state(): ScrubStateRow {
    const row = present(this.#state.get(), 'the state has its row')
    return {
      pausedMs: numberOf(row, 'paused_ms'),
      isHurried: numberOf(row, 'is_hurried') === 1,
      runStartedMs: numberOf(row, 'run_started_ms'),
      runBytes: numberOf(row, 'run_bytes'),
      runPieces: numberOf(row, 'run_pieces'),
      runFound: numberOf(row, 'run_found'),
      lastStartedMs: numberOf(row, 'last_started_ms'),
      lastEndedMs: numberOf(row, 'last_ended_ms'),
      lastBytes: numberOf(row, 'last_bytes'),
      lastPieces: numberOf(row, 'last_pieces'),
      lastFound: numberOf(row, 'last_found'),
      found: numberOf(row, 'found'),
      healed: numberOf(row, 'healed'),
    }
  }

  setState(state: ScrubStateRow): void {
    const { pausedMs, isHurried, runStartedMs, runBytes, runPieces, runFound } = state
    const { lastStartedMs, lastEndedMs, lastBytes, lastPieces, lastFound, found, healed } = state
    const run = [pausedMs, isHurried ? 1 : 0, runStartedMs, runBytes, runPieces, runFound]
    this.#setState.run(...run, lastStartedMs, lastEndedMs, lastBytes, lastPieces, lastFound, found, healed)
  }
}
