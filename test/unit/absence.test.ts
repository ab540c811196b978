// Absence by degrees: what one node makes of another that does not answer, and what a folder makes of it together.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { present } from '../../engine/base/assert.ts'
import { absenceProblems } from '../../engine/compose/absence-problems.ts'
import type { NodeClass } from '../../engine/model/folder.ts'
import type { PeerId } from '../../engine/model/ids.ts'
import {
  afterRound,
  degreeOf,
  doubtedLink,
  emptyLedger,
  patienceWith,
  type AbsenceLedger,
  type Degree,
  type Expectation,
} from '../../engine/replicas/absence.ts'
import { agreedAbsences, editionToRefute, type AbsenceMark } from '../../engine/replicas/absence-marks.ts'
import { AbsencePool, dayMs, hourMs, roundMs, type PoolNode } from '../support/absence-pool.ts'
import { peerNamed } from '../support/placement-pools.ts'

const peer = peerNamed('peer')
const witness = peerNamed('witness')
const known = [peer, witness]
const nobody: ReadonlySet<PeerId> = new Set()
const alwaysOn: Expectation = { class: 'always-on', sleepMs: undefined }

/** Rounds for so long, in which `witness` answers and `peer` does so or not. */
function pass(ledger: AbsenceLedger, durationMs: number, answers: boolean): AbsenceLedger {
  const answered = new Set(answers ? known : [witness])
  let next = ledger
  for (let timeMs = 0; timeMs < durationMs; timeMs += roundMs)
    next = afterRound(next, { elapsedMs: roundMs, known, answered, asleep: nobody })
  return next
}

function degreeAfter(awayMs: number, expected: Expectation, before: AbsenceLedger = emptyLedger): Degree {
  return degreeOf(pass(pass(before, hourMs, true), awayMs, false).peers.get(peer), expected)
}

