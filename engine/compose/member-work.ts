// What the work on a folder is on every node, whatever its role there: telling and hearing of entries, asking for blocks and giving them,
// counting copies; begun, paused and ended together.

import type { Log } from '../base/log.ts'
import { Coalescer, runTogether } from '../base/queue.ts'
import { activeMembers } from '../model/folder.ts'
import type { BlockId, PeerId } from '../model/ids.ts'
import type { Hello } from '../model/wire/exchange_pb.ts'
import type { Channel } from '../net/network.ts'
import { FolderLog } from '../share/folder-log.ts'
import { FolderNews } from '../sync/announce.ts'
import { Exchange, type ExchangeParts } from '../sync/exchange.ts'
import type { EntryRoom } from '../sync/entry-room.ts'
import type { MemberHandle } from '../sync/folder-handle.ts'
import { FolderProblems } from '../sync/problems.ts'
import { faultKeptMs } from '../sync/receive.ts'
import type { LetGo } from '../replicas/let-go.ts'
import type { BlockSourceParts } from '../transfer/block-source.ts'
import { Fetcher } from '../transfer/fetch.ts'
import type { HeldParts } from '../transfer/held-blocks.ts'
import { serveBlocks } from '../transfer/serve.ts'
import { cardBoxOf } from './card-box.ts'
import { FolderCopies, type FolderCopyParts } from './folder-copies.ts'
import { FolderLife } from './folder-life.ts'
import { openLeases } from './folder-leases.ts'
import type { MemberParts } from './member-parts.ts'
import { Subscriptions } from './subscriptions.ts'

/** For the last word to come to the members: who does not hear it learns of it from the others. */
const leaveWaitMs = 5000
const leavePollMs = 50

/** What differs by what this node does with the folder. */
export interface MemberFlows {
  readonly held: HeldParts
  readonly lanes: BlockSourceParts['lanes']
  /** Members are told at most this often that there is more to ask for. */
  readonly haveIntervalMs: number
  readonly copies: Pick<
    FolderCopyParts,
    'canSay' | 'missing' | 'comingCount' | 'ownFiles' | 'keep' | 'kept' | 'standIn' | 'offer' | 'layoutChanged'
  >
  /** How many are still to be fetched or applied here: what subscribers are told. */
  readonly needs: () => number
  /** There is no room here for any of them. */
  readonly isFull: () => boolean
  readonly ownPastFound: ExchangeParts['ownPastFound']
  /** Absent where this node has the folder's files. */
  readonly entries?: EntryRoom & { readonly mayAsk: (signal: AbortSignal) => Promise<void> }
  /** Goes on until `signal` aborts; what it throws stops the folder. To call `onRunning` once nothing stands in the way. */
  readonly run: (signal: AbortSignal, onRunning: () => void) => Promise<void>
  /** Entries came. */
  readonly received: () => void
  /** Entries that were written are on the disk for good. */
  readonly flushed: () => void
  /** The block store lost blocks of the folder. */
  readonly blocksLost: () => void
  /** A block that is not in the block store is to be there. */
  readonly needsBlock: (id: BlockId) => boolean
  /** All that is to be in the block store is there, as far as can be known. */
  readonly isWhole: () => boolean
  /** There may be blocks now that nobody had: a member came, or says that it has more. */
  readonly sourcesChanged: () => void
  /** The work stopped by itself: nobody looks at what is here any more. */
  readonly stopped: () => void
}

export class MemberWork {
  readonly handle: MemberHandle
  readonly log: FolderLog
  readonly logger: Log
  readonly problems: FolderProblems
  readonly fetcher: Fetcher
  readonly copies: FolderCopies
  /** Grants keep leases, and gets them for whoever wants to let go of blocks. */
  readonly leases: LetGo
  readonly exchange: Exchange
  readonly #parts: MemberParts
  readonly #flows: MemberFlows
  readonly #news = new FolderNews()
  readonly #have: Coalescer
  readonly #subscriptions: Subscriptions
  readonly #life: FolderLife
  readonly #ending = new AbortController()
  #isPaused: boolean
  #isLeaving = false

