// Versions that were on this disk and were replaced or deleted: whose content may be parked as a file, stored as blocks, or with members.

import type { StatementSync } from 'node:sqlite'
import { assert, present } from '../base/assert.ts'
import { equalBytes, fromUtf8, utf8 } from '../base/bytes.ts'
import { BlockList } from '../model/block-list.ts'
import { packVector } from '../model/entry.ts'
import type { BlockId } from '../model/ids.ts'
import type { Item } from '../model/item.ts'
import type { EntryKind } from '../model/meta.ts'
import { parseRelativePath, type RelativePath } from '../model/path.ts'
import type { VersionVector } from '../model/vector.ts'
import { bytesOf, kindNumbers, kindOf, numberOf, optionalNumberOf, optionalTextOf, shortKeyOf, textOf } from './columns.ts'
import type { Database, Row } from './database.ts'

/** A version of a path that was on this disk and is not any more. */
export interface PastVersion {
  /** Never used again for another. */
  readonly row: number
  readonly path: RelativePath
  /** Its file in .holdfast/replaced, until the blocks are stored. */
  readonly parked: string | undefined
  readonly kind: EntryKind
  readonly sizeBytes: number
  readonly mtimeUs: number
  readonly mode: number
  readonly chunkClass: number
  readonly blocks: BlockList
  readonly linkTarget: string | undefined
  /** It was the path's from `sinceMs` to `replacedMs`: wall clock of this node. */
  readonly sinceMs: number
  readonly replacedMs: number
  /** Nothing took its place. */
  readonly isDeletion: boolean
  /** Row of the author who replaced it. */
  readonly author: number | undefined
}

export interface ParkedVersion extends PastVersion {
  readonly parked: string
}

/** Where a block can be read: in this file of .holdfast/replaced, from this offset. */
export interface ParkedHome {
  readonly parked: string
  readonly offset: number
}

/** How a version came to be in the past. */
export interface Replacement {
  readonly parked: string | undefined
  readonly replacedMs: number
  readonly isDeletion: boolean
  readonly author: number | undefined
}

const missingBlocksName = 'history_blocks_missing'

export class HistoryTable {
  readonly #insert: StatementSync
  readonly #newestSame: StatementSync
  readonly #renew: StatementSync
  readonly #setParked: StatementSync
  readonly #setSince: StatementSync
  readonly #parked: StatementSync
  readonly #parkedNames: StatementSync
  readonly #parkedBytes: StatementSync
  readonly #parkedWith: StatementSync
  readonly #get: StatementSync
  readonly #ofPath: StatementSync
  readonly #withVector: StatementSync
  readonly #below: StatementSync
  readonly #countOfPath: StatementSync
  readonly #countBelow: StatementSync
  readonly #oldest: StatementSync
  readonly #pathCounts: StatementSync
  readonly #newestOf: StatementSync
  readonly #firstAfter: StatementSync
  readonly #remove: StatementSync
  readonly #insertBlock: StatementSync
  readonly #removeBlock: StatementSync
  readonly #refersTo: StatementSync
  readonly #isShared: StatementSync
  readonly #removeBlocks: StatementSync

