// One folder's admin log as it is stored here: its entries, what they say, and how it grows.

import { fromBinary, toBinary, create } from '@bufbuild/protobuf'
import { assert } from '../base/assert.ts'
import { EngineError } from '../base/errors.ts'
import { equalBytes } from '../base/bytes.ts'
import type { Index } from '../index/index-store.ts'
import { mayWrite, type Member, type Role } from '../model/folder.ts'
import type { PeerId } from '../model/ids.ts'
import { SignedLogEntrySchema } from '../model/wire/entry_pb.ts'
import type { Signer } from '../crypto/sign.ts'
import { signEntry, type LogFact, type SignedEntry } from './log-entry.ts'
import { LogGraph } from './log-graph.ts'
import type { LogState } from './log-state.ts'

/** An entry on its way into the log; nothing may be awaited between its making and `take`. */
export interface NextEntry {
  /** To be called in the caller's transaction. */
  write(): void
  /** To be called once that transaction has been committed: until then memory must not be ahead of the disk. */
  take(): void
}

export class FolderLog {
  readonly #index: Index
  readonly #folderRow: number
  readonly #onGrowth: () => void
  #graph: LogGraph

  /** Throws `BAD_SIGNATURE` when the stored log does not hold. `onGrowth` is called after it grew. */
  constructor(index: Index, folderRow: number, onGrowth: () => void) {
    this.#index = index
    this.#folderRow = folderRow
    this.#onGrowth = onGrowth
    this.#graph = LogGraph.of(index.folders.log(folderRow).map((bytes) => decodeEntry(bytes)))
  }

  get state(): LogState {
    return this.#graph.state
  }

  get length(): number {
    return this.#graph.length
  }

  /** Hashes of the entries that none continues. */
  get heads(): readonly Uint8Array[] {
    return this.#graph.heads.map(({ hash }) => hash)
  }

  get members(): readonly Member[] {
    return this.state.members
  }

  /** All from this place on, in the order in which they came here. */
  entriesFrom(place: number): readonly SignedEntry[] {
    return this.#graph.entries.slice(place)
  }

  /** All that who has these heads may lack, parents first. */
  beyond(heads: readonly Uint8Array[]): readonly SignedEntry[] {
    return this.#graph.beyond(heads)
  }

  isMember(peer: PeerId): boolean {
    return this.roleOf(peer) !== undefined
  }

  roleOf(peer: PeerId): Role | undefined {
    return this.state.members.find((member) => member.peer === peer)?.role
  }

  isRetired(peer: PeerId): boolean {
    return this.state.members.some((member) => member.peer === peer && member.isRetired)
  }

  /** Whether entries of the node with this key count. */
  mayWrite(nodeKey: Uint8Array): boolean {
    const member = this.state.members.find((candidate) => equalBytes(candidate.nodeKey, nodeKey))
    return member !== undefined && mayWrite(member.role)
  }

  /** Takes over what a peer has beyond this log. Throws `BAD_SIGNATURE` when one of them does not hold: then nothing is taken. */
  extend(entries: readonly SignedEntry[]): void {
    const known = this.#graph.length
    const { graph, fresh } = this.#graph.with(entries) // where one is missing in between, the next meeting tells the rest
    if (fresh.length === 0) return
    this.#index.transactDurably(() => {
      fresh.forEach((entry, at) => this.#index.folders.appendLog(this.#folderRow, known + at, encodeEntry(entry)))
    })
    this.#graph = graph
    this.#onGrowth()
  }

  /** Signs the next entry in an owner's name. It is no part of the log until it was written and taken. */
  prepare(signer: Signer, fact: LogFact, timeMs: number): NextEntry {
    const before = this.#graph
    const entry = signEntry(signer, before.heads, fact, timeMs)
    const { graph } = before.with([entry])
    return {
      write: () => this.#index.folders.appendLog(this.#folderRow, before.length, encodeEntry(entry)),
      take: () => {
        assert(this.#graph === before, 'nothing joined the log between preparing an entry and taking it')
        this.#graph = graph
        this.#onGrowth()
      },
    }
  }
}

export function encodeEntry(entry: SignedEntry): Uint8Array {
  return toBinary(SignedLogEntrySchema, create(SignedLogEntrySchema, { body: entry.body, signature: entry.signature }))
}

function decodeEntry(bytes: Uint8Array): SignedEntry {
  try {
    const { body, signature } = fromBinary(SignedLogEntrySchema, bytes)
    return { body, signature }
  } catch (error) {
    throw new EngineError('DATABASE_CORRUPT', 'a stored entry of an admin log cannot be read: the index is damaged', { cause: error })
  }
}
