// Keeps history within its bounds: lets versions go that are too old, too many or too large, then the blocks that nothing refers to any
// more, then the room that they took. In this order, each step durable before the next: a row stops referring before a block may go.

import type { Clock } from '../base/clock.ts'
import { bytesKey } from '../base/bytes.ts'
import { messageOf } from '../base/errors.ts'
import type { Jobs } from '../base/jobs.ts'
import type { Log } from '../base/log.ts'
import { waitAtMost, Wakeup } from '../base/queue.ts'
import type { BlockStore } from '../blocks/store.ts'
import type { dropParked } from '../disk/parked-jobs.ts'
import type { PastVersion } from '../index/history-table.ts'
import type { Index } from '../index/index-store.ts'
import { sealOverheadBytes } from '../model/block-list.ts'
import { thinVersions, type HistoryPolicy } from '../model/history-policy.ts'
import type { BlockId } from '../model/ids.ts'
import type { FolderHandle } from './folder-handle.ts'

/** A store that can give back the room of what it forgot. */
export interface HistoryStore extends BlockStore {
  compact(signal: AbortSignal): Promise<unknown>
}

export interface HistoryCareParts {
  readonly index: Index
  readonly jobs: Jobs<{ readonly dropParked: typeof dropParked }>
  readonly handle: FolderHandle
  readonly store: HistoryStore
  readonly clock: Clock
  readonly log: Log
  readonly policy: () => HistoryPolicy
  /** Lets go of files in .holdfast/replaced that belong to no version and are older than any would be. May throw FilesError. */
  readonly expireStrays: (signal: AbortSignal) => Promise<void>
  /** On the disk of the store. */
  readonly freeBytes: () => number
  /** On the disk of the folder. */
  readonly folderFreeBytes: () => number
  /** A full disk cost history so many versions. */
  readonly cutShort: (versions: number) => void
}

interface Surplus {
  storedBytes: number
  parkedBytes: number
}

export interface CareReport {
  readonly versionsDropped: number
  readonly blocksDropped: number
}

const restMs = 30 * 60_000
/** A disk may fill up meanwhile: history gives way. */
const lookMs = 60_000
/** With less room than this the index may not be written: what makes room comes before anything else. */
const crampedBytes = 4 * 1024 * 1024
/**
 * A block goes only when nothing has referred to it for so long: whoever stores one first and writes the row that refers to it a
 * moment later has nothing to fear.
 */
const graceMs = 60_000
/** Versions age by the wall clock: not before it has gone on without a jump for so long. */
const clockTrustMs = 60 * 60_000
const clockJumpMs = 10 * 60_000
/** On a full disk the rows of one step must find room in the reserve. */
const versionsPerStep = 64
const pathsPerStep = 1000
const versionsPerPathMax = 10_000
const idsPerPage = 1000
/** What is to go is remembered between two looks; more waits for the next ones. */
const unreferencedMax = 200_000
/** With more needs than this, finding out what they refer to takes too long; it waits until there are fewer. */
const needsMax = 5000

export class HistoryCare {
  readonly #parts: HistoryCareParts
  readonly #wakeup = new Wakeup()
  /** Blocks that nothing referred to, and since when (monotonic). */
  readonly #unreferenced = new Map<string, number>()
  /** By how much the wall clock is ahead of the monotonic one, and since when. */
  #steady: { readonly offsetMs: number; readonly sinceMs: number } | undefined
  /** Something found no room, and nothing has been stored since. */
  #isFull = false
  /** What the store forgot has not given its room back yet. */
  #isToCompact = false

  constructor(parts: HistoryCareParts) {
    this.#parts = parts
  }

  /** The bounds changed: a round comes soon. */
  wake(): void {
    this.#wakeup.wake()
  }

  /** The disk of folder or store is full: a round comes soon. */
  noteFull(): void {
    this.#isFull = true
    this.#wakeup.wake()
  }

