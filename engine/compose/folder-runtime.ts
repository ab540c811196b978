// One folder at work: its flows wired to each other by wake-ups, started and stopped together. What a flow throws stops this
// folder only.

import type { FolderStatus, Problem } from '../api/controls.ts'
import { abortable } from '../base/queue.ts'
import type { FolderRecord, Keep } from '../model/folder.ts'
import type { Platform, RelativePath } from '../model/path.ts'
import type { FolderLog } from '../share/folder-log.ts'
import { AppendMerge } from '../sync/append-merge.ts'
import { ChangeGuard } from '../sync/change-guard.ts'
import type { Exchange } from '../sync/exchange.ts'
import { openFolderHandle, type FolderHandle } from '../sync/folder-handle.ts'
import { Ingest } from '../sync/ingest.ts'
import { largeTemporaryPrefix } from '../sync/large-file-job.ts'
import type { FolderProblems } from '../sync/problems.ts'
import { LargeTidy } from '../sync/large-tidy.ts'
import { Pull } from '../sync/pull.ts'
import { Verifier } from '../sync/verify.ts'
import type { Lanes } from '../transfer/lanes.ts'
import type { HeldParts } from '../transfer/held-blocks.ts'
import { FolderElsewhere } from './folder-elsewhere.ts'
import { FolderHistory } from './folder-history.ts'
import { entriesOfTree } from './folder-receipts.ts'
import { FolderPast } from './folder-past.ts'
import { refuseUnwritable } from './folder-readiness.ts'
import { FolderSelf, meetMembers } from './folder-self.ts'
import { describeProblems } from './folder-problems.ts'
import type { NeedReason } from '../sync/reasons.ts'
import { describeFolder } from './folder-status.ts'
import { FolderWatch } from './folder-watch.ts'
import { keepParked } from './keep-parked.ts'
import { OwnFiles } from './own-files.ts'
import type { MemberListener, MemberParts } from './member-parts.ts'
import type { MemberRuntime } from './member-runtime.ts'
import { MemberWork, type MemberFlows } from './member-work.ts'

export interface RuntimeParts extends MemberParts {
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

/** Of a need: pull-faults.ts. */
const fullReason: NeedReason = 'DISK_FULL'
const haveIntervalMs = 150

export class FolderRuntime implements MemberRuntime {
  readonly handle: FolderHandle
  readonly work: MemberWork
  readonly log: FolderLog
  readonly problems: FolderProblems
  readonly exchange: Exchange
  readonly guard: ChangeGuard
  readonly ingest: Ingest
  readonly pull: Pull
  readonly verifier: Verifier
  readonly appends: AppendMerge
  readonly history: FolderHistory
  readonly past: FolderPast
  readonly elsewhere: FolderElsewhere
  readonly #parts: RuntimeParts
  #isAnew: boolean
  #names: Platform = 'linux'
  readonly #watch: FolderWatch
  readonly #largeTidy: LargeTidy
  readonly #self: FolderSelf
  readonly #ownFiles: OwnFiles

