// Candidates go to the workers in batches, several at a time; what comes back is committed in the order in which it was found,
// so that a directory's entry exists before its children's.

import { messageOf } from '../base/errors.ts'
import type { FileStat } from '../base/files.ts'
import type { Clock } from '../base/clock.ts'
import type { Jobs } from '../base/jobs.ts'
import { Semaphore } from '../base/queue.ts'
import { chooseClass } from '../chunk/limits.ts'
import type { Index } from '../index/index-store.ts'
import { concatBytes } from '../base/bytes.ts'
import { BlockList } from '../model/block-list.ts'
import type { ItemRow } from '../index/item-table.ts'
import { entryBlocksMax } from '../model/entry.ts'
import type { RelativePath } from '../model/path.ts'
import { entryIdOfPath, type FolderHandle } from './folder-handle.ts'
import type { ChangeGuard } from './change-guard.ts'
import { commitFound, isKnownVersion, isRewrite, twinOf, type FoundPath, type FoundState, type IngestOutcome } from './ingest-commit.ts'
import { sealPathMeta, type ingestBatch, type ingestWindow, type IngestFact, type IngestOutput, type IngestRequest } from './ingest-job.ts'
import { chunkClassNumber, parseChunkClass } from './job-keys.ts'
import { keepBeside } from './merge.ts'
import type { FolderProblems } from './problems.ts'
import { isSameContent } from './reconcile.ts'
import type { Candidate } from './scan.ts'
import { isFromBackup, restoredUsOf, takeBack } from './take-back.ts'

export type IngestJobs = Jobs<{ readonly ingestBatch: typeof ingestBatch; readonly ingestWindow: typeof ingestWindow }>

/**
 * What becomes of changes: 'tell' writes entries for all; 'gather' keeps rewrites for whoever decides about them; 'hold' writes none;
 * 'takeBack' treats rewrites and losses as accidents. In every manner what came with an old backup is taken back, and so is the loss of a
 * path that is in doubt.
 */
export type IngestManner = 'tell' | 'gather' | 'hold' | 'takeBack'

export interface IngestEvents {
  /** Entries were written, or paths are to be reconciled. */
  committed(outcome: IngestOutcome): void
  /** For progress. */
  progressed(files: number, bytes: number): void
  /** The path is to be looked at again, after a while. */
  again(path: RelativePath): void
}

/** What one job reads at most: small enough to keep memory and latency low, large enough that messages do not count. */
const batchPathsMax = 400
const batchBytesMax = 8 * 1024 * 1024
const largeFilesAtOnce = 2
const missing = { kind: 'missing' } as const

export interface IngestBatchParts {
  readonly index: Index
  readonly jobs: IngestJobs
  readonly handle: FolderHandle
  readonly clock: Clock
  readonly problems: FolderProblems
  readonly guard: ChangeGuard
  readonly events: IngestEvents
}

export class IngestBatches {
  readonly #index: Index
  readonly #jobs: IngestJobs
  readonly #handle: FolderHandle
  readonly #clock: Clock
  readonly #problems: FolderProblems
  readonly #events: IngestEvents
  readonly #guard: ChangeGuard
  readonly #manner: IngestManner
  readonly #signal: AbortSignal
  readonly #restoredUs: number | undefined
  readonly #largeFiles = new Semaphore(largeFilesAtOnce)
  #pending: Candidate[] = []
  #pendingBytes = 0
  #commits: Promise<void>[] = []
  /** Found, but held back until the losses are known: a move is then one change set. */
  readonly #held: FoundPath[] = []
  /** Found where a directory was: told after the losses of what was in it. */
  readonly #replacements: FoundPath[] = []
  readonly #failures: unknown[] = []
  /** Rewrites found, in manners other than 'tell'. */
  readonly #rewrites: FoundPath[] = []

  constructor(parts: IngestBatchParts, manner: IngestManner, signal: AbortSignal) {
    this.#index = parts.index
    this.#jobs = parts.jobs
    this.#handle = parts.handle
    this.#clock = parts.clock
    this.#problems = parts.problems
    this.#events = parts.events
    this.#guard = parts.guard
    this.#manner = manner
    this.#signal = signal
    this.#restoredUs = restoredUsOf(parts.index, parts.handle)
  }

