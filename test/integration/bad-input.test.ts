// What a person can get wrong, against real daemons and the real command: each is refused with an exit code and a message that
// says what was wrong, nothing changes, and the daemon goes on.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { allSynced, runHoldfast, TestNodes, type Ended, type TestDaemon } from '../support/daemon.ts'
import { readTree, treeDifferences } from '../support/tree.ts'

interface Refusal {
  readonly what: string
  readonly words: readonly string[]
  readonly code: number
  readonly says: RegExp
}

/** A message for a person: one or two lines, no stack, nothing of the program's inside. */
function assertRefused(ended: Ended, { what, code, says }: Pick<Refusal, 'what' | 'code' | 'says'>): void {
  const said = `${ended.out}${ended.err}`
  assert.equal(ended.code, code, `${what}: ${said}`)
  assert.match(said, says, what)
  assert.doesNotMatch(said, /\n\s+at |\[object|undefined/, what)
}

/** A directory that cannot be written to, even by root: a read-only mount. undefined where none can be had. */
function readOnlyDirectory(nodes: TestNodes): string | undefined {
  const path = nodes.makeDirectory('read-only')
  chmodSync(path, 0o555)
  if (process.getuid?.() !== 0) return path
  if (spawnSync('mount', ['--bind', path, path]).status !== 0) return undefined
  nodes.onEnd(() => void spawnSync('umount', [path]))
  return spawnSync('mount', ['-o', 'remount,bind,ro', path]).status === 0 ? path : undefined
}

async function facts(node: TestDaemon): Promise<string> {
  const { folders, problems, peers } = await node.status()
  return JSON.stringify({
    folders: folders.map(({ id, path, files, state }) => ({ id, path, files, state })),
    problems,
    peers: peers.length,
  })
}

test('scenarios 62, 93: wrong links, nested folders, a home in a folder and the like are refused with what is wrong, and change nothing', async (t) => {
  const nodes = new TestNodes(t)
  const [a, b] = [nodes.makeDirectory('a'), nodes.path('b')]
  writeFileSync(nodes.path('a', 'kept'), 'kept')
  writeFileSync(nodes.path('file'), 'a file')
  const [one, two] = await Promise.all([nodes.start('one'), nodes.start('two')])
  await one.call('addFolder', { path: a, name: 'good' })
  const used = await one.share('good')
  await two.call('join', { link: used, path: b })
  await allSynced([one, two])
  const fresh = await one.share('good')
  const third = await nodes.start('three')
  const before = { one: await facts(one), two: await facts(two), tree: readTree(nodes.directory) }

  const onThird: readonly Refusal[] = [
    { what: 'no link at all', words: ['join', 'hello', nodes.path('c')], code: 5, says: /not a Holdfast link.*holdfast .*share/ },
    { what: 'a link of another sort', words: ['join', 'https://example.org/x', nodes.path('c')], code: 5, says: /not a Holdfast link/ },
    { what: 'a link that was cut', words: ['join', fresh.slice(0, -7), nodes.path('c')], code: 5, says: /cut off or mistyped/ },
    { what: 'a mistyped link', words: ['join', flip(fresh), nodes.path('c')], code: 5, says: /cut off or mistyped/ },
    {
      what: 'a link of a newer version',
      words: ['join', fresh.replace('holdfast:1', 'holdfast:2'), nodes.path('c')],
      code: 5,
      says: /newer version/,
    },
    { what: 'a link that was used', words: ['join', used, nodes.path('c')], code: 5, says: /used already.*new one/ },
    { what: 'a parent that is missing', words: ['join', fresh, nodes.path('no/where')], code: 5, says: /does not exist/ },
    { what: 'a file to join to', words: ['join', fresh, nodes.path('file')], code: 5, says: /not a directory/ },
    { what: 'the home to join to', words: ['join', fresh, third.home], code: 5, says: /own home/ },
    { what: 'the home inside what is joined to', words: ['join', fresh, nodes.directory], code: 5, says: /own home/ },
    { what: 'no path', words: ['join', fresh], code: 2, says: /give the directory/ },
  ]
  const onOne: readonly Refusal[] = [
    { what: 'a link of this node', words: ['join', fresh, nodes.path('c')], code: 5, says: /this very node/ },
    { what: 'a path inside a folder', words: ['folder', 'add', nodes.path('a')], code: 5, says: /already/ },
    { what: 'a path that is missing', words: ['folder', 'add', nodes.path('missing')], code: 5, says: /does not exist/ },
    { what: 'a file to add', words: ['folder', 'add', nodes.path('file')], code: 5, says: /not a directory/ },
    { what: 'the home to add', words: ['folder', 'add', one.home], code: 5, says: /own home/ },
    { what: 'a directory in the home', words: ['folder', 'add', `${one.home}/log`], code: 5, says: /own home/ },
    { what: 'a folder nobody knows', words: ['share', 'Bad'], code: 5, says: /no folder Bad.*folder list/ },
    { what: 'an unknown folder to remove', words: ['folder', 'remove', 'Bad'], code: 5, says: /no folder Bad/ },
    { what: 'an unknown folder to pause', words: ['folder', 'pause', 'Bad'], code: 5, says: /no folder Bad/ },
    { what: 'an unknown folder to wait for', words: ['wait', '--folder', 'Bad'], code: 5, says: /no folder Bad/ },
    { what: 'a role that is none', words: ['share', 'good', '--role', 'king'], code: 2, says: /role/ },
    { what: 'a name with a slash', words: ['folder', 'add', nodes.makeDirectory('e'), '--name', 'x/y'], code: 2, says: /name/ },
    { what: 'a second daemon', words: ['serve', '--no-discovery', '--listen', '/ip4/127.0.0.1/tcp/0'], code: 5, says: /already running/ },
  ]
  for (const refusal of onThird) assertRefused(await third.command(...refusal.words), refusal)
  for (const refusal of onOne) assertRefused(await one.command(...refusal.words), refusal)

  const inside = nodes.makeDirectory('a', 'inside')
  await allSynced([one, two])
  for (const words of [
    ['folder', 'add', inside],
    ['folder', 'add', nodes.makeDirectory('a', 'inside', 'deeper')],
    ['join', fresh, `${inside}/new`],
  ]) {
    assertRefused(await one.command(...words), {
      what: words.join(' '),
      code: 5,
      says: words[0] === 'join' ? /very node|inside one another/ : /inside one another/,
    })
  }
  assertRefused(await two.command('join', fresh, `${b}/inside/new`), {
    what: 'joining inside a folder',
    code: 5,
    says: /inside one another/,
  })
  assertRefused(await two.command('join', fresh, nodes.path('again')), { what: 'joining twice', code: 5, says: /member of good already/ })

  const readOnly = readOnlyDirectory(nodes)
  if (readOnly === undefined) t.diagnostic('no read-only directory could be made: that case was left out')
  else {
    assertRefused(await third.command('folder', 'add', readOnly), { what: 'a read-only directory', code: 5, says: /cannot be written/ })
    assertRefused(await third.command('join', fresh, `${readOnly}/new`), {
      what: 'a new place in a read-only one',
      code: 5,
      says: /cannot be written/,
    })
  }

  const outside = (path: string): boolean => !path.startsWith('home-') && !path.startsWith('a/inside') && !path.startsWith('b/inside')
  const now = new Map([...readTree(nodes.directory)].filter(([path]) => outside(path) && path !== 'e' && path !== 'read-only'))
  assert.deepEqual(treeDifferences(new Map([...before.tree].filter(([path]) => outside(path))), now), [])
  assert.equal(existsSync(nodes.path('c')), false)
  assert.equal(await facts(one), before.one)
  assert.equal(await facts(two), before.two)
  // The link that was refused so often for other reasons is still good.
  const joined = await third.command('join', fresh, nodes.path('c'), '--json')
  assert.equal(joined.code, 0, joined.err)
})

/** Another letter near the end. */
function flip(link: string): string {
  const at = link.length - 10
  return `${link.slice(0, at)}${link[at] === 'a' ? 'b' : 'a'}${link.slice(at + 1)}`
}

test('commands to a home without a daemon say so, and start nothing', async (t) => {
  const nodes = new TestNodes(t)
  const home = nodes.path('empty')
  for (const words of [['status'], ['folder', 'list'], ['join', 'holdfast:1abc', nodes.path('x')], ['wait']]) {
    assertRefused(await runHoldfast([...words, '--home', home]), { what: words.join(' '), code: 3, says: /no daemon answers/ })
  }
  assert.equal(existsSync(home), false)
})
