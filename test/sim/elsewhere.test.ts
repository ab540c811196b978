// Nodes that do not keep every file: what is freed is lost to nobody, whatever happens meanwhile. At rest everything is fetched again, and
// the oracle looks for all that people wrote.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { openEngineNode } from './engine-node.ts'
import { knowledgeOf } from './knowledge.ts'
import { Stage } from './scenario.ts'
import { simulate } from './simulate.ts'
import { elsewhereWeights } from './weights.ts'

const seeds = [1, 5, 7]
/** For receipts to be told, and proof to be asked for. */
const settleMs = 15_000

/** Three that share a folder; C has freed `paths`. */
async function openFreed(before: Readonly<Record<string, string>>, ...paths: readonly string[]): Promise<Stage> {
  const stage = await Stage.open({ nodes: ['A', 'B', 'C'], before })
  await stage.pass(settleMs)
  for (const path of paths) await stage.do('C', { do: 'free', path })
  return stage
}

describe('nodes that free and fetch files under random work and accidents', () => {
  for (const seed of seeds) {
    it(`agree at rest and lose nothing: seed ${seed}`, async () => {
      const { failure } = await simulate({ seed, open: openEngineNode, weights: elsewhereWeights })
      assert.equal(failure, undefined)
    })
  }
})

describe('a file that is elsewhere', () => {
  it('is gone from one disk only, and stays so over walks and restarts', async () => {
    using stage = await openFreed({ 'd/one': 'one', two: 'two' }, 'd/one')
    assert.deepEqual(stage.tree('C'), { d: '/', two: 'two' })
    await stage.do('C', { do: 'restart' })
    await stage.pass(settleMs)
    await stage.settle(stage.controls('C').rescanFolder('Folder', new AbortController().signal))
    await stage.pass(settleMs)
    assert.deepEqual(stage.tree('C'), { d: '/', two: 'two' })
    for (const name of ['A', 'B']) assert.deepEqual(stage.tree(name), { d: '/', 'd/one': 'one', two: 'two' })
    await stage.rest()
    assert.equal(stage.tree('C')['d/one'], 'one')
  })

  it('outlives its directory, which somebody deletes on the disk that it is not on: that one stays away, and comes with the file', async () => {
    using stage = await openFreed({ 'd/e/one': 'one', 'd/two': 'two', 'd/empty/three': 'three' }, 'd/e/one')
    await stage.remove('C', 'd')
    await stage.pass(settleMs)
    const left = { d: '/', 'd/e': '/', 'd/e/one': 'one' }
    assert.deepEqual([stage.tree('A'), stage.tree('C')], [left, {}])
    await stage.do('C', { do: 'restart' })
    await stage.settle(stage.controls('C').rescanFolder('Folder', new AbortController().signal))
    await stage.pass(settleMs)
    assert.deepEqual([stage.tree('A'), stage.tree('C')], [left, {}])
    const versions = knowledgeOf(stage.person('A').node)?.versions
    await stage.do('C', { do: 'fetch', path: 'd/e/one' })
    await stage.pass(settleMs)
    assert.deepEqual(stage.tree('C'), left)
    assert.deepEqual(knowledgeOf(stage.person('A').node)?.versions, versions, 'nobody is told that it was made')
    await stage.rest()
    assert.deepEqual([stage.tree('A'), stage.tree('C')], [left, left])
  })

  it('lets a directory that went with it come again with what others put there, and go where others delete it', async () => {
    using stage = await openFreed({ 'd/one': 'one', 'e/one': 'eins', two: 'two' }, 'd/one', 'e/one')
    await stage.remove('C', 'd', 'e')
    await stage.write('A', 'd/new', 'new')
    await stage.remove('A', 'e')
    await stage.pass(settleMs)
    assert.deepEqual(stage.tree('C'), { d: '/', 'd/new': 'new', two: 'two' })
    await stage.rest()
    for (const name of ['A', 'C']) assert.deepEqual(stage.tree(name), { d: '/', 'd/new': 'new', 'd/one': 'one', two: 'two' })
  })

  it('leaves by itself once enough others can prove it, where keep could not free it at first', async () => {
    using stage = await openFreed({ one: 'one', two: 'two' })
    await stage.do('A', { do: 'partition', groups: [['A', 'C'], ['B']] })
    await stage.do('C', { do: 'keep', keep: 'none' })
    await stage.pass(4 * settleMs)
    assert.deepEqual(stage.tree('C'), { one: 'one', two: 'two' })
    assert.equal(stage.folder('C').toFree, 2)
    await stage.do('A', { do: 'heal' })
    await stage.pass(4 * settleMs)
    assert.deepEqual([stage.tree('C'), stage.folder('C').toFree], [{}, undefined])
    await stage.rest()
    assert.deepEqual(stage.tree('C'), { one: 'one', two: 'two' })
  })

  it('becomes a directory where others make one of it', async () => {
    using stage = await openFreed({ one: 'one', two: 'two' }, 'one')
    await stage.remove('A', 'one')
    await stage.write('A', 'one/inside', 'inside')
    await stage.pass(settleMs)
    assert.deepEqual(stage.tree('C'), { one: '/', 'one/inside': 'inside', two: 'two' })
  })

  it('is kept beside what its own author makes under its name, who does not see it any more', async () => {
    using stage = await Stage.open({ nodes: ['A', 'B', 'C'], before: { one: 'one', two: 'two' } })
    await stage.pass(settleMs)
    await stage.do('A', { do: 'free', path: 'one' })
    await stage.rename('A', 'two', 'one')
    await stage.rest()
    for (const name of ['A', 'B', 'C']) assert.deepEqual(stage.tree(name), { one: 'two', 'one (copy)': 'one' })
  })

  it('is itself again where its own author puts the same content back', async () => {
    using stage = await Stage.open({ nodes: ['A', 'B', 'C'], before: { one: 'one' } })
    await stage.pass(settleMs)
    await stage.do('A', { do: 'free', path: 'one' })
    await stage.write('A', 'one', 'one')
    await stage.rest()
    assert.deepEqual(stage.tree('B'), { one: 'one' })
  })

  it('is edited by two others apart, who bring their versions together without the node that does not have it', async () => {
    using stage = await openFreed({ one: 'one', two: 'two' }, 'one')
    await stage.apart()
    await stage.write('A', 'one', 'by A')
    await stage.write('B', 'one', 'by B')
    await stage.together()
    assert.deepEqual(stage.texts('C'), ['by A', 'by B', 'two'])
  })

  it('is not deleted by an index from before it was freed, nor by one that was lost', async () => {
    using stage = await Stage.open({ nodes: ['A', 'B', 'C'], before: { one: 'one', two: 'two' } })
    await stage.pass(settleMs)
    await stage.do('C', { do: 'backUp' })
    await stage.do('C', { do: 'free', path: 'one' })
    for (const accident of ['restore', 'loseDatabase'] as const) {
      await stage.do('C', { do: accident })
      await stage.do('C', { do: 'start' })
      await stage.pass(30_000)
      assert.deepEqual(stage.tree('A'), { one: 'one', two: 'two' }, accident)
      assert.deepEqual(stage.tree('C'), { one: 'one', two: 'two' }, accident)
      await stage.do('C', { do: 'free', path: 'one' })
    }
    await stage.rest()
  })

  it('cannot be freed by two at once, if then too few had it', async () => {
    using stage = await Stage.open({ nodes: ['A', 'B', 'C'], before: { one: 'one' } })
    await stage.pass(settleMs)
    const { signal } = new AbortController()
    const freed = await stage.settle(
      Promise.all(['A', 'B', 'C'].map((name) => stage.controls(name).freeFiles({ folder: 'Folder', paths: ['one'] }, signal))),
    )
    assert.ok(freed.reduce((total, { freed: files }) => total + files, 0) <= 1)
    const have = ['A', 'B', 'C'].filter((name) => 'one' in stage.tree(name))
    assert.ok(have.length >= 2, `${have.join()} have it`)
    await stage.rest()
  })
})
