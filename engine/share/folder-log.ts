// One folder's admin log as it is stored here: the chain, what it says, and how it grows.

import { fromBinary, toBinary, create } from '@bufbuild/protobuf'
import { assert } from '../base/assert.ts'
import { EngineError } from '../base/errors.ts'
import { equalBytes } from '../base/bytes.ts'
import type { Index } from '../index/index-store.ts'
import { mayWrite, type Member, type Role } from '../model/folder.ts'
import type { PeerId } from '../model/ids.ts'
import { SignedLogEntrySchema } from '../model/wire/entry_pb.ts'
import type { Signer } from '../crypto/sign.ts'
import { applyEntry, replayLog, signEntry, type LogFact, type LogState, type SignedEntry } from './admin-log.ts'

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
  readonly #entries: SignedEntry[]
  #state: LogState

  /** Throws `BAD_SIGNATURE` when the stored log does not hold. `onGrowth` is called after it grew. */
  constructor(index: Index, folderRow: number, onGrowth: () => void) {
    this.#index = index
    this.#folderRow = folderRow
    this.#onGrowth = onGrowth
    this.#entries = index.folders.log(folderRow).map((bytes) => decodeEntry(bytes))
    this.#state = replayLog(this.#entries)
  }

  get state(): LogState {
    return this.#state
  }

  get length(): number {
    return this.#entries.length
  }

  get members(): readonly Member[] {
    return this.#state.members
  }

  entriesFrom(position: number): readonly SignedEntry[] {
    return this.#entries.slice(position)
  }

  isMember(peer: PeerId): boolean {
    return this.roleOf(peer) !== undefined
  }

  roleOf(peer: PeerId): Role | undefined {
    return this.#state.members.find((member) => member.peer === peer)?.role
  }

  isRetired(peer: PeerId): boolean {
    return this.#state.members.some((member) => member.peer === peer && member.isRetired)
  }

  /** Whether entries of the node with this key count. */
  mayWrite(nodeKey: Uint8Array): boolean {
    const member = this.#state.members.find((candidate) => equalBytes(candidate.nodeKey, nodeKey))
    return member !== undefined && mayWrite(member.role)
  }

  /** Takes over what a peer has beyond this log. Throws `BAD_SIGNATURE` when it does not continue it. */
  extend(firstPosition: number, entries: readonly SignedEntry[]): void {
    const known = this.#entries.length
    if (firstPosition > known) return // a gap: the next meeting tells the rest
    const fresh = entries.slice(known - firstPosition)
    if (fresh.length === 0) return
    let state = this.#state
    for (const entry of fresh) state = applyEntry(state, entry)
    this.#index.transactDurably(() => {
      fresh.forEach((entry, at) => this.#index.folders.appendLog(this.#folderRow, known + at, encodeEntry(entry)))
    })
    this.#entries.push(...fresh)
    this.#state = state
    this.#onGrowth()
  }

  /** Signs the next entry in an owner's name. It is no part of the log until it was written and taken. */
  prepare(signer: Signer, fact: LogFact, timeMs: number): NextEntry {
    const entry = signEntry(signer, this.#state, fact, timeMs)
    const state = applyEntry(this.#state, entry)
    const position = this.#entries.length
    return {
      write: () => this.#index.folders.appendLog(this.#folderRow, position, encodeEntry(entry)),
      take: () => {
        assert(this.#entries.length === position, 'nothing joined the log between preparing an entry and taking it')
        this.#entries.push(entry)
        this.#state = state
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
