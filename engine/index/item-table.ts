// What is applied on disk here, and which file holds which block.

import type { StatementSync } from 'node:sqlite'
import { bytesKey, equalBytes, fromUtf8, utf8 } from '../base/bytes.ts'
import { assert, present } from '../base/assert.ts'
import { BlockList } from '../model/block-list.ts'
import { packVector, parsePackedVector } from '../model/entry.ts'
import { authorIdBytes, parseAuthorId, type BlockId, type EntryId } from '../model/ids.ts'
import { directoryOf, childPath, nameOf, type ContentOrigin, type Item } from '../model/item.ts'
import { normalisePath, parseRelativePath, type RelativePath } from '../model/path.ts'
import { bytesOf, kindNumbers, kindOf, numberOf, shortKeyOf, textOf, optionalNumberOf } from './columns.ts'
import type { Database, Row } from './database.ts'
import type { ElsewhereTable } from './elsewhere-table.ts'

export interface ItemRow extends Item {
  readonly row: number
  readonly folderRow: number
}

/** Where a block can be read: in this file, from this offset. */
export interface BlockHome {
  readonly item: ItemRow
  readonly at: number
  readonly offset: number
}

interface HomeFile {
  readonly item: ItemRow
  /** Of its blocks. */
  readonly hashes: ReadonlySet<string>
}

export interface ItemTotals {
  readonly files: number
  readonly bytes: number
  readonly directories: number
}

export class ItemTable {
  readonly #insert: StatementSync
  readonly #update: StatementSync
  readonly #remove: StatementSync
  readonly #byKey: StatementSync
  readonly #byPath: StatementSync
  readonly #kindAt: StatementSync
  readonly #children: StatementSync
  readonly #below: StatementSync
  readonly #nextDirectory: StatementSync
  readonly #filePaths: StatementSync
  readonly #byInode: StatementSync
  readonly #page: StatementSync
  readonly #totals: StatementSync
  readonly #conflictCopies: StatementSync
  readonly #countConflicts: StatementSync
  readonly #rotten: StatementSync
  readonly #filesAfter: StatementSync
  readonly #lastRow: StatementSync
  readonly #doubtAll: StatementSync
  readonly #trust: StatementSync
  readonly #insertHome: StatementSync
  readonly #removeHome: StatementSync
  readonly #homes: StatementSync
  readonly #removeHomes: StatementSync
  readonly #homeItems: StatementSync
  readonly #soundFile: StatementSync
  /** By folder, counted once and kept: `status` asks often, and a count over a million rows takes a tenth of a second. */
  readonly #counted = new Map<number, ItemTotals>()
  readonly #elsewhere: ElsewhereTable

