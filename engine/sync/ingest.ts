// From hints and walks to entries in this node's name: keeps one folder's index true to its disk. Hints only make it quicker:
// a walk of the whole tree at the start, every hour and on request is what finds everything.

import type { Clock } from '../base/clock.ts'
import { EngineError } from '../base/errors.ts'
import type { Jobs } from '../base/jobs.ts'
import type { Log } from '../base/log.ts'
import { Broadcast, throwIfAborted, waitAtMost, Wakeup } from '../base/queue.ts'
import { parseIgnoreRules, type IgnoreRules } from '../disk/ignore.ts'
import type { inspectRoot } from '../disk/folder-jobs.ts'
import { ignoreFileName } from '../disk/limits.ts'
import type { RootState } from '../disk/marker.ts'
import type { readSettings } from '../disk/read-settings.ts'
import type { statPaths } from '../disk/stat-paths.ts'
import type { listDirectories } from '../disk/walk.ts'
import type { Index } from '../index/index-store.ts'
import type { ItemRow } from '../index/item-table.ts'
import { folderIdText } from '../model/ids.ts'
import { parentOf, parseRelativePath, type RelativePath } from '../model/path.ts'
import type { FolderHandle } from './folder-handle.ts'
import { IngestBatches } from './ingest-batches.ts'
import type { FoundPath, IngestOutcome } from './ingest-commit.ts'
import type { ingestBatch, ingestWindow } from './ingest-job.ts'
import type { FolderProblems } from './problems.ts'
import { isAsIndexed, TreeScan, type Candidate } from './scan.ts'

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

/** Hints beyond this many waiting are not worth keeping: one walk finds them all. */
const hintsMax = 20_000
/** Paths looked at in one round of hints. */
const hintsPerRound = 1000
/** How long a path rests that was seen changing before it is looked at again. */
const againAfterMs = 500
/** How long a path that a hint found missing is given to turn up under another name. */
const lossAfterMs = 150

export class Ingest {
  readonly #parts: IngestParts
  readonly #wakeup = new Wakeup()
  readonly #walkDone = new Broadcast()
  #hints = new Set<string>()
  /** Path and when it is due, on the monotonic clock. */
  readonly #later = new Map<string, number>()
  #rules: IgnoreRules
  /** What the rules in force were made from; undefined = the built-in ones alone. */
  #rulesText: string | undefined
  #hasRules = false
  /** Paths that were seen missing once, by a hint. */
  readonly #losses = new Set<string>()
  #walksWanted = 0
  #walksDone = 0
  /** How often `run` ended, and by what. */
  #ends = 0
  #endedBy: unknown
  #progress: ScanProgress | undefined
  #isBusy = false
  #isWalking = false

  constructor(parts: IngestParts) {
    this.#parts = parts
    this.#rules = defaultRules()
  }

