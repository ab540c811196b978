// What apply leaves as needed when a file was renamed here for a deletion and an appearance that others made.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { present } from '../../engine/base/assert.ts'
import type { FileStat } from '../../engine/base/files.ts'
import { shortKeyOf } from '../../engine/index/columns.ts'
import { removalRank } from '../../engine/index/need-table.ts'
import { writeEntries } from '../../engine/sync/author.ts'
import { entryIdOfPath } from '../../engine/sync/folder-handle.ts'
import { commitFound } from '../../engine/sync/ingest-commit.ts'
import { commitApplied } from '../../engine/sync/pull-commit.ts'
import { PullPlanner, type PlannedChange } from '../../engine/sync/pull-plan.ts'
import { IndexNode, pathOf } from '../support/index-world.ts'

const stat: FileStat = { kind: 'file', sizeBytes: 4, mtimeUs: 1, ctimeUs: 1, mode: 0o644, inode: 1, device: 1, links: 1 }

const keyOf = (node: IndexNode, path: string): number => shortKeyOf(entryIdOfPath(node.handle, pathOf(path)))

const isNeeded = (node: IndexNode, path: string): boolean => node.index.needs.has(node.handle.row, keyOf(node, path))

/** A node that has the file 'from' and was told that its content is at 'to' instead; with the plan of it. */
function nodeThatMoves(): { readonly node: IndexNode; readonly change: PlannedChange } {
  const node = new IndexNode(0)
  const { index, handle } = node
  const state = {
    kind: 'file',
    stat,
    chunkClass: 1,
    blocks: node.blocksOf('text'),
    linkTarget: undefined,
    sealed: new Uint8Array(0),
  } as const
  commitFound(index, handle, [{ path: pathOf('from'), item: undefined, found: state }], 1)
  node.write('from', undefined)
  node.write('to', 'text')
  index.transact(() => {
    index.needs.put(handle.row, keyOf(node, 'from'), removalRank, 0)
    index.needs.put(handle.row, keyOf(node, 'to'), 0, 4)
  })
  const names = { temporary: () => 'temporary', parked: () => 'parked' }
  const [plan] = new PullPlanner(index, handle, names).plan(keyOf(node, 'to'))
  assert.ok(plan?.kind === 'change' && plan.change.movedFrom !== undefined)
  return { node, change: plan.change }
}

describe('a file that is renamed instead of fetched', () => {
  it('settles the deletion that it came from', () => {
    const { node, change } = nodeThatMoves()
    commitApplied(node.index, node.handle, [{ change, stat, isParkedChanged: false }], 1)
    assert.deepEqual([isNeeded(node, 'to'), isNeeded(node, 'from')], [false, false])
    assert.equal(node.index.items.byPath(node.handle.row, pathOf('from')), undefined)
    node[Symbol.dispose]()
  })

  it('leaves needed a path that got a newer version while it was renamed', () => {
    const { node, change } = nodeThatMoves()
    node.write('to', 'another text')
    commitApplied(node.index, node.handle, [{ change, stat, isParkedChanged: false }], 1)
    assert.equal(isNeeded(node, 'to'), true)
    node[Symbol.dispose]()
  })

  it('leaves needed what came to be at its old path while it was renamed', () => {
    const { node, change } = nodeThatMoves()
    node.write('from', 'something new')
    commitApplied(node.index, node.handle, [{ change, stat, isParkedChanged: false }], 1)
    assert.deepEqual([isNeeded(node, 'to'), isNeeded(node, 'from')], [false, true])
    node[Symbol.dispose]()
  })

  it('leaves needed a version at its old path that had not seen the deletion', () => {
    const { node, change } = nodeThatMoves()
    const { vector } = present(change.movedFrom, 'the file that moves')
    using other = new IndexNode(1)
    const theirs = other.writeOn('from', 'edited', vector)
    const { record, identity } = other.handle
    node.index.transact(() => {
      const author = node.index.entries.ensureAuthor(node.handle.row, other.handle.authorId, identity.publicKey, record.incarnation)
      const row = present(other.index.entries.siblings(other.handle.row, theirs.entryId)[0], 'just written')
      node.index.entries.insert(node.handle.row, row.entry, row.bytes, author.row, row.seq)
    })
    commitApplied(node.index, node.handle, [{ change, stat, isParkedChanged: false }], 1)
    assert.ok(isNeeded(node, 'from'))
    node[Symbol.dispose]()
  })
})

describe('a deletion that is applied', () => {
  it('leaves needed the living version of the same vector that came meanwhile', () => {
    using node = new IndexNode(0)
    const { index, handle } = node
    const blocks = node.blocksOf('text')
    const state = { kind: 'file', stat, chunkClass: 1, blocks, linkTarget: undefined, sealed: new Uint8Array(0) } as const
    commitFound(index, handle, [{ path: pathOf('one'), item: undefined, found: state }], 1)
    const { vector } = node.write('one', undefined)
    index.transact(() => index.needs.put(handle.row, keyOf(node, 'one'), removalRank, 0))
    const [plan] = new PullPlanner(index, handle, { temporary: () => 'temporary', parked: () => 'parked' }).plan(keyOf(node, 'one'))
    assert.ok(plan?.kind === 'change' && plan.change.operation.kind === 'remove')
    index.transact(() => {
      writeEntries(index, handle, [{ ...node.draft('one', 'text', vector), kind: 'join' }], 2)
      index.needs.put(handle.row, keyOf(node, 'one'), 0, 4)
    })
    commitApplied(index, handle, [{ change: plan.change, stat: undefined, isParkedChanged: false }], 2)
    assert.equal(index.items.byPath(handle.row, pathOf('one')), undefined)
    assert.ok(isNeeded(node, 'one'))
  })
})
