// docs/scenarios.md names the tests that there are. With WRITE_SCENARIOS=1 it is written anew.

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { it } from 'node:test'
import { fileURLToPath } from 'node:url'

import { isGrowing, openScenarios, parseRows, rowLine, scenariosIn, testsByScenario } from '../support/scenario-table.ts'

const path = fileURLToPath(new URL('../../docs/scenarios.md', import.meta.url))
const howToWrite = 'run WRITE_SCENARIOS=1 node test/run.ts unit/scenarios'

if (process.env['WRITE_SCENARIOS'] === '1') {
  const rows = parseRows(readFileSync(path, 'utf8'))
  const tests = testsByScenario()
  let next = 0
  const writeRow = (line: string): string => {
    const row = rows[next++]
    return row === undefined ? line : rowLine(row, tests)
  }
  writeFileSync(path, readFileSync(path, 'utf8').replaceAll(/^\| T?\d+ \|.*\|$/gm, writeRow))
}

const text = readFileSync(path, 'utf8')

it('every row of the document names its tests, and no other', () => {
  const tests = testsByScenario()
  for (const row of parseRows(text)) {
    const gone = row.shownBy.filter((file) => tests.get(row.id)?.includes(file) !== true)
    assert.deepEqual(gone, [], `${row.id} is not shown there any more: mend that, or ${howToWrite}`)
    if (!isGrowing(row.id)) assert.ok(text.includes(`\n${rowLine(row, tests)}\n`), `${row.id} is shown elsewhere too: ${howToWrite}`)
  }
})

it('every scenario has a test, or a reason why not yet', () => {
  const tests = testsByScenario()
  const ids = parseRows(text).map(({ id }) => id)
  assert.deepEqual(
    ids.filter((id) => !tests.has(id) && openScenarios[id] === undefined && !isGrowing(id)),
    [],
  )
  assert.deepEqual(
    Object.keys(openScenarios).filter((id) => tests.has(id)),
    [],
    'a reason that is out of date',
  )
})

it('no test names a scenario that there is not', () => {
  const ids = new Set(parseRows(text).map(({ id }) => id))
  assert.deepEqual(
    [...testsByScenario().keys()].filter((id) => !ids.has(id)),
    [],
  )
})

it('the names of tests give the scenarios that they show', () => {
  const word = 'scenario'
  const source = `it('${word} 13: …') test("${word}s T8, T44: …") it(\`${word}s 62, 93 and T1: …\`) // ${word} 7: no`
  assert.deepEqual(scenariosIn(source), ['13', 'T8', 'T44', '62', '93', 'T1'])
})
