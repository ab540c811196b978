// What was found damaged on the disks of this node, and what came of it: what a restart must not forget, and `problems` tells.

import type { StatementSync } from 'node:sqlite'
import { present } from '../base/assert.ts'
import { parseBlockId, parseFolderId, type BlockId, type FolderId } from '../model/ids.ts'
import { numberOf, textOf } from './columns.ts'
import type { Database, Row } from './database.ts'

export interface Damage {
  /** As in scrub-table.ts. */
  readonly place: number
  /** Where in it: a segment and an offset, or a path. */
  readonly what: string
  /** Both or neither: a damaged header names nothing. */
  readonly folder?: FolderId
  readonly id?: BlockId
  readonly reason: string
  /** Wall clock. */
  readonly foundMs: number
}

/** 'healed': it is here again, and was read again. 'unwanted': it need not be here any more. */
export type DamageOutcome = 'open' | 'healed' | 'unwanted'
const outcomeNumbers = { open: 0, healed: 1, unwanted: 2 } as const

/** So many are remembered one by one; settled ones go first. */
const rowsMax = 10_000

export class DamageTable {
  readonly #insert: StatementSync
  readonly #settle: StatementSync
  readonly #open: StatementSync
  readonly #counts: StatementSync
  readonly #since: StatementSync
  readonly #total: StatementSync
  readonly #forgetOldest: StatementSync

  constructor(database: Database) {
    this.#insert = database.prepare(
      `insert into damage (place, what, folder, block_id, reason, found_ms) values (?, ?, ?, ?, ?, ?)
       on conflict do update set folder = excluded.folder, block_id = excluded.block_id, reason = excluded.reason,
       found_ms = excluded.found_ms, outcome = 0, settled_ms = 0 where outcome <> 0`,
    )
    this.#settle = database.prepare('update damage set outcome = ?, settled_ms = ? where place = ? and what = ? and outcome = 0')
    this.#open = database.prepare(
      'select place, what, folder, block_id, reason, found_ms from damage where outcome = 0 order by found_ms, place, what limit ?',
    )
    this.#counts = database.prepare('select outcome, count(*) as count from damage group by outcome')
    this.#since = database.prepare(
      `select outcome, count(*) as count, min(found_ms) as first_ms, max(found_ms) as last_ms from damage where found_ms >= ? group by outcome`,
    )
    this.#total = database.prepare('select count(*) as count from damage')
    this.#forgetOldest = database.prepare(
      'delete from damage where (place, what) in (select place, what from damage where outcome <> 0 order by found_ms limit ?)',
    )
  }

  /** True when it was not known, or had been settled. Inside a transaction. */
  add(damage: Damage): boolean {
    const { place, what, folder, id, reason, foundMs } = damage
    const count = numberOf(present(this.#total.get(), 'a count'), 'count')
    if (count >= rowsMax) this.#forgetOldest.run(count - rowsMax + 1)
    const isFull = numberOf(present(this.#total.get(), 'a count'), 'count') >= rowsMax
    if (isFull) return true // too much to remember one by one
    return this.#insert.run(place, what, folder ?? null, id ?? null, reason, Math.round(foundMs)).changes > 0
  }

  settle({ place, what }: Pick<Damage, 'place' | 'what'>, outcome: DamageOutcome, atMs: number): void {
    this.#settle.run(outcomeNumbers[outcome], Math.round(atMs), place, what)
  }

  /** The oldest first. */
  open(limit: number): readonly Damage[] {
    return this.#open.all(limit).map(parseDamage)
  }

  get openCount(): number {
    const row = this.#counts.all().find((each) => numberOf(each, 'outcome') === outcomeNumbers.open)
    return row === undefined ? 0 : numberOf(row, 'count')
  }

  /** What was found since, and what came of it. */
  since(fromMs: number): { readonly open: number; readonly healed: number; readonly unwanted: number; readonly lastMs: number } {
    const rows = this.#since.all(Math.round(fromMs))
    const of = (outcome: DamageOutcome): number => {
      const row = rows.find((each) => numberOf(each, 'outcome') === outcomeNumbers[outcome])
      return row === undefined ? 0 : numberOf(row, 'count')
    }
    const lastMs = Math.max(0, ...rows.map((row) => numberOf(row, 'last_ms')))
    return { open: of('open'), healed: of('healed'), unwanted: of('unwanted'), lastMs }
  }
}

function parseDamage(row: Row): Damage {
  const [folderBytes, idBytes] = [row['folder'], row['block_id']]
  const folder = folderBytes instanceof Uint8Array ? parseFolderId(folderBytes) : undefined
  const id = idBytes instanceof Uint8Array ? parseBlockId(idBytes) : undefined
  return {
    place: numberOf(row, 'place'),
    what: textOf(row, 'what'),
    reason: textOf(row, 'reason'),
    foundMs: numberOf(row, 'found_ms'),
    ...(folder === undefined || id === undefined ? {} : { folder, id }),
  }
}
