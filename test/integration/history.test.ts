// History with real daemons and commands: what one member replaced and deleted, another brings back, also after a kill.

import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'

import type { History, Restored, RolledBack } from '../../engine/api/controls.ts'
import { TestNodes } from '../support/daemon.ts'

const largeBytes = 9 * 1024 * 1024

/** Bytes that no two offsets share, so that blocks differ. */
function large(seed: number): Buffer {
  const bytes = Buffer.alloc(largeBytes)
  for (let at = 0; at < largeBytes; at += 4) bytes.writeUInt32LE((Math.imul(at + seed, 2_654_435_761) ^ (at >>> 3)) >>> 0, at)
  return bytes
}

test('what a member replaced and deleted is listed, brought back here and elsewhere, and undone, also after a kill', async (context) => {
  const nodes = new TestNodes(context)
  const [a, b] = [await nodes.start('a'), await nodes.start('b')]
  const [here, there] = [nodes.makeDirectory('here'), nodes.makeDirectory('there')]
  const original = large(1)
  writeFileSync(`${here}/film`, original, { mode: 0o640 })
  mkdirSync(`${here}/plans`)
  writeFileSync(`${here}/plans/pond`, 'deep')
  for (let at = 0; at < 8; at++) writeFileSync(`${here}/keep${at}`, `kept ${at}`)
  await a.call('addFolder', { path: here, name: 'Notes' })
  await b.call('join', { link: await a.share('Notes'), path: there })
  const synced = async (): Promise<void> => {
    for (const node of [a, b]) await node.call('waitSynced', { timeoutMs: 60_000 })
  }
  await synced()
  const before = new Date().toISOString()
  const changed = Buffer.from(original)
  changed.fill(7, 5_000_000, 5_001_000)
  writeFileSync(`${here}/film`, changed)
  rmSync(`${here}/plans`, { recursive: true })
  await synced()
  await b.kill()
  await b.start()
  await synced()
  const listed = await b.command('history', 'Notes', 'film', '--json')
  const { versions, current }: History = JSON.parse(listed.out)
  assert.deepEqual([versions.length, versions[0]?.bytes, versions[0]?.byName, current?.bytes], [1, largeBytes, 'a', largeBytes])
  assert.match((await b.command('history', 'Notes')).out, /plans\/pond +deleted .* by a/)

  const elsewhere = `${nodes.directory}/old-film`
  const exported = await b.command('restore', 'Notes', 'film', '--version', versions[0]?.id ?? '', '--to', elsewhere)
  assert.equal(exported.code, 0, exported.err)
  assert.ok(readFileSync(elsewhere).equals(original))
  assert.equal(statSync(elsewhere).mode & 0o777, 0o640)
  assert.equal((await b.command('restore', 'Notes', 'film', '--version', versions[0]?.id ?? '', '--to', elsewhere)).code, 5)

  const back = await b.command('rollback', 'Notes', '--at', before, '--json')
  assert.equal(back.code, 0, back.err)
  const rolledBack: RolledBack = JSON.parse(back.out)
  await synced()
  for (const root of [here, there]) {
    assert.ok(readFileSync(`${root}/film`).equals(original))
    assert.equal(readFileSync(`${root}/plans/pond`, 'utf8'), 'deep')
  }
  const undo = await b.call('rollback', { folder: 'Notes', atMs: rolledBack.undoAtMs ?? 0 })
  assert.equal(undo.missingCount, 0)
  await synced()
  for (const root of [here, there]) assert.ok(readFileSync(`${root}/film`).equals(changed))

  const [deleted] = (await b.call('history', { folder: 'Notes', path: 'plans/pond' })).versions
  const restored: Restored = await b.call('restore', { folder: 'Notes', path: 'plans/pond', version: deleted?.id ?? '' })
  assert.equal(restored.state, 'done')
  await synced()
  assert.equal(readFileSync(`${here}/plans/pond`, 'utf8'), 'deep')
  assert.ok((await b.folder()).historyBytes < 6 * 1024 * 1024, 'the film was not kept whole')
})
