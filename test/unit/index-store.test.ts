// The index: how it opens, and that what it counts, numbers and forgets is what its rows say, also after transactions that failed.

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { describe, it } from 'node:test'

import fc from 'fast-check'

import { present } from '../../engine/base/assert.ts'
import { equalBytes } from '../../engine/base/bytes.ts'
import { EngineError } from '../../engine/base/errors.ts'
import { shortKeyOf } from '../../engine/index/columns.ts'
import { openIndex } from '../../engine/index/index-store.ts'
import { lockHome } from '../../engine/index/home-lock.ts'
import { migrations } from '../../engine/index/migrations.ts'
import { needRank } from '../../engine/index/need-table.ts'
import { BlockList } from '../../engine/model/block-list.ts'
import { encodeEntry } from '../../engine/model/entry.ts'
import { parseEntryId, type EntryId } from '../../engine/model/ids.ts'
import type { Item } from '../../engine/model/item.ts'
import { entryIdOfPath } from '../../engine/sync/folder-handle.ts'
import { testFolder } from '../support/blocks.ts'
import { IndexNode, pathOf } from '../support/index-world.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const random = new SeededRandom('index')

function isCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof EngineError && error.code === code && error.message.length > 30
}

function itemOf(node: IndexNode, path: string, kind: Item['kind'], text: string, sizeBytes = text.length): Item {
  return {
    path: pathOf(path),
    kind,
    sizeBytes: kind === 'file' ? sizeBytes : 0,
    mtimeUs: 5,
    ctimeUs: 6,
    inode: 7,
    mode: 0o644,
    chunkClass: 1,
    isLeftover: false,
    sinceMs: 0,
    vector: [{ author: node.handle.authorId, seq: 1 }],
    blocks: kind === 'file' && text !== '' ? node.blocksOf(text) : BlockList.empty,
    linkTarget: kind === 'symlink' ? text : undefined,
    contentVector: undefined,
  }
}

describe('the index file', () => {
  it('is made where there is none, of the newest format, and opened again as it was', () => {
    using directory = temporaryDirectory()
    const path = `${directory.path}/index.db`
    const first = openIndex(path, random)
    const id = first.indexId.slice()
    first[Symbol.dispose]()
    const second = openIndex(path, random)
    assert.ok(equalBytes(second.indexId, id))
    second[Symbol.dispose]()
    using raw = new DatabaseSync(path)
    assert.equal(raw.prepare('pragma user_version').get()?.['user_version'], migrations.length)
  })

  it('takes every step from any older format', () => {
    for (let from = 0; from <= migrations.length; from++) {
      using directory = temporaryDirectory()
      const path = `${directory.path}/index.db`
      const raw = new DatabaseSync(path)
      for (const step of migrations.slice(0, from)) raw.exec(step)
      raw.exec(`pragma user_version = ${from}`)
      raw.close()
      using index = openIndex(path, random)
      assert.equal(index.folders.all().length, 0)
    }
  })

  it('of a newer version is refused and left as it is', () => {
    using directory = temporaryDirectory()
    const path = `${directory.path}/index.db`
    openIndex(path, random)[Symbol.dispose]()
    const raw = new DatabaseSync(path)
    raw.exec(`pragma user_version = ${migrations.length + 1}`)
    raw.close()
    const before = readFileSync(path)
    assert.throws(() => openIndex(path, random), isCode('HOME_TOO_NEW'))
    assert.ok(equalBytes(readFileSync(path), before))
  })

  const damages: readonly (readonly [string, (bytes: Uint8Array) => Uint8Array])[] = [
    ['that is something else', () => new Uint8Array(5000).fill(65)],
    ['with its first page overwritten', (bytes) => bytes.slice().fill(0xaa, 0, 100)],
    ['with a page overwritten', (bytes) => bytes.slice().fill(0xaa, 4096, 8192)],
    ['with the schema overwritten', (bytes) => bytes.slice().fill(0xaa, 200, 4096)],
  ]
  for (const [what, damage] of damages) {
    it(`${what} is refused and left as it is`, () => {
      using directory = temporaryDirectory()
      const path = `${directory.path}/index.db`
      openIndex(path, random)[Symbol.dispose]()
      const damaged = damage(readFileSync(path))
      writeFileSync(path, damaged)
      assert.throws(() => openIndex(path, random), isCode('DATABASE_CORRUPT'))
      assert.ok(equalBytes(readFileSync(path), damaged))
    })
  }

  it('scenario T19: has one daemon', () => {
    using directory = temporaryDirectory()
    const path = `${directory.path}/lock`
    const lock = lockHome(path, directory.path)
    assert.throws(() => lockHome(path, directory.path), isCode('ALREADY_RUNNING'))
    lock[Symbol.dispose]()
    lockHome(path, directory.path)[Symbol.dispose]()
  })
})

