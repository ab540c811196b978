// Current entries and the change sets that prove them, authors and how far each is known.

import type { StatementSync } from 'node:sqlite'
import { assert } from '../base/assert.ts'
import { bytesKey, equalBytes } from '../base/bytes.ts'
import { decodeChangeSet, entryHashBytes } from '../model/change-set.ts'
import { decodeEntry, type Entry } from '../model/entry.ts'
import { parseAuthorId, type AuthorId, type EntryId } from '../model/ids.ts'
import { decodeKnown, encodeAbove, joinKnown, knownUpTo, nothingKnown, type Known } from '../model/known.ts'
import { ChangeSetTimes } from './change-set-times.ts'
import { bytesOf, numberOf, shortKeyOf } from './columns.ts'
import type { Database, Row } from './database.ts'

/** A current entry as it is stored. */
export interface EntryRow {
  readonly rowSeq: number
  /** Row number of the author. */
  readonly author: number
  readonly seq: number
  /** The bytes the author signed. */
  readonly bytes: Uint8Array
  readonly entry: Entry
}

export interface AuthorRow {
  readonly row: number
  readonly authorId: AuthorId
  readonly nodeKey: Uint8Array
  readonly incarnation: Uint8Array
  /** The numbers whose entry is here, or something that supersedes it. */
  readonly known: Known
}

/** An entry that is not decoded: on its way to a peer, or to be counted. */
export interface StoredEntry {
  readonly rowSeq: number
  readonly author: number
  readonly seq: number
  readonly bytes: Uint8Array
}

const rowCounterName = 'entry_row_seq'
/** Row numbers are reserved durably this many at a time: after a power cut none is given out twice, though some are skipped. */
const rowsReserved = 100_000

export class EntryTable {
  readonly #database: Database
  readonly #insert: StatementSync
  readonly #byPath: StatementSync
  readonly #rowsOf: StatementSync
  readonly #remove: StatementSync
  readonly #after: StatementSync
  readonly #insertAuthor: StatementSync
  readonly #authors: StatementSync
  readonly #setKnown: StatementSync
  readonly #insertSet: StatementSync
  readonly #setFor: StatementSync
  readonly #setAt: StatementSync
  readonly #setBefore: StatementSync
  readonly #ofAuthor: StatementSync
  readonly #removeSets: StatementSync
  readonly #noteUnusable: StatementSync
  readonly #unusable: StatementSync
  readonly #forgetUnusable: StatementSync
  readonly #saveCounter: StatementSync
  readonly #lastOf: StatementSync
  readonly #byRow: StatementSync
  readonly #isCurrent: StatementSync
  readonly #page: StatementSync
  #rowSeq: number
  #rowSeqReserved: number
  #flushedRowSeq = 0
  /** By folder: asked for all the time, and other folders' rows lie between. */
  readonly #newest = new Map<number, number>()
  #authorsByFolder: Map<number, Map<string, AuthorRow>> = new Map()
  readonly #times = new ChangeSetTimes()

