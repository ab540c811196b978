// From what was found on disk to rows: new versions, versions that are known already, paths that moved on meanwhile.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { present } from '../../engine/base/assert.ts'
import { shortKeyOf } from '../../engine/index/columns.ts'
import { needRank } from '../../engine/index/need-table.ts'
import { BlockList } from '../../engine/model/block-list.ts'
import { changeSetMessage, decodeChangeSet } from '../../engine/model/change-set.ts'
import type { Entry } from '../../engine/model/entry.ts'
import { compareVectors } from '../../engine/model/vector.ts'
import { openEntryMeta } from '../../engine/sync/versions.ts'
import { commitFound, type FoundPath, type FoundState, type IngestOutcome } from '../../engine/sync/ingest-commit.ts'
import { entryIdOfPath } from '../../engine/sync/folder-handle.ts'
import { sealPathMeta } from '../../engine/sync/ingest-job.ts'
import { receiveBatch } from '../../engine/sync/receive.ts'
import { PullPlanner, type PathPlan } from '../../engine/sync/pull-plan.ts'
import { IndexNode, pathOf } from '../support/index-world.ts'

interface Look {
  readonly mtimeUs?: number
  readonly mode?: number
}

/** As a worker reports a file (undefined = nothing there). */
function stateOf(node: IndexNode, path: string, text: string | undefined, look: Look = {}): FoundState {
  if (text === undefined) return { kind: 'missing' }
  const blocks = text === '' ? BlockList.empty : node.blocksOf(text)
  const { mtimeUs = 1_000_000, mode = 0o644 } = look
  const stat = { kind: 'file' as const, sizeBytes: blocks.totalBytes(), mtimeUs, ctimeUs: mtimeUs, mode, inode: 1, device: 1, links: 1 }
  const facts = { path: pathOf(path), kind: 'file' as const, stat, chunkClass: 1, blocks, linkTarget: undefined }
  return { ...facts, sealed: sealPathMeta(node.handle.jobKeys, node.handle.authorId, facts) }
}

function found(node: IndexNode, path: string, text: string | undefined, look?: Look): FoundPath {
  return { path: pathOf(path), item: node.index.items.byPath(node.handle.row, path), found: stateOf(node, path, text, look) }
}

function commit(node: IndexNode, ...paths: readonly FoundPath[]): IngestOutcome {
  return commitFound(node.index, node.handle, paths, 1)
}

function entriesOf(node: IndexNode, path: string): readonly Entry[] {
  return node.index.entries.siblings(node.handle.row, entryIdOfPath(node.handle, pathOf(path))).map(({ entry }) => entry)
}

function onlyEntry(node: IndexNode, path: string): Entry {
  const entries = entriesOf(node, path)
  assert.equal(entries.length, 1)
  return present(entries[0], 'just counted')
}

/** An entry of another node, as if it had come from there. */
function arrives(node: IndexNode, other: IndexNode, entry: Entry): void {
  const { index, handle } = node
  index.transact(() => {
    const author = index.entries.ensureAuthor(
      handle.row,
      other.handle.authorId,
      other.handle.identity.publicKey,
      other.handle.record.incarnation,
    )
    const row = present(other.index.entries.siblings(other.handle.row, entry.entryId).at(-1), 'it was written there')
    const set = other.index.entries.changeSetFor(row.author, row.seq)
    index.entries.insertChangeSet(author.row, set.firstSeq, 1, set.bytes)
    index.entries.insert(handle.row, entry, row.bytes, author.row, row.seq)
    index.needs.put(handle.row, shortKeyOf(entry.entryId), needRank(0, entry.deleted), 1)
  })
}

function plan(node: IndexNode, path: string): PathPlan {
  const names = { temporary: () => 'temporary', parked: () => 'parked' }
  return present(
    new PullPlanner(node.index, node.handle, names).plan(shortKeyOf(entryIdOfPath(node.handle, pathOf(path))))[0],
    'a path with entries has a plan',
  )
}

