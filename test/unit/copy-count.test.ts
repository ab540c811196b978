// The summary of a folder's copies: what is held by one alone is at risk, and members that are overdue are no comfort.

import assert from 'node:assert/strict'
import { it } from 'node:test'

import { CopyCount } from '../../engine/replicas/copy-count.ts'
import { CopyView } from '../../engine/replicas/copies.ts'
import type { Receipt } from '../../engine/replicas/receipt.ts'
import { bytesKey } from '../../engine/base/bytes.ts'
import { stillClock } from '../support/blocks.ts'
import { IndexNode } from '../support/index-world.ts'
import { firstIdentity, secondIdentity } from '../support/model-values.ts'

it('counts an overdue member as a copy, and what only it and one other hold as being at risk', async () => {
  using node = new IndexNode(1)
  for (const path of ['a', 'b', 'c']) node.write(path, `content of ${path}`)
  const { index, handle } = node
  const heads = new Map(index.entries.authors(handle.row).map(({ authorId }) => [bytesKey(authorId), { seq: 100 }]))
  const receipts = [firstIdentity, secondIdentity].map(({ peerId }): Receipt => {
    const part = { layout: new Uint8Array(0), heads, lacking: new Set<string>() }
    return { peer: peerId, edition: 1, keep: 'all', parts: [part], timeMs: 0, absent: [], released: new Set() }
  })
  const viewOf = (some: readonly Receipt[]): CopyView =>
    new CopyView(
      some,
      index.entries.authors(handle.row),
      () => ({ zone: '', audited: 'always' }),
      () => true,
    )
  for (const [isOverdue, single] of [
    [false, 0],
    [true, 3],
  ] as const) {
    const ending = new AbortController()
    const count = new CopyCount({
      index,
      folderRow: handle.row,
      clock: stillClock,
      edition: () => '1',
      view: () => viewOf(receipts),
      presentView: () => (isOverdue ? viewOf(receipts.slice(0, 1)) : undefined),
      targetCopies: () => 2,
      changed: () => ending.abort(),
    })
    await assert.rejects(count.run(ending.signal), { code: 'ABORTED' })
    assert.deepEqual(count.summary, { min: 2, below: 0, single })
  }
})
