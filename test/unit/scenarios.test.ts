// docs/scenarios.md names the tests that there are. With WRITE_SCENARIOS=1 it is written anew.

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { it } from 'node:test'
import { fileURLToPath } from 'node:url'

import { openScenarios, parseRows, testsByScenario, withTests } from '../support/scenario-table.ts'

const path = fileURLToPath(new URL('../../docs/scenarios.md', import.meta.url))
const text = readFileSync(path, 'utf8')

it('every row of the document names its tests, and no other', () => {
  let next = 0
  const rows = withTests(parseRows(text))
  const made = text.replaceAll(/^\| \d+ \|.*\|$/gm, () => rows[next++] ?? '')
  if (process.env['WRITE_SCENARIOS'] === '1') writeFileSync(path, made)
  else assert.equal(text, made, 'run WRITE_SCENARIOS=1 node test/run.ts unit/scenarios')
})

it('every scenario has a test, or a reason why not yet', () => {
  const tests = testsByScenario()
  const numbers = parseRows(text).map(([number]) => number)
  assert.deepEqual(
    numbers.filter((number) => !tests.has(number) && openScenarios[number] === undefined),
    [],
  )
  assert.deepEqual(
    Object.keys(openScenarios).filter((number) => tests.has(Number(number))),
    [],
    'a reason that is out of date',
  )
})