interface Step {
  readonly kind: 'need' | 'met' | 'item' | 'gone' | 'ask'
  readonly path: string
  readonly size: number
  readonly removal: boolean
  readonly item: Item['kind']
}

describe('what the index counts', () => {
  const paths = ['a', 'b', 'c', 'd/e', 'd']
  const kinds = ['file', 'directory', 'symlink'] as const
  const step: fc.Arbitrary<Step> = fc.record({
    kind: fc.constantFrom('need' as const, 'met' as const, 'item' as const, 'gone' as const, 'ask' as const),
    path: fc.constantFrom(...paths),
    size: fc.nat(1000),
    removal: fc.boolean(),
    item: fc.constantFrom(...kinds),
  })
  const transaction = fc.record({ steps: fc.array(step, { maxLength: 6 }), fails: fc.boolean() })

  it('is what a recount gives, after whatever transactions, whether they held or not', () => {
    fc.assert(
      fc.property(fc.array(transaction, { maxLength: 8 }), (transactions) => {
        using directory = temporaryDirectory()
        using node = new IndexNode(0, testFolder(7), `${directory.path}/index.db`)
        const { index } = node
        const { row } = node.handle
        for (const { steps, fails } of transactions) {
          try {
            index.transact(() => {
              for (const each of steps) take(node, each)
              if (fails) throw new Error('fails')
            })
          } catch (error) {
            assert.ok(fails, String(error))
          }
        }
        using again = new IndexNode(0, testFolder(7), `${directory.path}/index.db`)
        assert.deepEqual(index.needs.totals(row), again.index.needs.totals(row))
        assert.deepEqual(index.items.totals(row), again.index.items.totals(row))
        assert.equal(index.needs.count(row), index.needs.ready(row, { rank: -1, pathKey: 0 }, Infinity, 0, 100).length)
      }),
      { numRuns: 25, seed: 1 },
    )
  })

  function take(node: IndexNode, { kind, path, size, removal, item }: Step): void {
    const { index } = node
    const { row } = node.handle
    const id = entryIdOfPath(node.handle, pathOf(path))
    const known = index.items.byPath(row, path)
    switch (kind) {
      case 'need':
        return index.needs.put(row, shortKeyOf(id), needRank(path.split('/').length - 1, removal), size)
      case 'met':
        return index.needs.clear(row, shortKeyOf(id))
      case 'item':
        return index.items.put(row, id, itemOf(node, path, item, 'x', size), known)
      case 'gone':
        if (known !== undefined) index.items.remove(known)
        return undefined
      case 'ask':
        index.needs.totals(row)
        index.items.totals(row)
        return undefined
    }
  }
})

