// From hints and walks to entries in this node's name: keeps one folder's index true to its disk. Hints only make it quicker:
// a walk of the whole tree at the start, every hour and on request is what finds everything.

import type { Clock } from '../base/clock.ts'
import type { Jobs } from '../base/jobs.ts'
import type { Log } from '../base/log.ts'
import { Broadcast, throwIfAborted, waitAtMost, Wakeup } from '../base/queue.ts'
import type { inspectRoot } from '../disk/folder-jobs.ts'
import { ignoreFileName } from '../disk/limits.ts'
import type { readSettings } from '../disk/read-settings.ts'
import type { SessionFile } from '../disk/session.ts'
import type { statPaths } from '../disk/stat-paths.ts'
import type { listDirectories } from '../disk/walk.ts'
import type { Index } from '../index/index-store.ts'
import type { ItemRow } from '../index/item-table.ts'
import { parentOf, parseRelativePath, type RelativePath } from '../model/path.ts'
import type { ChangeGuard } from './change-guard.ts'
import type { FolderHandle } from './folder-handle.ts'
import { FormerNames } from './former-names.ts'
import { FolderRoot } from './folder-root.ts'
import { FolderWalk } from './folder-walk.ts'
import { HintQueue, type HintedChange } from './hint-queue.ts'
import { IngestBatches, type IngestManner } from './ingest-batches.ts'
import type { FoundPath, IngestOutcome } from './ingest-commit.ts'
import type { ingestBatch, ingestWindow } from './ingest-job.ts'
import type { FolderProblems } from './problems.ts'
import { walkCodes } from './reasons.ts'
import { candidateOf, isAsIndexed, isSuspect, TreeScan, trustItems, type Candidate } from './scan.ts'

export type FolderScanJobs = Jobs<{
  readonly listDirectories: typeof listDirectories
  readonly statPaths: typeof statPaths
  readonly readSettings: typeof readSettings
  readonly inspectRoot: typeof inspectRoot
  readonly ingestBatch: typeof ingestBatch
  readonly ingestWindow: typeof ingestWindow
}>

export interface ScanProgress {
  readonly startedMs: number
  readonly filesDone: number
  readonly filesFound: number
  readonly bytesDone: number
  readonly bytesFound: number
}

export interface IngestParts {
  readonly index: Index
  readonly jobs: FolderScanJobs
  readonly handle: FolderHandle
  readonly clock: Clock
  readonly log: Log
  readonly problems: FolderProblems
  readonly guard: ChangeGuard
  /** What the folder's work began with: another session file means that its files were replaced. */
  readonly session: () => SessionFile | undefined
  readonly events: IngestListener
}

export interface IngestListener {
  /** Paths that apply is working on right now: what is seen there is half of the story. */
  isBeingApplied(path: string): boolean
  committed(outcome: IngestOutcome): void
  /** Other rules are in force: other paths are ignored. */
  rulesChanged(): void
  changed(): void
}

/** Paths looked at in one round of hints: bounds how long the main thread is busy at a stretch (decision 0029). */
const hintsPerRound = 250
/** How long after a change in a held folder everything is counted again: it may be back as it was. */
const recountAfterMs = 60_000
export class Ingest {
  readonly #parts: IngestParts
  readonly #wakeup = new Wakeup()
  readonly #walkDone = new Broadcast()
  readonly #hints: HintQueue
  readonly #root: FolderRoot
  readonly #walk: FolderWalk
  /** When what is held is to be counted again, on the monotonic clock. */
  #recountMs: number | undefined
  #walksWanted = 0
  #walksDone = 0
  /** … when `run` began last. */
  #walksBefore = 0
  /** How often `run` ended, and by what. */
  #ends = 0
  #endedBy: unknown
  #progress: ScanProgress | undefined
  #isBusy = false
  #isWalking = false

