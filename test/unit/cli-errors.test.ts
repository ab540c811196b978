// Error codes on their way to a person: exit codes, statuses, the documented table, the lines on stderr.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { errorStatuses, parseErrorCode } from '../../engine/api/error-status.ts'
import { EngineError } from '../../engine/base/errors.ts'
import { exitCodes } from '../../engine/bin/exit-codes.ts'
import { errorText } from '../../engine/bin/program.ts'

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

describe('error codes', () => {
  const declared = [...read('engine/base/errors.ts').matchAll(/^ {2}\| '([A-Z_]+)'$/gm)].map(([, code]) => code)
  const documented = [...read('docs/errors.md').matchAll(/^\| `([A-Z_]+)` \| (\d) \| (\d{3}) \| ([^|]+) \| ([^|]+) \|$/gm)]

  test('have an exit code and an HTTP status each', () => {
    assert.ok(declared.length > 30)
    assert.deepEqual(Object.keys(exitCodes), declared)
    assert.deepEqual(Object.keys(errorStatuses), declared)
  })

  test('are documented one by one, in order, with the exit code and status that they really have', () => {
    assert.deepEqual(
      documented.map(([, code, exit, status]) => [code, Number(exit), Number(status)]),
      Object.entries(exitCodes).map(([code, exit]) => [code, exit, errorStatuses[parseErrorCode(code) ?? 'INTERNAL']]),
    )
  })

  test('each have a meaning and a next step in the documents', () => {
    for (const [, code, , , meaning, next] of documented) assert.ok((meaning ?? '').length > 10 && (next ?? '').length > 10, code)
  })

  test('are read back from the wire only when they are codes', () => {
    assert.equal(parseErrorCode('BAD_LINK'), 'BAD_LINK')
    for (const other of ['bad_link', 'toString', '__proto__', '', 3, undefined]) assert.equal(parseErrorCode(other), undefined)
  })
})

describe('the text of an error', () => {
  test('is one line with what was said', () => {
    assert.equal(errorText(new EngineError('BAD_LINK', 'no link:\n  copy it again')), 'holdfast: no link: copy it again\n')
  })

  test('cannot steer the terminal', () => {
    assert.equal(errorText(new EngineError('BAD_LINK', 'a\u001B[2Jb')), 'holdfast: a\u{FFFD}[2Jb\n')
  })

  test('asks for a report when something broke inside', () => {
    assert.match(errorText(new TypeError('x is undefined')), /^holdfast: something broke: x is undefined\n.*HOLDFAST_DEBUG=1.*report.*\n$/)
  })
})
