// One folder at work: its flows wired to each other by wake-ups, started and stopped together. What a flow throws stops this
// folder only.

import type { FolderStatus, Problem } from '../api/controls.ts'
import type { Log } from '../base/log.ts'
import { abortable, Coalescer, runTogether } from '../base/queue.ts'
import type { FolderRecord } from '../model/folder.ts'
import type { Platform } from '../model/path.ts'
import type { PeerId } from '../model/ids.ts'
import type { Channel } from '../net/network.ts'
import { FolderLog } from '../share/folder-log.ts'
import { FolderNews } from '../sync/announce.ts'
import { AppendMerge } from '../sync/append-merge.ts'
import { ChangeGuard } from '../sync/change-guard.ts'
import { Exchange } from '../sync/exchange.ts'
import { openFolderHandle, type FolderHandle } from '../sync/folder-handle.ts'
import { Ingest } from '../sync/ingest.ts'
import { largeTemporaryPrefix } from '../sync/large-file-job.ts'
import { FolderProblems } from '../sync/problems.ts'
import { LargeTidy } from '../sync/large-tidy.ts'
import type { HistoryStore } from '../sync/history-care.ts'
import { Pull } from '../sync/pull.ts'
import { Verifier } from '../sync/verify.ts'
import type { PlannedChange } from '../sync/pull-plan.ts'
import { Fetcher } from '../transfer/fetch.ts'
import type { Lanes } from '../transfer/lanes.ts'
import type { HeldParts } from '../transfer/held-blocks.ts'
import { serveBlocks } from '../transfer/serve.ts'
import type { Hello } from '../model/wire/exchange_pb.ts'
import { cardBoxOf } from './card-box.ts'
import { FolderCopies } from './folder-copies.ts'
import { FolderHistory } from './folder-history.ts'
import { entriesOfNeeds } from './folder-receipts.ts'
import { FolderPast } from './folder-past.ts'
import { FolderLife } from './folder-life.ts'
import { refuseUnwritable } from './folder-readiness.ts'
import { FolderSelf, meetMembers } from './folder-self.ts'
import { describeProblems } from './folder-problems.ts'
import { describeFolder } from './folder-status.ts'
import { FolderWatch } from './folder-watch.ts'
import { keepParked } from './keep-parked.ts'
import type { MemberListener, MemberParts } from './member-parts.ts'
import { noteLie, type MemberRuntime } from './member-runtime.ts'
import { Subscriptions } from './subscriptions.ts'

export interface RuntimeParts extends MemberParts {
  readonly store: HistoryStore
  /** Of the world's lane thread; absent where it has none. */
  readonly lanes: Lanes | undefined
  readonly events: RuntimeListener
}

export interface RuntimeListener extends MemberListener {
  /** Members knew changes of this folder in the node's name that it did not have. */
  ownPastMet(folder: string): void
  /** The folder is to be opened anew: this node is another author in it. */
  renewed(runtime: FolderRuntime): void
}

const haveIntervalMs = 150

export class FolderRuntime implements MemberRuntime {
  readonly handle: FolderHandle
  readonly log: FolderLog
  readonly problems: FolderProblems
  readonly guard: ChangeGuard
  readonly exchange: Exchange
  readonly ingest: Ingest
  readonly pull: Pull
  readonly verifier: Verifier
  readonly appends: AppendMerge
  readonly history: FolderHistory
  readonly past: FolderPast
  readonly copies: FolderCopies
  readonly #parts: RuntimeParts
  readonly #logger: Log
  readonly #news = new FolderNews()
  readonly #fetcher: Fetcher
  readonly #have: Coalescer
  readonly #subscriptions: Subscriptions
  readonly #life: FolderLife
  readonly #ending = new AbortController()
  #isPaused: boolean
  #isAnew: boolean
  #names: Platform = 'linux'
  readonly #watch: FolderWatch
  readonly #largeTidy: LargeTidy
  readonly #self: FolderSelf

