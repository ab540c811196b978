// Past versions as rows: what an older index brings along, what refers to a block, what was there at a time.

import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { describe, it } from 'node:test'

import { present } from '../../engine/base/assert.ts'
import { ChangeSetTimes } from '../../engine/index/change-set-times.ts'
import { openIndex } from '../../engine/index/index-store.ts'
import { migrations } from '../../engine/index/migrations.ts'
import type { Item } from '../../engine/model/item.ts'
import { testFolder } from '../support/blocks.ts'
import { IndexNode, pathOf } from '../support/index-world.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const firstFormat = 1

function itemOf(node: IndexNode, path: string, text: string, seq: number, sinceMs: number): Item {
  return {
    path: pathOf(path),
    kind: 'file',
    sizeBytes: text.length,
    mtimeUs: 5,
    ctimeUs: 6,
    inode: 7,
    mode: 0o644,
    chunkClass: 1,
    isLeftover: false,
    vector: [{ author: node.handle.authorId, seq }],
    blocks: node.blocksOf(text),
    linkTarget: undefined,
    contentVector: undefined,
    sinceMs,
  }
}

function replace(node: IndexNode, path: string, text: string, seq: number, fromMs: number, toMs: number, parked?: string): void {
  const how = { parked, replacedMs: toMs, isDeletion: false, author: undefined }
  node.index.transact(() => node.index.history.insert(node.handle.row, itemOf(node, path, text, seq, fromMs), how))
}

describe('past versions', () => {
  it('of an index that an older version wrote are kept, with what they refer to', () => {
    using directory = temporaryDirectory()
    const path = `${directory.path}/index.db`
    using node = new IndexNode(0)
    const blocks = node.blocksOf('of long ago')
    {
      using raw = new DatabaseSync(path)
      raw.exec(migrations.slice(0, firstFormat).join(';'))
      raw.exec(`pragma user_version = ${firstFormat}`)
      raw
        .prepare(
          `insert into folder (folder_id, name, path, access_secret, folder_secret, epochs, incarnation, created_ms, target_copies)
           values (?, 'old', '/old', ?, ?, ?, ?, 1, 1)`,
        )
        .run(testFolder(3), new Uint8Array(32), new Uint8Array(32), new Uint8Array(36), new Uint8Array(8))
      raw
        .prepare(
          `insert into history (folder, path, parked, kind, size_bytes, mtime_us, mode, vector, blocks, replaced_ms)
           values (1, 'a/b', 'aa', 1, 11, 2, 420, ?, ?, 77)`,
        )
        .run(new Uint8Array(24), blocks.bytes)
    }
    for (let opening = 0; opening < 2; opening++) {
      using index = openIndex(path, new SeededRandom('migrated'))
      const [version] = index.history.ofPath(1, 'a/b', 10)
      assert.deepEqual(
        [version?.parked, version?.replacedMs, version?.sinceMs, version?.isDeletion, version?.author],
        ['aa', 77, 0, false, undefined],
      )
      assert.ok(version?.blocks.equals(blocks))
      assert.ok(index.history.refersTo(blocks.id(0)))
    }
  })

  it('refer to their blocks until they are removed, each for itself', () => {
    using node = new IndexNode(0)
    const { history } = node.index
    const id = node.blocksOf('shared').id(0)
    replace(node, 'a', 'shared', 1, 0, 10)
    replace(node, 'b', 'shared', 2, 0, 20)
    const [first, second] = history.oldest(node.handle.row, 100, 10)
    assert.ok(history.isSharedBy(id, present(first, 'a').row))
    history.remove(present(first, 'a'))
    assert.ok(history.refersTo(id) && !history.isSharedBy(id, present(second, 'b').row))
    history.remove(present(second, 'b'))
    assert.ok(!history.refersTo(id))
  })

  it('are noted once, under the newest account of how they went', () => {
    using node = new IndexNode(0)
    const { history } = node.index
    replace(node, 'a', 'same', 1, 5, 10, 'parked')
    replace(node, 'a', 'same', 1, 5, 30)
    const versions = history.ofPath(node.handle.row, 'a', 10)
    assert.deepEqual(
      versions.map(({ parked, sinceMs, replacedMs }) => ({ parked, sinceMs, replacedMs })),
      [{ parked: 'parked', sinceMs: 5, replacedMs: 30 }],
    )
    replace(node, 'a', 'another', 1, 30, 40)
    assert.equal(history.ofPath(node.handle.row, 'a', 10).length, 2)
  })

  it('have numbers that are never used again', () => {
    using node = new IndexNode(0)
    const { history } = node.index
    replace(node, 'a', 'one', 1, 0, 10)
    const [one] = history.ofPath(node.handle.row, 'a', 1)
    history.remove(present(one, 'just noted'))
    replace(node, 'a', 'two', 2, 10, 20)
    assert.notEqual(history.ofPath(node.handle.row, 'a', 1)[0]?.row, one?.row)
  })

  it('tell for each path which was the first to go after a time', () => {
    using node = new IndexNode(0)
    const { row } = node.handle
    const { history } = node.index
    replace(node, 'a', '1', 1, 0, 10)
    replace(node, 'a', '2', 2, 10, 20)
    replace(node, 'a', '3', 3, 20, 30)
    replace(node, 'b/c', '1', 4, 0, 15)
    replace(node, 'd', '1', 5, 0, 5)
    const at = (timeMs: number, after = ''): readonly string[] =>
      history.firstReplacedAfter(row, timeMs, after, 10).map(({ path, replacedMs }) => `${path} ${replacedMs}`)
    assert.deepEqual(at(0), ['a 10', 'b/c 15', 'd 5'])
    assert.deepEqual(at(10), ['a 20', 'b/c 15'])
    assert.deepEqual(at(10, 'a'), ['b/c 15'])
    assert.deepEqual(at(29), ['a 30'])
    assert.deepEqual(
      history.below(row, 'b', 10).map(({ path }) => path),
      ['b/c'],
    )
    assert.deepEqual(
      history.below(row, '', 2).map(({ path, replacedMs }) => `${path} ${replacedMs}`),
      ['a 30', 'a 20'],
    )
  })
})

describe('times of change sets', () => {
  it('are found for every number of a set and for no other', () => {
    const times = new ChangeSetTimes()
    times.add(1, 100, 10, 7)
    times.add(1, 1, 5, 3)
    times.add(2, 1, 1000, 9)
    const found = [1, 5, 6, 99, 100, 109, 110].map((seq) => times.get(1, seq))
    assert.deepEqual(found, [3, 3, undefined, undefined, 7, 7, undefined])
    assert.deepEqual([times.get(2, 1000), times.get(3, 1)], [9, undefined])
    times.clear()
    assert.equal(times.get(1, 1), undefined)
  })
})
