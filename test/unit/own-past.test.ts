// A node that was set back with all its memory: members tell, and it becomes another author without losing a change or a number.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shortKeyOf } from '../../engine/index/columns.ts'
import { decodeChangeSet, type ChangeSet } from '../../engine/model/change-set.ts'
import { compareVectors } from '../../engine/model/vector.ts'
import { present } from '../../engine/base/assert.ts'
import { entryIdOfPath, openFolderHandle } from '../../engine/sync/folder-handle.ts'
import { becomeAnother, firstForeignSeq, headMessage, type KnownHead } from '../../engine/sync/own-past.ts'
import { IndexNode, pathOf } from '../support/index-world.ts'

const another = new Uint8Array(8).fill(77)

function setsOf(node: IndexNode): readonly ChangeSet[] {
  const own = present(node.index.entries.author(node.handle.row, node.handle.authorId), 'it has written')
  const sets: ChangeSet[] = []
  for (let seq = 1; seq < node.index.folders.nextSeq(node.handle.row); seq++) {
    const bytes = node.index.entries.changeSetAt(own.row, seq)
    const set = bytes === undefined ? undefined : decodeChangeSet(bytes)
    if (set !== undefined) sets.push(set)
  }
  return sets
}

test('scenario 91: what members know in the name of a node shows whether another self of it wrote', () => {
  using before = new IndexNode(1)
  using after = new IndexNode(1)
  using stranger = new IndexNode(2)
  for (const node of [before, after]) {
    node.write('a', 'same')
    node.write('b', 'same')
  }
  before.write('c', 'in the time that was set back')
  const { index, handle } = after
  const none = new Uint8Array(0)
  const head = (seq: number, mark: Uint8Array = none): KnownHead => ({ author: handle.authorId, seq, mark })
  assert.equal(
    firstForeignSeq(index, handle, [head(2), { author: stranger.handle.authorId, seq: 99, mark: none }], setsOf(after)),
    undefined,
  )
  assert.equal(firstForeignSeq(index, handle, [head(3)], []), 3, 'a head beyond its own')
  assert.equal(firstForeignSeq(index, handle, [], setsOf(before)), 3, 'a change set that it has not signed')
  after.write('d', 'after that')
  assert.equal(firstForeignSeq(index, handle, [head(3)], []), undefined, 'a number alone does not tell')
  const told = (node: IndexNode): KnownHead => {
    const own = present(node.index.entries.author(node.handle.row, node.handle.authorId), 'it has written')
    const { mark } = headMessage(node.index, own)
    return head(own.known.seq, mark)
  }
  assert.equal(firstForeignSeq(index, handle, [told(after)], []), undefined)
  assert.equal(firstForeignSeq(index, handle, [told(before)], []), 3, 'the mark with the number does')
  assert.equal(firstForeignSeq(index, handle, [], setsOf(before)), 3, 'the same number, and something else under it')
})

test('scenario 91: one change of several that came out with the number and the bytes of the other self hides nothing', () => {
  using before = new IndexNode(1)
  using after = new IndexNode(1)
  for (const [node, first] of [
    [before, 'one'],
    [after, 'another'],
  ] as const) {
    const versions = [first, 'same'].map((path) => ({ path, text: 'found on the disk again', base: [] }))
    node.writeAll(versions)
  }
  const own = present(before.index.entries.author(before.handle.row, before.handle.authorId), 'it has written')
  const { mark } = headMessage(before.index, own)
  const head: KnownHead = { author: after.handle.authorId, seq: 2, mark }
  const [theirs, ours] = [setsOf(before), setsOf(after)].map(([set]) => present(set, 'a set').hashes.subarray(32))
  assert.deepEqual(theirs, ours, 'the second entries are the same')
  assert.equal(firstForeignSeq(after.index, after.handle, [head], []), 1)
})

test('scenario 91: it goes on as another author; what nobody was told is written again and outranks what it had seen', () => {
  using node = new IndexNode(1)
  const { index, handle } = node
  const versionOf = (path: string): ReturnType<typeof index.entries.siblings> =>
    index.entries.siblings(handle.row, entryIdOfPath(handle, pathOf(path)))
  node.write('told', 'one')
  node.write('twice', 'one')
  const seen = present(versionOf('twice')[0], 'written').entry.vector
  node.write('twice', 'two')
  node.write('new', 'three')
  becomeAnother(index, handle, another, 2, 5)
  const record = present(index.folders.all()[0], 'a folder')
  assert.deepEqual(record.incarnation, another)
  const next = openFolderHandle(record, handle.identity)
  const vectors = (path: string): readonly (readonly [boolean, number])[] =>
    versionOf(path).flatMap(({ entry }) =>
      entry.vector.map(({ author, seq }) => [author.every((byte, at) => byte === next.authorId[at]), seq] as const),
    )
  assert.deepEqual(vectors('told'), [[false, 1]])
  assert.deepEqual(new Map(vectors('twice')).get(false), 2, 'no number after the floor is in a vector any more')
  assert.deepEqual(new Map(vectors('new')).has(true), true)
  assert.equal(compareVectors(present(versionOf('twice')[0], 'written again').entry.vector, seen), 'after')
  const own = present(index.entries.author(handle.row, handle.authorId), 'it wrote before')
  assert.deepEqual(own.known, { seq: 2 }, 'members tell what came after')
  assert.equal(index.entries.changeSetAt(own.row, 3), undefined)
  assert.deepEqual(index.entries.ofAuthorAfter(own.row, 2), [])
  assert.equal(index.needs.has(handle.row, shortKeyOf(entryIdOfPath(handle, pathOf('new')))), false)
})
