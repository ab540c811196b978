// A folder's receipts, wired to what this node has of it: a tree and the needs that are left, or a share of blocks.

import { bytesKey, bytesOfKey, equalBytes } from '../base/bytes.ts'
import type { EntryRow } from '../index/entry-table.ts'
import type { ElsewhereRow } from '../index/elsewhere-table.ts'
import type { Index } from '../index/index-store.ts'
import type { Need } from '../index/need-table.ts'
import { parseEntryId } from '../model/ids.ts'
import type { AbsenceMark } from '../replicas/absence-marks.ts'
import { parseRelativePath, type RelativePath } from '../model/path.ts'
import { claimOf, holdsNothing } from '../replicas/claim.ts'
import { wholeOffer, type Offer } from '../replicas/offer.ts'
import { ReceiptBook, type ReceiptBookParts } from '../replicas/receipt-book.ts'
import {
  isStandIn,
  partsMax,
  standInLayout,
  type Claim,
  type ClaimPart,
  type Held,
  type Receipt,
  type ReceiptPart,
} from '../replicas/receipt.ts'
import { entryIdOfPath, type FolderHandle, type MemberHandle } from '../sync/folder-handle.ts'
import type { FolderProblems } from '../sync/problems.ts'
import type { MemberParts } from './member-parts.ts'
import type { OwnFiles } from './own-files.ts'

export interface Kept {
  readonly keep: Claim['keep']
  /** The placement of now; empty where all is kept. */
  readonly layout: Uint8Array
  /** What was held by earlier placements is held still. */
  readonly isOldHeld: boolean
}

export interface FolderReceiptParts {
  readonly handle: MemberHandle
  readonly log: ReceiptBookParts['log']
  /** Tells the members and whoever shows it. */
  readonly changed: () => void
  /** 'yes': what rows say is what is here. 'no': something is amiss, and nothing is claimed. 'unknown': the last word stands. */
  readonly canSay: () => 'yes' | 'no' | 'unknown'
  readonly missing: () => Iterator<readonly EntryRow[]>
  readonly comingCount: () => number
  /** Files that people wrote here; absent where this node has no files. */
  readonly ownFiles?: Pick<OwnFiles, 'settle' | 'unflushedSeqs'>
  readonly kept: () => Kept
  /** What it holds for members that are away; absent where it does not. */
  readonly standIn?: () => Held
  /** What room this node has for the folder; absent where it stores nothing for others. */
  readonly offer?: () => Offer
  readonly absent: () => readonly AbsenceMark[]
}

type NodeParts = Pick<MemberParts, 'index' | 'identity'> & {
  readonly network: Pick<MemberParts['network'], 'self'>
  readonly world: Pick<MemberParts['world'], 'clock'>
}

export function openReceiptBook({ index, network, identity, world }: NodeParts, parts: FolderReceiptParts): ReceiptBook {
  const { handle, log, changed, canSay, missing, comingCount, ownFiles, kept, standIn, offer, absent } = parts
  const { clock } = world
  return new ReceiptBook({
    index,
    folder: { row: handle.row, id: handle.record.id },
    signer: identity,
    self: network.self,
    clock,
    log,
    absent,
    changed,
    claim: async (last: Receipt | undefined, signal) => {
      if (canSay() !== 'no') await ownFiles?.settle(signal)
      const say = canSay() // flushing takes a while: a guard may hold changes back by now, or another placement count
      if (say === 'unknown') return sayAgain(index, handle.row, last, offer?.())
      const { keep, layout, isOldHeld } = kept()
      const known = last?.parts.find((part) => equalBytes(part.layout, layout))
      const unflushed = ownFiles === undefined ? undefined : (each: AbortSignal) => ownFiles.unflushedSeqs(each)
      const claimParts = { index, folderRow: handle.row, clock, missing, comingCount, unflushed }
      const held = say === 'no' ? holdsNothing : await claimOf(claimParts, known, signal)
      if (held === undefined) return sayAgain(index, handle.row, last, offer?.())
      const old = say === 'no' || !isOldHeld ? [] : (last?.parts ?? []).filter((part) => part !== known && !isStandIn(part))
      const forOthers = keep === 'share' && say === 'yes' ? (standIn?.() ?? holdsNothing) : holdsNothing
      const claimed = [
        { layout, ...held },
        ...(forOthers.heads.length === 0 ? [] : [{ layout: standInLayout, ...forOthers }]),
        ...old.map((part) => asClaimed(index, handle.row, part)),
      ]
      const released = new Set(index.retiring.surplus(handle.row).flatMap(({ partition, isReleased }) => (isReleased ? [partition] : [])))
      return { keep, parts: claimed.slice(0, partsMax), released, offer: offer?.() ?? wholeOffer }
    },
  })
}