  /** Blocks were stored: a round comes soon when they are too many. */
  noteStored(): void {
    this.#isFull = false
    if (this.#surplus().storedBytes > 0) this.#wakeup.wake()
  }

  /**
   * Before any other work on the folder, which may need what this gives back: only where there is hardly any room, or history has too
   * much of it. Nothing is being stored yet, so that what nothing refers to goes at once: a process may not live as long as the grace.
   */
  async relieve(signal: AbortSignal): Promise<void> {
    const { freeBytes, folderFreeBytes, log } = this.#parts
    const isCramped = Math.min(freeBytes(), folderFreeBytes()) < crampedBytes
    if (!isCramped && this.#surplus().storedBytes <= 0) return
    if (isCramped) this.#isFull = true
    try {
      await this.#tend(0, signal)
    } catch (error) {
      if (signal.aborted) throw error
      log.warn('could not make room', { error: messageOf(error) })
    }
  }

  /** Works until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#parts
    for (;;) {
      await clock.sleep(graceMs, signal)
      try {
        await this.tend(signal)
        if (this.#unreferenced.size > 0) this.#wakeup.wake() // they may go after the grace period
      } catch (error) {
        if (signal.aborted) throw error
        log.warn('could not look after history', { error: messageOf(error) })
      }
      await this.#rest(signal)
    }
  }

  async #rest(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts
    const untilMs = clock.monotonicMs() + restMs
    while (!(await waitAtMost(this.#wakeup, clock, lookMs, signal))) {
      if (clock.monotonicMs() >= untilMs || this.#surplus().storedBytes > 0) return
    }
  }

  /** One round. Throws what the store and the index throw. */
  async tend(signal: AbortSignal): Promise<CareReport> {
    return await this.#tend(graceMs, signal)
  }

  async #tend(patienceMs: number, signal: AbortSignal): Promise<CareReport> {
    const { clock, store } = this.#parts
    const nowMs = clock.nowMs()
    const isClockTrusted = this.#isClockTrusted()
    const aged = isClockTrusted ? (await this.#expire(nowMs, signal)) + (await this.#thin(nowMs, signal)) : 0
    const swept = await this.#sweep(patienceMs, signal)
    // While some of what the store has is on its way out, there is no telling how much is too much.
    const isSettled = swept.isWhole && this.#unreferenced.size === 0
    const shed = isSettled ? await this.#shrink(nowMs, signal) : 0
    const shedBlocks = shed > 0 ? (await this.#sweep(patienceMs, signal)).blocks : 0
    const blocksDropped = swept.blocks + shedBlocks
    if (blocksDropped > 0) this.#isToCompact = true
    if (this.#isToCompact) await store.compact(signal)
    this.#isToCompact = false
    if (isClockTrusted) await this.#parts.expireStrays(signal)
    return { versionsDropped: aged + shed, blocksDropped }
  }

  /** A clock that was just set, or a machine that just woke, says nothing of how old a version is until it has kept on for a while. */
  #isClockTrusted(): boolean {
    const { clock } = this.#parts
    const monotonicMs = clock.monotonicMs()
    const offsetMs = clock.nowMs() - monotonicMs
    const isSteady = this.#steady !== undefined && Math.abs(this.#steady.offsetMs - offsetMs) < clockJumpMs
    if (!isSteady) this.#steady = { offsetMs, sinceMs: monotonicMs }
    return this.#steady !== undefined && monotonicMs - this.#steady.sinceMs >= clockTrustMs
  }

  async #expire(nowMs: number, signal: AbortSignal): Promise<number> {
    const { index, handle, policy } = this.#parts
    const beforeMs = nowMs - policy().keptMs
    let count = 0
    for (;;) {
      const versions = index.history.oldest(handle.row, beforeMs, versionsPerStep)
      if (versions.length === 0) return count
      await this.#drop(versions, true, signal)
      count += versions.length
    }
  }

  async #thin(nowMs: number, signal: AbortSignal): Promise<number> {
    const { index, handle, clock } = this.#parts
    let count = 0
    for (let after = ''; ;) {
      const counted = index.history.pathCounts(handle.row, after, pathsPerStep)
      const last = counted.at(-1)
      if (last === undefined) return count
      after = last.path
      const paths = counted.flatMap(({ path, versions }) => (versions > 1 ? [path] : []))
      const dropped: PastVersion[] = []
      const reachingBack: { readonly name: PastVersion; readonly sinceMs: number }[] = []
      for (const path of paths) {
        const versions = index.history.ofPath(handle.row, path, versionsPerPathMax)
        const thinned = thinVersions(
          versions.map((version) => ({ name: version, sinceMs: version.sinceMs, replacedMs: version.replacedMs })),
          nowMs,
        )
        dropped.push(...thinned.dropped)
        reachingBack.push(...thinned.reachingBack)
      }
      if (reachingBack.length > 0) {
        index.transact(() => {
          for (const { name, sinceMs } of reachingBack) index.history.reachBack(name.row, sinceMs)
        })
      }
      if (dropped.length > 0) await this.#drop(dropped, false, signal)
      count += dropped.length
      await clock.sleep(0, signal)
    }
  }

  /** Oldest first, until what is left fits. */
  async #shrink(nowMs: number, signal: AbortSignal): Promise<number> {
    const { clock, cutShort } = this.#parts
    const surplus = this.#surplus()
    let count = 0
    for (;;) {
      const versions = this.#chooseOldest(surplus, nowMs)
      if (versions.length === 0) break
      await this.#drop(versions, true, signal)
      count += versions.length
      surplus.storedBytes -= this.#freedBy(versions)
      surplus.parkedBytes -= sumOf(versions, ({ parked, sizeBytes }) => (parked === undefined ? 0 : sizeBytes))
      await clock.sleep(0, signal)
    }
    if (count > 0 && this.#isFull) cutShort(count)
    return count
  }

  /** What is beyond the share of history; not more than zero when nothing is. */
  #surplus(): Surplus {
    const { index, handle, store, policy, freeBytes, folderFreeBytes } = this.#parts
    const { shareMax } = policy()
    const beyondShare = (bytes: number, free: number): number => bytes - shareMax * (free + bytes)
    // Files wait for the store only as long as that has no room, which it has again when other versions have gone.
    const parkedBytes = this.#isFull ? index.history.parkedBytes(handle.row) : 0
    return {
      storedBytes: beyondShare(store.payloadBytesOf(handle.record.id), freeBytes()),
      parkedBytes: parkedBytes > 0 ? beyondShare(parkedBytes, folderFreeBytes()) : 0,
    }
  }

