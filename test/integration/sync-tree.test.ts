// Two real daemons and a tree: a real one that nobody made for this, and random changes on both sides, online and offline.

import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { allSynced, allSyncedAccepting, connected, isCampaign, scaled, TestNodes, type TestDaemon } from '../support/daemon.ts'
import { conflictCopies, diffOf, makeTree, readTree, treeDifferences, TreeChanger } from '../support/tree.ts'

const nodeModules = fileURLToPath(new URL('../../node_modules', import.meta.url))
const realTrees = ['/usr/share/doc', '/usr/share', nodeModules]
const realFilesMin = scaled(3000, 20_000)
const realBytesMax = scaled(150, 4000) * 1_000_000
const changesEach = 500
const seeds = isCampaign ? Array.from({ length: 10 }, (_, at) => `campaign-${at}`) : ['one', 'two']

/** Copies real directories into `target` until there are enough files; gives how many. */
function copyRealTree(target: string): number {
  let files = 0
  let bytes = 0
  mkdirSync(target)
  for (const tree of realTrees.filter((path) => existsSync(path))) {
    const into = join(target, tree.replaceAll('/', '_'))
    mkdirSync(into)
    for (const name of readdirSync(tree).sort()) {
      const all = statSync(join(tree, name)).isDirectory() ? readdirSync(join(tree, name), { recursive: true, withFileTypes: true }) : []
      const sizes = all.filter((entry) => entry.isFile()).map((entry) => statSync(join(entry.parentPath, entry.name)).size)
      if (sizes.reduce((sum, size) => sum + size, bytes) > realBytesMax) continue
      bytes += sizes.reduce((sum, size) => sum + size, 0)
      files += sizes.length
      cpSync(join(tree, name), join(into, name), { recursive: true, preserveTimestamps: true, verbatimSymlinks: true, dereference: false })
      if (files >= realFilesMin) return files
    }
  }
  return files
}

test('a real tree joins to a second node and is equal there in content, kind, mode and time', async (t) => {
  const nodes = new TestNodes(t)
  const files = copyRealTree(nodes.path('a'))
  assert.ok(files >= realFilesMin, `only ${files} real files were found on this machine`)
  const [one, two] = await Promise.all([nodes.start('one'), nodes.start('two')])
  await one.call('addFolder', { path: nodes.path('a'), name: 'real' })
  await two.call('join', { link: await one.share('real'), path: nodes.path('b') })
  await allSynced([one, two], scaled(90_000, 600_000))
  assert.equal(diffOf(nodes.path('a'), nodes.path('b')), '')
  assert.deepEqual(treeDifferences(readTree(nodes.path('a')), readTree(nodes.path('b'))), [])
  const { problems } = await two.status()
  assert.deepEqual(problems, [])
})

/** Changes both trees, giving the daemons turns in between: each status call waits for one. */
async function changeBoth(changers: readonly TreeChanger[], count: number, pace: TestDaemon): Promise<number> {
  let made = 0
  for (let at = 0; at < count; at++) {
    for (const changer of changers) if (changer.changeOnce()) made++
    if (at % 5 === 0) await pace.status()
  }
  return made
}

for (const seed of seeds) {
  test(`${changesEach} random changes on both sides, online and offline, end equal (seed ${seed})`, async (t) => {
    const nodes = new TestNodes(t)
    makeTree(nodes.path('a'), seed, { files: 300, directories: 40, fileBytesMax: 100_000 })
    const [one, two] = await Promise.all([nodes.start('one'), nodes.start('two')])
    await one.call('addFolder', { path: nodes.path('a'), name: 'tree' })
    await two.call('join', { link: await one.share('tree'), path: nodes.path('b') })
    await allSynced([one, two])
    const changers = ['a', 'b'].map((name) => new TreeChanger(nodes.path(name), name, `${seed}/${name}`))
    const equal = async (when: string): Promise<void> => {
      await allSyncedAccepting([one, two])
      const [left, right] = [readTree(nodes.path('a')), readTree(nodes.path('b'))]
      assert.deepEqual(treeDifferences(left, right), [], when)
      t.diagnostic(`${when}: ${left.size} paths, ${conflictCopies(left).length} conflict copies`)
    }

    const online = await changeBoth(changers, changesEach / 2, one)
    await equal('after changes online')

    await two.stop()
    const offline = await changeBoth(changers, changesEach / 2, one)
    await two.start()
    await connected([one, two])
    await equal('after changes offline')
    assert.ok(online + offline > changesEach, `${online + offline} changes came about`)
  })
}
