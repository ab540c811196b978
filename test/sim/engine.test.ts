// The production engine in the simulator: fixed seeds, each run twice, which must give the same trace, and the scripts that once failed.
// `npm run sim` explores.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { openEngineNode } from './engine-node.ts'
import { foundScripts } from './found.ts'
import { fixedSeeds } from './seeds.ts'
import { replay, simulate } from './simulate.ts'

describe('three or four nodes under random work, kills, power cuts, full drives and partitions', () => {
  for (const seed of fixedSeeds) {
    it(`agree at rest and lose nothing: seed ${seed}`, async () => {
      const first = await simulate({ seed, open: openEngineNode })
      assert.equal(first.failure, undefined, `replay with: npm run sim -- --seed ${seed}`)
      const second = await simulate({ seed, open: openEngineNode })
      assert.equal(second.digest, first.digest, `seed ${seed} gave two traces`)
    })
  }
})

describe('what the simulator found once holds', () => {
  for (const { path, claim, script } of foundScripts()) {
    it(claim, async () => {
      const { failure } = await replay({ script, open: openEngineNode })
      assert.equal(failure, undefined, `replay with: npm run sim -- --script ${path}`)
    })
  }
})
