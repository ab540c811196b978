// Which tests show which of the scenarios: their names begin with "scenario 13:", "scenario T4:" or "scenarios T8, T44:". What the tables of
// docs/scenarios.md say is made from that by `WRITE_SCENARIOS=1 node test/run.ts unit/scenarios`.

import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const testRoot = fileURLToPath(new URL('..', import.meta.url))

/** Rows that no test shows yet, and why. */
export const openScenarios: Readonly<Record<string, string>> = {
  95: 'members cannot be removed yet',
  96: 'there is no role without the right to write yet',
  98: 'there is no selective sync yet',
}

/** Rows about copies, at which much is being built: they may lack a test, and have one more than the document says, but none less. */
export function isGrowing(id: string): boolean {
  return id.startsWith('T') || Number(id) >= 99
}

export interface ScenarioRow {
  /** `13` or `T4`. */
  readonly id: string
  readonly what: string
  readonly expected: string
  /** Test files that the document names. */
  readonly shownBy: readonly string[]
}

/** Test files by scenario. */
export function testsByScenario(): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, Set<string>>()
  for (const name of readdirSync(testRoot, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.test.ts')) continue
    const path = join(testRoot, name)
    for (const id of scenariosIn(readFileSync(path, 'utf8'))) {
      const files = found.get(id) ?? new Set()
      files.add(`test/${relative(testRoot, path).replaceAll('\\', '/')}`)
      found.set(id, files)
    }
  }
  return new Map([...found].map(([id, files]) => [id, [...files].toSorted((left, right) => (left < right ? -1 : 1))]))
}

/** The scenarios that a source names at the beginning of a string. */
export function scenariosIn(source: string): readonly string[] {
  return [...source.matchAll(/['"`]scenarios? ((?:T?\d+(?:, | and |, and )?)+):/g)].flatMap(([, list = '']) => list.match(/T?\d+/g) ?? [])
}

/** The line of the document for a row. */
export function rowLine({ id, what, expected }: ScenarioRow, tests: ReadonlyMap<string, readonly string[]>): string {
  const files = tests
    .get(id)
    ?.map((file) => `\`${file}\``)
    .join(', ')
  return `| ${id} | ${what} | ${expected} | ${files ?? `– (${openScenarios[id] ?? 'no test yet'})`} |`
}

/** The rows of a document with such tables. */
export function parseRows(text: string): readonly ScenarioRow[] {
  return [...text.matchAll(/^\| (T?\d+) \| ((?:[^|]|\\\|)*) \| ((?:[^|]|\\\|)*) \| (.*) \|$/gm)].map(
    ([, id = '', what = '', expected = '', shown = '']) => {
      const shownBy = [...shown.matchAll(/`([^`]+)`/g)].map(([, file = '']) => file)
      return { id, what: what.trim(), expected: expected.trim(), shownBy }
    },
  )
}
