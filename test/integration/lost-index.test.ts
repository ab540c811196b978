// A home that lost its index, got an old one back, or exists twice: with real daemons.

import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test, type TestContext } from 'node:test'
import { allSynced, connected, eventually, TestNodes, type TestDaemon } from '../support/daemon.ts'
import { readTree, treeDifferences } from '../support/tree.ts'

const files = 30

interface Pair {
  readonly nodes: TestNodes
  readonly one: TestDaemon
  readonly two: TestDaemon
  readonly a: string
  readonly b: string
}

async function openPair(t: TestContext): Promise<Pair> {
  const nodes = new TestNodes(t)
  const [a, b] = [nodes.makeDirectory('a'), nodes.path('b')]
  mkdirSync(join(a, 'sub'))
  for (let at = 0; at < files; at++) writeFileSync(join(a, `sub/file-${at}`), `content ${at}`)
  const [one, two] = await Promise.all([nodes.start('one'), nodes.start('two')])
  await one.call('addFolder', { path: a, name: 'kept' })
  await two.call('join', { link: await one.share('kept'), path: b })
  await allSynced([one, two])
  return { nodes, one, two, a, b }
}

function indexFiles(node: TestDaemon): readonly string[] {
  return readdirSync(node.home)
    .filter((name) => name.startsWith('index.db'))
    .map((name) => join(node.home, name))
}

async function assertInStep({ one, two, a, b }: Pair): Promise<void> {
  await connected([one, two])
  await allSynced([one, two])
  assert.deepEqual(treeDifferences(readTree(a), readTree(b)), [])
  const names = readdirSync(a, { recursive: true, encoding: 'utf8' }).filter((name) => !name.startsWith('.holdfast'))
  assert.deepEqual(
    names.filter((name) => name.includes('.conflict-')),
    [],
    'no conflict copies',
  )
}

test('scenario 91: an index from an old backup takes a new author, loses nothing and makes no conflicts', async (t) => {
  const pair = await openPair(t)
  const { nodes, one, a, b } = pair
  await one.stop()
  const backup = nodes.makeDirectory('backup')
  for (const path of indexFiles(one)) cpSync(path, join(backup, path.slice(one.home.length)))
  await one.start()
  for (let at = 0; at < 8; at++) writeFileSync(join(a, `sub/file-${at}`), `newer ${at}`)
  writeFileSync(join(a, 'later'), 'made after the backup')
  unlinkSync(join(a, 'sub/file-9'))
  writeFileSync(join(b, 'sub/file-10'), 'newer there')
  await assertInStep(pair)
  await one.stop()
  for (const path of indexFiles(one)) rmSync(path)
  cpSync(backup, one.home, { recursive: true })
  writeFileSync(join(a, 'sub/file-11'), 'while the index was away')
  await one.start()
  await assertInStep(pair)
  assert.equal(readFileSync(join(b, 'sub/file-0'), 'utf8'), 'newer 0')
  assert.equal(readFileSync(join(b, 'sub/file-10'), 'utf8'), 'newer there')
  assert.equal(readFileSync(join(b, 'sub/file-11'), 'utf8'), 'while the index was away')
  assert.equal(existsSync(join(b, 'sub/file-9')), false)
  assert.equal(existsSync(join(a, 'later')), true)
  for (let at = 12; at < 15; at++) writeFileSync(join(a, `sub/file-${at}`), `newest ${at}`)
  await assertInStep(pair)
  assert.equal(readFileSync(join(b, 'sub/file-14'), 'utf8'), 'newest 14')
  assert.deepEqual(await one.problemCodes(), [])
})

test('scenario 26: a folder restored from an old backup has old versions, not new edits and deletions', async (t) => {
  const pair = await openPair(t)
  const { nodes, one, a, b } = pair
  const backup = nodes.path('backup')
  cpSync(a, backup, { recursive: true, preserveTimestamps: true })
  for (let at = 0; at < 5; at++) writeFileSync(join(a, `sub/file-${at}`), `newer ${at}`)
  writeFileSync(join(a, 'later'), 'made after the backup')
  unlinkSync(join(b, 'sub/file-9'))
  await assertInStep(pair)
  await one.stop()
  rmSync(a, { recursive: true })
  cpSync(backup, a, { recursive: true, preserveTimestamps: true })
  await one.start()
  await assertInStep(pair)
  for (const root of [a, b]) {
    assert.equal(readFileSync(join(root, 'sub/file-0'), 'utf8'), 'newer 0')
    assert.equal(readFileSync(join(root, 'later'), 'utf8'), 'made after the backup')
    assert.equal(existsSync(join(root, 'sub/file-9')), false, 'what was deleted stays deleted')
  }
  assert.deepEqual(await one.problemCodes(), [])
})

