// The summary of a folder's copies: what is held by one alone is at risk, members that are overdue are no comfort, and what lasts is told.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { bytesKey } from '../../engine/base/bytes.ts'
import { CopyCount, type CopyCountParts, type CopyShortage } from '../../engine/replicas/copy-count.ts'
import { CopyView } from '../../engine/replicas/copies.ts'
import { wholeOffer } from '../../engine/replicas/offer.ts'
import type { Receipt } from '../../engine/replicas/receipt.ts'
import { stillClock } from '../support/blocks.ts'
import { IndexNode } from '../support/index-world.ts'
import { firstIdentity, secondIdentity } from '../support/model-values.ts'
import { StepClock } from '../support/step-clock.ts'

function writeThree(node: IndexNode): void {
  for (const path of ['a', 'b', 'c']) node.write(path, `content of ${path}`)
}

/** So many members say that they hold all. */
function viewOf({ index, handle }: IndexNode, holders: number): CopyView {
  const authors = index.entries.authors(handle.row)
  const heads = new Map(authors.map(({ authorId }) => [bytesKey(authorId), { seq: 100 }]))
  const receipts = [firstIdentity, secondIdentity].slice(0, holders).map(({ peerId }): Receipt => {
    const part = { layout: new Uint8Array(0), heads, lacking: new Set<string>() }
    return { peer: peerId, edition: 1, keep: 'all', parts: [part], timeMs: 0, absent: [], released: new Set(), offer: wholeOffer }
  })
  return new CopyView(
    receipts,
    authors,
    () => ({ zone: '', audited: 'always' }),
    () => true,
  )
}

function countOf(node: IndexNode, parts: Partial<CopyCountParts>): CopyCount {
  return new CopyCount({
    index: node.index,
    folderRow: node.handle.row,
    clock: stillClock,
    edition: () => '1',
    view: () => viewOf(node, 2),
    presentView: () => undefined,
    targetCopies: () => 2,
    changed: () => undefined,
    ...parts,
  })
}

it('counts an overdue member as a copy, and what only it and one other hold as being at risk', async () => {
  using node = new IndexNode(1)
  writeThree(node)
  for (const [isOverdue, single] of [
    [false, 0],
    [true, 3],
  ] as const) {
    const ending = new AbortController()
    const count = countOf(node, { presentView: () => (isOverdue ? viewOf(node, 1) : undefined), changed: () => ending.abort() })
    await assert.rejects(count.run(ending.signal), { code: 'ABORTED' })
    assert.deepEqual(count.summary, { min: 2, below: 0, single, none: 0 })
  }
})

it('calls a want of copies lasting once every count of ten minutes found it, and not before', async () => {
  using node = new IndexNode(1)
  writeThree(node)
  const clock = new StepClock()
  let holders = 1
  const count = countOf(node, { clock, edition: () => `${holders}`, view: () => viewOf(node, holders) })
  const ending = new AbortController()
  const running = count.run(ending.signal)
  const after = async (copies: number, ms: number): Promise<CopyShortage> => {
    holders = copies
    count.wake()
    await clock.pass(1000)
    await clock.pass(ms)
    return count.lasting
  }
  const nothing = { below: 0, single: 0, none: 0 }
  await clock.pass(0)
  assert.deepEqual(await after(1, 590_000), nothing)
  assert.deepEqual(await after(1, 10_000), { below: 3, single: 3, none: 0 })
  assert.deepEqual(await after(0, 10_000), { below: 3, single: 3, none: 0 }, 'that nobody has any is new')
  assert.deepEqual(await after(0, 600_000), { below: 3, single: 3, none: 3 })
  assert.deepEqual(await after(2, 10_000), nothing)
  assert.deepEqual(await after(1, 590_000), nothing, 'it was over in between')
  ending.abort()
  await assert.rejects(running, { code: 'ABORTED' })
})
