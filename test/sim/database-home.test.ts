// A real SQLite file that can be killed, crashed and restored.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'

import { SeededRandom } from '../support/seeded-random.ts'
import { DatabaseHome, type CommitDurability } from './database-home.ts'

function openWith(home: DatabaseHome): DatabaseSync {
  const database = new DatabaseSync(home.path)
  database.exec('pragma journal_mode = wal; create table if not exists numbers (value integer not null)')
  return database
}

function add(database: DatabaseSync, value: number): void {
  database.exec(`begin; insert into numbers values (${value}); commit`)
}

function numbersIn(home: DatabaseHome): readonly number[] {
  const database = openWith(home)
  try {
    assert.equal(database.prepare('pragma integrity_check').get()?.['integrity_check'], 'ok')
    return database
      .prepare('select value from numbers order by rowid')
      .all()
      .map((row) => Number(row['value']))
  } finally {
    database.close()
  }
}

/** `reader`: somebody reads meanwhile, so that the checkpoint cannot start the log anew and later commits follow what is flushed. */
function crashed(durability: CommitDurability, seed: number, parts: { reader: boolean }): readonly number[] {
  using home = new DatabaseHome({ label: 'test', durability })
  const database = openWith(home)
  for (const value of [1, 2, 3]) add(database, value)
  const reader = new DatabaseSync(home.path)
  if (parts.reader) reader.exec('begin; select count(*) from numbers')
  database.exec('pragma wal_checkpoint(passive)')
  for (const value of [4, 5, 6]) add(database, value)
  home.crash(new SeededRandom(seed))
  add(database, 99) // by the dead process, on its own copy
  const numbers = numbersIn(home)
  reader.close()
  database.close()
  return numbers
}

test('a kill keeps every commit and shuts the dead process out', () => {
  using home = new DatabaseHome({ label: 'test', durability: 'full' })
  const database = openWith(home)
  add(database, 1)
  database.exec('begin; insert into numbers values (2)')
  home.kill()
  database.exec('commit')
  assert.deepEqual(numbersIn(home), [1])
  database.close()
})

test('with full durability a power loss keeps every commit', () => {
  for (let seed = 0; seed < 5; seed++) assert.deepEqual(crashed('full', seed, { reader: false }), [1, 2, 3, 4, 5, 6])
})

test('with normal durability a power loss takes commits from the end, never those before the last checkpoint', () => {
  for (const reader of [false, true]) {
    const seen = new Set(Array.from({ length: 40 }, (_, seed) => crashed('normal', seed, { reader }).join(' ')))
    assert.deepEqual([...seen].toSorted(), ['1 2 3', '1 2 3 4', '1 2 3 4 5', '1 2 3 4 5 6'])
  }
})

test('a lost database starts empty, a restored one is as it was backed up, and nothing stays behind', () => {
  const home = new DatabaseHome({ label: 'test', durability: 'full' })
  const first = openWith(home)
  add(first, 1)
  home.kill()
  first.close()
  const backup = home.backUp()
  const second = openWith(home)
  add(second, 2)
  second.close()
  home.lose()
  assert.deepEqual(numbersIn(home), [])
  home.restore(backup)
  assert.deepEqual(numbersIn(home), [1])
  home[Symbol.dispose]()
  assert.equal(existsSync(backup), false)
})
