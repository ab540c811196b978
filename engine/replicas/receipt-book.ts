// The receipts of one folder: the members' as they come, and this node's own, written anew when what it holds has changed.

import { assert } from '../base/assert.ts'
import { bytesKey } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { errorCodeOf } from '../base/errors.ts'
import { waitAtMost, Wakeup } from '../base/queue.ts'
import type { Signer } from '../crypto/sign.ts'
import type { ReceiptRow } from '../index/receipt-table.ts'
import type { Index } from '../index/index-store.ts'
import type { FolderId, PeerId } from '../model/ids.ts'
import { encodeAbove } from '../model/known.ts'
import type { AbsenceMark } from './absence-marks.ts'
import { wholeOffer } from './offer.ts'
import { nothingReleased } from './released.ts'
import { parseReceipt, readReceipt, signFittingReceipt, type Claim, type Receipt } from './receipt.ts'

export interface ReceiptBookParts {
  readonly index: Index
  readonly folder: { readonly row: number; readonly id: FolderId }
  readonly signer: Signer
  readonly self: PeerId
  readonly clock: Clock
  /** The admin log, whose members' receipts count. */
  readonly log: { readonly length: number; isMember(peer: PeerId): boolean }
  /** What this node holds now, `last` being its last word, if this index has it; undefined while it cannot say: then that stands. */
  readonly claim: (last: Receipt | undefined, signal: AbortSignal) => Promise<Claim | undefined>
  /** Whom this node has not seen for longer than is normal. */
  readonly absent: () => readonly AbsenceMark[]
  /** A receipt came, or this node's own changed. */
  readonly changed: () => void
}

/** At most one new receipt of this node in so long. */
const intervalMs = 1000
/** Finding out takes at most the twentieth part of the time. */
const restShare = 20
/** What nobody rings for is looked at now and then. */
const idleMs = 60_000

export class ReceiptBook {
  readonly #parts: ReceiptBookParts
  readonly #receipts = new Map<PeerId, { readonly receipt: Receipt; readonly row: ReceiptRow }>()
  readonly #wakeup = new Wakeup()
  #lastClaim = ''
  #edition = 0
  #isLeaving = false
  /**
   * What this node said before its index was lost or became an old one. It stands with the members until something newer is said, which repeats
   * nothing: neither of this, since the rows that made it true are not here, nor of what an old index has, which it may have taken back.
   */
  #forgotten: Receipt | undefined

  constructor(parts: ReceiptBookParts) {
    this.#parts = parts
    for (const row of parts.index.receipts.all(parts.folder.row)) {
      const receipt = parseReceipt(row.bytes, parts.folder.id)
      if (receipt !== undefined) this.#receipts.set(row.peer, { receipt, row })
    }
  }

  /** Goes up whenever a receipt came or changed. */
  get edition(): number {
    return this.#edition
  }

  /** Of members, this node among them. */
  all(): readonly Receipt[] {
    return this.#ofMembers().map(({ receipt }) => receipt)
  }

  /** As `all`, as they were signed. */
  rows(): readonly ReceiptRow[] {
    return this.#ofMembers().map(({ row }) => row)
  }

  /** The latest of a member. */
  of(peer: PeerId): Receipt | undefined {
    return this.#parts.log.isMember(peer) ? this.#receipts.get(peer)?.receipt : undefined
  }

  /** As `of`, as it was signed. */
  bytesOf(peer: PeerId): Uint8Array | undefined {
    return this.#parts.log.isMember(peer) ? this.#receipts.get(peer)?.row.bytes : undefined
  }

  /** Another member took the folder off its node, and has not come back since. */
  hasLeft(peer: PeerId): boolean {
    return peer !== this.#parts.self && this.leftEditionOf(peer) > 0
  }

  /** Of the last word of a member that left; 0 when it has not. */
  leftEditionOf(peer: PeerId): number {
    const receipt = this.of(peer)
    return receipt?.hasLeft === true ? receipt.edition : 0
  }

  get own(): Receipt | undefined {
    return this.#receipts.get(this.#parts.self)?.receipt
  }

