// A daemon that is not root, as most are: what it may not read is unknown, not deleted, and what it may not write still arrives.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { allSynced, eventually, TestNodes } from '../support/daemon.ts'

const nobody = 65_534
const isPossible = process.getuid?.() === 0 && spawnSync('setpriv', ['--version']).status === 0

test(
  'scenarios 77 and 78: forbidding bits stop nothing, and an unreadable directory is unknown, never deleted',
  { skip: !isPossible },
  async (t) => {
    const nodes = new TestNodes(t)
    chmodSync(nodes.directory, 0o755)
    const [a, b] = [nodes.makeDirectory('a'), nodes.makeDirectory('b')]
    mkdirSync(join(a, 'locked/deep'), { recursive: true })
    mkdirSync(join(a, 'secret'))
    for (const path of ['locked/one', 'locked/deep/two', 'secret/three', 'plain']) writeFileSync(join(a, path), path)
    for (const path of ['locked/deep', 'locked']) chmodSync(join(a, path), 0o555)
    const user = nodes.create('two', { through: ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups'] })
    mkdirSync(user.home, { mode: 0o700 })
    for (const path of [user.home, b]) chownSync(path, nobody, nobody)
    const [one] = await Promise.all([nodes.start('one'), user.start()])
    await one.call('addFolder', { path: a, name: 'bits' })
    await user.call('join', { link: await one.share('bits'), path: b })
    await allSynced([one, user])
    assert.equal(readFileSync(join(b, 'locked/deep/two'), 'utf8'), 'locked/deep/two')
    for (const path of ['locked', 'locked/deep']) assert.equal(lstatSync(join(b, path)).mode & 0o777, 0o555, path)

    chmodSync(join(b, 'secret'), 0)
    await user.call('rescanFolder', { folder: 'bits' })
    const problem = (await user.status()).problems.find(({ code }) => code === 'UNREADABLE')
    assert.equal(problem?.path, 'secret')
    assert.match(problem?.next ?? '', /permission/)
    writeFileSync(join(b, 'after'), 'told after the look')
    await eventually('a later change to arrive', 30_000, () => (existsSync(join(a, 'after')) ? true : undefined))
    assert.equal(readFileSync(join(a, 'secret/three'), 'utf8'), 'secret/three')
    chmodSync(join(b, 'secret'), 0o755)
    await user.call('rescanFolder', { folder: 'bits' })
    await allSynced([one, user])
    assert.deepEqual(await user.problemCodes(), [])
  },
)
