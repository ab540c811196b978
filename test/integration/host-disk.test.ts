// A host whose blocks are on a disk of their own, and that disk is not there when it starts.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { homePaths } from '../../engine/platform/home.ts'
import { eventually, TestNodes } from '../support/daemon.ts'

const waitMs = 60_000

test('scenarios T16, T17: a host whose disk of blocks is not mounted does not start and says nothing; when it is back nothing is fetched again', async (t) => {
  const nodes = new TestNodes(t)
  const root = nodes.makeDirectory('photos')
  for (let file = 0; file < 5; file++) writeFileSync(join(root, `${file}.bin`), randomBytes(300_000))
  const owner = await nodes.start('owner')
  await owner.call('addFolder', { path: root, name: 'photos' })
  const host = await nodes.start('host', { serve: ['--class', 'always-on', '--zone', 'cellar', '--capacity', '1GB'] })
  await host.call('join', { link: await owner.share('photos', 'host') })
  await owner.call('waitCopies', { folder: 'photos', copies: 2, timeoutMs: waitMs })
  const { blocks, payloadBytes } = await host.call('store', {})
  assert.ok(payloadBytes > 1_500_000)
  await host.stop()

  const { segments } = homePaths(host.home)
  renameSync(segments, `${segments}.unmounted`)
  mkdirSync(segments)
  const refused = await host.start().then(() => 'it started', String)
  assert.match(refused, /exit code 5.*there is no block store, though there was one before.*mount it/s)
  assert.deepEqual(readdirSync(segments), [])
  const { files } = await owner.call('copies', { folder: 'photos' })
  assert.ok(files.every(({ copies }) => copies === 2))

  rmdirSync(segments)
  const gone = await host.start().then(() => 'it started', String)
  assert.match(gone, /exit code 5.*there is no block store, though there was one before.*mount it.*--new-store/s)
  assert.equal(existsSync(segments), false)
  const still = await owner.call('copies', { folder: 'photos' })
  assert.ok(still.files.every(({ copies }) => copies === 2))

  renameSync(`${segments}.unmounted`, segments)
  await owner.stop() // nobody could give anything
  await host.start()
  const again = await host.call('store', {})
  assert.deepEqual([again.state, again.blocks, again.payloadBytes], ['ok', blocks, payloadBytes])
  assert.deepEqual((await host.folder('photos')).needFiles, 0)
  await owner.start()
  await owner.call('waitCopies', { folder: 'photos', copies: 2, timeoutMs: waitMs })

  await host.stop()
  rmSync(segments, { recursive: true })
  await host.start('--new-store') // a person says that it is gone for good
  await owner.call('waitCopies', { folder: 'photos', copies: 2, timeoutMs: waitMs })
  const anew = await eventually('what was lost to be there again', waitMs, async () => {
    const store = await host.call('store', {})
    return store.blocks === blocks ? store : undefined
  })
  assert.equal(anew.payloadBytes, payloadBytes)
})
