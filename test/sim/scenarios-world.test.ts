// Scenarios of the world around: drives that go away, watchers that fail, nodes that are killed, rules that change.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { Stage } from './scenario.ts'

const deaf = { delayMs: [1, 50], dropChance: 1, doubleChance: 0, lostChance: 0, deathChance: 0 } as const
const hourMs = 3_600_000
const { signal } = new AbortController()

describe('the root', () => {
  test('scenario 24: the folder root disappears while running: the folder stops, nothing is deleted elsewhere', async () => {
    using stage = await Stage.open({ before: { f: 'kept', 'd/g': 'kept too' } })
    const { user } = stage.person('A').node
    await stage.pass(10_000)
    assert.equal(stage.folder('B').copies.min, 2)
    user.rename('/folder', '/elsewhere')
    await stage.pass(10_000)
    await stage.settle(
      stage
        .controls('A')
        .rescanFolder(stage.folder('A').id, signal)
        .catch(() => undefined),
    )
    assert.equal(stage.folder('A').state, 'stopped')
    assert.deepEqual(stage.tree('B'), { f: 'kept', d: '/', 'd/g': 'kept too' })
    await stage.pass(10_000)
    assert.equal(stage.folder('B').copies.min, 1, 'what is not looked at counts as no copy')
    user.rename('/elsewhere', '/folder')
    await stage.pass(120_000)
    await stage.write('A', 'f', 'and goes on')
    await stage.rest()
    assert.equal(stage.tree('B')['f'], 'and goes on')
    await stage.pass(10_000)
    assert.equal(stage.folder('B').copies.min, 2)
  })

  test('scenario 27: unmounted in the middle of a scan: the result of the scan is discarded', async () => {
    const files = Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`d${at % 8}/f${at}`, `${at}`]))
    using stage = await Stage.open({ before: files })
    const expected = stage.tree('B')
    const { user } = stage.person('A').node
    const scan = stage
      .controls('A')
      .rescanFolder(stage.folder('A').id, signal)
      .catch(() => undefined)
    await stage.pass(3)
    user.rename('/folder', '/elsewhere')
    user.mkdir('/folder')
    await stage.settle(scan)
    await stage.pass(10_000)
    assert.deepEqual(stage.tree('B'), expected)
    user.remove('/folder')
    user.rename('/elsewhere', '/folder')
    await stage.pass(120_000)
    await stage.rest()
    assert.deepEqual(stage.tree('B'), expected)
  })
})

describe('what a machine cannot do', () => {
  test('scenario 50: a symlink arrives where none can be made: it is reported, and not deleted on other nodes', async () => {
    using stage = await Stage.open({ before: { f: 'other' } })
    const { faults } = stage.person('B').node
    faults.add({ path: '/folder', operations: ['symlink'], fault: 'denied', times: 1000 })
    await stage.do('A', { do: 'symlink', path: 'link', target: 'f' })
    await stage.pass(30_000)
    assert.deepEqual(stage.tree('A'), { f: 'other', link: '-> f' })
    assert.deepEqual(stage.tree('B'), { f: 'other' })
    assert.ok(
      stage
        .controls('B')
        .status()
        .problems.some((problem) => problem.path === 'link'),
    )
    faults.clear()
    await stage.rest()
    assert.equal(stage.tree('B')['link'], '-> f')
  })

  test('scenario 79: a file is locked by a program: it is read again later, and listed meanwhile', async () => {
    using stage = await Stage.open({ before: { f: 'base' } })
    const { faults } = stage.person('A').node
    faults.add({ path: '/folder/f', operations: ['open'], fault: 'busy', times: 1000 })
    await stage.write('A', 'f', 'edited')
    await stage.pass(10_000)
    assert.equal(stage.tree('B')['f'], 'base')
    assert.ok(
      stage
        .controls('A')
        .status()
        .problems.some((problem) => problem.path === 'f'),
    )
    faults.clear()
    await stage.pass(hourMs * 2)
    assert.equal(stage.tree('B')['f'], 'edited')
  })

  test('scenario 75: no room for the database: nothing is half done, and a restart with room goes on', async () => {
    using stage = await Stage.open({ before: { f: 'base' } })
    await stage.do('A', { do: 'room', bytes: 0, inodes: 0 })
    await stage.write('B', 'f', 'edited')
    await stage.write('B', 'new', 'new')
    await stage.pass(20_000)
    await stage.do('A', { do: 'kill' })
    await stage.do('A', { do: 'room' })
    await stage.do('A', { do: 'start' })
    await stage.rest()
    assert.deepEqual(stage.tree('A'), { f: 'edited', new: 'new' })
  })
})