  constructor(database: Database) {
    this.#database = database
    this.#insert = database.prepare('insert into entry (row_seq, folder, path_key, author, seq, bytes) values (?, ?, ?, ?, ?, ?)')
    this.#byPath = database.prepare('select row_seq, author, seq, bytes from entry where folder = ? and path_key = ? order by row_seq')
    this.#rowsOf = database.prepare('select row_seq from entry where folder = ? and path_key = ? limit 2')
    this.#remove = database.prepare('delete from entry where row_seq = ?')
    // The plus keeps SQLite on the rows' own order instead of sorting all of the folder's.
    this.#after = database.prepare(
      'select row_seq, author, seq, bytes from entry where row_seq > ? and row_seq <= ? and +folder = ? order by row_seq limit ?',
    )
    this.#insertAuthor = database.prepare('insert into author (folder, author_id, node_key, incarnation) values (?, ?, ?, ?)')
    this.#authors = database.prepare('select id, author_id, node_key, incarnation, head, above from author where folder = ?')
    this.#setKnown = database.prepare('update author set head = ?, above = ? where id = ?')
    this.#insertSet = database.prepare('insert or ignore into change_set (author, first_seq, entries, bytes) values (?, ?, ?, ?)')
    this.#setFor = database.prepare(
      'select bytes, first_seq from change_set where author = ? and first_seq <= ? order by first_seq desc limit 1',
    )
    this.#setBefore = database.prepare(
      'select bytes, first_seq, entries from change_set where author = ? and first_seq <= ? order by first_seq desc limit 1',
    )
    this.#setAt = database.prepare('select bytes from change_set where author = ? and first_seq = ?')
    this.#ofAuthor = database.prepare('select row_seq, author, seq, bytes from entry where author = ? and seq > ? order by seq')
    this.#removeSets = database.prepare('delete from change_set where author = ? and first_seq > ?')
    this.#noteUnusable = database.prepare('insert or ignore into unusable (author, seq) values (?, ?)')
    this.#unusable = database.prepare('select seq from unusable where author = ? order by seq limit ?')
    this.#forgetUnusable = database.prepare('delete from unusable where author in (select id from author where folder = ?)')
    this.#lastOf = database.prepare('select row_seq from entry where +folder = ? order by row_seq desc limit 1')
    this.#page = database.prepare(
      'select row_seq, author, seq, bytes from entry where row_seq > ? and +folder = ? order by row_seq limit ?',
    )
    this.#isCurrent = database.prepare('select 1 from entry where row_seq = ?')
    this.#byRow = database.prepare('select row_seq, author, seq, bytes from entry where row_seq = ?')
    this.#saveCounter = database.prepare('insert into fact (name, value) values (?, ?) on conflict do update set value = excluded.value')
    this.#rowSeqReserved = this.#readReserved()
    this.#rowSeq = this.#rowSeqReserved
  }

  #readReserved(): number {
    const counter = this.#database.prepare('select value from fact where name = ?').get(rowCounterName)?.['value']
    return typeof counter === 'number' ? counter : 0
  }

  /** The newest row number given out. */
  get lastRowSeq(): number {
    return this.#rowSeq
  }

  /** The current entries of one path, oldest row first. */
  siblings(folderRow: number, entryId: EntryId): readonly EntryRow[] {
    return this.siblingsByKey(folderRow, shortKeyOf(entryId)).filter((row) => equalBytes(row.entry.entryId, entryId))
  }

  /** As `siblings`, for every path that shares this short key. */
  siblingsByKey(folderRow: number, pathKey: number): readonly EntryRow[] {
    return this.#byPath.all(folderRow, pathKey).map(parseEntryRow)
  }

  /** Whether this row is the only current one of all paths that share the short key; decodes nothing. */
  isOnly(folderRow: number, pathKey: number, rowSeq: number): boolean {
    const rows = this.#rowsOf.all(folderRow, pathKey)
    return rows.length === 1 && rows[0]?.['row_seq'] === rowSeq
  }

  /** Inside a transaction. */
  insert(folderRow: number, entry: Entry, bytes: Uint8Array, author: number, seq: number): void {
    if (this.#rowSeq >= this.#rowSeqReserved) {
      this.#reserveRows()
      this.#database.makeLast()
    }
    this.#insert.run(++this.#rowSeq, folderRow, shortKeyOf(entry.entryId), author, seq, bytes)
    this.#newest.set(folderRow, this.#rowSeq)
  }

  /** True when few reserved row numbers are left: `reserveRows` before an insert has to, which would wait for the device. */
  get isRowReserveLow(): boolean {
    return this.#rowSeqReserved - this.#rowSeq < rowsReserved / 2
  }

  /** Reserves more row numbers. Inside a durable transaction. */
  reserveRows(): void {
    this.#reserveRows()
  }

  #reserveRows(): void {
    this.#rowSeqReserved = Math.max(this.#rowSeqReserved, this.#rowSeq) + rowsReserved
    this.#saveCounter.run(rowCounterName, this.#rowSeqReserved)
  }

  remove(rowSeq: number): void {
    this.#remove.run(rowSeq)
    for (const [folderRow, newest] of this.#newest) if (newest === rowSeq) this.#newest.delete(folderRow)
  }

  /**
   * Rows up to this one survive a power cut. Later ones are not told to others yet: an author that forgot what it told would give
   * the same numbers out again.
   */
  get flushedRowSeq(): number {
    return this.#flushedRowSeq
  }

  /** The database was flushed when `rowSeq` was the newest row. */
  noteFlushed(rowSeq: number): void {
    this.#flushedRowSeq = Math.max(this.#flushedRowSeq, rowSeq)
  }

  /** Entries that this node learnt of after `rowSeq` and that are flushed, in that order. */
  after(folderRow: number, rowSeq: number, limit: number): readonly StoredEntry[] {
    return this.#after.all(rowSeq, this.#flushedRowSeq, folderRow, limit).map(parseStored)
  }

  /** Current entries after `rowSeq`, flushed or not, in that order. */
  page(folderRow: number, rowSeq: number, limit: number): readonly EntryRow[] {
    return this.#page.all(rowSeq, folderRow, limit).map(parseEntryRow)
  }

  /** As `page`, not decoded. */
  storedPage(folderRow: number, rowSeq: number, limit: number): readonly StoredEntry[] {
    return this.#page.all(rowSeq, folderRow, limit).map(parseStored)
  }

  /** The newest row of one folder; 0 when it has none. */
  lastRowOf(folderRow: number): number {
    const known = this.#newest.get(folderRow)
    if (known !== undefined) return known
    const row = this.#lastOf.get(folderRow)?.['row_seq']
    const newest = typeof row === 'number' ? row : 0
    this.#newest.set(folderRow, newest)
    return newest
  }

  /** Whether the entry with this row number is current still. */
  isCurrent(rowSeq: number): boolean {
    return this.#isCurrent.get(rowSeq) !== undefined
  }

  /** undefined when the entry with this row number is not current any more. */
  byRow(rowSeq: number): EntryRow | undefined {
    const row = this.#byRow.get(rowSeq)
    return row === undefined ? undefined : parseEntryRow(row)
  }

  authors(folderRow: number): readonly AuthorRow[] {
    return [...this.#authorMap(folderRow).values()]
  }

  author(folderRow: number, authorId: AuthorId): AuthorRow | undefined {
    return this.#authorMap(folderRow).get(bytesKey(authorId))
  }

  /** The author's row, made when it is not there yet. */
  ensureAuthor(folderRow: number, authorId: AuthorId, nodeKey: Uint8Array, incarnation: Uint8Array): AuthorRow {
    const known = this.author(folderRow, authorId)
    if (known !== undefined) return known
    const done = this.#insertAuthor.run(folderRow, authorId, nodeKey, incarnation)
    const author: AuthorRow = { row: Number(done.lastInsertRowid), authorId, nodeKey, incarnation, known: nothingKnown }
    this.#authorMap(folderRow).set(bytesKey(authorId), author)
    return author
  }

  /** These numbers of the author are known too. Inside a transaction. */
  learn(folderRow: number, author: AuthorRow, numbers: Known): void {
    const before = this.author(folderRow, author.authorId)?.known ?? author.known
    const known = joinKnown(before, numbers)
    if (known !== before) this.#know(folderRow, author, known)
  }

  #know(folderRow: number, author: AuthorRow, known: Known): void {
    this.#setKnown.run(known.seq, encodeAbove(known), author.row)
    this.#authorMap(folderRow).set(bytesKey(author.authorId), { ...author, known })
  }

  /** The entry with this number came, and is of no use to this program. Inside a transaction. */
  noteUnusable(author: number, seq: number): void {
    this.#noteUnusable.run(author, seq)
  }

  /** Numbers of the author whose entries are of no use: at most `limit`, in order. */
  unusable(author: number, limit: number): readonly number[] {
    return this.#unusable.all(author, limit).map((row) => numberOf(row, 'seq'))
  }

  /** True when there were some. Inside a transaction. */
  forgetUnusable(folderRow: number): boolean {
    return this.#forgetUnusable.run(folderRow).changes > 0
  }

  /** Forgets what is cached: after a rollback, and when a folder goes. */
  forgetCaches(): void {
    this.#authorsByFolder = new Map()
    this.#newest.clear()
    this.#times.clear()
    // Never back: numbers of a transaction that is gone are skipped. What it reserved is reserved again.
    this.#rowSeqReserved = this.#readReserved()
    this.#rowSeq = Math.max(this.#rowSeq, 0)
  }

  insertChangeSet(author: number, firstSeq: number, entries: number, bytes: Uint8Array): void {
    this.#insertSet.run(author, firstSeq, entries, bytes)
  }

  /** The encoded change set that begins at this sequence number. */
  changeSetAt(author: number, firstSeq: number): Uint8Array | undefined {
    const row = this.#setAt.get(author, firstSeq)
    return row === undefined ? undefined : bytesOf(row, 'bytes')
  }

  /** The encoded change set that has any of these sequence numbers; the last, where there are several. */
  changeSetOver(author: number, first: number, last: number): Uint8Array | undefined {
    const row = this.#setBefore.get(author, last)
    return row === undefined || numberOf(row, 'first_seq') + numberOf(row, 'entries') <= first ? undefined : bytesOf(row, 'bytes')
  }

  /** Current entries of an author after a sequence number, in their order. Reads all rows: for what happens once. */
  ofAuthorAfter(author: number, seq: number): readonly EntryRow[] {
    return this.#ofAuthor.all(author, seq).map(parseEntryRow)
  }

  /** What is known of an author ends at `seq` again. Its later entries must be gone. Inside a transaction. */
  forgetAfter(folderRow: number, author: AuthorRow, seq: number): void {
    this.#removeSets.run(author.row, seq)
    this.#know(folderRow, author, knownUpTo(author.known, seq))
  }

  /** The change set that holds this sequence number: its encoded bytes and first number. */
  changeSetFor(author: number, seq: number): { readonly bytes: Uint8Array; readonly firstSeq: number } {
    const row = this.#setFor.get(author, seq)
    assert(row !== undefined, 'a stored entry has its change set')
    return { bytes: bytesOf(row, 'bytes'), firstSeq: numberOf(row, 'first_seq') }
  }

  /** When the author wrote it, by the author's clock: milliseconds since 1970. */
  timeMsOf(author: number, seq: number): number {
    return this.#times.get(author, seq) ?? this.#readTime(author, seq)
  }

  #readTime(author: number, seq: number): number {
    const set = decodeChangeSet(this.changeSetFor(author, seq).bytes)
    assert(set !== undefined, 'a stored change set can be decoded')
    this.#times.add(author, set.firstSeq, set.hashes.length / entryHashBytes, set.timeMs)
    return set.timeMs
  }

  #authorMap(folderRow: number): Map<string, AuthorRow> {
    const known = this.#authorsByFolder.get(folderRow)
    if (known !== undefined) return known
    const map = new Map(
      this.#authors
        .all(folderRow)
        .map(parseAuthorRow)
        .map((author) => [bytesKey(author.authorId), author]),
    )
    this.#authorsByFolder.set(folderRow, map)
    return map
  }
}

function parseStored(row: Row): StoredEntry {
  return { rowSeq: numberOf(row, 'row_seq'), author: numberOf(row, 'author'), seq: numberOf(row, 'seq'), bytes: bytesOf(row, 'bytes') }
}

function parseEntryRow(row: Row): EntryRow {
  return decodedRow(parseStored(row))
}

export function decodedRow({ rowSeq, author, seq, bytes }: StoredEntry): EntryRow {
  const entry = decodeEntry(bytes)
  assert(entry !== undefined, 'a stored entry can be decoded')
  return { rowSeq, author, seq, bytes, entry }
}

function parseAuthorRow(row: Row): AuthorRow {
  const authorId = parseAuthorId(bytesOf(row, 'author_id'))
  const known = decodeKnown(numberOf(row, 'head'), bytesOf(row, 'above'))
  assert(authorId !== undefined, 'a stored author id is one')
  assert(known !== undefined, 'stored ranges can be decoded')
  return {
    row: numberOf(row, 'id'),
    authorId,
    nodeKey: bytesOf(row, 'node_key'),
    incarnation: bytesOf(row, 'incarnation'),
    known,
  }
}
