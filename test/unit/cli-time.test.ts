// Times that people type.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { EngineError } from '../../engine/base/errors.ts'
import { exactTimeText, localTimeText, parseTimeMs } from '../../engine/bin/time.ts'

const nowMs = Date.UTC(2026, 10, 20, 12, 0, 0)
const hourMs = 3_600_000

describe('a time', () => {
  const ago: readonly (readonly [string, number])[] = [
    ['90s', 90_000],
    ['5m', 300_000],
    ['2h', 2 * hourMs],
    ['1.5h', 1.5 * hourMs],
    ['3d', 72 * hourMs],
    ['2w', 336 * hourMs],
  ]
  for (const [text, agoMs] of ago) test(`${text} is that long ago`, () => assert.equal(nowMs - parseTimeMs(text, nowMs), agoMs))

  test('may name its zone, and is in that of the machine otherwise', () => {
    assert.equal(parseTimeMs('2026-11-20T10:30:15Z', nowMs), Date.UTC(2026, 10, 20, 10, 30, 15))
    assert.equal(parseTimeMs('2026-11-20T10:30+02:00', nowMs), Date.UTC(2026, 10, 20, 8, 30))
    assert.equal(parseTimeMs('2026-11-20 10:30', nowMs), new Date(2026, 10, 20, 10, 30).getTime())
    assert.equal(parseTimeMs('2026-11-20', nowMs), new Date(2026, 10, 20).getTime())
  })

  test('that was printed is read back to the millisecond', () => {
    assert.equal(parseTimeMs(exactTimeText(nowMs + 123), nowMs), nowMs + 123)
    assert.equal(parseTimeMs(localTimeText(nowMs), nowMs), nowMs)
  })

  for (const text of ['', 'yesterday', '12', '-2h', '2026-13-40', '2026-11-20T25:00', '1960-01-01', '2h 5m']) {
    test(`"${text}" is refused`, () =>
      assert.throws(
        () => parseTimeMs(text, nowMs),
        (error) => error instanceof EngineError && error.code === 'BAD_ARGUMENT',
      ))
  }
})