describe('watching', () => {
  test('scenario 85: the watcher drops everything: the periodic walk finds it', async () => {
    using stage = await Stage.open({ before: { f: 'base' } })
    stage.person('A').node.watching = deaf
    await stage.do('A', { do: 'restart' })
    await stage.pass(10_000) // the walk of the start is over
    await stage.write('A', 'f', 'unheard')
    await stage.pass(15_000) // scrub, which may read the file too, begins later
    assert.equal(stage.tree('B')['f'], 'base')
    await stage.pass(hourMs * 2)
    assert.equal(stage.tree('B')['f'], 'unheard')
  })

  test('scenario 85: the watcher dies: another is opened, and the tree is walked', async () => {
    using stage = await Stage.open({ before: { f: 'base' } })
    stage.person('A').node.watching = { ...deaf, dropChance: 0, deathChance: 1 }
    await stage.do('A', { do: 'restart' })
    await stage.write('A', 'f', 'one')
    await stage.pass(120_000)
    await stage.write('A', 'f', 'two')
    await stage.pass(hourMs * 2)
    assert.equal(stage.tree('B')['f'], 'two')
  })
})

describe('kills', () => {
  test('scenario 69: the receiver is killed at each point of apply: it shows the old or the new content, and gets there', async () => {
    using stage = await Stage.open({ before: { f: 'version 0' } })
    for (let calls = 0; calls < 24; calls += 2) {
      const [old, next] = [`version ${calls}`, `version ${calls + 2}`]
      await stage.do('B', { do: 'killInCall', calls })
      await stage.write('A', 'f', next)
      await stage.pass(4000)
      assert.ok([old, next].includes(stage.tree('B')['f'] ?? ''), `after ${calls} calls: ${stage.tree('B')['f']}`)
      if (!stage.person('B').node.isRunning) await stage.do('B', { do: 'start' })
      await stage.rest()
      assert.deepEqual(stage.tree('B'), { f: next })
    }
  })

  test('scenario 70: the sender is killed in a transfer: it goes on from the block reached', async () => {
    using stage = await Stage.open()
    const sizeBytes = 12_000_000
    await stage.do('A', { do: 'write', path: 'big', content: { sizeBytes, fill: 'big' } })
    for (let kills = 0; kills < 4; kills++) {
      await stage.pass(120)
      if (!stage.person('A').node.isRunning) continue
      await stage.do('A', { do: 'kill' })
      await stage.do('A', { do: 'start' })
    }
    await stage.rest()
    assert.equal(stage.person('B').sizeOf('big'), sizeBytes)
    assert.ok(stage.receivedBytes('B') < sizeBytes * 1.8, `${stage.receivedBytes('B')} bytes for ${sizeBytes}`)
  })
})

describe('ignore rules', () => {
  test('a rule holds for what is made in the moment after it', async () => {
    using stage = await Stage.open({ before: { f: 'other' } })
    await stage.write('A', '.holdfastignore', '*.o\nsecret/\n')
    await stage.write('A', 'z.o', 'built')
    await stage.write('A', 'secret/key', 'nobody else')
    await stage.pass(60_000)
    assert.deepEqual(stage.tree('B'), { f: 'other' })
  })

  test('scenario 97: a rule is added for files that exist on others, and removed: nothing is deleted, and no edit is lost', async () => {
    using stage = await Stage.open({ before: { 'x.tmp': 'shared', f: 'other' } })
    await stage.write('A', '.holdfastignore', '*.tmp\n')
    await stage.pass(10_000)
    assert.deepEqual(stage.tree('B'), { 'x.tmp': 'shared', f: 'other' })
    await stage.write('A', 'x.tmp', 'edited at A, ignored')
    await stage.pass(10_000)
    assert.equal(stage.tree('B')['x.tmp'], 'shared')
    await stage.write('A', '.holdfastignore', '*.other\n')
    await stage.pass(10_000)
    await stage.rest()
    assert.ok(stage.texts().includes('edited at A, ignored'))
  })
})
