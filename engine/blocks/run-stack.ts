// The runs that make up the index, the newest first, and how they are brought together before there are many: a few at a time, in short
// steps beside everything else. Each row is rewritten about as often as the runs double. (Merging as in O'Neil et al., "The
// log-structured merge-tree", 1996.)

import { Semaphore, throwIfAborted } from '../base/queue.ts'
import { errorCodeOf, messageOf } from '../base/errors.ts'
import { decodeRowPlace, type RowPlace } from './index-row.ts'
import type { IndexFiles, IndexParts } from './index-files.ts'
import { RowMerge, type RowSource } from './row-merge.ts'
import { RunCursor, IndexDamaged, type Run } from './run.ts'

const mergeWidthMin = 4
/** With more, whoever adds one waits for a merge. */
const runsMax = 24
const rowsPerStep = 4096
const never: AbortSignal = new AbortController().signal

/**
 * How many of the newest runs to merge; 0 for none. With none to merge, all runs but the newest three each have more rows than all newer
 * ones together, so there are few, whatever their sizes.
 */
export function planMerge(rows: readonly number[]): number {
  let sum = 0
  let count = 0
  for (const [index, size] of rows.entries()) {
    if (index > 0 && size <= sum) count = index + 1
    sum += size
  }
  return count >= mergeWidthMin ? count : 0
}

export class RunStack {
  readonly #parts: IndexParts
  readonly #files: IndexFiles
  readonly #naming = new Semaphore(1)
  readonly #closing = new AbortController()
  #runs: readonly Run[]
  /** What was true when the newest run was made; undefined while these runs are of an index in the making, which no manifest names. */
  #body: Uint8Array | undefined
  #merging: Promise<void> | undefined
  /** A merge met damage. */
  onDamaged: (error: IndexDamaged) => void = () => undefined

  constructor(parts: IndexParts, files: IndexFiles, runs: readonly Run[], body: Uint8Array | undefined) {
    this.#parts = parts
    this.#files = files
    this.#runs = runs
    this.#body = body
  }

  get runs(): readonly Run[] {
    return this.#runs
  }

  /** Throws IndexDamaged and FilesError. */
  find(id: Uint8Array, folder: number): RowPlace | undefined {
    for (const run of this.#runs) {
      const place = run.find(id, folder)
      if (place !== undefined) return place
    }
    return undefined
  }

  /** Throws IndexDamaged and FilesError. The cursors are good until the next await. */
  cursors(from?: { readonly folder: number; readonly after: Uint8Array | undefined }): readonly RunCursor[] {
    return this.#runs.map((run) => new RunCursor(run, from))
  }

  /** Puts a run of these rows on top; with `body` it counts from then on. Throws FilesError, and nothing has changed then. */
  async add(rows: Uint8Array, count: number, body: Uint8Array | undefined): Promise<void> {
    if (this.#runs.length >= runsMax) await this.#merging
    const run = await this.#files.writeRun(count, async (writer) => {
      for (let at = 0; at < rows.length; at += rows.length / count) writer.add(rows, at)
    })
    await this.#naming.hold(() => this.#replace(run, [run, ...this.#runs], body), never)
    this.#body = body
    this.#startMerge()
  }

  /** Makes all runs count, those of an index in the making too. Throws FilesError. */
  async name(body: Uint8Array): Promise<void> {
    await this.settle()
    const numbers = this.#runs.map((run) => run.number)
    await this.#naming.hold(() => this.#files.name(numbers, body), never)
    this.#body = body
  }

  /** Resolves when no merge is under way. */
  async settle(): Promise<void> {
    while (this.#merging !== undefined) await this.#merging
  }

  /** Stops merging. The runs stay open, for a while yet someone may read them. */
  async stop(): Promise<void> {
    this.#closing.abort()
    await this.settle()
  }

  close(): void {
    for (const run of this.#runs) run.close()
    this.#runs = []
  }

  /** What is not needed any more goes with the next manifest. */
  discardAll(): void {
    for (const run of this.#runs) this.#files.discard(run)
    this.#runs = []
  }

  async #replace(made: Run, runs: readonly Run[], body: Uint8Array | undefined): Promise<void> {
    const replaced = this.#runs.filter((run) => !runs.includes(run))
    if (body !== undefined) {
      try {
        await this.#files.name(
          runs.map((run) => run.number),
          body,
        )
      } catch (error) {
        this.#files.discard(made)
        throw error
      }
    }
    this.#runs = runs
    for (const run of replaced) {
      if (body === undefined) this.#files.discard(run)
      else this.#files.remove(run) // the manifest is durable without it
    }
  }

  #startMerge(): void {
    this.#merging ??= this.#mergeAll().finally(() => {
      this.#merging = undefined
    })
  }

  async #mergeAll(): Promise<void> {
    await Promise.resolve() // so that `#merging` is set before it ends
    try {
      for (;;) {
        const count = planMerge(this.#runs.map((run) => run.rows))
        if (count === 0) return
        await this.#merge(this.#runs.slice(0, count))
      }
    } catch (error) {
      if (error instanceof IndexDamaged) this.onDamaged(error)
      else if (errorCodeOf(error) !== 'ABORTED') {
        // Nothing needs the merge but speed; it is tried again when the next run is written.
        this.#parts.log.warn('could not merge the index of the block store', { cause: messageOf(error) })
      }
    }
  }

  async #merge(merged: readonly Run[]): Promise<void> {
    const isToOldest = merged.at(-1) === this.#runs.at(-1)
    const rowsMax = merged.reduce((sum, run) => sum + run.rows, 0)
    const run = await this.#files.writeRun(rowsMax, async (writer) => {
      const rows = new RowMerge(merged.map((each): RowSource => new RunCursor(each)))
      let step = 0
      for (let source = rows.next(); source !== undefined; source = rows.next()) {
        // A removal says that older runs are wrong: without any it says nothing.
        if (!isToOldest || decodeRowPlace(source.view, source.at).segment !== 0) writer.add(source.bytes, source.at)
        if (++step % rowsPerStep !== 0) continue
        await this.#parts.clock.sleep(0, this.#closing.signal)
      }
      throwIfAborted(this.#closing.signal)
    })
    await this.#naming.hold(async () => {
      const rest = this.#runs.filter((each) => !merged.includes(each))
      const newer = this.#runs.indexOf(merged[0] ?? run)
      await this.#replace(run, [...rest.slice(0, newer), run, ...rest.slice(newer)], this.#body)
    }, never)
  }
}
