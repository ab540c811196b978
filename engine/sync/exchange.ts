// One folder's conversation with its members: subscribes to each connected one, and serves those that subscribe here.
// Both begin by proving membership; a stranger gets a closed channel and learns nothing.

import type { MessageInitShape } from '@bufbuild/protobuf'
import { Allowance } from '../base/allowance.ts'
import type { Clock, Random } from '../base/clock.ts'
import { EngineError } from '../base/errors.ts'
import { Broadcast, runTogether } from '../base/queue.ts'
import type { PeerId } from '../model/ids.ts'
import type { Hello, Subscribe, SubscribeSchema } from '../model/wire/exchange_pb.ts'
import type { Channel, Network } from '../net/network.ts'
import { isProof, proofNonceBytes, proveMembership } from '../transfer/membership-proof.ts'
import { announceTo, type FolderNews } from './announce.ts'
import { indexProtocol, receiveIndexFrame, sendIndexFrame, type IndexFrameKind } from './exchange-frames.ts'
import {
  logFrames,
  otherNews,
  ownCardFrames,
  takeCard,
  takeLayout,
  takeLogPart,
  takeReceipt,
  toldHeads,
  type CardBox,
  type FolderLog,
  type LayoutBox,
  type ReceiptBox,
} from './other-news.ts'
import { headMessage, headsOf } from './own-past.ts'
import { askAgainForUnusable, receiveBatch, refuseOwnPast, type ReceiveParts } from './receive.ts'

export interface ExchangeParts extends ReceiveParts {
  readonly network: Network
  readonly clock: Clock
  readonly random: Random
  readonly folderLog: FolderLog
  readonly cards: CardBox
  readonly receipts: ReceiptBox
  readonly layouts: LayoutBox
  readonly news: FolderNews
  /** How many are still to be applied here: what subscribers are told. */
  readonly needs: () => number
  /** There is no room here for any of them: subscribers are told that too. */
  readonly isFull: () => boolean
  readonly events: ExchangeEvents
}

export interface ExchangeEvents {
  /** Entries came: paths may be needed. */
  received(entries: number): void
  /** A peer has more blocks than before. */
  peerHas(peer: PeerId): void
  /** What a peer said of how far it is, or a subscription began or ended. */
  changed(): void
}

/** How far a subscriber of this node is. */
export interface PeerProgress {
  /** Rows of this index that it has committed. */
  readonly cursor: number
  /** Paths it knows of and has not applied. */
  readonly needs: number
  /** Edition of this node's last word, by which it leaves the folder, where the subscriber has it; else 0. */
  readonly leftEdition: number
}

/** As a message has them. */
function logHeads(folderLog: FolderLog): Uint8Array[] {
  return [...folderLog.heads]
}

/** Cards, receipts, log parts, 'have' and acknowledgements of one member: each may cost a signature's check and a row. */
const newsAllowed = { burst: 2000, perSecond: 200 }

export class Exchange {
  readonly #parts: ExchangeParts
  readonly #subscribers = new Map<PeerId, PeerProgress>()
  readonly #caughtUp = new Set<PeerId>()
  readonly #paused = new Set<PeerId>()
  readonly #full = new Set<PeerId>()
  readonly #needsChanged = new Broadcast()

  constructor(parts: ExchangeParts) {
    this.#parts = parts
    askAgainForUnusable(parts.index, parts.handle)
  }

  /** Peers that subscribe to this folder here, and how far they are. */
  get subscribers(): ReadonlyMap<PeerId, PeerProgress> {
    return this.#subscribers
  }

  /** True when everything that the peer knew of the folder a moment ago is known here. */
  isCaughtUpWith(peer: PeerId): boolean {
    return this.#caughtUp.has(peer)
  }

  /** True when the peer, connected now, has paused the folder. */
  isPausedAt(peer: PeerId): boolean {
    return this.#paused.has(peer)
  }

  /** True when the peer has told last that it has no room for what it still needs; also while it only tries to subscribe again. */
  isFullAt(peer: PeerId): boolean {
    return this.#full.has(peer)
  }

  /** Tells the members how many paths are still to be applied here, and whether there is room for them. */
  needsChanged(): void {
    this.#needsChanged.announce()
  }

