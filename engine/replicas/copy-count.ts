// How safe a folder is as a whole: its entries counted by copies, anew whenever receipts or entries changed, in short pieces of work.

import type { Clock } from '../base/clock.ts'
import { waitAtMost, Wakeup } from '../base/queue.ts'
import type { Index } from '../index/index-store.ts'
import type { CopyView } from './copies.ts'

export interface CopyCountParts {
  readonly index: Index
  readonly folderRow: number
  readonly clock: Clock
  /** Changes with whatever copies are counted from, entries left out. */
  readonly edition: () => string
  readonly view: () => CopyView
  /** As `view`, without members that are overdue; undefined while none is. */
  readonly presentView: () => CopyView | undefined
  readonly targetCopies: () => number
  readonly changed: () => void
}

export interface CopySummary {
  /** Of the entry that has the fewest; the target where there are none. */
  readonly min: number
  /** Entries with content that have fewer than the target. */
  readonly below: number
  /** … that are held by one member alone, or by none, those that are overdue left out. */
  readonly single: number
  /** … of which nobody says that it holds all. */
  readonly none: number
}

/** As in the summary, or 0 where it has not been so for a while. */
export type CopyShortage = Pick<CopySummary, 'below' | 'single' | 'none'>

const pageEntries = 200
/** Counting takes at most the tenth part of the time. */
const restShare = 10
/** Where counting takes longer, it waits until nothing has changed for a moment, but not longer than this. */
const quickMs = 20
const calmMs = 500
const calmWaitMaxMs = 60_000
const intervalMs = 250
const idleMs = 60_000
/** What is copied as it comes has too few copies for a moment. */
const lastingMs = 600_000

export class CopyCount {
  readonly #parts: CopyCountParts
  readonly #wakeup = new Wakeup()
  #summary: CopySummary | undefined
  #countedFor = ''
  /** How often there was a reason to count anew that no state shows. */
  #recounts = 0
  #tookMs = 0
  /** When a count found some first, of those in a row that did. */
  readonly #sinceMs = new Map<keyof CopyShortage, number>()

  constructor(parts: CopyCountParts) {
    this.#parts = parts
  }

  /** undefined until the first count. */
  get summary(): CopySummary | undefined {
    return this.#summary
  }

  /** What every count of the last minutes found some of. */
  get lasting(): CopyShortage {
    const endMs = this.#parts.clock.monotonicMs() - lastingMs
    const lasting = (kind: keyof CopyShortage): number =>
      (this.#sinceMs.get(kind) ?? Number.POSITIVE_INFINITY) > endMs ? 0 : (this.#summary?.[kind] ?? 0)
    return { below: lasting('below'), single: lasting('single'), none: lasting('none') }
  }

  /** The summary is of what is known now. */
  get isCurrent(): boolean {
    return this.#countedFor === this.#stateNow()
  }

  /** Entries or receipts changed. */
  wake(): void {
    this.#wakeup.wake()
  }

  /** What is known of members changed, though neither receipts nor entries did. */
  recount(): void {
    this.#recounts++
    this.#wakeup.wake()
  }

  /** Counts until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts
    this.#wakeup.wake()
    for (;;) {
      await waitAtMost(this.#wakeup, clock, idleMs, signal)
      if (this.isCurrent) continue
      if (this.#tookMs > quickMs) await this.#waitUntilCalm(signal)
      const startedMs = clock.monotonicMs()
      await this.#count(signal)
      this.#tookMs = clock.monotonicMs() - startedMs
      this.#parts.changed()
      await clock.sleep(Math.max(intervalMs, restShare * this.#tookMs), signal)
      if (!this.isCurrent) this.#wakeup.wake()
    }
  }

  /** In a first sync every count would be old before it is done. */
  async #waitUntilCalm(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts
    const endMs = clock.monotonicMs() + calmWaitMaxMs
    for (let before = ''; before !== this.#stateNow() && clock.monotonicMs() < endMs;) {
      before = this.#stateNow()
      await clock.sleep(calmMs, signal)
    }
  }

  async #count(signal: AbortSignal): Promise<void> {
    const { index, folderRow, clock, view: viewNow, presentView, targetCopies } = this.#parts
    const countedFor = this.#stateNow()
    const [view, present, target] = [viewNow(), presentView(), targetCopies()]
    let [min, below, single, none] = [Number.POSITIVE_INFINITY, 0, 0, 0]
    let after = 0
    for (;;) {
      const rows = index.entries.storedPage(folderRow, after, pageEntries)
      for (const row of rows) {
        const copies = view.countOf(row)
        if (copies === undefined) continue
        min = Math.min(min, copies)
        if (copies < target) below++
        if (copies === 0) none++
        if (copies < 2 || (present?.countOf(row) ?? copies) < 2) single++
      }
      after = rows.at(-1)?.rowSeq ?? after
      if (rows.length < pageEntries) break
      await clock.sleep(0, signal)
    }
    this.#summary = { min: Number.isFinite(min) ? min : target, below, single, none }
    this.#countedFor = countedFor
    this.#noteShortage(this.#summary)
  }

  #noteShortage(summary: CopySummary): void {
    for (const kind of ['below', 'single', 'none'] as const) {
      if (summary[kind] === 0) this.#sinceMs.delete(kind)
      else if (!this.#sinceMs.has(kind)) this.#sinceMs.set(kind, this.#parts.clock.monotonicMs())
    }
  }

  #stateNow(): string {
    const { index, folderRow, edition, targetCopies } = this.#parts
    return `${edition()}/${index.entries.lastRowOf(folderRow)}/${targetCopies()}/${this.#recounts}`
  }
}
