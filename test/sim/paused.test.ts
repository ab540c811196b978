// A folder that is paused, here or at another member: nobody is told that it is in step, and everybody sees where it is paused.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Stage } from './scenario.ts'

const { signal } = new AbortController()

test('a folder that is paused here is not waited for', async () => {
  using stage = await Stage.open({ before: { f: 'text' } })
  const controls = stage.controls('A')
  const { id, name } = stage.folder('A')
  assert.deepEqual(await stage.settle(controls.waitSynced(undefined, signal)), { paused: [], full: [] })
  await stage.settle(controls.pauseFolder(id))
  const refused = { code: 'NOT_ALLOWED', message: `${name} is paused: resume it first` }
  await assert.rejects(stage.settle(controls.waitSynced(id, signal)), refused)
  await assert.rejects(stage.settle(controls.waitSynced(undefined, signal)), refused)
})

test('a folder that is paused while somebody waits for it does not come in step', async () => {
  using stage = await Stage.open({ before: { f: 'text' } })
  const controls = stage.controls('A')
  const { id } = stage.folder('A')
  stage.person('B').node.faults.add({ path: '/folder', operations: ['link', 'rename'], fault: 'busy', times: 100_000 })
  await stage.write('A', 'f', 'does not get there')
  const waiting = assert.rejects(controls.waitSynced(id, signal), { code: 'NOT_ALLOWED' })
  await stage.pass(2000)
  await stage.settle(controls.pauseFolder(id))
  await stage.settle(waiting)
})

test('members see where a folder is paused, and no longer once it is resumed', async () => {
  using stage = await Stage.open({ nodes: ['A', 'B', 'C'], before: { f: 'text' } })
  const controls = stage.controls('A')
  const { id } = stage.folder('A')
  assert.equal(stage.folder('A').pausedAt, undefined)
  await stage.settle(stage.controls('B').pauseFolder(id))
  await stage.pass(5000)
  for (const on of ['A', 'C']) assert.deepEqual(stage.folder(on).pausedAt, ['B'], on)
  assert.deepEqual(controls.needs(id, 10), { state: 'idle', items: [], total: 0, pausedAt: ['B'] })
  await stage.do('A', { do: 'restart' })
  await stage.pass(5000)
  assert.deepEqual(stage.folder('A').pausedAt, ['B'], 'a node that comes later is told too')
  await stage.settle(stage.controls('B').resumeFolder(id))
  await stage.pass(2000)
  for (const on of ['A', 'C']) assert.equal(stage.folder(on).pausedAt, undefined, on)
  await stage.settle(stage.controls('B').pauseFolder(id))
  await stage.pass(5000)
  await stage.do('B', { do: 'kill' })
  await stage.pass(30_000)
  assert.equal(stage.folder('A').pausedAt, undefined, 'who is not connected is paused nowhere')
})