  /** Paths ('' = everything) that may have changed. */
  hint(paths: readonly string[]): void {
    for (const path of paths) {
      if (path === '' || this.#hints.size >= hintsMax) return this.requestWalk()
      this.#hints.add(path)
    }
    if (paths.length > 0) this.#wakeup.wake()
  }

  requestWalk(): void {
    this.#walksWanted++
    this.#hints.clear()
    this.#losses.clear() // the walk looks twice at what is missing anyway
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

  /** True while something seen on disk is not in the index yet. */
  get isBusy(): boolean {
    return this.#isBusy || this.#hints.size > 0 || this.#later.size > 0 || this.#walksDone < this.#walksWanted
  }

  /** True while the whole tree is looked at. */
  get isWalking(): boolean {
    return this.#isWalking
  }

  get hasWalked(): boolean {
    return this.#walksDone > 0
  }

  /** Of the walk or round under way. */
  get progress(): ScanProgress | undefined {
    return this.#progress
  }

  isIgnored(path: string, isDirectory: boolean): boolean {
    return this.#rules.isIgnored(path, isDirectory)
  }

  /** Throws `FOLDER_STOPPED` unless the folder's directory is there, is this folder, and says what it ignores. */
  async check(signal: AbortSignal): Promise<void> {
    await this.#checkRoot(signal)
    await this.#readRules(signal)
  }

  /** Works until `signal` aborts. Throws what makes the folder stop: the caller says so. */
  async run(signal: AbortSignal): Promise<void> {
    this.requestWalk()
    try {
      await this.#keepWorking(signal)
    } catch (error) {
      this.#ends++
      this.#endedBy = error
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
    await this.#checkRoot(signal)
    if (this.#walksDone < this.#walksWanted) {
      const wanted = this.#walksWanted
      await this.#walkEverything(signal)
      this.#walksDone = wanted
      this.#walkDone.announce()
    } else await this.#followHints(signal)
  }

  async #wait(signal: AbortSignal): Promise<void> {
    throwIfAborted(signal)
    if (this.#hints.size > 0 || this.#walksDone < this.#walksWanted) return
    const dueMs = Math.min(...this.#later.values())
    const restMs = dueMs - this.#parts.clock.monotonicMs()
    if (this.#later.size === 0) await this.#wakeup.wait(signal)
    else if (restMs > 0) await waitAtMost(this.#wakeup, this.#parts.clock, restMs, signal)
    const nowMs = this.#parts.clock.monotonicMs()
    for (const [path, pathDueMs] of this.#later) {
      if (pathDueMs > nowMs) continue
      this.#later.delete(path)
      this.#hints.add(path)
    }
    return this.#hints.size > 0 || this.#walksDone < this.#walksWanted ? undefined : this.#wait(signal)
  }

  async #walkEverything(signal: AbortSignal): Promise<void> {
    const { index, jobs, handle, log, problems } = this.#parts
    this.#isWalking = true
    await this.#readRules(signal)
    const lost: ItemRow[] = []
    const batches = this.#openBatches(signal)
    const sink = {
      candidate: async (candidate: Candidate) => this.#take(candidate, batches),
      lost: (item: ItemRow) => void lost.push(item),
    }
    await new TreeScan(index, jobs, handle, this.#rules, problems, sink).walk([''], signal)
    await batches.finish(await this.#confirmLosses(lost, signal))
    log.debug('walked', { folder: handle.record.name, lost: lost.length })
  }

  async #followHints(signal: AbortSignal): Promise<void> {
    const paths = this.#takeHints()
    if (paths.some((path) => path === ignoreFileName)) this.requestWalk() // other rules: other paths are in or out
    if (paths.length === 0) return
    const { index, jobs, handle, problems } = this.#parts
    const findings = await jobs.run('statPaths', { root: handle.root, paths }, { signal })
    const lost: ItemRow[] = []
    const newDirectories: string[] = []
    const batches = this.#openBatches(signal)
    for (const [at, path] of paths.entries()) {
      const finding = findings[at]
      const item = index.items.byPath(handle.row, path)
      if (finding === undefined || finding.kind === 'unknown') continue
      if (newDirectories.some((directory) => path.startsWith(`${directory}/`))) continue // the walk below finds it
      if (finding.kind === 'missing') {
        problems.clear('CHANGING', path)
        if (item !== undefined && !this.#isOverdue(path)) continue
        if (item !== undefined) lost.push(...(item.kind === 'directory' ? index.items.below(handle.row, path) : []), item)
        continue
      }
      this.#losses.delete(path) // it came back: the next time it is missing it waits again
      if (this.#rules.isIgnored(path, finding.stat.kind === 'directory') || isAsIndexed(item, finding.stat)) continue
      if (item?.kind === 'directory' && finding.stat.kind !== 'directory') lost.push(...index.items.below(handle.row, path))
      this.#hintParent(path)
      await this.#take({ path, item, sizeBytes: finding.stat.sizeBytes }, batches)
      if (finding.stat.kind === 'directory' && item?.kind !== 'directory') newDirectories.push(path)
    }
    const sink = {
      candidate: async (candidate: Candidate) => this.#take(candidate, batches),
      lost: (item: ItemRow) => void lost.push(item),
    }
    await new TreeScan(index, jobs, handle, this.#rules, problems, sink).walk(newDirectories, signal)
    await batches.finish(await this.#confirmLosses(lost, signal))
  }

  /**
   * A loss waits a moment for its other half: told before the new name of what was moved, it would make the others let go of content
   * that they then have to fetch. True once the path has waited.
   */
  #isOverdue(path: RelativePath): boolean {
    if (this.#losses.delete(path)) return true
    this.#losses.add(path)
    this.#later.set(path, this.#parts.clock.monotonicMs() + lossAfterMs)
    return false
  }

  #takeHints(): readonly RelativePath[] {
    const taken: RelativePath[] = []
    for (const hint of this.#hints) {
      if (taken.length >= hintsPerRound) break
      this.#hints.delete(hint)
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

  #openBatches(signal: AbortSignal): IngestBatches {
    const { index, jobs, handle, clock, problems, events } = this.#parts
    return new IngestBatches(
      index,
      jobs,
      handle,
      clock,
      problems,
      {
        committed: (outcome) => events.committed(outcome),
        progressed: (files, bytes) => this.#addProgress(files, bytes),
        again: (path) => this.#lookAgain(path),
      },
      signal,
    )
  }

  #addProgress(files: number, bytes: number): void {
    const progress = this.#progress
    if (progress === undefined) return
    this.#progress = { ...progress, filesDone: progress.filesDone + files, bytesDone: progress.bytesDone + bytes }
    this.#parts.events.changed()
  }

  #lookAgain(path: string): void {
    this.#later.set(path, this.#parts.clock.monotonicMs() + againAfterMs)
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
    if (confirmed.length > 0) await this.#checkRoot(signal)
    return confirmed
  }

  /** Throws `FOLDER_STOPPED` unless the root is there and is this folder: nothing is believed about any other directory. */
  async #checkRoot(signal: AbortSignal): Promise<void> {
    const { jobs, handle } = this.#parts
    const state = await jobs.run('inspectRoot', { root: handle.root, folder: folderIdText(handle.record.id) }, { signal })
    if (state !== 'ok') throw new EngineError('FOLDER_STOPPED', rootTexts[state](handle.root))
  }

  async #readRules(signal: AbortSignal): Promise<void> {
    const { jobs, handle, problems } = this.#parts
    const text = await jobs.run('readSettings', { root: handle.root, name: ignoreFileName }, { signal })
    if (text.kind === 'unreadable') return this.#refuseRules(text.detail)
    const rulesText = text.kind === 'present' ? text.text : undefined
    const parsed = parseIgnoreRules(rulesText)
    if (parsed.kind === 'refused') return this.#refuseRules(parsed.problem)
    problems.clear('IGNORE_RULES', ignoreFileName)
    this.#hasRules = true
    if (rulesText === this.#rulesText) return
    this.#rules = parsed.rules
    this.#rulesText = rulesText
    this.#parts.events.rulesChanged()
  }

  /** Without any rules the folder waits: sharing what somebody wanted ignored cannot be taken back. Throws `FOLDER_STOPPED` then. */
  #refuseRules(reason: string): void {
    if (!this.#hasRules) {
      throw new EngineError(
        'FOLDER_STOPPED',
        `the rules in ${ignoreFileName} cannot be used: ${reason}. Nothing is synced until they can; mend ${ignoreFileName}`,
      )
    }
    this.#parts.problems.note({
      code: 'IGNORE_RULES',
      severity: 'warning',
      path: ignoreFileName,
      text: `the rules in ${ignoreFileName} cannot be used: ${reason}. The rules before it stay in force.`,
      next: `Mend ${ignoreFileName}.`,
    })
  }
}

function defaultRules(): IgnoreRules {
  const parsed = parseIgnoreRules(undefined)
  if (parsed.kind === 'ok') return parsed.rules
  throw new EngineError('INTERNAL', `the built-in ignore rules do not parse: ${parsed.problem}`)
}

const rootTexts: Readonly<Record<Exclude<RootState, 'ok'>, (root: string) => string>> = {
  rootMissing: (root) =>
    `the folder's directory ${root} is not there: connect its drive or bring it back; nothing is deleted anywhere meanwhile`,
  markerMissing: (root) =>
    `${root} has no .holdfast/folder.json, so it may be an empty mount point: connect the drive. If this is a new place for the folder, remove the folder and join it again here`,
  markerForeign: (root) => `${root} belongs to another folder: bring the right directory back, or remove this folder here`,
  unreadable: (root) => `${root} cannot be read: give the user that runs Holdfast permission`,
}
