// Remembers for one folder what its guard needs: changes just told, changes that wait for the end of a burst, and the question that is
// open. What follows from them is in safety.ts.

import type { Clock } from '../base/clock.ts'
import { EngineError } from '../base/errors.ts'
import type { Index } from '../index/index-store.ts'
import type { ItemRow } from '../index/item-table.ts'
import { encodeCaution, parseCaution, type Caution, type Hold } from './caution.ts'
import type { FolderHandle } from './folder-handle.ts'
import type { FolderProblems } from './problems.ts'
import { isMassChange, momentMs, paceOf, quietAfterMs, waveFilesMin, waveMs, type Pace } from './safety.ts'

export interface ChangeGuardParts {
  readonly index: Index
  readonly handle: FolderHandle
  readonly clock: Clock
  readonly problems: FolderProblems
}

/** Told changes kept in mind; more than these are a mass in any folder that could be held by them. */
const toldMax = 200_000
/** How long after its new name was found the old name of a file may go without counting. */
const movedKeptMs = 60_000
const pollMs = 50
const examplesMax = 3

export class ChangeGuard {
  readonly #parts: ChangeGuardParts
  #caution: Caution
  /** Deletions and rewrites that others were told, with their time on the monotonic clock; oldest first. */
  readonly #told = new Map<string, { readonly atMs: number; readonly isLoss: boolean }>()
  /** Old paths of files that turned up under another name, and when: their loss is none. */
  readonly #moved = new Map<string, number>()
  /** Hinted paths that wait, and how many files each stands for. */
  readonly #waiting = new Map<string, number>()
  #waitingFiles = 0
  #firstMs = 0
  #lastMs = 0

  constructor(parts: ChangeGuardParts) {
    this.#parts = parts
    this.#caution = parseCaution(parts.index.folders.caution(parts.handle.row))
    this.#tellProblem()
  }

  get caution(): Caution {
    return this.#caution
  }

  get isHeld(): boolean {
    return this.#caution.kind === 'held'
  }

  get hold(): Hold | undefined {
    return this.#caution.kind === 'held' ? this.#caution.hold : undefined
  }

  get hasWaiting(): boolean {
    return this.#waiting.size > 0
  }

