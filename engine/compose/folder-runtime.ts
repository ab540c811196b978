// One folder at work: its flows wired to each other by wake-ups, started and stopped together. Whatever ends a flow stops the
// folder, says why, and tries again; other folders go on.

import type { FolderStatus } from '../api/controls.ts'
import { EngineError, errorCodeOf, messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { Broadcast, Coalescer, runTogether, waitAtMost, Wakeup } from '../base/queue.ts'
import type { BlockStore } from '../blocks/store.ts'
import { blake3 } from '../crypto/hash.ts'
import type { Identity } from '../crypto/identity.ts'
import type { Index } from '../index/index-store.ts'
import type { FolderRecord } from '../model/folder.ts'
import type { PeerId } from '../model/ids.ts'
import type { Channel, Network } from '../net/network.ts'
import { FolderLog } from '../share/folder-log.ts'
import { FolderNews } from '../sync/announce.ts'
import { Archive } from '../sync/archive.ts'
import { conflictPath } from '../sync/conflict-name.ts'
import { Exchange } from '../sync/exchange.ts'
import { openFolderHandle, type FolderHandle } from '../sync/folder-handle.ts'
import { Ingest } from '../sync/ingest.ts'
import { largeTemporaryPrefix } from '../sync/large-file-job.ts'
import { FolderProblems } from '../sync/problems.ts'
import { Pull } from '../sync/pull.ts'
import type { PlannedChange } from '../sync/pull-plan.ts'
import { Fetcher } from '../transfer/fetch.ts'
import { serveBlocks } from '../transfer/serve.ts'
import type { Hello } from '../model/wire/exchange_pb.ts'
import type { CardShelf } from './card-box.ts'
import { describeFolder } from './folder-status.ts'
import { keepWatching } from './folder-watch.ts'
import type { EngineWorld } from './parts.ts'

export interface RuntimeParts {
  readonly world: EngineWorld
  readonly index: Index
  readonly network: Network
  readonly identity: Identity
  readonly store: BlockStore
  readonly cards: CardShelf
  readonly events: RuntimeListener
}

export interface RuntimeListener {
  changed(): void
  /** The folder's members changed. */
  membersChanged(): void
}

const haveIntervalMs = 150
const restartPauseMs = 5000
const resubscribeFirstMs = 500
const resubscribeLongestMs = 30_000

export class FolderRuntime {
  readonly handle: FolderHandle
  readonly log: FolderLog
  readonly problems: FolderProblems
  readonly exchange: Exchange
  readonly ingest: Ingest
  readonly pull: Pull
  readonly #parts: RuntimeParts
  readonly #logger: Log
  readonly #news = new FolderNews()
  readonly #fetcher: Fetcher
  readonly #archive: Archive
  readonly #have: Coalescer
  readonly #subscriptions = new Map<PeerId, Promise<void>>()
  /** Rung when a peer subscribes here: it knows the folder now, so a subscription to it is worth another try. */
  readonly #ready = new Map<PeerId, Wakeup>()
  readonly #changed = new Broadcast()
  readonly #ending = new AbortController()
  readonly #restart = new Wakeup()
  #activity: AbortController | undefined
  #running: Promise<void> | undefined
  #isPaused: boolean
  #stopReason: string | undefined
  /** How often the folder stopped in this life. */
  #stops = 0
  #watchMethod = 'none'

  constructor(parts: RuntimeParts, record: FolderRecord) {
    const { world, index, network, identity, store } = parts
    const { clock, random, jobs } = world
    this.#parts = parts
    this.#isPaused = record.isPaused
    this.#logger = world.log.child({ folder: record.name })
    this.handle = openFolderHandle(record, identity)
    const { handle } = this
    this.log = new FolderLog(index, record.row, () => this.#logGrew())
    this.problems = new FolderProblems(() => this.#noteChange())
    this.#have = new Coalescer(clock, haveIntervalMs, this.#ending.signal, () => this.#news.ringHave())
    this.#fetcher = new Fetcher(network, handle.accessKey, clock, random)
    const shared = { index, handle, clock, log: this.#logger, problems: this.problems }
    this.#archive = new Archive({ index, jobs, handle, store, clock, log: this.#logger })
    this.ingest = new Ingest({ ...shared, jobs, events: this.#ingestEvents() })
    this.pull = new Pull({ ...shared, jobs, store, fetcher: this.#fetcher, random, events: this.#pullEvents() })
    this.exchange = new Exchange({
      ...shared,
      jobs,
      membership: this.log,
      network,
      random,
      folderLog: this.log,
      cards: this.#cardBox(),
      news: this.#news,
      events: {
        received: () => {
          this.pull.wake()
          this.#news.ring()
          this.#noteChange()
        },
        peerHas: (peer) => {
          this.#fetcher.peerHas(peer)
          this.pull.retryAll()
        },
        changed: () => this.#noteChange(),
      },
    })
  }

  get record(): FolderRecord {
    return { ...this.handle.record, isPaused: this.#isPaused }
  }

  /** Members other than this node. */
  get peers(): readonly PeerId[] {
    return this.log.members.map((member) => member.peer).filter((peer) => peer !== this.#parts.network.self)
  }

  status(): FolderStatus {
    return describeFolder(this.#parts.index, this, {
      isPaused: this.#isPaused,
      stopReason: this.#stopReason,
      watcher: this.#watchMethod,
      connected: this.#connectedMembers(),
      self: this.#parts.network.self,
      nowMs: this.#parts.world.clock.monotonicMs(),
    })
  }

  /** Rings whenever `status` may have changed. */
  async waitForChange(signal: AbortSignal): Promise<void> {
    await this.#changed.wait(signal)
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  get isStopped(): boolean {
    return this.#stopReason !== undefined
  }

  /** In step with every member that is connected now. */
  get isSynced(): boolean {
    if (this.#isPaused) return true
    const { index } = this.#parts
    if (this.isStopped || !this.ingest.hasWalked || this.ingest.isBusy || this.pull.isBusy) return false
    if (index.needs.count(this.handle.row) > 0) return false
    const newest = index.entries.lastRowOf(this.handle.row)
    return this.#connectedMembers().every((peer) => {
      const progress = this.exchange.subscribers.get(peer)
      return this.exchange.isCaughtUpWith(peer) && progress !== undefined && progress.needs === 0 && progress.cursor >= newest
    })
  }

  /** Tries a stopped folder again now; resolves once it runs or has stopped again. */
  async tryAgain(signal: AbortSignal): Promise<void> {
    const stops = this.#stops
    this.#restart.wake()
    while (this.isStopped && this.#stops === stops) await this.#changed.wait(signal)
  }

  start(): void {
    if (this.#isPaused || this.#running !== undefined) return
    const activity = new AbortController()
    this.#activity = activity
    this.#running = this.#keepRunning(AbortSignal.any([activity.signal, this.#ending.signal])).finally(() => (this.#running = undefined))
  }

  async pause(): Promise<void> {
    this.#setPaused(true)
    this.#activity?.abort()
    await this.#running
    await Promise.allSettled(this.#subscriptions.values())
  }

  resume(): void {
    this.#setPaused(false)
    this.start()
    this.connectionsChanged()
  }

  async stop(): Promise<void> {
    this.#ending.abort()
    await this.#running
    await Promise.allSettled(this.#subscriptions.values())
    this.#fetcher.close()
  }

  /** A peer came or went, or a member was added. */
  connectionsChanged(): void {
    const members = this.#connectedMembers()
    this.#fetcher.setPeers(this.#isPaused ? [] : members)
    if (this.#isPaused || this.#ending.signal.aborted) return
    for (const peer of members) {
      if (!this.#subscriptions.has(peer)) this.#subscriptions.set(peer, this.#keepSubscribed(peer))
    }
    this.pull.retryAll()
    this.#noteChange()
  }

  /** Serves a subscriber whose hello was recognised as this folder's. */
  async serveIndex(channel: Channel, hello: Hello, signal: AbortSignal): Promise<void> {
    if (this.#isPaused) throw new EngineError('CLOSED', 'the folder is paused')
    this.#ready.get(channel.peer)?.wake()
    await this.exchange.serve(channel, hello, this.#whileActive(signal))
  }

  async serveBlocks(channel: Channel, signal: AbortSignal): Promise<void> {
    const { index, store, world } = this.#parts
    const { handle } = this
    const parts = {
      index,
      store,
      jobs: world.jobs,
      folder: handle.record,
      sealKey: handle.jobKeys.sealKey,
      onStale: (path: string) => this.ingest.hint([path]),
    }
    await serveBlocks(channel, parts, this.#whileActive(signal))
  }

  #whileActive(signal: AbortSignal): AbortSignal {
    const activity = this.#activity?.signal
    return AbortSignal.any([signal, this.#ending.signal, ...(activity === undefined ? [] : [activity])])
  }

  async #keepRunning(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#runFlows(signal)
      } catch (error) {
        if (signal.aborted) return
        this.#setStopped(error)
        await waitAtMost(this.#restart, this.#parts.world.clock, restartPauseMs, signal).catch(() => undefined) // aborted: the loop ends
      }
    }
  }

  async #runFlows(signal: AbortSignal): Promise<void> {
    const { world } = this.#parts
    await this.ingest.check(signal)
    await world.jobs.run('tidyRoot', { root: this.handle.root, keptPrefix: largeTemporaryPrefix }, { signal })
    this.#clearStopped()
    await runTogether(signal, [
      (both) => this.ingest.run(both),
      (both) => this.pull.run(both),
      (both) => this.#archive.run(both),
      (both) =>
        keepWatching(world, this.handle.root, this.ingest, this.problems, both, (method) => {
          this.#watchMethod = method
          this.#noteChange()
        }),
    ])
  }

  #setStopped(error: unknown): void {
    const reason = messageOf(error)
    this.#stops++
    this.#stopReason = reason
    this.#logger.error('the folder stopped', { code: errorCodeOf(error), error: reason })
    const isKnown = error instanceof EngineError && error.code === 'FOLDER_STOPPED'
    this.problems.note({
      code: 'FOLDER_STOPPED',
      severity: 'error',
      text: isKnown ? reason : `the folder stopped: ${reason}`,
      next: isKnown ? 'It goes on by itself once that is done.' : 'It is tried again every few seconds; see the log if it stays.',
    })
  }

  #clearStopped(): void {
    if (this.#stopReason === undefined) return
    this.#stopReason = undefined
    this.problems.clear('FOLDER_STOPPED')
    this.#noteChange()
  }

  async #keepSubscribed(peer: PeerId): Promise<void> {
    const { network, world } = this.#parts
    const signal = this.#whileActive(this.#ending.signal)
    const ready = new Wakeup()
    this.#ready.set(peer, ready)
    let pauseMs = resubscribeFirstMs
    try {
      while (!signal.aborted && this.#connectedMembers().includes(peer)) {
        const startedMs = world.clock.monotonicMs()
        try {
          await this.exchange.subscribe(peer, signal)
        } catch (error) {
          if (signal.aborted) return
          this.#noteSubscriptionEnd(peer, error)
        }
        if (!network.connectedPeers().includes(peer)) return
        if (world.clock.monotonicMs() - startedMs > resubscribeLongestMs) pauseMs = resubscribeFirstMs
        await waitAtMost(ready, world.clock, pauseMs, signal)
        pauseMs = Math.min(pauseMs * 2, resubscribeLongestMs)
      }
    } catch (error) {
      if (!signal.aborted) this.#logger.error('a subscription ended', { peer, error: messageOf(error) })
    } finally {
      this.#subscriptions.delete(peer)
    }
  }

  #noteSubscriptionEnd(peer: PeerId, error: unknown): void {
    const code = errorCodeOf(error)
    this.#logger.info('a subscription ended', { peer, code, error: messageOf(error) })
    if (code !== 'BAD_SIGNATURE' && code !== 'PEER_MISBEHAVED') return
    this.problems.note({
      code,
      severity: 'warning',
      path: peer,
      text: messageOf(error),
      next: 'Nothing was taken over. Update Holdfast on that member; if it stays, remove the member.',
    })
  }

  #ingestEvents(): ConstructorParameters<typeof Ingest>[0]['events'] {
    return {
      isBeingApplied: (path) => this.pull.isBeingApplied(path),
      committed: (outcome) => {
        if (outcome.written > 0) {
          this.#news.ring()
          this.#have.ring()
        }
        if (outcome.hasNeeds) this.pull.wake()
        this.exchange.needsChanged()
        this.#noteChange()
      },
      changed: () => this.#noteChange(),
    }
  }

  #pullEvents(): ConstructorParameters<typeof Pull>[0]['events'] {
    return {
      applied: () => {
        this.#have.ring()
        this.#archive.wake()
        this.exchange.needsChanged()
      },
      merged: () => this.#news.ring(),
      stale: (paths) => this.ingest.hint(paths),
      keepParked: (change, parked) => this.#keepParked(change, parked),
      changed: () => {
        this.exchange.needsChanged()
        this.#noteChange()
      },
    }
  }

  /** Somebody wrote to a file in the moment in which it was replaced: that content gets a name beside it. */
  #keepParked(change: PlannedChange, parked: string): void {
    const { world } = this.#parts
    const path = conflictPath(change.path, world.clock.nowMs() * 1000, this.handle.authorId, blake3(new TextEncoder().encode(parked)))
    if (path === undefined) return
    world.jobs.run('unpark', { root: this.handle.root, parked, path }, { signal: this.#ending.signal }).then(
      () => this.ingest.hint([path]),
      (error: unknown) => {
        this.problems.note({
          code: 'KEPT_ASIDE',
          severity: 'warning',
          path: change.path,
          text: `${change.path} was changed here while a newer version was put in its place; what was written last is in .holdfast/replaced/${parked} (${messageOf(error)})`,
          next: 'Take it from there.',
        })
      },
    )
  }

  #cardBox(): { readonly edition: number; all(): readonly Uint8Array[]; take(encoded: Uint8Array): void } {
    const { cards } = this.#parts
    return {
      get edition() {
        return cards.edition
      },
      all: () => cards.all(this.peers),
      take: (encoded) => cards.take(encoded, this.peers),
    }
  }

  #connectedMembers(): readonly PeerId[] {
    const connected = this.#parts.network.connectedPeers()
    return this.peers.filter((peer) => connected.includes(peer))
  }

  #logGrew(): void {
    this.#news.ring()
    this.#parts.events.membersChanged()
  }

  #setPaused(isPaused: boolean): void {
    this.#isPaused = isPaused
    const { index } = this.#parts
    index.transact(() => index.folders.setPaused(this.handle.row, isPaused))
    this.#noteChange()
  }

  #noteChange(): void {
    this.#changed.announce()
    this.#parts.events.changed()
  }
}

