// Conflicts between real daemons, and what a person decides about them.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { test, type TestContext } from 'node:test'
import type { Conflict } from '../../engine/api/controls.ts'
import { allSynced, TestNodes, type TestDaemon } from '../support/daemon.ts'

interface Pair {
  readonly a: TestDaemon
  readonly b: TestDaemon
  readonly atA: string
  readonly atB: string
}

/** Two nodes in step, with these files. */
async function openPair(t: TestContext, files: readonly string[]): Promise<Pair> {
  const nodes = new TestNodes(t)
  const [a, b] = await Promise.all([nodes.start('anna'), nodes.start('ben')])
  const [atA, atB] = [nodes.makeDirectory('a'), nodes.path('b')]
  for (const file of files) {
    writeFileSync(`${atA}/${file}`, 'first')
    utimesSync(`${atA}/${file}`, 1_600_000_000, 1_600_000_000)
  }
  await a.call('addFolder', { path: atA, name: 'F' })
  await b.call('join', { link: await a.share('F'), path: atB })
  await allSynced([a, b])
  return { a, b, atA, atB }
}

/** Both work on their own for a while: a folder that is paused sees nothing, tells nothing and hears nothing. */
async function apart({ a, b }: Pair, work: () => void | Promise<void>): Promise<void> {
  await a.call('pauseFolder', { folder: 'F' })
  await work()
  await b.call('rescanFolder', { folder: 'F' })
  await a.call('resumeFolder', { folder: 'F' })
  await allSynced([a, b])
}

/** Ben's edit is the newer one: it gets the name, and Anna's the copy. */
async function makeConflicts(pair: Pair, files: readonly string[]): Promise<void> {
  await apart(pair, () => {
    for (const file of files) {
      writeFileSync(`${pair.atA}/${file}`, `${file} by anna`)
      utimesSync(`${pair.atA}/${file}`, 1_700_000_000, 1_700_000_000)
      writeFileSync(`${pair.atB}/${file}`, `${file} by ben!`)
      utimesSync(`${pair.atB}/${file}`, 1_700_000_100, 1_700_000_100)
    }
  })
}

async function conflictsOf(node: TestDaemon): Promise<readonly Conflict[]> {
  return (await node.call('conflicts', { folder: 'F' })).conflicts
}

function contentsOf(directory: string): Record<string, string> {
  const names = readdirSync(directory).filter((name) => name !== '.holdfast')
  return Object.fromEntries(names.toSorted().map((name) => [name, readFileSync(`${directory}/${name}`, 'utf8')]))
}

function assertSame({ atA, atB }: Pair): Record<string, string> {
  assert.deepEqual(contentsOf(atA), contentsOf(atB))
  return contentsOf(atA)
}

test('conflicts are listed with both versions, who and when, and decided by mine, theirs and both', async (t) => {
  const files = ['both.txt', 'mine.txt', 'theirs.txt']
  const pair = await openPair(t, files)
  const { a, b } = pair
  await makeConflicts(pair, files)
  for (const [node, own] of [
    [a, 'anna'],
    [b, 'ben'],
  ] as const) {
    const conflicts = await conflictsOf(node)
    assert.deepEqual(
      conflicts.map(({ path }) => path),
      files,
    )
    for (const { path, versions } of conflicts) {
      const [winner, copy] = versions
      assert.deepEqual([winner?.role, winner?.path, winner?.by, winner?.mine], ['winner', path, 'ben', own === 'ben'])
      assert.deepEqual([copy?.role, copy?.by, copy?.mine], ['copy', 'anna', own === 'anna'])
      assert.deepEqual([winner?.modifiedMs, copy?.modifiedMs], [1_700_000_100_000, 1_700_000_000_000])
      assert.match(copy?.path ?? '', /^\w+\.conflict-20231114-221320-/)
    }
    assert.ok((await node.problemCodes()).includes('CONFLICTS'))
  }
  assert.match((await a.command('conflicts', 'F')).out, /copy {4}mine\.conflict-\S+ +\S+ B .* by anna \(this node\)/)
  const done = await a.command('resolve', 'F', 'mine.txt', '--keep', 'mine')
  assert.equal(done.code, 0)
  assert.match(
    done.out,
    /^Decided\. Now there is\n(?: .*\n)*  mine\.txt: the version by anna \(this node\), \d+ B, .*, which was mine\.conflict-\S+\n/,
  )
  assert.match(done.out, /^  in the history: the version by ben, \d+ B, .*, which was mine\.txt: .* history F mine\.txt$/m)
  await a.call('resolveConflict', { folder: 'F', path: 'theirs.txt', keep: 'theirs' })
  await b.call('resolveConflict', { folder: 'F', path: 'both.txt', keep: 'both' })
  await allSynced([a, b])
  const contents = assertSame(pair)
  const { 'mine.txt': mine, 'theirs.txt': theirs, 'both.txt': both, ...others } = contents
  assert.deepEqual([mine, theirs, both], ['mine.txt by anna', 'theirs.txt by ben!', 'both.txt by ben!'])
  assert.deepEqual(Object.values(others), ['both.txt by anna'])
  assert.match(Object.keys(others)[0] ?? '', /^both\.kept-20231114-221320-/)
  for (const node of [a, b]) {
    assert.deepEqual(await conflictsOf(node), [])
    assert.deepEqual(await node.problemCodes(), [])
  }
  const refused = await a.command('resolve', 'F', 'mine.txt', '--keep', 'mine')
  assert.equal(refused.code, 5)
  assert.match(refused.err, /no conflict in F is about mine\.txt/)
})

