// The index: every table over one database. Flows are handed this and use the tables they need.

import type { Random } from '../base/clock.ts'
import { errorCodeOf } from '../base/errors.ts'
import { AbsenceTable } from './absence-table.ts'
import { AuditTable } from './audit-table.ts'
import { BlockNeedTable } from './block-need-table.ts'
import { DamageTable } from './damage-table.ts'
import { openDatabase, type Database } from './database.ts'
import { ElsewhereTable } from './elsewhere-table.ts'
import { EntryTable } from './entry-table.ts'
import { FolderTable } from './folder-table.ts'
import { HistoryTable } from './history-table.ts'
import { ItemTable } from './item-table.ts'
import { LayoutTable } from './layout-table.ts'
import { LeftoverTable } from './leftover-table.ts'
import { NeedTable } from './need-table.ts'
import { PeerTable } from './peer-table.ts'
import { ReceiptTable } from './receipt-table.ts'
import { RetireTable } from './retire-table.ts'
import { ScrubTable } from './scrub-table.ts'
import { StandInTable } from './stand-in-table.ts'

export interface Index extends Disposable {
  /** 16 random bytes made with the database, and anew when it turns out to be an old one: whose row order a peer's cursor means. */
  readonly indexId: Uint8Array
  /** Cursors of peers mean nothing any more: rows were told under these numbers that are not here. Inside a transaction. */
  renewId(random: Random): void
  readonly folders: FolderTable
  readonly entries: EntryTable
  readonly items: ItemTable
  readonly elsewhere: ElsewhereTable
  readonly needs: NeedTable
  readonly blockNeeds: BlockNeedTable
  readonly peers: PeerTable
  readonly history: HistoryTable
  readonly receipts: ReceiptTable
  readonly audits: AuditTable
  readonly layouts: LayoutTable
  readonly leftovers: LeftoverTable
  readonly retiring: RetireTable
  readonly standIns: StandInTable
  readonly absences: AbsenceTable
  readonly scrub: ScrubTable
  readonly damage: DamageTable
  /** One transaction per fact; `work` cannot await. What it threw is thrown on, and nothing of it stays. */
  transact<T>(work: () => T): T
  /** As `transact`; once it has returned, the fact survives a power cut: for what other nodes are told as ours, and for secrets. */
  transactDurably<T>(work: () => T): T
  /** As `transactDurably`, for what lets something go: on a full disk it may use the last reserve, and `work` runs once more then. */
  transactToMakeRoom<T>(work: () => T): T
  /** Moves the rest of the log to the database, on this thread: quick right after a checkpoint elsewhere. */
  settleLog(): void
  /** What is kept in memory of rows is read again: after a folder went. */
  forgetCaches(): void
}

const indexIdBytes = 16
const indexIdName = 'index_id'

export interface IndexEvents {
  /** Everything committed so far survives a power cut. */
  readonly onFlushed?: (() => void) | undefined
  /** The disk is full, and what is to be written makes room: true when some was found for it. */
  readonly makeRoom?: () => boolean
}

/** Throws `DATABASE_CORRUPT`, `HOME_TOO_NEW`, `NO_SPACE`, `DISK_FAILED`. */
export function openIndex(path: string, random: Random, { onFlushed, makeRoom }: IndexEvents = {}): Index {
  const database = openDatabase(path, onFlushed)
  const entries = new EntryTable(database)
  const needs = new NeedTable(database)
  const blockNeeds = new BlockNeedTable(database)
  const audits = new AuditTable(database)
  const elsewhere = new ElsewhereTable(database)
  const items = new ItemTable(database, elsewhere)
  const forgetCaches = (): void => {
    entries.forgetCaches()
    needs.forgetCaches()
    blockNeeds.forgetCaches()
    audits.forgetCaches()
    items.forgetCaches()
    elsewhere.forgetCaches()
  }
  const attempt = <T>(work: () => T): T => {
    try {
      return work()
    } catch (error) {
      forgetCaches() // they may name rows of the transaction that is gone
      throw error
    }
  }
  let indexId = ensureIndexId(database, random)
  return {
    forgetCaches,
    get indexId() {
      return indexId
    },
    renewId: (source) => {
      indexId = source.bytes(indexIdBytes)
      database.prepare('update fact set value = ? where name = ?').run(indexId, indexIdName)
    },
    folders: new FolderTable(database),
    entries,
    items,
    elsewhere,
    needs,
    blockNeeds,
    peers: new PeerTable(database),
    history: new HistoryTable(database),
    receipts: new ReceiptTable(database),
    audits,
    layouts: new LayoutTable(database),
    leftovers: new LeftoverTable(database),
    retiring: new RetireTable(database),
    standIns: new StandInTable(database),
    absences: new AbsenceTable(database),
    scrub: new ScrubTable(database),
    damage: new DamageTable(database),
    settleLog: () => database.settleLog(),
    transact: (work) => attempt(() => database.transact(work, 'soon')),
    transactDurably: (work) => attempt(() => database.transact(work, 'now')),
    transactToMakeRoom: (work) => {
      try {
        return attempt(() => database.transact(work, 'now'))
      } catch (error) {
        if (errorCodeOf(error) !== 'NO_SPACE' || makeRoom?.() !== true) throw error
        return attempt(() => database.transact(work, 'now'))
      }
    },
    [Symbol.dispose]: () => database[Symbol.dispose](),
  }
}

function ensureIndexId(database: Database, random: Random): Uint8Array {
  const known = database.prepare('select value from fact where name = ?').get(indexIdName)?.['value']
  if (known instanceof Uint8Array) return known
  const made = random.bytes(indexIdBytes)
  database.prepare('insert into fact (name, value) values (?, ?)').run(indexIdName, made)
  return made
}
