// The rules of keep leases, gone through exhaustively: the last copies never go together, and each rule is needed for that.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { grant, hear, leasesNeeded, mayGo } from '../../engine/replicas/lease.ts'
import { engineRules, explore, Tally, type LeaseRules, type ModelSize } from '../support/lease-model.ts'

const sizes: Readonly<Record<string, ModelSize>> = {
  'two nodes, three questions each': { nodes: 2, needed: 1, rounds: 3, forsaken: 1 },
  'three nodes, two questions each, one of them late': { nodes: 3, needed: 1, rounds: 2, forsaken: 1 },
  'three nodes that need two grants, two of them late': { nodes: 3, needed: 2, rounds: 1, forsaken: 2 },
  'four nodes that need two grants, one of them late': { nodes: 4, needed: 2, rounds: 1, forsaken: 1 },
}

const twice: ModelSize = { nodes: 2, needed: 1, rounds: 2, forsaken: 1 }
const thrice: ModelSize = { nodes: 3, needed: 2, rounds: 1, forsaken: 0 }

const broken: Readonly<Record<string, { readonly rules: Partial<LeaseRules>; readonly size: ModelSize }>> = {
  'grants while it asks itself': {
    size: { ...twice, forsaken: 0 },
    rules: { grant: (state, isHeld) => (isHeld ? { ...state, isForsaken: false } : undefined) },
  },
  'grants what it does not have': { size: twice, rules: { grant: (state) => grant(state, true) } },
  'tells of a grant before the grant is on its disk': { size: twice, rules: { isDurable: false } },
  'grants what it goes on to take for garbage': {
    size: twice,
    rules: { grant: (state, isHeld) => (grant(state, isHeld) === undefined ? undefined : state) },
  },
  'counts the grant of one node twice': {
    size: thrice,
    rules: {
      hear: (state, from, round) => {
        const { asking } = state
        if (asking === undefined || asking.round !== round || asking.granters.size > 2) return state
        return { ...state, asking: { round, granters: new Tally([...asking.granters, from]) } }
      },
    },
  },
  'counts what was granted for an earlier question': {
    size: { ...twice, forsaken: 0 },
    rules: { hear: (state, from) => (state.asking === undefined ? state : hear(state, from, state.asking.round)) },
  },
  'is content with fewer grants than it needs': { size: thrice, rules: { mayGo: (state, needed) => mayGo(state, needed - 1) } },
}

describe('keep leases', () => {
  for (const [name, size] of Object.entries(sizes)) {
    it(`scenario 99: never leave fewer than are needed, whatever is lost, late, twice or crashes: ${name}`, () => {
      const { fewest, violation, states } = explore(size)
      assert.equal(violation, undefined)
      assert.equal(fewest, size.needed, 'all that is too much can go')
      assert.ok(states > 400, `${states} states`)
    })
  }

  for (const [name, { rules, size }] of Object.entries(broken)) {
    it(`would lose copies if a node ${name}`, () => {
      assert.equal(explore(size).violation, undefined)
      const { violation } = explore(size, { ...engineRules, ...rules })
      assert.ok(violation !== undefined, 'the model notices')
    })
  }

  it('are needed from as many as there are to be copies, and from two at least', () => {
    assert.deepEqual([1, 2, 3, 9].map(leasesNeeded), [2, 2, 3, 9])
  })
})