  /** Subscribes to a connected peer; ends with the channel, or at once while the folder is paused there. Throws what ended it. */
  async subscribe(peer: PeerId, signal: AbortSignal): Promise<void> {
    const { network, random, handle, folderLog } = this.#parts
    const channel = await network.open(peer, indexProtocol, signal)
    try {
      const nonce = random.bytes(proofNonceBytes)
      const proof = proveMembership(handle.accessKey, { protocol: indexProtocol.name, prover: network.self, verifier: peer, nonce })
      await sendIndexFrame(channel, { case: 'hello', value: { version: 1, nonce, proof, logHeads: logHeads(folderLog) } }, signal)
      const welcome = await receiveIndexFrame(channel, signal)
      if (welcome?.case !== 'welcome')
        throw new EngineError('NOT_A_MEMBER', `${peer} does not share this folder, or does not know yet that this node does`)
      const answer = { protocol: indexProtocol.name, prover: peer, verifier: network.self, nonce }
      if (!isProof(handle.accessKey, answer, welcome.value.proof))
        throw new EngineError('NOT_A_MEMBER', `${peer} could not prove that it shares this folder`)
      this.#notePaused(peer, welcome.value.paused)
      if (welcome.value.paused) return
      const lacking = folderLog.beyond(toldHeads(welcome.value.logHeads))
      for (const frame of logFrames(lacking)) await sendIndexFrame(channel, frame, signal)
      const { indexId } = welcome.value
      const subscribe = this.#subscribeMessage(peer, indexId)
      await sendIndexFrame(channel, { case: 'subscribe', value: subscribe }, signal)
      // Said here too: of two nodes with one identity a member may subscribe to one only, and each is to hear of the other.
      for (const frame of ownCardFrames(this.#parts.cards)) await sendIndexFrame(channel, frame, signal)
      let cursor = Number(subscribe.cursor)
      const news = this.#newsAllowance()
      await runTogether(signal, [
        async (both) => {
          for (;;) {
            const frame = await receiveIndexFrame(channel, both)
            if (frame === undefined) return
            if (frame.case !== 'batch') await this.#holdBack(news, both)
            const committed = await this.#take(peer, indexId, frame, both)
            if (committed === undefined) continue
            cursor = committed
            this.#needsChanged.announce()
          }
        },
        (both) => this.#sendAcks(channel, () => cursor, both),
      ])
    } finally {
      this.#caughtUp.delete(peer)
      channel.abort()
      this.#parts.events.changed()
    }
  }

  #newsAllowance(): Allowance {
    return new Allowance(newsAllowed, this.#parts.clock.monotonicMs())
  }

  /** Who tells more than it may is read from more slowly; then it tells the newest only. */
  async #holdBack(news: Allowance, signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts
    news.use(1, clock.monotonicMs())
    const waitMs = news.waitMs(clock.monotonicMs())
    if (waitMs > 0) await clock.sleep(waitMs, signal)
  }

  /** Tells a member that the folder is paused here. Ends when the member has taken note, with the channel. */
  async tellPaused(channel: Channel, hello: Hello, signal: AbortSignal): Promise<void> {
    const { folderLog, index } = this.#parts
    if (!folderLog.isMember(channel.peer)) return
    const welcome = { proof: this.#answer(channel, hello), logHeads: logHeads(folderLog), indexId: index.indexId, paused: true }
    await sendIndexFrame(channel, { case: 'welcome', value: welcome }, signal)
    await receiveIndexFrame(channel, signal) // closed, or what one that knows of no pauses goes on with
  }

  #notePaused(peer: PeerId, isPaused: boolean): void {
    if (this.#paused.has(peer) === isPaused) return
    if (isPaused) this.#paused.add(peer)
    else this.#paused.delete(peer)
    this.#parts.events.changed()
  }

  #answer({ peer }: Channel, { nonce }: Hello): Uint8Array {
    const { network, handle } = this.#parts
    return proveMembership(handle.accessKey, { protocol: indexProtocol.name, prover: network.self, verifier: peer, nonce })
  }

  /** Serves a subscriber whose hello was recognised as this folder's. Ends with the channel. */
  async serve(channel: Channel, hello: Hello, signal: AbortSignal): Promise<void> {
    const { handle, folderLog, index, clock, news } = this.#parts
    const { peer } = channel
    const proof = this.#answer(channel, hello)
    await sendIndexFrame(channel, { case: 'welcome', value: { proof, logHeads: logHeads(folderLog), indexId: index.indexId } }, signal)
    const subscribe = await this.#awaitSubscribe(channel, signal)
    if (subscribe === undefined) return
    refuseOwnPast(this.#parts, headsOf(subscribe.heads), [])
    if (!folderLog.isMember(peer)) throw new EngineError('NOT_A_MEMBER', `${peer} is not a member of this folder`)
    // From what the peer said it has: what joined the log while the two introduced themselves is told too.
    const others = otherNews(this.#parts, { peer, logHeads: toldHeads(hello.logHeads), layoutMark: subscribe.layoutMark })
    this.#subscribers.set(peer, { cursor: 0, needs: 0, leftEdition: 0 })
    try {
      await runTogether(signal, [
        (both) => announceTo(channel, { index, folderRow: handle.row, self: handle.authorId, clock, news, others }, subscribe, both),
        (both) => this.#takeAcks(channel, both),
      ])
    } finally {
      this.#subscribers.delete(peer)
      this.#parts.events.changed()
    }
  }

  #subscribeMessage(peer: PeerId, indexId: Uint8Array): MessageInitShape<typeof SubscribeSchema> {
    const { index, handle, layouts } = this.#parts
    const known = index.peers.cursor(handle.row, peer)
    const isSame = known !== undefined && known.indexId.every((byte, at) => byte === indexId[at])
    const heads = index.entries.authors(handle.row).map((author) => headMessage(index, author))
    return { indexId, cursor: BigInt(isSame ? known.position : 0), heads, layoutMark: layouts.mark }
  }

  async #awaitSubscribe(channel: Channel, signal: AbortSignal): Promise<Subscribe | undefined> {
    for (;;) {
      const frame = await receiveIndexFrame(channel, signal)
      if (frame === undefined) return undefined
      if (frame.case === 'subscribe') return frame.value
      if (frame.case === 'log') takeLogPart(this.#parts.folderLog, channel.peer, frame.value)
      else throw new EngineError('PEER_MISBEHAVED', `${channel.peer} spoke out of turn; the connection for this folder was closed`)
    }
  }

  /** Handles one frame of a subscription; gives the cursor after a committed batch. */
  async #take(peer: PeerId, indexId: Uint8Array, frame: IndexFrameKind, signal: AbortSignal): Promise<number | undefined> {
    const { folderLog, cards, events } = this.#parts
    switch (frame.case) {
      case 'batch': {
        const stored = await receiveBatch(this.#parts, peer, indexId, frame.value, signal)
        if (frame.value.caughtUp) this.#noteCaughtUp(peer)
        else this.#caughtUp.delete(peer)
        if (stored > 0) events.received(stored)
        else events.changed()
        return Number(frame.value.cursor)
      }
      case 'log':
        takeLogPart(folderLog, peer, frame.value)
        return undefined
      case 'have':
        events.peerHas(peer)
        return undefined
      case 'card':
        takeCard(cards, frame.value)
        return undefined
      case 'receipt':
        takeReceipt(this.#parts.receipts, frame.value)
        if (this.#parts.receipts.leftEditionOf(peer) > 0) this.#needsChanged.announce() // it waits for the word that it can go
        return undefined
      case 'layout':
        takeLayout(this.#parts.layouts, frame.value)
        return undefined
      default:
        throw new EngineError('PEER_MISBEHAVED', `${peer} spoke out of turn; the connection for this folder was closed`)
    }
  }

  /** Whatever it did before, what it says now is sound. */
  #noteCaughtUp(peer: PeerId): void {
    this.#caughtUp.add(peer)
    for (const code of ['BAD_SIGNATURE', 'PEER_MISBEHAVED']) this.#parts.problems.clear(code, peer)
  }

  async #sendAcks(channel: Channel, cursorNow: () => number, signal: AbortSignal): Promise<void> {
    let sent = ''
    for (;;) {
      const changed = this.#needsChanged.wait(signal)
      changed.catch(() => undefined) // awaited below unless the send fails first
      const cursor = cursorNow()
      const needs = this.#parts.needs()
      const leftEdition = this.#parts.receipts.leftEditionOf(channel.peer)
      const isFull = needs > 0 && this.#parts.isFull()
      if (sent !== `${cursor}/${needs}/${leftEdition}/${isFull}`) {
        sent = `${cursor}/${needs}/${leftEdition}/${isFull}`
        const ack = { cursor: BigInt(cursor), needs: BigInt(needs), leftEdition: BigInt(leftEdition), isFull }
        await sendIndexFrame(channel, { case: 'ack', value: ack }, signal)
      }
      await changed
    }
  }

  async #takeAcks(channel: Channel, signal: AbortSignal): Promise<void> {
    const news = this.#newsAllowance()
    for (;;) {
      const frame = await receiveIndexFrame(channel, signal)
      if (frame === undefined) return
      await this.#holdBack(news, signal)
      if (frame.case === 'ack') {
        const { cursor, needs, leftEdition, isFull } = frame.value
        if (isFull) this.#full.add(channel.peer)
        else this.#full.delete(channel.peer)
        this.#subscribers.set(channel.peer, { cursor: Number(cursor), needs: Number(needs), leftEdition: Number(leftEdition) })
        this.#parts.events.changed()
      } else if (frame.case === 'log') takeLogPart(this.#parts.folderLog, channel.peer, frame.value)
      else if (frame.case === 'card') takeCard(this.#parts.cards, frame.value)
      else throw new EngineError('PEER_MISBEHAVED', `${channel.peer} spoke out of turn; the connection for this folder was closed`)
    }
  }
}