describe('numbers', () => {
  it('of rows and of sequences are never given out twice, whether transactions held or not, over restarts', () => {
    using directory = temporaryDirectory()
    const rows = new Set<number>()
    const seqs = new Set<number>()
    for (let life = 0; life < 3; life++) {
      using node = new IndexNode(0, testFolder(7), `${directory.path}/index.db`)
      const { index, handle } = node
      for (let at = 0; at < 10; at++) {
        node.write('a', `${life} ${at}`)
        const written = present(index.entries.after(handle.row, 0, 10).at(-1), 'just written')
        assert.ok(!rows.has(written.rowSeq) && !seqs.has(written.seq))
        rows.add(written.rowSeq)
        seqs.add(written.seq)
        assert.ok(index.entries.lastRowSeq >= written.rowSeq)
        if (at % 3 !== 0) continue
        assert.throws(() =>
          index.transact(() => {
            node.write('b', 'never')
            throw new Error('fails')
          }),
        )
        assert.ok(index.entries.lastRowSeq >= written.rowSeq, 'the counter does not go back')
      }
      assert.equal(index.entries.after(handle.row, 0, 10).length, 1)
    }
  })

  it('of rows only grow in the order in which entries are learnt, and a cursor is after what it counts', () => {
    using node = new IndexNode(0)
    const { index, handle } = node
    for (const path of ['a', 'b', 'c']) node.write(path, 'one')
    const [first, second, third] = index.entries.after(handle.row, 0, 10)
    assert.ok(first !== undefined && second !== undefined && third !== undefined)
    assert.deepEqual(index.entries.after(handle.row, first.rowSeq, 1), [second])
    assert.deepEqual(index.entries.after(handle.row, third.rowSeq, 10), [])
    node.write('a', 'two')
    assert.deepEqual(
      index.entries.after(handle.row, first.rowSeq, 10).map(({ rowSeq }) => rowSeq > first.rowSeq),
      [true, true, true],
    )
    assert.equal(index.entries.lastRowOf(handle.row), index.entries.lastRowSeq)
    assert.equal(index.entries.lastRowOf(handle.row + 1), 0)
  })

  it('of what is known of an author never become less, and are the same after a restart', () => {
    using node = new IndexNode(0)
    const { index, handle } = node
    node.write('a', 'one')
    const author = present(index.entries.author(handle.row, handle.authorId), 'it wrote')
    const known = { seq: author.known.seq + 5, above: [{ first: 20, last: 30 }] }
    index.entries.learn(handle.row, author, known)
    index.entries.learn(handle.row, author, author.known)
    assert.deepEqual(index.entries.author(handle.row, handle.authorId)?.known, known)
    index.forgetCaches()
    assert.deepEqual(index.entries.author(handle.row, handle.authorId)?.known, known)
  })
})

describe('two paths whose ids begin alike', () => {
  /** Another id with the same short key. */
  function twinOf(id: EntryId): EntryId {
    const twin = id.slice()
    twin[32] = (twin[32] ?? 0) ^ 255
    return present(parseEntryId(twin), 'an id')
  }

  it('have entries of their own', () => {
    using node = new IndexNode(0)
    const { index, handle } = node
    const entry = node.write('a', 'one')
    const twin = { ...entry, entryId: twinOf(entry.entryId) }
    index.transact(() => {
      const author = present(index.entries.author(handle.row, handle.authorId), 'it wrote')
      index.entries.insert(handle.row, twin, encodeEntry(twin), author.row, 1)
    })
    assert.equal(shortKeyOf(twin.entryId), shortKeyOf(entry.entryId))
    for (const { entryId } of [entry, twin]) {
      const found = index.entries.siblings(handle.row, entryId)
      assert.deepEqual(
        found.map((row) => row.entry.entryId),
        [entryId],
      )
    }
    assert.equal(index.entries.siblingsByKey(handle.row, shortKeyOf(entry.entryId)).length, 2)
  })

  it('have items of their own', () => {
    using node = new IndexNode(0)
    const { index, handle } = node
    const id = entryIdOfPath(handle, pathOf('a'))
    index.transact(() => {
      index.items.put(handle.row, id, itemOf(node, 'a', 'file', 'one'), undefined)
      index.items.put(handle.row, twinOf(id), itemOf(node, 'b', 'file', 'two'), undefined)
    })
    const both = index.items.byKey(handle.row, shortKeyOf(id)).map(({ path }) => path)
    assert.deepEqual(both.toSorted(), ['a', 'b'])
  })

  it('of blocks do not stand for one another', () => {
    using node = new IndexNode(0)
    const { index, handle } = node
    const item = itemOf(node, 'a', 'file', 'one')
    index.transact(() => index.items.put(handle.row, entryIdOfPath(handle, pathOf('a')), item, undefined))
    const id = item.blocks.id(0)
    const twin = item.blocks.id(0)
    twin[32] = (twin[32] ?? 0) ^ 255
    assert.equal(index.items.homeOf(handle.row, id)?.item.path, 'a')
    assert.equal(index.items.homeOf(handle.row, twin), undefined)
  })
})

