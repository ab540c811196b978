// What may go from here, and since when: blocks that nothing was found to refer to, and partitions that are not this node's to hold. Times
// are of the awake clock.

import type { StatementSync } from 'node:sqlite'
import { assert, present } from '../base/assert.ts'
import { bytesKey } from '../base/bytes.ts'
import { parseBlockId, type BlockId } from '../model/ids.ts'
import { bytesOf, numberOf } from './columns.ts'
import type { Database } from './database.ts'

export interface GarbageRow {
  readonly id: BlockId
  readonly sinceMs: number
}

export interface SurplusRow {
  readonly partition: number
  /** Since when it has not been this node's to hold. */
  readonly sinceMs: number
  /** This node does not say any more that it holds it. */
  readonly isReleased: boolean
}

export class RetireTable {
  readonly #garbage: StatementSync
  readonly #putGarbage: StatementSync
  readonly #dropGarbage: StatementSync
  readonly #hasGarbage: StatementSync
  readonly #anyGarbage: StatementSync
  readonly #countGarbage: StatementSync
  readonly #surplus: StatementSync
  readonly #putSurplus: StatementSync
  readonly #release: StatementSync
  readonly #renewSurplus: StatementSync
  readonly #dropSurplus: StatementSync

  constructor(database: Database) {
    this.#garbage = database.prepare(
      'select block_id, since_ms from garbage where folder = ? and block_id >= ? and block_id <= ? order by block_id',
    )
    this.#putGarbage = database.prepare('insert or ignore into garbage (folder, block_id, since_ms) values (?, ?, ?)')
    this.#dropGarbage = database.prepare('delete from garbage where folder = ? and block_id = ?')
    this.#hasGarbage = database.prepare('select 1 from garbage where folder = ? and block_id = ?')
    this.#anyGarbage = database.prepare('select 1 from garbage where folder = ? limit 1')
    this.#countGarbage = database.prepare('select count(*) as blocks from garbage where folder = ?')
    this.#surplus = database.prepare('select partition, since_ms, is_released from surplus where folder = ? order by partition')
    this.#putSurplus = database.prepare('insert or ignore into surplus (folder, partition, since_ms, is_released) values (?, ?, ?, 0)')
    this.#release = database.prepare('update surplus set is_released = 1 where folder = ? and partition = ?')
    this.#renewSurplus = database.prepare('update surplus set since_ms = ? where folder = ? and partition = ?')
    this.#dropSurplus = database.prepare('delete from surplus where folder = ? and partition = ?')
  }

  /** Of the blocks from one id to another, both among them: by `bytesKey` of the id, since when each is garbage. */
  garbageBetween(folderRow: number, first: BlockId, last: BlockId): ReadonlyMap<string, GarbageRow> {
    const rows = this.#garbage.all(folderRow, first, last).map((row): GarbageRow => {
      const id = parseBlockId(bytesOf(row, 'block_id'))
      assert(id !== undefined, 'a stored block id is one')
      return { id, sinceMs: numberOf(row, 'since_ms') }
    })
    return new Map(rows.map((row) => [bytesKey(row.id), row]))
  }

  /** What is garbage already stays so since then. */
  noteGarbage(folderRow: number, id: BlockId, sinceMs: number): void {
    this.#putGarbage.run(folderRow, id, sinceMs)
  }

  isGarbage(folderRow: number, id: BlockId): boolean {
    return this.#hasGarbage.get(folderRow, id) !== undefined
  }

  hasGarbage(folderRow: number): boolean {
    return this.#anyGarbage.get(folderRow) !== undefined
  }

  /** Something refers to the block again, or it is gone. */
  dropGarbage(folderRow: number, id: BlockId): void {
    this.#dropGarbage.run(folderRow, id)
  }

  /** Reads all rows. */
  garbageCount(folderRow: number): number {
    return numberOf(present(this.#countGarbage.get(folderRow), 'an aggregate gives a row'), 'blocks')
  }

  surplus(folderRow: number): readonly SurplusRow[] {
    return this.#surplus.all(folderRow).map((row) => ({
      partition: numberOf(row, 'partition'),
      sinceMs: numberOf(row, 'since_ms'),
      isReleased: numberOf(row, 'is_released') === 1,
    }))
  }

  /** What is surplus already stays so since then. */
  noteSurplus(folderRow: number, partition: number, sinceMs: number): void {
    this.#putSurplus.run(folderRow, partition, sinceMs)
  }

  release(folderRow: number, partition: number): void {
    this.#release.run(folderRow, partition)
  }

  /** It was this node's to hold until now. */
  renewSurplus(folderRow: number, partition: number, sinceMs: number): void {
    this.#renewSurplus.run(sinceMs, folderRow, partition)
  }

  dropSurplus(folderRow: number, partition: number): void {
    this.#dropSurplus.run(folderRow, partition)
  }
}