describe('one node judges another', () => {
  it('is down after three misses in a row and up after two answers, not before', () => {
    const answers = [false, false, true, false, false, false, true, false, true, true]
    const downs: boolean[] = []
    let ledger = pass(emptyLedger, hourMs, true)
    for (const answer of answers) {
      ledger = pass(ledger, roundMs, answer)
      downs.push(ledger.peers.get(peer)?.isDown === true)
    }
    assert.deepEqual(downs, [false, false, false, false, false, true, true, true, true, false])
  })

  const rows: readonly [NodeClass, number, Degree][] = [
    ['always-on', 2 * roundMs, 'here'],
    ['always-on', 5 * roundMs, 'offline'],
    ['always-on', hourMs, 'away'],
    ['always-on', 13 * hourMs, 'overdue'],
    ['always-on', 7.1 * dayMs, 'lost'],
    ['daily', 2.9 * dayMs, 'away'],
    ['daily', 3.1 * dayMs, 'overdue'],
    ['daily', 29 * dayMs, 'overdue'],
    ['daily', 30.1 * dayMs, 'lost'],
    ['occasional', 13 * dayMs, 'away'],
    ['occasional', 15 * dayMs, 'overdue'],
    ['occasional', 89 * dayMs, 'overdue'],
    ['occasional', 90.1 * dayMs, 'lost'],
  ]
  for (const [nodeClass, awayMs, degree] of rows) {
    it(`${nodeClass}, gone for ${(awayMs / dayMs).toFixed(2)} days: ${degree}`, () => {
      assert.equal(degreeAfter(awayMs, { class: nodeClass, sleepMs: undefined }), degree)
    })
  }

  it('a node that sleeps every weekend is overdue on its first Sunday, and never again', () => {
    let ledger = pass(emptyLedger, hourMs, true)
    const sundays: Degree[] = []
    for (let week = 0; week < 8; week++) {
      ledger = pass(ledger, 60 * hourMs, false)
      sundays.push(degreeOf(ledger.peers.get(peer), alwaysOn))
      ledger = pass(ledger, 7 * dayMs - 60 * hourMs, true)
    }
    assert.deepEqual(sundays, ['overdue', 'overdue', ...Array<Degree>(6).fill('away')])
    assert.equal(degreeAfter(15 * dayMs, alwaysOn, ledger), 'lost', 'its habits make nobody wait for ever')
  })

  it('one long journey is no habit, and habits of half a year ago are none either', () => {
    const once = pass(pass(emptyLedger, hourMs, true), 6 * dayMs, false)
    assert.equal(degreeAfter(13 * hourMs, alwaysOn, pass(once, dayMs, true)), 'overdue')
    const twice = pass(pass(pass(once, dayMs, true), 6 * dayMs, false), dayMs, true)
    assert.equal(degreeAfter(13 * hourMs, alwaysOn, twice), 'away')
    const later = pass(pass(pass(twice, 61 * dayMs, true), 2 * hourMs, false), dayMs, true)
    assert.equal(degreeAfter(13 * hourMs, alwaysOn, later), 'overdue')
  })

  it('who said that it goes is asleep, and for as long as it said nobody worries', () => {
    assert.equal(degreeAfter(hourMs, { class: 'always-on', sleepMs: 0 }), 'asleep')
    assert.equal(degreeAfter(13 * hourMs, { class: 'always-on', sleepMs: 0 }), 'overdue')
    assert.equal(degreeAfter(8 * dayMs, { class: 'always-on', sleepMs: 10 * dayMs }), 'asleep')
    assert.equal(degreeAfter(11 * dayMs, { class: 'always-on', sleepMs: 10 * dayMs }), 'overdue')
    assert.equal(degreeAfter(18 * dayMs, { class: 'always-on', sleepMs: 10 * dayMs }), 'lost')
    const forEver = patienceWith([], { class: 'always-on', sleepMs: 1e15 })
    assert.ok(forEver.lostAfterMs <= 97 * dayMs, 'up to a bound')
  })

  it('scenario T24: a node that flaps, 30 min on and off for a week, is never more than away, and no time adds up', () => {
    let ledger = pass(emptyLedger, hourMs, true)
    const seen = new Set<Degree>()
    for (let turn = 0; turn < 7 * 24; turn++) {
      ledger = pass(ledger, 30 * roundMs, false)
      seen.add(degreeOf(ledger.peers.get(peer), alwaysOn))
      ledger = pass(ledger, 30 * roundMs, true)
      seen.add(degreeOf(ledger.peers.get(peer), alwaysOn))
    }
    assert.deepEqual(seen, new Set(['away', 'here']))
    assert.equal(degreeAfter(13 * hourMs, alwaysOn, ledger), 'overdue', 'and it has not bought itself patience')
  })

  it('scenario T31: a machine that slept for five days, or whose clock stands still, has seen nobody be away for that long', () => {
    const before = pass(pass(emptyLedger, hourMs, true), hourMs, false)
    const woken = afterRound(before, { elapsedMs: 5 * dayMs, known, answered: new Set([witness]), asleep: nobody })
    assert.equal(degreeOf(woken.peers.get(peer), alwaysOn), 'away')
    assert.ok(woken.awakeMs - before.awakeMs <= roundMs)
    let frozen = before
    for (let round = 0; round < 10; round++)
      frozen = afterRound(frozen, { elapsedMs: 0, known, answered: new Set([witness]), asleep: nobody })
    assert.equal(frozen.peers.get(peer)?.awayMs, before.peers.get(peer)?.awayMs)
    const back = afterRound(before, { elapsedMs: -365 * dayMs, known, answered: new Set([witness]), asleep: nobody })
    assert.equal(back.awakeMs, before.awakeMs)
  })

  it('forgets who is no member any more', () => {
    const ledger = afterRound(pass(emptyLedger, hourMs, false), {
      elapsedMs: roundMs,
      known: [witness],
      answered: new Set(),
      asleep: nobody,
    })
    assert.deepEqual([...ledger.peers.keys()], [witness])
  })

  it('does not doubt its link for laptops that said goodbye in the evening, when a server dies a minute before', () => {
    const laptops = ['a', 'b', 'c'].map(peerNamed)
    const all = [...laptops, peer, witness]
    const run = (asleep: ReadonlySet<PeerId>): Degree => {
      let ledger = emptyLedger
      for (let timeMs = 0; timeMs < dayMs; timeMs += roundMs) {
        const isEvening = timeMs > 2 * hourMs
        const gone = [...(isEvening ? [peer] : []), ...(timeMs > 2 * hourMs + roundMs ? laptops : [])]
        ledger = afterRound(ledger, { elapsedMs: roundMs, known: all, answered: new Set(all.filter((one) => !gone.includes(one))), asleep })
      }
      return degreeOf(ledger.peers.get(peer), alwaysOn)
    }
    assert.equal(run(new Set(laptops)), 'overdue')
    assert.equal(run(nobody), 'offline')
  })

  it('doubts its own link while more went together than are left, and does not count that time', () => {
    const many = ['a', 'b', 'c', 'd', 'e'].map(peerNamed)
    const run = (ledger: AbsenceLedger, durationMs: number, answering: number): AbsenceLedger => {
      let next = ledger
      const answered = new Set(many.slice(0, answering))
      for (let timeMs = 0; timeMs < durationMs; timeMs += roundMs)
        next = afterRound(next, { elapsedMs: roundMs, known: many, answered, asleep: nobody })
      return next
    }
    const alone = run(run(emptyLedger, hourMs, 5), 10 * dayMs, 2)
    assert.equal(doubtedLink(alone.peers, nobody).size, 3)
    assert.deepEqual(new Set(many.map((one) => degreeOf(alone.peers.get(one), alwaysOn))), new Set(['here', 'offline']))
    const one = run(alone, 13 * hourMs, 3)
    assert.equal(doubtedLink(one.peers, nobody).size, 0)
    assert.equal(degreeOf(one.peers.get(peerNamed('e')), alwaysOn), 'overdue', 'once others are back it counts from there')
    const staggered = run(run(run(emptyLedger, hourMs, 5), dayMs, 3), dayMs, 2)
    assert.equal(degreeOf(staggered.peers.get(peerNamed('e')), alwaysOn), 'overdue', 'two went together, and one later')
  })
})