  /** Takes a candidate; waits while enough batches are under way. */
  async add(candidate: Candidate): Promise<void> {
    this.#pending.push(candidate)
    this.#pendingBytes += candidate.sizeBytes
    if (this.#pending.length >= batchPathsMax || this.#pendingBytes >= batchBytesMax) await this.#flush()
  }

  /** Reads everything that was added; gives the rewrites that were not told. */
  async settle(): Promise<readonly FoundPath[]> {
    await this.#flush()
    await this.#settle(0)
    return this.#rewrites
  }

  /** After `settle`: commits what was held back, and with it the losses. */
  finish(lost: readonly FoundPath[]): void {
    const isAccident = (found: FoundPath): boolean => this.#isAccident(found)
    if (this.#manner === 'hold') return this.#takeBack(lost.filter(isAccident))
    const rewrites = this.#manner === 'gather' ? this.#rewrites : []
    const last = [...this.#held, ...rewrites, ...lost.filter((found) => !isAccident(found)), ...this.#replacements]
    for (let from = 0; from < last.length; from += batchPathsMax) this.#commit(last.slice(from, from + batchPathsMax))
    this.#takeBack(lost.filter(isAccident))
  }

  #isAccident({ item }: FoundPath): boolean {
    return item !== undefined && (this.#manner === 'takeBack' || item.isDoubted === true) && this.#isLostForReal(item)
  }

  /** A directory counts as lost when its files do: it is made again for them. */
  #isLostForReal(item: ItemRow): boolean {
    return item.kind === 'directory' || this.#guard.isLoss(item)
  }

  #takeBack(accidents: readonly FoundPath[]): void {
    for (let from = 0; from < accidents.length; from += batchPathsMax) {
      const again = takeBack(this.#index, this.#handle, accidents.slice(from, from + batchPathsMax), this.#clock.nowMs())
      for (const path of again) this.#events.again(path)
    }
    if (accidents.length === 0) return
    const unflushed = accidents.flatMap(({ path, found }) => (found.kind === 'file' ? [path] : []))
    this.#events.committed({ written: 0, adopted: 0, unflushed, again: [], hasNeeds: true })
  }

  async #flush(): Promise<void> {
    if (this.#pending.length === 0) return
    const candidates = this.#pending
    this.#pending = []
    this.#pendingBytes = 0
    const earlier = this.#commits.at(-1)
    const reading = this.#read(candidates)
    reading.catch(() => undefined) // awaited below, after the earlier batches: not unhandled meanwhile
    this.#commits.push(this.#commitAfter(earlier, reading))
    await this.#settle(this.#jobs.width)
  }

  /** Waits until at most `underWay` batches are; throws the first failure. */
  async #settle(underWay: number): Promise<void> {
    while (this.#commits.length > underWay) await this.#commits.shift()
    if (this.#failures.length > 0) throw this.#failures[0]
  }

  async #commitAfter(earlier: Promise<void> | undefined, reading: Promise<readonly FoundPath[]>): Promise<void> {
    try {
      await earlier
      const now: FoundPath[] = []
      const rewrites: FoundPath[] = []
      const old: FoundPath[] = []
      for (const found of await reading) {
        this.#lookAtOtherNames(found)
        if (this.#isFromBackup(found)) old.push(found)
        else if (this.#isMove(found)) this.#held.push(found)
        else if (this.#isInPlaceOfDirectory(found)) this.#replacements.push(found)
        else if (this.#isSetApart(found)) rewrites.push(found)
        else now.push(found)
      }
      this.#commit(now)
      this.#takeBack(this.#manner === 'takeBack' ? [...old, ...rewrites] : old)
      // Held changes are looked at anew when they are decided about: only their number counts.
      this.#rewrites.push(...(this.#manner === 'hold' ? rewrites.map(({ path, item }) => ({ path, item, found: missing })) : rewrites))
    } catch (error) {
      this.#failures.push(error)
    }
  }

  #isFromBackup(found: FoundPath): boolean {
    if (found.found.kind === 'missing') return found.item?.isDoubted === true && this.#isAccident(found)
    return isFromBackup(this.#index, this.#handle, found, this.#restoredUs) && !isKnownVersion(this.#index, this.#handle, found)
  }

  /** Whether the rewrite is not simply told. */
  #isSetApart(found: FoundPath): boolean {
    return this.#manner !== 'tell' && isRewrite(found) && !isKnownVersion(this.#index, this.#handle, found)
  }

  /** New here, and the same file (by inode and content) as an item elsewhere: probably that one's new name. */
  #isMove(found: FoundPath): boolean {
    const state = found.found
    if (found.item !== undefined || state.kind === 'missing' || state.kind === 'directory') return false
    const known = this.#index.items.byInode(this.#handle.row, state.stat.inode).filter((item) => isSameContent(item, state))
    for (const { path } of known) this.#guard.noteMoved(path)
    return known.length > 0 && state.kind === 'file' && state.blocks.count > 0
  }

  /**
   * Told before what was in the directory is gone, it would meet a member that has it as living still, and the two would be taken for
   * concurrent: the directory would keep the name, and this get a conflict copy that nobody made.
   */
  #isInPlaceOfDirectory({ item, found: state }: FoundPath): boolean {
    return this.#manner !== 'hold' && item?.kind === 'directory' && (state.kind === 'file' || state.kind === 'symlink')
  }

  /** Another name of the same file (a hard link) has changed with it, and nothing told of that one. */
  #lookAtOtherNames({ path, item, found: state }: FoundPath): void {
    if (item?.kind !== 'file' || state.kind !== 'file' || state.stat.links < 2) return
    for (const other of this.#index.items.byInode(this.#handle.row, state.stat.inode)) {
      if (other.path !== path && other.ctimeUs !== state.stat.ctimeUs) this.#events.again(other.path)
    }
  }

  #commit(found: readonly FoundPath[]): void {
    if (found.length === 0) return
    const isTold = this.#manner !== 'hold'
    for (const one of found) {
      if (!isTold || one.item === undefined) continue
      if (one.found.kind === 'missing' ? this.#guard.isLoss(one.item) : isRewrite(one))
        this.#guard.noteTold(one.path, one.found.kind === 'missing')
    }
    for (const one of found) this.#noteTwin(one)
    const timeMs = this.#clock.nowMs()
    const inPlace = isTold ? found.filter((one) => this.#isInPlaceOfElsewhere(one)) : []
    const outcome = this.#index.transact(() => {
      for (const { path, found: state } of inPlace) {
        if (state.kind !== 'missing') keepBeside(this.#index, this.#handle, path, state, timeMs)
      }
      return commitFound(this.#index, this.#handle, found, timeMs, isTold ? 'tell' : 'note')
    })
    for (const path of outcome.again) this.#events.again(path)
    this.#events.committed(inPlace.length === 0 ? outcome : { ...outcome, hasNeeds: true })
  }

  /** Made under the name of a file that is not here, by somebody who has not seen that one. */
  #isInPlaceOfElsewhere(found: FoundPath): boolean {
    if (found.item !== undefined || found.found.kind === 'missing') return false
    const isElsewhere = this.#index.elsewhere.has(this.#handle.row, entryIdOfPath(this.#handle, found.path))
    return isElsewhere && !isKnownVersion(this.#index, this.#handle, found)
  }

  /** Two files whose names differ in their Unicode form only: one entry could hold but one of them. */
  #noteTwin(found: FoundPath): void {
    const twin = twinOf(this.#index, this.#handle, found)
    if (twin === undefined) return this.#problems.clear('NAME_TWIN', found.path)
    this.#problems.note({
      code: 'NAME_TWIN',
      severity: 'warning',
      path: found.path,
      text: `there are two files called ${found.path}, in two Unicode forms of that name. One of them is synced, this one stays here alone, as it is`,
      next: 'Rename one of the two.',
    })
  }

  async #read(candidates: readonly Candidate[]): Promise<readonly FoundPath[]> {
    const requests = candidates.map((candidate) => this.#requestFor(candidate))
    const output = await this.#jobs.run(
      'ingestBatch',
      { root: this.#handle.root, keys: this.#handle.jobKeys, editor: this.#handle.authorId, requests },
      { signal: this.#signal },
    )
    const found: FoundPath[] = []
    for (const [at, fact] of output.facts.entries()) {
      const candidate = candidates[at]
      const state = candidate === undefined ? undefined : await this.#stateOf(fact, output, requests[at])
      if (candidate !== undefined && state !== undefined) found.push({ path: candidate.path, item: candidate.item, found: state })
    }
    this.#events.progressed(candidates.length, 0)
    return found
  }

  #requestFor({ path, item }: Candidate): IngestRequest {
    if (item?.kind === 'file') return { path, previousBlocks: item.blocks.bytes, previousClass: item.chunkClass }
    return { path, previousBlocks: BlockList.empty.bytes, previousClass: 0 }
  }

  /** undefined when there is nothing to commit for the path now. */
  async #stateOf(fact: IngestFact, output: IngestOutput, request: IngestRequest | undefined): Promise<FoundState | undefined> {
    switch (fact.kind) {
      case 'file':
      case 'directory':
      case 'symlink':
        if (fact.kind !== 'directory') this.#problems.clear('UNREADABLE', fact.path) // a directory's was about what is in it
        this.#problems.clear('CHANGING', fact.path)
        this.#problems.clear('FILE_TOO_LARGE', fact.path)
        return {
          kind: fact.kind,
          stat: fact.stat,
          chunkClass: fact.chunkClass,
          blocks: new BlockList(output.blocks.subarray(fact.blocksFrom, fact.blocksTo)),
          linkTarget: fact.linkTarget,
          sealed: output.sealed.subarray(fact.sealedFrom, fact.sealedTo),
        }
      case 'missing':
        return { kind: 'missing' }
      case 'special':
        return { kind: 'missing' } // what was synced under this name is gone; the special file itself is not synced
      case 'large':
        return this.#readLarge(fact.path, fact.stat, request)
      case 'changing':
        this.#noteChanging(fact.path)
        return undefined
      case 'failed':
        this.#noteUnreadable(fact.path, fact.detail)
        return undefined
    }
  }

