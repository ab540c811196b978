// From needs to disk: asks again and again what the entries want, what the disk has, and brings the difference. Restart is the
// normal path: everything starts from the rows.

import type { Clock, Random } from '../base/clock.ts'
import { errorCodeOf, messageOf } from '../base/errors.ts'
import type { FilesFault } from '../base/files.ts'
import type { Log } from '../base/log.ts'
import type { Jobs } from '../base/jobs.ts'
import { toHex } from '../base/bytes.ts'
import { Semaphore, waitAtMost, Wakeup } from '../base/queue.ts'
import type { Platform } from '../model/path.ts'
import type { BlockStore } from '../blocks/store.ts'
import type { Index } from '../index/index-store.ts'
import { removalRank, type Need } from '../index/need-table.ts'
import type { Fetcher } from '../transfer/fetch.ts'
import type { sealRanges } from '../transfer/seal-ranges-job.ts'
import { shortKeyOf } from '../index/columns.ts'
import { entryIdOfPath, type FolderHandle } from './folder-handle.ts'
import { largeFileBytesMin } from './ingest-job.ts'
import { reviveDirectory, writeLoss, writeMerges, type MergeGroup } from './merge.ts'
import { holdContents, withoutLost } from './merge-hold.ts'
import type { FolderProblems } from './problems.ts'
import type { NeedReason } from './reasons.ts'
import type { publishBatch } from './publish-job.ts'
import { executeBatch, type ChangeResult } from './pull-batch.ts'
import { recordVersion } from './pull-commit.ts'
import type { ParkedHomes } from './parked-homes.ts'
import { pullLarge, type LargeJobs, type LargeParts } from './pull-large.ts'
import { faultReasons, problemOfFault } from './pull-faults.ts'
import { PullPlanner, type PathPlan, type PlannedChange } from './pull-plan.ts'
import type { OpenedVersion } from './versions.ts'

export interface PullParts {
  readonly index: Index
  readonly jobs: Jobs<{ readonly publishBatch: typeof publishBatch; readonly sealRanges: typeof sealRanges }> & LargeJobs
  readonly handle: FolderHandle
  readonly store: BlockStore
  readonly fetcher: Fetcher
  readonly parked: ParkedHomes
  readonly lanes: LargeParts['lanes']
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly problems: FolderProblems
  readonly events: PullListener
  readonly names?: () => Platform
}

export interface PullListener {
  /** Items changed: more blocks can be had here, fewer paths are needed. */
  applied(paths: readonly string[]): void
  /** True while changes made here wait for a person: what a held path needs waits too. */
  isHeld(): boolean
  /** True when all members of the folder are connected: what none of them has, nobody has. */
  isEveryMemberHere(): boolean
  /** Entries were written here while bringing versions together: these, or a directory's. */
  merged(groups?: readonly MergeGroup[]): void
  /** A change failed that may have put what it was to replace aside under this name. */
  parkedInDoubt(parked: string): void
  /** What is on disk is not what the index says. */
  stale(paths: readonly string[]): void
  /** What was replaced had been written to in the last moment: it is parked under this name and belongs to the person. */
  keepParked(change: PlannedChange, parked: string): void
  changed(): void
}

export interface TransferProgress {
  readonly filesDone: number
  /** Content that is on disk, parts of unfinished large files too. */
  readonly bytesDone: number
  /** Of these, the bytes of files that are finished. */
  readonly bytesDoneCommitted: number
  readonly startedMs: number
}

/** Pages and batches bound how long the main thread is busy at a stretch (decision 0029). */
const pageNeedsMax = 96
const batchPathsMax = 96
const batchBytesMax = 4 * 1024 * 1024
const batchesUnderWay = 3
const largeFilesUnderWay = 2
/** How often a directory was found holding only what the index does not know before that is taken to be ignored files. */
const leftoverAttemptsMin = 2
/** How often every member was asked in vain before a content is taken to be lost. */
const lossAttemptsMin = 3
const retryFirstMs = 1000
const retryLongestMs = 5 * 60 * 1000
/** Found changed here this many times in a row, a path does not rest. */
const oftenAttemptsMin = 10
/** A path that is being changed here right now is tried again soon. */
const retrySoonMs = 300

