// The layout that owners publish: told as it was signed, the same for everybody, and from each to the next little moves.

import assert from 'node:assert/strict'
import { describe, it, test } from 'node:test'
import { bytesKey, toHex } from '../../engine/base/bytes.ts'
import { createIdentity } from '../../engine/crypto/identity.ts'
import { parseBlockId } from '../../engine/model/ids.ts'
import { present } from '../../engine/base/assert.ts'
import { LayoutShelf } from '../../engine/replicas/layout-shelf.ts'
import { layOut, placementFacts } from '../../engine/replicas/place.ts'
import { parsePublishedLayout, publishesInMs, signLayout } from '../../engine/replicas/published-layout.ts'
import { stillClock, testFolder } from '../support/blocks.ts'
import { LayoutWorld, publishedOf, type LayoutNode } from '../support/layout-world.ts'
import { leastMoved, loadsOf, member, movedBetween, pools, changes } from '../support/placement-pools.ts'

const [ada, ben, host] = [1, 2, 3].map((number) => createIdentity(new Uint8Array(32).fill(number)))
assert.ok(ada !== undefined && ben !== undefined && host !== undefined)
const folder = testFolder(3)
const twelve = pools[1]?.members ?? []
const minuteMs = 60_000

function laid(members = twelve, step = 1) {
  const input = { folder, members, targetCopies: 3 }
  return { step, facts: placementFacts(input), layout: layOut(input) }
}

function digests(world: LayoutWorld): ReadonlySet<string> {
  return new Set(world.nodes.map(({ layout }) => toHex(layout.own.layout)))
}

describe('a published layout', () => {
  it('is the same after it was bytes, and names its publisher', () => {
    const { step, facts, layout } = laid()
    const parsed = parsePublishedLayout(signLayout(ada, folder, { step, facts, layout }, 7), folder)
    assert.ok(parsed !== undefined)
    assert.equal(parsed.publisher, ada.peerId)
    assert.deepEqual([parsed.step, toHex(parsed.facts)], [1, toHex(facts)])
    const { digest, everywhere, peers, copies, slots, holders } = layout
    assert.deepEqual(parsed.layout, { digest, everywhere, peers, copies, slots, holders })
  })

  it('of another folder, changed on the way or of no step is refused', () => {
    const bytes = signLayout(ada, folder, laid(), 7)
    assert.equal(parsePublishedLayout(bytes, testFolder(4)), undefined)
    for (const at of [3, 60, 200, bytes.length - 1]) {
      assert.equal(
        parsePublishedLayout(
          Uint8Array.from(bytes, (byte, index) => (index === at ? byte ^ 1 : byte)),
          folder,
        ),
        undefined,
        `byte ${at}`,
      )
    }
    assert.equal(parsePublishedLayout(signLayout(ada, folder, laid(twelve, 0), 7), folder), undefined)
    assert.equal(parsePublishedLayout(bytes.subarray(0, -70), folder), undefined)
  })

  it('of somebody who is no owner changes nothing', async () => {
    await using world = new LayoutWorld()
    const node = world.add(host, 'host', twelve, [ada])
    await world.runFor(minuteMs)
    const before = node.layout.own.layout
    node.layout.shelf.take(signLayout(ben, folder, laid(twelve.slice(2)), 7))
    await world.runFor(minuteMs)
    assert.equal(node.layout.shelf.published, undefined)
    assert.deepEqual(node.layout.own.layout, before)
  })

  it('scenario 105: gives to others, alike on all nodes, what a full host does not offer any more, and moves little else', async () => {
    await using world = new LayoutWorld()
    const [full] = twelve
    assert.ok(full !== undefined)
    const owner = world.add(ada, 'owner', twelve, [ada])
    world.add(host, 'host', twelve, [ada])
    await world.runFor(minuteMs)
    const before = publishedOf(owner).layout
    world.offers.set(full.peer, { isFull: true, share: 32_768 })
    for (const { layout } of world.nodes) layout.wake()
    await world.runFor(5 * minuteMs)
    assert.equal(digests(world).size, 1)
    const after = publishedOf(owner).layout
    const [had, has] = [before, after].map((layout) => loadsOf(layout).get(full.peer) ?? 0)
    assert.ok(had !== undefined && has !== undefined && has < had * 0.6, `${had} partitions, then ${has}`)
    assert.ok(movedBetween(before, after) < (had - has) * 1.3, `${movedBetween(before, after)} moved`)
    world.offers.delete(full.peer)
    for (const { layout } of world.nodes) layout.wake()
    await world.runFor(5 * minuteMs)
    assert.ok((loadsOf(publishedOf(owner).layout).get(full.peer) ?? 0) > had * 0.95)
  })

  it('is known again after a restart, with what it gives to whom', async () => {
    await using world = new LayoutWorld()
    const owner = world.add(ada, 'owner', twelve, [ada])
    await world.runFor(minuteMs)
    const { shelf } = owner.layout
    const again = new LayoutShelf({
      index: owner.index,
      folder: { row: 1, id: folder },
      clock: stillClock,
      isOwner: () => true,
      changed: () => undefined,
    })
    assert.equal(toHex(again.mark), toHex(shelf.mark))
    assert.equal(again.mark.length, 16)
    assert.ok(again.of(publishedOf(owner).layout.digest) !== undefined)
  })

  it('is used as it is by who sees what its owner saw, and costs nobody else a computation', async () => {
    await using world = new LayoutWorld()
    world.add(ada, 'owner', twelve, [ada])
    await world.runFor(minuteMs)
    const late = world.add(host, 'host', twelve, [ada])
    late.layout.shelf.take(publishedOf(world.nodes[0] as LayoutNode).bytes)
    await world.runFor(minuteMs)
    assert.equal(digests(world).size, 1)
    assert.equal(late.computed, 1) // at its start, before it heard of anything
  })
})