describe('items', () => {
  it('are read back as they were written', () => {
    using node = new IndexNode(0)
    const { index, handle } = node
    const items = [itemOf(node, 'a', 'file', 'one'), itemOf(node, 'd', 'directory', ''), itemOf(node, 'd/é', 'symlink', '../über')]
    const full = { ...itemOf(node, 'd/x', 'file', ''), isLeftover: true, contentVector: [{ author: handle.authorId, seq: 3 }], mtimeUs: -5 }
    index.transact(() => {
      for (const item of [...items, full]) index.items.put(handle.row, entryIdOfPath(handle, item.path), item, undefined)
    })
    for (const item of [...items, full]) {
      const { row: _row, folderRow: _folder, ...read } = present(index.items.byPath(handle.row, item.path), item.path)
      assert.deepEqual(read, item)
    }
    assert.deepEqual(
      index.items.below(handle.row, 'd').map(({ path }) => path),
      ['d/x', 'd/é'],
    )
    assert.deepEqual([...index.items.children(handle.row, '').keys()].toSorted(), ['a', 'd'])
  })

  it('below a directory are its own, not those of one whose name begins alike', () => {
    using node = new IndexNode(0)
    const { index, handle } = node
    const paths = ['d', 'd/a', 'd/a/b', 'd-x', 'd-x/a', 'd0', 'd0/a', 'd/\u{10FFFF}', 'e']
    index.transact(() => {
      for (const path of paths)
        index.items.put(handle.row, entryIdOfPath(handle, pathOf(path)), itemOf(node, path, 'directory', ''), undefined)
    })
    assert.deepEqual(
      index.items.below(handle.row, 'd').map(({ path }) => path),
      ['d/a', 'd/\u{10FFFF}', 'd/a/b'],
    )
    assert.equal(index.items.below(handle.row, '').length, paths.length)
  })

  it('are homes of the blocks that they hold, and of no others', () => {
    using node = new IndexNode(0)
    const { index, handle } = node
    const id = entryIdOfPath(handle, pathOf('a'))
    const [one, two] = [itemOf(node, 'a', 'file', 'one'), itemOf(node, 'a', 'file', 'two')]
    index.transact(() => index.items.put(handle.row, id, one, undefined))
    index.transact(() => index.items.put(handle.row, id, two, index.items.byPath(handle.row, 'a')))
    assert.equal(index.items.homeOf(handle.row, one.blocks.id(0)), undefined)
    assert.equal(index.items.homeOf(handle.row, two.blocks.id(0))?.offset, 0)
    assert.equal(index.items.homeOf(handle.row + 1, two.blocks.id(0)), undefined, 'not of another folder')
    index.transact(() => index.items.remove(present(index.items.byPath(handle.row, 'a'), 'it is there')))
    assert.equal(index.items.homeOf(handle.row, two.blocks.id(0)), undefined)
  })

  it('leave no homes behind when their blocks change or they go', () => {
    using directory = temporaryDirectory()
    const path = `${directory.path}/index.db`
    using node = new IndexNode(0, testFolder(7), path)
    const { index, handle } = node
    const homes = (): unknown => {
      using raw = new DatabaseSync(path)
      return raw.prepare('select count(*) as rows from block_home').get()?.['rows']
    }
    const id = entryIdOfPath(handle, pathOf('a'))
    for (const [text, expected] of [
      ['one', 1],
      ['two', 1],
      ['', 0],
      ['one', 1],
    ] as const) {
      index.transact(() => index.items.put(handle.row, id, itemOf(node, 'a', 'file', text), index.items.byPath(handle.row, 'a')))
      assert.equal(homes(), expected)
    }
    index.transact(() => index.items.remove(present(index.items.byPath(handle.row, 'a'), 'it is there')))
    assert.equal(homes(), 0)
  })
})

