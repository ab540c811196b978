// The block store of a real host: what it may take, what it says, and its index made again while it runs.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { homePaths } from '../../engine/platform/home.ts'
import { eventually, TestNodes } from '../support/daemon.ts'

test('scenarios T8, T44: a host that is given ten times as much takes no more than its capacity and the grant, says so, and finds its blocks without their index', async (t) => {
  const nodes = new TestNodes(t)
  const folder = nodes.makeDirectory('a')
  for (let file = 0; file < 45; file++) writeFileSync(join(folder, `${file}.bin`), randomBytes(100_000))
  const one = await nodes.start('one')
  const host = await nodes.start('host', { serve: ['--capacity', '450kB'] })
  await one.call('addFolder', { path: folder, name: 'a' })
  const { link } = await one.call('share', { folder: 'a', role: 'host' })
  await host.call('join', { link, keep: 'all' })
  await eventually('the host has taken what it may', 60_000, async () => ((await host.call('store', {})).blocks === 4 ? true : undefined))
  const full = await host.call('store', {})
  assert.equal(full.capacityBytes, 450_000)
  assert.ok(full.usedBytes <= 450_000 && full.payloadBytes > 400_000, JSON.stringify(full))
  await assert.rejects(host.call('setFolder', { folder: 'a', settings: { grant: 'much' } }), /a size such as/)
  await host.call('setFolder', { folder: 'a', settings: { grant: '1MB' } })
  assert.equal((await host.call('store', {})).folders[0]?.grantBytes, 1_000_000)

  const { missing, surplus, elsewhere, blocks } = await host.call('rebuildStore', {})
  assert.deepEqual({ missing, surplus, elsewhere, blocks }, { missing: 0, surplus: 0, elsewhere: 0, blocks: 4 })
  await host.stop()
  rmSync(join(homePaths(host.home).segments, 'index'), { recursive: true, force: true })
  const again = nodes.create('again', { serve: ['--capacity', '10GB'] }, host.home)
  await again.start()
  await eventually('as much as the grant says is there, with a higher limit in all', 60_000, async () =>
    (await again.call('store', {})).blocks === 9 ? true : undefined,
  )
  const { folders, diskBytes } = await again.call('store', {})
  assert.equal(folders[0]?.grantBytes, 1_000_000)
  assert.ok((folders[0]?.usedBytes ?? 0) <= 1_000_000 && diskBytes < 3_000_000, JSON.stringify(folders))
  assert.ok(statSync(homePaths(host.home).database).size < 2_000_000)
})
