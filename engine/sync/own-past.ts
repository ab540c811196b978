// When members know changes in this node's name that it does not have: it was rolled back with everything it could have noticed that by,
// or a copy of it runs elsewhere. It becomes another author, and what it has told nobody yet it writes again as that one.

import { equalBytes } from '../base/bytes.ts'
import { sealMeta } from '../crypto/seal.ts'
import type { AuthorRow, EntryRow } from '../index/entry-table.ts'
import type { Index } from '../index/index-store.ts'
import { shortKeyOf } from '../index/columns.ts'
import { needRank } from '../index/need-table.ts'
import { decodeChangeSet, entryHashBytes, type ChangeSet } from '../model/change-set.ts'
import { parseAuthorId, type AuthorId } from '../model/ids.ts'
import { decodeKnown, encodeAbove, greatestKnown, type Known } from '../model/known.ts'
import { encodeMeta, type Meta } from '../model/meta.ts'
import { depthOf } from '../model/path.ts'
import { compareVectors, type VersionVector } from '../model/vector.ts'
import { writeEntries, type EntryDraft } from './author.ts'
import { openFolderHandle, type FolderHandle, type MemberHandle } from './folder-handle.ts'
import { openEntryMeta } from './versions.ts'

/** What a member knows of an author. */
export interface KnownHead extends Known {
  readonly author: AuthorId
  /** The beginning of the signature over the change set with the greatest number, where it is known; empty else. */
  readonly mark: Uint8Array
}

const markBytes = 8

/** A head as members are told it. */
export function headMessage(index: Index, author: AuthorRow): { author: AuthorId; seq: bigint; mark: Uint8Array; above: Uint8Array } {
  const { authorId, row, known } = author
  return { author: authorId, seq: BigInt(known.seq), mark: markOf(setOver(index, row, greatestKnown(known))), above: encodeAbove(known) }
}

/** Those that are well formed. */
export function headsOf(
  heads: readonly { readonly author: Uint8Array; readonly seq: bigint; readonly mark: Uint8Array; readonly above: Uint8Array }[],
): readonly KnownHead[] {
  return heads.flatMap(({ author: bytes, seq, mark, above }) => {
    const [author, known] = [parseAuthorId(bytes), decodeKnown(Number(seq), above)]
    return author === undefined || known === undefined ? [] : [{ author, mark, ...known }]
  })
}

/**
 * Of the whole set, and not of one entry: a node that was set back finds the same edits on its disk again, and may give one of them the number and
 * the bytes that it had. The set that it comes in was signed at another time.
 */
function markOf(set: ChangeSet | undefined): Uint8Array {
  return set === undefined ? new Uint8Array(0) : set.signature.slice(0, markBytes)
}

function setOver(index: Index, author: number, seq: number): ChangeSet | undefined {
  const stored = index.entries.changeSetOver(author, seq, seq)
  return stored === undefined ? undefined : decodeChangeSet(stored)
}

/** The first sequence number that another self of this node gave out, as far as these words of a member show one. */
export function firstForeignSeq(
  index: Index,
  handle: MemberHandle,
  heads: readonly KnownHead[],
  sets: readonly ChangeSet[],
): number | undefined {
  const own = index.entries.author(handle.row, handle.authorId)
  const nextSeq = index.folders.nextSeq(handle.row)
  for (const set of sets) {
    if (!equalBytes(set.incarnation, handle.record.incarnation) || !equalBytes(set.nodeKey, handle.identity.publicKey)) continue
    const stored = own === undefined ? undefined : index.entries.changeSetAt(own.row, set.firstSeq)
    const hashes = stored === undefined ? undefined : decodeChangeSet(stored)?.hashes
    if (hashes === undefined || !equalBytes(hashes, set.hashes)) return set.firstSeq + sameEntries(hashes, set.hashes)
  }
  const head = heads.find(({ author }) => equalBytes(author, handle.authorId))
  if (head === undefined) return undefined
  const greatest = greatestKnown(head)
  if (greatest >= nextSeq) return nextSeq
  const set = own === undefined ? undefined : setOver(index, own.row, greatest)
  const isOther = set !== undefined && head.mark.length === markBytes && !equalBytes(head.mark, markOf(set))
  return isOther ? set.firstSeq : undefined // which of its entries are others cannot be told
}

function sameEntries(left: Uint8Array | undefined, right: Uint8Array): number {
  if (left === undefined) return 0
  let at = 0
  while (at < left.length && at < right.length && left[at] === right[at]) at++
  return Math.floor(at / entryHashBytes)
}

/**
 * Makes this node another author. Entries after `floor` are of doubt: nobody was told of them, or somebody else's were told under their
 * numbers. They are written again; their vectors then have seen all of this node's up to `floor`, which is so. One durable transaction.
 */
export function becomeAnother(index: Index, handle: FolderHandle, incarnation: Uint8Array, floor: number, timeMs: number): void {
  index.transactDurably(() => {
    index.folders.setIncarnation(handle.row, incarnation)
    const next = openFolderHandle({ ...handle.record, incarnation }, handle.identity)
    const own = index.entries.author(handle.row, handle.authorId)
    if (own === undefined) return
    const doubtful = index.entries.ofAuthorAfter(own.row, floor).flatMap((row) => {
      const meta = openEntryMeta(handle.reading.metaKeys, row.entry)
      return meta === undefined ? [] : [{ row, meta }]
    })
    const lowered = (vector: VersionVector): VersionVector => lowerVector(vector, handle.authorId, floor)
    for (const { row } of doubtful) index.entries.remove(row.rowSeq)
    index.entries.forgetAfter(handle.row, own, floor)
    const drafts = doubtful.map(({ row, meta }) => draftOf(next, row, meta, lowered))
    const written = writeEntries(index, next, drafts, timeMs)
    doubtful.forEach(({ row, meta }, at) => {
      const result = written[at]
      if (result === undefined) return
      const item = index.items.byPath(handle.row, meta.path)
      if (item !== undefined && compareVectors(item.vector, row.entry.vector) === 'equal') {
        const contentVector = contentVectorOf(item.contentVector, lowered)
        index.items.put(handle.row, row.entry.entryId, { ...item, vector: result.vector, contentVector }, item)
      }
      if (result.concurrent.length > 0) index.needs.put(handle.row, shortKeyOf(row.entry.entryId), needRank(depthOf(meta.path), false), 0)
    })
  })
}

function draftOf(handle: FolderHandle, { entry }: EntryRow, meta: Meta, lowered: (vector: VersionVector) => VersionVector): EntryDraft {
  const contentVector = contentVectorOf(meta.contentVector, lowered)
  const sealed = sealMeta(handle.jobKeys.metaKey, entry.entryId, encodeMeta({ ...meta, contentVector }))
  return { entryId: entry.entryId, base: lowered(entry.vector), kind: 'change', deleted: entry.deleted, blocks: entry.blocks, sealed }
}

function contentVectorOf(vector: VersionVector | undefined, lowered: (vector: VersionVector) => VersionVector): VersionVector | undefined {
  const known = vector === undefined ? [] : lowered(vector)
  return known.length === 0 ? undefined : known
}

function lowerVector(vector: VersionVector, author: AuthorId, floor: number): VersionVector {
  return vector.flatMap((element) => {
    if (element.seq <= floor || !equalBytes(element.author, author)) return [element]
    return floor === 0 ? [] : [{ author, seq: floor }]
  })
}
