// The generator behind every seeded test.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { SeededRandom } from '../support/seeded-random.ts'

test('one seed gives one stream, also in bytes, and another seed another', () => {
  assert.deepEqual(new SeededRandom(1).bytes(1000), new SeededRandom('1').bytes(1000))
  assert.notDeepEqual(new SeededRandom(1).bytes(16), new SeededRandom(2).bytes(16))
})

test('a fork depends on its label and not on what was drawn before', () => {
  const random = new SeededRandom('seed')
  const early = random.fork('disk').uint32()
  random.uint32()
  assert.equal(random.fork('disk').uint32(), early)
  assert.notEqual(random.fork('network').uint32(), early)
})

test('draws are spread evenly over their range', () => {
  const random = new SeededRandom('even')
  const counts = new Map<number, number>()
  for (let draw = 0; draw < 10_000; draw++) {
    const value = random.between(3, 12)
    counts.set(value, (counts.get(value) ?? 0) + 1)
  }
  assert.deepEqual(
    [...counts.keys()].toSorted((left, right) => left - right),
    [3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
  )
  for (const [value, count] of counts) assert.ok(count > 800 && count < 1200, `${value} came ${count} times`)
  const bits = random.bytes(10_000).reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0)
  assert.ok(Math.abs(bits - 40_000) < 600, `${bits} of 80000 bits are set`)
})

test('weights decide how often a name is drawn, and a weight of zero never', () => {
  const random = new SeededRandom('weights')
  const counts = { often: 0, seldom: 0, never: 0 }
  for (let draw = 0; draw < 10_000; draw++) counts[random.pickWeighted({ often: 9, seldom: 1, never: 0 })]++
  assert.equal(counts.never, 0)
  assert.ok(counts.seldom > 800 && counts.seldom < 1200, `${counts.seldom}`)
})

test('a shuffle keeps all items and leaves the original alone', () => {
  const items = Array.from({ length: 50 }, (_, at) => at)
  const shuffled = new SeededRandom(5).shuffle(items)
  assert.notDeepEqual(shuffled, items)
  assert.deepEqual(
    shuffled.toSorted((left, right) => left - right),
    items,
  )
})
