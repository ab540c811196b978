// Peers: what they say of themselves, where they were reached, and how far this node has read their index.

import type { StatementSync } from 'node:sqlite'
import { parsePeerId, type PeerId } from '../model/ids.ts'
import { assert } from '../base/assert.ts'
import { bytesOf, numberOf, optionalNumberOf, textOf } from './columns.ts'
import type { Database, Row } from './database.ts'

export interface PeerRecord {
  readonly peer: PeerId
  readonly name: string
  readonly addresses: readonly string[]
  readonly lastSeenMs: number | undefined
  /** Encoded signed card; undefined until one came. */
  readonly card: Uint8Array | undefined
}

export interface Cursor {
  readonly indexId: Uint8Array
  readonly position: number
}

export class PeerTable {
  readonly #all: StatementSync
  readonly #get: StatementSync
  readonly #ensure: StatementSync
  readonly #setCard: StatementSync
  readonly #setAddresses: StatementSync
  readonly #setSeen: StatementSync
  readonly #cursor: StatementSync
  readonly #setCursor: StatementSync
  readonly #dropCursors: StatementSync

  constructor(database: Database) {
    this.#all = database.prepare('select * from peer order by peer_id')
    this.#get = database.prepare('select * from peer where peer_id = ?')
    this.#ensure = database.prepare(
      "insert into peer (peer_id, name) values (?, ?) on conflict do update set name = excluded.name where name = ''",
    )
    this.#setCard = database.prepare('update peer set card = ?, name = ? where peer_id = ?')
    this.#setAddresses = database.prepare('update peer set addresses = ? where peer_id = ?')
    this.#setSeen = database.prepare('update peer set last_seen_ms = ? where peer_id = ?')
    this.#cursor = database.prepare('select index_id, position from cursor where folder = ? and peer_id = ?')
    this.#dropCursors = database.prepare('delete from cursor where folder = ?')
    this.#setCursor = database.prepare(
      `insert into cursor (folder, peer_id, index_id, position) values (?, ?, ?, ?)
       on conflict do update set index_id = excluded.index_id, position = excluded.position`,
    )
  }

  all(): readonly PeerRecord[] {
    return this.#all.all().map(parsePeer)
  }

  get(peer: PeerId): PeerRecord | undefined {
    const row = this.#get.get(peer)
    return row === undefined ? undefined : parsePeer(row)
  }

  /** Makes the row when it is missing; `name` fills an empty one. */
  ensure(peer: PeerId, name: string): void {
    this.#ensure.run(peer, name)
  }

  setCard(peer: PeerId, card: Uint8Array, name: string): void {
    this.#setCard.run(card, name, peer)
  }

  setAddresses(peer: PeerId, addresses: readonly string[]): void {
    this.#setAddresses.run(JSON.stringify(addresses), peer)
  }

  setSeen(peer: PeerId, timeMs: number): void {
    this.#setSeen.run(timeMs, peer)
  }

  cursor(folderRow: number, peer: PeerId): Cursor | undefined {
    const row = this.#cursor.get(folderRow, peer)
    return row === undefined ? undefined : { indexId: bytesOf(row, 'index_id'), position: numberOf(row, 'position') }
  }

  setCursor(folderRow: number, peer: PeerId, cursor: Cursor): void {
    this.#setCursor.run(folderRow, peer, cursor.indexId, cursor.position)
  }

  /** Every member's index is read from its beginning again: what is known already does not come again. */
  dropCursors(folderRow: number): void {
    this.#dropCursors.run(folderRow)
  }
}

function parsePeer(row: Row): PeerRecord {
  const peer = parsePeerId(textOf(row, 'peer_id'))
  assert(peer !== undefined, 'a stored peer id is one')
  const card = row['card']
  return {
    peer,
    name: textOf(row, 'name'),
    addresses: parseAddresses(textOf(row, 'addresses')),
    lastSeenMs: optionalNumberOf(row, 'last_seen_ms'),
    card: card instanceof Uint8Array ? card : undefined,
  }
}

function parseAddresses(text: string): readonly string[] {
  const value: unknown = JSON.parse(text)
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}
