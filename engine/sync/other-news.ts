// What a subscriber is told beside entries: the folder's admin log, its members' cards and receipts, the published layout, and the log in
// the other direction too.

import { fromBinary, toBinary, type MessageInitShape } from '@bufbuild/protobuf'
import { bytesKey } from '../base/bytes.ts'
import { EngineError } from '../base/errors.ts'
import type { PeerId } from '../model/ids.ts'
import { equalBytes } from '../base/bytes.ts'
import {
  CardSchema,
  PublishedLayoutSchema,
  ReceiptSchema,
  type Card,
  type IndexFrameSchema,
  type LogPart,
  type PublishedLayout,
  type Receipt,
} from '../model/wire/exchange_pb.ts'

export type OutgoingFrame = MessageInitShape<typeof IndexFrameSchema>['kind'] & {}

export interface LogEntryBytes {
  readonly body: Uint8Array
  readonly signature: Uint8Array
}

/** The admin log as the exchange needs it; share/ has it. */
export interface FolderLog {
  readonly length: number
  /** Hashes of the entries that none continues: who has the same has the same log. */
  readonly heads: readonly Uint8Array[]
  /** Entries from a place on, in the order in which they came here: parents first. */
  entriesFrom(place: number): readonly LogEntryBytes[]
  /** All that who has these heads may lack, parents first. */
  beyond(heads: readonly Uint8Array[]): readonly LogEntryBytes[]
  /** Checks and appends what is new. Throws `PEER_MISBEHAVED` or `BAD_SIGNATURE`. */
  extend(entries: readonly LogEntryBytes[]): void
  isMember(peer: PeerId): boolean
}

/** Cards of the folder's members, encoded; share/ and the engine keep them. */
export interface CardBox {
  /** Changes whenever `all` does. */
  readonly edition: number
  /** This node's own first. */
  all(): readonly Uint8Array[]
  take(encoded: Uint8Array): void
}

/** Checking this many signatures keeps the receiver's main thread for some tens of milliseconds. */
export const logPartEntriesMax = 1000
/** Far below the limit of a frame, which one entry of the largest size must not pass. */
const logPartBytesMax = 4 * 1024 * 1024

/** Entries of the log, in parts. */
export function logFrames(entries: readonly LogEntryBytes[]): readonly OutgoingFrame[] {
  const frames: OutgoingFrame[] = []
  let part: LogEntryBytes[] = []
  let bytes = 0
  const close = (): void => {
    if (part.length > 0) frames.push({ case: 'log', value: { entries: part } })
    part = []
    bytes = 0
  }
  for (const { body, signature } of entries) {
    part.push({ body, signature })
    bytes += body.length + signature.length
    if (part.length >= logPartEntriesMax || bytes >= logPartBytesMax) close()
  }
  close()
  return frames
}

/** More heads than any log has: of those beyond it nothing is told apart. */
const logHeadsMax = 64

/** What a peer says it has, as far as it is heard. */
export function toldHeads(heads: readonly Uint8Array[]): readonly Uint8Array[] {
  return heads.slice(0, logHeadsMax)
}

/** Throws `PEER_MISBEHAVED`, `BAD_SIGNATURE`. */
export function takeLogPart(folderLog: FolderLog, peer: PeerId, part: LogPart): void {
  if (part.entries.length > logPartEntriesMax) {
    throw new EngineError(
      'PEER_MISBEHAVED',
      `${peer} sent more of the admin log at once than is allowed; the connection for this folder was closed`,
    )
  }
  folderLog.extend(part.entries)
}

/** Receipts of the folder's members, encoded; replicas/ keeps them. */
export interface ReceiptBox {
  /** Changes whenever `rows` does. */
  readonly edition: number
  rows(): readonly { readonly peer: PeerId; readonly edition: number; readonly bytes: Uint8Array }[]
  take(encoded: Uint8Array): void
  /** Edition of the member's last word, by which it leaves the folder; 0 when it has not. */
  leftEditionOf(peer: PeerId): number
}

/** The layout that an owner published last, encoded; replicas/ keeps it. */
export interface LayoutBox {
  /** Changes whenever `bytes` does. */
  readonly edition: number
  readonly bytes: Uint8Array | undefined
  /** What a peer that knows the same one says too. */
  readonly mark: Uint8Array
  take(encoded: Uint8Array): void
}

export function takeLayout(layouts: LayoutBox, layout: PublishedLayout): void {
  layouts.take(toBinary(PublishedLayoutSchema, layout))
}

export function takeReceipt(receipts: ReceiptBox, receipt: Receipt): void {
  receipts.take(toBinary(ReceiptSchema, receipt))
}

export function takeCard(cards: CardBox, card: Card): void {
  cards.take(toBinary(CardSchema, card))
}

/** This node's own card. */
export function ownCardFrames(cards: Pick<CardBox, 'all'>): readonly OutgoingFrame[] {
  return cards
    .all()
    .slice(0, 1)
    .map((card): OutgoingFrame => ({ case: 'card', value: fromBinary(CardSchema, card) }))
}

/** The end of its signature: other for every card. */
function nameOf(card: Uint8Array): string {
  return bytesKey(card.subarray(-32))
}

export interface NewsBoxes {
  readonly folderLog: FolderLog
  readonly cards: CardBox
  readonly receipts: ReceiptBox
  readonly layouts: LayoutBox
}

/** What a peer has at the beginning, as it says. */
export interface PeerKnows {
  readonly peer: PeerId
  /** Of the admin log. */
  readonly logHeads: readonly Uint8Array[]
  readonly layoutMark: Uint8Array
}

/** Log entries, cards, receipts and published layouts that came up since the last call; at the first, what a peer lacks of them. */
export function otherNews({ folderLog, cards, receipts, layouts }: NewsBoxes, knows: PeerKnows): () => readonly OutgoingFrame[] {
  const { peer } = knows
  let logTold: number | undefined
  let layoutTold = equalBytes(layouts.mark, knows.layoutMark) ? layouts.edition : -1
  let cardsTold = -1
  let toldCards: ReadonlySet<string> = new Set()
  let receiptsTold = -1
  const toldEditions = new Map<PeerId, number>()
  return () => {
    const frames: OutgoingFrame[] = []
    if (folderLog.length !== logTold) {
      frames.push(...logFrames(logTold === undefined ? folderLog.beyond(knows.logHeads) : folderLog.entriesFrom(logTold)))
      logTold = folderLog.length
    }
    if (cards.edition !== cardsTold) {
      cardsTold = cards.edition
      const all = cards.all()
      for (const card of all) if (!toldCards.has(nameOf(card))) frames.push({ case: 'card', value: fromBinary(CardSchema, card) })
      toldCards = new Set(all.map(nameOf))
    }
    // Before the receipts that name it.
    if (layouts.edition !== layoutTold) {
      layoutTold = layouts.edition
      if (layouts.bytes !== undefined) frames.push({ case: 'layout', value: fromBinary(PublishedLayoutSchema, layouts.bytes) })
    }
    if (receipts.edition !== receiptsTold) {
      // Its own last word is told to a peer once: it may have lost it with its index.
      const isFirst = receiptsTold === -1
      receiptsTold = receipts.edition
      for (const { peer: of, edition, bytes } of receipts.rows()) {
        if ((of === peer && !isFirst) || toldEditions.get(of) === edition) continue
        toldEditions.set(of, edition)
        frames.push({ case: 'receipt', value: fromBinary(ReceiptSchema, bytes) })
      }
    }
    return frames
  }
}
