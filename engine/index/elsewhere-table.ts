// Files of a folder that are not on this disk because this node does not keep them: their entries are known, others have the content. And
// directories that went here while such files were in them. A path has a row here or an item, never both: ItemTable.put sees to it.

import type { StatementSync } from 'node:sqlite'
import { assert, present } from '../base/assert.ts'
import { parseEntryId, type EntryId } from '../model/ids.ts'
import { parseRelativePath, type RelativePath } from '../model/path.ts'
import { bytesOf, numberOf, shortKeyOf, textOf } from './columns.ts'
import type { Database, Row } from './database.ts'

export interface Elsewhere {
  /** As entries have it. */
  readonly path: RelativePath
  readonly sizeBytes: number
  /** A digest of the content: a file that others renamed is known again by it. */
  readonly content: Uint8Array
  /** It was asked for and is on its way: a need has it. */
  readonly isWanted: boolean
  /** It went from this disk, and comes again with what is fetched into it. */
  readonly isDirectory: boolean
}

export interface ElsewhereRow extends Elsewhere {
  readonly entryId: EntryId
  readonly pathKey: number
}

/** Of files that are not wanted. */
export interface ElsewhereTotals {
  readonly files: number
  readonly bytes: number
  /** Rows, wanted ones and directories among them. */
  readonly rows: number
}

export class ElsewhereTable {
  readonly #get: StatementSync
  readonly #put: StatementSync
  readonly #remove: StatementSync
  readonly #below: StatementSync
  readonly #page: StatementSync
  readonly #ofContent: StatementSync
  readonly #totals: StatementSync
  /** By folder, counted once and kept: most folders have none, and every new item asks. */
  readonly #counted = new Map<number, ElsewhereTotals>()

  constructor(database: Database) {
    this.#get = database.prepare('select * from elsewhere where folder = ? and path_key = ? and entry_id = ?')
    this.#put = database.prepare(
      `insert into elsewhere (folder, path_key, entry_id, path, size_bytes, content, is_wanted, is_directory) values (?, ?, ?, ?, ?, ?, ?, ?)
       on conflict do update set path = excluded.path, size_bytes = excluded.size_bytes, content = excluded.content,
         is_wanted = excluded.is_wanted, is_directory = excluded.is_directory`,
    )
    this.#remove = database.prepare('delete from elsewhere where folder = ? and path_key = ? and entry_id = ?')
    this.#below = database.prepare(
      'select * from elsewhere indexed by elsewhere_path where folder = ? and path > ? and (path = ? or (path >= ? and path < ?)) order by path limit ?',
    )
    this.#page = database.prepare(
      'select * from elsewhere where folder = ? and (path_key, entry_id) > (?, ?) order by path_key, entry_id limit ?',
    )
    this.#ofContent = database.prepare(
      'select * from elsewhere indexed by elsewhere_content where folder = ? and content = ? and is_wanted = 0 limit 8',
    )
    this.#totals = database.prepare(
      `select count(*) as paths, count(*) filter (where is_wanted = 0 and is_directory = 0) as files,
         total(size_bytes) filter (where is_wanted = 0) as bytes
       from elsewhere where folder = ?`,
    )
  }

  has(folderRow: number, entryId: EntryId): boolean {
    return this.get(folderRow, entryId) !== undefined
  }

  get(folderRow: number, entryId: EntryId): ElsewhereRow | undefined {
    if (this.totals(folderRow).rows === 0) return undefined
    const row = this.#get.get(folderRow, shortKeyOf(entryId), entryId)
    return row === undefined ? undefined : parseElsewhere(row)
  }

  /** Makes or replaces the row of a path that has no item. Inside a transaction. */
  put(folderRow: number, entryId: EntryId, elsewhere: Elsewhere): void {
    const known = this.get(folderRow, entryId)
    const { path, sizeBytes, content, isWanted, isDirectory } = elsewhere
    this.#count(folderRow, known, elsewhere)
    this.#put.run(folderRow, shortKeyOf(entryId), entryId, path, sizeBytes, content, isWanted ? 1 : 0, isDirectory ? 1 : 0)
  }

  remove(folderRow: number, entryId: EntryId): void {
    const known = this.get(folderRow, entryId)
    if (known === undefined) return
    this.#count(folderRow, known, undefined)
    this.#remove.run(folderRow, shortKeyOf(entryId), entryId)
  }

  #count(folderRow: number, before: Elsewhere | undefined, now: Elsewhere | undefined): void {
    const { files, bytes, rows } = this.totals(folderRow)
    const [less, more] = [shareOf(before), shareOf(now)]
    this.#counted.set(folderRow, {
      files: files - less.files + more.files,
      bytes: bytes - less.bytes + more.bytes,
      rows: rows - less.rows + more.rows,
    })
  }

  /** At or below a path ('' = the root), after one of them ('' = from the first), in the order of paths. */
  atOrBelow(folderRow: number, path: string, after: string, limit: number): readonly ElsewhereRow[] {
    const [from, to] = path === '' ? ['', '\u{10FFFF}'] : [`${path}/`, `${path}0`] // '0' is the character after '/'
    return this.#below.all(folderRow, after, path, from, to, limit).map(parseElsewhere)
  }

  /** All, after one of them, in an order that stays. */
  page(folderRow: number, after: Pick<ElsewhereRow, 'pathKey' | 'entryId'> | undefined, limit: number): readonly ElsewhereRow[] {
    return this.#page.all(folderRow, after?.pathKey ?? -1, after?.entryId ?? noBytes, limit).map(parseElsewhere)
  }

  /** A few with this content that are not wanted. */
  ofContent(folderRow: number, content: Uint8Array): readonly ElsewhereRow[] {
    return this.totals(folderRow).files === 0 ? [] : this.#ofContent.all(folderRow, content).map(parseElsewhere)
  }

  totals(folderRow: number): ElsewhereTotals {
    const known = this.#counted.get(folderRow)
    if (known !== undefined) return known
    const row = present(this.#totals.get(folderRow), 'an aggregate gives a row')
    const counted = { files: numberOf(row, 'files'), bytes: numberOf(row, 'bytes'), rows: numberOf(row, 'paths') }
    this.#counted.set(folderRow, counted)
    return counted
  }

  /** After a rollback. */
  forgetCaches(): void {
    this.#counted.clear()
  }
}

const noBytes = new Uint8Array(0)

function shareOf(elsewhere: Elsewhere | undefined): ElsewhereTotals {
  if (elsewhere === undefined) return { files: 0, bytes: 0, rows: 0 }
  return elsewhere.isWanted || elsewhere.isDirectory ? { files: 0, bytes: 0, rows: 1 } : { files: 1, bytes: elsewhere.sizeBytes, rows: 1 }
}

function parseElsewhere(row: Row): ElsewhereRow {
  const path = parseRelativePath(textOf(row, 'path'))
  assert(path !== undefined, 'a stored path is one')
  const entryId = parseEntryId(bytesOf(row, 'entry_id'))
  assert(entryId !== undefined, 'a stored entry id is one')
  return {
    path,
    entryId,
    sizeBytes: numberOf(row, 'size_bytes'),
    content: bytesOf(row, 'content'),
    isWanted: numberOf(row, 'is_wanted') === 1,
    isDirectory: numberOf(row, 'is_directory') === 1,
    pathKey: numberOf(row, 'path_key'),
  }
}
