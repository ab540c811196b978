// What files that people wrote are worth: the system keeps what was saved in memory for a while, so that a copy here counts only once it was
// flushed. Off the way of everything else, by whoever is about to say what is held. What pull writes is flushed there.

import type { Clock } from '../base/clock.ts'
import { errorCodeOf } from '../base/errors.ts'
import type { Jobs } from '../base/jobs.ts'
import type { Log } from '../base/log.ts'
import type { flushFiles } from '../disk/flush-files-job.ts'
import type { Index } from '../index/index-store.ts'
import { parseRelativePath, type RelativePath } from '../model/path.ts'
import { entryIdOfPath, type FolderHandle } from '../sync/folder-handle.ts'
import type { TreeFlush } from './parts.ts'
import { Unflushed, type UnflushedNow } from './unflushed.ts'

export interface OwnFilesParts {
  readonly index: Index
  readonly handle: FolderHandle
  readonly world: {
    readonly clock: Clock
    readonly log: Log
    readonly jobs: Jobs<{ readonly flushFiles: typeof flushFiles }>
    /** Absent where there is no flushing a whole file system. */
    readonly treeFlush?: TreeFlush | undefined
  }
}

/** Beyond so many files it is not known any more which they are, and all of the tree is flushed. */
const namesMax = 10_000
/** In one job. */
const jobFilesMax = 256
const pageFiles = 500
/** Entries of so many files are looked up at a stretch. */
const pageNames = 100
const none: ReadonlySet<string> = new Set()

export class OwnFiles {
  readonly #parts: OwnFilesParts
  readonly #unflushed: Unflushed

  constructor(parts: OwnFilesParts) {
    this.#parts = parts
    this.#unflushed = new Unflushed(parts.index.folders.isUnflushed(parts.handle.row), namesMax)
  }

  /** Files were found as somebody else wrote them; the transaction that says so marked the folder. */
  note(paths: readonly RelativePath[]): void {
    this.#unflushed.note(paths)
  }

  /** It is not known of the file at this path that it is on the device. */
  isUnflushed(path: string): boolean {
    return this.#unflushed.has(path)
  }

  /**
   * By row of the author, the numbers of entries whose file was not known to be on the device when this was called; undefined where so much is
   * new that nobody can say which these are.
   */
  async unflushedSeqs(signal: AbortSignal): Promise<ReadonlyMap<number, readonly number[]> | undefined> {
    const { index, handle, world } = this.#parts
    const { paths } = this.#unflushed.now()
    if (paths === undefined) return undefined
    const seqs = new Map<number, number[]>()
    for (const [at, text] of paths.entries()) {
      if (at > 0 && at % pageNames === 0) await world.clock.sleep(0, signal)
      const path = parseRelativePath(text)
      for (const { author, seq } of path === undefined ? [] : index.entries.siblings(handle.row, entryIdOfPath(handle, path))) {
        const known = seqs.get(author)
        if (known === undefined) seqs.set(author, [seq])
        else known.push(seq)
      }
    }
    return seqs
  }

  /** Flushes what is new. What could not be flushed stays unflushed, and is tried again. */
  async settle(signal: AbortSignal): Promise<void> {
    if (this.#unflushed.isEmpty) return
    const now = this.#unflushed.now()
    const failed = await this.#flushAll(now, signal)
    this.#unflushed.flushed(now, failed)
    if (this.#unflushed.isEmpty) this.#unmark()
  }

  #unmark(): void {
    const { index, handle } = this.#parts
    try {
      index.transact(() => index.folders.setUnflushed(handle.row, false))
    } catch (error) {
      if (errorCodeOf(error) === undefined) throw error // no room: the next process flushes all once more
    }
  }

  /** Flushes the files at these paths, whether or not anything is new about them; gives those that could not be. */
  async flush(paths: readonly string[], signal: AbortSignal): Promise<ReadonlySet<string>> {
    const parsed = parsedOf([...new Set(paths)])
    const { mark } = this.#unflushed.now()
    const failed = await this.#flushFiles(parsed, signal)
    this.#unflushed.flushed({ mark, paths: parsed }, failed)
    return failed
  }

  async #flushAll({ paths }: UnflushedNow, signal: AbortSignal): Promise<ReadonlySet<string>> {
    const { index, handle, world } = this.#parts
    const { treeFlush } = world
    const count = paths?.length ?? index.items.totals(handle.row).files
    if (treeFlush !== undefined && count >= treeFlush.filesMin && (await treeFlush.flush(handle.root, signal))) return none
    if (paths !== undefined) return await this.#flushFiles(parsedOf(paths), signal)
    let failed = none
    for (let row = 0; ;) {
      const files = index.items.filesAfter(handle.row, row, pageFiles)
      const found = files.map((item) => item.path)
      failed = failed.union(await this.#flushFiles(found, signal))
      row = files.at(-1)?.row ?? row
      if (files.length < pageFiles) return failed
    }
  }

  async #flushFiles(paths: readonly RelativePath[], signal: AbortSignal): Promise<ReadonlySet<string>> {
    const { handle, world } = this.#parts
    const log = world.log.child({ folder: handle.record.name })
    const failed = new Set<string>()
    for (let from = 0; from < paths.length; from += jobFilesMax) {
      const outcome = await world.jobs.run('flushFiles', { root: handle.root, paths: paths.slice(from, from + jobFilesMax) }, { signal })
      for (const path of outcome.failed) failed.add(path)
      if (outcome.error !== undefined) {
        log.warn('could not flush files of this folder: they do not count as held here', {
          files: outcome.failed.length,
          error: outcome.error,
        })
      }
    }
    return failed
  }
}

function parsedOf(paths: readonly string[]): readonly RelativePath[] {
  return paths.flatMap((path) => parseRelativePath(path) ?? [])
}