  constructor(parts: MemberParts, handle: MemberHandle, flows: MemberFlows) {
    const { world, index, network } = parts
    const { clock, random } = world
    const { record, accessKey } = handle
    this.#parts = parts
    this.#flows = flows
    this.#isPaused = record.isPaused
    this.handle = handle
    this.logger = world.log.child({ folder: record.name })
    this.log = new FolderLog(index, record.row, () => this.#logGrew())
    this.problems = new FolderProblems(() => this.noteChange(), clock)
    this.#have = new Coalescer(clock, flows.haveIntervalMs, this.ended, () => this.#news.ringHave())
    this.fetcher = new Fetcher({ network, accessKey, clock, random, lanes: flows.lanes }, (peer) => this.#noteLie(peer))
    this.copies = new FolderCopies(parts, {
      ...flows.copies,
      handle,
      log: this.log,
      tell: () => this.#news.ring(),
      changed: () => parts.events.changed(),
      connected: () => this.connected,
      active: () => this.active,
      fetcher: this.fetcher,
      isFilling: () => flows.needs() > 0,
      held: flows.held,
      problems: this.problems,
    })
    const { log, fetcher, copies } = this
    const isLeaving = (): boolean => this.#isLeaving
    this.leases = openLeases(parts, { handle, log, fetcher, copies, held: flows.held, connected: () => this.connected, isLeaving })
    this.exchange = this.#openExchange()
    const trouble = { clock, log: this.logger, problems: this.problems }
    this.#subscriptions = new Subscriptions({
      ...trouble,
      subscribe: async (peer, signal) => {
        await flows.entries?.mayAsk(signal)
        await this.exchange.subscribe(peer, signal)
      },
      connected: () => this.connected,
    })
    this.#life = new FolderLife({ ...trouble, work: flows.run, changed: () => this.#lifeChanged() })
  }

