// A folder that is stored here without being read: its entries and its blocks, exchanged with the members like everywhere, and no tree.

import type { FolderState, FolderStatus, Problem } from '../api/controls.ts'
import type { Log } from '../base/log.ts'
import { Coalescer, runTogether } from '../base/queue.ts'
import { folderIdText, type BlockId, type PeerId } from '../model/ids.ts'
import type { HostedRecord } from '../model/folder.ts'
import type { Hello } from '../model/wire/exchange_pb.ts'
import type { Channel } from '../net/network.ts'
import { holdsAll, type Holding } from '../replicas/holding.ts'
import { Repair } from '../replicas/repair.ts'
import { FolderLog } from '../share/folder-log.ts'
import { FolderNews } from '../sync/announce.ts'
import { Exchange } from '../sync/exchange.ts'
import { openHostedHandle, type MemberHandle } from '../sync/folder-handle.ts'
import { FolderProblems } from '../sync/problems.ts'
import { Fetcher } from '../transfer/fetch.ts'
import type { HeldParts } from '../transfer/held-blocks.ts'
import { serveBlocks } from '../transfer/serve.ts'
import { cardBoxOf } from './card-box.ts'
import { FolderCopies } from './folder-copies.ts'
import { entriesOfBlockNeeds } from './folder-receipts.ts'
import { FolderLife } from './folder-life.ts'
import { pausedField } from './folder-status.ts'
import type { MemberParts } from './member-parts.ts'
import { noteLie, type MemberRuntime } from './member-runtime.ts'
import { Subscriptions } from './subscriptions.ts'

const haveIntervalMs = 500

export class HostedRuntime implements MemberRuntime {
  readonly handle: MemberHandle
  readonly log: FolderLog
  readonly copies: FolderCopies
  readonly #record: HostedRecord
  readonly #parts: MemberParts
  readonly #problems: FolderProblems
  readonly #news = new FolderNews()
  readonly #have: Coalescer
  readonly #fetcher: Fetcher
  readonly #repair: Repair
  readonly #exchange: Exchange
  readonly #subscriptions: Subscriptions
  readonly #life: FolderLife
  readonly #ending = new AbortController()
  #isPaused: boolean

