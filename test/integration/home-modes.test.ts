// What a daemon keeps in its home is its owner's alone, whatever umask it was started under; the files of a folder are as their makers
// made them. And the engine's own lines reach the daemon's log.

import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { homePaths } from '../../engine/platform/home.ts'
import { allSynced, TestNodes } from '../support/daemon.ts'

const othersBits = 0o077

test('the home is closed to others to the last file, and a folder keeps the bits that its files have', async (t) => {
  const before = process.umask(0o022)
  t.after(() => process.umask(before))
  const nodes = new TestNodes(t)
  const folder = nodes.makeDirectory('a')
  writeFileSync(join(folder, 'open.txt'), 'open')
  chmodSync(join(folder, 'open.txt'), 0o664)
  mkdirSync(join(folder, 'open'))
  chmodSync(join(folder, 'open'), 0o775)
  const [one, two] = await Promise.all([nodes.start('one'), nodes.start('two')])
  await one.call('addFolder', { path: folder, name: 'a' })
  await two.call('join', { link: await one.share('a'), path: nodes.path('b') })
  await allSynced([one, two])

  for (const { home } of [one, two]) {
    const names = readdirSync(home, { recursive: true, encoding: 'utf8' })
    for (const expected of ['index.db', 'index.db-wal', 'ports.json', join('log', 'holdfast.log')])
      assert.ok(names.includes(expected), expected)
    const open = names.filter((name) => (statSync(join(home, name)).mode & othersBits) !== 0)
    assert.deepEqual(open, [])
    assert.match(readFileSync(homePaths(home).logFile, 'utf8'), /"watching a folder"/)
  }
  const bitsOf = (...names: readonly string[]): number => statSync(nodes.path(...names)).mode & 0o777
  assert.deepEqual([bitsOf('b'), bitsOf('b', 'open.txt'), bitsOf('b', 'open')], [0o755, 0o664, 0o775])
})
