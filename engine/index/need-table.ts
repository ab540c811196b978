// Paths whose entries and disk are to be brought together, in the order in which that works.

import type { StatementSync } from 'node:sqlite'
import { present } from '../base/assert.ts'
import { numberOf, textOf } from './columns.ts'
import type { Database, Row } from './database.ts'

export interface Need {
  readonly rank: number
  readonly pathKey: number
  /** Content bytes of the version wanted: for progress. */
  readonly bytes: number
  readonly attempts: number
  readonly reason: string
}

export interface NeedTotals {
  readonly paths: number
  readonly bytes: number
}

/** Ranks from here on are removals: deepest paths first, after everything that appears. */
export const removalRank = 1_000_000

/** What appears comes parents first, what goes children first. `depth` counts the '/' of the path. */
export function needRank(depth: number, isRemoval: boolean): number {
  return isRemoval ? removalRank * 2 - depth : depth
}

export class NeedTable {
  readonly #insert: StatementSync
  readonly #clear: StatementSync
  readonly #ready: StatementSync
  readonly #has: StatementSync
  readonly #totals: StatementSync
  readonly #postpone: StatementSync
  readonly #nextRetry: StatementSync
  readonly #wakeAll: StatementSync
  readonly #other: StatementSync
  readonly #reasons: StatementSync
  readonly #attempts: StatementSync
  /** Needs by folder, counted once and kept: acknowledgements ask after every batch. */
  readonly #counted = new Map<number, NeedTotals>()

  constructor(database: Database) {
    this.#insert = database.prepare('insert or replace into need (folder, rank, path_key, bytes) values (?, ?, ?, ?)')
    // Without statistics SQLite prefers the primary key's first column, the folder, and reads all needs of it.
    this.#clear = database.prepare('delete from need indexed by need_path where folder = ? and path_key = ? returning bytes')
    this.#ready = database.prepare(
      `select rank, path_key, bytes, attempts, reason from need
       where folder = ? and (rank > ? or (rank = ? and path_key > ?)) and rank < ? and retry_ms <= ? order by rank, path_key limit ?`,
    )
    this.#has = database.prepare('select 1 from need indexed by need_path where folder = ? and path_key = ?')
    this.#totals = database.prepare('select count(*) as paths, total(bytes) as bytes from need where folder = ?')
    this.#postpone = database.prepare(
      'update need indexed by need_path set retry_ms = ?, attempts = attempts + 1, reason = ? where folder = ? and path_key = ?',
    )
    this.#nextRetry = database.prepare('select min(retry_ms) as at from need where folder = ? and retry_ms > ?')
    this.#wakeAll = database.prepare('update need set retry_ms = 0, attempts = 0 where folder = ? and retry_ms > 0')
    this.#attempts = database.prepare('select attempts from need indexed by need_path where folder = ? and path_key = ?')
    this.#other = database.prepare('select 1 from need where folder = ? and reason <> ? limit 1')
    this.#reasons = database.prepare("select reason, count(*) as paths from need where folder = ? and reason <> '' group by reason")
  }

  /** Replaces an older need of the path. */
  put(folderRow: number, pathKey: number, rank: number, bytes: number): void {
    this.clear(folderRow, pathKey)
    const { paths, bytes: total } = this.totals(folderRow)
    this.#insert.run(folderRow, rank, pathKey, bytes)
    this.#counted.set(folderRow, { paths: paths + 1, bytes: total + bytes })
  }

  clear(folderRow: number, pathKey: number): void {
    const totals = this.totals(folderRow)
    const cleared = this.#clear.all(folderRow, pathKey)
    if (cleared.length === 0) return
    const bytes = cleared.reduce((total, row) => total + numberOf(row, 'bytes'), 0)
    this.#counted.set(folderRow, { paths: totals.paths - cleared.length, bytes: totals.bytes - bytes })
  }

  /** Paths needed; cheap. */
  count(folderRow: number): number {
    return this.totals(folderRow).paths
  }

  /** After a rollback. */
  forgetCaches(): void {
    this.#counted.clear()
  }

  has(folderRow: number, pathKey: number): boolean {
    return this.#has.get(folderRow, pathKey) !== undefined
  }

  /** Needs after (rank, pathKey) and below `rankEnd` whose time has come. */
  ready(
    folderRow: number,
    after: { readonly rank: number; readonly pathKey: number },
    rankEnd: number,
    nowMs: number,
    limit: number,
  ): readonly Need[] {
    return this.#ready.all(folderRow, after.rank, after.rank, after.pathKey, rankEnd, nowMs, limit).map(parseNeed)
  }

  /** The first in the order of work, whether their time has come or not. */
  first(folderRow: number, limit: number): readonly Need[] {
    return this.after(folderRow, undefined, limit)
  }

  /** As `first`, behind `last`. */
  after(folderRow: number, last: Need | undefined, limit: number): readonly Need[] {
    const from = last ?? { rank: -1, pathKey: Number.MAX_SAFE_INTEGER }
    return this.ready(folderRow, from, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, limit)
  }

  totals(folderRow: number): NeedTotals {
    const known = this.#counted.get(folderRow)
    if (known !== undefined) return known
    const row = present(this.#totals.get(folderRow), 'an aggregate gives a row')
    const counted = { paths: numberOf(row, 'paths'), bytes: numberOf(row, 'bytes') }
    this.#counted.set(folderRow, counted)
    return counted
  }

  /** Not before `retryMs` (wall clock) again; `reason` is a code for `problems`. */
  postpone(folderRow: number, pathKey: number, retryMs: number, reason: string): void {
    this.#postpone.run(retryMs, reason, folderRow, pathKey)
  }

  /** How often the path was tried in vain. */
  attempts(folderRow: number, pathKey: number): number {
    const attempts = this.#attempts.get(folderRow, pathKey)?.['attempts']
    return typeof attempts === 'number' ? attempts : 0
  }

  /** When the earliest postponed need comes back; undefined when none is postponed. */
  nextRetryMs(folderRow: number, nowMs: number): number | undefined {
    const at = this.#nextRetry.get(folderRow, nowMs)?.['at']
    return typeof at === 'number' ? at : undefined
  }

  /** All are ready now, and their pauses start small again: something changed for the better. */
  wakeAll(folderRow: number): void {
    this.#wakeAll.run(folderRow)
  }

  /** Whether any stays for another reason than this one; quick while the first that is to come does. */
  hasOther(folderRow: number, reason: string): boolean {
    return this.#other.get(folderRow, reason) !== undefined
  }

  /** How many paths wait for each reason. */
  reasons(folderRow: number): readonly { readonly reason: string; readonly paths: number }[] {
    return this.#reasons.all(folderRow).map((row) => ({ reason: textOf(row, 'reason'), paths: numberOf(row, 'paths') }))
  }
}

function parseNeed(row: Row): Need {
  return {
    rank: numberOf(row, 'rank'),
    pathKey: numberOf(row, 'path_key'),
    bytes: numberOf(row, 'bytes'),
    attempts: numberOf(row, 'attempts'),
    reason: textOf(row, 'reason'),
  }
}
