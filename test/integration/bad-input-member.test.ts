// A member gone bad, with real keys and a real place in the folder: nothing it says reaches the disk outside the folder, nothing
// of anyone else's is lost, and the person is told.

import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { allSynced, eventually, TestNodes, type TestDaemon } from '../support/daemon.ts'
import { EvilMember, type EvilEntry, type EvilWords } from '../support/evil-member.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { readTree, treeDifferences, type TreeFacts } from '../support/tree.ts'

const patienceMs = 30_000
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

interface Scene {
  readonly nodes: TestNodes
  readonly one: TestDaemon
  readonly evil: EvilMember
  readonly a: string
  /** Everything below the test's directory before the evil member came, the homes left out. */
  readonly before: TreeFacts
}

async function open(t: TestContext, words: EvilWords): Promise<Scene> {
  const nodes = new TestNodes(t)
  const a = nodes.makeDirectory('deep', 'er', 'a')
  writeFileSync(join(a, 'kept'), 'what a person wrote')
  writeFileSync(nodes.path('outside'), 'not in the folder')
  mkdirSync(nodes.path('target'))
  symlinkSync(nodes.path('target'), join(a, 'leads out'))
  const one = await nodes.start('one')
  await one.call('addFolder', { path: a, name: 'shared' })
  await allSynced([one])
  const before = around(nodes)
  const evil = await EvilMember.join(await one.share('shared'), words)
  t.after(() => evil[Symbol.asyncDispose]())
  return { nodes, one, evil, a, before }
}

function around(nodes: TestNodes): TreeFacts {
  return new Map([...readTree(nodes.directory)].filter(([path]) => !path.startsWith('home-')))
}

async function untilProblem(one: TestDaemon, code: string): Promise<void> {
  const problem = await eventually(`the problem ${code}`, patienceMs, async () =>
    (await one.status()).problems.find((candidate) => candidate.code === code),
  )
  assert.ok(problem.text.length > 20 && problem.next !== '', JSON.stringify(problem))
}

/** The daemon goes on: it answers, walks, and sees what its person does. */
async function assertGoesOn({ one, a }: Scene): Promise<void> {
  await one.call('rescanFolder', { folder: 'shared' }) // counts what came to the disk in this moment
  const { files } = await one.folder()
  writeFileSync(join(a, 'written after'), 'all the same')
  await one.call('rescanFolder', { folder: 'shared' })
  assert.equal((await one.folder()).files, files + 1)
}

const badPaths: readonly string[] = [
  '../outside',
  'a/../../outside',
  '..',
  '/etc/holdfast-was-here',
  'with\0nul',
  '.holdfast/folder.json',
  '.HOLDFAST/x',
  '.holdfast',
  'x'.repeat(5000),
  'y/'.repeat(2000) + 'z',
  'n'.repeat(256),
  './kept',
  'a//b',
  'trailing/',
  '',
]

test('entries with paths that are none are left out, and the good one beside them is taken', async (t) => {
  const claims: readonly EvilEntry[] = [
    ...badPaths.map((path) => ({ path, content: bytes('evil') })),
    { path: 'good', content: bytes('good') },
  ]
  const scene = await open(t, { batch: (member) => member.truthful(claims) })
  await eventually('the good file', patienceMs, () => (existsSync(join(scene.a, 'good')) ? true : undefined))
  await untilProblem(scene.one, 'BAD_ENTRY')
  const expected = new Map(scene.before)
  const now = around(scene.nodes)
  const good = now.get('deep/er/a/good')
  assert.ok(good !== undefined)
  assert.deepEqual(treeDifferences(expected.set('deep/er/a/good', good), now), [])
  assert.equal(existsSync('/etc/holdfast-was-here'), false)
  await assertGoesOn(scene)
})

test('entries that lie about size, identity or bits are left out', async (t) => {
  const claims: readonly EvilEntry[] = [
    { path: 'too-large', content: bytes('small'), sizeBytes: 1_000_000 },
    { path: 'kept', content: bytes('evil'), idPath: 'another' },
    { path: 'set-uid', content: bytes('evil'), mode: 0o4755 },
    { path: 'no-target', kind: 'symlink' },
    { path: 'dir-with-content', kind: 'directory', content: bytes('evil') },
  ]
  const scene = await open(t, { batch: (member) => member.truthful(claims) })
  await untilProblem(scene.one, 'BAD_ENTRY')
  assert.deepEqual(treeDifferences(scene.before, around(scene.nodes)), [])
  await assertGoesOn(scene)
})

