// Three nodes in a row: the outer two never meet, and agree through the one between.

import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { allSynced, eventually, TestNodes, type TestDaemon } from '../support/daemon.ts'
import { noNamespaces, openNamespace } from '../support/namespaces.ts'
import { makeTree, readTree, treeDifferences, TreeChanger } from '../support/tree.ts'

async function isConnected(node: TestDaemon, to: TestDaemon): Promise<boolean> {
  const { peerId } = await to.status()
  return (await node.status()).peers.some((peer) => peer.id === peerId && peer.connected)
}

test('two nodes that never meet agree through a third', { skip: noNamespaces }, async (t) => {
  const nodes = new TestNodes(t)
  const [left, right] = [openNamespace(t, 'l'), openNamespace(t, 'r')]
  const middle = { listen: [`/ip4/${left.outside}/tcp/0`, `/ip4/${right.outside}/tcp/0`] }
  makeTree(nodes.path('a'), 'three', { files: 200, directories: 30, fileBytesMax: 50_000 })
  const [a, b, c] = await Promise.all([nodes.start('a', left.daemon), nodes.start('b', middle), nodes.start('c', right.daemon)])
  const trees = ['a', 'b', 'c'].map((name) => nodes.path(name))
  const [atA = '', , atC = ''] = trees
  await a.call('addFolder', { path: atA, name: 'row' })
  await b.call('join', { link: await a.share('row', 'owner'), path: nodes.path('b') })
  await allSynced([a, b])
  await c.call('join', { link: await b.share('row'), path: atC })

  const agree = async (when: string): Promise<void> => {
    await allSynced([a, b, c, b, a])
    const [first, ...others] = trees.map((tree) => readTree(tree))
    for (const other of others) assert.deepEqual(treeDifferences(first ?? new Map(), other), [], when)
  }
  await agree('after joining')

  writeFileSync(`${atA}/from-a`, 'written at a')
  rmSync(`${atA}/d0`, { recursive: true })
  await agree('after changes at a')
  assert.equal(readFileSync(`${atC}/from-a`, 'utf8'), 'written at a')
  assert.equal(existsSync(`${atC}/d0`), false)

  writeFileSync(`${atC}/from-a`, 'edited at c')
  mkdirSync(`${atC}/new`)
  renameSync(`${atC}/from-a`, `${atC}/new/from-c`)
  chmodSync(`${atC}/new/from-c`, 0o600)
  await agree('after changes at c')
  assert.equal(readFileSync(`${atA}/new/from-c`, 'utf8'), 'edited at c')

  for (const [at, tree] of trees.entries()) new TreeChanger(tree, `n${at}`, `three/${at}`).change(80)
  await agree('after changes everywhere at once')

  assert.equal(await isConnected(a, c), false)
  assert.equal(await isConnected(c, a), false)
  // With the one in the middle gone the outer two stay as they are.
  await b.stop()
  writeFileSync(`${atA}/while-away`, 'nobody passes this on')
  await allSynced([a])
  assert.equal(existsSync(`${atC}/while-away`), false)
  await b.start()
  await eventually('what was written meanwhile to arrive', 60_000, () => (existsSync(`${atC}/while-away`) ? true : undefined))
  await agree('after the middle one came back')
})
