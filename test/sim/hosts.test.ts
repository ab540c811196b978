// Worlds with hosts: fixed seeds, each run twice, which must give the same trace, and days of absence as they are told in a few lines.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { openEngineNode } from './engine-node.ts'
import type { HostSetup, NodeSetup, Script, Step } from './script.ts'
import { fixedHostSeeds } from './seeds.ts'
import { replay, simulate } from './simulate.ts'

describe('nodes that read and hosts that store, whose stores are wiped, rot and fill up, and which are away, asleep, retired and lost', () => {
  for (const seed of fixedHostSeeds) {
    it(`have every copy that is shown, and all there are to be at rest: seed ${seed}`, async () => {
      const first = await simulate({ seed, open: openEngineNode, hasHosts: true })
      assert.equal(first.failure, undefined, `replay with: npm run sim -- --hosts --seed ${seed}`)
      const second = await simulate({ seed, open: openEngineNode, hasHosts: true })
      assert.equal(second.digest, first.digest, `seed ${seed} gave two traces`)
    })
  }
})

const minuteMs = 60_000
const host: HostSetup = { keep: 'share', zone: '', class: 'always-on', capacityBytes: 1_000_000_000 }

function node(name: string, extra: Partial<NodeSetup> = {}): NodeSetup {
  return { name, wallOffsetMs: 0, jobWidth: 2, ...extra }
}

/** Two who read and four hosts in three places; each block is to be on three drives. */
function days(...steps: readonly Step[]): Script {
  const zones = ['home', 'office', 'office', 'attic']
  const hosts = zones.map((zone, at) => node(['C', 'D', 'E', 'F'][at] ?? '', { host: { ...host, zone } }))
  return {
    seed: 1,
    network: 'calm',
    copies: 3,
    hasDays: true,
    nodes: [node('A'), node('B', { isOwner: true }), ...hosts],
    before: Array.from({ length: 20 }, (_, at) => ({
      afterMs: 0,
      on: 'A',
      do: 'write' as const,
      path: `f${at}`,
      content: { sizeBytes: 3000, fill: `${at}` },
    })),
    steps: [{ afterMs: minuteMs, on: 'A', do: 'heal' }, ...steps],
  }
}

describe('days of absence', () => {
  const absences: readonly { readonly claim: string; readonly steps: readonly Step[] }[] = [
    {
      claim: 'whose end nobody tells: the host is found to be lost, and its copies are made again',
      // By then the first host has let go of what the later ones took over.
      steps: [{ afterMs: 12 * minuteMs, on: 'E', do: 'lose' }],
    },
    {
      claim: 'that begin before others have let go of what the host took over: they keep it',
      steps: [
        { afterMs: 0, on: 'E', do: 'lose' },
        { afterMs: 8 * minuteMs, on: 'A', do: 'heal' },
      ],
    },
    {
      claim: 'of a host that said it goes and comes back after its copies were made elsewhere: what is too much goes',
      steps: [
        { afterMs: 0, on: 'D', do: 'stop' },
        { afterMs: 20 * minuteMs, on: 'A', do: 'write', path: 'new', content: { text: 'written meanwhile' } },
        { afterMs: minuteMs, on: 'D', do: 'start' },
        { afterMs: 8 * minuteMs, on: 'A', do: 'heal' },
      ],
    },
    {
      claim: 'of the other one who reads, while this one keeps nothing and a host is retired',
      steps: [
        { afterMs: 0, on: 'B', do: 'stop' },
        { afterMs: 3 * minuteMs, on: 'A', do: 'keep', keep: 'none' },
        { afterMs: 12 * minuteMs, on: 'A', do: 'retire', peer: 'C' },
        { afterMs: 7 * minuteMs, on: 'B', do: 'start' },
      ],
    },
  ]
  for (const { claim, steps } of absences) {
    it(claim, async () => {
      const { failure } = await replay({ script: days(...steps), open: openEngineNode })
      assert.equal(failure, undefined)
    })
  }
})
