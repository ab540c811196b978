// Content that changed while the file looks as it did is no edit of a person's: it is noted here, never told to others, and put right from
// a member or the block store by pull, which sets the bad bytes aside. Looked for where a block could not be served, and on request.

import { messageOf } from '../base/errors.ts'
import type { Jobs } from '../base/jobs.ts'
import type { Log } from '../base/log.ts'
import { shortKeyOf } from '../index/columns.ts'
import type { Index } from '../index/index-store.ts'
import type { ItemRow } from '../index/item-table.ts'
import { needRank } from '../index/need-table.ts'
import { depthOf, type RelativePath } from '../model/path.ts'
import { compareVectors } from '../model/vector.ts'
import { entryIdOfPath, type FolderHandle } from './folder-handle.ts'
import type { FolderProblems } from './problems.ts'
import { expectedOf } from './pull-plan.ts'
import type { VerifyFinding, verifyFiles, VerifyTask } from './verify-job.ts'

export interface VerifyParts {
  readonly index: Index
  readonly jobs: Jobs<{ readonly verifyFiles: typeof verifyFiles }>
  readonly handle: FolderHandle
  readonly log: Log
  readonly problems: FolderProblems
  readonly events: VerifyListener
}

export interface VerifyListener {
  /** A path does not look as it did: it is to be scanned. */
  changed(path: string): void
  /** There is something to put right. */
  found(): void
}

export interface Verified {
  readonly files: number
  readonly bytes: number
  /** Files whose bytes are others now than those recorded. */
  readonly rotten: readonly RelativePath[]
}

/** Where to read on: a file's row, and one of its blocks. */
export interface VerifyCursor {
  readonly row: number
  readonly block: number
}

export interface VerifyStep extends Verified {
  /** undefined at the end. */
  readonly next: VerifyCursor | undefined
}

const pageItems = 200
const jobBytesMax = 32 * 1024 * 1024
const notedMax = 1000

export class Verifier {
  readonly #parts: VerifyParts
  readonly #suspects = new Set<string>()
  readonly #noted = new Set<string>()

  constructor(parts: VerifyParts) {
    this.#parts = parts
  }

  /** Says again what was found before a restart and is not put right yet. */
  noteKnown(): void {
    const { index, handle } = this.#parts
    for (const item of index.items.rotten(handle.row, notedMax)) this.#noteRotten(item)
  }

  /** Paths changed: what is not rotten any more, because a person saved or removed it, is no problem any more. */
  settle(): void {
    const { index, handle, problems } = this.#parts
    for (const path of this.#noted) {
      if (index.items.byPath(handle.row, path)?.isRotten === true) continue
      this.#noted.delete(path)
      problems.clear('BIT_ROT', path)
    }
  }

  /** A file did not give what the index says it holds. Never throws. */
  async suspect(path: string, signal: AbortSignal): Promise<void> {
    const { index, handle, log, events } = this.#parts
    if (this.#suspects.has(path)) return
    this.#suspects.add(path)
    try {
      const item = index.items.byPath(handle.row, path)
      if (item?.kind === 'file') await this.#checkWhole(item, signal)
      else events.changed(path)
    } catch (error) {
      if (!signal.aborted) log.error('could not check a file', { error: messageOf(error) })
    } finally {
      this.#suspects.delete(path)
    }
  }

  async #checkWhole(item: ItemRow, signal: AbortSignal): Promise<void> {
    let from: VerifyCursor | undefined = { row: item.row, block: 0 }
    while (from !== undefined) from = (await this.step(from, item.row + 1, jobBytesMax, signal)).next
  }

  /** Reads every file of the folder. */
  async verifyAll(signal: AbortSignal): Promise<Verified> {
    const all = { files: 0, bytes: 0 }
    const rotten = new Set<RelativePath>()
    let from: VerifyCursor | undefined = { row: 0, block: 0 }
    while (from !== undefined) {
      const step: VerifyStep = await this.step(from, Number.MAX_SAFE_INTEGER, jobBytesMax, signal)
      all.files += step.files
      all.bytes += step.bytes
      for (const path of step.rotten) rotten.add(path)
      from = step.next
    }
    return { ...all, rotten: [...rotten] }
  }

