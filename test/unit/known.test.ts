// What is known of an author: as exact as a set of numbers, and as small as a number where nothing is left out.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  addKnown,
  decodeKnown,
  encodeAbove,
  greatestKnown,
  isKnown,
  joinKnown,
  knownUpTo,
  nothingKnown,
  rangesAboveMax,
  withoutKnown,
  type Known,
} from '../../engine/model/known.ts'

const most = 40
const numbers = fc.array(fc.integer({ min: 1, max: most }), { maxLength: 30 })

function numbersOf(known: Known): readonly number[] {
  return Array.from({ length: most }, (_, at) => at + 1).filter((number) => isKnown(known, number))
}

function sorted(all: Iterable<number>): readonly number[] {
  return [...new Set(all)].toSorted((left, right) => left - right)
}

describe('what is known of an author', () => {
  it('is what a set of its numbers would say, whatever is added, joined or taken away', () => {
    fc.assert(
      fc.property(numbers, numbers, fc.nat(most), (left, right, last) => {
        const known = addKnown(nothingKnown, left)
        const other = addKnown(nothingKnown, right)
        assert.deepEqual(numbersOf(known), sorted(left))
        assert.equal(greatestKnown(known), Math.max(0, ...left))
        assert.deepEqual(numbersOf(joinKnown(known, other)), sorted([...left, ...right]))
        assert.deepEqual(addKnown(known, right), joinKnown(known, other))
        assert.deepEqual(numbersOf(withoutKnown(known, right)), sorted(left.filter((number) => !right.includes(number))))
        assert.deepEqual(numbersOf(knownUpTo(known, last)), sorted(left.filter((number) => number <= last)))
      }),
      { numRuns: 500, seed: 4 },
    )
  })

  it('is one form for one set, and read back as it was written', () => {
    fc.assert(
      fc.property(numbers, (all) => {
        const known = addKnown(nothingKnown, all)
        assert.deepEqual(addKnown(nothingKnown, all.toReversed()), known)
        assert.deepEqual(decodeKnown(known.seq, encodeAbove(known)), known)
      }),
      { numRuns: 200, seed: 5 },
    )
    const wide = { seq: 3, above: [{ first: 2 ** 40, last: 2 ** 50 }] }
    assert.deepEqual(decodeKnown(3, encodeAbove(wide)), wide)
    assert.equal(encodeAbove({ seq: 100_000 }).length, 0)
  })

  it('is not read from bytes that say it in another way, cut off, or beyond its bounds', () => {
    const bad: readonly (readonly [number, readonly number[]])[] = [
      [-1, []],
      [2 ** 53, []],
      [1, [0, 3]],
      [1, [2]],
      [1, [2, 128]],
      [1, [255, 255, 255, 255, 255, 255, 255, 255, 127, 0]],
      [2 ** 53 - 2, [1, 9]],
    ]
    for (const [seq, bytes] of bad) assert.equal(decodeKnown(seq, Uint8Array.from(bytes)), undefined, `${seq} ${bytes.join()}`)
    const many = Uint8Array.from({ length: 2 * (rangesAboveMax + 1) }, (_, at) => (at % 2 === 0 ? 1 : 0))
    assert.equal(decodeKnown(1, many), undefined)
    assert.equal(decodeKnown(1, many.subarray(2))?.above?.length, rangesAboveMax)
  })

  it('leaves out the highest numbers where there would be too many ranges', () => {
    const known = addKnown(
      nothingKnown,
      Array.from({ length: rangesAboveMax + 10 }, (_, at) => 2 * at + 2),
    )
    assert.equal(known.above?.length, rangesAboveMax)
    assert.ok(isKnown(known, 2) && !isKnown(known, 3) && !isKnown(known, 2 * rangesAboveMax + 2))
  })
})
