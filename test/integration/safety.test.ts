// Guards that stop and ask, with real daemons: what looks like an accident is told to nobody before a person has decided.

import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { allSynced, eventually, TestNodes, type TestDaemon } from '../support/daemon.ts'

const patienceMs = 30_000
const files = 40
const names: readonly string[] = Array.from({ length: files }, (_, at) => `${at % 2 === 0 ? 'even' : 'odd'}/file-${at}`)

interface Pair {
  readonly one: TestDaemon
  readonly two: TestDaemon
  readonly a: string
  readonly b: string
}

async function openPair(t: TestContext): Promise<Pair> {
  const nodes = new TestNodes(t)
  const [a, b] = [nodes.makeDirectory('a'), nodes.path('b')]
  for (const directory of ['even', 'odd']) mkdirSync(join(a, directory))
  for (const name of names) writeFileSync(join(a, name), `content of ${name}`)
  const [one, two] = await Promise.all([nodes.start('one'), nodes.start('two')])
  await one.call('addFolder', { path: a, name: 'safe' })
  await two.call('join', { link: await one.share('safe'), path: b })
  await allSynced([one, two])
  return { one, two, a, b }
}

async function untilHeld(node: TestDaemon): Promise<void> {
  await eventually('the changes to be held', patienceMs, async () => ((await node.folder()).state === 'held' ? true : undefined))
}

function assertUntouched(root: string): void {
  for (const name of names) assert.equal(readFileSync(join(root, name), 'utf8'), `content of ${name}`)
}

function remaining(root: string): number {
  return names.filter((name) => existsSync(join(root, name))).length
}

test('scenario 22: 90 % of files vanish through the watcher: held, explained, kept over a restart, and spread once accepted', async (t) => {
  const { one, two, a, b } = await openPair(t)
  for (const name of names.slice(4)) unlinkSync(join(a, name))
  await untilHeld(one)
  const status = await one.status()
  assert.equal(status.state, 'degraded')
  assert.deepEqual({ ...status.folders[0]?.held, sinceMs: 0, examples: [] }, { deleted: 36, rewritten: 0, files, sinceMs: 0, examples: [] })
  const problem = status.problems.find(({ code }) => code === 'CHANGES_HELD')
  assert.match(problem?.text ?? '', /of 40 files here 36 were deleted at once/)
  assert.match(problem?.next ?? '', /holdfast accept "safe".*holdfast reject "safe"/)
  writeFileSync(join(b, 'from the other'), 'still arrives')
  await eventually('a change from elsewhere to arrive', patienceMs, () => (existsSync(join(a, 'from the other')) ? true : undefined))
  assertUntouched(b)
  await assert.rejects(one.call('resolveConflict', { folder: 'safe', path: 'even/file-0', keep: 'mine' }), { code: 'NOT_ALLOWED' })
  await one.restart()
  await untilHeld(one)
  await one.call('rescanFolder', { folder: 'safe' })
  await untilHeld(one)
  assertUntouched(b)
  const accepted = await one.command('accept', 'safe')
  assert.equal(accepted.code, 0, accepted.err)
  await allSynced([one, two])
  assert.equal(remaining(b), 4)
  assert.deepEqual(await one.problemCodes(), [])
  const again = await one.command('accept', 'safe')
  assert.equal(again.code, 5)
})

test('scenario 22: everything is removed as rm -rf does while no daemon runs, is held at the start and comes back after reject', async (t) => {
  const { one, two, a, b } = await openPair(t)
  await one.stop()
  for (const directory of ['even', 'odd']) rmSync(join(a, directory), { recursive: true })
  await one.start()
  await untilHeld(one)
  assertUntouched(b)
  const rejected = await one.command('reject', 'safe')
  assert.equal(rejected.code, 0, rejected.err)
  await allSynced([one, two])
  assertUntouched(a)
  assertUntouched(b)
  // It is an ordinary folder again: one deletion is told at once.
  unlinkSync(join(a, names[0] ?? ''))
  await eventually('a single deletion to arrive', patienceMs, () => (existsSync(join(b, names[0] ?? '')) ? undefined : true))
})

test('scenario 23: 90 % of files change content: held; reject brings the content back and sets the other aside, accept spreads it', async (t) => {
  const { one, two, a, b } = await openPair(t)
  for (const name of names.slice(2)) writeFileSync(join(a, name), `encrypted ${name}`)
  await untilHeld(one)
  assert.equal((await one.folder()).held?.rewritten, 38)
  assertUntouched(b)
  await one.call('rejectChanges', { folder: 'safe' })
  await allSynced([one, two])
  assertUntouched(a)
  assertUntouched(b)
  assert.deepEqual(readdirSync(a).toSorted(), ['.holdfast', 'even', 'odd'], 'no conflict copies')
  for (const name of names) writeFileSync(join(a, name), `better ${name}`)
  await untilHeld(one)
  await one.call('acceptChanges', { folder: 'safe' })
  await allSynced([one, two])
  for (const name of names) assert.equal(readFileSync(join(b, name), 'utf8'), `better ${name}`)
})

test('a hold ends by itself when the files are back, and holds no other folder', async (t) => {
  const { one, two, a, b } = await openPair(t)
  const other = `${a}-other`
  mkdirSync(other)
  await one.call('addFolder', { path: other, name: 'other' })
  await two.call('join', { link: await one.share('other'), path: `${b}-other` })
  renameSync(join(a, 'even'), `${a}-even`)
  renameSync(join(a, 'odd'), `${a}-odd`)
  await eventually('the changes to be held', patienceMs, async () => ((await one.folder('safe')).state === 'held' ? true : undefined))
  writeFileSync(join(other, 'free'), 'goes out')
  await eventually('the other folder to go on', patienceMs, () => (existsSync(join(`${b}-other`, 'free')) ? true : undefined))
  renameSync(`${a}-even`, join(a, 'even'))
  renameSync(`${a}-odd`, join(a, 'odd'))
  await one.call('rescanFolder', { folder: 'safe' })
  await eventually('nothing to be held', patienceMs, async () => ((await one.folder('safe')).state === 'held' ? undefined : true))
  await allSynced([one, two])
  assertUntouched(b)
})

test('moving everything and deleting half of a folder are everyday work: nothing is held', async (t) => {
  const { one, two, a, b } = await openPair(t)
  mkdirSync(join(a, 'new'))
  for (const directory of ['even', 'odd']) renameSync(join(a, directory), join(a, 'new', directory))
  await eventually('the move to arrive', patienceMs, () => (remaining(join(b, 'new')) === files && remaining(b) === 0 ? true : undefined))
  rmSync(join(a, 'new/odd'), { recursive: true })
  await eventually('a deletion of half to arrive', patienceMs, () => (existsSync(join(b, 'new/odd')) ? undefined : true))
  await allSynced([one, two])
  assert.deepEqual(await one.problemCodes(), [])
})

test('scenario 28: an empty directory in the place of the folder is filled after reject, not taken for a deletion', async (t) => {
  const { one, two, a, b } = await openPair(t)
  await one.stop()
  renameSync(a, `${a}-away`)
  mkdirSync(a)
  await one.start()
  await eventually('the folder to stop', patienceMs, async () => ((await one.folder()).state === 'stopped' ? true : undefined))
  assert.match((await one.status()).problems[0]?.text ?? '', /holdfast reject "safe" brings the files here/)
  assertUntouched(b)
  await one.call('rejectChanges', { folder: 'safe' })
  await allSynced([one, two])
  assertUntouched(a)
  assertUntouched(b)
})
