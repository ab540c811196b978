// Patterns for names of files, as settings hold them.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import fc from 'fast-check'

import { matchesName, parseNamePatterns } from '../../engine/model/name-pattern.ts'

describe('a pattern for names', () => {
  it('takes a star for any characters and a question mark for one', () => {
    const rows: readonly (readonly [string, string, boolean])[] = [
      ['*.log', 'x.log', true],
      ['*.log', '.log', true],
      ['*.log', 'x.log.1', false],
      ['*.log*', 'x.log.1', true],
      ['x?.log', 'x1.log', true],
      ['x?.log', 'x.log', false],
      ['*', '', true],
      ['*.LOG', 'x.log', false],
      ['a*b*c', 'aXbYbZc', true],
      ['a*b*c', 'aXbYbZ', false],
      ['[ab].log', 'a.log', false],
      ['notes', 'notes', true],
    ]
    for (const [pattern, name, isMatch] of rows) assert.equal(matchesName(pattern, name), isMatch, `${pattern} ${name}`)
  })

  it('matches what a regular expression of its parts does', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 8 })
    fc.assert(
      fc.property(text, fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 8 }), (pattern, name) => {
        const expression = new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`)
        assert.equal(matchesName(pattern, name), expression.test(name))
      }),
      { seed: 1, numRuns: 2000 },
    )
  })

  it('is one of a list parted by spaces, without directories', () => {
    assert.deepEqual(parseNamePatterns('  *.log   *.md '), ['*.log', '*.md'])
    assert.deepEqual(parseNamePatterns(''), [])
    assert.equal(parseNamePatterns('logs/*.log'), undefined)
    assert.equal(parseNamePatterns('a '.repeat(33)), undefined)
  })
})