describe('what is found on disk', () => {
  it('is a first version where nothing was known', () => {
    using node = new IndexNode(0)
    assert.deepEqual(commit(node, found(node, 'a', 'one')), { written: 1, adopted: 0, unflushed: ['a'], again: [], hasNeeds: false })
    const entry = onlyEntry(node, 'a')
    assert.equal(entry.vector.length, 1)
    assert.deepEqual(node.index.items.byPath(node.handle.row, 'a')?.vector, entry.vector)
    assert.deepEqual(plan(node, 'a'), { kind: 'settled', path: 'a' })
  })

  it('marks the folder as not flushed with its rows, where it is a file with content', () => {
    using node = new IndexNode(0)
    const { folders } = node.index
    const { row } = node.handle
    assert.equal(folders.isUnflushed(row), true, 'what was there before is not known')
    folders.setUnflushed(row, false)
    assert.deepEqual(commit(node, found(node, 'empty', '')).unflushed, [])
    assert.equal(folders.isUnflushed(row), false)
    assert.throws(() =>
      node.index.transact(() => {
        commit(node, found(node, 'a', 'one'))
        throw new Error('the transaction fails')
      }),
    )
    assert.equal(folders.isUnflushed(row), false)
    commit(node, found(node, 'a', 'one'))
    assert.equal(folders.isUnflushed(row), true)
  })

  it('is nothing new when it is what the index has', () => {
    using node = new IndexNode(0)
    commit(node, found(node, 'a', 'one'))
    assert.equal(commit(node, found(node, 'a', 'one')).written, 0)
    assert.equal(onlyEntry(node, 'a').vector[0]?.seq, 1)
  })

  it('is a version after the one that was there', () => {
    using node = new IndexNode(0)
    commit(node, found(node, 'a', 'one'))
    const before = onlyEntry(node, 'a')
    commit(node, found(node, 'a', 'two'))
    assert.equal(compareVectors(onlyEntry(node, 'a').vector, before.vector), 'after')
    commit(node, found(node, 'a', undefined))
    assert.ok(onlyEntry(node, 'a').deleted)
    assert.equal(node.index.items.byPath(node.handle.row, 'a'), undefined)
    assert.equal(commit(node, found(node, 'a', undefined)).written, 0)
  })

  it('is a change of attributes only, of the content that was there, when nothing else changed', () => {
    using node = new IndexNode(0)
    commit(node, found(node, 'a', 'one'))
    const before = onlyEntry(node, 'a')
    commit(node, found(node, 'a', 'one', { mode: 0o600 }))
    const after = onlyEntry(node, 'a')
    const meta = openEntryMeta(node.handle.reading.metaKeys, after)
    assert.deepEqual([meta?.contentVector, meta?.mode, meta?.editor], [before.vector, 0o600, node.handle.authorId])
    assert.deepEqual(node.index.items.byPath(node.handle.row, 'a')?.contentVector, before.vector)
  })

  it('after a deletion that is applied is a version after it', () => {
    using node = new IndexNode(0)
    commit(node, found(node, 'a', 'one'))
    commit(node, found(node, 'a', undefined))
    const deleted = onlyEntry(node, 'a')
    commit(node, found(node, 'a', 'one'))
    assert.equal(compareVectors(onlyEntry(node, 'a').vector, deleted.vector), 'after')
  })

  it('is concurrent to a version that came and is not applied, and the path is needed', () => {
    using node = new IndexNode(0)
    using other = new IndexNode(1)
    arrives(node, other, other.write('a', 'theirs'))
    assert.deepEqual(commit(node, found(node, 'a', 'ours')), { written: 1, adopted: 0, unflushed: ['a'], again: [], hasNeeds: true })
    assert.equal(entriesOf(node, 'a').length, 2)
    assert.ok(node.index.needs.has(node.handle.row, shortKeyOf(entryIdOfPath(node.handle, pathOf('a')))))
    assert.equal(plan(node, 'a').kind, 'merge')
  })

  it('that equals a version that came is that version, and nothing is written', () => {
    using node = new IndexNode(0)
    using other = new IndexNode(1)
    const theirs = other.write('a', 'same')
    arrives(node, other, theirs)
    assert.equal(plan(node, 'a').kind, 'change')
    const { mtimeUs } = present(openEntryMeta(other.handle.reading.metaKeys, theirs), 'it opens')
    assert.deepEqual(commit(node, found(node, 'a', 'same', { mtimeUs })), {
      written: 0,
      adopted: 1,
      unflushed: ['a'],
      again: [],
      hasNeeds: false,
    })
    assert.deepEqual(node.index.items.byPath(node.handle.row, 'a')?.vector, theirs.vector)
    assert.equal(node.index.needs.count(node.handle.row), 0)
    assert.deepEqual(plan(node, 'a'), { kind: 'settled', path: 'a' })
  })

  it('is looked at again when the item moved on meanwhile, and a path found twice counts once', () => {
    using node = new IndexNode(0)
    const stale = found(node, 'a', 'one')
    commit(node, found(node, 'a', 'two'))
    assert.deepEqual(commit(node, stale, found(node, 'b', 'x'), found(node, 'b', 'x')), {
      written: 1,
      adopted: 0,
      unflushed: ['b'],
      again: ['a'],
      hasNeeds: false,
    })
  })

  it('is signed so that others accept it', async () => {
    using node = new IndexNode(0)
    using other = new IndexNode(1)
    commit(node, found(node, 'a', 'one'), found(node, 'b', ''))
    const author = present(node.index.entries.author(node.handle.row, node.handle.authorId), 'it wrote')
    const set = changeSetMessage(present(decodeChangeSet(node.index.entries.changeSetFor(author.row, 1).bytes), 'a set'))
    node.flush()
    const rows = node.index.entries.after(node.handle.row, 0, 10)
    const batch = {
      $typeName: 'holdfast.v1.Batch' as const,
      sets: [set],
      entries: rows.map(({ bytes }, position) => ({ $typeName: 'holdfast.v1.EntryRef' as const, set: 0, position, entry: bytes })),
      cursor: 9n,
      caughtUp: true,
      heads: [],
    }
    assert.equal(await receiveBatch(other.parts, node.peer, node.index.indexId, batch, new AbortController().signal), 2)
    assert.equal(other.print(), node.print())
  })
})

