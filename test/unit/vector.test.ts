// Version vectors: a partial order with a join, and packed forms that give back what went in.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import fc from 'fast-check'

import { packVector, parsePackedVector, parseVector, vectorMessage } from '../../engine/model/entry.ts'
import {
  advanceVector,
  compareVectors,
  isWellFormedVector,
  joinVectors,
  meetVectors,
  vectorElementsMax,
  type VersionVector,
} from '../../engine/model/vector.ts'
import { authorOf } from '../support/replicas.ts'

const authors = 5
const dots = fc.array(fc.nat(3), { minLength: authors, maxLength: authors })

function vectorOf(seqs: readonly number[]): VersionVector {
  return seqs.flatMap((seq, author) => (seq === 0 ? [] : [{ author: authorOf(author), seq }]))
}

/** The order by its definition. */
function slowOrder(left: readonly number[], right: readonly number[]): string {
  const isBelow = left.every((seq, at) => seq <= (right[at] ?? 0))
  const isAbove = left.every((seq, at) => seq >= (right[at] ?? 0))
  return isBelow ? (isAbove ? 'equal' : 'before') : isAbove ? 'after' : 'concurrent'
}

function check(name: string, claim: (left: number[], right: number[], third: number[]) => void): void {
  it(name, () => fc.assert(fc.property(dots, dots, dots, claim), { seed: 1, numRuns: 300 }))
}

describe('version vectors', () => {
  check('meet in the greatest vector that both have seen', (left, right) => {
    const least = left.map((seq, at) => Math.min(seq, right[at] ?? 0))
    assert.equal(compareVectors(meetVectors(vectorOf(left), vectorOf(right)), vectorOf(least)), 'equal')
  })

  check('compare as their elements do', (left, right) =>
    assert.equal(compareVectors(vectorOf(left), vectorOf(right)), slowOrder(left, right)),
  )
  check('join to the least that has seen both', (left, right) => {
    assert.deepEqual(joinVectors(vectorOf(left), vectorOf(right)), vectorOf(left.map((seq, at) => Math.max(seq, right[at] ?? 0))))
  })
  check('join in any order to the same', (left, right, third) => {
    const [a, b, c] = [vectorOf(left), vectorOf(right), vectorOf(third)]
    assert.deepEqual(joinVectors(joinVectors(a, b), c), joinVectors(c, joinVectors(b, a)))
    assert.deepEqual(joinVectors(a, a), a)
  })
  check('are after what they advance, and well formed', (left, right) => {
    const author = (right[0] ?? 0) % authors
    const advanced = advanceVector(vectorOf(left), authorOf(author), (left[author] ?? 0) + 1)
    assert.equal(compareVectors(advanced, vectorOf(left)), 'after')
    assert.ok(isWellFormedVector(advanced))
  })
  check('are read back from packed and from wire form', (left) => {
    const vector = vectorOf([...left, 1])
    assert.deepEqual(parsePackedVector(packVector(vector)), vector)
    assert.deepEqual(parseVector(vectorMessage(vector)), vector)
  })

  it('keep numbers up to the largest whole one', () => {
    const vector = [{ author: authorOf(1), seq: Number.MAX_SAFE_INTEGER }]
    assert.deepEqual(parsePackedVector(packVector(vector)), vector)
    assert.deepEqual(parseVector(vectorMessage(vector)), vector)
  })

  const one = { author: authorOf(1), seq: 1 }
  const wrong: readonly (readonly [string, VersionVector])[] = [
    ['empty', []],
    ['with a zero', [{ author: authorOf(1), seq: 0 }]],
    ['with a negative number', [{ author: authorOf(1), seq: -1 }]],
    ['with a fraction', [{ author: authorOf(1), seq: 1.5 }]],
    ['with a number past exact ones', [{ author: authorOf(1), seq: 2 ** 53 }]],
    ['out of order', [{ author: authorOf(2), seq: 1 }, one]],
    ['with an author twice', [one, one]],
    ['over the limit', Array.from({ length: vectorElementsMax + 1 }, (_, at) => ({ author: authorOf(at), seq: 1 }))],
  ]
  for (const [what, vector] of wrong) it(`${what} are not well formed`, () => assert.equal(isWellFormedVector(vector), false))
  it('of the wire are refused with an author of another form', () => {
    assert.equal(parseVector([{ author: new Uint8Array(16), seq: 1n }]), undefined)
    assert.equal(parseVector([{ author: authorOf(1).subarray(0, 15), seq: 1n }]), undefined)
    assert.equal(parseVector([{ author: authorOf(1), seq: 2n ** 63n }]), undefined)
  })
})