  /** Members other than this node. */
  get peers(): readonly PeerId[] {
    return this.log.members.map((member) => member.peer).filter((peer) => peer !== this.#parts.network.self)
  }

  /** … that take part: neither retired nor gone by themselves. */
  get activePeers(): readonly PeerId[] {
    const self = this.#parts.network.self
    return activeMembers(this.log.members, this.copies.receipts).flatMap(({ peer }) => (peer === self ? [] : [peer]))
  }

  /** Those of `peers` with a connection now. */
  get connected(): readonly PeerId[] {
    const connected = this.#parts.network.connectedPeers()
    return this.peers.filter((peer) => connected.includes(peer))
  }

  /** … that have not paused the folder. */
  get active(): readonly PeerId[] {
    return this.connected.filter((peer) => !this.exchange.isPausedAt(peer))
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  get isStopped(): boolean {
    return this.stopReason !== undefined
  }

  get stopReason(): string | undefined {
    return this.#life.stopReason
  }

  /** Aborts when this work ends for good: the folder was removed, or other work takes its place. */
  get ended(): AbortSignal {
    return this.#ending.signal
  }

  /** Of those that are here, this node among them, who has no room for what it still needs, and how many that are. */
  get full(): readonly { readonly peer: PeerId; readonly needs: number }[] {
    const { self } = this.#parts.network
    const own = this.#flows.needs()
    const others = this.connected.filter((peer) => this.exchange.isFullAt(peer))
    return [
      ...(own > 0 && this.#flows.isFull() ? [{ peer: self, needs: own }] : []),
      ...others.map((peer) => ({ peer, needs: this.exchange.subscribers.get(peer)?.needs ?? 0 })),
    ]
  }

  /**
   * Every member that is connected has told all that it knows, and knows all that is known here. `needsNothing`: it has applied it too. Who has no
   * room for it is left out: nothing comes of waiting for it.
   */
  isLevel(needsNothing: boolean): boolean {
    const newest = this.#parts.index.entries.lastRowOf(this.handle.row)
    return this.connected.every((peer) => {
      if (this.exchange.isFullAt(peer)) return true
      const progress = this.exchange.subscribers.get(peer)
      if (!this.exchange.isCaughtUpWith(peer) || progress === undefined) return false
      return progress.cursor >= newest && (!needsNothing || progress.needs === 0)
    })
  }

  start(): void {
    if (!this.#isPaused && !this.ended.aborted) this.#life.begin()
  }

  async pause(): Promise<void> {
    this.#setPaused(true)
    await this.#rest()
  }

  async resume(): Promise<void> {
    if (!this.#isPaused) return
    await this.#rest() // a pause may still be under way
    this.#setPaused(false)
    this.start()
    this.connectionsChanged()
  }

  async stop(): Promise<void> {
    this.#ending.abort()
    await this.#rest()
    this.fetcher.close()
  }

  /**
   * The last word to the members: nothing is held here any more, nor kept for anybody who asks. Resolves when those that can be reached have it,
   * or after a while; also of a paused folder.
   */
  async leave(): Promise<void> {
    const { clock } = this.#parts.world
    this.#isLeaving = true
    const edition = this.copies.receipts.leave()
    if (this.#isPaused) this.#subscriptions.refresh(this.ended) // whom this node asks, asks this node in turn
    const unaware = (): readonly PeerId[] =>
      this.connected.filter(
        (peer) =>
          !this.copies.receipts.hasLeft(peer) &&
          !this.exchange.isPausedAt(peer) &&
          this.exchange.subscribers.get(peer)?.leftEdition !== edition,
      )
    for (let waitedMs = 0; waitedMs < leaveWaitMs && unaware().length > 0; waitedMs += leavePollMs) {
      await clock.sleep(leavePollMs, this.ended)
    }
  }

  /** Tries a stopped folder again now; resolves once it runs or has stopped again. */
  async tryAgain(signal: AbortSignal): Promise<void> {
    await this.#life.tryAgain(signal)
  }

  /** The flows beside those of the copies, which go on as long. */
  async runWithCopies(signal: AbortSignal, flows: readonly ((signal: AbortSignal) => Promise<void>)[]): Promise<void> {
    await runTogether(signal, [...flows, ...this.copies.tasks])
  }

  /** Aborts when `signal` does, and when the folder is paused, stops or ends. */
  whileActive(signal: AbortSignal = this.ended): AbortSignal {
    return AbortSignal.any([signal, this.ended, this.#life.signal])
  }

  /** A peer came or went, or a member was added. */
  connectionsChanged(): void {
    this.fetcher.setPeers(this.#isPaused ? [] : this.connected)
    if (this.#isPaused || this.ended.aborted) return
    this.#subscriptions.refresh(this.whileActive())
    this.#flows.sourcesChanged()
    this.noteChange()
  }

  /** What was written is flushed: the members may be told. */
  tellNews(): void {
    this.#news.ring()
    this.#flows.flushed()
  }

  /** The block store lost blocks of the folder. */
  blocksLost(): void {
    this.#flows.blocksLost()
    this.noteChange()
  }

  needsBlock(id: BlockId): boolean {
    return this.#flows.needsBlock(id)
  }

  get isWhole(): boolean {
    return this.#flows.isWhole()
  }

  /** There are more blocks here to ask for. */
  tellHave(): void {
    this.#have.ring()
  }

  noteChange(): void {
    this.copies.wake()
    this.#parts.events.changed()
  }

  #lifeChanged(): void {
    if (this.isStopped) this.#flows.stopped()
    this.noteChange()
  }

  /** Serves a subscriber whose hello was recognised as this folder's. */
  async serveIndex(channel: Channel, hello: Hello, signal: AbortSignal): Promise<void> {
    const whileHere = AbortSignal.any([signal, this.ended])
    if (this.#isPaused && !this.#isLeaving) return this.exchange.tellPaused(channel, hello, whileHere)
    this.#subscriptions.retry(channel.peer)
    await this.exchange.serve(channel, hello, this.#isLeaving ? whileHere : this.whileActive(signal))
  }

  async serveBlocks(channel: Channel, signal: AbortSignal): Promise<void> {
    const { network, world } = this.#parts
    const onAsked = (peer: PeerId, ids: readonly BlockId[]): void => this.copies.audit.asked(peer, ids)
    const held = { ...this.#flows.held, leases: this.leases, onAsked }
    await serveBlocks(channel, held, { self: network.self, clock: world.clock }, this.whileActive(signal))
  }

  #openExchange(): Exchange {
    const { world, index, network, cards, events } = this.#parts
    const { clock, random, jobs } = world
    const { needs, isFull, ownPastFound, received, sourcesChanged } = this.#flows
    const box = cardBoxOf(
      cards,
      () => this.peers,
      () => {
        this.#news.ring()
        this.copies.wake()
      },
    )
    return new Exchange({
      index,
      handle: this.handle,
      clock,
      log: this.logger,
      problems: this.problems,
      jobs,
      membership: this.log,
      network,
      random,
      folderLog: this.log,
      cards: box,
      receipts: this.copies.receipts,
      layouts: this.copies.layout.shelf,
      news: this.#news,
      ownPastFound,
      entryRoom: this.#flows.entries,
      needs,
      isFull,
      events: {
        received: () => {
          received()
          events.written()
          this.noteChange()
        },
        peerHas: (peer) => {
          this.fetcher.peerHas(peer)
          sourcesChanged()
        },
        changed: () => this.noteChange(),
      },
    })
  }

  #noteLie(peer: PeerId): void {
    this.problems.note(
      {
        code: 'BAD_BLOCK',
        severity: 'warning',
        path: peer,
        text: `${peer} sent content that is not what its id says; it was dropped, and other members are asked instead for a while`,
        next: 'Check the disk and the memory of that machine, and update Holdfast on it; if it stays, remove the member.',
      },
      faultKeptMs,
    )
  }

  #logGrew(): void {
    this.#news.ring()
    this.#parts.events.membersChanged()
  }

  #setPaused(isPaused: boolean): void {
    const { index } = this.#parts
    index.transact(() => index.folders.setPaused(this.handle.row, isPaused))
    this.#isPaused = isPaused // only once it is written: what failed can be asked for again
    this.noteChange()
  }

  async #rest(): Promise<void> {
    await this.#life.end()
    await this.#subscriptions.ended()
  }
}
