// A file that is deleted and brought back on several machines at once.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { Stage } from './scenario.ts'

const nodes = ['A', 'B', 'C']

/** The texts that every node has on its disk, whatever their names: all have the same. */
function texts(stage: Stage): readonly string[] {
  const [first, ...others] = nodes.map((name) => Object.values(stage.tree(name)).toSorted())
  for (const other of others) assert.deepEqual(other, first)
  return first ?? []
}

describe('scenario T41: delete + undelete race across three devices: conflict rules hold, blocks present', () => {
  test('scenario T41: A deletes, B deletes and brings it back, C edits, all apart: what B brought back and what C wrote are on every disk', async () => {
    using stage = await Stage.open({ nodes, before: { f: 'as it was', other: 'stays' } })
    await stage.apart()
    await stage.remove('A', 'f')
    await stage.remove('B', 'f')
    await stage.pass(5000)
    await stage.write('B', 'f', 'as it was')
    await stage.write('C', 'f', 'edited by C')
    await stage.together()
    assert.deepEqual(texts(stage), ['as it was', 'edited by C', 'stays'])
  })

  test('scenario T41: A deletes, B sees it and brings it back while C, who has not seen it, deletes too: it is there everywhere', async () => {
    using stage = await Stage.open({ nodes, before: { f: 'as it was' } })
    await stage.remove('A', 'f')
    await stage.rest()
    await stage.apart()
    await stage.write('B', 'f', 'as it was')
    await stage.pass(2000)
    await stage.write('C', 'f', 'as it was')
    await stage.pass(2000)
    await stage.remove('C', 'f')
    await stage.together()
    assert.deepEqual(texts(stage), ['as it was'])
  })

  test('scenario T41: deleted on A, brought back on B, deleted again on C, each having seen the one before: it is gone, and can be brought back once more', async () => {
    using stage = await Stage.open({ nodes, before: { f: 'as it was', other: 'stays' } })
    await stage.remove('A', 'f')
    await stage.rest()
    await stage.write('B', 'f', 'as it was')
    await stage.rest()
    await stage.remove('C', 'f')
    await stage.rest()
    assert.deepEqual(texts(stage), ['stays'])
    await stage.apart()
    await stage.write('A', 'f', 'as it was')
    await stage.write('B', 'f', 'as it was')
    await stage.together()
    assert.deepEqual(texts(stage), ['as it was', 'stays'])
  })

  test('scenario T41: A deletes for good while B and C bring back different things: both are kept, under the name and a copy', async () => {
    using stage = await Stage.open({ nodes, before: { f: 'as it was' } })
    await stage.apart()
    await stage.remove('A', 'f')
    await stage.remove('B', 'f')
    await stage.remove('C', 'f')
    await stage.pass(5000)
    await stage.write('B', 'f', 'brought back by B')
    await stage.write('C', 'f', 'brought back by C')
    await stage.together()
    assert.deepEqual(texts(stage), ['brought back by B', 'brought back by C'])
    assert.ok(Object.keys(stage.tree()).includes('f'))
  })
})