describe('needs', () => {
  it('come parents first, then removals, children first, and not before their time', () => {
    using node = new IndexNode(0)
    const { index } = node
    const { row } = node.handle
    index.transact(() => {
      for (const [key, depth, isRemoval] of [
        [1, 2, false],
        [2, 0, false],
        [3, 1, true],
        [4, 3, true],
        [5, 1, false],
      ] as const) {
        index.needs.put(row, key, needRank(depth, isRemoval), 1)
      }
      index.needs.postpone(row, 5, 100, 'NO_SOURCE')
    })
    const ready = (nowMs: number): readonly number[] =>
      index.needs.ready(row, { rank: -1, pathKey: 0 }, Infinity, nowMs, 10).map(({ pathKey }) => pathKey)
    assert.deepEqual(ready(99), [2, 1, 4, 3])
    assert.deepEqual(ready(100), [2, 5, 1, 4, 3])
    assert.equal(index.needs.nextRetryMs(row, 99), 100)
    assert.deepEqual(index.needs.reasons(row), [{ reason: 'NO_SOURCE', paths: 1 }])
    index.needs.wakeAll(row)
    assert.deepEqual(ready(0), [2, 5, 1, 4, 3])
  })

  it('are read in pages without gap or repetition', () => {
    using node = new IndexNode(0)
    const { index } = node
    const { row } = node.handle
    index.transact(() => {
      for (let key = 0; key < 50; key++) index.needs.put(row, (key * 7919) % 101, needRank(key % 3, key % 2 === 0), 1)
    })
    const seen: number[] = []
    let after = { rank: -1, pathKey: 0 }
    for (;;) {
      const page = index.needs.ready(row, after, Infinity, 0, 7)
      const last = page.at(-1)
      if (last === undefined) break
      seen.push(...page.map(({ pathKey }) => pathKey))
      after = last
    }
    assert.equal(new Set(seen).size, seen.length)
    assert.equal(seen.length, index.needs.count(row))
  })

  it('of a path are one', () => {
    using node = new IndexNode(0)
    const { index } = node
    const { row } = node.handle
    index.transact(() => {
      index.needs.put(row, 1, needRank(0, false), 10)
      index.needs.put(row, 1, needRank(0, true), 3)
    })
    assert.deepEqual(index.needs.totals(row), { paths: 1, bytes: 3 })
  })
})

describe('a folder that is removed', () => {
  it('leaves nothing behind, and nothing of another folder goes', () => {
    using directory = temporaryDirectory()
    const path = `${directory.path}/index.db`
    {
      using node = new IndexNode(0, testFolder(7), path)
      const { index, handle } = node
      const other = index.transact(() => index.folders.insert({ ...handle.record, id: testFolder(8), name: 'other' }))
      for (const row of [handle.row, other.row]) {
        index.transact(() => {
          index.items.put(row, entryIdOfPath(handle, pathOf('a')), itemOf(node, 'a', 'file', 'one'), undefined)
          index.needs.put(row, 1, 0, 1)
          index.folders.appendLog(row, 0, new Uint8Array(3))
          index.folders.insertLink(
            { linkId: new Uint8Array(8).fill(row), folderRow: row, secret: new Uint8Array(16), role: 'write', usesLeft: 1 },
            0,
          )
          index.folders.setSetting(row, 'history.days', '7')
          index.peers.setCursor(row, node.peer, { indexId: index.indexId, position: 3 })
          index.history.insert(row, itemOf(node, 'a', 'file', 'one'), {
            parked: 'parked',
            replacedMs: 5,
            isDeletion: false,
            author: undefined,
          })
        })
      }
      node.write('a', 'one')
      index.transact(() => {
        index.items.removeAllHomes(handle.row)
        index.history.removeAllBlocks(handle.row)
        index.folders.remove(handle.row)
      })
      index.forgetCaches()
      assert.equal(index.needs.count(handle.row), 0)
      assert.deepEqual(index.items.totals(handle.row), { files: 0, bytes: 0, directories: 0 })
      assert.equal(index.items.homeOf(other.row, node.blocksOf('one').id(0))?.item.path, 'a')
      assert.equal(index.needs.count(other.row), 1)
    }
    using raw = new DatabaseSync(path)
    for (const [table, left] of Object.entries({
      folder: 1,
      author: 0,
      change_set: 0,
      entry: 0,
      item: 1,
      block_home: 1,
      need: 1,
      log_entry: 1,
      link: 1,
      cursor: 1,
      history: 1,
      history_block: 1,
      setting: 1,
    })) {
      assert.equal(raw.prepare(`select count(*) as rows from ${table}`).get()?.['rows'], left, table)
    }
  })
})
