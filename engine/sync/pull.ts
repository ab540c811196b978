// From needs to disk: asks again and again what the entries want, what the disk has, and brings the difference. Restart is the
// normal path: everything starts from the rows.

import type { Clock, Random } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Jobs } from '../base/jobs.ts'
import { toHex } from '../base/bytes.ts'
import { EngineError, errorCodeOf, messageOf } from '../base/errors.ts'
import { Semaphore, waitAtMost, Wakeup } from '../base/queue.ts'
import type { Platform } from '../model/path.ts'
import type { BlockStore } from '../blocks/store.ts'
import type { Index } from '../index/index-store.ts'
import { removalRank, type Need } from '../index/need-table.ts'
import type { Fetcher } from '../transfer/fetch.ts'
import type { sealRanges } from '../transfer/seal-ranges-job.ts'
import type { IsKept } from './elsewhere.ts'
import type { FolderHandle } from './folder-handle.ts'
import { largeFileBytesMin } from './ingest-job.ts'
import { writeMerges, type MergeGroup } from './merge.ts'
import { holdContents, withoutLost } from './merge-hold.ts'
import type { FolderProblems } from './problems.ts'
import type { publishBatch } from './publish-job.ts'
import { executeBatch } from './pull-batch.ts'
import { PullConclusions, type PullListener } from './pull-conclusions.ts'
import { storeReasons } from './pull-faults.ts'
import { pullLarge, type LargeJobs, type LargeParts } from './pull-large.ts'
import { PullPlanner, type PlannedChange } from './pull-plan.ts'
import type { NeedReason } from './reasons.ts'
import type { OpenedVersion } from './versions.ts'

export interface PullParts {
  readonly index: Index
  readonly jobs: Jobs<{ readonly publishBatch: typeof publishBatch; readonly sealRanges: typeof sealRanges }> & LargeJobs
  readonly handle: FolderHandle
  readonly store: BlockStore
  readonly fetcher: Fetcher
  readonly lanes: LargeParts['lanes']
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly problems: FolderProblems
  readonly events: PullListener
  readonly names?: () => Platform
  /** Absent: everything is kept. */
  readonly isKept?: IsKept
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

export class Pull {
  readonly #parts: PullParts
  readonly #planner: PullPlanner
  readonly #conclusions: PullConclusions
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
    const names = {
      temporary: () => `small-${this.#temporaries++}`, // what an earlier process left was cleared when the folder started
      parked: () => toHex(parts.random.bytes(8)),
    }
    this.#planner = new PullPlanner(parts.index, parts.handle, names, parts.isKept)
    this.#conclusions = new PullConclusions({
      ...parts,
      wake: () => this.#wakeup.wake(),
      progressed: (files, bytes, committedBytes) => this.#addProgress(files, bytes, committedBytes),
    })
  }

  /** Entries came, or blocks can be had. */
  wake(): void {
    this.#wakeup.wake()
  }

  /** Postponed paths are tried again now: a member came or has more. Throws nothing for the disk's sake: network events call this. */
  retryAll(): void {
    const { index, handle, log } = this.#parts
    try {
      index.transact(() => index.needs.wakeAll(handle.row))
    } catch (error) {
      const code = errorCodeOf(error)
      if (code !== 'NO_SPACE' && code !== 'DISK_FAILED') throw error
      log.warn('could not try sooner what waits: each path waits for its own time', { error: messageOf(error) })
    }
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
        else this.#conclusions.settlePlan(need, plan)
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
      if (typeof group === 'string') this.#conclusions.postponeGrowing({ pathKey }, group)
      else groups.push(group)
    }
    if (groups.length === 0) return
    const written = writeMerges(index, handle, groups, clock.nowMs())
    if (written.length > 0) events.merged(written)
    this.#wakeup.wake()
  }

  /** The versions with the contents that their merge keeps at hand; why not, while some cannot be had, or not be kept. */
  async #mergeable(versions: readonly OpenedVersion[], signal: AbortSignal): Promise<MergeGroup | NeedReason> {
    try {
      if (await holdContents(this.#parts, versions, signal)) return { versions, kind: 'join' }
      const left = withoutLost(this.#parts, versions, (block) => this.#parts.events.isNowhereElse(block))
      return left !== undefined && (await holdContents(this.#parts, left, signal)) ? { versions: left, kind: 'change' } : 'NO_SOURCE'
    } catch (error) {
      const reason = error instanceof EngineError ? storeReasons[error.code] : undefined
      if (reason === undefined) throw error
      this.#parts.log.debug('could not keep the contents of a conflict', { error: messageOf(error) })
      return reason
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
      this.#conclusions.conclude([change], [result], false)
    }, signal)
    this.#track(
      work.catch((error: unknown) => this.#conclusions.noteFailure([change], error, signal)).finally(() => this.#release([change])),
    )
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
      this.#conclusions.conclude(changes, results, true)
    } catch (error) {
      this.#conclusions.noteFailure(changes, error, signal)
    }
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
