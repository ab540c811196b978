// Scenario 26: a folder whose files came back from an old backup, with its marker. However looks, changes and restarts come together, what
// is old there must not go out as an edit, and what is missing not as a deletion.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { backUpFolder, restoreFolder } from './restored-folder.ts'
import { Stage } from './scenario.ts'

const root = '/folder'
const hourMs = 3_600_000

interface Scene extends Disposable {
  readonly stage: Stage
  /** Puts A's folder back to where it was before the changes. `meanwhile` happens before A starts. */
  restore(how?: { readonly meanwhile?: () => void; readonly keepsTimes?: boolean; readonly isRunning?: boolean }): Promise<void>
}

const before = { f: 'old', gone: 'is deleted', 'd/g': 'kept', 'd/h': 'kept too' }
const newest = { f: 'newer', later: 'made after the backup', d: '/', 'd/g': 'kept', 'd/h': 'kept too' }

/** Since the backup of A's folder a file was edited, one deleted and one made. */
async function openScene(): Promise<Scene> {
  const stage = await Stage.open({ before })
  const { user } = stage.person('A').node
  const backup = backUpFolder(user, root)
  await stage.pass(5000)
  await stage.write('A', 'f', 'newer')
  await stage.write('A', 'later', 'made after the backup')
  await stage.remove('A', 'gone')
  await stage.rest()
  return {
    stage,
    restore: async ({ meanwhile = () => undefined, keepsTimes = true, isRunning = false } = {}) => {
      if (!isRunning) await stage.do('A', { do: 'kill' })
      restoreFolder(user, backup, keepsTimes)
      meanwhile()
      if (!isRunning) await stage.do('A', { do: 'start' })
    },
    [Symbol.dispose]: () => stage[Symbol.dispose](),
  }
}

function assertNewest({ stage }: Scene, changed: Readonly<Record<string, string>> = {}): void {
  for (const on of ['A', 'B']) assert.deepEqual(stage.tree(on), { ...newest, ...changed }, on)
}