test('scenario 91: a machine set back with index and folder alike is noticed by what the members know', async (t) => {
  const pair = await openPair(t)
  const { nodes, one, two, a, b } = pair
  await one.stop()
  const backup = nodes.makeDirectory('backup')
  for (const path of indexFiles(one)) cpSync(path, join(backup, path.slice(one.home.length)))
  cpSync(a, `${a}-backup`, { recursive: true, preserveTimestamps: true })
  await one.start()
  for (let at = 0; at < 5; at++) writeFileSync(join(a, `sub/file-${at}`), `newer ${at}`)
  await assertInStep(pair)
  await one.stop()
  for (const path of indexFiles(one)) rmSync(path)
  cpSync(backup, one.home, { recursive: true })
  rmSync(a, { recursive: true })
  cpSync(`${a}-backup`, a, { recursive: true, preserveTimestamps: true })
  // As after a snapshot of the whole disk: nothing here tells that the two are of different times.
  const database = new DatabaseSync(join(one.home, 'index.db'))
  database.exec("update folder set standing = ''")
  database.close()
  await two.stop()
  await one.start()
  for (let at = 5; at < 8; at++) writeFileSync(join(a, `sub/file-${at}`), `offline ${at}`)
  await one.call('rescanFolder', { folder: 'kept' })
  await two.start()
  await assertInStep(pair)
  for (let at = 0; at < 8; at++) assert.equal(readFileSync(join(b, `sub/file-${at}`), 'utf8'), `${at < 5 ? 'newer' : 'offline'} ${at}`)
  const { problems } = await one.status()
  assert.deepEqual(
    problems.map(({ code }) => code),
    ['OWN_PAST'],
  )
  writeFileSync(join(a, 'sub/file-5'), 'later')
  await eventually('later changes to arrive', 30_000, () => (readFileSync(join(b, 'sub/file-5'), 'utf8') === 'later' ? true : undefined))
})

test('scenario 91: a copy of a home that runs at the same time is reported, with what to do', async (t) => {
  const { nodes, one, two } = await openPair(t)
  const copy = nodes.create('copy')
  cpSync(one.home, copy.home, { recursive: true, filter: (path) => !path.endsWith('.sock') })
  await copy.start()
  const problem = await eventually('the copy to be noticed', 60_000, async () =>
    (await one.status()).problems.find(({ code }) => code === 'DUPLICATE_IDENTITY'),
  )
  assert.match(problem.text, /another node with this node's identity runs at/)
  assert.match(problem.next, /Stop one of the two/)
  assert.equal((await two.folder()).files, files)
})

test('scenario 90: a deleted index is rebuilt by a scan, equal files are matched by content, nothing is deleted or doubled', async (t) => {
  const pair = await openPair(t)
  const { one, two, a, b } = pair
  await one.stop()
  for (const path of indexFiles(one)) rmSync(path)
  writeFileSync(join(a, 'made meanwhile'), 'here')
  writeFileSync(join(b, 'made there'), 'there')
  await one.start()
  const folder = await one.folder()
  assert.deepEqual([folder.name, folder.path], ['kept', a])
  await assertInStep(pair)
  assert.equal(readFileSync(join(b, 'made meanwhile'), 'utf8'), 'here')
  assert.equal(readFileSync(join(a, 'made there'), 'utf8'), 'there')
  assert.equal((await one.folder()).files, files + 2)
  const { traffic } = await two.status()
  assert.ok(traffic.sentBytes < 200_000, 'contents that are there are not sent again')
  unlinkSync(join(a, 'sub/file-0'))
  await eventually('later changes to be told', 30_000, () => (existsSync(join(b, 'sub/file-0')) ? undefined : true))
  assert.deepEqual(await one.problemCodes(), [])
})
