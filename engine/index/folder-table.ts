// Folders this node is a member of, the admin logs, and invitations.

import type { StatementSync } from 'node:sqlite'
import { assert, present } from '../base/assert.ts'
import { concatBytes } from '../base/bytes.ts'
import {
  keepsAll,
  type EpochSecret,
  type FolderRecord,
  type FolderSecrets,
  type HostedRecord,
  type Keep,
  type KeepRule,
  type MemberRecord,
  type Role,
} from '../model/folder.ts'
import { parseFolderId, type FolderId, type PeerId } from '../model/ids.ts'
import { bytesOf, numberOf, optionalTextOf, textOf } from './columns.ts'
import type { Database, Row } from './database.ts'

export interface LinkRecord {
  readonly linkId: Uint8Array
  readonly folderRow: number
  readonly secret: Uint8Array
  readonly role: Role
  readonly usesLeft: number
  readonly usedBy: string | undefined
}

const epochBytes = 36

export class FolderTable {
  readonly #insert: StatementSync
  readonly #trees: StatementSync
  readonly #hosted: StatementSync
  readonly #setPaused: StatementSync
  readonly #setKeep: StatementSync
  readonly #caution: StatementSync
  readonly #setCaution: StatementSync
  readonly #seqs: StatementSync
  readonly #raiseTold: StatementSync
  readonly #standing: StatementSync
  readonly #setStanding: StatementSync
  readonly #setIncarnation: StatementSync
  readonly #remove: StatementSync
  readonly #takeSeqs: StatementSync
  readonly #appendLog: StatementSync
  readonly #log: StatementSync
  readonly #insertLink: StatementSync
  readonly #link: StatementSync
  readonly #useLink: StatementSync
  readonly #settings: StatementSync
  readonly #setSetting: StatementSync
  readonly #historyFloor: StatementSync
  readonly #raiseHistoryFloor: StatementSync
  readonly #isUnflushed: StatementSync
  readonly #setUnflushed: StatementSync
  readonly #entryBytes: StatementSync
  readonly #addEntryBytes: StatementSync

