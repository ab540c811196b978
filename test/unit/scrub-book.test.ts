// What scrub remembers: what a person says of it holds once it is written, and not before.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { EngineError } from '../../engine/base/errors.ts'
import type { Index } from '../../engine/index/index-store.ts'
import { ScrubBook } from '../../engine/scrub/scrub-book.ts'
import { IndexNode } from '../support/index-world.ts'

it('says nothing of a pause that could not be written, and of one that was after a restart too', () => {
  using node = new IndexNode(1)
  let isFull = true
  const transact = <T>(work: () => T): T => {
    if (isFull) throw new EngineError('NO_SPACE', 'full')
    return node.index.transact(work)
  }
  const { scrub, damage, entries } = node.index
  const index = { scrub, damage, entries, transact } as unknown as Index // cast: what the book uses of it
  const book = new ScrubBook(index)
  assert.throws(() => book.change({ pausedMs: 5 }), { code: 'NO_SPACE' })
  assert.throws(() => book.beginRun(7, true), { code: 'NO_SPACE' })
  assert.deepEqual([book.state.pausedMs, book.state.isHurried], [0, false])
  isFull = false
  book.change({ pausedMs: 5 })
  assert.equal(book.state.pausedMs, 5)
  assert.equal(new ScrubBook(index).state.pausedMs, 5)
})
