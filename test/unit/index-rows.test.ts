// What is asked of the index all the time, or of much at once: the newest row of a folder, and needs of a layout that is no more, let go of in pieces.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { blockIdOf } from '../../engine/crypto/seal.ts'
import { testBytes } from '../support/blocks.ts'
import { IndexNode } from '../support/index-world.ts'

it('block needs are cleared some at a time, the first in their order first, and of one folder only', () => {
  using node = new IndexNode(0)
  const { index, handle } = node
  const needs = Array.from({ length: 25 }, (_, at) => ({
    rank: at % 3,
    id: blockIdOf(testBytes(at, 9)),
    entryRow: at + 1,
    storedBytes: 10,
  }))
  index.transact(() => {
    for (const need of needs) index.blockNeeds.put(handle.row, need)
  })
  const ranksLeft = (): readonly number[] => index.blockNeeds.after(handle.row, undefined, 100).map(({ rank }) => rank)
  assert.equal(
    index.transact(() => index.blockNeeds.clearSome(handle.row, 10)),
    10,
  )
  assert.deepEqual([index.blockNeeds.totals(handle.row), ranksLeft().includes(0)], [{ blocks: 15, bytes: 150 }, false])
  const cleared: number[] = []
  while (cleared.at(-1) !== 0) cleared.push(index.transact(() => index.blockNeeds.clearSome(handle.row, 10)))
  assert.deepEqual(cleared, [10, 5, 0])
  assert.deepEqual([index.blockNeeds.totals(handle.row), ranksLeft()], [{ blocks: 0, bytes: 0 }, []])
})

it('the newest row of a folder is known, whatever goes and comes', () => {
  using node = new IndexNode(0)
  const { index, handle } = node
  const newest = (): number => index.entries.page(handle.row, 0, 100).at(-1)?.rowSeq ?? 0
  for (const [path, text] of [
    ['a', 'one'],
    ['b', 'one'],
    ['a', 'two'],
    ['b', undefined],
  ] as const) {
    node.write(path, text)
    assert.equal(index.entries.lastRowOf(handle.row), newest())
  }
  index.transact(() => index.entries.remove(newest()))
  assert.equal(index.entries.lastRowOf(handle.row), newest())
  assert.throws(() =>
    index.transact(() => {
      index.entries.remove(newest())
      throw new Error('taken back')
    }),
  )
  assert.equal(index.entries.lastRowOf(handle.row), newest())
})
