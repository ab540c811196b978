// Trouble with one path or one folder is data: a flow notes it here under a key, and takes it back when it is over.

export interface FlowProblem {
  readonly code: string
  readonly severity: 'info' | 'warning' | 'error'
  readonly text: string
  readonly next: string
  readonly path?: string
}

const problemsMax = 1000

/** The open problems of one folder. Bounded: past the limit further ones are left out. */
export class FolderProblems {
  readonly #problems = new Map<string, FlowProblem>()
  readonly #onChange: () => void

  constructor(onChange: () => void) {
    this.#onChange = onChange
  }

  /** One problem a code and path; a newer text replaces the older. */
  note(problem: FlowProblem): void {
    const key = `${problem.code}\0${problem.path ?? ''}`
    if (!this.#problems.has(key) && this.#problems.size >= problemsMax) return
    this.#problems.set(key, problem)
    this.#onChange()
  }

  clear(code: string, path?: string): void {
    if (this.#problems.delete(`${code}\0${path ?? ''}`)) this.#onChange()
  }

  all(): readonly FlowProblem[] {
    return [...this.#problems.values()]
  }
}