  /** `isAnew`: the index lost what it knew of the folder, or some of it: the members are asked before the disk is. */
  constructor(parts: RuntimeParts, record: FolderRecord, isAnew = false) {
    const { world, index, network, identity, store } = parts
    const { clock, random, jobs } = world
    this.#parts = parts
    this.#isPaused = record.isPaused
    this.#isAnew = isAnew
    this.#logger = world.log.child({ folder: record.name })
    this.handle = openFolderHandle(record, identity)
    const { handle } = this
    this.log = new FolderLog(index, record.row, () => this.#logGrew())
    this.problems = new FolderProblems(() => this.#noteChange(), clock)
    this.#have = new Coalescer(clock, haveIntervalMs, this.#ending.signal, () => this.#news.ringHave())
    const lanes = parts.lanes === undefined ? undefined : { lanes: parts.lanes, sealKey: handle.jobKeys.sealKey }
    this.#fetcher = new Fetcher({ network, accessKey: handle.accessKey, clock, random, lanes }, (peer) => noteLie(this.problems, peer))
    this.copies = this.#openCopies() // it takes the two, and comes before what may say at once that something changed
    const shared = { index, handle, clock, log: this.#logger, problems: this.problems }
    this.guard = new ChangeGuard(shared)
    this.#self = new FolderSelf({ ...shared, world, becameAnother: () => this.#becameAnother() })
    this.history = new FolderHistory({
      ...shared,
      world,
      store,
      isWalked: () => this.ingest.isWalked,
      stale: (paths) => this.ingest.hint(paths),
    })
    this.ingest = new Ingest({ ...shared, jobs, guard: this.guard, session: () => this.#self.file, events: this.#ingestEvents() })
    const largeLanes = parts.lanes === undefined || world.lanes === undefined ? undefined : { jobs: world.lanes.jobs, lanes: parts.lanes }
    this.pull = new Pull({
      ...shared,
      jobs,
      store,
      fetcher: this.#fetcher,
      lanes: largeLanes,
      random,
      names: () => this.#names,
      events: this.#pullEvents(),
    })
    this.appends = new AppendMerge({ ...shared, jobs, store, events: this.#appendEvents() })
    this.verifier = new Verifier({
      ...shared,
      jobs,
      events: { changed: (path) => this.ingest.hint([path]), found: () => this.pull.wake() },
    })
    this.exchange = this.#openExchange()
    this.past = new FolderPast({ ...shared, jobs, store, fetcher: this.#fetcher, random, folder: this.#folderAtWork() })
    this.#largeTidy = new LargeTidy({ index, jobs, handle, clock, isPulling: () => this.pull.isBusy })
    const changed = (): void => this.#noteChange()
    this.#watch = new FolderWatch({ world, root: handle.root, ingest: this.ingest, problems: this.problems, changed })
    const trouble = { clock, log: this.#logger, problems: this.problems }
    this.#subscriptions = new Subscriptions({
      ...trouble,
      subscribe: async (peer, signal) => this.exchange.subscribe(peer, signal),
      connected: () => this.#connectedMembers(),
    })
    this.#life = new FolderLife({ ...trouble, work: async (signal, onRunning) => this.#runFlows(signal, onRunning), changed })
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
      stopReason: this.#life.stopReason,
      watcher: this.#watch.method,
      historyBytes: this.history.bytes,
      copies: this.copies.status,
      connected: this.#connectedMembers(),
      self: this.#parts.network.self,
      nowMs: this.#parts.world.clock.monotonicMs(),
    })
  }

  problemList(): readonly Problem[] {
    return describeProblems(this.#parts.index, this)
  }

  /** Entries in this node's name were written to the index, with needs here. */
  noteWritten(): void {
    this.#parts.events.written()
    this.pull.wake()
    this.exchange.needsChanged()
    this.#noteChange()
  }

  /** What was written is flushed: the members may be told. */
  tellNews(): void {
    this.#news.ring()
  }

  /** Aborts when this runtime ends for good: the folder was removed, or another takes its place. */
  get ended(): AbortSignal {
    return this.#ending.signal
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  get isStopped(): boolean {
    return this.#life.stopReason !== undefined
  }

  /** In step with every member that is connected now. */
  get isSynced(): boolean {
    if (this.#isPaused) return true
    const { index } = this.#parts
    if (this.isStopped || this.guard.isHeld || !this.ingest.hasWalked || this.ingest.isBusy || this.pull.isBusy) return false
    if (index.needs.count(this.handle.row) > 0) return false
    const newest = index.entries.lastRowOf(this.handle.row)
    return this.#connectedMembers().every((peer) => {
      const progress = this.exchange.subscribers.get(peer)
      return this.exchange.isCaughtUpWith(peer) && progress !== undefined && progress.needs === 0 && progress.cursor >= newest
    })
  }

  /** Tries a stopped folder again now; resolves once it runs or has stopped again. */
  async tryAgain(signal: AbortSignal): Promise<void> {
    await this.#life.tryAgain(signal)
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

  async #rest(): Promise<void> {
    await this.#life.end()
    await this.#subscriptions.ended()
  }

  /** A peer came or went, or a member was added. */
  connectionsChanged(): void {
    this.#fetcher.setPeers(this.#isPaused ? [] : this.#connectedMembers())
    if (this.#isPaused || this.#ending.signal.aborted) return
    this.#subscriptions.refresh(this.#whileActive(this.#ending.signal))
    this.pull.retryAll()
    this.#noteChange()
  }

  /** Serves a subscriber whose hello was recognised as this folder's. */
  async serveIndex(channel: Channel, hello: Hello, signal: AbortSignal): Promise<void> {
    if (this.#isPaused) return this.exchange.tellPaused(channel, hello, AbortSignal.any([signal, this.#ending.signal]))
    this.#subscriptions.retry(channel.peer)
    await this.exchange.serve(channel, hello, this.#whileActive(signal))
  }

  async serveBlocks(channel: Channel, signal: AbortSignal): Promise<void> {
    await serveBlocks(channel, this.#held(), this.#whileActive(signal))
  }

  #held(): HeldParts {
    const { index, store, world, lanes } = this.#parts
    const { handle } = this
    const tree = {
      jobs: world.jobs,
      root: handle.root,
      sealKey: handle.jobKeys.sealKey,
      lanes,
      onStale: (path: string) => void this.verifier.suspect(path, this.#whileActive(this.#ending.signal)),
    }
    return { index, store, folder: handle.record, tree }
  }

  #whileActive(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, this.#ending.signal, this.#life.signal])
  }

  async #runFlows(signal: AbortSignal, onRunning: () => void): Promise<void> {
    const { world } = this.#parts
    this.#self.forget()
    await this.ingest.check(signal)
    await this.history.relieve(signal)
    this.#names = await world.jobs.run('tidyRoot', { root: this.handle.root, keptPrefix: largeTemporaryPrefix }, { signal })
    if (!(await this.#self.begin(signal))) {
      onRunning()
      return this.#beAnother(signal)
    }
    await this.history.adoptStrays(signal)
    await this.#largeTidy.tidy(signal)
    onRunning()
    this.verifier.noteKnown()
    const isAnew = this.#isAnew
    if (isAnew) await meetMembers(world.clock, () => this.#hasMetMembers, signal)
    this.#isAnew = false
    await runTogether(signal, [
      (both) => this.ingest.run(both),
      async (both) => {
        // What is here already need not be fetched: the walk knows it.
        if (isAnew) await this.ingest.firstWalk(both)
        await this.pull.run(both)
      },
      (both) => this.history.run(both),
      (both) => this.appends.run(both),
      (both) => this.#watch.run(both),
      ...this.copies.tasks,
      (both) => this.#largeTidy.run(both),
    ])
  }

  /** Some member has told what it knows: content that is a known version is then no new edit. */
  get #hasMetMembers(): boolean {
    return this.peers.length === 0 || this.peers.some((peer) => this.exchange.isCaughtUpWith(peer))
  }

  #becameAnother(): void {
    const { events } = this.#parts
    events.written()
    events.ownPastMet(this.record.name)
    events.renewed(this)
  }

  /** This node is another author here now, and the flows know the old one: they end, and others take their place. */
  async #beAnother(signal: AbortSignal): Promise<void> {
    this.#parts.events.renewed(this)
    await abortable<void>(() => undefined, signal)
  }

  #openExchange(): Exchange {
    const { world, index, network, cards } = this.#parts
    const { clock, random, jobs } = world
    const { handle } = this
    return new Exchange({
      index,
      handle,
      clock,
      log: this.#logger,
      problems: this.problems,
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
      ownPastFound: (seq) => this.#self.meetOwnPast(seq),
      needs: () => index.needs.count(handle.row),
      events: this.#exchangeEvents(),
    })
  }

  #openCopies(): FolderCopies {
    const { index, events } = this.#parts
    const { handle, log } = this
    return new FolderCopies(this.#parts, {
      handle,
      log,
      tell: () => this.#news.ring(),
      changed: () => events.changed(),
      canSay: () => (this.guard.isHeld ? 'no' : this.ingest.hasWalked ? 'yes' : 'unknown'),
      missing: () => entriesOfNeeds(index, handle.row),
      missingCount: () => index.needs.count(handle.row),
      keep: 'all',
      kept: () => ({ keep: 'all', layout: new Uint8Array(0), isOldHeld: false }),
      layoutChanged: () => undefined,
      connected: () => this.#connectedMembers(),
      fetcher: this.#fetcher,
      held: this.#held(),
      problems: this.problems,
    })
  }

  #ingestEvents(): ConstructorParameters<typeof Ingest>[0]['events'] {
    return {
      isBeingApplied: (path) => this.pull.isBeingApplied(path),
      committed: (outcome) => {
        this.verifier.settle()
        if (outcome.written > 0) this.#parts.events.written()
        if (outcome.written + outcome.adopted > 0) this.#have.ring()
        if (outcome.hasNeeds) this.pull.wake()
        this.appends.wake()
        this.exchange.needsChanged()
        this.#noteChange()
      },
      rulesChanged: () => this.#watch.rulesChanged(),
      changed: () => this.#noteChange(),
    }
  }

  #exchangeEvents(): ConstructorParameters<typeof Exchange>[0]['events'] {
    return {
      received: () => {
        this.pull.wake()
        this.#largeTidy.wake()
        this.#parts.events.written()
        this.#noteChange()
      },
      peerHas: (peer) => {
        this.#fetcher.peerHas(peer)
        this.pull.retryAll()
      },
      changed: () => this.#noteChange(),
    }
  }

  #pullEvents(): ConstructorParameters<typeof Pull>[0]['events'] {
    return {
      applied: () => {
        this.verifier.settle()
        this.#have.ring()
        this.history.wake()
        this.exchange.needsChanged()
      },
      merged: (groups = []) => {
        this.#parts.events.written()
        this.appends.note(groups)
      },
      isHeld: () => this.guard.isHeld,
      // Connected is not enough: a member that has paused the folder has what it does not give now.
      isEveryMemberHere: () => this.peers.every((peer) => this.exchange.isCaughtUpWith(peer)),
      stale: (paths) => this.ingest.hint(paths),
      diskFull: () => this.history.noteFull(),
      keepParked: (change, parked) => void this.#keepParked(change, parked),
      parkedInDoubt: (parked) => void this.history.adoptStray(parked, this.#whileActive(this.#ending.signal)),
      changed: () => {
        this.appends.wake()
        this.exchange.needsChanged()
        this.#noteChange()
      },
    }
  }

  #appendEvents(): ConstructorParameters<typeof AppendMerge>[0]['events'] {
    return { mayWrite: () => !this.guard.isHeld && this.isWriter, wrote: () => this.noteWritten() }
  }

  /** By this node's role. */
  get isWriter(): boolean {
    return this.log.mayWrite(this.handle.identity.publicKey)
  }

  get isOwner(): boolean {
    return this.log.roleOf(this.#parts.network.self) === 'owner'
  }

  #folderAtWork(): ConstructorParameters<typeof FolderPast>[0]['folder'] {
    return {
      checkActive: () => refuseUnwritable(this, 'use --to'),
      walk: async (signal) => {
        if (!this.#isPaused && !this.isStopped) await this.ingest.walkNow(signal)
      },
      settle: (signal) => this.history.settle(signal),
      wrote: () => this.noteWritten(),
      nameOf: (peer) => this.log.members.find((member) => member.peer === peer)?.name,
    }
  }

  async #keepParked(change: PlannedChange, parked: string): Promise<void> {
    const { clock, jobs } = this.#parts.world
    const { handle, problems } = this
    const kept = await keepParked({ jobs, clock, handle, problems }, change.path, parked, this.#ending.signal)
    if (kept !== undefined) this.ingest.hint([kept])
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
    this.copies.wake()
    this.#parts.events.changed()
  }
}