  /** How long until `pace` may have another answer; undefined while nothing waits. */
  get restMs(): number | undefined {
    if (this.#waiting.size === 0) return undefined
    return Math.max(pollMs, this.#lastMs + quietAfterMs - this.#parts.clock.monotonicMs())
  }

  /** Paths (with the files that each stands for) join those that wait. */
  gather(changes: ReadonlyMap<string, number>): void {
    const nowMs = this.#parts.clock.monotonicMs()
    for (const [path, files] of changes) {
      if (this.#waiting.has(path)) continue
      if (this.#waiting.size === 0) this.#firstMs = nowMs
      this.#waiting.set(path, files)
      this.#waitingFiles += files
      this.#lastMs = nowMs
    }
  }

  /** What to do about these changes together with those that wait. */
  pace(more: number, coming: number): Pace {
    const nowMs = this.#parts.clock.monotonicMs()
    const isWaiting = this.#waiting.size > 0
    return paceOf({
      files: this.filesBefore,
      gathered: this.#waitingFiles + more,
      coming,
      recent: this.#recent(),
      quietMs: isWaiting && more === 0 ? nowMs - this.#lastMs : 0,
      ageMs: isWaiting ? nowMs - this.#firstMs : 0,
    })
  }

  /** The paths that waited: none wait any more. */
  release(): readonly string[] {
    const paths = [...this.#waiting.keys()]
    this.#waiting.clear()
    this.#waitingFiles = 0
    return paths
  }

  /** True when so many changes, with those told a moment ago, are too many to tell unasked. */
  isTooMuch(changed: number): boolean {
    return isMassChange({ changed: changed + this.#recent(), files: this.filesBefore })
  }

  /** The file at this path has turned up under another name. */
  noteMoved(path: string): void {
    const nowMs = this.#parts.clock.monotonicMs()
    this.#moved.delete(path) // comes last: the oldest are first
    for (const [oldest, atMs] of this.#moved) {
      if (nowMs - atMs <= movedKeptMs) break
      this.#moved.delete(oldest)
    }
    if (this.#moved.size < toldMax) this.#moved.set(path, nowMs)
  }

  /** Whether the loss of this item counts: a file's does, unless it merely moved. */
  isLoss(item: Pick<ItemRow, 'kind' | 'path'>): boolean {
    if (item.kind === 'directory') return false
    const movedMs = this.#moved.get(item.path)
    return movedMs === undefined || this.#parts.clock.monotonicMs() - movedMs > movedKeptMs
  }

  /** Others are told that the path is gone, or that it has other content. */
  noteTold(path: string, isLoss: boolean): void {
    this.#told.delete(path)
    if (this.#told.size < toldMax) this.#told.set(path, { atMs: this.#parts.clock.monotonicMs(), isLoss })
  }

  /** Files of the folder before what was just told. */
  get filesBefore(): number {
    this.#forgetOld()
    let lost = 0
    for (const { isLoss } of this.#told.values()) if (isLoss) lost++
    return this.#parts.index.items.totals(this.#parts.handle.row).files + lost
  }

  /** Asks the person about these losses and rewrites. */
  ask(losses: readonly { readonly path: string }[], rewrites: readonly { readonly path: string }[]): void {
    const known = this.hold
    const examples = [...losses, ...rewrites].slice(0, examplesMax).map(({ path }) => path)
    const hold: Hold = {
      deleted: losses.length,
      rewritten: rewrites.length,
      files: known?.files ?? this.filesBefore,
      sinceMs: known?.sinceMs ?? this.#parts.clock.nowMs(),
      examples: examples.toSorted(),
    }
    // Counted again and again while it is open: what is the same need not be written.
    if (JSON.stringify(known) !== JSON.stringify(hold)) this.#set({ kind: 'held', hold })
  }

  /** The person's answer; the next walk carries it out. Throws `NOTHING_HELD`. */
  decide(kind: 'accepting' | 'rejecting'): void {
    if (this.#caution.kind !== 'held') {
      throw new EngineError('NOTHING_HELD', `no changes of ${this.#parts.handle.record.name} are held: there is nothing to decide`)
    }
    this.#set({ kind })
  }

  /** As 'rejecting', asked or not: the folder got a new place, where nothing is missing for having been deleted. */
  takeBackAll(): void {
    this.#set({ kind: 'rejecting' })
  }

  /** Nothing is in question any more. */
  settle(): void {
    this.#told.clear()
    this.#moved.clear()
    this.#set({ kind: 'none' })
  }

  #recent(): number {
    this.#forgetOld()
    if (this.#told.size >= waveFilesMin) return this.#told.size
    const sinceMs = this.#parts.clock.monotonicMs() - momentMs
    let count = 0
    for (const { atMs } of this.#told.values()) if (atMs >= sinceMs) count++
    return count
  }

  #forgetOld(): void {
    const sinceMs = this.#parts.clock.monotonicMs() - waveMs
    for (const [path, { atMs }] of this.#told) {
      if (atMs >= sinceMs) return
      this.#told.delete(path)
    }
  }

  #set(caution: Caution): void {
    const { index, handle } = this.#parts
    index.transactDurably(() => index.folders.setCaution(handle.row, encodeCaution(caution)))
    this.#caution = caution
    this.#tellProblem()
  }

  #tellProblem(): void {
    const { problems, handle } = this.#parts
    if (this.#caution.kind !== 'held') return problems.clear('CHANGES_HELD')
    const { name } = handle.record
    problems.note({ code: 'CHANGES_HELD', severity: 'error', text: holdText(this.#caution.hold), next: nextStep(name) })
  }
}

function holdText({ deleted, rewritten, files, examples }: Hold): string {
  const parts = [
    ...(deleted === 0 ? [] : [`${deleted} ${deleted === 1 ? 'was' : 'were'} deleted`]),
    ...(rewritten === 0 ? [] : [`${rewritten} got other content`]),
  ]
  const among = examples.length === 0 ? '' : ` (among them ${examples.join(', ')})`
  return `of ${files} files here ${parts.join(' and ')} at once${among}. Nobody else is told of any change made here until you decide; what others change still arrives.`
}

function nextStep(name: string): string {
  return `If this was meant: holdfast accept "${name}". If not: holdfast reject "${name}" brings the files back as the other members have them.`
}
