// Receipts: a member's signed word for what it durably holds of a folder. A few bytes from which anyone, also a host, can count the copies
// of any entry. What is claimed is in proto/exchange.proto.

import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { bytesKey, equalBytes, utf8 } from '../base/bytes.ts'
import { peerIdOf, publicKeyOf } from '../crypto/identity.ts'
import { verify, type Signer } from '../crypto/sign.ts'
import type { Keep } from '../model/folder.ts'
import { parseAuthorId, parseEntryId, type AuthorId, type BlockId, type EntryId, type FolderId, type PeerId } from '../model/ids.ts'
import { decodeKnown, encodeAbove, isKnown, type Known } from '../model/known.ts'
import { ReceiptBodySchema, ReceiptSchema, type HeldPart, type ReceiptBody } from '../model/wire/exchange_pb.ts'
import { marksMax, type AbsenceMark } from './absence-marks.ts'
import { wholeOffer, wholeShare, type Offer } from './offer.ts'
import { decodeReleased, encodeReleased, isReleased, nothingReleased, type Released } from './released.ts'

/** What a member says that it holds. */
export interface Claim {
  readonly keep: Keep
  /** What any of them says is held. */
  readonly parts: readonly ClaimPart[]
  /** … but for blocks of these partitions, where a placement gave them: not of what is held for others; absent = none. */
  readonly released?: Released
  /** What room it has; absent = all that its card offers. */
  readonly offer?: Offer
  /** The last word: it takes the folder off its node. Absent = it stays. */
  readonly hasLeft?: true
}

export interface ClaimPart extends Held {
  /** With `share`: the digest of the placement that says which blocks are the member's, or `standInLayout`; with `all`: empty. */
  readonly layout: Uint8Array
}

export interface Held {
  /** Of every current entry with these sequence numbers the member holds each block that is its own to hold … */
  readonly heads: readonly ({ readonly author: AuthorId } & Known)[]
  /** … but for these entries. */
  readonly lacking: readonly EntryId[]
}

export interface ReceiptPart {
  readonly layout: Uint8Array
  /** Sequence numbers by author (`bytesKey`). */
  readonly heads: ReadonlyMap<string, Known>
  /** Entry ids (`bytesKey`). */
  readonly lacking: ReadonlySet<string>
}

export interface Receipt {
  readonly peer: PeerId
  /** A higher one replaces a lower one. */
  readonly edition: number
  readonly keep: Keep
  readonly parts: readonly ReceiptPart[]
  /** Partitions of which no part claims anything, where a placement gave them. */
  readonly released: Released
  readonly offer: Offer
  /** By the member's clock, milliseconds since 1970. */
  readonly timeMs: number
  /** Members that this one has not seen for longer than is normal for them. */
  readonly absent: readonly AbsenceMark[]
  /** The member took the folder off its node: whatever else the admin log says, it has nothing and is to hold nothing. */
  readonly hasLeft?: true
}

/** In place of a placement, with `share`: all blocks of the entries that the part names. The member stands in for others there (decision 0052). */
export const standInLayout: Uint8Array = utf8('stand-in')

/** More than these are not named one by one: the member claims less instead. */
export const lackingMax = 1000
const receiptContext = 'receipt'
const receiptVersion = 1
const receiptBytesMax = 512 * 1024
const headsMax = 4096
/** Parts: the placement of now, and those of a while ago by which blocks are held still. */
export const partsMax = 4
const layoutBytesMax = 64
const nodeKeyBytes = 32
const keepNumbers: Readonly<Record<Keep, number>> = { all: 1, share: 2, selected: 3, none: 4 }
const keepNames: readonly (Keep | undefined)[] = [undefined, 'all', 'share', 'selected', 'none']

/** As `signReceipt`; of a claim that is too long for a receipt less is said, and what is left out counts as not held. */
export function signFittingReceipt(...[signer, folder, claim, at]: Parameters<typeof signReceipt>): Uint8Array {
  const [first] = claim.parts
  const shorter = [
    ...claim.parts.map((_, left) => claim.parts.slice(0, claim.parts.length - left)),
    first === undefined ? [] : [{ ...first, heads: first.heads.map(({ author, seq }) => ({ author, seq })) }],
  ]
  for (const parts of shorter) {
    const bytes = signReceipt(signer, folder, { ...claim, parts }, at)
    if (bytes.length <= receiptBytesMax) return bytes
  }
  return signReceipt(signer, folder, { ...claim, parts: [] }, at)
}

/** The encoded signed receipt. */
export function signReceipt(
  signer: Signer,
  folder: FolderId,
  claim: Claim,
  at: { readonly edition: number; readonly logLength: number; readonly timeMs: number; readonly absent?: readonly AbsenceMark[] },
): Uint8Array {
  const body = toBinary(
    ReceiptBodySchema,
    create(ReceiptBodySchema, {
      version: receiptVersion,
      folderId: folder,
      nodeKey: signer.publicKey,
      edition: BigInt(at.edition),
      logLength: BigInt(at.logLength),
      keep: keepNumbers[claim.keep],
      // A part that lacks more than can be named cannot be said; nor is anything held of an author that is left out.
      parts: claim.parts
        .filter(({ lacking }) => lacking.length <= lackingMax)
        .slice(0, partsMax)
        .map(({ layout, heads, lacking }) => ({
          layout,
          heads: heads.slice(0, headsMax).map(({ author, ...known }) => ({ author, seq: BigInt(known.seq), above: encodeAbove(known) })),
          lacking: [...lacking],
        })),
      timeMs: BigInt(at.timeMs),
      absent: (at.absent ?? []).slice(0, marksMax).flatMap(markMessage),
      released: encodeReleased(claim.released ?? nothingReleased),
      full: claim.offer?.isFull ?? false,
      withheld: wholeShare - (claim.offer ?? wholeOffer).share,
      left: claim.hasLeft === true,
    }),
  )
  return toBinary(ReceiptSchema, create(ReceiptSchema, { body, signature: signer.sign(receiptContext, body) }))
}

