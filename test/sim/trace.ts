// What happened in a simulated world, as a running hash (two runs of one seed must agree) and the last lines for reports.

import { createHash } from 'node:crypto'

export class Trace {
  readonly #hash = createHash('sha256')
  readonly #lines: string[] = []
  readonly #linesMax: number
  readonly #onLine: ((line: string) => void) | undefined
  #count = 0

  /** `onLine` sees every line: for a replay that prints all, or for finding where two runs part. */
  constructor(options: { readonly linesMax?: number; readonly onLine?: (line: string) => void } = {}) {
    this.#linesMax = options.linesMax ?? 200
    this.#onLine = options.onLine
  }

  /** How many events there were. */
  get count(): number {
    return this.#count
  }

  add(timeUs: number, text: string): void {
    const line = `${(timeUs / 1000).toFixed(3)} ${text}`
    this.#count++
    this.#hash.update(line)
    this.#hash.update('\n')
    this.#lines.push(line)
    if (this.#lines.length >= 2 * this.#linesMax) this.#lines.splice(0, this.#lines.length - this.#linesMax)
    this.#onLine?.(line)
  }

  lastLines(): readonly string[] {
    return this.#lines.slice(-this.#linesMax)
  }

  /** Hash of all events so far, 16 hexadecimal digits. */
  digest(): string {
    return this.#hash.copy().digest('hex').slice(0, 16)
  }
}
