// What counts as having come with an old backup, by table: the path is in doubt, and what is there is older or was there before.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { present } from '../../engine/base/assert.ts'
import type { FileStat } from '../../engine/base/files.ts'
import { BlockList } from '../../engine/model/block-list.ts'
import { commitFound, type FoundPath, type FoundState } from '../../engine/sync/ingest-commit.ts'
import { isFromBackup } from '../../engine/sync/take-back.ts'
import { IndexNode, pathOf } from '../support/index-world.ts'

const path = pathOf('x')
const restoredUs = 100

interface Look {
  readonly mtimeUs: number
  readonly ctimeUs?: number
  readonly mode?: number
}

function fileOf(node: IndexNode, text: string, look: Look): FoundState {
  const blocks = node.blocksOf(text)
  return { kind: 'file', stat: statOf('file', look), chunkClass: 1, blocks, linkTarget: undefined, sealed: new Uint8Array(0) }
}

function linkOf(linkTarget: string, look: Look): FoundState {
  return { kind: 'symlink', stat: statOf('symlink', look), chunkClass: 0, blocks: BlockList.empty, linkTarget, sealed: new Uint8Array(0) }
}

function directoryOf(look: Look): FoundState {
  return {
    kind: 'directory',
    stat: statOf('directory', look),
    chunkClass: 0,
    blocks: BlockList.empty,
    linkTarget: undefined,
    sealed: new Uint8Array(0),
  }
}

function statOf(kind: FileStat['kind'], { mtimeUs, ctimeUs = 90, mode = 0o644 }: Look): FileStat {
  return { kind, sizeBytes: 1, mtimeUs, ctimeUs, mode, inode: 1, device: 1, links: 1 }
}

/** A node in which the path was `before`, one after the other; the last is its item, in doubt. */
function nodeAfter(before: readonly ((node: IndexNode) => FoundState)[], isInDoubt = true): IndexNode {
  const node = new IndexNode(0)
  for (const state of before) commitFound(node.index, node.handle, [found(node, state(node))], 1)
  if (isInDoubt) node.index.items.doubtAll(node.handle.row)
  return node
}

function found(node: IndexNode, state: FoundState): FoundPath {
  return { path, item: node.index.items.byPath(node.handle.row, path), found: state }
}

const old = (node: IndexNode): FoundState => fileOf(node, 'old', { mtimeUs: 10 })
const newer = (node: IndexNode): FoundState => fileOf(node, 'newer', { mtimeUs: 20 })
const gone = (): FoundState => ({ kind: 'missing' })
const link = (): FoundState => linkOf('a', { mtimeUs: 20 })

describe('what is found at a path in doubt', () => {
  const table: readonly (readonly [claim: string, before: (typeof old)[], state: (node: IndexNode) => FoundState, isOld: boolean])[] = [
    ['came with the backup when it is from before what was there', [newer], (node) => fileOf(node, 'other', { mtimeUs: 15 }), true],
    ['came with it when it was there before, whatever its time', [old, newer], (node) => fileOf(node, 'old', { mtimeUs: 95 }), true],
    ['is an edit when it is later and was never there', [old, newer], (node) => fileOf(node, 'edit', { mtimeUs: 95 }), false],
    ['came with it when only its time is earlier', [newer], (node) => fileOf(node, 'newer', { mtimeUs: 15 }), true],
    ['is a change of bits when its time is the same', [newer], (node) => fileOf(node, 'newer', { mtimeUs: 20, mode: 0o600 }), false],
    ['came with it as a link from before', [link], () => linkOf('b', { mtimeUs: 15 }), true],
    ['is an edit as a later link', [link], () => linkOf('b', { mtimeUs: 95 }), false],
    ['is a change as a directory, whose time says nothing', [newer], () => directoryOf({ mtimeUs: 15 }), false],
    ['came with it where a directory is now and that file was before', [old, gone, () => directoryOf({ mtimeUs: 5 })], old, true],
    ['came with it when it was deleted since', [old, gone], old, true],
    ['is new when nothing like it was there', [old, gone], (node) => fileOf(node, 'new', { mtimeUs: 10 }), false],
    [
      'is brought back by a person when it came after the restore',
      [old, gone],
      (node) => fileOf(node, 'old', { mtimeUs: 10, ctimeUs: 101 }),
      false,
    ],
  ]
  for (const [claim, before, state, isOld] of table) {
    test(claim, () => {
      using node = nodeAfter(before)
      assert.equal(isFromBackup(node.index, node.handle, found(node, state(node)), restoredUs), isOld)
    })
  }

  test('is an edit where there is no doubt', () => {
    using node = nodeAfter([old, newer], false)
    assert.equal(isFromBackup(node.index, node.handle, found(node, old(node)), restoredUs), false)
    using after = nodeAfter([old, gone], false)
    assert.equal(isFromBackup(after.index, after.handle, found(after, old(after)), undefined), false)
  })
})

test('a path is in doubt until it was looked at: by what is recorded of it, or since it is as recorded', () => {
  using node = nodeAfter([newer])
  const { items } = node.index
  const item = (): ReturnType<typeof items.byPath> => items.byPath(node.handle.row, path)
  assert.equal(item()?.isDoubted, true)
  commitFound(node.index, node.handle, [found(node, newer(node))], 1)
  assert.equal(item()?.isDoubted, undefined)
  items.doubtAll(node.handle.row)
  items.trust(present(item(), 'the item'))
  assert.equal(item()?.isDoubted, undefined)
})
