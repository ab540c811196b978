// Files that are not kept here: what is planned for their paths, and what becomes of the rows.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { present } from '../../engine/base/assert.ts'
import { parseSelection } from '../../engine/disk/ignore.ts'
import { shortKeyOf } from '../../engine/index/columns.ts'
import type { ElsewhereRow } from '../../engine/index/elsewhere-table.ts'
import { openIndex } from '../../engine/index/index-store.ts'
import { needRank } from '../../engine/index/need-table.ts'
import type { Entry } from '../../engine/model/entry.ts'
import { settleElsewhere, wantElsewhere, type IsKept } from '../../engine/sync/elsewhere.ts'
import { entryIdOfPath } from '../../engine/sync/folder-handle.ts'
import { commitFound } from '../../engine/sync/ingest-commit.ts'
import { sealPathMeta } from '../../engine/sync/ingest-job.ts'
import { withoutLost } from '../../engine/sync/merge-hold.ts'
import { PullPlanner, type PathPlan } from '../../engine/sync/pull-plan.ts'
import { openVersions, type OpenedVersion } from '../../engine/sync/versions.ts'
import { MemoryBlockStore } from '../../engine/blocks/memory-store.ts'
import { IndexNode, pathOf } from '../support/index-world.ts'
import { SeededRandom } from '../support/seeded-random.ts'

const nothingKept: IsKept = () => false

/** A node that hears of what another writes. */
class Pair implements Disposable {
  readonly here: IndexNode = new IndexNode(0)
  readonly there: IndexNode = new IndexNode(1)

  /** Others write, and it is told here. */
  hear(path: string, text: string | undefined): void {
    this.arrives(this.there.write(path, text))
  }

  arrives(entry: Entry): void {
    const { index, handle } = this.here
    const { handle: theirs } = this.there
    index.transact(() => {
      const { identity, record, authorId } = theirs
      const author = index.entries.ensureAuthor(handle.row, authorId, identity.publicKey, record.incarnation)
      const row = present(this.there.index.entries.siblings(theirs.row, entry.entryId).at(-1), 'it was written there')
      const set = this.there.index.entries.changeSetFor(row.author, row.seq)
      for (const old of index.entries.siblings(handle.row, entry.entryId)) index.entries.remove(old.rowSeq)
      index.entries.insertChangeSet(author.row, set.firstSeq, 1, set.bytes)
      index.entries.insert(handle.row, entry, row.bytes, author.row, row.seq)
      index.needs.put(handle.row, shortKeyOf(entry.entryId), needRank(0, entry.deleted), 1)
    })
  }

  plan(path: string, isKept: IsKept): PathPlan {
    const names = { temporary: () => 'temporary', parked: () => 'parked' }
    const { index, handle } = this.here
    const [plan] = new PullPlanner(index, handle, names, isKept).plan(shortKeyOf(entryIdOfPath(handle, pathOf(path))))
    return present(plan, 'a path with entries has a plan')
  }

  /** As pull settles a path that stays elsewhere. */
  settle(path: string, isKept: IsKept): void {
    const plan = this.plan(path, isKept)
    assert.equal(plan.kind, 'elsewhere')
    const { index, handle } = this.here
    if (plan.kind === 'elsewhere') index.transact(() => settleElsewhere(index, handle, plan.staying))
  }

  row(path: string): ElsewhereRow | undefined {
    return this.here.index.elsewhere.get(this.here.handle.row, entryIdOfPath(this.here.handle, pathOf(path)))
  }

  want(path: string): void {
    const { index, handle } = this.here
    index.transact(() => wantElsewhere(index, handle, present(this.row(path), 'it is elsewhere')))
  }

  versions(path: string): readonly OpenedVersion[] {
    const { index, handle } = this.here
    return openVersions(handle.reading.metaKeys, index.entries.siblings(handle.row, entryIdOfPath(handle, pathOf(path))))
  }