describe('an owner publishes', () => {
  const now = { self: ada.peerId, facts: Uint8Array.of(1), copies: 3 }
  for (const [what, published, seen, ageMs, expected] of [
    ['at once when nothing is published', undefined, now, 0, 0],
    ['nothing while nobody keeps a share', undefined, { ...now, copies: 0 }, 0, undefined],
    ['nothing when what is published is what it sees', { publisher: ben.peerId, facts: Uint8Array.of(1) }, now, 1e9, undefined],
    ['15 seconds after its own last', { publisher: ada.peerId, facts: Uint8Array.of(2) }, now, 5_000, 10_000],
    ['10 minutes after another owner', { publisher: ben.peerId, facts: Uint8Array.of(2) }, now, minuteMs, 9 * minuteMs],
    ['at once when that is long ago', { publisher: ben.peerId, facts: Uint8Array.of(2) }, now, 1e9, 0],
  ] as const) {
    it(what, () => assert.equal(publishesInMs(published, seen, ageMs), expected))
  }
})

test('what moves when members join, leave or change what they offer is at most 1.05 of the least, step by published step, and all agree', async () => {
  await using world = new LayoutWorld()
  world.add(ada, 'owner', twelve, [ada])
  world.add(host, 'host', twelve, [ada])
  await world.runFor(minuteMs)
  let [moved, least] = [0, 0]
  let pool = twelve
  for (const [at, change] of [changes[0], changes[2], changes[4], changes[6]].entries()) {
    assert.ok(change !== undefined)
    const [from, before] = [publishedOf(world.nodes[0] as LayoutNode), layOut({ folder, members: pool, targetCopies: 3 })]
    pool = change.after(pool)
    world.setCards(pool)
    await world.runFor(2 * minuteMs)
    const next = publishedOf(world.nodes[0] as LayoutNode)
    assert.equal(next.step, from.step + 1, change.name)
    assert.equal(digests(world).size, 1, change.name)
    const must = leastMoved({ ...before, peers: from.layout.peers }, layOut({ folder, members: pool, targetCopies: 3 }))
    const did = movedBetween(from.layout, next.layout)
    assert.ok(did <= must * 4096 * 1.05 + 2, `${at}: ${change.name}: ${did} of ${must * 4096} partitions`)
    moved += did
    least += must * 4096
  }
  assert.ok(moved > 0 && moved <= 1.05 * least, `${moved} of ${least}`)
})