  constructor(database: Database) {
    this.#insert = database.prepare(
      `insert into history (folder, path, parked, kind, size_bytes, mtime_us, mode, chunk_class, vector, blocks, since_ms, replaced_ms, is_deletion, author)
       values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    this.#newestSame = database.prepare(
      `select id from history where id = (select max(id) from history where folder = ? and path = ?) and vector = ? and blocks = ?`,
    )
    this.#renew = database.prepare(
      'update history set parked = coalesce(parked, ?), replaced_ms = ?, is_deletion = ?, author = coalesce(?, author) where id = ?',
    )
    this.#setParked = database.prepare('update history set parked = ? where id = ?')
    this.#setSince = database.prepare('update history set since_ms = min(since_ms, ?) where id = ?')
    this.#parked = database.prepare('select * from history where folder = ? and parked is not null order by id limit ?')
    this.#parkedNames = database.prepare('select parked from history where folder = ? and parked is not null')
    this.#parkedBytes = database.prepare('select total(size_bytes) as bytes from history where folder = ? and parked is not null')
    this.#parkedWith = database.prepare(
      `select history.parked, history.blocks from history_block join history on history.id = history_block.history
       where block_key = ? and history.folder = ? and parked is not null and kind = 1 limit 4`,
    )
    this.#get = database.prepare('select * from history where folder = ? and id = ?')
    this.#ofPath = database.prepare('select * from history where folder = ? and path = ? order by replaced_ms desc, id desc limit ?')
    this.#withVector = database.prepare(
      'select * from history where folder = ? and path = ? and vector = ? and kind = 1 order by id desc limit 1',
    )
    this.#below = database.prepare(
      'select * from history where folder = ? and path > ? and path < ? order by replaced_ms desc, id desc limit ?',
    )
    this.#countOfPath = database.prepare('select count(*) as versions from history where folder = ? and path = ?')
    this.#countBelow = database.prepare('select count(*) as versions from history where folder = ? and path > ? and path < ?')
    this.#oldest = database.prepare('select * from history where folder = ? and replaced_ms < ? order by replaced_ms, id limit ?')
    this.#pathCounts = database.prepare(
      'select path, count(*) as versions from history where folder = ? and path > ? group by path order by path limit ?',
    )
    this.#newestOf = database.prepare('select * from history where folder = ? order by replaced_ms desc, id desc limit ?')
    // The first version to be replaced after a time is the one that was there at that time, if it had begun by then.
    this.#firstAfter = database.prepare(
      `select * from history h where folder = ? and replaced_ms > ? and path > ? and id =
         (select id from history where folder = h.folder and path = h.path and replaced_ms > ? order by replaced_ms, id limit 1)
       order by path limit ?`,
    )
    this.#remove = database.prepare('delete from history where id = ?')
    this.#insertBlock = database.prepare('insert or ignore into history_block (block_key, history) values (?, ?)')
    this.#removeBlock = database.prepare('delete from history_block where block_key = ? and history = ?')
    this.#refersTo = database.prepare('select 1 from history_block where block_key = ? limit 1')
    this.#isShared = database.prepare('select 1 from history_block where block_key = ? and history <> ? limit 1')
    this.#removeBlocks = database.prepare('delete from history_block where history in (select id from history where folder = ?)')
    this.#addMissingBlocks(database)
  }

  /** What an older version of this program wrote has no block rows yet. */
  #addMissingBlocks(database: Database): void {
    if (database.prepare('select 1 from fact where name = ?').get(missingBlocksName) === undefined) return
    const all = database.prepare('select id, blocks from history where kind = 1')
    database.transact(() => {
      for (const row of all.all()) this.#addBlocks(numberOf(row, 'id'), new BlockList(bytesOf(row, 'blocks')))
      database.prepare('delete from fact where name = ?').run(missingBlocksName)
    }, 'now')
  }

  /**
   * Notes that `item` is in the past, in the transaction that records what came in its place. A version that was noted before, by a run
   * that ended in between or because its file had gone bad, is not noted twice.
   */
  insert(folderRow: number, item: Item, { parked, replacedMs, isDeletion, author }: Replacement): void {
    const vector = packVector(item.vector)
    const blocks = item.kind === 'symlink' ? utf8(item.linkTarget ?? '') : item.blocks.bytes
    const newest = this.#newestSame.get(folderRow, item.path, vector, blocks)
    if (newest !== undefined) {
      this.#renew.run(parked ?? null, replacedMs, isDeletion ? 1 : 0, author ?? null, numberOf(newest, 'id'))
      return
    }
    const done = this.#insert.run(
      folderRow,
      item.path,
      parked ?? null,
      kindNumbers[item.kind],
      item.sizeBytes,
      item.mtimeUs,
      item.mode,
      item.chunkClass,
      vector,
      blocks,
      Math.min(item.sinceMs, replacedMs),
      replacedMs,
      isDeletion ? 1 : 0,
      author ?? null,
    )
    this.#addBlocks(Number(done.lastInsertRowid), item.blocks)
  }

  /** The first to be put aside first. */
  parked(folderRow: number, limit: number): readonly ParkedVersion[] {
    return this.#parked.all(folderRow, limit).map((row) => ({ ...parseVersion(row), parked: textOf(row, 'parked') }))
  }

  parkedNames(folderRow: number): ReadonlySet<string> {
    return new Set(this.#parkedNames.all(folderRow).map((row) => textOf(row, 'parked')))
  }

  /** Of the files in .holdfast/replaced that belong to versions. */
  parkedBytes(folderRow: number): number {
    const row = this.#parkedBytes.get(folderRow)
    return row === undefined ? 0 : numberOf(row, 'bytes')
  }

  /** A parked file that holds the block, as far as the rows know; the reader checks. */
  parkedHome(folderRow: number, id: BlockId): ParkedHome | undefined {
    const hash = id.subarray(1)
    for (const row of this.#parkedWith.all(shortKeyOf(id), folderRow)) {
      const blocks = new BlockList(bytesOf(row, 'blocks'))
      let offset = 0
      for (let at = 0; at < blocks.count; at++) {
        if (equalBytes(blocks.hash(at), hash)) return { parked: textOf(row, 'parked'), offset }
        offset += blocks.lengthBytes(at)
      }
    }
    return undefined
  }

  /** Its file in .holdfast/replaced is not its own any more: the blocks are stored. */
  clearParked(row: number): void {
    this.#setParked.run(null, row)
  }

  get(folderRow: number, row: number): PastVersion | undefined {
    const found = this.#get.get(folderRow, row)
    return found === undefined ? undefined : parseVersion(found)
  }

  /** Newest first. */
  ofPath(folderRow: number, path: string, limit: number): readonly PastVersion[] {
    return this.#ofPath.all(folderRow, path, limit).map(parseVersion)
  }

  /** The file that a path was in this very version; undefined when it was not on this disk, or was let go of. */
  withVector(folderRow: number, path: string, vector: VersionVector): PastVersion | undefined {
    const row = this.#withVector.get(folderRow, path, packVector(vector))
    return row === undefined ? undefined : parseVersion(row)
  }

  /** Of everything below a directory ('' = the root), newest first. */
  below(folderRow: number, directory: string, limit: number): readonly PastVersion[] {
    if (directory === '') return this.#newestOf.all(folderRow, limit).map(parseVersion)
    return this.#below.all(folderRow, ...rangeBelow(directory), limit).map(parseVersion)
  }

  /** How many `ofPath` would give without a limit. */
  countOfPath(folderRow: number, path: string): number {
    return countOf(this.#countOfPath.get(folderRow, path))
  }

  /** How many `below` would give without a limit. */
  countBelow(folderRow: number, directory: string): number {
    return countOf(this.#countBelow.get(folderRow, ...rangeBelow(directory)))
  }

  /** Those replaced before a time, oldest first. */
  oldest(folderRow: number, beforeMs: number, limit: number): readonly PastVersion[] {
    return this.#oldest.all(folderRow, beforeMs, limit).map(parseVersion)
  }

  /** Paths after `after`, and how many versions each has. */
  pathCounts(folderRow: number, after: string, limit: number): readonly { readonly path: string; readonly versions: number }[] {
    return this.#pathCounts.all(folderRow, after, limit).map((row) => ({ path: textOf(row, 'path'), versions: numberOf(row, 'versions') }))
  }

  /** By path, from the one after `afterPath`: the first version replaced after `timeMs`. */
  firstReplacedAfter(folderRow: number, timeMs: number, afterPath: string, limit: number): readonly PastVersion[] {
    return this.#firstAfter.all(folderRow, timeMs, afterPath, timeMs, limit).map(parseVersion)
  }

  /** It stands for an earlier version of the path too, which is let go of. */
  reachBack(row: number, sinceMs: number): void {
    this.#setSince.run(sinceMs, row)
  }

  remove({ row, blocks }: PastVersion): void {
    for (let at = 0; at < blocks.count; at++) this.#removeBlock.run(shortKeyOf(blocks.id(at)), row)
    this.#remove.run(row)
  }

  /** Whether some version of some folder may hold the block; never false when one does. */
  refersTo(id: BlockId): boolean {
    return this.#refersTo.get(shortKeyOf(id)) !== undefined
  }

  /** Whether another version than this one may hold the block too. */
  isSharedBy(id: BlockId, row: number): boolean {
    return this.#isShared.get(shortKeyOf(id), row) !== undefined
  }

  /** Before the folder's row goes: block rows hang on versions, not on folders. */
  removeAllBlocks(folderRow: number): void {
    this.#removeBlocks.run(folderRow)
  }

  #addBlocks(row: number, blocks: BlockList): void {
    for (let at = 0; at < blocks.count; at++) this.#insertBlock.run(shortKeyOf(blocks.id(at)), row)
  }
}

/** Paths strictly between these are below the directory ('' = all): '0' is the character after '/'. */
function rangeBelow(directory: string): readonly [string, string] {
  return directory === '' ? ['', '\u{10FFFF}'] : [`${directory}/`, `${directory}0`]
}

function countOf(row: Row | undefined): number {
  return numberOf(present(row, 'an aggregate gives a row'), 'versions')
}

function parseVersion(row: Row): PastVersion {
  const kind = kindOf(row)
  const path = parseRelativePath(textOf(row, 'path'))
  assert(path !== undefined, 'a stored path is one')
  const blocks = bytesOf(row, 'blocks')
  return {
    row: numberOf(row, 'id'),
    path,
    parked: optionalTextOf(row, 'parked'),
    kind,
    sizeBytes: numberOf(row, 'size_bytes'),
    mtimeUs: numberOf(row, 'mtime_us'),
    mode: numberOf(row, 'mode'),
    chunkClass: numberOf(row, 'chunk_class'),
    blocks: kind === 'file' ? new BlockList(blocks) : BlockList.empty,
    linkTarget: kind === 'symlink' ? fromUtf8(blocks) : undefined,
    sinceMs: numberOf(row, 'since_ms'),
    replacedMs: numberOf(row, 'replaced_ms'),
    isDeletion: numberOf(row, 'is_deletion') === 1,
    author: optionalNumberOf(row, 'author'),
  }
}
