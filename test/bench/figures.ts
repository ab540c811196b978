// What was measured: named figures by tool, several of each when the run repeats.

import type { ToolName } from './options.ts'
import { median } from './waiting.ts'

export interface Failure {
  readonly tool: ToolName
  readonly step: string
  readonly message: string
}

export class Figures {
  readonly #values: Map<string, Map<ToolName, number[]>> = new Map()
  readonly #failures: Failure[] = []

  /** `name` is a key of a row of rows.ts; undefined values (the system does not tell) are left out. */
  record(tool: ToolName, name: string, value: number | undefined): void {
    if (value === undefined) return
    const byTool = this.#values.get(name) ?? new Map<ToolName, number[]>()
    this.#values.set(name, byTool)
    byTool.set(tool, [...(byTool.get(tool) ?? []), value])
  }

  recordFailure(failure: Failure): void {
    this.#failures.push(failure)
  }

  median(tool: ToolName, name: string): number | undefined {
    const values = this.#values.get(name)?.get(tool)
    return values === undefined ? undefined : median(values)
  }

  get failures(): readonly Failure[] {
    return this.#failures
  }

  names(): readonly string[] {
    return [...this.#values.keys()]
  }

  /** Every value in the order measured. */
  values(name: string): Readonly<Record<string, readonly number[]>> {
    return Object.fromEntries(this.#values.get(name) ?? [])
  }
}
