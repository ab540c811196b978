// Trouble with one path or one folder is data: a flow notes it here under a key, and takes it back when it is over.

import type { Clock } from '../base/clock.ts'

export interface FlowProblem {
  readonly code: string
  readonly severity: 'info' | 'warning' | 'error'
  readonly text: string
  readonly next: string
  readonly path?: string
}

interface Noted {
  readonly problem: FlowProblem
  /** Monotonic; after this nobody has seen it for so long that it counts as over. */
  readonly untilMs: number
  /** Order of noting. */
  readonly at: number
}

const problemsMax = 1000

/** The open problems of one folder. Bounded: past the limit further ones are left out. */
export class FolderProblems {
  readonly #problems = new Map<string, Noted>()
  readonly #onChange: () => void
  readonly #clock: Pick<Clock, 'monotonicMs'> | undefined
  #noted = 0

  /** Without a clock nothing is forgotten by itself. */
  constructor(onChange: () => void, clock?: Pick<Clock, 'monotonicMs'>) {
    this.#onChange = onChange
    this.#clock = clock
  }

  /** One problem a code and path; a newer text replaces the older. `keptMs`: for trouble whose end nobody sees. */
  note(problem: FlowProblem, keptMs: number = Number.POSITIVE_INFINITY): void {
    const key = keyOf(problem.code, problem.path)
    if (!this.#problems.has(key) && this.#problems.size >= problemsMax) return
    this.#problems.set(key, { problem, untilMs: this.#nowMs() + keptMs, at: ++this.#noted })
    this.#onChange()
  }

  clear(code: string, path?: string): void {
    if (this.#problems.delete(keyOf(code, path))) this.#onChange()
  }

  /** There may be more than are here. */
  get isFull(): boolean {
    return this.#problems.size >= problemsMax
  }

  /** A mark for `sweep`. */
  get mark(): number {
    return this.#noted
  }

  /** Takes back problems of these codes with paths that were not noted again since `mark`: whoever looked at everything found none. */
  sweep(codes: ReadonlySet<string>, mark: number): void {
    let isChanged = false
    for (const [key, { problem, at }] of this.#problems) {
      if (at > mark || problem.path === undefined || !codes.has(problem.code)) continue
      this.#problems.delete(key)
      isChanged = true
    }
    if (isChanged) this.#onChange()
  }

  all(): readonly FlowProblem[] {
    const nowMs = this.#nowMs()
    for (const [key, { untilMs }] of this.#problems) if (untilMs <= nowMs) this.#problems.delete(key)
    return Array.from(this.#problems.values(), ({ problem }) => problem)
  }

  #nowMs(): number {
    return this.#clock?.monotonicMs() ?? 0
  }
}

function keyOf(code: string, path: string | undefined): string {
  return `${code}\0${path ?? ''}`
}
