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

/** The admin log as the exchange needs it; share/ has it. */
export interface FolderLog {
  readonly length: number
  /** Encoded signed entries from a position on. */
  entriesFrom(position: number): readonly { readonly body: Uint8Array; readonly signature: Uint8Array }[]
  /** Checks and appends what is new. Throws `PEER_MISBEHAVED` or `BAD_SIGNATURE`. */
  extend(firstPosition: number, entries: readonly { readonly body: Uint8Array; readonly signature: Uint8Array }[]): void
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

/** The log from a position on, in parts. */
export function logFrames(folderLog: FolderLog, position: number): readonly OutgoingFrame[] {
  const frames: OutgoingFrame[] = []
  let first = position
  let part: { body: Uint8Array; signature: Uint8Array }[] = []
  let bytes = 0
  const close = (): void => {
    if (part.length > 0) frames.push({ case: 'log', value: { firstPosition: BigInt(first), entries: part } })
    first += part.length
    part = []
    bytes = 0
  }
  for (const { body, signature } of folderLog.entriesFrom(position)) {
    part.push({ body, signature })
    bytes += body.length + signature.length
    if (part.length >= logPartEntriesMax || bytes >= logPartBytesMax) close()
  }
  close()
  return frames
}

/** Throws `PEER_MISBEHAVED`, `BAD_SIGNATURE`. */
export function takeLogPart(folderLog: FolderLog, peer: PeerId, part: LogPart): void {
  if (part.entries.length > logPartEntriesMax) {
    throw new EngineError(
      'PEER_MISBEHAVED',
      `${peer} sent more of the admin log at once than is allowed; the connection for this folder was closed`,
    )
  }
  folderLog.extend(Number(part.firstPosition), part.entries)
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
  readonly logLength: number
  readonly layoutMark: Uint8Array
}

/** Log entries, cards, receipts and published layouts that came up since the last call; at the first, what a peer lacks of them. */
export function otherNews({ folderLog, cards, receipts, layouts }: NewsBoxes, knows: PeerKnows): () => readonly OutgoingFrame[] {
  const { peer } = knows
  let logTold = knows.logLength
  let layoutTold = equalBytes(layouts.mark, knows.layoutMark) ? layouts.edition : -1
  let cardsTold = -1
  let toldCards: ReadonlySet<string> = new Set()
  let receiptsTold = -1
  const toldEditions = new Map<PeerId, number>()
  return () => {
    const frames: OutgoingFrame[] = []
    if (folderLog.length > logTold) {
      frames.push(...logFrames(folderLog, logTold))
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