  async #readLarge(path: RelativePath, stat: FileStat, request: IngestRequest | undefined): Promise<FoundState | undefined> {
    try {
      return await this.#largeFiles.hold(() => this.#readWindows(path, stat, request), this.#signal)
    } catch (error) {
      if (this.#signal.aborted) throw error
      this.#noteUnreadable(path, messageOf(error))
      return undefined
    }
  }

  async #readWindows(path: RelativePath, stat: FileStat, request: IngestRequest | undefined): Promise<FoundState | undefined> {
    const { root, jobKeys, authorId } = this.#handle
    const previous = this.#previousFor(stat, request)
    const chunkClass = chooseClass(stat.sizeBytes, parseChunkClass(previous.previousClass))
    const parts: Uint8Array[] = []
    let blockCount = 0
    let offset = 0
    let previousAt = 0
    while (offset < stat.sizeBytes) {
      const window = await this.#jobs.run(
        'ingestWindow',
        { root, path, keys: jobKeys, chunkClass, offset, previousBlocks: previous.previousBlocks, previousAt, stat },
        { signal: this.#signal },
      )
      if (window.kind === 'changing') {
        this.#noteChanging(path)
        return undefined
      }
      parts.push(window.blocks)
      blockCount += new BlockList(window.blocks).count
      if (blockCount > entryBlocksMax) {
        this.#noteTooLarge(path)
        return undefined
      }
      this.#events.progressed(0, window.nextOffset - offset)
      offset = window.nextOffset
      previousAt = window.previousAt
    }
    const blocks = new BlockList(concatBytes(parts))
    const classNumber = chunkClassNumber(chunkClass)
    const facts = { path, kind: 'file' as const, stat, chunkClass: classNumber, blocks, linkTarget: undefined }
    return { kind: 'file', stat, chunkClass: classNumber, blocks, linkTarget: undefined, sealed: sealPathMeta(jobKeys, authorId, facts) }
  }

  /** Old boundaries to try: the path's own, or those of the same inode under another name. */
  #previousFor(stat: FileStat, request: IngestRequest | undefined): Pick<IngestRequest, 'previousBlocks' | 'previousClass'> {
    if (request !== undefined && request.previousBlocks.length > 0) return request
    const moved = this.#index.items.byInode(this.#handle.row, stat.inode).find((item) => item.kind === 'file')
    return moved === undefined
      ? { previousBlocks: BlockList.empty.bytes, previousClass: 0 }
      : { previousBlocks: moved.blocks.bytes, previousClass: moved.chunkClass }
  }

  #noteChanging(path: RelativePath): void {
    this.#events.again(path)
    this.#problems.note({
      code: 'CHANGING',
      severity: 'info',
      path,
      text: `${path} is being written to; it will be synced once it rests for a moment`,
      next: 'Nothing to do.',
    })
  }

  #noteTooLarge(path: RelativePath): void {
    this.#problems.note({
      code: 'FILE_TOO_LARGE',
      severity: 'error',
      path,
      text: `${path} has more than ${entryBlocksMax} blocks, which is more than Holdfast can carry as one file. It is not synced.`,
      next: 'Split it into parts of at most 50 GB, or add it to .holdfastignore.',
    })
  }

  #noteUnreadable(path: RelativePath, detail: string): void {
    this.#problems.note({
      code: 'UNREADABLE',
      severity: 'error',
      path,
      text: `${path} cannot be read: ${detail}. The version that others have is left as it is.`,
      next: 'Give the user that runs Holdfast permission to read it, then rescan the folder.',
    })
  }
}
