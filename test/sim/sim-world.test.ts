// The simulator tried on itself with a toy node: worlds repeat, workloads come to rest, and the oracle sees each kind of fault.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { simulate, type SimulationResult } from './simulate.ts'
import { toyCluster, type ToyFault } from './toy-node.ts'
import { accidentWeights as allAccidents, plainSetups, type Weights } from './weights.ts'
import { World } from './world.ts'

const { join: _join, loseDatabase: _lose, backUp: _backUp, restore: _restore, ...accidentWeights } = allAccidents

/** What the toy can do: files, no conflicts, no directories of their own. */
const toyWeights: Weights = { write: 10, replace: 4, append: 4, edit: 4, touch: 2, ignored: 2, start: 4 }

async function run(
  seed: number,
  parts: { weights?: Weights; fault?: ToyFault; nodes?: number; operations?: number } = {},
): Promise<SimulationResult> {
  const { weights = toyWeights, fault = 'none', nodes = 3, operations = 30 } = parts
  return await simulate({ seed, open: toyCluster(fault), setups: { ...plainSetups, nodes }, operations, weights, isHistoryChecked: false })
}

/** The failure of the first of a few seeds that has one of this kind. */
async function firstFailure(pattern: RegExp, parts: Parameters<typeof run>[1]): Promise<string | undefined> {
  for (let seed = 1; seed <= 12; seed++) {
    const { failure } = await run(seed, parts)
    if (failure !== undefined && pattern.test(failure)) return failure
  }
  return undefined
}

test('a seed run twice gives the same trace, another seed another one', async () => {
  const weights: Weights = { ...toyWeights, ...accidentWeights }
  const [first, again, other] = [await run(11, { weights }), await run(11, { weights }), await run(12, { weights })]
  assert.deepEqual(again, first)
  assert.notEqual(other.digest, first.digest)
  assert.ok(first.steps > 500, `only ${first.steps} steps`)
})

test('three nodes come to rest and keep every content through conflicts, crashes and partitions', async () => {
  let conflictCopies = 0
  for (let seed = 1; seed <= 5; seed++) {
    const { failure, rest } = await run(seed, { weights: { ...toyWeights, ...accidentWeights } })
    assert.equal(failure, undefined)
    conflictCopies += rest?.conflictCopies ?? 0
  }
  assert.ok(conflictCopies > 0, 'the work made no conflicts')
})

test('a process that dies in the first call of its start has died, whatever its code makes of that', async () => {
  using world = new World({
    seed: 1,
    machines: [{ name: 'A' }],
    open: async () => {
      world.nodes[0]?.crash()
      throw await Promise.resolve(new Error('the index is damaged (A is dead)'))
    },
  })
  const [node] = world.nodes
  await world.scheduler.settle(node?.start() ?? Promise.resolve(), { durationMs: 1000, stepsMax: 1000 }, 'the start')
  assert.equal(node?.isRunning, false)
})

const faults: readonly { fault: ToyFault; seen: RegExp; weights?: Weights }[] = [
  { fault: 'partial files', seen: /shows content that nobody wrote/ },
  { fault: 'skip fsync', seen: /shows content that nobody wrote/, weights: { crash: 8, start: 16 } },
  { fault: 'skip recheck', seen: /lost on/, weights: { race: 20 } },
  { fault: 'lose conflicts', seen: /lost on/ },
  { fault: 'touch ignored', seen: /touched the ignored/, weights: { removeFile: 6, ignored: 8 } },
  { fault: 'leave folder', seen: /outside its folder and home/ },
  { fault: 'never tell', seen: /nodes still disagree/ },
]

for (const { fault, seen, weights } of faults) {
  test(`the oracle sees a node with the fault: ${fault}`, async () => {
    const failure = await firstFailure(seen, { fault, weights: { ...toyWeights, ...weights } })
    assert.ok(failure, 'none of the seeds showed it')
  })
}
