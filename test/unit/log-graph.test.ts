// Owners who act without knowing of each other: everybody comes to the same, and who was put out gains nothing by what it claims to have
// done before.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import fc from 'fast-check'

import { present } from '../../engine/base/assert.ts'
import { toHex } from '../../engine/base/bytes.ts'
import { createIdentity, type Identity } from '../../engine/crypto/identity.ts'
import type { Role } from '../../engine/model/folder.ts'
import { authorIdOf } from '../../engine/sync/folder-handle.ts'
import { signEntry, type LogFact, type SignedEntry } from '../../engine/share/log-entry.ts'
import { LogGraph } from '../../engine/share/log-graph.ts'

const people = Array.from({ length: 6 }, (_, at) => createIdentity(new Uint8Array(32).fill(at + 1)))
const [ada, ben, cleo, dan, eve, fay] = people
assert.ok(ada && ben && cleo && dan && eve && fay)

function added(identity: Identity, role: Role): LogFact {
  return { kind: 'memberAdded', nodeKey: identity.publicKey, role, nodeName: 'node', linkId: new Uint8Array(8) }
}

function removed(identity: Identity): LogFact {
  return { kind: 'memberRemoved', nodeKey: identity.publicKey, counted: [] }
}

/** A node that has the log as far as it heard. */
class Replica {
  graph: LogGraph

  constructor(graph: LogGraph) {
    this.graph = graph
  }

  write(signer: Identity, fact: LogFact): SignedEntry {
    const entry = signEntry(signer, this.graph.heads, fact, 5)
    this.graph = this.graph.with([entry]).graph
    return entry
  }

  hear(other: Replica): void {
    const lacking = other.graph.beyond(this.graph.heads.map(({ hash }) => hash))
    this.graph = this.graph.with(lacking).graph
  }
}

/** Ada made the folder and let in Ben, then Cleo as owners, Dan to write. */
function openLog(): LogGraph {
  const first = signEntry(
    ada ?? assert.fail(),
    [],
    { kind: 'created', folderName: 'notes', nonce: new Uint8Array(16), nodeName: 'desk', targetCopies: 2 },
    1,
  )
  const replica = new Replica(LogGraph.of([first]))
  const let_in = [added(ben ?? assert.fail(), 'owner'), added(cleo ?? assert.fail(), 'owner'), added(dan ?? assert.fail(), 'write')]
  for (const fact of let_in) replica.write(ada ?? assert.fail(), fact)
  return replica.graph
}

function apart(count: number): readonly Replica[] {
  const graph = openLog()
  return Array.from({ length: count }, () => new Replica(graph))
}

function meet(replicas: readonly Replica[]): void {
  for (let round = 0; round < replicas.length; round++) {
    for (const one of replicas) for (const other of replicas) if (one !== other) one.hear(other)
  }
}

function stateOf({ graph: { state } }: Replica): unknown {
  return {
    members: state.members.map(({ nodeKey, role, isRetired }) => [toHex(nodeKey), role, isRetired]),
    removed: [...state.removed.keys()],
    owners: [...state.ownerSince].map(([key, { position }]) => [key, position]),
    targetCopies: state.targetCopies,
  }
}

function roleIn({ graph }: Replica, identity: Identity): Role | undefined {
  return graph.state.members.find(({ peer }) => peer === identity.peerId)?.role
}

