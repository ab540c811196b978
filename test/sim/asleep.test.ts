// A node that goes in good order says so, and one that just goes does not.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Stage } from './scenario.ts'

function absenceOf(stage: Stage, name: string): string | undefined {
  const { id } = stage.folder('A')
  return stage
    .controls('A')
    .members(id)
    .find((member) => member.name === name)?.absence
}

test('a node that goes in good order is asleep for the others, one that just goes is offline, and back they are here', async () => {
  using stage = await Stage.open({ nodes: ['A', 'B', 'C'], before: { f: 'text' } })
  await stage.pass(60_000)
  for (const name of ['A', 'B', 'C']) assert.equal(absenceOf(stage, name), 'here')
  await stage.settle(stage.person('B').node.stop())
  await stage.do('C', { do: 'kill' })
  await stage.pass(120_000)
  assert.deepEqual([absenceOf(stage, 'B'), absenceOf(stage, 'C')], ['asleep', 'offline'])
  await stage.pass(1_200_000)
  assert.deepEqual([absenceOf(stage, 'B'), absenceOf(stage, 'C')], ['asleep', 'offline'], 'both went at once: that may be this node')
  for (const name of ['B', 'C']) await stage.do(name, { do: 'start' })
  await stage.pass(120_000)
  assert.deepEqual([absenceOf(stage, 'B'), absenceOf(stage, 'C')], ['here', 'here'])
})