  /** `isAnew`: the index lost what it knew of the folder, or some of it: the members are asked before the disk is. */
  constructor(parts: RuntimeParts, record: FolderRecord, isAnew = false) {
    const { world, index, identity, store } = parts
    const { clock, random, jobs } = world
    this.#parts = parts
    this.#isAnew = isAnew
    this.handle = openFolderHandle(record, identity)
    const { handle } = this
    this.#ownFiles = new OwnFiles({ index, handle, world })
    this.work = new MemberWork(parts, handle, this.#flows())
    const { log, logger, problems, exchange, fetcher } = this.work
    this.log = log
    this.problems = problems
    this.exchange = exchange
    const shared = { index, handle, clock, log: logger, problems }
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
      fetcher,
      lanes: largeLanes,
      random,
      names: () => this.#names,
      isKept: (path) => this.elsewhere.isKept(path),
      events: this.#pullEvents(),
    })
    this.elsewhere = new FolderElsewhere({
      ...parts,
      handle,
      work: this.work,
      folder: this,
      events: { ...parts.events, ...this.#elsewhereEvents() },
    })
    this.appends = new AppendMerge({ ...shared, jobs, store, events: this.#appendEvents() })
    this.verifier = new Verifier({
      ...shared,
      jobs,
      events: { changed: (path) => this.ingest.hint([path]), found: () => this.pull.wake() },
    })
    this.past = new FolderPast({ ...shared, jobs, store, fetcher, random, folder: this.#folderAtWork() })
    this.#largeTidy = new LargeTidy({ index, jobs, handle, clock, isPulling: () => this.pull.isBusy })
    const changed = (): void => this.work.noteChange()
    this.#watch = new FolderWatch({ world, root: handle.root, ingest: this.ingest, problems, changed })
  }

  get record(): FolderRecord {
    const { keep: _, ...record } = this.handle.record
    const { rule } = this.elsewhere
    return { ...record, isPaused: this.work.isPaused, ...(rule.kind === 'all' ? {} : { keep: rule }) }
  }

  get isPaused(): boolean {
    return this.work.isPaused
  }

  get isStopped(): boolean {
    return this.work.isStopped
  }

  status(): FolderStatus {
    return describeFolder(this.#parts.index, this, {
      isPaused: this.work.isPaused,
      stopReason: this.work.stopReason,
      watcher: this.#watch.method,
      historyBytes: this.history.bytes,
      copies: this.work.copies.status,
      keep: this.#keep,
      connected: this.work.connected,
      self: this.#parts.network.self,
      nowMs: this.#parts.world.clock.monotonicMs(),
    })
  }

  problemList(): readonly Problem[] {
    return [...describeProblems(this.#parts.index, this), ...this.work.copies.problems()]
  }

  /** Entries in this node's name were written to the index, with needs here. */
  noteWritten(): void {
    this.#parts.events.written()
    this.pull.wake()
    this.exchange.needsChanged()
    this.work.noteChange()
  }

  /** In step with every member that is connected now. */
  get isSynced(): boolean {
    if (this.work.isPaused) return true
    if (this.work.isStopped || this.guard.isHeld || !this.ingest.hasWalked || this.ingest.isBusy) return false
    const hasAll = !this.pull.isBusy && this.#needs() === 0
    return (hasAll || this.#isFull) && this.work.isLevel(true)
  }

  /** All that is still to come waits for room on the disk. */
  get #isFull(): boolean {
    const { needs } = this.#parts.index
    return needs.count(this.handle.row) > 0 && !needs.hasOther(this.handle.row, fullReason)
  }

  get #keep(): Keep {
    return this.elsewhere.rule.kind
  }

  #needs(): number {
    return this.#parts.index.needs.count(this.handle.row)
  }

  #flows(): MemberFlows {
    const { index, lanes } = this.#parts
    const { handle } = this
    return {
      held: this.#held(),
      lanes: lanes === undefined ? undefined : { lanes, sealKey: handle.jobKeys.sealKey },
      haveIntervalMs,
      copies: {
        canSay: () => (this.guard.isHeld || this.problems.isFull ? 'no' : this.ingest.hasWalked ? 'yes' : 'unknown'),
        missing: () => entriesOfTree(index, handle, this.problems),
        comingCount: () => this.#needs(),
        ownFiles: this.#ownFiles,
        keep: () => this.#keep,
        kept: () => ({ keep: this.#keep, layout: new Uint8Array(0), isOldHeld: false }),
        layoutChanged: () => undefined,
      },
      needs: () => this.#needs(),
      isFull: () => this.#isFull,
      ownPastFound: (seq) => this.#self.meetOwnPast(seq),
      run: (signal, onRunning) => this.#runFlows(signal, onRunning),
      received: () => {
        this.pull.wake()
        this.#largeTidy.wake()
      },
      flushed: () => undefined,
      blocksLost: () => undefined, // what counts as a copy is in files here
      needsBlock: (id) => index.history.refersTo(id),
      isWhole: () => true,
      sourcesChanged: () => this.pull.retryAll(),
      stopped: () => this.work.copies.receipts.withdraw(),
    }
  }

  #held(): HeldParts {
    const { index, store, world, lanes } = this.#parts
    const { handle } = this
    const tree = {
      jobs: world.jobs,
      root: handle.root,
      sealKey: handle.jobKeys.sealKey,
      lanes,
      onStale: (path: string) => void this.verifier.suspect(path, this.work.whileActive()),
      files: this.#ownFiles,
    }
    return { index, store, folder: handle.record, tree }
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
    await this.work.runWithCopies(signal, [
      (both) => this.ingest.run(both),
      async (both) => {
        // What is here already need not be fetched: the walk knows it.
        if (isAnew) await this.ingest.firstWalk(both)
        await this.pull.run(both)
      },
      (both) => this.history.run(both),
      (both) => this.appends.run(both),
      (both) => this.#watch.run(both),
      (both) => this.#largeTidy.run(both),
      (both) => this.elsewhere.run(both),
    ])
  }

  /** Some member has told what it knows: content that is a known version is then no new edit. */
  get #hasMetMembers(): boolean {
    const { peers } = this.work
    return peers.length === 0 || peers.some((peer) => this.exchange.isCaughtUpWith(peer))
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

  #ingestEvents(): ConstructorParameters<typeof Ingest>[0]['events'] {
    return {
      isBeingApplied: (path) => this.pull.isBeingApplied(path) || this.elsewhere.isAtWork(path),
      committed: (outcome) => {
        this.#ownFiles.note(outcome.unflushed)
        this.verifier.settle()
        if (outcome.written > 0) this.#parts.events.written()
        if (outcome.written + outcome.adopted > 0) this.work.tellHave()
        if (outcome.hasNeeds) this.pull.wake()
        this.appends.wake()
        this.exchange.needsChanged()
        this.work.noteChange()
      },
      rulesChanged: () => this.#watch.rulesChanged(),
      changed: () => this.work.noteChange(),
    }
  }

  #pullEvents(): ConstructorParameters<typeof Pull>[0]['events'] {
    return {
      applied: () => {
        this.verifier.settle()
        this.work.tellHave()
        this.history.wake()
        this.exchange.needsChanged()
      },
      merged: (groups = []) => {
        this.#parts.events.written()
        this.appends.note(groups)
      },
      isHeld: () => this.guard.isHeld,
      // Connected is not enough: a member that has paused the folder has what it does not give now.
      isNowhereElse: (block) =>
        this.work.peers.every((peer) => this.exchange.isCaughtUpWith(peer) && this.work.fetcher.saidToLack(peer, block)),
      stale: (paths) => this.ingest.hint(paths),
      diskFull: () => this.history.noteFull(),
      keepParked: (change, parked) => void this.#keepParked(change.path, parked),
      parkedInDoubt: (parked) => void this.history.adoptStray(parked, this.work.whileActive()),
      changed: () => {
        this.appends.wake()
        this.exchange.needsChanged()
        this.work.noteChange()
      },
    }
  }

  #elsewhereEvents(): Pick<ConstructorParameters<typeof FolderElsewhere>[0]['events'], 'free' | 'wanted'> {
    return {
      free: {
        beginSession: async (signal) => {
          const isSame = await this.#self.renew(signal)
          if (!isSame) this.#parts.events.renewed(this)
          return isSame
        },
        isBeingApplied: (path) => this.pull.isBeingApplied(path),
        changed: () => {
          this.pull.wake()
          this.work.tellHave()
          this.work.noteChange()
        },
        stale: (paths) => this.ingest.hint(paths),
        keepParked: (path, parked) => void this.#keepParked(path, parked),
      },
      wanted: () => {
        this.pull.wake()
        this.exchange.needsChanged()
        this.work.noteChange()
      },
    }
  }

  #appendEvents(): ConstructorParameters<typeof AppendMerge>[0]['events'] {
    return { mayWrite: () => !this.guard.isHeld && this.isWriter, wrote: () => this.noteWritten() }
  }

  /** By this node's role. */
  retryNow(): void {
    this.pull.retryAll()
  }

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
        if (!this.work.isPaused && !this.work.isStopped) await this.ingest.walkNow(signal)
      },
      settle: (signal) => this.history.settle(signal),
      wrote: () => this.noteWritten(),
      nameOf: (peer) => this.log.members.find((member) => member.peer === peer)?.name,
    }
  }

  async #keepParked(path: RelativePath, parked: string): Promise<void> {
    const { clock, jobs } = this.#parts.world
    const { handle, problems } = this
    const kept = await keepParked({ jobs, clock, handle, problems }, path, parked, this.work.ended)
    if (kept !== undefined) this.ingest.hint([kept])
  }
}