describe('a folder judges a member', () => {
  const roles = { a: 'owner', b: 'write', h: 'host', i: 'host', j: 'host' } as const
  const members = Object.entries(roles).map(([name, role]) => ({
    peer: peerNamed(name),
    nodeKey: new Uint8Array(32),
    role,
    name,
    isRetired: false,
  }))
  const lost = (name: string, cardEdition = 5): AbsenceMark => ({ peer: peerNamed(name), cardEdition, degree: 'lost' })
  const overdue = (name: string): AbsenceMark => ({ ...lost(name), degree: 'overdue' })

  function agreed(said: Readonly<Record<string, readonly AbsenceMark[]>>, retired: readonly string[] = []): Record<string, string> {
    const marked = new Map(Object.entries(said).map(([name, marks]) => [peerNamed(name), marks]))
    const found = agreedAbsences({
      members: members.map((member) => ({ ...member, isRetired: retired.includes(member.name) })),
      marksOf: (author) => marked.get(author) ?? [],
      cardEditionOf: () => 5,
    })
    return Object.fromEntries([...found].map(([id, degree]) => [members.find((one) => one.peer === id)?.name ?? '?', degree]))
  }

  const rows: readonly [string, Record<string, string>, Parameters<typeof agreed>][] = [
    ['one that may write is believed', { j: 'lost' }, [{ b: [lost('j')] }]],
    ['one host is not', {}, [{ h: [lost('j')] }]],
    ['half of the others is not enough', {}, [{ h: [lost('j')], i: [lost('j')] }]],
    ['more than half of the others is, none of them a writer', { j: 'lost' }, [{ h: [lost('j')], i: [lost('j')] }, ['b']]],
    ['overdue is what is left when not all say lost', { j: 'overdue' }, [{ h: [lost('j')], i: [overdue('j')] }, ['b']]],
    ['whoever was retired says nothing', {}, [{ b: [lost('j')] }, ['b']]],
    ['nobody says anything of itself', {}, [{ a: [lost('a')] }]],
    ['a newer card refutes it', {}, [{ a: [lost('j', 4)] }]],
    ['a card that nobody has seen is not spoken of', {}, [{ a: [lost('j', 6)] }]],
  ]
  for (const [name, expected, args] of rows) it(name, () => assert.deepEqual(agreed(...args), expected))

  it('who is marked raises its card over the mark, once', () => {
    const self = peerNamed('j')
    assert.equal(editionToRefute(self, 5, [lost('j', 5), lost('h', 9)]), 5)
    assert.equal(editionToRefute(self, 5, [lost('j', 8), lost('j', 5)]), 8, 'also where it had forgotten how far it was')
    assert.equal(editionToRefute(self, 6, [lost('j', 5)]), undefined)
  })
})

const five: readonly PoolNode[] = [
  { name: 'laptop', role: 'owner', class: 'daily' },
  { name: 'desk', role: 'write', class: 'daily' },
  { name: 'attic', role: 'host', class: 'always-on' },
  { name: 'cellar', role: 'host', class: 'always-on' },
  { name: 'rented', role: 'host', class: 'always-on' },
]
const six: readonly PoolNode[] = [...five, { name: 'friend', role: 'host', class: 'always-on' }]

/** All reach all until `fromMs`; then the sides do not, until `toMs`. */
function cut(sides: readonly (readonly string[])[], fromMs: number, toMs: number): (from: string, to: string, timeMs: number) => boolean {
  const sideOf = (name: string): number => sides.findIndex((side) => side.includes(name))
  return (from, to, timeMs) => timeMs < fromMs || timeMs >= toMs || sideOf(from) === sideOf(to)
}

