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
import type { RelativePath } from '../model/path.ts'
import type { FolderHandle } from './folder-handle.ts'
import { commitFound, type FoundPath, type FoundState, type IngestOutcome } from './ingest-commit.ts'
import { sealPathMeta, type ingestBatch, type ingestWindow, type IngestFact, type IngestOutput, type IngestRequest } from './ingest-job.ts'
import { chunkClassNumber, parseChunkClass } from './job-keys.ts'
import type { FolderProblems } from './problems.ts'
import type { Candidate } from './scan.ts'

export type IngestJobs = Jobs<{ readonly ingestBatch: typeof ingestBatch; readonly ingestWindow: typeof ingestWindow }>

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

export class IngestBatches {
  readonly #index: Index
  readonly #jobs: IngestJobs
  readonly #handle: FolderHandle
  readonly #clock: Clock
  readonly #problems: FolderProblems
  readonly #events: IngestEvents
  readonly #signal: AbortSignal
  readonly #largeFiles = new Semaphore(largeFilesAtOnce)
  #pending: Candidate[] = []
  #pendingBytes = 0
  #commits: Promise<void>[] = []
  /** Found, but held back until the losses are known: a move is then one change set. */
  readonly #held: FoundPath[] = []
  readonly #failures: unknown[] = []

  constructor(
    index: Index,
    jobs: IngestJobs,
    handle: FolderHandle,
    clock: Clock,
    problems: FolderProblems,
    events: IngestEvents,
    signal: AbortSignal,
  ) {
    this.#index = index
    this.#jobs = jobs
    this.#handle = handle
    this.#clock = clock
    this.#problems = problems
    this.#events = events
    this.#signal = signal
  }

  /** Takes a candidate; waits while enough batches are under way. */
  async add(candidate: Candidate): Promise<void> {
    this.#pending.push(candidate)
    this.#pendingBytes += candidate.sizeBytes
    if (this.#pending.length >= batchPathsMax || this.#pendingBytes >= batchBytesMax) await this.#flush()
  }

  /** Reads and commits everything that was added, then the losses together with what was held back. */
  async finish(lost: readonly FoundPath[]): Promise<void> {
    await this.#flush()
    await this.#settle(0)
    const last = [...this.#held, ...lost]
    for (let from = 0; from < last.length; from += batchPathsMax) this.#commit(last.slice(from, from + batchPathsMax))
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
      const found = await reading
      const now = found.filter((path) => !this.#isMove(path))
      this.#held.push(...found.filter((path) => this.#isMove(path)))
      this.#commit(now)
    } catch (error) {
      this.#failures.push(error)
    }
  }

  /** New here, and the same file (by inode and content) as an item elsewhere: probably that one's new name. */
  #isMove(found: FoundPath): boolean {
    const state = found.found
    if (found.item !== undefined || state.kind !== 'file' || state.blocks.count === 0) return false
    return this.#index.items.byInode(this.#handle.row, state.stat.inode).some((item) => item.blocks.equals(state.blocks))
  }

  #commit(found: readonly FoundPath[]): void {
    if (found.length === 0) return
    const outcome = commitFound(this.#index, this.#handle, found, this.#clock.nowMs())
    for (const path of outcome.again) this.#events.again(path)
    this.#events.committed(outcome)
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
        this.#problems.clear('UNREADABLE', fact.path)
        this.#problems.clear('CHANGING', fact.path)
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