test('nothing is written through a symlink, whoever made it', async (t) => {
  const claims: readonly EvilEntry[] = [
    { path: 'leads out/through', content: bytes('evil') },
    { path: 'way', kind: 'symlink', linkTarget: '../../../target' },
    { path: 'way/through', content: bytes('evil') },
    { path: 'last', content: bytes('good') },
  ]
  const scene = await open(t, { batch: (member) => member.truthful(claims) })
  await eventually('the good file', patienceMs, () => (existsSync(join(scene.a, 'last')) ? true : undefined))
  await eventually('the needs to be tried', patienceMs, async () => ((await scene.one.folder()).needFiles <= 2 ? true : undefined))
  await assertGoesOn(scene)
  assert.deepEqual(readdirSync(scene.nodes.path('target')), [])
  assert.equal(readFileSync(scene.nodes.path('outside'), 'utf8'), 'not in the folder')
})

const forgeries: readonly { readonly what: string; readonly code: string; readonly words: EvilWords }[] = [
  {
    what: 'a signature that is forged',
    code: 'BAD_SIGNATURE',
    words: {
      batch: (member) => {
        const entries = member.entries([{ path: 'forged', content: bytes('evil') }])
        const set = member.changeSet(entries)
        return member.batch(entries, { ...set, signature: set.signature.map((byte, at) => (at === 5 ? byte ^ 1 : byte)) })
      },
    },
  },
  {
    what: 'an entry that its author did not sign',
    code: 'BAD_SIGNATURE',
    words: {
      batch: (member) => {
        const set = member.changeSet(member.entries([{ path: 'signed', content: bytes('one') }]))
        return member.batch(member.entries([{ path: 'forged', content: bytes('evil') }]), set)
      },
    },
  },
  {
    what: 'entries of a node that is no member',
    code: 'PEER_MISBEHAVED',
    words: {
      batch: (member) => {
        const entries = member.entries([{ path: 'forged', content: bytes('evil') }])
        return member.batch(entries, { ...member.changeSet(entries), nodeKey: new SeededRandom('nobody').bytes(32) })
      },
    },
  },
  {
    what: 'a batch over the limit',
    code: 'PEER_MISBEHAVED',
    words: {
      batch: (member) => {
        const entries = member.entries(Array.from({ length: 1001 }, (_, at) => ({ path: `forged${at}` })))
        return member.batch(entries, member.changeSet(entries.slice(0, 1000)))
      },
    },
  },
]

for (const { what, code, words } of forgeries) {
  test(`${what} is refused with everything that came with it`, async (t) => {
    const scene = await open(t, words)
    await untilProblem(scene.one, code)
    assert.deepEqual(treeDifferences(scene.before, around(scene.nodes)), [])
    assert.equal((await scene.one.folder()).needFiles, 0)
    await assertGoesOn(scene)
  })
}

const lies: readonly { readonly what: string; readonly block: (sealed: Uint8Array) => Uint8Array }[] = [
  { what: 'bytes that do not match their id', block: (sealed) => sealed.map((byte, at) => (at === 3 ? byte ^ 1 : byte)) },
  { what: 'a block of another length', block: (sealed) => sealed.subarray(1) },
]

for (const { what, block } of lies) {
  test(`${what} never become a file, and what was there stays`, async (t) => {
    const claims: readonly EvilEntry[] = [
      { path: 'kept', content: bytes('what the evil member says it is') },
      { path: 'new', content: bytes('another') },
      { path: 'large', content: new SeededRandom('large').bytes(400_000) },
    ]
    const scene = await open(t, { batch: (member) => member.truthful(claims), block })
    await eventually('blocks to be asked for', patienceMs, () => (scene.evil.asked > 0 ? true : undefined))
    await untilProblem(scene.one, 'BAD_BLOCK')
    assert.deepEqual(treeDifferences(scene.before, around(scene.nodes)), [])
    assert.equal(readFileSync(join(scene.a, 'kept'), 'utf8'), 'what a person wrote')
    await assertGoesOn(scene)
  })
}
