// Files that are unlike others, between two real nodes: sparse ones, hard links, special files, very deep and very full directories.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { allSynced, connected, eventually, TestNodes, type TestDaemon } from '../support/daemon.ts'
import { SeededRandom } from '../support/seeded-random.ts'

interface Pair {
  readonly a: TestDaemon
  readonly b: TestDaemon
  readonly atA: string
  readonly atB: string
}

async function openPair(t: TestContext): Promise<Pair> {
  const nodes = new TestNodes(t)
  const [atA, atB] = [nodes.makeDirectory('a'), nodes.path('b')]
  writeFileSync(join(atA, 'first'), 'there from the start')
  const [a, b] = await Promise.all([nodes.start('a'), nodes.start('b')])
  await a.call('addFolder', { path: atA, name: 'odd' })
  await b.call('join', { link: await a.share('odd'), path: atB })
  await connected([a, b])
  await allSynced([a, b])
  return { a, b, atA, atB }
}

test('scenario 82: a sparse file with a little data: a small transfer, and sparse on the target', async (t) => {
  const { a, b, atA, atB } = await openPair(t)
  const random = new SeededRandom('sparse')
  const path = join(atA, 'sparse.img')
  const file = openSync(path, 'w')
  for (const at of [0, 150, 290]) writeSync(file, random.bytes(400_000), 0, 400_000, at * 1024 * 1024)
  closeSync(file)
  truncateSync(path, 300 * 1024 * 1024)
  const before = (await b.status()).traffic.receivedBytes
  await eventually('the file to arrive', 60_000, () => (existsSync(join(atB, 'sparse.img')) ? true : undefined))
  await allSynced([a, b])
  const received = (await b.status()).traffic.receivedBytes - before
  assert.ok(received < 32 * 1024 * 1024, `${received} bytes for 1.2 MB of data`)
  const [source, target] = [statSync(path), statSync(join(atB, 'sparse.img'))]
  assert.equal(target.size, source.size)
  assert.ok(target.blocks * 512 < 32 * 1024 * 1024, `${target.blocks * 512} bytes on disk`)
  assert.equal(spawnSync('cmp', [path, join(atB, 'sparse.img')]).status, 0)
})

test('scenario 51: a hard link pair, one of them edited: both paths are right', async (t) => {
  const { a, b, atA, atB } = await openPair(t)
  mkdirSync(join(atA, 'elsewhere'))
  writeFileSync(join(atA, 'one'), 'linked')
  linkSync(join(atA, 'one'), join(atA, 'elsewhere', 'two'))
  await eventually('both names to arrive', 30_000, () =>
    existsSync(join(atB, 'elsewhere', 'two')) && existsSync(join(atB, 'one')) ? true : undefined,
  )
  await allSynced([a, b])
  appendFileSync(join(atA, 'one'), ' and edited')
  await eventually('the edit to arrive under both names', 30_000, () =>
    ['one', 'elsewhere/two'].every((path) => readFileSync(join(atB, path), 'utf8') === 'linked and edited') ? true : undefined,
  )
  await allSynced([a, b])
})

test(
  'scenario 52: a FIFO and a socket are skipped with a note, and the scan goes on',
  { skip: process.platform === 'win32' },
  async (t) => {
    const { a, b, atA, atB } = await openPair(t)
    assert.equal(spawnSync('mkfifo', [join(atA, 'fifo')]).status, 0)
    writeFileSync(join(atA, 'zz-after'), 'beside it')
    await eventually('what is beside it to arrive', 30_000, () => (existsSync(join(atB, 'zz-after')) ? true : undefined))
    await a.call('rescanFolder', { folder: 'odd' })
    assert.ok((await a.status()).problems.some((problem) => problem.path === 'fifo' && problem.next !== ''))
    assert.equal(existsSync(join(atB, 'fifo')), false)
    await allSynced([a, b])
  },
)

test(
  'scenario 60: a name that is not valid UTF-8 is reported, not mangled, and the scan goes on',
  { skip: process.platform !== 'linux' },
  async (t) => {
    const { a, b, atA, atB } = await openPair(t)
    const name = Buffer.concat([Buffer.from(join(atA, 'bad-')), Buffer.of(0xff, 0xfe)])
    writeFileSync(name, 'under a bad name')
    writeFileSync(join(atA, 'zz-good'), 'beside it')
    await eventually('what is beside it to arrive', 30_000, () => (existsSync(join(atB, 'zz-good')) ? true : undefined))
    await a.call('rescanFolder', { folder: 'odd' })
    assert.ok((await a.status()).problems.some((problem) => problem.code === 'NAME_INVALID' && problem.next !== ''))
    assert.equal(readFileSync(name, 'utf8'), 'under a bad name')
    assert.deepEqual(
      readdirSync(atB).filter((each) => each.startsWith('bad-')),
      [],
    )
    await allSynced([a, b])
  },
)

test('scenario 83: a directory of thousands of files and one hundreds of levels deep arrive', async (t) => {
  const { a, b, atA, atB } = await openPair(t)
  mkdirSync(join(atA, 'full'))
  for (let count = 0; count < 3000; count++) writeFileSync(join(atA, 'full', `f${count}`), String(count))
  const deep = Array.from({ length: 300 }, (_, level) => `l${level}`).join('/')
  mkdirSync(join(atA, deep), { recursive: true })
  writeFileSync(join(atA, deep, 'bottom'), 'far down')
  await a.call('rescanFolder', { folder: 'odd' })
  await eventually('the deepest file to arrive', 60_000, () => (existsSync(join(atB, deep, 'bottom')) ? true : undefined))
  await allSynced([a, b])
  assert.equal(readFileSync(join(atB, 'full', 'f2999'), 'utf8'), '2999')
})