describe('the plan for a path', () => {
  it('is to write what came where nothing is, and to remove what was deleted', () => {
    using node = new IndexNode(0)
    using other = new IndexNode(1)
    arrives(node, other, other.write('a', 'one'))
    const wanted = plan(node, 'a')
    assert.ok(wanted.kind === 'change' && wanted.change.operation.kind === 'file' && wanted.change.content !== undefined)
    commit(node, found(node, 'b', 'ours'))
    const ours = onlyEntry(node, 'b')
    const deletion = other.writeOn('b', undefined, ours.vector)
    node.index.transact(() =>
      node.index.entries.remove(present(node.index.entries.siblings(node.handle.row, ours.entryId)[0], 'ours').rowSeq),
    )
    arrives(node, other, deletion)
    const removal = plan(node, 'b')
    assert.ok(removal.kind === 'change' && removal.change.operation.kind === 'remove' && removal.change.operation.park === 'parked')
  })

  it('is to wait for a directory that comes, and to ask for one that is gone', () => {
    using node = new IndexNode(0)
    using other = new IndexNode(1)
    arrives(node, other, other.write('d/a', 'one'))
    assert.deepEqual(plan(node, 'd/a'), { kind: 'needsParent', parent: 'd' })
  })

  it('is to rename a file here that has the content and is to go', () => {
    using node = new IndexNode(0)
    using other = new IndexNode(1)
    commit(node, found(node, 'old', 'content'))
    const old = onlyEntry(node, 'old')
    const deletion = other.writeOn('old', undefined, old.vector)
    node.index.transact(() =>
      node.index.entries.remove(present(node.index.entries.siblings(node.handle.row, old.entryId)[0], 'ours').rowSeq),
    )
    arrives(node, other, deletion)
    arrives(node, other, other.write('new', 'content'))
    const move = plan(node, 'new')
    assert.ok(move.kind === 'change' && move.change.operation.kind === 'move' && move.change.operation.from === 'old')
  })

  it('is only to record a version of the same content and attributes', () => {
    using node = new IndexNode(0)
    using other = new IndexNode(1)
    const theirs = other.write('a', 'same')
    const { mtimeUs } = present(openEntryMeta(other.handle.reading.metaKeys, theirs), 'it opens')
    commit(node, found(node, 'a', 'same', { mtimeUs }))
    const ours = onlyEntry(node, 'a')
    const later = other.writeOn('a', 'other', ours.vector)
    const again = other.writeOn('a', 'same', later.vector)
    node.index.transact(() =>
      node.index.entries.remove(present(node.index.entries.siblings(node.handle.row, ours.entryId)[0], 'ours').rowSeq),
    )
    arrives(node, other, again)
    const plans = plan(node, 'a')
    assert.ok(plans.kind === 'change' && plans.change.operation.kind === 'attributes', 'only the time differs')
  })
})
