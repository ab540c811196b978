// What comes of each path that pull looked at or worked on: rows and problems, and when what did not come about is tried again.

import type { Clock } from '../base/clock.ts'
import { errorCodeOf, messageOf } from '../base/errors.ts'
import { FilesError, type FilesFault } from '../base/files.ts'
import type { Log } from '../base/log.ts'
import type { BlockStore } from '../blocks/store.ts'
import { shortKeyOf } from '../index/columns.ts'
import type { Index } from '../index/index-store.ts'
import type { ItemRow } from '../index/item-table.ts'
import { removalRank, type Need } from '../index/need-table.ts'
import type { RelativePath } from '../model/path.ts'
import { settleElsewhere, wantDirectory } from './elsewhere.ts'
import { entryIdOfPath, type FolderHandle } from './folder-handle.ts'
import { reviveDirectory, writeLoss, type MergeGroup } from './merge.ts'
import type { BlockId } from '../model/ids.ts'
import { withoutLost } from './merge-hold.ts'
import type { FolderProblems } from './problems.ts'
import type { ChangeResult } from './pull-batch.ts'
import { recordVersion } from './pull-commit.ts'
import { faultReasons, problemOfFault } from './pull-faults.ts'
import type { PathPlan, PlannedChange } from './pull-plan.ts'
import type { NeedReason } from './reasons.ts'
import { areCurrent } from './versions.ts'

export interface ConclusionParts {
  readonly index: Index
  readonly handle: FolderHandle
  readonly store: BlockStore
  readonly clock: Clock
  readonly log: Log
  readonly problems: FolderProblems
  readonly events: PullListener
  /** Entries were written that ask for something here: pull is to look again. */
  readonly wake: () => void
  /** Files that are done, bytes that came to the disk, and bytes of files that are done. */
  readonly progressed: (files: number, bytes: number, committedBytes: number) => void
}

export interface PullListener {
  /** Items changed: more blocks can be had here, fewer paths are needed. */
  applied(paths: readonly string[]): void
  /** True while changes made here wait for a person: what a held path needs waits too. */
  isHeld(): boolean
  /**
   * True when all other members of the folder work on it, are connected and said that they do not have the block. That none gave it is not
   * enough: one that broke off is left alone for a while.
   */
  isNowhereElse(block: BlockId): boolean
  /** Entries were written here while bringing versions together: these, or a directory's. */
  merged(groups?: readonly MergeGroup[]): void
  /** A change failed that may have put what it was to replace aside under this name. */
  parkedInDoubt(parked: string): void
  /** What is on disk is not what the index says. */
  stale(paths: readonly string[]): void
  /** What was replaced had been written to in the last moment: it is parked under this name and belongs to the person. */
  keepParked(change: PlannedChange, parked: string): void
  /** There was no room for a change. */
  diskFull(): void
  changed(): void
}

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
/** What was tried again and did not fail, or is not needed any more, is no problem any more. */
const failureKeptMs = 3 * retryLongestMs

export class PullConclusions {
  readonly #parts: ConclusionParts

  constructor(parts: ConclusionParts) {
    this.#parts = parts
  }

