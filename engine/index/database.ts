// One SQLite file, opened safely: integrity check, migrations, WAL, transactions that cannot span an await. A commit survives the end
// of the process at once and a power cut with the next flush of the log; what must survive a power cut as well asks for it.

import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { EngineError, messageOf } from '../base/errors.ts'
import { migrations } from './migrations.ts'

export type Row = Readonly<Record<string, unknown>>
export type Value = string | number | bigint | Uint8Array | null

const cacheKiB = 6 * 1024
const busyTimeoutMs = 5000
/** 256 MiB. Checkpoints are made off this thread long before (care-jobs.ts): this is for when that does not keep up. */
const checkpointPages = 65_536
/** What the log file keeps of its length when it begins anew: how long it is tells how much is in it then (care-jobs.ts). */
export const logKeptBytes: number = 256 * 1024

export class Database implements Disposable {
  readonly #database: DatabaseSync
  readonly #onFlushed: () => void
  #isInTransaction = false
  #mustLast = false

  constructor(database: DatabaseSync, onFlushed: () => void) {
    this.#database = database
    this.#onFlushed = onFlushed
  }

  prepare(sql: string): StatementSync {
    return this.#database.prepare(sql)
  }

  /**
   * Runs `work` as one transaction; nested calls join the outer one. `work` is synchronous by type: no await inside. With 'now' it
   * survives a power cut from the moment in which this returns, with 'soon' it may be lost with all that came after it. Throws `NO_SPACE`,
   * `DISK_FAILED`, and what `work` throws.
   */
  transact<T>(work: () => T, durability: 'soon' | 'now'): T {
    if (this.#isInTransaction) {
      if (durability === 'now') this.makeLast()
      return work()
    }
    // The level cannot be changed inside a transaction.
    if (durability === 'now') this.#database.exec('pragma synchronous = full')
    try {
      return this.#run(work, durability)
    } finally {
      if (durability === 'now') this.#database.exec('pragma synchronous = normal')
    }
  }

  #run<T>(work: () => T, durability: 'soon' | 'now'): T {
    this.#database.exec('begin immediate')
    this.#isInTransaction = true
    try {
      const result = work()
      this.#database.exec('commit')
      // A checkpoint flushes the log before it does anything else.
      if (this.#mustLast && durability === 'soon') this.#database.exec('pragma wal_checkpoint(passive)')
      if (this.#mustLast || durability === 'now') this.#onFlushed()
      return result
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('rollback')
      throw wrapDatabaseError(error)
    } finally {
      this.#isInTransaction = false
      this.#mustLast = false
    }
  }

  /** The transaction under way turns out to be one that must survive a power cut once it has ended. */
  makeLast(): void {
    this.#mustLast = true
  }

  /** Moves the rest of the log to the database; the next commit then begins the log anew. */
  settleLog(): void {
    this.#database.exec('pragma wal_checkpoint(passive)')
  }

  [Symbol.dispose](): void {
    if (this.#database.isOpen) this.#database.close()
  }
}

/** SQLite's: the file could not grow; the memory that processes share could not; the low byte of all I/O errors. */
const resultCodes = { full: 13, sharedMemoryFull: 4874, io: 10 }

/** SQLite's result code of an error that it threw; 0 for any other. */
function resultCodeOf(error: unknown): number {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : 0
}

export function isFullDisk(error: unknown): boolean {
  const code = resultCodeOf(error)
  return code === resultCodes.full || code === resultCodes.sharedMemoryFull
}

/** A disk that is full or fails is an answer, not an accident; anything else is passed on as it is. */
function wrapDatabaseError(error: unknown): unknown {
  if (isFullDisk(error)) {
    return new EngineError('NO_SPACE', 'the index could not be written: the disk of the home directory is full; free some space there', {
      cause: error,
    })
  }
  if ((resultCodeOf(error) & 0xff) === resultCodes.io) {
    return new EngineError(
      'DISK_FAILED',
      `the index could not be read or written: ${messageOf(error)}; check the disk of the home directory`,
      { cause: error },
    )
  }
  return error
}

/**
 * Opens or makes the index. Throws `DATABASE_CORRUPT` when the file is not a sound database, `HOME_TOO_NEW` when a newer
 * version of Holdfast has written it. Neither changes the file. Throws `NO_SPACE`, `DISK_FAILED` as well.
 */
export function openDatabase(path: string, onFlushed: () => void = () => undefined): Database {
  let raw: DatabaseSync | undefined
  try {
    raw = new DatabaseSync(path)
    raw.exec(`pragma busy_timeout = ${busyTimeoutMs}`)
    checkIntegrity(raw, path)
    migrate(raw, path)
    return new Database(raw, onFlushed)
  } catch (error) {
    raw?.close()
    const wrapped = wrapDatabaseError(error)
    if (wrapped instanceof EngineError) throw wrapped
    throw corrupt(path, messageOf(error), error)
  }
}

function checkIntegrity(raw: DatabaseSync, path: string): void {
  // quick_check reads every page once; the full check also compares indexes with rows, which takes minutes at ten million.
  const rows = raw.prepare('pragma quick_check(1)').all()
  const verdict = rows[0]?.['quick_check']
  if (verdict !== 'ok') throw corrupt(path, String(verdict))
}

function migrate(raw: DatabaseSync, path: string): void {
  const version = Number(raw.prepare('pragma user_version').get()?.['user_version'] ?? 0)
  if (version > migrations.length) {
    throw new EngineError(
      'HOME_TOO_NEW',
      `the index ${path} was written by a newer version of Holdfast (format ${version}, this program knows ${migrations.length}): update Holdfast, or use another --home`,
    )
  }
  raw.exec('pragma journal_mode = wal')
  raw.exec('pragma synchronous = normal')
  raw.exec(`pragma wal_autocheckpoint = ${checkpointPages}`)
  raw.exec(`pragma journal_size_limit = ${logKeptBytes}`)
  raw.exec('pragma foreign_keys = on')
  raw.exec(`pragma cache_size = -${cacheKiB}`)
  for (let step = version; step < migrations.length; step++) {
    raw.exec('begin immediate')
    raw.exec(migrations[step] ?? '')
    raw.exec(`pragma user_version = ${step + 1}`)
    raw.exec('commit')
  }
}

function corrupt(path: string, detail: string, cause?: unknown): EngineError {
  return new EngineError(
    'DATABASE_CORRUPT',
    `the index ${path} is damaged (${detail}); nothing was changed. Move it aside and start again: the folders are opened again, and what is in them is matched by its content`,
    { cause },
  )
}