describe('owners who act at the same time', () => {
  it('let in two members apart, and both are members everywhere', () => {
    const [one, other] = apart(2)
    assert.ok(one && other)
    one.write(ada, added(eve, 'write'))
    other.write(ben, added(fay, 'host'))
    meet([one, other])
    assert.deepEqual([roleIn(one, eve), roleIn(one, fay)], ['write', 'host'])
    assert.deepEqual(stateOf(one), stateOf(other))
    assert.equal(one.graph.heads.length, 2)
    one.write(cleo, { kind: 'settingsChanged', targetCopies: 3 })
    assert.equal(one.graph.heads.length, 1, 'what is written next continues both')
    other.hear(one)
    assert.deepEqual(stateOf(one), stateOf(other))
  })

  it('change one setting apart, and all come to the same value', () => {
    const [one, other] = apart(2)
    assert.ok(one && other)
    one.write(ada, { kind: 'settingsChanged', targetCopies: 3 })
    other.write(ben, { kind: 'settingsChanged', targetCopies: 4 })
    meet([one, other])
    assert.deepEqual(stateOf(one), stateOf(other))
  })

  it('put each other out: the one who was an owner first stays, and whom the other let in meanwhile does not', () => {
    const [one, other] = apart(2)
    assert.ok(one && other)
    other.write(cleo, added(eve, 'owner'))
    other.write(eve, added(fay, 'write'))
    other.write(cleo, removed(ben))
    one.write(ben, removed(cleo))
    meet([one, other])
    assert.deepEqual(
      [ben, cleo, eve, fay].map((each) => roleIn(one, each)),
      ['owner', undefined, undefined, undefined],
    )
    assert.deepEqual(stateOf(one), stateOf(other))
  })

  it('put out one who let in and put out others meanwhile: it is out, whom it let in is not in, and what an earlier owner put out stays out', () => {
    const [one, other] = apart(2)
    assert.ok(one && other)
    one.write(ada, removed(dan))
    one.write(ada, added(eve, 'write'))
    other.write(cleo, removed(ada))
    meet([one, other])
    assert.deepEqual(
      [ada, dan, eve].map((each) => roleIn(one, each)),
      [undefined, undefined, undefined],
    )
    assert.deepEqual(stateOf(one), stateOf(other))
  })

  it('put each other out in a ring: the first of them is heard first', () => {
    const replicas = apart(3)
    const [one, two, three] = replicas
    assert.ok(one && two && three)
    one.write(ada, removed(ben))
    two.write(ben, removed(cleo))
    three.write(cleo, removed(ada))
    meet(replicas)
    for (const replica of replicas) {
      assert.deepEqual(
        [ada, ben, cleo].map((each) => roleIn(replica, each)),
        [undefined, undefined, 'owner'],
      )
    }
  })

  it('put out and let in one member apart: it is out, and may be let in again by who knows', () => {
    const [one, other] = apart(2)
    assert.ok(one && other)
    one.write(ada, removed(dan))
    other.write(ben, { kind: 'settingsChanged', targetCopies: 3 })
    other.write(ben, added(dan, 'owner')) // stands behind the removal, and still did not know of it
    meet([one, other])
    assert.deepEqual([roleIn(one, dan), roleIn(other, dan)], [undefined, undefined])
    other.write(ben, added(dan, 'read'))
    one.hear(other)
    assert.equal(roleIn(one, dan), 'read')
    assert.equal(one.graph.state.removed.size, 0)
  })
})

describe('an owner who was put out', () => {
  it('is out of what it did apart, not of what was known of it', () => {
    const [one, other] = apart(2)
    assert.ok(one && other)
    one.write(ben, added(eve, 'write'))
    other.hear(one)
    one.write(ben, added(fay, 'write'))
    other.write(ada, removed(ben))
    meet([one, other])
    assert.deepEqual([roleIn(other, eve), roleIn(other, fay)], ['write', undefined])
    assert.deepEqual(stateOf(one), stateOf(other))
  })

  it('writes what claims to be from before: it is not taken, and the log does not grow by it', () => {
    const [one, before] = apart(2)
    assert.ok(one && before)
    one.write(ada, removed(ben))
    const late = Array.from({ length: 20 }, () => before.write(ben, added(fay, 'owner')))
    const { length } = one.graph
    one.hear(before)
    assert.deepEqual([one.graph.length, roleIn(one, fay)], [length, undefined])
    assert.equal(late.length, 20)
  })

  it('wrote what an owner who did not know yet went on from: that is taken, and what it says does not count', () => {
    const [one, other, third] = apart(3)
    assert.ok(one && other && third)
    one.write(ada, removed(ben))
    other.write(ben, added(fay, 'owner'))
    other.write(cleo, added(eve, 'write'))
    third.hear(one)
    third.hear(other)
    meet([one, other, third])
    assert.deepEqual([roleIn(third, fay), roleIn(third, eve)], [undefined, 'write'])
    assert.deepEqual(stateOf(one), stateOf(third))
    assert.deepEqual(stateOf(other), stateOf(third))
  })

  it('writes on knowing that it is out: that is refused', () => {
    const [one] = apart(1)
    assert.ok(one)
    one.write(ada, removed(ben))
    assert.throws(() => one.write(ben, added(fay, 'owner')), { code: 'BAD_SIGNATURE' })
  })

  it('stays what it was made: a member who may only write cannot claim to have been an owner', () => {
    const [one, before] = apart(2)
    assert.ok(one && before)
    one.write(ada, added(ben, 'write'))
    before.write(ben, removed(ada))
    meet([one, before])
    assert.deepEqual([roleIn(one, ada), roleIn(one, ben)], ['owner', 'write'])
    assert.deepEqual(stateOf(one), stateOf(before))
  })
})