  /** Keeps a receipt that is sound, of a member and newer than what is known. */
  take(bytes: Uint8Array): void {
    const { folder, log, self } = this.#parts
    const read = readReceipt(bytes, folder.id)
    if (read === undefined || !log.isMember(read.receipt.peer)) return
    const { receipt } = read
    const known = this.#receipts.get(receipt.peer)?.receipt
    if ((known !== undefined && known.edition >= receipt.edition) || !read.isSigned()) return
    if (receipt.peer !== self) return this.#keep(receipt, bytes)
    if (this.#forgotten !== undefined && this.#forgotten.edition >= receipt.edition) return
    this.#forgotten = receipt
    this.#lastClaim = ''
    this.#wakeup.wake()
  }

  /** What this node holds may have changed. */
  wake(): void {
    this.#wakeup.wake()
  }

  /** What is here is not looked at any more: nothing of it is vouched for, until it is. Holds also where the index cannot be written. */
  withdraw(): void {
    const last = this.#forgotten ?? this.own
    if (last === undefined || last.parts.length === 0) return
    this.#sayNothing({ keep: last.keep, parts: [], offer: last.offer })
  }

  /**
   * The last word of this node: after it nothing is claimed any more, until the folder is opened
   * again. Holds also where the index cannot be written. Gives its edition.
   */
  leave(): number {
    this.#isLeaving = true
    return this.#sayNothing({ keep: this.own?.keep ?? 'none', parts: [], hasLeft: true })
  }

  #sayNothing(claim: Claim): number {
    const { receipt, bytes } = this.#sign(claim)
    this.#lastClaim = ''
    try {
      this.#keep(receipt, bytes)
    } catch (error) {
      if (errorCodeOf(error) === undefined) throw error
      this.#show(receipt, bytes)
    }
    return receipt.edition
  }

  /** Writes this node's receipts until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts
    this.#wakeup.wake()
    for (;;) {
      await waitAtMost(this.#wakeup, clock, idleMs, signal)
      const startedMs = clock.monotonicMs()
      const claim = await this.#parts.claim(this.#forgotten === undefined ? this.own : undefined, signal)
      if (claim !== undefined) this.#issue(claim)
      await clock.sleep(Math.max(intervalMs, restShare * (clock.monotonicMs() - startedMs)), signal)
    }
  }

  /** Unless the last receipt says the same. */
  #issue(claim: Claim): void {
    const text = `${textOf(claim)}/${JSON.stringify(this.#parts.absent())}`
    if (text === this.#lastClaim || this.#isLeaving) return
    const { receipt, bytes } = this.#sign(claim)
    this.#keep(receipt, bytes)
    this.#lastClaim = text
  }

  #sign(claim: Claim): { readonly receipt: Receipt; readonly bytes: Uint8Array } {
    const { signer, folder, log, clock, absent } = this.#parts
    const nowMs = clock.nowMs()
    const edition = Math.max(nowMs, (this.own?.edition ?? 0) + 1, (this.#forgotten?.edition ?? 0) + 1)
    const bytes = signFittingReceipt(signer, folder.id, claim, { edition, logLength: log.length, timeMs: nowMs, absent: absent() })
    const receipt = parseReceipt(bytes, folder.id)
    assert(receipt !== undefined, 'what was signed here can be read here')
    return { receipt, bytes }
  }

  #keep(receipt: Receipt, bytes: Uint8Array): void {
    const { index, folder, self } = this.#parts
    const put = (): void => index.receipts.put(folder.row, { peer: receipt.peer, edition: receipt.edition, bytes })
    // That this node is full is to be said also where the disk that is full is that of the index.
    if (receipt.peer === self && receipt.offer.isFull) index.transactToMakeRoom(put)
    else index.transact(put)
    this.#show(receipt, bytes)
  }

  #show(receipt: Receipt, bytes: Uint8Array): void {
    this.#receipts.set(receipt.peer, { receipt, row: { peer: receipt.peer, edition: receipt.edition, bytes } })
    if (receipt.peer === this.#parts.self) this.#forgotten = undefined // it is newer
    this.#edition++
    this.#parts.changed()
  }

  #ofMembers(): readonly { readonly receipt: Receipt; readonly row: ReceiptRow }[] {
    const { log } = this.#parts
    return [...this.#receipts.values()].filter(({ row }) => log.isMember(row.peer))
  }
}

function textOf({ keep, parts, released = nothingReleased, offer = wholeOffer }: Claim): string {
  const texts = parts.map(({ layout, heads, lacking }) => [
    bytesKey(layout),
    heads.map(({ author, ...known }) => `${bytesKey(author)}:${known.seq}:${bytesKey(encodeAbove(known))}`).toSorted(),
    lacking.map(bytesKey).toSorted(),
  ])
  return JSON.stringify([keep, texts, [...released].toSorted((left, right) => left - right), offer.isFull, offer.share])
}