test('scenario 8: both decide a conflict alike while apart, and there is no new one', async (t) => {
  const files = ['copy.txt', 'winner.txt', 'kept.txt']
  const pair = await openPair(t, files)
  const { a, b } = pair
  await makeConflicts(pair, files)
  // A paused folder takes no decisions: one node is away instead, and decides alone when it is back.
  const decide = async (node: TestDaemon): Promise<void> => {
    await node.call('resolveConflict', { folder: 'F', path: 'copy.txt', keep: 'copy' })
    await node.call('resolveConflict', { folder: 'F', path: 'winner.txt', keep: 'winner' })
    await node.call('resolveConflict', { folder: 'F', path: 'kept.txt', keep: 'both' })
  }
  await b.stop()
  await decide(a)
  await allSynced([a])
  await a.stop()
  await b.start()
  await decide(b)
  await allSynced([b])
  await a.start()
  await allSynced([a, b])
  const { 'copy.txt': copy, 'winner.txt': winner, 'kept.txt': kept, ...others } = assertSame(pair)
  assert.deepEqual([copy, winner, kept], ['copy.txt by anna', 'winner.txt by ben!', 'kept.txt by ben!'])
  assert.deepEqual(Object.values(others), ['kept.txt by anna'])
  for (const node of [a, b]) assert.deepEqual(await conflictsOf(node), [])
})

test('scenario 9: one decides by deleting the copy, the other edits the copy: the edit survives', async (t) => {
  const pair = await openPair(t, ['x.txt'])
  await makeConflicts(pair, ['x.txt'])
  const [conflict] = await conflictsOf(pair.a)
  const copy = conflict?.versions[1]?.path ?? ''
  await apart(pair, () => {
    rmSync(`${pair.atA}/${copy}`)
    writeFileSync(`${pair.atB}/${copy}`, 'edited copy')
  })
  assert.deepEqual(assertSame(pair), { 'x.txt': 'x.txt by ben!', [copy]: 'edited copy' })
})

test('scenario 7: two edits of a conflict copy are both kept, and no copy is made of a copy', async (t) => {
  const pair = await openPair(t, ['x.txt'])
  await makeConflicts(pair, ['x.txt'])
  const [conflict] = await conflictsOf(pair.a)
  const copy = conflict?.versions[1]?.path ?? ''
  await apart(pair, () => {
    writeFileSync(`${pair.atA}/${copy}`, 'copy by anna')
    writeFileSync(`${pair.atB}/${copy}`, 'copy by ben')
  })
  const contents = assertSame(pair)
  assert.deepEqual(Object.values(contents).toSorted(), ['copy by anna', 'copy by ben', 'x.txt by ben!'])
  for (const name of Object.keys(contents)) assert.ok(name.split('.conflict-').length <= 2, name)
  const [again] = await conflictsOf(pair.b)
  assert.deepEqual([again?.path, again?.versions.length], ['x.txt', 3])
  // A copy can be decided about alone, by its path on disk.
  const [, first] = again?.versions ?? []
  const kept = readFileSync(`${pair.atB}/${first?.path}`, 'utf8')
  await pair.b.call('resolveConflict', { folder: 'F', path: `${pair.atB}/${first?.path}`, keep: 'copy' })
  await allSynced([pair.a, pair.b])
  assert.equal(assertSame(pair)['x.txt'], kept)
  assert.ok(!existsSync(`${pair.atA}/${first?.path}`))
  assert.equal((await conflictsOf(pair.a))[0]?.versions.length, 2)
})
