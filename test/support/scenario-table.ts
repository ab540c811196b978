// Which tests show which of the scenarios: their names begin with "scenario 13:" or "scenarios 62, 93:". `node test/support/scenario-table.ts` prints
// the table of docs/scenarios.md.

import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const testRoot = fileURLToPath(new URL('..', import.meta.url))

/** Rows that no test shows yet, and why. */
export const openScenarios: Readonly<Record<number, string>> = {
  95: 'members cannot be removed yet',
  96: 'there is no role without the right to write yet',
  98: 'there is no selective sync yet',
}

/** Test files by scenario number. */
export function testsByScenario(): ReadonlyMap<number, readonly string[]> {
  const found = new Map<number, Set<string>>()
  for (const name of readdirSync(testRoot, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.test.ts')) continue
    const path = join(testRoot, name)
    for (const match of readFileSync(path, 'utf8').matchAll(/['"`]scenarios? ([\d, and]+):/g)) {
      for (const number of match[1]?.match(/\d+/g) ?? []) {
        const files = found.get(Number(number)) ?? new Set()
        files.add(`test/${relative(testRoot, path).replaceAll('\\', '/')}`)
        found.set(Number(number), files)
      }
    }
  }
  return new Map([...found].map(([number, files]) => [number, [...files].toSorted((left, right) => (left < right ? -1 : 1))]))
}

/** The rows of docs/scenarios.md: number, what happens, what must come of it, and where that is shown. */
export function withTests(rows: readonly (readonly [number, string, string])[]): readonly string[] {
  const tests = testsByScenario()
  return rows.map(([number, what, expected]) => {
    const files = tests
      .get(number)
      ?.map((file) => `\`${file}\``)
      .join(', ')
    return `| ${number} | ${what} | ${expected} | ${files ?? `– (${openScenarios[number] ?? 'no test yet'})`} |`
  })
}

/** The rows of a document with such a table, without the last column. */
export function parseRows(text: string): readonly (readonly [number, string, string])[] {
  return [...text.matchAll(/^\| (\d+) \| ((?:[^|]|\\\|)*) \| ((?:[^|]|\\\|)*) \|/gm)].map(
    ([, number = '', what = '', expected = '']) => [Number(number), what.trim(), expected.trim()] as const,
  )
}