  /** Reads on from a cursor, files of rows below `endRow`, `bytesMax` or a block more. */
  async step(from: VerifyCursor, endRow: number, bytesMax: number, signal: AbortSignal): Promise<VerifyStep> {
    const { index, handle } = this.#parts
    const items = index.items.filesAfter(handle.row, from.row - 1, pageItems)
    const { batched, next, files, bytes } = takeBatch(items, from, endRow, bytesMax)
    const rotten = await this.#check(batched, signal)
    return { next, files, bytes, rotten }
  }

  /** Gives the rotten ones. */
  async #check(batched: readonly Batched[], signal: AbortSignal): Promise<readonly RelativePath[]> {
    const { jobs, handle, events } = this.#parts
    if (batched.length === 0) return []
    const input = { root: handle.root, sealKey: handle.jobKeys.sealKey, tasks: batched.map(({ task }) => task) }
    const findings = await jobs.run('verifyFiles', input, { signal })
    const rotten = batched.flatMap(({ item, task }, at) =>
      this.#conclude(item, task.fromBlock, findings[at] ?? 'good') ? [item.path] : [],
    )
    if (rotten.length > 0) events.found()
    return rotten
  }

  /** True when it is rotten. */
  #conclude(item: ItemRow, fromBlock: number, finding: VerifyFinding): boolean {
    const { index, handle, problems, events, log } = this.#parts
    switch (finding) {
      case 'good':
        if (fromBlock === 0) problems.clear('UNREADABLE', item.path) // a later part says it again
        return false
      case 'changed':
        events.changed(item.path)
        return false
      case 'unreadable':
        problems.note({
          code: 'UNREADABLE',
          severity: 'error',
          path: item.path,
          text: `${item.path} cannot be read back. The version that others have is left as it is.`,
          next: 'Check the disk, and that the user that runs Holdfast may read the file.',
        })
        return false
      case 'rotten': {
        const isMarked = index.transact(() => {
          const current = index.items.byPath(handle.row, item.path)
          if (current?.row !== item.row || compareVectors(current.vector, item.vector) !== 'equal') return false
          const entryId = entryIdOfPath(handle, item.path)
          index.items.put(handle.row, entryId, { ...current, isRotten: true }, current)
          index.needs.put(handle.row, shortKeyOf(entryId), needRank(depthOf(item.path), false), item.sizeBytes)
          return true
        })
        if (!isMarked) return false
        log.error('the bytes of a file changed by themselves', { bytes: item.sizeBytes })
        this.#noteRotten(item)
        return true
      }
    }
  }

  #noteRotten({ path }: ItemRow): void {
    if (this.#noted.size < notedMax) this.#noted.add(path)
    this.#parts.problems.note({
      code: 'BIT_ROT',
      severity: 'error',
      path,
      text: `${path} holds other bytes than were recorded, though nobody changed it. That is not told to others; good bytes are fetched, and these set aside`,
      next: 'Check the disk. If the file is as you want it, save it once more: then it counts as an edit.',
    })
  }
}

interface Batched {
  readonly item: ItemRow
  readonly task: VerifyTask
}

/** Runs of blocks, so that no job reads much more than its share however large a file is. */
function takeBatch(
  items: readonly ItemRow[],
  from: VerifyCursor,
  endRow: number,
  bytesMax: number,
): Pick<VerifyStep, 'next' | 'files' | 'bytes'> & { readonly batched: readonly Batched[] } {
  const batched: Batched[] = []
  let bytes = 0
  let files = 0
  for (const item of items) {
    if (item.row >= endRow) return { batched, files, bytes, next: undefined }
    const { path, blocks } = item
    const fromBlock = item.row === from.row ? Math.min(from.block, blocks.count) : 0
    let offset = 0
    for (let at = 0; at < fromBlock; at++) offset += blocks.lengthBytes(at)
    let toBlock = fromBlock
    let length = 0
    while (toBlock < blocks.count && bytes + length < bytesMax) length += blocks.lengthBytes(toBlock++)
    if (toBlock > fromBlock) {
      batched.push({ item, task: { path, expected: expectedOf(item), blocks: blocks.bytes, fromBlock, toBlock, offset } })
      bytes += length
    }
    if (toBlock < blocks.count) return { batched, files, bytes, next: { row: item.row, block: toBlock } }
    files++
  }
  const last = items.at(-1)
  const isEnd = last === undefined || items.length < pageItems
  return { batched, files, bytes, next: isEnd ? undefined : { row: last.row + 1, block: 0 } }
}
