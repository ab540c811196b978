// Concurrent edits and deletions, as told in the scenarios: what every node shows at the end.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { present } from '../../engine/base/assert.ts'
import { Stage } from './scenario.ts'

const copyOf = /\.conflict-\d{8}-\d{6}-[^./]+/

/** The paths of conflict copies as they are on disk. */
function copies(stage: Stage, on = 'A'): readonly string[] {
  return stage
    .person(on)
    .paths()
    .filter((path) => copyOf.test(path))
}

/** The texts under a name and its copies, in order of text. */
function both(stage: Stage, path: string, copy: string): readonly string[] {
  const tree = stage.tree()
  return [tree[path] ?? 'nothing', tree[copy] ?? 'nothing'].toSorted((left, right) => (left < right ? -1 : 1))
}

describe('concurrent edits', () => {
  test('scenario 1: A and B offline edit the same file differently: both are kept, in exactly one conflict copy', async () => {
    using stage = await Stage.open({ nodes: ['A', 'B', 'C'], before: { 'f.txt': 'base' } })
    await stage.apart()
    await stage.write('A', 'f.txt', 'from A')
    await stage.write('B', 'f.txt', 'from B')
    await stage.together()
    assert.deepEqual(both(stage, 'f.txt', 'f (copy).txt'), ['from A', 'from B'])
    assert.equal(Object.keys(stage.tree('C')).length, 2)
  })

  test('scenario 2: A and B offline end with identical bytes and different times: no conflict, one content', async () => {
    using stage = await Stage.open({ before: { f: 'base' } })
    await stage.apart()
    await stage.write('A', 'f', 'the same')
    await stage.pass(5000)
    await stage.write('B', 'f', 'the same')
    await stage.together()
    assert.deepEqual(stage.tree(), { f: 'the same' })
  })

  test("scenario 4: A edits content, B only changes the mode and the time: A's content with B's mode, no conflict", async () => {
    using stage = await Stage.open({ before: { f: 'base' } })
    await stage.apart()
    await stage.write('A', 'f', 'edited')
    await stage.pass(2000)
    await stage.do('B', { do: 'chmod', path: 'f', mode: 0o755 })
    await stage.together()
    assert.deepEqual(stage.tree(), { f: 'edited' })
    assert.equal(stage.person('A').node.user.lstat('/folder/f')?.mode, 0o755)
  })

  test('scenario 5: A and B create the same new path with different content: both are kept', async () => {
    using stage = await Stage.open()
    await stage.apart()
    await stage.write('A', 'new', 'one')
    await stage.write('B', 'new', 'two')
    await stage.together()
    assert.deepEqual(both(stage, 'new', 'new (copy)'), ['one', 'two'])
  })

  test('scenario 6: A creates file x, B creates directory x: both are kept, one renamed, children of the directory intact', async () => {
    using stage = await Stage.open()
    await stage.apart()
    await stage.write('A', 'x', 'a file')
    await stage.write('B', 'x/child', 'in the directory')
    await stage.together()
    assert.deepEqual(stage.tree(), { x: '/', 'x/child': 'in the directory', 'x (copy)': 'a file' })
  })

  test('scenario 7: a conflict copy is edited on two nodes: neither edit is lost', async () => {
    using stage = await Stage.open({ before: { f: 'base' } })
    await stage.apart()
    await stage.write('A', 'f', 'from A')
    await stage.write('B', 'f', 'from B')
    await stage.together()
    const [copy] = copies(stage)
    await stage.apart()
    await stage.write('A', present(copy, 'a copy'), 'copy by A')
    await stage.write('B', present(copy, 'a copy'), 'copy by B')
    await stage.together()
    for (const text of ['copy by A', 'copy by B']) assert.ok(stage.texts().includes(text), `${text} is gone`)
    assert.ok(
      copies(stage).every((path) => path.split('.conflict-').length === 2),
      'a copy of a copy',
    )
  })

  test('scenario 8: the conflict is resolved on A and on B in the same way while offline: no new conflict', async () => {
    using stage = await Stage.open({ before: { f: 'base' } })
    await stage.apart()
    await stage.write('A', 'f', 'from A')
    await stage.write('B', 'f', 'from B')
    await stage.together()
    const [copy] = copies(stage)
    await stage.apart()
    for (const on of ['A', 'B']) {
      await stage.write(on, 'f', 'both together')
      await stage.remove(on, present(copy, 'a copy'))
    }
    await stage.together()
    assert.deepEqual(stage.tree(), { f: 'both together' })
  })

  test('scenario 9: A resolves by deleting the copy, B edits the copy: the edit survives', async () => {
    using stage = await Stage.open({ before: { f: 'base' } })
    await stage.apart()
    await stage.write('A', 'f', 'from A')
    await stage.write('B', 'f', 'from B')
    await stage.together()
    const copy = present(copies(stage)[0], 'a copy')
    await stage.apart()
    await stage.remove('A', copy)
    await stage.write('B', copy, 'worked on')
    await stage.together()
    assert.equal(stage.tree()['f (copy)'], 'worked on')
  })

  test('scenario 10: an edit on A of version 1 while B has version 2 that A has not received: both are kept', async () => {
    using stage = await Stage.open({ before: { f: 'version 1' } })
    await stage.apart()
    await stage.write('B', 'f', 'version 2')
    await stage.pass(10_000)
    await stage.write('A', 'f', 'of version 1')
    await stage.together()
    assert.deepEqual(both(stage, 'f', 'f (copy)'), ['of version 1', 'version 2'])
  })

  test('scenario 11: A edits twice, B receives only the first and edits it: concurrent with the second, both are kept', async () => {
    using stage = await Stage.open({ before: { f: 'base' } })
    await stage.write('A', 'f', 'first')
    await stage.rest()
    await stage.apart()
    await stage.write('A', 'f', 'second')
    await stage.write('B', 'f', 'first, worked on')
    await stage.together()
    assert.deepEqual(both(stage, 'f', 'f (copy)'), ['first, worked on', 'second'])
  })

  test('scenario 12: the clock of B is five years ahead and jumps back: nothing is lost, later edits still arrive', async () => {
    const fiveYearsMs = 5 * 365 * 86_400_000
    using stage = await Stage.open({ before: { f: 'base' }, clocks: { B: fiveYearsMs } })
    await stage.apart()
    await stage.write('A', 'f', 'from A')
    await stage.write('B', 'f', 'from B')
    await stage.together()
    assert.deepEqual(both(stage, 'f', 'f (copy)'), ['from A', 'from B'])
    await stage.do('B', { do: 'clock', byMs: -fiveYearsMs })
    await stage.write('B', 'f', 'later on B')
    await stage.rest()
    await stage.write('A', 'f', 'later on A')
    await stage.rest()
    assert.equal(stage.tree('B')['f'], 'later on A')
  })
})

