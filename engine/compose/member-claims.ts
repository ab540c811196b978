// Which blocks of an entry a member says it holds, from its receipt as it is now; and which of that it said when it was audited last.

import { equalBytes } from '../base/bytes.ts'
import { decodedRow, type EntryRow, type StoredEntry } from '../index/entry-table.ts'
import type { Index } from '../index/index-store.ts'
import { glanceAtEntry } from '../model/entry.ts'
import { parseEntryId, type AuthorId, type BlockId, type EntryId } from '../model/ids.ts'
import type { AuditedWord } from '../replicas/copies.ts'
import { covers, coversBlock, type Receipt, type ReceiptPart } from '../replicas/receipt.ts'
import { nothingReleased } from '../replicas/released.ts'
import type { ClaimedCount } from '../scrub/sample.ts'

export interface MemberClaims {
  readonly receipt: Receipt | undefined
  readonly audited: AuditedWord | undefined
  /** By row number. */
  readonly authorOf: ReadonlyMap<number, AuthorId>
  /** Whether a placement gives the block to the member. */
  readonly isHolder: (layout: Uint8Array, block: BlockId) => boolean
}

/** Of a page of entries, how many blocks of each; in their order. Entries are decoded only where it depends on their blocks. */
export function claimedCounts(
  index: Index,
  folderRow: number,
  claims: MemberClaims,
  after: number,
  limit: number,
): readonly ClaimedCount[] {
  return index.entries.storedPage(folderRow, after, limit).map((row) => countOf(claims, row))
}

function countOf(claims: MemberClaims, row: StoredEntry): ClaimedCount {
  const { receipt, audited } = claims
  const { rowSeq } = row
  const glance = glanceAtEntry(row.bytes)
  const entryId = parseEntryId(glance.entryId)
  const parts = entryId === undefined || glance.blocks === 0 ? [] : coveringParts(claims, receipt, row, entryId)
  if (entryId === undefined || parts.length === 0) return { rowSeq, blocks: 0, isAudited: false }
  const before = audited === undefined || rowSeq > audited.lastRow ? [] : coveringParts(claims, audited.receipt, row, entryId)
  const isSame = parts.every(({ layout }) => before.some((part) => equalBytes(part.layout, layout)))
  if (receipt?.keep !== 'share') return { rowSeq, blocks: glance.blocks, isAudited: isSame }
  const blocks = claimedBlocks(claims, decodedRow(row))
  const released = audited?.receipt.released ?? nothingReleased
  const wasClaimed = (id: BlockId): boolean => before.some((part) => coversBlock(part, id, released, claims.isHolder))
  return { rowSeq, blocks: blocks.length, isAudited: isSame && blocks.every(wasClaimed) }
}

export function claimedBlocks(claims: MemberClaims, row: EntryRow): readonly BlockId[] {
  const parts = coveringParts(claims, claims.receipt, row, row.entry.entryId)
  if (parts.length === 0) return []
  const ids = row.entry.blocks.map(({ id }) => id)
  if (claims.receipt?.keep !== 'share') return ids
  const released = claims.receipt?.released ?? nothingReleased
  return ids.filter((id) => parts.some((part) => coversBlock(part, id, released, claims.isHolder)))
}

/** Whether the member's word speaks of the entry. */
export function isClaimed(claims: MemberClaims, row: EntryRow): boolean {
  return coveringParts(claims, claims.receipt, row, row.entry.entryId).length > 0
}

function coveringParts(
  { authorOf }: MemberClaims,
  receipt: Receipt | undefined,
  { author, seq }: Pick<StoredEntry, 'author' | 'seq'>,
  entryId: EntryId,
): readonly ReceiptPart[] {
  const authorId = authorOf.get(author)
  if (receipt === undefined || authorId === undefined) return []
  return receipt.parts.filter((part) => covers(part, { author: authorId, seq, entryId }))
}