test('while the owner is away a change is laid from what was published last, alike by all, and the owner publishes it when it is back', async () => {
  await using world = new LayoutWorld()
  const owner = world.add(ada, 'owner', twelve, [ada])
  const [left, right] = [world.add(ben, 'host', twelve, [ada]), world.add(host, 'host', twelve, [ada])]
  await world.runFor(minuteMs)
  owner.isConnected = false
  const fewer = twelve.toSpliced(5, 1)
  for (const node of [left, right]) world.setCardsOf(node, fewer)
  await world.runFor(minuteMs)
  assert.equal(bytesKey(left.layout.own.layout), bytesKey(right.layout.own.layout))
  const laidAlone = bytesKey(left.layout.own.layout)
  assert.notEqual(laidAlone, bytesKey(owner.layout.own.layout))
  owner.isConnected = true
  world.setCardsOf(owner, fewer)
  await world.runFor(2 * minuteMs)
  assert.equal(publishedOf(left).step, 2)
  // Publishing confirmed what the hosts had laid: nothing had to be looked through again.
  assert.deepEqual([...digests(world)].length, 1)
  assert.equal(bytesKey(left.layout.own.layout), laidAlone)
})

test('scenario T36: two admins publish epoch e+1: deterministic winner, loser re-based, no split assignment', async () => {
  await using world = new LayoutWorld()
  const [first, second] = [world.add(ada, 'owner', twelve, [ada, ben]), world.add(ben, 'owner', twelve, [ada, ben])]
  const store = world.add(host, 'host', twelve, [ada, ben])
  await world.runFor(minuteMs)
  assert.equal(publishedOf(second).step, 1)
  // Cut off from each other, each learns of another newcomer, long after the last step.
  await world.runFor(20 * minuteMs)
  for (const node of world.nodes) node.isConnected = false
  const [office, rented] = [member('at ada', 'office', 4), member('at ben', 'rented', 4)]
  world.setCardsOf(first, [...twelve, office])
  world.setCardsOf(second, [...twelve, rented])
  await world.runFor(minuteMs)
  const rivals = [publishedOf(first), publishedOf(second)]
  assert.deepEqual(
    rivals.map(({ step }) => step),
    [2, 2],
  )
  assert.notEqual(toHex(rivals[0]?.hash ?? new Uint8Array(0)), toHex(rivals[1]?.hash ?? new Uint8Array(0)))
  // A third member hears of both, in either order: the same one counts.
  const winner = rivals.toSorted((left, right) => (toHex(left.hash) < toHex(right.hash) ? -1 : 1))[0]
  assert.ok(winner !== undefined)
  for (const order of [rivals, rivals.toReversed()]) for (const { bytes } of order) store.layout.shelf.take(bytes)
  assert.equal(publishedOf(store).publisher, winner.publisher)
  // They meet: all have the winner's.
  for (const node of world.nodes) node.isConnected = true
  world.meet()
  await world.runFor(1000)
  for (const node of world.nodes) assert.equal(toHex(publishedOf(node).hash), toHex(winner.hash))
  // The winner goes; the others learn of both newcomers, and the loser begins where the winner ended.
  const both = [...twelve, office, rented]
  const others = world.nodes.filter(({ identity }) => identity.peerId !== winner.publisher)
  for (const node of world.nodes) if (!others.includes(node)) node.isConnected = false
  for (const node of others) world.setCardsOf(node, both)
  await world.runFor(minuteMs)
  for (const node of others) assert.equal(toHex(publishedOf(node).hash), toHex(winner.hash))
  assert.equal(
    new Set(others.map(({ layout }) => toHex(layout.own.layout))).size,
    1,
    'all lay alike from the winner, before anybody publishes',
  )
  await world.runFor(20 * minuteMs)
  const last = publishedOf(store)
  assert.equal(last.step, 3)
  assert.notEqual(last.publisher, winner.publisher)
  world.setCards(both)
  for (const node of world.nodes) node.isConnected = true
  world.meet()
  await world.runFor(20 * minuteMs)
  assert.equal(toHex(publishedOf(first).hash), toHex(publishedOf(second).hash))
  assert.equal(publishedOf(first).step, 3, 'nobody publishes again what all see')
  assert.deepEqual(new Set(last.layout.peers), new Set(both.map(({ peer }) => peer)))
  assert.equal(digests(world).size, 1)
  // Re-based on the winner: what its newcomer was given it keeps but for the part that the other's newcomer must have.
  const least = leastMoved(
    layOut({ folder, members: winner.publisher === ada.peerId ? [...twelve, office] : [...twelve, rented], targetCopies: 3 }),
    layOut({ folder, members: both, targetCopies: 3 }),
  )
  assert.ok(movedBetween(winner.layout, last.layout) <= least * 4096 * 1.05 + 2)
  const block = present(parseBlockId(Uint8Array.of(1, ...new Uint8Array(32).fill(7))), 'an id')
  assert.equal(new Set(world.nodes.map(({ layout }) => layout.holdersNow(block).join())).size, 1)
})