export class Pull {
  readonly #parts: PullParts
  readonly #planner: PullPlanner
  readonly #wakeup = new Wakeup()
  readonly #batches = new Semaphore(batchesUnderWay)
  readonly #largeFiles = new Semaphore(largeFilesUnderWay)
  /** Paths being worked on, and their short keys. */
  readonly #claimed = new Map<number, string>()
  readonly #claimedPaths = new Set<string>()
  readonly #underWay = new Set<Promise<void>>()
  #smallUnderWay = 0
  #temporaries = 0
  #progress: TransferProgress | undefined

  constructor(parts: PullParts) {
    this.#parts = parts
    this.#planner = new PullPlanner(parts.index, parts.handle, {
      temporary: () => `small-${this.#temporaries++}`, // what an earlier process left was cleared when the folder started
      parked: () => toHex(parts.random.bytes(8)),
    })
  }

  /** Entries came, or blocks can be had. */
  wake(): void {
    this.#wakeup.wake()
  }

  /** Postponed paths are tried again now: a member came or has more. */
  retryAll(): void {
    this.#parts.index.needs.wakeAll(this.#parts.handle.row)
    this.#wakeup.wake()
  }

  isBeingApplied(path: string): boolean {
    return this.#claimedPaths.has(path)
  }

  get isBusy(): boolean {
    return this.#underWay.size > 0
  }

  /** Since the last time nothing was needed. */
  get progress(): TransferProgress | undefined {
    return this.#progress
  }

  /** Works until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      for (;;) {
        await this.#pass(signal)
        await this.#rest(signal)
      }
    } finally {
      await Promise.allSettled(this.#underWay)
    }
  }

  async #rest(signal: AbortSignal): Promise<void> {
    const { index, handle, clock } = this.#parts
    if (this.#progress !== undefined && this.#underWay.size === 0 && index.needs.count(handle.row) === 0) this.#progress = undefined
    const nowMs = clock.nowMs()
    const retryMs = index.needs.nextRetryMs(handle.row, nowMs)
    if (retryMs === undefined) await this.#wakeup.wait(signal)
    else await waitAtMost(this.#wakeup, clock, Math.max(1, retryMs - nowMs), signal)
  }

  /** Everything that is ready: what appears first, then, with nothing else under way, what goes. */
  async #pass(signal: AbortSignal): Promise<void> {
    await this.#workThrough({ from: -1, to: removalRank }, signal)
    while (this.#smallUnderWay > 0) await Promise.race(this.#underWay)
    await this.#workThrough({ from: removalRank - 1, to: Number.MAX_SAFE_INTEGER }, signal)
  }

  async #workThrough(ranks: { readonly from: number; readonly to: number }, signal: AbortSignal): Promise<void> {
    const { index, handle, clock } = this.#parts
    let after = { rank: ranks.from, pathKey: Number.MAX_SAFE_INTEGER }
    for (;;) {
      const needs = index.needs.ready(handle.row, after, ranks.to, clock.nowMs(), pageNeedsMax)
      const last = needs.at(-1)
      if (last === undefined) return
      after = last
      this.#progress ??= { filesDone: 0, bytesDone: 0, bytesDoneCommitted: 0, startedMs: clock.monotonicMs() }
      await this.#workPage(needs, signal)
      await clock.sleep(0, signal) // other work of this thread gets its turn between pages
    }
  }

  async #workPage(needs: readonly Need[], signal: AbortSignal): Promise<void> {
    const merges: { readonly pathKey: number; readonly versions: readonly OpenedVersion[] }[] = []
    const direct: PlannedChange[] = []
    const withContent: PlannedChange[] = []
    this.#planner.beginPage()
    for (const need of needs) {
      if (this.#claimed.has(need.pathKey)) continue
      for (const plan of this.#planner.plan(need.pathKey)) {
        if (plan.kind === 'merge') merges.push({ pathKey: need.pathKey, versions: plan.versions })
        else if (plan.kind === 'change') (plan.change.content === undefined ? direct : withContent).push(plan.change)
        else this.#settlePlan(need, plan)
      }
    }
    // Members wait to hear that nothing is needed here: what needed no work counts too.
    this.#parts.events.changed()
    await this.#merge(merges, signal)
    // Directories of this page must be there before the files in them: these are awaited.
    await this.#run(direct, signal)
    await this.#startFiles(withContent, signal)
  }

  async #merge(
    merges: readonly { readonly pathKey: number; readonly versions: readonly OpenedVersion[] }[],
    signal: AbortSignal,
  ): Promise<void> {
    const { index, handle, clock, events } = this.#parts
    const groups: MergeGroup[] = []
    for (const { pathKey, versions } of merges) {
      const group = await this.#mergeable(versions, signal)
      if (group === undefined) this.#postponeGrowing({ pathKey }, 'NO_SOURCE')
      // Fetching took a while: what changed meanwhile is planned anew.
      else if (this.#planner.isCurrent(versions)) groups.push(group)
    }
    if (groups.length === 0) return
    writeMerges(index, handle, groups, clock.nowMs())
    events.merged(groups)
    this.#wakeup.wake()
  }

  /** The versions with the contents that their merge keeps at hand; undefined while some cannot be had. */
  async #mergeable(versions: readonly OpenedVersion[], signal: AbortSignal): Promise<MergeGroup | undefined> {
    if (await holdContents(this.#parts, versions, signal)) return { versions, kind: 'join' }
    const left = this.#parts.events.isEveryMemberHere() ? withoutLost(this.#parts, versions) : undefined
    return left !== undefined && (await holdContents(this.#parts, left, signal)) ? { versions: left, kind: 'change' } : undefined
  }

  #settlePlan(need: Need, plan: Exclude<PathPlan, { kind: 'merge' | 'change' }>): void {
    const { index, handle, clock } = this.#parts
    switch (plan.kind) {
      case 'settled':
        if (plan.path !== undefined) this.#parts.problems.clear('APPLY_FAILED', plan.path)
        return index.transact(() => index.needs.clear(handle.row, need.pathKey))
      case 'record':
        return index.transact(() => recordVersion(index, handle, plan.item, plan.version, false))
      case 'needsParent':
        reviveDirectory(index, handle, plan.parent, clock.nowMs())
        this.#parts.events.merged()
        return this.#wakeup.wake()
      case 'awaitsParent':
        return this.#postpone(need.pathKey, retrySoonMs, 'AWAITS_PARENT')
      case 'awaitsChildren':
        // After every removal: the directory's children go first, then the file takes its name.
        index.transact(() => index.needs.put(handle.row, need.pathKey, removalRank * 2 + 1, need.bytes))
        return this.#postpone(need.pathKey, retrySoonMs, 'AWAITS_CHILDREN')
    }
  }

  async #startFiles(changes: readonly PlannedChange[], signal: AbortSignal): Promise<void> {
    let batch: PlannedChange[] = []
    let bytes = 0
    for (const change of changes) {
      const sizeBytes = change.content?.sizeBytes ?? 0
      if (sizeBytes > largeFileBytesMin) {
        this.#startLarge(change, signal)
        continue
      }
      batch.push(change)
      bytes += sizeBytes
      if (batch.length < batchPathsMax && bytes < batchBytesMax) continue
      await this.#startBatch(batch, signal)
      batch = []
      bytes = 0
    }
    if (batch.length > 0) await this.#startBatch(batch, signal)
  }

  /** Waits for a place, then works on the batch behind. */
  async #startBatch(batch: readonly PlannedChange[], signal: AbortSignal): Promise<void> {
    this.#claim(batch)
    this.#smallUnderWay++
    await new Promise<void>((resolve, reject) => {
      const work = this.#batches.hold(async () => {
        resolve()
        await this.#execute(batch, signal)
      }, signal)
      this.#track(
        work
          .catch((error: unknown) => reject(error))
          .finally(() => {
            this.#smallUnderWay--
            this.#release(batch)
          }),
      )
    })
  }

  #startLarge(change: PlannedChange, signal: AbortSignal): void {
    this.#claim([change])
    const onBytes = (bytes: number): void => this.#addProgress(0, bytes, 0)
    const work = this.#largeFiles.hold(async () => {
      const result = await pullLarge({ ...this.#parts, onBytes }, change, signal)
      this.#conclude([change], [result], false)
    }, signal)
    this.#track(work.catch((error: unknown) => this.#noteFailure([change], error, signal)).finally(() => this.#release([change])))
  }

  #track(work: Promise<void>): void {
    this.#underWay.add(work)
    void work.finally(() => {
      this.#underWay.delete(work)
      this.#wakeup.wake()
    })
  }

  /** Works on changes that need no content, and waits for them. */
  async #run(changes: readonly PlannedChange[], signal: AbortSignal): Promise<void> {
    this.#claim(changes)
    try {
      for (let from = 0; from < changes.length; from += batchPathsMax)
        await this.#execute(changes.slice(from, from + batchPathsMax), signal)
    } finally {
      this.#release(changes)
    }
  }

  async #execute(changes: readonly PlannedChange[], signal: AbortSignal): Promise<void> {
    try {
      const results = await executeBatch(this.#parts, changes, signal)
      this.#conclude(changes, results, true)
    } catch (error) {
      this.#noteFailure(changes, error, signal)
    }
  }

  #noteFailure(changes: readonly PlannedChange[], error: unknown, signal: AbortSignal): void {
    if (signal.aborted) return
    this.#parts.log.error('could not apply a batch', { code: errorCodeOf(error), error: messageOf(error), paths: changes.length })
    for (const change of changes) this.#postponeGrowing(change, 'FAILED')
  }

  #conclude(changes: readonly PlannedChange[], results: readonly ChangeResult[], countsBytes: boolean): void {
    const { events, problems } = this.#parts
    const applied: string[] = []
    for (const [at, change] of changes.entries()) {
      const result = results[at]
      if (result === undefined) continue
      if (result.kind === 'applied') {
        applied.push(change.path)
        problems.clear('APPLY_FAILED', change.path)
        if (change.content !== undefined) problems.clear('DISK_FULL')
        this.#concludeRepair(change)
        const sizeBytes = change.content?.sizeBytes ?? 0
        if (change.operation.kind !== 'directory') this.#addProgress(1, countsBytes ? sizeBytes : 0, sizeBytes)
        if (result.keptParked !== undefined) events.keepParked(change, result.keptParked)
      } else if (result.kind === 'noSource') this.#concludeNoSource(change)
      else this.#concludeRefusal(change, result.outcome)
    }
    if (applied.length > 0) events.applied(applied)
    events.changed()
  }

  #concludeRepair({ path, isRepair, operation }: PlannedChange): void {
    const { problems } = this.#parts
    if (isRepair !== true || !('park' in operation) || operation.park === undefined) return
    problems.note({
      code: 'BIT_ROT_REPAIRED',
      severity: 'info',
      path,
      text: `${path} held bytes that nobody wrote and has its own again; the bad ones are in .holdfast/replaced/${operation.park}`,
      next: 'Check the disk; delete that file when you are done with it.',
    })
  }

  #concludeNoSource(change: PlannedChange): void {
    const { index, handle, clock, events } = this.#parts
    const isTried = index.needs.attempts(handle.row, change.pathKey) >= lossAttemptsMin
    const isLost = isTried && events.isEveryMemberHere() && withoutLost(this.#parts, [change.version]) !== undefined
    if (!isLost || !this.#planner.isCurrent([change.version])) return this.#postponeGrowing(change, 'NO_SOURCE')
    writeLoss(index, handle, change.version, clock.nowMs())
    events.merged()
    this.#wakeup.wake()
  }

  #concludeRefusal(change: PlannedChange, outcome: Extract<ChangeResult, { kind: 'refused' }>['outcome']): void {
    switch (outcome.kind) {
      case 'differs':
        this.#parts.events.stale(pathsOf(change))
        if (this.#parts.events.isHeld()) return this.#postponeGrowing(change, 'HELD')
        return this.#postpone(change.pathKey, retrySoonMs, this.#isOften(change.pathKey) ? 'CHANGED_TOO_OFTEN' : 'CHANGED_HERE')
      case 'badParent':
        // The paths as well: where a directory is gone from disk and index, nothing else says that what was in it is gone too.
        this.#parts.events.stale(pathsOf(change).flatMap((path) => [path.slice(0, Math.max(0, path.lastIndexOf('/'))), path]))
        if (this.#parts.events.isHeld()) return this.#postponeGrowing(change, 'HELD')
        return this.#postpone(change.pathKey, retrySoonMs, 'PARENT_CHANGED')
      case 'notEmpty':
        return this.#concludeNotEmpty(change)
      case 'badBlocks':
        return this.#postponeGrowing(change, 'BAD_BLOCKS')
      case 'failed':
        return this.#concludeFailure(change, outcome.fault, outcome.detail)
    }
  }

  /** A directory that should go holds something: a path of the folder keeps it alive, ignored files only keep it in place. */
  #concludeNotEmpty(change: PlannedChange): void {
    const { index, handle, clock, problems, events } = this.#parts
    const { item } = change
    if (item === undefined) return this.#postponeGrowing(change, 'NOT_EMPTY')
    const below = index.items.below(handle.row, item.path)
    if (below.length > 0) {
      // While each of them has a need of its own they are on their way out; one that has none stays, and so does the directory.
      const isStaying = below.some(({ path }) => !index.needs.has(handle.row, shortKeyOf(entryIdOfPath(handle, path))))
      if (!isStaying) return this.#postpone(change.pathKey, retrySoonMs, 'AWAITS_CHILDREN')
      reviveDirectory(index, handle, item.path, clock.nowMs())
      events.merged()
      return this.#wakeup.wake()
    }
    events.stale([item.path])
    // What is in it may be new and not seen yet: then it is a matter of the folder after all.
    const isTried = index.needs.attempts(handle.row, change.pathKey) >= leftoverAttemptsMin
    if (change.version.state !== undefined || !isTried) return this.#postponeGrowing(change, 'NOT_EMPTY')
    index.transact(() => recordVersion(index, handle, item, change.version, true))
    problems.note({
      code: 'DIRECTORY_KEPT',
      severity: 'info',
      path: item.path,
      text: `${item.path} was deleted elsewhere; here it stays because of files in it that are not synced`,
      next: 'Delete it here if those files are not needed.',
    })
  }

  #concludeFailure(change: PlannedChange, fault: FilesFault, detail: string): void {
    const { operation } = change
    if ('park' in operation && operation.park !== undefined) this.#parts.events.parkedInDoubt(operation.park)
    this.#parts.problems.note(problemOfFault(change.path, fault, detail), failureKeptMs)
    this.#postponeGrowing(change, faultReasons[fault] ?? 'FAILED')
  }

  #isOften(pathKey: number): boolean {
    return this.#parts.index.needs.attempts(this.#parts.handle.row, pathKey) >= oftenAttemptsMin
  }

  #postponeGrowing(change: Pick<PlannedChange, 'pathKey'>, reason: NeedReason): void {
    const { index, handle } = this.#parts
    const attempts = index.needs.attempts(handle.row, change.pathKey)
    this.#postpone(change.pathKey, Math.min(retryFirstMs * 2 ** Math.min(attempts, 20), retryLongestMs), reason)
  }

  #postpone(pathKey: number, delayMs: number, reason: NeedReason): void {
    const { index, handle, clock } = this.#parts
    index.transact(() => index.needs.postpone(handle.row, pathKey, clock.nowMs() + delayMs, reason))
  }

  #addProgress(files: number, bytes: number, committedBytes: number): void {
    const progress = this.#progress
    if (progress === undefined) return
    this.#progress = {
      ...progress,
      filesDone: progress.filesDone + files,
      bytesDone: progress.bytesDone + bytes,
      bytesDoneCommitted: progress.bytesDoneCommitted + committedBytes,
    }
    if (bytes > 0) this.#parts.events.changed()
  }

  #claim(changes: readonly PlannedChange[]): void {
    for (const change of changes) {
      this.#claimed.set(change.pathKey, change.path)
      this.#claimedPaths.add(change.path)
      if (change.movedFrom !== undefined) this.#claimedPaths.add(change.movedFrom.path)
    }
  }

  #release(changes: readonly PlannedChange[]): void {
    for (const change of changes) {
      this.#claimed.delete(change.pathKey)
      this.#claimedPaths.delete(change.path)
      if (change.movedFrom !== undefined) this.#claimedPaths.delete(change.movedFrom.path)
    }
  }
}

/** What was tried again and did not fail, or is not needed any more, is no problem any more. */
const failureKeptMs = 3 * retryLongestMs

function pathsOf({ path, movedFrom }: PlannedChange): readonly string[] {
  return movedFrom === undefined ? [path] : [path, movedFrom.path]
}