  /** For a plan that asks for no change of the disk. */
  settlePlan(need: Need, plan: Exclude<PathPlan, { kind: 'merge' | 'change' }>): void {
    const { index, handle } = this.#parts
    switch (plan.kind) {
      case 'settled':
        if (plan.path !== undefined) this.#parts.problems.clear('APPLY_FAILED', plan.path)
        return index.transact(() => {
          if (plan.gone !== undefined) index.elsewhere.remove(handle.row, plan.gone)
          index.needs.clear(handle.row, need.pathKey)
        })
      case 'elsewhere':
        this.#parts.problems.clear('APPLY_FAILED', plan.path)
        return index.transact(() => settleElsewhere(index, handle, plan.staying))
      case 'record':
        return index.transact(() => recordVersion(index, handle, plan.item, plan.version, false))
      case 'needsParent':
        if (wantDirectory(index, handle, plan.parent)) return this.#parts.wake()
        return this.#revive(plan.parent)
      case 'awaitsParent':
        return this.#postpone(need.pathKey, retrySoonMs, 'AWAITS_PARENT')
      case 'awaitsChildren':
        if (this.#hasStayingBelow(plan.path)) return this.#revive(plan.path)
        // After every removal: the directory's children go first, then the file takes its name.
        index.transact(() => index.needs.put(handle.row, need.pathKey, removalRank * 2 + 1, need.bytes))
        return this.#postpone(need.pathKey, retrySoonMs, 'AWAITS_CHILDREN')
    }
  }

  /** What an attempt threw: each of its paths is tried again. */
  noteFailure(changes: readonly PlannedChange[], error: unknown, signal: AbortSignal): void {
    if (signal.aborted) return
    this.#parts.log.error('could not apply a batch', { code: errorCodeOf(error), error: messageOf(error), paths: changes.length })
    for (const change of changes) {
      if (error instanceof FilesError) this.#concludeFailure(change, error.fault, error.detail)
      else this.postponeGrowing(change, 'FAILED')
    }
  }

  /** `countsBytes`: progress has not counted the content yet. */
  conclude(changes: readonly PlannedChange[], results: readonly ChangeResult[], countsBytes: boolean): void {
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
        if (change.operation.kind !== 'directory') this.#parts.progressed(1, countsBytes ? sizeBytes : 0, sizeBytes)
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
    const isLost = isTried && withoutLost(this.#parts, [change.version], (block) => events.isNowhereElse(block)) !== undefined
    if (!isLost || !areCurrent(index, handle, [change.version])) return this.postponeGrowing(change, 'NO_SOURCE')
    writeLoss(index, handle, change.version, clock.nowMs())
    events.merged()
    this.#parts.wake()
  }

  #concludeRefusal(change: PlannedChange, outcome: Extract<ChangeResult, { kind: 'refused' }>['outcome']): void {
    switch (outcome.kind) {
      case 'differs':
        this.#parts.events.stale(pathsOf(change))
        if (this.#parts.events.isHeld()) return this.postponeGrowing(change, 'HELD')
        return this.#postpone(change.pathKey, retrySoonMs, this.#isOften(change.pathKey) ? 'CHANGED_TOO_OFTEN' : 'CHANGED_HERE')
      case 'badParent':
        // The paths as well: where a directory is gone from disk and index, nothing else says that what was in it is gone too.
        this.#parts.events.stale(pathsOf(change).flatMap((path) => [path.slice(0, Math.max(0, path.lastIndexOf('/'))), path]))
        if (this.#parts.events.isHeld()) return this.postponeGrowing(change, 'HELD')
        return this.#postpone(change.pathKey, retrySoonMs, 'PARENT_CHANGED')
      case 'notEmpty':
        return this.#concludeNotEmpty(change)
      case 'badBlocks':
        return this.postponeGrowing(change, 'BAD_BLOCKS')
      case 'failed':
        return this.#concludeFailure(change, outcome.fault, outcome.detail)
    }
  }

  /** A directory that should go holds something: a path of the folder keeps it alive, ignored files only keep it in place. */
  #concludeNotEmpty(change: PlannedChange): void {
    const { index, handle, problems, events } = this.#parts
    const { item } = change
    if (item === undefined) return this.postponeGrowing(change, 'NOT_EMPTY')
    if (this.#hasStayingBelow(item.path)) return this.#revive(item.path)
    if (index.items.below(handle.row, item.path).some(({ isLeftover }) => !isLeftover))
      return this.#postpone(change.pathKey, retrySoonMs, 'AWAITS_CHILDREN')
    events.stale([item.path])
    // What is in it may be new and not seen yet: then it is a matter of the folder after all.
    const isTried = index.needs.attempts(handle.row, change.pathKey) >= leftoverAttemptsMin
    if (change.version.state !== undefined || !isTried) return this.postponeGrowing(change, 'NOT_EMPTY')
    index.transact(() => recordVersion(index, handle, item, change.version, true))
    problems.note({
      code: 'DIRECTORY_KEPT',
      severity: 'info',
      path: item.path,
      text: `${item.path} was deleted elsewhere; here it stays because of files in it that are not synced`,
      next: 'Delete it here if those files are not needed.',
    })
  }

  /** While each path below has a need of its own they are on their way out; one that has none stays, and so does the directory. */
  #hasStayingBelow(directory: RelativePath): boolean {
    const { index, handle } = this.#parts
    const isStaying = ({ path, isLeftover }: ItemRow): boolean =>
      !isLeftover && !index.needs.has(handle.row, shortKeyOf(entryIdOfPath(handle, path)))
    return index.items.below(handle.row, directory).some(isStaying)
  }

  /** Beside what the others made of its name. */
  #revive(directory: RelativePath): void {
    const { index, handle, clock, events } = this.#parts
    reviveDirectory(index, handle, directory, clock.nowMs())
    events.merged()
    this.#parts.wake()
  }

  #concludeFailure(change: PlannedChange, fault: FilesFault, detail: string): void {
    const { operation } = change
    if ('park' in operation && operation.park !== undefined) this.#parts.events.parkedInDoubt(operation.park)
    if (fault === 'noSpace') this.#parts.events.diskFull()
    this.#parts.problems.note(problemOfFault(change.path, fault, detail), failureKeptMs)
    this.postponeGrowing(change, faultReasons[fault] ?? 'FAILED')
  }

  #isOften(pathKey: number): boolean {
    return this.#parts.index.needs.attempts(this.#parts.handle.row, pathKey) >= oftenAttemptsMin
  }

  /** Tried again after a pause that grows with each attempt. */
  postponeGrowing(change: Pick<PlannedChange, 'pathKey'>, reason: NeedReason): void {
    const { index, handle } = this.#parts
    const attempts = index.needs.attempts(handle.row, change.pathKey)
    this.#postpone(change.pathKey, Math.min(retryFirstMs * 2 ** Math.min(attempts, 20), retryLongestMs), reason)
  }

  #postpone(pathKey: number, delayMs: number, reason: NeedReason): void {
    const { index, handle, clock } = this.#parts
    index.transact(() => index.needs.postpone(handle.row, pathKey, clock.nowMs() + delayMs, reason))
  }
}

function pathsOf({ path, movedFrom }: PlannedChange): readonly string[] {
  return movedFrom === undefined ? [path] : [path, movedFrom.path]
}