  constructor(parts: MemberParts, record: HostedRecord) {
    const { world, index, network, identity, store } = parts
    const { clock, random } = world
    this.#parts = parts
    this.#record = record
    this.#isPaused = record.isPaused
    this.handle = openHostedHandle(record, identity)
    const logger = world.log.child({ folder: record.name })
    this.log = new FolderLog(index, record.row, () => this.#logGrew())
    this.#problems = new FolderProblems(() => this.#noteChange(), clock)
    this.#have = new Coalescer(clock, haveIntervalMs, this.#ending.signal, () => this.#news.ringHave())
    this.#fetcher = new Fetcher({ network, accessKey: this.handle.accessKey, clock, random }, (peer) => noteLie(this.#problems, peer))
    this.#repair = new Repair({
      index,
      store,
      folder: record,
      fetcher: this.#fetcher,
      clock,
      log: logger,
      holding: () => this.#holding(),
      ranks: () => this.copies.ranks(),
      claims: () => this.copies.ownClaims(),
      events: this.#repairEvents(),
    })
    this.copies = new FolderCopies(parts, {
      handle: this.handle,
      log: this.log,
      tell: () => this.#news.ring(),
      changed: () => this.#parts.events.changed(),
      canSay: () => (this.copies.layout.isKnown && this.#repair.hasLooked ? 'yes' : 'unknown'),
      missing: () => entriesOfBlockNeeds(index, record.row),
      missingCount: () => index.blockNeeds.totals(record.row).blocks,
      keep: record.keep,
      kept: () => ({
        keep: record.keep,
        layout: record.keep === 'all' ? new Uint8Array(0) : this.#holding().layout,
        isOldHeld: !this.#repair.hasMissed,
      }),
      layoutChanged: () => this.#repair.wake(),
      connected: () => this.#connectedMembers(),
      fetcher: this.#fetcher,
      held: this.#held(),
      problems: this.#problems,
    })
    this.#exchange = this.#makeExchange(logger)
    const trouble = { clock, log: logger, problems: this.#problems }
    this.#subscriptions = new Subscriptions({
      ...trouble,
      subscribe: async (peer, signal) => this.#exchange.subscribe(peer, signal),
      connected: () => this.#connectedMembers(),
    })
    this.#life = new FolderLife({
      ...trouble,
      work: async (signal, onRunning) => {
        onRunning()
        await runTogether(signal, [(both) => this.#repair.run(both), ...this.copies.tasks])
      },
      changed: () => this.#noteChange(),
    })
  }

  get record(): HostedRecord {
    return { ...this.#record, isPaused: this.#isPaused }
  }

  get peers(): readonly PeerId[] {
    return this.log.members.map((member) => member.peer).filter((peer) => peer !== this.#parts.network.self)
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  get isStopped(): boolean {
    return this.#life.stopReason !== undefined
  }

  get isSynced(): boolean {
    if (this.#isPaused) return true
    const { index } = this.#parts
    const { row } = this.#record
    if (this.isStopped || this.#repair.isBusy || !this.#repair.hasLooked || index.blockNeeds.totals(row).blocks > 0) return false
    const newest = index.entries.lastRowOf(row)
    return this.#connectedMembers().every((peer) => {
      const progress = this.#exchange.subscribers.get(peer)
      return this.#exchange.isCaughtUpWith(peer) && progress !== undefined && progress.cursor >= newest
    })
  }

  status(): FolderStatus {
    const { index, store, network } = this.#parts
    const { id, name, row } = this.#record
    const needs = index.blockNeeds.totals(row)
    return {
      id: folderIdText(id),
      name,
      path: '',
      role: this.log.roleOf(network.self) ?? 'host',
      state: this.#state(needs.blocks),
      files: 0,
      bytes: 0,
      directories: 0,
      needFiles: needs.blocks,
      needBytes: needs.bytes,
      copies: this.copies.status,
      watcher: 'none',
      historyBytes: 0,
      reasons: needs.blocks === 0 ? [] : [{ reason: this.#repair.isWaiting ? 'NO_SOURCE' : 'QUEUED', paths: needs.blocks }],
      stored: { bytes: store.payloadBytesOf(id) },
      ...pausedField({ log: this.log, exchange: this.#exchange }, this.#connectedMembers()),
    }
  }

  problemList(): readonly Problem[] {
    return this.#problems.all().map((problem) => ({ ...problem, folder: this.#record.name }))
  }

  start(): void {
    if (!this.#isPaused && !this.#ending.signal.aborted) this.#life.begin()
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
    this.#fetcher.close()
  }

  connectionsChanged(): void {
    this.#fetcher.setPeers(this.#isPaused ? [] : this.#connectedMembers())
    if (this.#isPaused || this.#ending.signal.aborted) return
    this.#subscriptions.refresh(this.#whileActive(this.#ending.signal))
    this.#repair.wake()
    this.#noteChange()
  }

  tellNews(): void {
    this.#news.ring()
    this.#repair.wake()
  }

  async serveIndex(channel: Channel, hello: Hello, signal: AbortSignal): Promise<void> {
    if (this.#isPaused) return this.#exchange.tellPaused(channel, hello, AbortSignal.any([signal, this.#ending.signal]))
    this.#subscriptions.retry(channel.peer)
    await this.#exchange.serve(channel, hello, this.#whileActive(signal))
  }

  async serveBlocks(channel: Channel, signal: AbortSignal): Promise<void> {
    const onAbsent = (id: BlockId): void => this.#repair.missed(id)
    await serveBlocks(channel, { ...this.#held(), onAbsent }, this.#whileActive(signal))
  }

  #held(): HeldParts {
    const { index, store } = this.#parts
    return { index, store, folder: this.#record, tree: undefined }
  }

  /** What this node is to hold. */
  #holding(): Holding {
    return this.#record.keep === 'all' ? holdsAll : this.copies.layout.own
  }

  #makeExchange(logger: Log): Exchange {
    const { world, index, network, cards } = this.#parts
    const { clock, random, jobs } = world
    return new Exchange({
      index,
      handle: this.handle,
      clock,
      log: logger,
      problems: this.#problems,
      jobs,
      membership: this.log,
      network,
      random,
      folderLog: this.log,
      cards: cardBoxOf(
        cards,
        () => this.peers,
        () => this.#news.ring(),
      ),
      receipts: this.copies.receipts,
      news: this.#news,
      ownPastFound: () => undefined, // a host writes no entries
      // What was not looked at yet may be missing too.
      needs: () => Math.max(index.blockNeeds.totals(this.#record.row).blocks, this.copies.layout.isKnown && this.#repair.hasLooked ? 0 : 1),
      events: {
        received: () => {
          this.#parts.events.written()
          this.#noteChange()
        },
        peerHas: (peer) => {
          this.#fetcher.peerHas(peer)
          this.#repair.wake()
        },
        changed: () => this.#noteChange(),
      },
    })
  }

  #repairEvents(): ConstructorParameters<typeof Repair>[0]['events'] {
    return {
      stored: () => this.#have.ring(),
      changed: () => {
        this.#exchange.needsChanged()
        this.copies.wake()
        this.#noteChange()
      },
      trouble: (trouble) => {
        if (trouble === undefined) return this.#problems.clear('HOST_CANNOT_STORE')
        this.#problems.note({
          code: 'HOST_CANNOT_STORE',
          severity: 'error',
          text: `blocks of the folder cannot be stored: ${trouble.text}`,
          next: 'Make room on the disk of the home directory, or offer less with --capacity. It is tried again by itself.',
        })
      },
    }
  }

  #state(needs: number): FolderState {
    if (this.#isPaused) return 'paused'
    if (this.isStopped) return 'stopped'
    if (needs === 0 && this.#repair.hasLooked) return 'idle'
    return this.#repair.isWaiting && !this.#repair.isBusy ? 'waiting' : 'syncing'
  }

  #connectedMembers(): readonly PeerId[] {
    const connected = this.#parts.network.connectedPeers()
    return this.peers.filter((peer) => connected.includes(peer))
  }

  #whileActive(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, this.#ending.signal, this.#life.signal])
  }

  async #rest(): Promise<void> {
    await this.#life.end()
    await this.#subscriptions.ended()
  }

  #logGrew(): void {
    this.#news.ring()
    this.#parts.events.membersChanged()
  }

  #setPaused(isPaused: boolean): void {
    this.#isPaused = isPaused
    const { index } = this.#parts
    index.transact(() => index.folders.setPaused(this.#record.row, isPaused))
    this.#noteChange()
  }

  #noteChange(): void {
    this.#parts.events.changed()
  }
}