/** The last word as it was, with another offer; undefined where there is nothing new to say. */
function sayAgain(index: Index, folderRow: number, last: Receipt | undefined, offer: Offer = wholeOffer): Claim | undefined {
  if (last === undefined || (last.offer.isFull === offer.isFull && last.offer.share === offer.share)) return undefined
  return { keep: last.keep, parts: last.parts.map((part) => asClaimed(index, folderRow, part)), released: last.released, offer }
}

/** A part of an earlier receipt as it is said again. */
function asClaimed(index: Index, folderRow: number, { layout, heads, lacking }: ReceiptPart): ClaimPart {
  const known = index.entries.authors(folderRow).flatMap(({ authorId }) => {
    const seqs = heads.get(bytesKey(authorId))
    return seqs === undefined ? [] : [{ author: authorId, ...seqs }]
  })
  return { layout, heads: known, lacking: [...lacking].flatMap((key) => parseEntryId(bytesOfKey(key)) ?? []) }
}

const pageMax = 500
/** Problems with a path of which nobody knows what is there now. */
const unsureCodes: ReadonlySet<string> = new Set(['UNREADABLE', 'CHANGING', 'FILE_TOO_LARGE'])

/** Of paths of a tree whose content is not here, or may not be. */
export function* entriesOfTree(index: Index, handle: FolderHandle, problems: FolderProblems): Generator<readonly EntryRow[]> {
  yield* entriesNotHere(index, handle.row)
  yield* entriesOfUnsure(index, handle, problems)
}

/** Of paths that the disk did not show as they are: what is there may be something else by now. */
function* entriesOfUnsure(index: Index, handle: FolderHandle, problems: FolderProblems): Generator<readonly EntryRow[]> {
  const { row } = handle
  const entriesOf = (path: RelativePath): readonly EntryRow[] => index.entries.siblings(row, entryIdOfPath(handle, path))
  for (const { code, path: text } of problems.all()) {
    if (text === undefined || !unsureCodes.has(code)) continue
    const path = text === '' ? undefined : parseRelativePath(text)
    if (path !== undefined) yield entriesOf(path)
    if (path !== undefined && index.items.byPath(row, path)?.kind === 'file') continue
    const below = index.items.below(row, text)
    for (let at = 0; at < below.length; at += pageMax) yield below.slice(at, at + pageMax).flatMap((item) => entriesOf(item.path))
  }
}

/** Of paths whose content is still to come. */
export function* entriesOfNeeds(index: Index, folderRow: number): Generator<readonly EntryRow[]> {
  let last: Need | undefined
  for (;;) {
    const needs = index.needs.after(folderRow, last, pageMax)
    last = needs.at(-1)
    if (last === undefined) return
    yield needs.flatMap(({ pathKey }) => index.entries.siblingsByKey(folderRow, pathKey))
  }
}

/** Of paths whose content is still to come, or is elsewhere. */
export function* entriesNotHere(index: Index, folderRow: number): Generator<readonly EntryRow[]> {
  yield* entriesOfNeeds(index, folderRow)
  let last: ElsewhereRow | undefined
  for (;;) {
    const rows = index.elsewhere.page(folderRow, last, pageMax)
    last = rows.at(-1)
    if (last === undefined) return
    yield rows.flatMap(({ entryId, isDirectory }) => (isDirectory ? [] : index.entries.siblings(folderRow, entryId)))
  }
}

/** Of blocks that are still to come. */
export function* entriesOfBlockNeeds(index: Index, folderRow: number): Generator<readonly EntryRow[]> {
  let last = 0
  for (;;) {
    const rows = index.blockNeeds.entryRows(folderRow, last, pageMax)
    if (rows.length === 0) return
    last = rows.at(-1) ?? last
    yield rows.flatMap((row) => index.entries.byRow(row) ?? [])
  }
}
