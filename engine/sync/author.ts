// Writing entries in this node's name: sequence numbers, one signature for up to a thousand, and what they supersede.

import { concatBytes } from '../base/bytes.ts'
import { blake3 } from '../crypto/hash.ts'
import type { EntryRow } from '../index/entry-table.ts'
import type { Index } from '../index/index-store.ts'
import { changeSetEntriesMax, changeSetSigningBytes, encodeChangeSet } from '../model/change-set.ts'
import { encodeEntry, type BlockRef, type Entry } from '../model/entry.ts'
import { sealOverheadBytes, type BlockList } from '../model/block-list.ts'
import type { EntryId } from '../model/ids.ts'
import { advanceVector, compareVectors, type VersionVector } from '../model/vector.ts'
import type { FolderHandle } from './folder-handle.ts'

export const changeSetContext = 'change-set'

export interface EntryDraft {
  readonly entryId: EntryId
  /** What the new version has seen. */
  readonly base: VersionVector
  /**
   * 'change' adds this author's sequence number: a version of its own. 'join' does not: members that resolve alike come to
   * the same vector, and it counts as one version whoever signed it.
   */
  readonly kind: 'change' | 'join'
  readonly deleted: boolean
  readonly blocks: readonly BlockRef[]
  readonly sealed: Uint8Array
}

export interface WrittenEntry {
  readonly vector: VersionVector
  /** Current versions that are concurrent to the new one: the path is to be reconciled. */
  readonly concurrent: readonly EntryRow[]
}

/** Writes the drafts in their order. Inside a transaction; gives one result a draft. */
export function writeEntries(index: Index, handle: FolderHandle, drafts: readonly EntryDraft[], timeMs: number): readonly WrittenEntry[] {
  const written: WrittenEntry[] = []
  for (let from = 0; from < drafts.length; from += changeSetEntriesMax) {
    written.push(...writeChangeSet(index, handle, drafts.slice(from, from + changeSetEntriesMax), timeMs))
  }
  return written
}

function writeChangeSet(index: Index, handle: FolderHandle, drafts: readonly EntryDraft[], timeMs: number): readonly WrittenEntry[] {
  const { record, identity } = handle
  const author = index.entries.ensureAuthor(handle.row, handle.authorId, identity.publicKey, record.incarnation)
  const firstSeq = index.folders.takeSeqs(handle.row, drafts.length)
  const hashes: Uint8Array[] = []
  const written = drafts.map((draft, at) => {
    const seq = firstSeq + at
    const vector = draft.kind === 'change' ? advanceVector(draft.base, handle.authorId, seq) : draft.base
    const entry: Entry = {
      entryId: draft.entryId,
      vector,
      deleted: draft.deleted,
      blocks: draft.blocks,
      epoch: handle.jobKeys.epoch,
      sealed: draft.sealed,
    }
    const bytes = encodeEntry(entry)
    hashes.push(blake3(bytes))
    const concurrent = replaceSiblings(index, entry, index.entries.siblings(handle.row, entry.entryId))
    index.entries.insert(handle.row, entry, bytes, author.row, seq)
    if (!draft.deleted) keepHere(index, handle.row, entry.entryId)
    return { vector, concurrent }
  })
  const unsigned = { nodeKey: identity.publicKey, incarnation: record.incarnation, firstSeq, timeMs, hashes: concatBytes(hashes) }
  const signature = identity.sign(changeSetContext, changeSetSigningBytes(record.id, unsigned))
  index.entries.insertChangeSet(author.row, firstSeq, drafts.length, encodeChangeSet({ ...unsigned, signature }))
  index.entries.learn(handle.row, author, { seq: firstSeq + drafts.length - 1 })
  return written
}

/** Whoever writes a version has its content, perhaps alone: one that was elsewhere comes here, until it is freed with proof. */
function keepHere(index: Index, folderRow: number, entryId: EntryId): void {
  const elsewhere = index.elsewhere.get(folderRow, entryId)
  if (elsewhere !== undefined) index.elsewhere.put(folderRow, entryId, { ...elsewhere, isWanted: true })
}

/** Removes the siblings that `entry` has seen and gives the ones it has not. */
export function replaceSiblings(index: Index, entry: Entry, siblings: readonly EntryRow[]): readonly EntryRow[] {
  const concurrent: EntryRow[] = []
  for (const sibling of siblings) {
    const order = compareVectors(sibling.entry.vector, entry.vector)
    if (order === 'before' || order === 'equal') index.entries.remove(sibling.rowSeq)
    else concurrent.push(sibling)
  }
  return concurrent
}

/** The public part of a packed block list. */
export function blockRefsOf(blocks: BlockList): readonly BlockRef[] {
  return Array.from({ length: blocks.count }, (_, at) => ({ id: blocks.id(at), storedBytes: blocks.lengthBytes(at) + sealOverheadBytes }))
}