describe('deletions', () => {
  test('scenario 13: A deletes, B edits offline: the edited file lives under its own name on both', async () => {
    using stage = await Stage.open({ before: { f: 'base', g: 'other' } })
    await stage.apart()
    await stage.remove('A', 'f')
    await stage.write('B', 'f', 'edited')
    await stage.together()
    assert.deepEqual(stage.tree(), { f: 'edited', g: 'other' })
  })

  test('scenario 15: A deletes a directory, B adds a file in it offline: the directory comes again with the new file only', async () => {
    using stage = await Stage.open({ before: { 'd/old': 'old', 'd/older': 'older', other: 'other' } })
    await stage.apart()
    await stage.remove('A', 'd')
    await stage.write('B', 'd/new', 'new')
    await stage.together()
    assert.deepEqual(stage.tree(), { d: '/', 'd/new': 'new', other: 'other' })
  })

  test('scenario 16: A deletes a directory that on B has ignored files: known files go, the directory and the ignored ones stay', async () => {
    using stage = await Stage.open({ before: { 'd/known': 'known', other: 'other', '.holdfastignore': '*.ignored\n' } })
    await stage.write('B', 'd/own.ignored', "B's own")
    await stage.remove('A', 'd')
    await stage.pass(30_000)
    assert.deepEqual(stage.tree('A'), { other: 'other' })
    assert.deepEqual(stage.tree('B'), { d: '/', 'd/own.ignored': "B's own", other: 'other' })
  })

  test('scenario 16: the ignored files are deeper below: the directories around them stay on B, and do not come back on A', async () => {
    using stage = await Stage.open({ before: { 'd/e/known': 'known', 'd/f': 'f', other: 'other', '.holdfastignore': '*.ignored\n' } })
    await stage.write('B', 'd/e/own.ignored', "B's own")
    await stage.remove('A', 'd')
    await stage.pass(60_000)
    assert.deepEqual(stage.tree('A'), { other: 'other' })
    assert.deepEqual(stage.tree('B'), { d: '/', 'd/e': '/', 'd/e/own.ignored': "B's own", other: 'other' })
  })

  test('scenario 17: A deletes a directory, B cannot remove one child for a while: the others go, it is shown, nothing comes back on A', async () => {
    using stage = await Stage.open({ before: { 'd/held': 'held', 'd/free': 'free', other: 'other' } })
    await stage.do('B', { do: 'trouble', operation: 'unlink', fault: 'busy', times: 8 })
    await stage.do('B', { do: 'trouble', operation: 'rename', fault: 'busy', times: 8 })
    await stage.remove('A', 'd')
    await stage.pass(2000)
    assert.deepEqual(stage.tree('A'), { other: 'other' }, 'nothing comes back')
    await stage.rest()
    assert.deepEqual(stage.tree('B'), { other: 'other' })
  })

  test('scenario 18: a name is deleted and made again with the same content, quickly: nothing flaps', async () => {
    using stage = await Stage.open({ before: { f: 'content', g: 'other' } })
    for (let round = 0; round < 5; round++) {
      await stage.remove('A', 'f')
      await stage.write('A', 'f', 'content')
    }
    await stage.rest()
    assert.deepEqual(stage.tree('B'), { f: 'content', g: 'other' })
  })

  test('scenario 19: A deletes the file that B is downloading: B lets go of it, and no partial file is visible', async () => {
    using stage = await Stage.open({ before: { other: 'other' } })
    await stage.do('A', { do: 'write', path: 'big', content: { sizeBytes: 600_000, fill: 'big' } })
    await stage.pass(40)
    await stage.remove('A', 'big')
    await stage.rest()
    assert.deepEqual(stage.tree('B'), { other: 'other' })
  })

  test('scenario 20: both delete: nothing is left, no conflict', async () => {
    using stage = await Stage.open({ before: { f: 'base', g: 'other' } })
    await stage.apart()
    await stage.remove('A', 'f')
    await stage.remove('B', 'f')
    await stage.together()
    assert.deepEqual(stage.tree(), { g: 'other' })
  })

  test('scenario 21: a node that was offline for years comes back with files deleted meanwhile: they do not come back', async () => {
    using stage = await Stage.open({ before: { f: 'base', g: 'other' } })
    await stage.apart()
    await stage.remove('A', 'f')
    await stage.pass(1000)
    for (const on of ['A', 'B']) await stage.do(on, { do: 'clock', byMs: 3 * 365 * 86_400_000 })
    await stage.together()
    assert.deepEqual(stage.tree(), { g: 'other' })
  })
})
