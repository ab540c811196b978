// What a person's own files are worth: the system keeps what was saved in memory for a while, so that a copy here counts only once it was flushed.
// Off the way of everything else, by whoever is about to say what is held.

import type { Jobs } from '../base/jobs.ts'
import type { Log } from '../base/log.ts'
import type { flushFiles } from '../disk/flush-files-job.ts'
import type { Index } from '../index/index-store.ts'
import { glanceAtEntry } from '../model/entry.ts'
import { greatestKnown } from '../model/known.ts'
import type { RelativePath } from '../model/path.ts'
import { decodedRow, type StoredEntry } from '../index/entry-table.ts'
import type { TreeFlush } from './parts.ts'
import type { FolderHandle } from '../sync/folder-handle.ts'
import { openEntryMeta } from '../sync/versions.ts'

export interface OwnFilesParts {
  readonly index: Index
  readonly handle: FolderHandle
  readonly jobs: Jobs<{ readonly flushFiles: typeof flushFiles }>
  readonly log: Log
  readonly treeFlush: TreeFlush | undefined
}

const pageEntries = 500
/** In one job, one by one. */
const jobFilesMin = 256

export class OwnFiles {
  readonly #parts: OwnFilesParts
  /** Own entries up to this row were flushed, and these numbers. */
  #row = 0
  #seq = 0

  constructor(parts: OwnFilesParts) {
    this.#parts = parts
  }

  /** Flushes what is new; gives the own sequence number up to which files are on the device. */
  async settle(signal: AbortSignal): Promise<number> {
    const { index, handle, log } = this.#parts
    const own = index.entries.author(handle.row, handle.authorId)
    const seq = own === undefined ? 0 : greatestKnown(own.known)
    const row = index.entries.lastRowSeq
    if (own === undefined || seq <= this.#seq) return this.#seq
    const failed = await this.#flush(own.row, row, signal)
    if (failed === undefined) [this.#row, this.#seq] = [row, seq]
    else log.warn('could not flush files of this folder: they do not count as held here', { error: failed })
    return this.#seq
  }

  /** Gives what failed. */
  async #flush(author: number, lastRow: number, signal: AbortSignal): Promise<string | undefined> {
    const { jobs, handle } = this.#parts
    let { treeFlush } = this.#parts
    const pages = this.#paths(author, lastRow)
    let paths: RelativePath[] = []
    for (let page = pages.next(); page.done !== true; page = pages.next()) {
      paths.push(...page.value)
      if (treeFlush !== undefined && paths.length >= Math.max(1, treeFlush.filesMin)) {
        if (await treeFlush.flush(handle.root, signal)) return undefined
        treeFlush = undefined
      }
      if (paths.length < jobFilesMin) continue
      const failed = await jobs.run('flushFiles', { root: handle.root, paths }, { signal })
      if (failed !== undefined) return failed
      paths = []
    }
    return paths.length === 0 ? undefined : await jobs.run('flushFiles', { root: handle.root, paths }, { signal })
  }

  /** Files whose current entry is this node's own and was not flushed yet. */
  *#paths(author: number, lastRow: number): Generator<readonly RelativePath[]> {
    const { index, handle } = this.#parts
    let row = this.#row
    for (;;) {
      const page = index.entries.storedPage(handle.row, row, pageEntries)
      yield page.flatMap((stored) => (stored.author === author ? this.#pathOf(stored) : []))
      row = page.at(-1)?.rowSeq ?? lastRow
      if (page.length < pageEntries || row >= lastRow) return
    }
  }

  #pathOf(stored: StoredEntry): readonly RelativePath[] {
    const { deleted, blocks } = glanceAtEntry(stored.bytes)
    if (deleted || blocks === 0) return []
    const meta = openEntryMeta(this.#parts.handle.reading.metaKeys, decodedRow(stored).entry)
    return meta === undefined ? [] : [meta.path]
  }
}
