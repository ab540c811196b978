// Two texts that both went on from one base: no line of either is lost, and everybody comes to the same bytes.

import assert from 'node:assert/strict'
import { describe, it, test } from 'node:test'

import fc from 'fast-check'

import { concatBytes, fromUtf8, utf8 } from '../../engine/base/bytes.ts'
import { mergeAppended } from '../../engine/sync/append-text.ts'

function merged(first: string, second: string, base: string | undefined): string {
  const outcome = mergeAppended(utf8(first), utf8(second), base === undefined ? undefined : utf8(base).length)
  return outcome.kind === 'merged' ? (fromUtf8(outcome.content) ?? '') : `(${outcome.kind})`
}

describe('two texts that went on from one base', () => {
  const table: readonly (readonly [name: string, first: string, second: string, base: string | undefined, outcome: string])[] = [
    ['the base, the first tail, the second tail', 'b\n1\n', 'b\n2\n3\n', 'b\n', 'b\n1\n2\n3\n'],
    ['an empty base', '1\n', '2\n', '', '1\n2\n'],
    ['nothing was added by the first', 'b\n', 'b\n2\n', 'b\n', 'b\n2\n'],
    ['nothing was added by the second', 'b\n1\n', 'b\n', 'b\n', '(contained)'],
    ['equal texts', 'b\n1\n', 'b\n1\n', undefined, '(contained)'],
    ['what both added at once is there once', 'b\nx\n1\n', 'b\nx\n2\n', 'b\n', 'b\nx\n1\n2\n'],
    ['the second is in the first already', 'b\n1\n2\n', 'b\n2\n', undefined, '(contained)'],
    ['part of a line is not the line', 'b\n12\n', 'b\n2\n', 'b\n', 'b\n12\n2\n'],
    ['the start of a line is not the line', 'b\n21\n', 'b\n2', 'b\n', 'b\n21\n2'],
    ['tails that differ within a line', 'b\nsame 1\n', 'b\nsame 2\n', 'b\n', 'b\nsame 1\nsame 2\n'],
    ['the first does not end its last line', 'b\n1', 'b\n2', 'b\n', 'b\n1\n2'],
    ['lines as Windows ends them', 'b\r\n1', 'b\r\n2', 'b\r\n', 'b\r\n1\r\n2'],
    ['the base had begun a line, both ended it', 'b', 'b\n2\n', 'b', '(unclear)'],
    ['the base had begun a line, and both go on after it', 'b\n1\n', 'b\n2\n', 'b', 'b\n1\n2\n'],
    ['the base had begun a line, and one goes on in it', 'b1\n', 'b\n2\n', 'b', '(unclear)'],
    ['no known base', 'b\n1\n', 'b\n2\n', undefined, '(unclear)'],
    ['a base that the second does not begin with', 'b\n1\n', 'c\n2\n', 'b\n', '(unclear)'],
    ['bytes that are no text', 'b\n1\0\n', 'b\n2\n', 'b\n', '(unclear)'],
  ]
  for (const [name, first, second, base, outcome] of table) {
    it(name, () => assert.equal(merged(first, second, base), outcome))
  }

  const line = fc.constantFrom('', 'a', 'b', 'ab', 'aa', 'x')
  const tail = fc.tuple(fc.array(line, { maxLength: 6 }), fc.constantFrom('', '\n')).map(([lines, end]) => lines.join('\n') + end)
  const texts = fc.record({ base: fc.array(line, { maxLength: 4 }), first: tail, second: tail })
  const check = (claim: (first: string, second: string, base: string) => void): void => {
    fc.assert(
      fc.property(texts, ({ base: lines, first, second }) => {
        const base = lines.map((one) => `${one}\n`).join('')
        claim(base + first, base + second, base)
      }),
      { seed: 1, numRuns: 2000 },
    )
  }

  it('begin with the first, and hold the lines of the second in their order', () =>
    check((first, second, base) => {
      const both = whole(first, second, base)
      assert.notEqual(both, '(unclear)')
      assert.ok(both.startsWith(first))
      assert.ok(isWithin(linesOf(second), linesOf(both)), `${first}|${second}|${both}`)
      assert.ok(both.length <= first.length + 1 + second.length - base.length)
    }))

  it('hold both when they are done: nothing more is to be added', () =>
    check((first, second, base) => {
      const both = whole(first, second, base)
      for (const text of [first, second, both]) assert.equal(merged(both, text, base), '(contained)')
    }))

  it('hold the same lines whichever comes first, when no line is in both tails', () =>
    check((first, second, base) => {
      const tails = [first, second].map((text) => new Set(linesOf(text.slice(base.length))))
      if ([...(tails[0] ?? [])].some((one) => tails[1]?.has(one))) return
      const wholes = [whole(first, second, base), whole(second, first, base)]
      assert.deepEqual(linesOf(wholes[0] ?? '').toSorted(), linesOf(wholes[1] ?? '').toSorted())
    }))
})

test('a long text of equal lines is looked through once a line', () => {
  const lines = new Uint8Array(2_000_000).fill(0x0a)
  const outcome = mergeAppended(concatBytes([lines, utf8('1\n')]), concatBytes([lines, utf8('2\n')]), lines.length)
  assert.equal(outcome.kind, 'merged')
})

function whole(first: string, second: string, base: string): string {
  const outcome = merged(first, second, base)
  return outcome === '(contained)' ? first : outcome
}

function linesOf(text: string): readonly string[] {
  const lines = text.split('\n')
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines
}

/** Whether `lines` are among `all` in their order. */
function isWithin(lines: readonly string[], all: readonly string[]): boolean {
  let at = 0
  for (const line of all) if (at < lines.length && line === lines[at]) at++
  return at === lines.length
}
