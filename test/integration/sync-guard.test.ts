// What protects a folder when its tree is not what it was: a drive that went away is no deletion. And what a watcher is for.

import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { allSynced, eventually, TestNodes, type TestDaemon } from '../support/daemon.ts'
import { makeTree, readTree, treeDifferences } from '../support/tree.ts'

const arrivalMs = 30_000
const stopMs = 30_000

interface Pair {
  readonly one: TestDaemon
  readonly two: TestDaemon
  readonly a: string
  readonly b: string
}

async function openPair(t: TestContext): Promise<Pair> {
  const nodes = new TestNodes(t)
  const [a, b] = [nodes.path('a'), nodes.path('b')]
  makeTree(a, 'guard', { files: 60, directories: 10, fileBytesMax: 20_000 })
  const [one, two] = await Promise.all([nodes.start('one'), nodes.start('two')])
  await one.call('addFolder', { path: a, name: 'guarded' })
  await two.call('join', { link: await one.share('guarded'), path: b })
  await allSynced([one, two])
  return { one, two, a, b }
}

async function untilStopped(node: TestDaemon): Promise<void> {
  await eventually(`${node.name} to stop its folder`, stopMs, async () => ((await node.folder()).state === 'stopped' ? true : undefined))
  const { problems, state } = await node.status()
  const problem = problems.find((candidate) => candidate.code === 'FOLDER_STOPPED')
  assert.ok(problem !== undefined && problem.next !== '', 'a stopped folder says why, and what to do')
  assert.equal(state, 'degraded')
}

async function untilGoingOn(node: TestDaemon): Promise<void> {
  await eventually(`${node.name} to go on`, stopMs, async () => ((await node.folder()).state === 'stopped' ? undefined : true))
  await eventually('the problems to be over', stopMs, async () => ((await node.problemCodes()).length === 0 ? true : undefined))
}

async function assertEqualTrees({ one, two, a, b }: Pair): Promise<void> {
  await allSynced([one, two])
  assert.deepEqual(treeDifferences(readTree(a), readTree(b)), [])
}

test('a change is seen without being asked for, and arrives at the other node', async (t) => {
  const { a, b } = await openPair(t)
  const arrives = async (path: string, text: string): Promise<void> => {
    await eventually(`${path} to arrive`, arrivalMs, () =>
      existsSync(join(b, path)) && readFileSync(join(b, path), 'utf8') === text ? true : undefined,
    )
  }
  writeFileSync(join(a, 'first'), 'one')
  await arrives('first', 'one')
  writeFileSync(join(a, 'first'), 'two')
  await arrives('first', 'two')
  mkdirSync(join(a, 'deep/er/still'), { recursive: true })
  writeFileSync(join(a, 'deep/er/still/leaf'), 'three')
  await arrives('deep/er/still/leaf', 'three')
  renameSync(join(a, 'deep'), join(a, 'moved'))
  await arrives('moved/er/still/leaf', 'three')
  await eventually('the old name to go', arrivalMs, () => (existsSync(join(b, 'deep')) ? undefined : true))
  unlinkSync(join(a, 'first'))
  await eventually('a deletion to arrive', arrivalMs, () => (existsSync(join(b, 'first')) ? undefined : true))
})

test('a root that is moved away stops its folder, deletes nothing elsewhere, and goes on once it is back', async (t) => {
  const pair = await openPair(t)
  const { one, two, a, b } = pair
  const before = readTree(b)
  renameSync(a, `${a}-away`)
  await assert.rejects(one.call('rescanFolder', { folder: 'guarded' }), { code: 'FOLDER_STOPPED' })
  await untilStopped(one)
  writeFileSync(join(b, 'written meanwhile'), 'by the other')
  rmSync(join(b, 'd0'), { recursive: true })
  await eventually('the other node to see its own changes', arrivalMs, async () =>
    (await two.folder()).state === 'scanning' ? undefined : true,
  )
  for (const path of before.keys()) if (!path.startsWith('d0')) assert.ok(existsSync(join(b, path)), `${path} stays at the other node`)
  assert.equal(existsSync(a), false, 'nothing is made in the place of a missing root')
  renameSync(`${a}-away`, a)
  await untilGoingOn(one)
  await assertEqualTrees(pair)
  assert.equal(readFileSync(join(a, 'written meanwhile'), 'utf8'), 'by the other')
})

test('an empty directory in the place of the root, as of a drive that is not mounted, stops the folder', async (t) => {
  const pair = await openPair(t)
  const { one, a, b } = pair
  const before = readTree(b)
  renameSync(a, `${a}-away`)
  mkdirSync(a)
  await assert.rejects(one.call('rescanFolder', { folder: 'guarded' }), { code: 'FOLDER_STOPPED' })
  await untilStopped(one)
  assert.deepEqual(treeDifferences(before, readTree(b)), [])
  assert.equal(readTree(a).size, 0, 'nothing is written into the wrong directory')
  rmSync(a, { recursive: true })
  renameSync(`${a}-away`, a)
  await untilGoingOn(one)
  await assertEqualTrees(pair)
})

test('a folder whose marker is missing stops, at a restart too, and goes on once it is back', async (t) => {
  const pair = await openPair(t)
  const { one, a, b } = pair
  const before = readTree(b)
  const marker = join(a, '.holdfast/folder.json')
  const text = readFileSync(marker)
  unlinkSync(marker)
  await assert.rejects(one.call('rescanFolder', { folder: 'guarded' }), { code: 'FOLDER_STOPPED' })
  await untilStopped(one)
  await one.stop()
  // What a person does now might be anything: it is not believed.
  rmSync(join(a, 'd0'), { recursive: true })
  await one.start()
  await untilStopped(one)
  assert.deepEqual(treeDifferences(before, readTree(b)), [])
  writeFileSync(marker, text)
  await untilGoingOn(one)
  await assertEqualTrees(pair)
})