  constructor(parts: IngestParts) {
    this.#parts = parts
    this.#hints = new HintQueue(parts)
    this.#root = new FolderRoot({ ...parts, rulesChanged: () => parts.events.rulesChanged() })
    this.#walk = new FolderWalk({
      ...parts,
      root: this.#root,
      openBatches: (manner, signal) => this.#openBatches(manner, signal),
      take: (candidate, batches) => this.#take(candidate, batches),
      confirmLosses: (lost, signal) => this.#confirmLosses(lost, signal),
      isStillChanging: () => this.#hints.size > 0,
      isAllSeen: () => this.#hints.size === 0 && !this.#hints.hasLater,
    })
  }

  /** Paths ('' = everything) that may have changed. */
  hint(paths: readonly string[]): void {
    for (const path of paths) {
      if (path === '' || this.#hints.isFull) return this.requestWalk()
      this.#hints.add(path)
    }
    if (paths.length > 0) this.#wakeup.wake()
  }

  requestWalk(): void {
    this.#walksWanted++
    this.#hints.leaveToWalk()
    this.#wakeup.wake()
  }

  /** Resolves when a walk that started after this call is done. Throws what stops the folder before: `FOLDER_STOPPED`, `ABORTED` by a pause. */
  async walkNow(signal: AbortSignal): Promise<void> {
    this.requestWalk()
    const wanted = this.#walksWanted
    const ends = this.#ends
    while (this.#walksDone < wanted) {
      await this.#walkDone.wait(signal)
      if (this.#ends !== ends && this.#walksDone < wanted) throw this.#endedBy
    }
  }

  /** Resolves when the first walk since `run` began is done. */
  async firstWalk(signal: AbortSignal): Promise<void> {
    while (!this.hasWalked) await this.#walkDone.wait(signal)
  }

  /** True while something seen on disk is not in the index yet. */
  get isBusy(): boolean {
    const isWaiting = this.#hints.size > 0 || this.#hints.hasLater || this.#parts.guard.hasWaiting
    return this.#isBusy || isWaiting || this.#walksDone < this.#walksWanted
  }

  /** True while the whole tree is looked at. */
  get isWalking(): boolean {
    return this.#isWalking
  }

  /** False while a walk is due: what the index says of the disk may be of before a stop. */
  get isWalked(): boolean {
    return this.#walksDone > 0 && this.#walksDone >= this.#walksWanted
  }

  /** Everything was looked at since `run` began last: before that, what the index says of the disk may be of before a stop. */
  get hasWalked(): boolean {
    return this.#walksDone > this.#walksBefore
  }

  /** Of the walk or round under way. */
  get progress(): ScanProgress | undefined {
    return this.#progress
  }

  isIgnored(path: string, isDirectory: boolean): boolean {
    return this.#root.rules.isIgnored(path, isDirectory)
  }

  /** Throws `FOLDER_STOPPED` unless the folder's directory is there, is this folder, and says what it ignores. */
  async check(signal: AbortSignal): Promise<void> {
    await this.#root.check(signal)
    await this.#root.readRules(signal)
  }

  /** Works until `signal` aborts. Throws what makes the folder stop: the caller says so. */
  async run(signal: AbortSignal): Promise<void> {
    this.#walksBefore = this.#walksDone
    this.requestWalk()
    try {
      await this.#keepWorking(signal)
    } catch (error) {
      this.#ends++
      this.#endedBy = error
      this.#walksWanted++ // what happens on the disk from now on is not seen: the next begin owes a walk
      this.#walkDone.announce() // nobody waits for a walk that does not come
      throw error
    }
  }

  async #keepWorking(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#wait(signal)
      this.#isBusy = true
      this.#progress = { startedMs: this.#parts.clock.monotonicMs(), filesDone: 0, filesFound: 0, bytesDone: 0, bytesFound: 0 }
      this.#parts.events.changed()
      try {
        await this.#round(signal)
      } finally {
        this.#isBusy = false
        this.#isWalking = false
        this.#progress = undefined
        this.#parts.events.changed()
      }
    }
  }

  async #round(signal: AbortSignal): Promise<void> {
    await this.#root.check(signal)
    if (this.#walksDone < this.#walksWanted) {
      const wanted = this.#walksWanted
      await this.#walkEverything(signal)
      this.#walksDone = wanted
      this.#parts.index.folders.beginHistory(this.#parts.handle.row, this.#parts.clock.nowMs())
      this.#walkDone.announce()
    } else await this.#followHints(signal)
  }

  async #wait(signal: AbortSignal): Promise<void> {
    throwIfAborted(signal)
    if (this.#hints.size > 0 || this.#walksDone < this.#walksWanted) return
    const { clock } = this.#parts
    const restMs = this.#restMs()
    if (restMs === undefined) await this.#wakeup.wait(signal)
    else if (restMs > 0) await waitAtMost(this.#wakeup, clock, restMs, signal)
    const nowMs = clock.monotonicMs()
    if (this.#recountMs !== undefined && this.#recountMs <= nowMs) this.requestWalk()
    if (!this.#hints.endBurst()) this.requestWalk()
    this.#hints.bringDue()
    return this.#hints.size > 0 || this.#walksDone < this.#walksWanted ? undefined : this.#wait(signal)
  }

  /** Until something is due; undefined when nothing will be. */
  #restMs(): number | undefined {
    let { restMs } = this.#hints
    if (this.#recountMs !== undefined) restMs = Math.min(restMs, this.#recountMs - this.#parts.clock.monotonicMs())
    return restMs === Number.POSITIVE_INFINITY ? undefined : restMs
  }

  async #walkEverything(signal: AbortSignal): Promise<void> {
    this.#isWalking = true
    this.#recountMs = undefined
    await this.#root.readRules(signal)
    await this.#walk.walk(signal)
  }

  async #followHints(signal: AbortSignal): Promise<void> {
    if (this.#hints.has(ignoreFileName)) {
      // Read before anything that was hinted with them: what a new rule leaves out must not be told first.
      await this.#root.readRules(signal)
      this.requestWalk() // other rules: other paths are in or out
    }
    const hinted = this.#takeHints()
    if (hinted.length === 0) return
    const { index, jobs, handle, problems, guard, clock } = this.#parts
    const isHeld = guard.isHeld
    const findings = await jobs.run('statPaths', { root: handle.root, paths: hinted }, { signal })
    const paths = hinted.map((path, at) => findings[at]?.path ?? path)
    const changes: HintedChange[] = []
    const newDirectories: string[] = []
    const batches = this.#openBatches(isHeld ? 'hold' : 'tell', signal)
    const former = new FormerNames(index, handle)
    const take = async (candidate: Candidate): Promise<void> => {
      if (!isHeld) former.note(candidate)
      await this.#take(candidate, batches)
    }
    for (const [at, path] of paths.entries()) {
      const finding = findings[at]
      const item = index.items.byPath(handle.row, path)
      if (finding === undefined || finding.kind === 'unknown') continue
      if (newDirectories.some((directory) => path.startsWith(`${directory}/`))) continue // the walk below finds it
      if (finding.kind === 'missing') {
        for (const code of walkCodes) problems.clear(code, path)
        if (item === undefined) this.#hints.forgetLoss(path)
        else if (this.#hints.isOverdue(path)) changes.push({ path, lost: [...this.#below(item), item] })
        continue
      }
      this.#hints.forgetLoss(path)
      if (this.#root.rules.isIgnored(path, finding.stat.kind === 'directory') || isAsIndexed(item, finding.stat)) {
        trustItems(index, [item])
        continue
      }
      this.#hintParent(path)
      const candidate = candidateOf(path, item, finding.stat)
      // What takes a directory's place waits with the losses of what was in it.
      const lost = item?.kind === 'directory' && finding.stat.kind !== 'directory' ? this.#below(item) : []
      if (isSuspect(candidate) || lost.length > 0) changes.push({ path, lost, candidate })
      else await take(candidate)
      if (finding.stat.kind === 'directory' && item?.kind !== 'directory') newDirectories.push(path)
    }
    const sink = {
      candidate: take,
      lost: (item: ItemRow) => void changes.push({ path: item.path, lost: [item] }),
    }
    await new TreeScan(index, jobs, handle, this.#root.rules, problems, sink).walk(newDirectories, signal)
    if (isHeld) this.#recountMs ??= clock.monotonicMs() + recountAfterMs
    const others = changes.filter(({ path }) => !former.has(path))
    const now = isHeld ? changes.map((change) => ({ ...change, lost: [] })) : this.#hints.paced(others)
    this.#hints.forgetReleased(hinted)
    this.#hints.forgetReleased(changes.map(({ path }) => path))
    for (const { candidate } of now) if (candidate !== undefined) await this.#take(candidate, batches)
    await batches.settle()
    for (const { path } of former.all()) this.#hints.forgetLoss(path) // told now, not when its wait is over
    const lost = new Map([...now.flatMap((change) => change.lost), ...former.all()].map((item) => [item.path, item]))
    batches.finish(await this.#confirmLosses([...lost.values()], signal))
    if (!this.#hints.endBurst()) this.requestWalk()
  }

  #below(item: ItemRow): readonly ItemRow[] {
    const { index, handle } = this.#parts
    return item.kind === 'directory' ? index.items.below(handle.row, item.path) : []
  }

  #takeHints(): readonly RelativePath[] {
    const taken: RelativePath[] = []
    for (const hint of this.#hints.take(hintsPerRound)) {
      const path = parseRelativePath(hint)
      if (path === undefined) continue // invalid names are reported by the walk
      if (this.#parts.events.isBeingApplied(path)) this.#lookAgain(path)
      else taken.push(path)
    }
    // Parents first, as a walk reports them.
    return taken.toSorted((left, right) => (left < right ? -1 : 1))
  }

  /** A path in a directory that the index does not know yet: the directory's own hint may come later or never. */
  #hintParent(path: RelativePath): void {
    const { index, handle } = this.#parts
    const parent = parentOf(path)
    if (parent !== undefined && index.items.byPath(handle.row, parent) === undefined) this.#hints.add(parent)
  }

  async #take(candidate: Candidate, batches: IngestBatches): Promise<void> {
    if (this.#parts.events.isBeingApplied(candidate.path)) return this.#lookAgain(candidate.path)
    const progress = this.#progress
    if (progress !== undefined) {
      this.#progress = { ...progress, filesFound: progress.filesFound + 1, bytesFound: progress.bytesFound + candidate.sizeBytes }
    }
    await batches.add(candidate)
  }

  #openBatches(manner: IngestManner, signal: AbortSignal): IngestBatches {
    const parts = this.#parts
    const events = {
      committed: (outcome: IngestOutcome) => parts.events.committed(outcome),
      progressed: (files: number, bytes: number) => this.#addProgress(files, bytes),
      again: (path: string) => this.#lookAgain(path),
    }
    return new IngestBatches({ ...parts, events }, manner, signal)
  }

  #addProgress(files: number, bytes: number): void {
    const progress = this.#progress
    if (progress === undefined) return
    this.#progress = { ...progress, filesDone: progress.filesDone + files, bytesDone: progress.bytesDone + bytes }
    this.#parts.events.changed()
  }

  #lookAgain(path: string): void {
    this.#hints.addLater(path)
    this.#wakeup.wake()
  }

  /** Looks once more before a loss is told to others: editors replace files by way of a gap. */
  async #confirmLosses(lost: readonly ItemRow[], signal: AbortSignal): Promise<readonly FoundPath[]> {
    const { jobs, handle, events } = this.#parts
    const confirmed: FoundPath[] = []
    // Children before parents, as they can be removed elsewhere.
    const ordered = [...lost].toSorted((left, right) => (left.path < right.path ? 1 : -1))
    for (let from = 0; from < ordered.length; from += hintsPerRound) {
      const slice = ordered.slice(from, from + hintsPerRound)
      const findings = await jobs.run('statPaths', { root: handle.root, paths: slice.map((item) => item.path) }, { signal })
      for (const [at, item] of slice.entries()) {
        const finding = findings[at]
        if (events.isBeingApplied(item.path)) this.#lookAgain(item.path)
        else if (finding?.kind === 'missing') confirmed.push({ path: item.path, item, found: { kind: 'missing' } })
        else if (finding?.kind === 'present') this.#lookAgain(item.path)
      }
    }
    // A drive that went away in between makes everything look lost.
    if (confirmed.length > 0) await this.#root.check(signal)
    return confirmed
  }
}