  /** Somebody makes a file here. */
  make(path: string, text: string): ReturnType<typeof commitFound> {
    const { index, handle } = this.here
    const blocks = this.here.blocksOf(text)
    const stat = { kind: 'file' as const, sizeBytes: text.length, mtimeUs: 9, ctimeUs: 9, mode: 0o644, inode: 1, device: 1, links: 1 }
    const facts = { path: pathOf(path), kind: 'file' as const, stat, chunkClass: 1, blocks, linkTarget: undefined }
    const found = { ...facts, sealed: sealPathMeta(handle.jobKeys, handle.authorId, facts) }
    return commitFound(index, handle, [{ path: pathOf(path), item: index.items.byPath(handle.row, path), found }], 1)
  }

  [Symbol.dispose](): void {
    this.here[Symbol.dispose]()
    this.there[Symbol.dispose]()
  }
}

describe('a path that is not kept here', () => {
  it('asks for nothing, and follows what others write there', () => {
    using pair = new Pair()
    const { index, handle } = pair.here
    pair.hear('a', 'one')
    pair.settle('a', nothingKept)
    assert.deepEqual([pair.row('a')?.sizeBytes, index.needs.count(handle.row)], [3, 0])
    pair.hear('a', 'longer')
    pair.settle('a', () => true) // let go of once, it stays so whatever the rule says
    assert.equal(pair.row('a')?.sizeBytes, 6)
    assert.deepEqual(index.elsewhere.totals(handle.row), { files: 1, bytes: 6, rows: 1 })
  })

  it('comes once it is wanted, and its row goes when the file is here', () => {
    using pair = new Pair()
    const { index, handle } = pair.here
    pair.hear('a', 'one')
    pair.settle('a', nothingKept)
    pair.want('a')
    assert.equal(pair.plan('a', nothingKept).kind, 'change')
    assert.deepEqual(index.elsewhere.totals(handle.row), { files: 0, bytes: 0, rows: 1 })
    const [version] = pair.versions('a')
    const { state } = present(version, 'one')
    const item = { ...present(state, 'it lives'), ctimeUs: 1, inode: 1, isLeftover: false, contentVector: undefined, sinceMs: 1 }
    index.transact(() => {
      const { entryId } = present(version, 'one').row.entry
      index.items.put(handle.row, entryId, { ...item, vector: present(version, 'one').vector }, undefined)
    })
    assert.deepEqual([pair.row('a'), index.elsewhere.totals(handle.row).rows], [undefined, 0])
  })

  it('is forgotten when others delete it: what they make there later comes as the rule says', () => {
    using pair = new Pair()
    pair.hear('a', 'one')
    pair.settle('a', nothingKept)
    pair.hear('a', undefined)
    const plan = pair.plan('a', () => true)
    assert.deepEqual(plan.kind === 'settled' && plan.gone, entryIdOfPath(pair.here.handle, pathOf('a')))
  })

  it('stays elsewhere under the name that others give it, and not where they copy it', () => {
    using pair = new Pair()
    pair.hear('a', 'one')
    pair.settle('a', nothingKept)
    pair.hear('b', 'one')
    assert.equal(pair.plan('b', () => true).kind, 'change', 'a is there still: b is a copy')
    pair.hear('a', undefined)
    pair.settle('b', () => true)
    assert.deepEqual([pair.row('a'), pair.row('b')?.path], [undefined, 'b'])
  })

  it('comes as a directory, whatever the rule', () => {
    using pair = new Pair()
    pair.hear('a', 'one')
    pair.settle('a', nothingKept)
    const path = 'kept'
    pair.hear(path, 'two')
    assert.equal(pair.plan(path, (kept) => kept === path).kind, 'change')
  })

  it('comes where this node itself wrote the version: its content may be here alone', () => {
    using pair = new Pair()
    pair.hear('a', 'one')
    pair.settle('a', nothingKept)
    pair.here.write('a', 'brought back from the history')
    assert.equal(pair.row('a')?.isWanted, true)
    assert.equal(pair.plan('a', nothingKept).kind, 'change')
    pair.here.write('new', 'a conflict copy')
    assert.equal(pair.plan('new', nothingKept).kind, 'change')
  })

  it('is concurrent to a file that somebody makes there, and is that file when it is equal', () => {
    using pair = new Pair()
    pair.hear('a', 'one')
    pair.settle('a', nothingKept)
    assert.deepEqual(pair.make('a', 'made here'), { written: 1, adopted: 0, unflushed: ['a'], again: [], hasNeeds: true })
    assert.equal(pair.versions('a').length, 2)
    assert.equal(pair.row('a'), undefined)
  })

  it('is not taken for lost by the node that wrote it and let go of it, though nobody gives it', () => {
    using pair = new Pair()
    const { index, handle } = pair.here
    const parts = { index, handle, store: new MemoryBlockStore() }
    pair.here.write('a', 'written here')
    assert.notEqual(
      withoutLost(parts, pair.versions('a'), () => true),
      undefined,
      'a content of this node that nobody has',
    )
    const { entryId } = present(pair.versions('a')[0], 'one').row.entry
    index.transact(() =>
      index.elsewhere.put(handle.row, entryId, {
        path: pathOf('a'),
        sizeBytes: 12,
        content: new Uint8Array(0),
        isWanted: true,
        isDirectory: false,
      }),
    )
    assert.equal(
      withoutLost(parts, pair.versions('a'), () => true),
      undefined,
    )
  })
})

