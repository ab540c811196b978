// Real daemons on a disk that is full to the last page: they start, say so, serve what they have, and go on by themselves.

import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { allSynced, eventually, TestNodes } from '../support/daemon.ts'
import { noSmallDisks, SmallDisk } from '../support/small-disk.ts'

const timeout = 180_000

test(
  'scenario T15: a node starts on a full disk, its log and index on it too, says so, serves what it has, and goes on by itself once there is room',
  {
    skip: noSmallDisks,
    timeout,
  },
  async (t) => {
    const nodes = new TestNodes(t)
    const disk = new SmallDisk(nodes, 'small', 16)
    const [roots, ...others] = [nodes.makeDirectory('folder-a'), nodes.path('folder-b'), join(disk.path, 'folder-c')]
    const a = await nodes.start('a')
    const b = await nodes.start('b')
    const c = nodes.create('c', {}, join(disk.path, 'home-c'))
    await c.start()
    await a.call('addFolder', { path: roots, name: 'docs' })
    for (const [at, node] of [b, c].entries()) {
      await node.call('join', { link: await a.share('docs'), path: others[at] ?? '' })
      await allSynced([a, node])
    }
    await b.stop()
    writeFileSync(join(roots, 'x'), 'of a, and of c')
    await allSynced([a, c])
    await c.stop()
    await a.stop()

    disk.fill()
    await c.start()
    await eventually('c to say that its disk is full', 20_000, async () => (await c.problemCodes()).includes('DISK_FULL') || undefined)
    await b.start()
    await eventually('b to get from the full disk what it missed', 30_000, () => existsSync(join(others[0] ?? '', 'x')) || undefined)
    writeFileSync(join(others[0] ?? '', 'y'), 'of b')
    await b.call('rescanFolder', { folder: 'docs' })
    await c.kill()
    disk.fill()
    await c.start()

    disk.free()
    await eventually('c to go on', 60_000, () => existsSync(join(others[1] ?? '', 'y')) || undefined)
    assert.equal(readFileSync(join(others[1] ?? '', 'y'), 'utf8'), 'of b')
    await allSynced([b, c])
    await eventually('the problem to be over', 30_000, async () => !(await c.problemCodes()).includes('DISK_FULL') || undefined)
  },
)

test(
  'a folder on a full disk of its own goes on after restarts as who it was, and tells what is deleted there',
  {
    skip: noSmallDisks,
    timeout,
  },
  async (t) => {
    const nodes = new TestNodes(t)
    const disk = new SmallDisk(nodes, 'small', 4)
    const [rootA, rootC] = [nodes.makeDirectory('folder-a'), join(disk.path, 'folder-c')]
    for (const name of ['kept', 'dropped']) writeFileSync(join(rootA, name), name.repeat(1000))
    const a = await nodes.start('a')
    const c = await nodes.start('c')
    await a.call('addFolder', { path: rootA, name: 'docs' })
    await c.call('join', { link: await a.share('docs'), path: rootC })
    await allSynced([a, c])
    disk.fill()
    for (let count = 0; count < 3; count++) await c.restart()
    await eventually('the folder to be at work', 20_000, async () => (await c.folder()).state === 'idle' || undefined)
    rmSync(join(rootC, 'dropped'))
    await c.restart()
    await eventually('a to hear of the deletion', 30_000, () => !existsSync(join(rootA, 'dropped')) || undefined)
    assert.equal(readFileSync(join(rootC, 'kept'), 'utf8'), 'kept'.repeat(1000))
    assert.doesNotMatch(c.story(), /different times/)
  },
)