  /** As many as it takes, by what is only theirs, and no more than one step; more may be needed. */
  #chooseOldest({ storedBytes, parkedBytes }: Readonly<Surplus>, nowMs: number): readonly PastVersion[] {
    const { index, handle } = this.#parts
    let left = { stored: storedBytes, parked: parkedBytes }
    if (left.stored <= 0 && left.parked <= 0) return []
    const oldest =
      left.stored > 0 ? index.history.oldest(handle.row, nowMs + 1, versionsPerStep) : index.history.parked(handle.row, versionsPerStep)
    const chosen: PastVersion[] = []
    for (const version of oldest) {
      if (left.stored <= 0 && left.parked <= 0) break
      chosen.push(version)
      const parked = version.parked === undefined ? 0 : version.sizeBytes
      left = { stored: left.stored - this.#bytesOfItsOwn(version), parked: left.parked - parked }
    }
    return chosen
  }

  /** What goes with this version: stored blocks that no other has. */
  #bytesOfItsOwn({ row, blocks }: PastVersion): number {
    const { index, handle, store } = this.#parts
    let bytes = 0
    for (let at = 0; at < blocks.count; at++) {
      const id = blocks.id(at)
      if (store.has(handle.record.id, id) && !index.history.isSharedBy(id, row)) bytes += blocks.lengthBytes(at) + sealOverheadBytes
    }
    return bytes
  }

  /** What went with these together: stored blocks that no version has any more. */
  #freedBy(versions: readonly PastVersion[]): number {
    const { index, handle, store } = this.#parts
    const freed = new Map<string, number>()
    for (const { blocks } of versions) {
      for (let at = 0; at < blocks.count; at++) {
        const id = blocks.id(at)
        if (!store.has(handle.record.id, id) || index.history.refersTo(id)) continue
        freed.set(bytesKey(id), blocks.lengthBytes(at) + sealOverheadBytes)
      }
    }
    return sumOf([...freed.values()], (bytes) => bytes)
  }

  /**
   * Files first, rows after. A crash in between leaves rows without files, which the archive settles and the next round drops. The other way
   * round it would leave files without rows: a riddle for the next start, and room that nobody gives back for weeks on a disk that is full.
   */
  async #drop(versions: readonly PastVersion[], isEnd: boolean, signal: AbortSignal): Promise<void> {
    await this.#dropFiles(versions, signal)
    this.#parts.index.transactToMakeRoom(() => {
      for (const version of versions) this.#remove(version, isEnd)
    })
  }

  /** `isEnd`: the folder's past up to then is not whole any more. */
  #remove(version: PastVersion, isEnd: boolean): void {
    const { index, handle } = this.#parts
    index.history.remove(version)
    if (isEnd) index.folders.raiseHistoryFloor(handle.row, version.replacedMs)
  }

  async #dropFiles(versions: readonly PastVersion[], signal: AbortSignal): Promise<void> {
    const { jobs, handle } = this.#parts
    const names = versions.flatMap(({ parked }) => (parked === undefined ? [] : [parked]))
    if (names.length > 0) await jobs.run('dropParked', { root: handle.root, names }, { signal })
  }

  /** Lets the store forget what has been unreferenced for so long. */
  async #sweep(patienceMs: number, signal: AbortSignal): Promise<{ readonly blocks: number; readonly isWhole: boolean }> {
    const { index, handle, store, clock } = this.#parts
    if (index.needs.count(handle.row) > needsMax) return { blocks: 0, isWhole: false }
    let blocks = 0
    for (let after: BlockId | undefined; ;) {
      const page = store.list(handle.record.id, after, idsPerPage)
      after = page.at(-1)
      if (after === undefined) return { blocks, isWhole: true }
      // Nothing is awaited between the look and the call: no row can come in between.
      const gone = this.#overdue(page, patienceMs)
      if (gone.length > 0) await store.remove(handle.record.id, gone)
      blocks += gone.length
      await clock.sleep(0, signal)
    }
  }

  #overdue(page: readonly BlockId[], patienceMs: number): readonly BlockId[] {
    const { clock } = this.#parts
    const free = page.filter((id) => !this.#isReferredTo(id))
    const needed = free.length === 0 ? new Set<string>() : this.#neededBlocks()
    const nowMs = clock.monotonicMs()
    return free.filter((id) => {
      const name = bytesKey(id)
      const sinceMs = needed.has(name) ? undefined : (this.#unreferenced.get(name) ?? nowMs)
      const isOverdue = sinceMs !== undefined && nowMs - sinceMs >= patienceMs
      if (sinceMs === undefined || isOverdue) this.#unreferenced.delete(name)
      else if (this.#unreferenced.size < unreferencedMax) this.#unreferenced.set(name, sinceMs)
      return isOverdue
    })
  }

  #isReferredTo(id: BlockId): boolean {
    const isReferredTo = this.#parts.index.history.refersTo(id)
    if (isReferredTo && this.#unreferenced.size > 0) this.#unreferenced.delete(bytesKey(id))
    return isReferredTo
  }

  /** What current versions of paths that are still to be brought in line are made of: conflicts to be merged, copies to be written. */
  #neededBlocks(): ReadonlySet<string> {
    const { index, handle } = this.#parts
    const start = { rank: -1, pathKey: Number.MAX_SAFE_INTEGER }
    const needs = index.needs.ready(handle.row, start, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, needsMax)
    const needed = new Set<string>()
    for (const { pathKey } of needs) {
      for (const { entry } of index.entries.siblingsByKey(handle.row, pathKey)) {
        for (const { id } of entry.blocks) needed.add(bytesKey(id))
      }
    }
    return needed
  }
}

function sumOf<Item>(items: readonly Item[], bytesOf: (item: Item) => number): number {
  return items.reduce((total, item) => total + bytesOf(item), 0)
}