  constructor(database: Database, elsewhere: ElsewhereTable) {
    this.#elsewhere = elsewhere
    this.#insert = database.prepare(
      `insert into item (folder, path_key, directory, name, kind, size_bytes, mtime_us, ctime_us, inode, mode, chunk_class, is_leftover, vector, content_vector, origin, is_rotten, is_doubted, blocks, since_ms)
       values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    this.#update = database.prepare(
      `update item set kind = ?, size_bytes = ?, mtime_us = ?, ctime_us = ?, inode = ?, mode = ?, chunk_class = ?, is_leftover = ?, vector = ?, content_vector = ?, origin = ?, is_rotten = ?, is_doubted = ?, blocks = ?, since_ms = ?
       where id = ?`,
    )
    this.#remove = database.prepare('delete from item where id = ?')
    this.#byKey = database.prepare('select * from item where folder = ? and path_key = ?')
    this.#byPath = database.prepare('select * from item where folder = ? and directory = ? and name = ?')
    this.#kindAt = database.prepare('select kind from item where folder = ? and directory = ? and name = ?')
    this.#children = database.prepare('select * from item where folder = ? and directory = ?')
    this.#below = database.prepare(
      `select * from item where folder = ? and (directory = ? or (directory >= ? and directory < ?)) order by directory, name`,
    )
    this.#filePaths = database.prepare(
      'select directory, name from item where folder = ? and kind = 1 and (directory = ? or (directory >= ? and directory < ?)) order by directory, name',
    )
    this.#nextDirectory = database.prepare('select directory from item where folder = ? and directory > ? order by directory limit 1')
    this.#page = database.prepare('select * from item where id > ? and +folder = ? order by id limit ?')
    this.#byInode = database.prepare('select * from item where inode = ? and folder = ? limit 4')
    this.#conflictCopies = database.prepare(
      "select * from item indexed by item_conflict where folder = ? and instr(name, '.conflict-') > 0 order by directory, name limit ?",
    )
    this.#countConflicts = database.prepare(
      `select count(*) as paths from item indexed by item_conflict where folder = ? and instr(name, '.conflict-') > 0
       and name glob '*.conflict-????????-??????-*-????*'`,
    )
    this.#rotten = database.prepare('select * from item indexed by item_rotten where folder = ? and is_rotten = 1 limit ?')
    this.#lastRow = database.prepare('select max(id) as last from item')
    this.#filesAfter = database.prepare('select * from item where id > ? and +folder = ? and kind = 1 order by id limit ?')
    this.#doubtAll = database.prepare('update item set is_doubted = 1 where folder = ?')
    this.#trust = database.prepare('update item set is_doubted = 0 where id = ?')
    this.#totals = database.prepare(
      `select count(*) filter (where kind <> 2) as files, total(size_bytes) filter (where kind = 1) as bytes,
       count(*) filter (where kind = 2) as directories from item where folder = ?`,
    )
    this.#insertHome = database.prepare('insert or ignore into block_home (block_key, item) values (?, ?)')
    this.#removeHome = database.prepare('delete from block_home where block_key = ? and item = ?')
    this.#homes = database.prepare(
      'select item.* from block_home join item on item.id = block_home.item where block_key = ? and item.folder = ? limit 8',
    )
    this.#homeItems = database.prepare('select item from block_home where block_key = ?')
    this.#soundFile = database.prepare('select * from item where id = ? and folder = ? and kind = 1 and is_rotten = 0')
    this.#removeHomes = database.prepare('delete from block_home where item in (select id from item where folder = ?)')
  }

  /** The item of an entry, however its name is spelled here: several Unicode forms of a path have one entry. */
  bySpelling(folderRow: number, entryId: EntryId, path: RelativePath): ItemRow | undefined {
    const normalised = normalisePath(path)
    const items = this.byKey(folderRow, shortKeyOf(entryId)).filter((item) => normalisePath(item.path) === normalised)
    return items.find((item) => item.path === path) ?? items[0]
  }

  /** Items whose path shares this short key: nearly always none or one. */
  byKey(folderRow: number, pathKey: number): readonly ItemRow[] {
    return this.#byKey.all(folderRow, pathKey).map(parseItem)
  }

  byPath(folderRow: number, path: string): ItemRow | undefined {
    const row = this.#byPath.get(folderRow, directoryOf(path), nameOf(path))
    return row === undefined ? undefined : parseItem(row)
  }

  /** Whether a directory is at the path; cheaper than its item. */
  isDirectory(folderRow: number, path: string): boolean {
    return this.#kindAt.get(folderRow, directoryOf(path), nameOf(path))?.['kind'] === kindNumbers.directory
  }

  /** The direct children of a directory ('' = the root), by name. */
  children(folderRow: number, directory: string): Map<string, ItemRow> {
    return new Map(this.#children.all(folderRow, directory).map((row) => [textOf(row, 'name'), parseItem(row)]))
  }

  /** All items below a directory, not the directory itself; parents before children. */
  below(folderRow: number, directory: string): readonly ItemRow[] {
    const [from, to] = rangeBelow(directory)
    return this.#below.all(folderRow, directory, from, to).map(parseItem)
  }

  /** The paths of the files below a directory ('' = the root). */
  filePathsBelow(folderRow: number, directory: string): readonly RelativePath[] {
    const [from, to] = rangeBelow(directory)
    return this.#filePaths.all(folderRow, directory, from, to).map(pathOf)
  }

  /** The next path after `after`, in order, that items have as their directory; undefined when there is none. */
  nextDirectory(folderRow: number, after: string): string | undefined {
    const row = this.#nextDirectory.get(folderRow, after)
    return row === undefined ? undefined : textOf(row, 'directory')
  }

  /** Items in the order of their rows, after one. */
  page(folderRow: number, afterRow: number, limit: number): readonly ItemRow[] {
    return this.#page.all(afterRow, folderRow, limit).map(parseItem)
  }

  byInode(folderRow: number, inode: number): readonly ItemRow[] {
    return this.#byInode.all(inode, folderRow).map(parseItem)
  }

  /** Items whose name has the mark of a conflict copy in it. */
  conflictCopies(folderRow: number, limit: number): readonly ItemRow[] {
    return this.#conflictCopies.all(folderRow, limit).map(parseItem)
  }

  countConflictCopies(folderRow: number): number {
    return numberOf(present(this.#countConflicts.get(folderRow), 'an aggregate gives a row'), 'paths')
  }

  /** Of all folders; 0 when there is none. */
  lastRow(): number {
    return optionalNumberOf(present(this.#lastRow.get(), 'an aggregate gives a row'), 'last') ?? 0
  }

  /** Files in the order of their rows, from after this one. */
  filesAfter(folderRow: number, row: number, limit: number): readonly ItemRow[] {
    return this.#filesAfter.all(row, folderRow, limit).map(parseItem)
  }

  /** Files whose bytes changed by themselves. */
  rotten(folderRow: number, limit: number): readonly ItemRow[] {
    return this.#rotten.all(folderRow, limit).map(parseItem)
  }

  /** What is on disk may have come with a backup: each path is in doubt until it was looked at. */
  doubtAll(folderRow: number): void {
    this.#doubtAll.run(folderRow)
  }

  /** The file at the path is the very one that the item describes. */
  trust(item: ItemRow): void {
    this.#trust.run(item.row)
  }

  totals(folderRow: number): ItemTotals {
    const known = this.#counted.get(folderRow)
    if (known !== undefined) return known
    const row = present(this.#totals.get(folderRow), 'an aggregate gives a row')
    const counted = { files: numberOf(row, 'files'), bytes: numberOf(row, 'bytes'), directories: numberOf(row, 'directories') }
    this.#counted.set(folderRow, counted)
    return counted
  }

  /** After a rollback. */
  forgetCaches(): void {
    this.#counted.clear()
  }

  #count(folderRow: number, item: Item, sign: 1 | -1): void {
    const totals = this.totals(folderRow)
    const isDirectory = item.kind === 'directory'
    this.#counted.set(folderRow, {
      files: totals.files + (isDirectory ? 0 : sign),
      bytes: totals.bytes + (item.kind === 'file' ? sign * item.sizeBytes : 0),
      directories: totals.directories + (isDirectory ? sign : 0),
    })
  }

  /** Makes or replaces the item of a path, which is not elsewhere any more; `previous` is what `byPath` gave. Inside a transaction. */
  put(folderRow: number, entryId: EntryId, item: Item, previous: ItemRow | undefined): void {
    const blocks = item.kind === 'symlink' ? utf8(item.linkTarget ?? '') : item.blocks.bytes
    const shared = [
      kindNumbers[item.kind],
      item.sizeBytes,
      item.mtimeUs,
      item.ctimeUs,
      item.inode,
      item.mode,
      item.chunkClass,
      item.isLeftover ? 1 : 0,
      packVector(item.vector),
      item.contentVector === undefined ? null : packVector(item.contentVector),
      item.origin === undefined ? null : packOrigin(item.origin),
      item.isRotten === true ? 1 : 0,
      item.isDoubted === true ? 1 : 0,
      blocks,
      item.sinceMs,
    ] as const
    if (previous !== undefined) this.#count(folderRow, previous, -1)
    this.#count(folderRow, item, 1)
    if (previous === undefined) {
      this.#elsewhere.remove(folderRow, entryId) // it is here now
      const done = this.#insert.run(folderRow, shortKeyOf(entryId), directoryOf(item.path), nameOf(item.path), ...shared)
      this.#addHomes(Number(done.lastInsertRowid), item.blocks)
      return
    }
    this.#update.run(...shared, previous.row)
    if (previous.blocks.equals(item.blocks) && previous.inode === item.inode) return
    this.#dropHomes(previous)
    this.#addHomes(previous.row, item.blocks)
  }

  remove(item: ItemRow): void {
    this.#count(item.folderRow, item, -1)
    this.#dropHomes(item)
    this.#remove.run(item.row)
  }

  /** Its file is known to be gone or another one, which has yet to be told: nothing is to be read from it, nor counted on. */
  leaveHome(item: ItemRow): void {
    this.#dropHomes(item)
  }

  /** Before the folder's row goes: block homes hang on items, not on folders. */
  removeAllHomes(folderRow: number): void {
    this.#removeHomes.run(folderRow)
  }

  /** A file that holds the block, as far as the index knows; the reader checks. */
  homeOf(folderRow: number, id: BlockId): BlockHome | undefined {
    const hash = id.subarray(1)
    for (const row of this.#homes.all(shortKeyOf(id), folderRow)) {
      const item = parseItem(row)
      let offset = 0
      for (let at = 0; at < item.blocks.count; at++) {
        if (equalBytes(item.blocks.hash(at), hash)) return { item, at, offset }
        offset += item.blocks.lengthBytes(at)
      }
    }
    return undefined
  }

  /** By block of the list: whether some file of the folder holds it, as far as the index knows. Many at once cost less than `homeOf` each. */
  areAtHome(folderRow: number, blocks: BlockList): readonly boolean[] {
    return this.homesOf(folderRow, blocks).map((home) => home !== undefined)
  }

  /** By block of the list: a file of the folder that holds it, as far as the index knows; not one whose bytes changed by themselves. */
  homesOf(folderRow: number, blocks: BlockList): readonly (ItemRow | undefined)[] {
    const files = new Map<number, HomeFile | undefined>()
    const fileOf = (row: number): HomeFile | undefined => {
      if (!files.has(row)) files.set(row, this.#fileOf(folderRow, row))
      return files.get(row)
    }
    return Array.from({ length: blocks.count }, (_, at) => {
      const name = bytesKey(blocks.hash(at))
      for (const home of this.#homeItems.all(shortKeyOf(blocks.id(at)))) {
        const file = fileOf(numberOf(home, 'item'))
        if (file?.hashes.has(name) === true) return file.item
      }
      return undefined
    })
  }

  #fileOf(folderRow: number, itemRow: number): HomeFile | undefined {
    const row = this.#soundFile.get(itemRow, folderRow)
    if (row === undefined) return undefined
    const item = parseItem(row)
    return { item, hashes: new Set(Array.from({ length: item.blocks.count }, (_, at) => bytesKey(item.blocks.hash(at)))) }
  }

  #addHomes(itemRow: number, blocks: BlockList): void {
    for (let at = 0; at < blocks.count; at++) this.#insertHome.run(shortKeyOf(blocks.id(at)), itemRow)
  }

  #dropHomes(item: ItemRow): void {
    for (let at = 0; at < item.blocks.count; at++) this.#removeHome.run(shortKeyOf(item.blocks.id(at)), item.row)
  }
}

/** The range of `directory` columns strictly below a directory: '0' is the character after '/'. */
function rangeBelow(directory: string): readonly [string, string] {
  return directory === '' ? ['', '\u{10FFFF}'] : [`${directory}/`, `${directory}0`]
}

function pathOf(row: Row): RelativePath {
  const path = parseRelativePath(childPath(textOf(row, 'directory'), textOf(row, 'name')))
  assert(path !== undefined, 'a stored path is one')
  return path
}

function parseItem(row: Row): ItemRow {
  const kind = kindOf(row)
  const path = pathOf(row)
  const blocks = bytesOf(row, 'blocks')
  const contentVector = row['content_vector']
  const origin = row['origin']
  return {
    row: numberOf(row, 'id'),
    folderRow: numberOf(row, 'folder'),
    path,
    kind,
    sizeBytes: numberOf(row, 'size_bytes'),
    mtimeUs: numberOf(row, 'mtime_us'),
    ctimeUs: numberOf(row, 'ctime_us'),
    inode: numberOf(row, 'inode'),
    mode: numberOf(row, 'mode'),
    chunkClass: numberOf(row, 'chunk_class'),
    isLeftover: numberOf(row, 'is_leftover') === 1,
    vector: parsePackedVector(bytesOf(row, 'vector')),
    blocks: kind === 'file' ? new BlockList(blocks) : BlockList.empty,
    linkTarget: kind === 'symlink' ? fromUtf8(blocks) : undefined,
    contentVector: contentVector instanceof Uint8Array ? parsePackedVector(contentVector) : undefined,
    ...(origin instanceof Uint8Array ? { origin: parseOrigin(origin) } : {}),
    ...(numberOf(row, 'is_rotten') === 1 ? { isRotten: true } : {}),
    ...(numberOf(row, 'is_doubted') === 1 ? { isDoubted: true } : {}),
    sinceMs: numberOf(row, 'since_ms'),
  }
}

function packOrigin({ editor, timeUs }: ContentOrigin): Uint8Array {
  const bytes = new Uint8Array(authorIdBytes + 8)
  if (editor !== undefined) bytes.set(editor)
  new DataView(bytes.buffer).setFloat64(authorIdBytes, timeUs)
  return bytes
}

function parseOrigin(bytes: Uint8Array): ContentOrigin {
  assert(bytes.length === authorIdBytes + 8, 'a stored origin is one')
  const editor = parseAuthorId(bytes.slice(0, authorIdBytes)) // zeros are no author
  return { editor, timeUs: new DataView(bytes.buffer, bytes.byteOffset).getFloat64(authorIdBytes) }
}
