// Names that not every drive holds, or tells apart: between a node on Linux's kind of drive and one on another's.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { Stage } from './scenario.ts'

const signal = new AbortController().signal
const nfc = 'caf\u00e9'
const nfd = 'cafe\u0301'

function problemPaths(stage: Stage, on: string, code: string): readonly (string | undefined)[] {
  const { problems } = stage.controls(on).status()
  return problems.filter((problem) => problem.code === code).map(({ path }) => path)
}

async function rescan(stage: Stage, on: string): Promise<void> {
  await stage.settle(stage.controls(on).rescanFolder(stage.folder(on).id, signal))
}

describe('a drive that does not tell Foo from foo', () => {
  test('scenario 35: follows a change of case only, of a file and of a directory, with the content kept and nothing deleted', async () => {
    using stage = await Stage.open({ names: { B: 'windows' }, before: { Foo: 'text', 'Dir/x': 'in it', 'Dir/y': 'too' } })
    await stage.rename('A', 'Foo', 'foo')
    await stage.rename('A', 'Dir', 'dir')
    await stage.rest()
    assert.deepEqual(stage.tree('B'), { foo: 'text', dir: '/', 'dir/x': 'in it', 'dir/y': 'too' })
    await rescan(stage, 'B')
    await stage.rest()
    assert.deepEqual(stage.tree('A'), { foo: 'text', dir: '/', 'dir/x': 'in it', 'dir/y': 'too' })
  })

  test('scenario 35: tells of a change of case made on it, as a rename', async () => {
    using stage = await Stage.open({ names: { B: 'windows' }, before: { Foo: 'text', 'Dir/x': 'in it' } })
    await stage.rename('B', 'Foo', 'foo')
    await stage.rename('B', 'Dir', 'between')
    await stage.rename('B', 'between', 'dir')
    await stage.pass(5000)
    await stage.rest()
    assert.deepEqual(stage.tree('A'), { foo: 'text', dir: '/', 'dir/x': 'in it' })
    assert.deepEqual(stage.tree('B'), stage.tree('A'))
  })

  test('scenario 35: follows a change of case together with an edit', async () => {
    using stage = await Stage.open({ names: { B: 'windows' }, before: { Foo: 'text' } })
    await stage.apart()
    await stage.rename('A', 'Foo', 'foo')
    await stage.write('A', 'foo', 'edited')
    await stage.together()
    assert.deepEqual(stage.tree('B'), { foo: 'edited' })
    assert.deepEqual(problemPaths(stage, 'B', 'APPLY_FAILED'), [])
  })

  test('scenario 58: refuses the second of Foo and foo with a reason; both contents are safe, and nothing goes back and forth', async () => {
    using stage = await Stage.open({ names: { B: 'windows' }, before: { Foo: 'the first' } })
    await stage.write('A', 'foo', 'the second')
    await stage.pass(60_000)
    for (let round = 0; round < 2; round++) {
      assert.deepEqual(stage.tree('A'), { Foo: 'the first', foo: 'the second' })
      assert.deepEqual(stage.tree('B'), { Foo: 'the first' })
      assert.deepEqual(problemPaths(stage, 'B', 'APPLY_FAILED'), ['foo'])
      await rescan(stage, 'B')
      await stage.pass(60_000)
    }
    const needs = stage.controls('B').needs(stage.folder('B').id, 10)
    assert.equal(needs.items[0]?.reason, 'NAME_CLASH')
    // An edit of the one that is there arrives; the other one comes once its name is free.
    await stage.write('B', 'Foo', 'the first, edited')
    await stage.pass(5000)
    assert.deepEqual(stage.tree('A'), { Foo: 'the first, edited', foo: 'the second' })
    await stage.rename('A', 'foo', 'other')
    await stage.rest()
    assert.deepEqual(stage.tree('B'), { Foo: 'the first, edited', other: 'the second' })
    assert.deepEqual(problemPaths(stage, 'B', 'APPLY_FAILED'), [])
  })
})

describe('the Unicode forms of a name', () => {
  for (const names of ['apple', 'hfs'] as const) {
    test(`scenario 59: are one file between Linux and a drive of the kind ${names}, in both directions`, async () => {
      using stage = await Stage.open({ names: { B: names }, before: { [`${nfc}/x`]: 'in it', [`${nfc}.txt`]: 'text' } })
      await rescan(stage, 'B')
      await stage.write('B', `${nfc}.txt`, 'edited on B')
      await stage.pass(5000)
      await rescan(stage, 'B')
      await stage.pass(5000)
      assert.deepEqual(Object.values(stage.tree('A')).toSorted(), ['/', 'edited on B', 'in it'])
      await stage.write('B', `${nfd} new`, 'made on B')
      await stage.pass(5000)
      await stage.write('A', `${nfc} new`, 'edited on A')
      await stage.pass(5000)
      assert.deepEqual(Object.values(stage.tree('B')).toSorted(), ['/', 'edited on A', 'edited on B', 'in it'])
      assert.deepEqual(Object.values(stage.tree('A')).toSorted(), ['/', 'edited on A', 'edited on B', 'in it'])
    })
  }

  test('scenario 59: on Linux, are the spelling of whoever made the file, also for what others put into such a directory', async () => {
    using stage = await Stage.open({ before: { [`${nfd}/x`]: 'in it', [`${nfd}.txt`]: 'text' } })
    await stage.write('B', `${nfc}/y`, 'from B')
    await stage.write('B', `${nfc}.txt`, 'edited on B')
    await stage.pass(5000)
    assert.deepEqual(stage.tree('A'), { [nfd]: '/', [`${nfd}/x`]: 'in it', [`${nfd}/y`]: 'from B', [`${nfd}.txt`]: 'edited on B' })
    assert.deepEqual(stage.tree('B'), { [nfc]: '/', [`${nfc}/x`]: 'in it', [`${nfc}/y`]: 'from B', [`${nfc}.txt`]: 'edited on B' })
  })

  test('scenario 59: are reported when both exist on Linux, and neither overwrites the other', async () => {
    using stage = await Stage.open({ before: { [`${nfc}.txt`]: 'the first' } })
    await stage.write('A', `${nfd}.txt`, 'the second')
    await stage.pass(5000)
    await rescan(stage, 'A')
    await stage.pass(5000)
    assert.deepEqual(stage.tree('A'), { [`${nfc}.txt`]: 'the first', [`${nfd}.txt`]: 'the second' })
    assert.deepEqual(stage.tree('B'), { [`${nfc}.txt`]: 'the first' })
    assert.deepEqual(problemPaths(stage, 'A', 'NAME_TWIN'), [`${nfd}.txt`])
    await stage.rename('A', `${nfd}.txt`, 'renamed.txt')
    await stage.rest()
    assert.deepEqual(stage.tree('B'), { [`${nfc}.txt`]: 'the first', 'renamed.txt': 'the second' })
  })
})