describe('a folder over time', () => {
  it('scenario T20: one node lost forever: overdue after its time, lost after the class timeout, for everybody alike', () => {
    const pool = new AbsencePool(five)
    const reach = (from: string, to: string, timeMs: number): boolean => timeMs < dayMs || (from !== 'cellar' && to !== 'cellar')
    pool.run(dayMs + 13 * hourMs, reach)
    const others = five.map(({ name }) => name).filter((name) => name !== 'cellar')
    for (const name of others) assert.deepEqual([...pool.agreed(name)], [['cellar', 'overdue']], name)
    pool.run(7 * dayMs, reach)
    for (const name of others) assert.deepEqual([...pool.agreed(name)], [['cellar', 'lost']], name)
  })

  it('scenario T21: two of three lost at once (different homes) are lost, since as many are left as went', () => {
    const pool = new AbsencePool(five)
    const gone = ['attic', 'rented']
    pool.run(9 * dayMs, (from, to, timeMs) => timeMs < dayMs || (!gone.includes(from) && !gone.includes(to)))
    assert.deepEqual(Object.fromEntries(pool.agreed('laptop')), { attic: 'lost', rented: 'lost' })
  })

  it('scenario T23: node returns after it was lost: its first word ends that everywhere, and it is what it was', () => {
    const pool = new AbsencePool(five)
    const reach = (from: string, to: string, timeMs: number): boolean =>
      timeMs < dayMs || timeMs >= 10 * dayMs || (from !== 'cellar' && to !== 'cellar')
    pool.run(10 * dayMs, reach)
    assert.deepEqual([...pool.agreed('laptop')], [['cellar', 'lost']])
    pool.run(hourMs, reach)
    for (const { name } of five) assert.equal(pool.agreed(name).size, 0, name)
  })

  it('scenario T25: partition 50/50 for 2 h and 10 d: neither side takes the other for lost, so there is no repair storm', () => {
    for (const lengthMs of [2 * hourMs, 10 * dayMs]) {
      const pool = new AbsencePool(six)
      pool.run(
        dayMs + lengthMs + hourMs,
        cut(
          [
            ['laptop', 'attic', 'friend'],
            ['desk', 'cellar', 'rented'],
          ],
          dayMs,
          dayMs + lengthMs,
        ),
      )
      assert.deepEqual([...pool.everAgreed], [])
    }
  })

  it('of two sides that are not alike only the greater acts, and takes it back when they meet', () => {
    const pool = new AbsencePool(five)
    const reach = cut(
      [
        ['laptop', 'attic', 'cellar'],
        ['desk', 'rented'],
      ],
      dayMs,
      9 * dayMs,
    )
    pool.run(9 * dayMs, reach)
    assert.deepEqual(Object.fromEntries(pool.agreed('laptop')), { rented: 'lost', desk: 'overdue' })
    assert.deepEqual([...pool.agreed('desk'), ...pool.agreed('rented')], [])
    pool.run(hourMs, reach)
    for (const { name } of five) assert.equal(pool.agreed(name).size, 0, name)
  })

  it('scenario T26: partition where one side has a single node: the mass-absence guard freezes it', () => {
    const pool = new AbsencePool(five)
    const others = five.map(({ name }) => name).filter((name) => name !== 'attic')
    pool.run(9 * dayMs, cut([['attic'], others], dayMs, Infinity))
    assert.equal(pool.agreed('attic').size, 0)
    for (const name of others) assert.equal(pool.degree('attic', name), 'offline')
    assert.equal(pool.agreed('desk').get('attic'), 'lost', 'the others do not freeze')
  })

  it('a node that one member cannot reach, but others can, is nothing but away for that one', () => {
    const pool = new AbsencePool(five)
    const blocked = (one: string, other: string): boolean => one === 'laptop' && other === 'cellar'
    pool.run(8 * dayMs, (from, to) => !blocked(from, to) && !blocked(to, from))
    assert.deepEqual([...pool.everAgreed], [])
    assert.ok(['offline', 'away'].includes(pool.degree('laptop', 'cellar')))
  })

  it('laptops that are off every night and server that never is make nobody overdue', () => {
    const pool = new AbsencePool(five)
    const isOn = (name: string, timeMs: number): boolean => !['laptop', 'desk'].includes(name) || timeMs % dayMs < 8 * hourMs
    pool.run(10 * dayMs, (from, to, timeMs) => isOn(from, timeMs) && isOn(to, timeMs))
    assert.deepEqual([...pool.everAgreed], [])
  })
})

describe('what is told of a member that is away for too long', () => {
  const told = (degree: 'overdue' | 'lost', isWaitedFor: boolean): string =>
    present(absenceProblems('Photos', [{ peer: 'x', name: 'attic', degree, isWaitedFor }], undefined)[0], 'a problem').text

  it('says whether hosts wait for it before they give room back', () => {
    for (const degree of ['overdue', 'lost'] as const) {
      assert.match(told(degree, true), /^attic has been away for .*; until it has been heard of, hosts give no room back/)
      assert.doesNotMatch(told(degree, false), /room/)
    }
  })
})
