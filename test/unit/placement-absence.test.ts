// Layouts while members are absent: what is laid anew, what gets a stand-in, and what happens when they come back.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { toHex } from '../../engine/base/bytes.ts'
import { createIdentity } from '../../engine/crypto/identity.ts'
import type { PeerId } from '../../engine/model/ids.ts'
import { decodeLayout, encodeLayout } from '../../engine/replicas/kept-layout.ts'
import { partitionCount, type Layout } from '../../engine/replicas/layout.ts'
import { layOut, type AbsentMember } from '../../engine/replicas/place.ts'
import type { PlacementMember } from '../../engine/replicas/placement-pool.ts'
import { LayoutWorld, publishedOf } from '../support/layout-world.ts'
import { folderNamed, leastMoved, member, movedBetween, peerNamed, pools } from '../support/placement-pools.ts'

const folder = folderNamed('absence')
const twelve = pools[1]?.members ?? []
const laptop = member('laptop', 'home', 0, { keep: 'all', class: 'daily' })

function lay(members: readonly PlacementMember[], targetCopies: number, previous?: Layout, absent: readonly AbsentMember[] = []): Layout {
  return layOut({ folder, members, targetCopies, previous, absent })
}

function gone(degree: AbsentMember['degree'], ...names: readonly string[]): readonly AbsentMember[] {
  return names.map((name) => ({ peer: peerNamed(name), degree }))
}

/** Of each partition, who holds it now and did not before. */
function added(before: Layout, after: Layout): readonly (readonly PeerId[])[] {
  return after.holders.map((holders, partition) => holders.filter((peer) => before.holders[partition]?.includes(peer) !== true))
}

describe('a layout without who is lost', () => {
  it('scenario T20: one node lost forever, R=3: what it had goes to others, and nothing else moves, within two per cent', () => {
    const layout = lay(twelve, 3)
    for (const lost of [0, 4, 11]) {
      const { peer } = twelve[lost] ?? laptop
      const after = lay(twelve, 3, layout, [{ peer, degree: 'lost' }])
      const least = leastMoved(layout, after) * partitionCount
      assert.ok(movedBetween(layout, after) <= least * 1.02 + 2, `${movedBetween(layout, after)} of ${least} partitions`)
      for (const holders of after.holders) assert.ok(holders.length === 3 && !holders.includes(peer))
    }
  })

  it('scenario T23: node returns after repair completed: the layout is again what it was, so that it has all that is its own', async () => {
    await using world = new LayoutWorld()
    const owner = createIdentity(new Uint8Array(32).fill(1))
    const host = createIdentity(new Uint8Array(32).fill(2))
    const first = world.add(owner, 'owner', twelve, [owner])
    const nodes = [first, world.add(host, 'host', twelve, [owner])]
    await world.runFor(60_000)
    const names = (): readonly string[] => nodes.map(({ layout }) => toHex(layout.own.layout))
    const [before] = names()
    const { step } = publishedOf(first)
    world.setAbsent(new Map([[twelve[2]?.peer ?? laptop.peer, 'lost']]))
    await world.runFor(300_000)
    const [without, ...same] = names()
    assert.notEqual(without, before)
    assert.deepEqual(same, [without], 'everybody lays it alike')
    assert.equal(publishedOf(first).step, step, 'and nobody publishes that')
    world.setAbsent(new Map())
    await world.runFor(60_000)
    assert.deepEqual(names(), [before, before])
  })

  it('is, once a person retires it, what it was already: nothing moves a second time', () => {
    const layout = lay(twelve, 3)
    const { peer } = twelve[5] ?? laptop
    const without = lay(twelve, 3, layout, [{ peer, degree: 'lost' }])
    const retired = lay(
      twelve.filter((one) => one.peer !== peer),
      3,
      layout,
    )
    assert.deepEqual(retired.digest, without.digest)
  })
})

describe('stand-ins', () => {
  it('are laid for what has fewer than two holders that are not overdue, and for nothing else', () => {
    const layout = lay(twelve, 2)
    const away = twelve[0]?.peer ?? laptop.peer
    const absent = [{ peer: away, degree: 'overdue' as const }]
    const after = lay(twelve, 2, layout, absent)
    for (const [partition, extra] of added(layout, after).entries()) {
      const before = layout.holders[partition] ?? []
      assert.equal(extra.length, before.includes(away) ? 1 : 0)
      assert.deepEqual(
        before.filter((peer) => after.holders[partition]?.includes(peer) !== true),
        [],
        'nobody loses anything',
      )
    }
    assert.ok(added(layout, after).flat().length > 100)
  })

  it('are not laid where two holders are there anyway, and the layout keeps its name', () => {
    const three = lay(twelve, 3)
    const absent = [{ peer: twelve[0]?.peer ?? laptop.peer, degree: 'overdue' as const }]
    assert.deepEqual(lay(twelve, 3, three, absent).digest, three.digest)
    const pool = [laptop, member('desk', 'home', 0, { keep: 'all' }), member('nas', 'home', 1), member('host', 'rented', 1)]
    assert.deepEqual(lay(pool, 3, lay(pool, 3), gone('overdue', 'nas')).digest, lay(pool, 3).digest)
  })

  it('go to other places than those that hold it, by capacity', () => {
    const pool = [laptop, ...[1, 1, 3].map((size, at) => member(`host ${at}`, ['home', 'office', 'rented'][at] ?? '', size))]
    const layout = lay(pool, 2) // office and rented
    const after = lay(pool, 2, layout, gone('overdue', 'host 1'))
    for (const [partition, extra] of added(layout, after).entries()) {
      const needs = layout.holders[partition]?.includes(peerNamed('host 1')) === true
      assert.deepEqual(extra, needs ? [peerNamed('host 2')] : [], 'home is covered by the laptop')
    }
  })

  it('there are none in a folder of one copy, which nobody else could give, and none where nobody is left', () => {
    const one = lay(twelve, 1)
    assert.deepEqual(lay(twelve, 1, one, [{ peer: twelve[0]?.peer ?? laptop.peer, degree: 'overdue' }]).digest, one.digest)
    const pair = [laptop, member('nas', 'home', 1)]
    assert.equal(lay(pair, 2, lay(pair, 2), gone('overdue', 'nas')).holders[7]?.length, 2)
  })

  it('are known again after a restart, and to whoever is told of them by name', () => {
    const pool = [laptop, ...['a', 'b', 'c'].map((name) => member(name, name, 2))]
    const after = lay(pool, 2, lay(pool, 2), gone('overdue', 'a', 'laptop'))
    const kept = decodeLayout(encodeLayout(after))
    assert.deepEqual(kept?.holders, after.holders)
    assert.deepEqual(kept?.digest, after.digest)
    for (const holders of after.holders) assert.ok(holders.filter((peer) => ![peerNamed('a'), laptop.peer].includes(peer)).length >= 2)
  })
})
