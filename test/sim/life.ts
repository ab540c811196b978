// One run of one simulated process. When it ends, whatever the process was still doing ends in silence, as in a killed
// process: synchronous calls throw, promises never settle, timers never fire.

/** Thrown into code of a process that is dead. Nothing should catch it; whoever does runs into the next one. */
export class SimCrash extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'SimCrash'
  }
}

export class Life {
  readonly name: string
  #isOver = false
  readonly #onEnd: (() => void)[] = []

  constructor(name: string) {
    this.name = name
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** Called once at the end, in order of registration. */
  onEnd(action: () => void): void {
    this.#onEnd.push(action)
  }

  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    for (const action of this.#onEnd.splice(0)) action() // what a dead process still waits for must not hold the world
  }

  check(): void {
    if (this.#isOver) throw new SimCrash(`${this.name} is dead`)
  }
}