  constructor(database: Database) {
    this.#insert = database.prepare(
      `insert into folder (folder_id, name, path, access_secret, folder_secret, epochs, incarnation, created_ms, target_copies, keep)
       values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    this.#trees = database.prepare("select * from folder where path <> '' order by id")
    this.#hosted = database.prepare("select * from folder where path = '' order by id")
    this.#setPaused = database.prepare('update folder set is_paused = ? where id = ?')
    this.#setKeep = database.prepare('update folder set keep = ?, keep_patterns = ? where id = ?')
    this.#caution = database.prepare('select caution from folder where id = ?')
    this.#setCaution = database.prepare('update folder set caution = ? where id = ?')
    this.#standing = database.prepare('select standing from folder where id = ?')
    this.#setStanding = database.prepare('update folder set standing = ? where id = ?')
    this.#setIncarnation = database.prepare('update folder set incarnation = ? where id = ?')
    this.#seqs = database.prepare('select next_seq, told_seq from folder where id = ?')
    this.#raiseTold = database.prepare('update folder set told_seq = ? where id = ? and told_seq < ?')
    this.#remove = database.prepare('delete from folder where id = ?')
    this.#takeSeqs = database.prepare('update folder set next_seq = next_seq + ? where id = ? returning next_seq')
    this.#appendLog = database.prepare('insert into log_entry (folder, position, bytes) values (?, ?, ?)')
    this.#log = database.prepare('select bytes from log_entry where folder = ? order by position')
    this.#insertLink = database.prepare('insert into link (link_id, folder, secret, role, uses_left, created_ms) values (?, ?, ?, ?, ?, ?)')
    this.#link = database.prepare('select * from link where link_id = ?')
    this.#settings = database.prepare('select name, value from setting where folder = ?')
    this.#setSetting = database.prepare(
      'insert into setting (folder, name, value) values (?, ?, ?) on conflict do update set value = excluded.value',
    )
    this.#historyFloor = database.prepare('select history_floor_ms from folder where id = ?')
    this.#raiseHistoryFloor = database.prepare('update folder set history_floor_ms = max(history_floor_ms, ?) where id = ?')
    this.#isUnflushed = database.prepare('select is_unflushed from folder where id = ?')
    this.#setUnflushed = database.prepare('update folder set is_unflushed = ?1 where id = ?2 and is_unflushed <> ?1')
    this.#entryBytes = database.prepare('select cast(total(entry_bytes) as integer) as bytes from folder where ?1 is null or id = ?1')
    this.#addEntryBytes = database.prepare('update folder set entry_bytes = max(0, entry_bytes + ?) where id = ?')
    this.#useLink = database.prepare('update link set uses_left = uses_left - 1, used_by = ? where link_id = ? and uses_left > 0')
  }

  /** Its row number is the result's `row`. */
  insert(folder: Omit<FolderRecord, 'row' | 'isPaused'>): FolderRecord {
    const { kind } = folder.keep ?? keepsAll
    const row = this.#insertRow(folder, folder.path, folder.secrets, kind)
    if (folder.keep !== undefined) this.setKeep(row, folder.keep)
    return { ...folder, row, isPaused: false }
  }

  /** As `insert`, for a folder that is stored here without its keys. */
  insertHosted(folder: Omit<HostedRecord, 'row' | 'isPaused'>): HostedRecord {
    const secrets = { accessSecret: folder.accessSecret, folderSecret: new Uint8Array(0), epochs: [] }
    return { ...folder, row: this.#insertRow(folder, '', secrets, folder.keep), isPaused: false }
  }

  #insertRow(folder: Omit<MemberRecord, 'row' | 'isPaused'>, path: string, secrets: FolderSecrets, keep: Keep): number {
    const { accessSecret, folderSecret, epochs } = secrets
    const { id, name, incarnation, createdMs, targetCopies } = folder
    const packed = packEpochs(epochs)
    const done = this.#insert.run(id, name, path, accessSecret, folderSecret, packed, incarnation, createdMs, targetCopies, keep)
    return Number(done.lastInsertRowid)
  }

  /** Some files of its tree may be in the system's memory only. */
  isUnflushed(row: number): boolean {
    const folder = this.#isUnflushed.get(row)
    return folder === undefined || numberOf(folder, 'is_unflushed') === 1
  }

  setUnflushed(row: number, isUnflushed: boolean): void {
    this.#setUnflushed.run(isUnflushed ? 1 : 0, row)
  }

  /** What entries that are only stored here cost, of one folder or of all. */
  entryBytes(row?: number): number {
    return numberOf(present(this.#entryBytes.get(row ?? null), 'an aggregate gives a row'), 'bytes')
  }

  addEntryBytes(row: number, bytes: number): void {
    this.#addEntryBytes.run(bytes, row)
  }

  /** Folders whose trees are on this node. */
  all(): readonly FolderRecord[] {
    return this.#trees.all().map(parseFolder)
  }

  /** Folders that are only stored here. */
  hosted(): readonly HostedRecord[] {
    return this.#hosted.all().map(parseHosted)
  }

  setPaused(row: number, isPaused: boolean): void {
    this.#setPaused.run(isPaused ? 1 : 0, row)
  }

  /** Which files of a folder with a tree are kept here. */
  setKeep(row: number, { kind, patterns }: KeepRule): void {
    this.#setKeep.run(kind, patterns.join('\n'), row)
  }

  /** The sequence number that is given out next. */
  nextSeq(row: number): number {
    const folder = this.#seqs.get(row)
    return folder === undefined ? 1 : numberOf(folder, 'next_seq')
  }

  /** The highest own sequence number that some member may have been told. */
  toldSeq(row: number): number {
    const folder = this.#seqs.get(row)
    return folder === undefined ? 0 : numberOf(folder, 'told_seq')
  }

  /** Before members are told. */
  raiseTold(row: number, seq: number): void {
    this.#raiseTold.run(seq, row, seq)
  }

  /** As `setCaution` was given it; '' at first. */
  caution(row: number): string {
    const folder = this.#caution.get(row)
    return folder === undefined ? '' : textOf(folder, 'caution')
  }

  setCaution(row: number, caution: string): void {
    this.#setCaution.run(caution, row)
  }

  /** As `setStanding` was given it; '' at first. */
  standing(row: number): string {
    const folder = this.#standing.get(row)
    return folder === undefined ? '' : textOf(folder, 'standing')
  }

  setStanding(row: number, standing: string): void {
    this.#setStanding.run(standing, row)
  }

  /** This node is another author in the folder from now on; handles made before do not know. */
  setIncarnation(row: number, incarnation: Uint8Array): void {
    this.#setIncarnation.run(incarnation, row)
  }

  /** Everything the index has of the folder goes with it. */
  remove(row: number): void {
    this.#remove.run(row)
  }

  /** What a person set for the folder on this node, by name. */
  settings(row: number): ReadonlyMap<string, string> {
    return new Map(this.#settings.all(row).map((setting) => [textOf(setting, 'name'), textOf(setting, 'value')]))
  }

  setSetting(row: number, name: string, value: string): void {
    this.#setSetting.run(row, name, value)
  }

  /** Versions that were replaced before this time were let go of, or some of them. */
  historyFloorMs(row: number): number {
    const found = this.#historyFloor.get(row)
    return found === undefined ? 0 : numberOf(found, 'history_floor_ms')
  }

  /** What was there when the folder was first looked through has no past here. */
  beginHistory(row: number, timeMs: number): void {
    if (this.historyFloorMs(row) === 0) this.raiseHistoryFloor(row, timeMs)
  }

  raiseHistoryFloor(row: number, timeMs: number): void {
    this.#raiseHistoryFloor.run(timeMs, row)
  }

  /** Gives out `count` sequence numbers, never to be given again, and returns the first. Inside the durable transaction that uses them. */
  takeSeqs(row: number, count: number): number {
    const next = this.#takeSeqs.get(count, row)
    assert(next !== undefined, 'the folder is in the index')
    return numberOf(next, 'next_seq') - count
  }

  appendLog(row: number, position: number, bytes: Uint8Array): void {
    this.#appendLog.run(row, position, bytes)
  }

  /** Signed log entries, encoded, from the first. */
  log(row: number): readonly Uint8Array[] {
    return this.#log.all(row).map((entry) => bytesOf(entry, 'bytes'))
  }

  insertLink(link: Omit<LinkRecord, 'usedBy'>, createdMs: number): void {
    this.#insertLink.run(link.linkId, link.folderRow, link.secret, link.role, link.usesLeft, createdMs)
  }

  link(linkId: Uint8Array): LinkRecord | undefined {
    const row = this.#link.get(linkId)
    return row === undefined ? undefined : parseLink(row)
  }

  /** False when no use was left. */
  useLink(linkId: Uint8Array, peer: PeerId): boolean {
    return this.#useLink.run(peer, linkId).changes === 1
  }
}

function packEpochs(epochs: readonly EpochSecret[]): Uint8Array {
  return concatBytes(
    epochs.map(({ epoch, secret }) => {
      const bytes = new Uint8Array(epochBytes)
      new DataView(bytes.buffer).setUint32(0, epoch)
      bytes.set(secret, 4)
      return bytes
    }),
  )
}

function parseEpochs(bytes: Uint8Array): readonly EpochSecret[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const epochs: EpochSecret[] = []
  for (let at = 0; at + epochBytes <= bytes.length; at += epochBytes) {
    epochs.push({ epoch: view.getUint32(at), secret: bytes.slice(at + 4, at + epochBytes) })
  }
  return epochs
}

function parseMember(row: Row): MemberRecord {
  const id: FolderId | undefined = parseFolderId(bytesOf(row, 'folder_id'))
  assert(id !== undefined, 'a stored folder id is one')
  return {
    row: numberOf(row, 'id'),
    id,
    name: textOf(row, 'name'),
    isPaused: numberOf(row, 'is_paused') === 1,
    incarnation: bytesOf(row, 'incarnation'),
    createdMs: numberOf(row, 'created_ms'),
    targetCopies: numberOf(row, 'target_copies'),
  }
}

const keptKinds: readonly KeepRule['kind'][] = ['all', 'selected', 'none']

function parseFolder(row: Row): FolderRecord {
  const secrets = {
    accessSecret: bytesOf(row, 'access_secret'),
    folderSecret: bytesOf(row, 'folder_secret'),
    epochs: parseEpochs(bytesOf(row, 'epochs')),
  }
  const text = textOf(row, 'keep')
  const kind = keptKinds.find((known) => known === text)
  assert(kind !== undefined, 'a stored rule for what is kept is one')
  const patterns = textOf(row, 'keep_patterns').split('\n')
  const keep: Pick<FolderRecord, 'keep'> = kind === 'all' ? {} : { keep: { kind, patterns: patterns.filter((pattern) => pattern !== '') } }
  return { ...parseMember(row), path: textOf(row, 'path'), secrets, ...keep }
}

function parseHosted(row: Row): HostedRecord {
  const keep = textOf(row, 'keep')
  assert(keep === 'all' || keep === 'share', 'a stored way of keeping is one')
  return { ...parseMember(row), keep, accessSecret: bytesOf(row, 'access_secret') }
}

function parseLink(row: Row): LinkRecord {
  return {
    linkId: bytesOf(row, 'link_id'),
    folderRow: numberOf(row, 'folder'),
    secret: bytesOf(row, 'secret'),
    role: parseRole(textOf(row, 'role')),
    usesLeft: numberOf(row, 'uses_left'),
    usedBy: optionalTextOf(row, 'used_by'),
  }
}

function parseRole(text: string): Role {
  assert(text === 'owner' || text === 'write' || text === 'read' || text === 'host', 'a stored role is one')
  return text
}
