// What the commands say of folders that are paused, here and at another member.

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { allSynced, eventually, TestNodes } from '../support/daemon.ts'

test('wait, needs and status say where a folder is paused', async (t) => {
  const nodes = new TestNodes(t)
  const [photos, notes] = [nodes.makeDirectory('photos'), nodes.makeDirectory('notes')]
  const [desk, laptop] = await Promise.all([nodes.start('desk'), nodes.start('laptop')])
  await desk.call('addFolder', { path: photos, name: 'Photos' })
  await desk.call('addFolder', { path: notes, name: 'Notes' })
  await laptop.call('join', { link: await desk.share('Photos'), path: nodes.path('joined') })
  await allSynced([desk, laptop])

  await laptop.call('pauseFolder', { folder: 'Photos' })
  await eventually('the pause to be known', 20_000, async () => (await desk.folder('Photos')).pausedAt)
  assert.match((await desk.command('status')).out, /Photos +idle, paused at laptop/)
  assert.match(
    (await desk.command('needs', 'Photos')).out,
    /^Everything else is in step\.\nPaused at laptop: nothing goes there or comes from there until the folder is resumed there\.\n$/,
  )
  writeFileSync(join(photos, 'new'), 'not there yet')
  const late = await desk.command('wait', '--timeout', '1s')
  assert.deepEqual([late.code, /not in step yet \(Photos is paused at laptop\)/.test(late.err)], [6, true], late.err)

  await desk.call('pauseFolder', { folder: 'Photos' })
  const refused = await desk.command('wait', '--folder', 'Photos')
  assert.match(refused.err, /Photos is paused: resume it first/)
  assert.notEqual(refused.code, 0)
  assert.equal((await desk.command('wait')).out, 'In step, but for what is paused here: Photos.\n')
  await desk.call('pauseFolder', { folder: 'Notes' })
  assert.match((await desk.command('wait')).err, /every folder here is paused: resume one first/)

  for (const node of [desk, laptop]) await node.call('resumeFolder', { folder: 'Photos' })
  assert.equal((await desk.command('wait', '--folder', 'Photos')).out, 'In step.\n')
  assert.equal((await desk.folder('Photos')).pausedAt, undefined)
})