/** undefined when it is malformed, over its bounds, of a newer format, of another folder or not signed by the node it names. */
export function parseReceipt(bytes: Uint8Array, folder: FolderId): Receipt | undefined {
  const read = readReceipt(bytes, folder)
  return read?.isSigned() === true ? read.receipt : undefined
}

/** A receipt before its signature was looked at, which costs more than anything else: to see first whether it is wanted. */
export interface UnsignedReceipt {
  readonly receipt: Receipt
  readonly isSigned: () => boolean
}

/** As `parseReceipt`, but for the signature. */
export function readReceipt(bytes: Uint8Array, folder: FolderId): UnsignedReceipt | undefined {
  if (bytes.length > receiptBytesMax) return undefined
  try {
    const { body: encoded, signature } = fromBinary(ReceiptSchema, bytes)
    const body = fromBinary(ReceiptBodySchema, encoded)
    const receipt = checkBody(body, folder)
    if (receipt === undefined) return undefined
    return { receipt, isSigned: () => verify(body.nodeKey, receiptContext, encoded, signature) }
  } catch {
    return undefined // malformed protobuf
  }
}

function checkBody(body: ReceiptBody, folder: FolderId): Receipt | undefined {
  const keep = keepNames[body.keep]
  const [edition, timeMs] = [Number(body.edition), Number(body.timeMs)]
  if (body.version !== receiptVersion || keep === undefined || !equalBytes(body.folderId, folder)) return undefined
  if (!Number.isSafeInteger(edition) || !Number.isSafeInteger(timeMs)) return undefined
  if (body.parts.length > partsMax) return undefined
  const parts = body.parts.flatMap((part) => checkPart(part) ?? [])
  if (parts.length < body.parts.length) return undefined
  const absent = checkMarks(body.absent)
  const released = decodeReleased(body.released)
  if (absent === undefined || released === undefined || body.withheld >= wholeShare) return undefined
  if (body.left && parts.length > 0) return undefined
  const offer = { isFull: body.full, share: wholeShare - body.withheld }
  const left = body.left ? { hasLeft: true as const } : {}
  return { peer: peerIdOf(body.nodeKey), edition, keep, parts, released, offer, timeMs, absent, ...left }
}

function markMessage({ peer, cardEdition, degree }: AbsenceMark): readonly { nodeKey: Uint8Array; cardEdition: bigint; lost: boolean }[] {
  const nodeKey = publicKeyOf(peer)
  return nodeKey === undefined ? [] : [{ nodeKey, cardEdition: BigInt(cardEdition), lost: degree === 'lost' }]
}

function checkMarks(marks: ReceiptBody['absent']): readonly AbsenceMark[] | undefined {
  if (marks.length > marksMax) return undefined
  const absent: AbsenceMark[] = []
  for (const { nodeKey, cardEdition, lost } of marks) {
    if (nodeKey.length !== nodeKeyBytes || !Number.isSafeInteger(Number(cardEdition))) return undefined
    absent.push({ peer: peerIdOf(nodeKey), cardEdition: Number(cardEdition), degree: lost ? 'lost' : 'overdue' })
  }
  return absent
}

function checkPart(part: HeldPart): ReceiptPart | undefined {
  if (part.layout.length > layoutBytesMax || part.heads.length > headsMax || part.lacking.length > lackingMax) return undefined
  const heads = new Map<string, Known>()
  for (const { author, seq, above } of part.heads) {
    const known = decodeKnown(Number(seq), above)
    if (parseAuthorId(author) === undefined || known === undefined) return undefined
    heads.set(bytesKey(author), known)
  }
  if (part.lacking.some((id) => parseEntryId(id) === undefined)) return undefined
  return { layout: part.layout, heads, lacking: new Set(part.lacking.map(bytesKey)) }
}

/** Whether the part speaks of this entry: then the member holds what is its own of it. */
export function covers(part: ReceiptPart, entry: { readonly author: AuthorId; readonly seq: number; readonly entryId: EntryId }): boolean {
  const known = part.heads.get(bytesKey(entry.author))
  return known !== undefined && isKnown(known, entry.seq) && (part.lacking.size === 0 || !part.lacking.has(bytesKey(entry.entryId)))
}

/** Whether the part says what is held for others, entry by entry. */
export function isStandIn({ layout }: Pick<ReceiptPart, 'layout'>): boolean {
  return equalBytes(layout, standInLayout)
}

/** Whether a part with `share` that speaks of an entry speaks of this block of it. `isGiven`: whether a placement gives it to the member. */
export function coversBlock(
  part: Pick<ReceiptPart, 'layout'>,
  block: BlockId,
  released: Released,
  isGiven: (layout: Uint8Array, block: BlockId) => boolean | undefined,
): boolean {
  return isStandIn(part) || (!isReleased(released, block) && isGiven(part.layout, block) === true)
}
