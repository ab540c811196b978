// What a member may claim to hold, from rows: its heads, but for the entries of which something is missing: those are named, or, where that
// are too many, their numbers are left out of the heads. While much is still to come it claims no more than it did, and of that only what is still there.

import { bytesKey } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import type { EntryRow } from '../index/entry-table.ts'
import type { Index } from '../index/index-store.ts'
import type { AuthorId, EntryId } from '../model/ids.ts'
import { greatestKnown, withoutKnown } from '../model/known.ts'
import { covers, lackingMax, type Held, type ReceiptPart } from './receipt.ts'

export interface ClaimParts {
  readonly index: Index
  readonly folderRow: number
  readonly clock: Clock
  /** Entries of which something is missing here, in pages that are read when they are asked for. */
  readonly missing: () => Iterator<readonly EntryRow[]>
  /** About how many of these are still to come, or the blocks of them; cheap. What is elsewhere and stays there is not among them. */
  readonly comingCount: () => number
  /** By row of the author, the numbers of entries whose content is not known to be on the device; undefined where nobody can say which they are. */
  readonly unflushed?: ((signal: AbortSignal) => Promise<ReadonlyMap<number, readonly number[]> | undefined>) | undefined
}

export const holdsNothing: Held = { heads: [], lacking: [] }

/** Undefined where nothing can be said now. */
export async function claimOf(parts: ClaimParts, last: ReceiptPart | undefined, signal: AbortSignal): Promise<Held | undefined> {
  const held = await heldOf(parts, last, signal)
  if (parts.unflushed === undefined) return held
  // Asked after what is missing was gone through: what was still missing then is named, and what was there by then is known to be new.
  const unflushed = await parts.unflushed(signal)
  if (unflushed === undefined) return undefined
  const rowOf = new Map(parts.index.entries.authors(parts.folderRow).map(({ row, authorId }) => [bytesKey(authorId), row]))
  const heads = held.heads.map(({ author, ...known }) => {
    const seqs = unflushed.get(rowOf.get(bytesKey(author)) ?? 0) ?? []
    return { author, ...(seqs.length === 0 ? known : withoutKnown(known, seqs)) }
  })
  return { ...held, heads: heads.filter((head) => greatestKnown(head) > 0) }
}

/** Looks through all that is missing only where it is not about to come, or where there is an earlier claim to be kept true. */
async function heldOf(parts: ClaimParts, last: ReceiptPart | undefined, signal: AbortSignal): Promise<Held> {
  const isFilling = parts.comingCount() > lackingMax
  const isFirst = last === undefined || last.heads.size === 0
  if (isFirst && isFilling) return holdsNothing
  const heads = knownHeads(parts) // before anything is awaited: what comes meanwhile is not claimed
  const pages = parts.missing()
  const missing: EntryRow[] = []
  for (let page = pages.next(); page.done !== true; page = pages.next()) {
    missing.push(...page.value)
    if (missing.length <= lackingMax) continue
    // One is named all the same: by that everybody sees that the member has not got everything.
    if (!isFilling) return { lacking: idsOf(missing.slice(0, 1)), heads: await without(parts, heads, missing, pages, signal) }
    return isFirst ? holdsNothing : narrow(parts, last, missing, pages, signal)
  }
  return { heads: heads.map(({ row: _row, ...head }) => head), lacking: idsOf(missing) }
}

type KnownHead = Held['heads'][number] & { readonly row: number }

function knownHeads({ index, folderRow }: ClaimParts): readonly KnownHead[] {
  const heads = index.entries.authors(folderRow).map(({ row, authorId, known }) => ({ row, author: authorId, ...known }))
  return heads.filter((head) => greatestKnown(head) > 0)
}

/** By number: a run of them takes a few bytes, where each name takes 33. What one author wrote at once, and is elsewhere, is a run. */
async function without(
  { clock }: ClaimParts,
  heads: readonly KnownHead[],
  first: readonly EntryRow[],
  rest: Iterator<readonly EntryRow[]>,
  signal: AbortSignal,
): Promise<Held['heads']> {
  const missing = new Map<number, number[]>(heads.map(({ row }) => [row, []]))
  let page: readonly EntryRow[] = first
  for (;;) {
    for (const { author, seq } of page) missing.get(author)?.push(seq)
    await clock.sleep(0, signal)
    const next = rest.next()
    if (next.done === true) break
    page = next.value
  }
  const left = heads.map(({ row, author, ...known }) => ({ author, ...withoutKnown(known, missing.get(row) ?? []) }))
  return left.filter((head) => greatestKnown(head) > 0)
}

/** The earlier claim, without what is missing of it now. */
async function narrow(
  { index, folderRow, clock }: ClaimParts,
  last: ReceiptPart,
  first: readonly EntryRow[],
  rest: Iterator<readonly EntryRow[]>,
  signal: AbortSignal,
): Promise<Held> {
  const authors = index.entries.authors(folderRow)
  const idOf = new Map(authors.map(({ row, authorId }) => [row, authorId]))
  const earlier = { ...last, lacking: new Set<string>() }
  const lost: EntryRow[] = []
  let page: readonly EntryRow[] = first
  for (;;) {
    for (const row of page) {
      const author = idOf.get(row.author)
      if (author !== undefined && covers(earlier, { author, seq: row.seq, entryId: row.entry.entryId })) lost.push(row)
    }
    if (lost.length > lackingMax) return holdsNothing
    await clock.sleep(0, signal)
    const next = rest.next()
    if (next.done === true) break
    page = next.value
  }
  return { heads: authors.flatMap(({ authorId }) => headOf(last, authorId)), lacking: idsOf(lost) }
}

function headOf(part: ReceiptPart, author: AuthorId): Held['heads'] {
  const known = part.heads.get(bytesKey(author))
  return known === undefined ? [] : [{ author, ...known }]
}

function idsOf(rows: readonly EntryRow[]): readonly EntryId[] {
  return [...new Map(rows.map(({ entry }) => [bytesKey(entry.entryId), entry.entryId])).values()]
}
