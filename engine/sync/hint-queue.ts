// Paths that something was said about and that are not looked at yet, and when each may be: a loss waits for its other half, a burst of
// losses and rewrites for its end. In memory only: what is forgotten here, a walk finds.

import type { Clock } from '../base/clock.ts'
import type { ItemRow } from '../index/item-table.ts'
import type { RelativePath } from '../model/path.ts'
import type { ChangeGuard } from './change-guard.ts'
import { isSuspect, type Candidate } from './scan.ts'

/** A hinted path with what is lost there, with what may have other content, or with both. */
export interface HintedChange {
  readonly path: string
  readonly lost: readonly ItemRow[]
  readonly candidate?: Candidate
}

/** Hints beyond this many waiting are not worth keeping: one walk finds them all. */
const hintsMax = 20_000
/** How long a path rests that was seen changing before it is looked at again. */
const againAfterMs = 500
/** How long a path that a hint found missing is given to turn up under another name. */
const lossAfterMs = 150

export class HintQueue {
  readonly #clock: Clock
  readonly #guard: ChangeGuard
  readonly #hints = new Set<string>()
  /** Path and when it is due, on the monotonic clock. */
  readonly #later = new Map<string, number>()
  /** Paths that were seen missing once, by a hint. */
  readonly #losses = new Set<string>()
  /** Hints that waited for the end of a burst and need not wait again. */
  readonly #released = new Set<string>()

  constructor({ clock, guard }: { readonly clock: Clock; readonly guard: ChangeGuard }) {
    this.#clock = clock
    this.#guard = guard
  }

  /** To be looked at now. */
  get size(): number {
    return this.#hints.size
  }

  get isFull(): boolean {
    return this.#hints.size >= hintsMax
  }

  get hasLater(): boolean {
    return this.#later.size > 0
  }

  has(path: string): boolean {
    return this.#hints.has(path)
  }

  add(path: string): void {
    this.#hints.add(path)
  }

  /** After a while. */
  addLater(path: string): void {
    this.#later.set(path, this.#clock.monotonicMs() + againAfterMs)
  }

  take(max: number): readonly string[] {
    const taken: string[] = []
    for (const path of this.#hints) {
      if (taken.length >= max) break
      this.#hints.delete(path)
      taken.push(path)
    }
    return taken
  }

  /** A walk is to come: it looks twice at what is missing anyway, and counts anew. */
  leaveToWalk(): void {
    this.#hints.clear()
    this.#losses.clear()
    this.#released.clear()
    this.#guard.release()
  }

  /** Until something is due; infinite when nothing will be. */
  get restMs(): number {
    const nowMs = this.#clock.monotonicMs()
    let restMs = this.#guard.restMs ?? Number.POSITIVE_INFINITY
    for (const dueMs of this.#later.values()) restMs = Math.min(restMs, dueMs - nowMs)
    return restMs
  }

  bringDue(): void {
    const nowMs = this.#clock.monotonicMs()
    for (const [path, dueMs] of this.#later) {
      if (dueMs > nowMs) continue
      this.#later.delete(path)
      this.#hints.add(path)
    }
  }

  /** Deletions and rewrites that waited for the end of a burst go on; false when a walk is to count them instead. */
  endBurst(): boolean {
    if (!this.#guard.hasWaiting) return true
    const pace = this.#guard.pace(0, this.#coming)
    if (pace !== 'tell') return pace !== 'walk'
    for (const path of this.#guard.release()) {
      this.#hints.add(path)
      this.#released.add(path)
    }
    return true
  }

  /** Those that are told now. A burst of deletions and rewrites waits for its end: it may be half of the folder. */
  paced(changes: readonly HintedChange[]): readonly HintedChange[] {
    const waiting = new Map<string, number>()
    let files = 0
    for (const change of changes) {
      if (this.#released.has(change.path)) continue
      const rewritten = change.candidate !== undefined && isSuspect(change.candidate) ? 1 : 0
      const count = rewritten + change.lost.filter((item) => this.#guard.isLoss(item)).length
      if (count > 0) waiting.set(change.path, count)
      files += count
    }
    const isTold = files === 0 || this.#guard.pace(files, this.#coming) === 'tell'
    if (!isTold) this.#guard.gather(waiting)
    return isTold ? changes : changes.filter(({ path }) => !waiting.has(path))
  }

  /** Whatever came of these: what is kept would let a later deletion of the path pass the guard uncounted. */
  forgetReleased(paths: readonly string[]): void {
    for (const path of paths) this.#released.delete(path)
  }

  /**
   * A loss waits a moment for its other half: told before the new name of what was moved, it would make the others let go of content
   * that they then have to fetch. True once the path has waited.
   */
  isOverdue(path: RelativePath): boolean {
    if (this.#losses.delete(path) || this.#released.has(path)) return true
    this.#losses.add(path)
    this.#later.set(path, this.#clock.monotonicMs() + lossAfterMs)
    return false
  }

  /** It is there, or told, or was never known: the next time it is missing it waits again. */
  forgetLoss(path: string): void {
    this.#losses.delete(path)
  }

  /** What may still belong to the burst. */
  get #coming(): number {
    return this.#hints.size + this.#losses.size
  }
}