describe('a log', () => {
  it('says what of a removed member counts', () => {
    const [one] = apart(1)
    assert.ok(one)
    const author = authorIdOf(dan.publicKey, new Uint8Array(8))
    one.write(ada, { kind: 'memberRemoved', nodeKey: dan.publicKey, counted: [{ author, seq: 7 }] })
    assert.deepEqual([...one.graph.state.removed.values()], [[{ author, seq: 7 }]])
    assert.deepEqual(stateOf(new Replica(LogGraph.of(one.graph.entries))), stateOf(one))
  })

  it('is opened again as it was stored, with what an owner who was put out had claimed meanwhile', () => {
    const [one, before] = apart(2)
    assert.ok(one && before)
    before.write(ben, added(fay, 'owner'))
    one.hear(before)
    const knew = new Replica(openLog())
    knew.write(ada, removed(ben))
    one.hear(knew)
    assert.equal(roleIn(one, fay), undefined)
    assert.deepEqual(stateOf(new Replica(LogGraph.of(one.graph.entries))), stateOf(one))
  })

  it('waits with what continues entries that are missing', () => {
    const [one, other] = apart(2)
    assert.ok(one && other)
    one.write(ada, added(eve, 'write'))
    const last = one.write(ada, added(fay, 'write'))
    const { graph, hasGap } = other.graph.with([last])
    assert.deepEqual([graph.length, hasGap], [other.graph.length, true])
  })
})

type Step =
  | { readonly kind: 'act'; readonly at: number; readonly by: number; readonly fact: number; readonly whom: number }
  | { readonly kind: 'hear'; readonly at: number; readonly from: number }

const replicaCount = 3
const who = fc.nat({ max: people.length - 1 })
const where = fc.nat({ max: replicaCount - 1 })
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('act' as const), at: where, by: who, fact: fc.nat({ max: 5 }), whom: who }),
  fc.record({ kind: fc.constant('hear' as const), at: where, from: where }),
)

function factOf(number: number, whom: Identity): LogFact {
  const facts: readonly LogFact[] = [
    added(whom, 'owner'),
    added(whom, 'write'),
    removed(whom),
    removed(whom),
    { kind: 'memberRetired', nodeKey: whom.publicKey },
    { kind: 'settingsChanged', targetCopies: 1 + (number % 3) },
  ]
  return present(facts[number], 'a fact')
}

/** Owners only act where they are owners as far as they know; they may act on several nodes, as one who forges its past does. */
function run(steps: readonly Step[], replicas: readonly Replica[]): void {
  for (const each of steps) {
    const replica = present(replicas[each.at], 'a replica')
    if (each.kind === 'hear') {
      if (each.from !== each.at) replica.hear(present(replicas[each.from], 'a replica'))
      continue
    }
    const signer = present(people[each.by], 'a person')
    if (roleIn(replica, signer) === 'owner') replica.write(signer, factOf(each.fact, present(people[each.whom], 'a person')))
  }
}

describe('whatever owners do, and in whatever order it is heard', () => {
  it('all come to the same', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const replicas = apart(replicaCount)
        run(steps, replicas)
        meet(replicas)
        const [first, ...others] = replicas.map(stateOf)
        for (const other of others) assert.deepEqual(other, first)
        for (const replica of replicas) assert.deepEqual(stateOf(new Replica(LogGraph.of(replica.graph.entries))), first)
      }),
      { numRuns: 120 },
    )
  })

  it('whom nobody put out is in', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const replicas = apart(replicaCount)
        run(
          steps.filter((each) => each.kind === 'hear' || each.whom !== 0),
          replicas,
        )
        meet(replicas)
        assert.equal(roleIn(present(replicas[0], 'a replica'), ada), 'owner')
      }),
      { numRuns: 60 },
    )
  })
})