describe('rows of what is elsewhere', () => {
  it('are counted over changes and rollbacks, and found by path in order', () => {
    using index = openIndex(':memory:', new SeededRandom('rows'))
    using node = new IndexNode(3)
    const { row } = node.handle
    const put = (path: string, isWanted: boolean): void =>
      node.index.elsewhere.put(row, entryIdOfPath(node.handle, pathOf(path)), {
        path: pathOf(path),
        sizeBytes: 2,
        content: new Uint8Array(1),
        isWanted,
        isDirectory: false,
      })
    node.index.transact(() => ['d/b', 'd/a', 'd', 'd0', 'd!', 'e'].forEach((path) => put(path, path === 'e')))
    assert.deepEqual(node.index.elsewhere.totals(row), { files: 5, bytes: 10, rows: 6 })
    assert.throws(() =>
      node.index.transact(() => {
        put('f', false)
        throw new Error('it is undone')
      }),
    )
    assert.deepEqual(node.index.elsewhere.totals(row), { files: 5, bytes: 10, rows: 6 })
    const paths = (path: string, after: string, limit: number): readonly string[] =>
      node.index.elsewhere.atOrBelow(row, path, after, limit).map((each) => each.path)
    assert.deepEqual(paths('d', '', 9), ['d', 'd/a', 'd/b'])
    assert.deepEqual(paths('d', 'd/a', 9), ['d/b'])
    assert.deepEqual(paths('', '', 9), ['d', 'd!', 'd/a', 'd/b', 'd0', 'e'])
    const [first] = node.index.elsewhere.page(row, undefined, 1)
    assert.equal(node.index.elsewhere.page(row, first, 9).length, 5)
    assert.equal(index.elsewhere.totals(row).rows, 0)
  })
})

describe('patterns of what is selected', () => {
  const cases: readonly (readonly [readonly string[], string, boolean])[] = [
    [['*.jpg'], 'summer/a.jpg', true],
    [['*.jpg'], 'summer/a.JPG', false],
    [['summer/'], 'summer/deep/a', true],
    [['summer/'], 'winter/summer/a', true],
    [['/summer/'], 'winter/summer/a', false],
    [['summer/*', '!raw/'], 'summer/raw/a', false],
    [['summer/*', '!raw/'], 'summer/b', true],
    [['caf\u0065\u0301'], 'caf\u00e9', true],
  ]
  for (const [patterns, path, isSelected] of cases) {
    it(`${patterns.join(' ')} ${isSelected ? 'select' : 'leave out'} ${path}`, () => {
      const selection = parseSelection(patterns)
      assert.equal(selection.kind === 'ok' && selection.matches(path), isSelected)
    })
  }

  it('are refused when they are over the bounds of an ignore file, or more than one line', () => {
    for (const patterns of [['a\nb'], Array.from({ length: 1001 }, () => 'a'), ['**/a/**/b/**']]) {
      assert.equal(parseSelection(patterns).kind, 'refused')
    }
  })
})