describe('a folder from an old backup', () => {
  test('scenario 26: old files are old versions, what is missing was not deleted, what was deleted stays so', async () => {
    using scene = await openScene()
    await scene.restore()
    await scene.stage.rest()
    assertNewest(scene)
  })

  test('scenario 26: what comes after it is an edit, also of old content, and a deletion', async () => {
    using scene = await openScene()
    const { stage } = scene
    await scene.restore()
    await stage.rest()
    await stage.write('A', 'f', 'old')
    await stage.write('A', 'gone', 'is deleted')
    await stage.remove('A', 'd/g', 'later')
    await stage.rest()
    for (const on of ['A', 'B']) assert.deepEqual(stage.tree(on), { f: 'old', gone: 'is deleted', d: '/', 'd/h': 'kept too' }, on)
  })

  test('scenario 26: restored within the second in which its session began: old files are old versions, not edits', async () => {
    using stage = await Stage.open({ before: { f: 'old', gone: 'is deleted', 'd/g': 'kept' } })
    await stage.do('A', { do: 'restart' })
    await stage.pass(120)
    const { user } = stage.person('A').node
    const backup = backUpFolder(user, root)
    await stage.write('A', 'f', 'newer')
    await stage.write('A', 'later', 'made after the backup')
    await stage.remove('A', 'gone')
    await stage.pass(250)
    assert.equal(stage.tree('B')['f'], 'newer')
    await stage.do('A', { do: 'kill' })
    restoreFolder(user, backup)
    await stage.do('A', { do: 'start' })
    await stage.rest()
    const expected = { f: 'newer', later: 'made after the backup', d: '/', 'd/g': 'kept' }
    assert.deepEqual(stage.tree('A'), expected)
    assert.deepEqual(stage.tree('B'), expected)
  })

  test('scenario 26: files that cannot be read at first are old versions all the same once they can', async () => {
    using scene = await openScene()
    const { stage } = scene
    const { faults } = stage.person('A').node
    for (const path of ['f', 'gone']) faults.add({ path: `${root}/${path}`, operations: ['open'], fault: 'busy', times: 100_000 })
    await scene.restore()
    await stage.pass(30_000)
    assert.equal(stage.tree('B')['f'], 'newer')
    faults.clear()
    await stage.pass(2 * hourMs)
    await stage.rest()
    assertNewest(scene)
  })

  test('scenario 26: a directory that cannot be read at first holds old versions all the same once it can', async () => {
    using scene = await openScene()
    const { stage } = scene
    await stage.write('A', 'd/h', 'newer too')
    await stage.remove('A', 'd/g')
    await stage.rest()
    const { faults } = stage.person('A').node
    faults.add({ path: `${root}/d`, operations: ['readDirectory'], fault: 'denied', times: 100_000 })
    await scene.restore()
    await stage.pass(30_000)
    faults.clear()
    await stage.pass(2 * hourMs)
    await stage.rest()
    const { 'd/g': _, ...rest } = newest
    for (const on of ['A', 'B']) assert.deepEqual(stage.tree(on), { ...rest, 'd/h': 'newer too' }, on)
  })

  test('scenario 26: restored by a tool that does not keep times: a version that was there before is none the less old', async () => {
    using scene = await openScene()
    await scene.restore({ keepsTimes: false })
    await scene.stage.rest()
    assertNewest(scene)
  })

  test('scenario 26: what is written after the restore and before the start is an edit', async () => {
    using scene = await openScene()
    const { stage } = scene
    const person = stage.person('A')
    await scene.restore({ meanwhile: () => person.node.user.write(`${root}/d/g`, new TextEncoder().encode('kept')) })
    await stage.write('A', 'd/h', 'edited at once')
    await stage.rest()
    assertNewest(scene, { 'd/h': 'edited at once' })
  })

  test('scenario 26: what a restore in place left as it was is beyond doubt: its deletion is one', async () => {
    using scene = await openScene()
    const { stage } = scene
    const { user } = stage.person('A').node
    await stage.do('A', { do: 'kill' })
    const session = `${root}/.holdfast/session.json`
    user.replace(session, user.read(session) ?? new Uint8Array(0))
    await stage.do('A', { do: 'start' })
    await stage.rest()
    await stage.remove('A', 'd/g')
    await stage.rest()
    const { 'd/g': _, ...rest } = newest
    for (const on of ['A', 'B']) assert.deepEqual(stage.tree(on), rest, on)
  })

  test('scenario 26: while the only other member is paused: what it alone has now is not given up', async () => {
    using scene = await openScene()
    await scene.stage.do('B', { do: 'pause' })
    await scene.restore()
    await scene.stage.pass(180_000)
    await scene.stage.do('B', { do: 'resume' })
    await scene.stage.rest()
    assertNewest(scene)
  })

  test('scenario 26: restored while the node runs: old files are old versions, not edits', async () => {
    using scene = await openScene()
    await scene.restore({ isRunning: true })
    await scene.stage.pass(30_000)
    await scene.stage.rest()
    assertNewest(scene)
  })

  test('scenario 26: killed in the middle of the first look: the next one is as careful', async () => {
    for (let calls = 0; calls < 16; calls += 3) {
      using scene = await openScene()
      const { stage } = scene
      await stage.do('A', { do: 'killInCall', calls })
      const { node } = stage.person('A')
      await scene.restore()
      await stage.pass(20_000)
      if (!node.isRunning) await stage.do('A', { do: 'start' })
      await stage.rest()
      assertNewest(scene)
    }
  })
})

describe('a folder from an old backup, with a question open', () => {
  test('scenario 26: a folder that was held is as careful once it is restored', async () => {
    const files = Object.fromEntries(Array.from({ length: 24 }, (_, at) => [`n${at}`, `${at}`]))
    using stage = await Stage.open({ before: { ...files, f: 'old' } })
    const { user } = stage.person('A').node
    const backup = backUpFolder(user, root)
    await stage.pass(5000)
    await stage.write('A', 'f', 'newer')
    await stage.rest()
    for (let at = 0; at < 20; at++) await stage.remove('A', `n${at}`)
    await stage.pass(20_000)
    assert.equal(stage.folder('A').state, 'held')
    await stage.do('A', { do: 'kill' })
    restoreFolder(user, backup)
    await stage.do('A', { do: 'start' })
    await stage.pass(120_000)
    await stage.rest()
    for (const on of ['A', 'B']) assert.deepEqual(stage.tree(on), { ...files, f: 'newer' }, on)
  })
})
