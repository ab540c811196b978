// What a host offers once it is full: less by what it lacks, more again when it has room for long, and never back and forth.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { present } from '../../engine/base/assert.ts'
import { peerIdOf } from '../../engine/crypto/identity.ts'
import { nextOffer, offeredBytes, wholeOffer, wholeShare, type Offer, type OfferFacts } from '../../engine/replicas/offer.ts'
import { layOut } from '../../engine/replicas/place.ts'
import { partitionCount, type LayoutTable } from '../../engine/replicas/layout.ts'
import { testFolder } from '../support/blocks.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs
const gigabyte = 1_000_000_000

const full: OfferFacts = {
  keepsAll: false,
  refusedForMs: 2 * minuteMs,
  neededBytes: 50 * gigabyte,
  heldBytes: 150 * gigabyte,
  roomBytes: 0,
  mayOthersHelp: true,
  unchangedForMs: hourMs / 2,
  hasSurplus: () => false,
}
const roomy: OfferFacts = { ...full, refusedForMs: undefined, neededBytes: 0, roomBytes: 100 * gigabyte, unchangedForMs: 2 * dayMs }
const lowered: Offer = { isFull: true, share: 40_000 }

describe('the offer of a host', () => {
  const rows: readonly (readonly [name: string, Offer, Partial<OfferFacts>, Offer])[] = [
    ['falls to what fits, and a little below', wholeOffer, {}, { isFull: true, share: Math.floor(wholeShare * (150 / 200) * (15 / 16)) }],
    ['stays while the disk is full for a moment', wholeOffer, { refusedForMs: minuteMs - 1 }, wholeOffer],
    ['stays while what is lacking cannot be had from anybody', wholeOffer, { refusedForMs: undefined }, wholeOffer],
    ['stays where no other has room, and says that it is full', wholeOffer, { mayOthersHelp: false }, { isFull: true, share: wholeShare }],
    ['stays where all is to be kept, and says that it is full', wholeOffer, { keepsAll: true }, { isFull: true, share: wholeShare }],
    ['waits for surplus to make room', lowered, { hasSurplus: () => true }, lowered],
    [
      '… for an hour',
      lowered,
      { hasSurplus: () => true, unchangedForMs: hourMs },
      { isFull: true, share: Math.floor(40_000 * (150 / 200) * (15 / 16)) },
    ],
    ['waits for what the last change brings', lowered, { unchangedForMs: minuteMs / 2 }, lowered],
    ['falls to an eighth at once at most', wholeOffer, { heldBytes: 0 }, { isFull: true, share: wholeShare / 8 }],
    ['never falls to nothing', { isFull: true, share: 1 }, { heldBytes: 0 }, { isFull: true, share: 1 }],
  ]
  for (const [name, offer, facts, expected] of rows) {
    it(name, () => assert.deepEqual(nextOffer(offer, { ...full, ...facts }), expected))
  }

  const raises: readonly (readonly [name: string, Partial<OfferFacts>, Offer])[] = [
    ['rises so far that half of the room is left', {}, { isFull: false, share: Math.floor(40_000 * (1 + 50 / 150)) }],
    ['rises to all where there is room enough', { roomBytes: 500 * gigabyte }, wholeOffer],
    ['stays for a day after a change', { unchangedForMs: dayMs - 1 }, { isFull: false, share: 40_000 }],
    ['stays where a rise would be small', { roomBytes: 70 * gigabyte }, { isFull: false, share: 40_000 }],
    ['is that of a full host until there is room for a while', { roomBytes: 9 * gigabyte }, lowered],
    ['rises where nothing is held', { heldBytes: 0, roomBytes: gigabyte }, wholeOffer],
  ]
  for (const [name, facts, expected] of raises) {
    it(name, () => assert.deepEqual(nextOffer(lowered, { ...roomy, ...facts }), expected))
  }

  it('is of the capacity on the card, and of none where that is none', () => {
    assert.equal(offeredBytes(500 * gigabyte, wholeOffer), 500 * gigabyte)
    assert.equal(offeredBytes(500 * gigabyte, { isFull: true, share: wholeShare / 4 }), 125 * gigabyte)
    assert.equal(offeredBytes(10, { isFull: true, share: 1 }), 1)
    assert.equal(offeredBytes(0, lowered), 0)
  })
})

interface PoolHost {
  readonly zone: string
  /** What its card says. */
  readonly capacityBytes: number
  /** What there is room for. */
  readonly roomBytes: number
}

/** Everything moves at once where the layout says, and a minute passes; until nothing has changed for `quiet` minutes. */
function settle(
  hosts: readonly PoolHost[],
  folderBytes: number,
  copies: number,
): { readonly lacking: number; readonly changes: number; readonly minutes: number } {
  const peers = hosts.map((_, at) => peerIdOf(new Uint8Array(32).fill(at + 1)))
  const state = hosts.map(() => ({ offer: wholeOffer, changedAt: 0, refusedSince: undefined as number | undefined }))
  let previous: LayoutTable | undefined
  let wanted: readonly number[] = []
  let [changes, quiet, minutes, lacking] = [0, 0, 0, Infinity]
  for (; quiet < 3 * 24 * 60 && minutes < 100_000; minutes += quiet > 90 ? 24 * 60 : 1) {
    if (previous === undefined || quiet === 0) {
      const members = hosts.map(({ zone, capacityBytes }, at) => ({
        peer: present(peers[at], 'a host has a name'),
        zone,
        class: 'always-on' as const,
        capacityBytes: offeredBytes(capacityBytes, state[at]?.offer ?? wholeOffer),
        keep: 'share' as const,
      }))
      const layout = layOut({ folder: testFolder(1), members, targetCopies: copies, previous })
      previous = layout
      wanted = peers.map((peer) => {
        const index = layout.peers.indexOf(peer)
        return (folderBytes * layout.slots.filter((slot) => slot === index).length) / partitionCount
      })
    }
    const table = previous
    lacking = 0
    const isFull = (at: number): boolean => state[at]?.offer.isFull === true
    const before = changes
    for (const [at, host] of hosts.entries()) {
      const own = present(state[at], 'a host has a state')
      const needed = Math.max(0, (wanted[at] ?? 0) - host.roomBytes)
      lacking += needed
      own.refusedSince = needed > 0 ? (own.refusedSince ?? minutes) : undefined
      const next = nextOffer(own.offer, {
        keepsAll: false,
        refusedForMs: own.refusedSince === undefined ? undefined : (minutes - own.refusedSince) * minuteMs,
        neededBytes: needed,
        heldBytes: Math.min(wanted[at] ?? 0, host.roomBytes),
        roomBytes: Math.max(0, host.roomBytes - (wanted[at] ?? 0)),
        mayOthersHelp: table.copies < table.peers.length && hosts.some((_, other) => other !== at && !isFull(other)),
        unchangedForMs: (minutes - own.changedAt) * minuteMs,
        hasSurplus: () => false,
      })
      if (next.share !== own.offer.share) [own.changedAt, changes] = [minutes, changes + 1]
      own.offer = next
    }
    quiet = changes === before ? quiet + (quiet > 90 ? 24 * 60 : 1) : 0
  }
  return { lacking, changes, minutes }
}

describe('hosts that say less than their cards when they are full', () => {
  const gb = gigabyte
  const equal = (roomBytes: number, zone = ''): PoolHost => ({ zone, capacityBytes: 500 * gb, roomBytes })
  const pools: readonly (readonly [string, readonly PoolHost[], number, number])[] = [
    ['one of four has a full disk', [equal(20 * gb), equal(400 * gb), equal(400 * gb), equal(400 * gb)], 300 * gb, 2],
    ['one of four has no room at all', [equal(0), equal(400 * gb), equal(400 * gb), equal(400 * gb)], 300 * gb, 2],
    ['two of five are full', [equal(20 * gb), equal(60 * gb), equal(400 * gb), equal(400 * gb), equal(400 * gb)], 300 * gb, 3],
    [
      'a small one is alone in its zone, and a rule presses it',
      [
        { zone: 'boat', capacityBytes: 40 * gb, roomBytes: 40 * gb },
        equal(400 * gb, 'home'),
        equal(400 * gb, 'home'),
        equal(400 * gb, 'home'),
      ],
      300 * gb,
      2,
    ],
  ]
  for (const [name, hosts, folderBytes, copies] of pools) {
    it(`scenario 105: ${name}: other targets take what is refused, in some steps, and then nothing changes any more`, () => {
      const { lacking, changes, minutes } = settle(hosts, folderBytes, copies)
      assert.ok(lacking === 0, `${lacking} bytes have no place after ${minutes} minutes`)
      assert.ok(changes <= 12, `${changes} changes`)
    })
  }

  it('change nothing for good when all are full: nobody is asked for what nobody has room for', () => {
    const { lacking, changes } = settle([equal(50 * gb), equal(60 * gb), equal(70 * gb)], 300 * gb, 2)
    assert.ok(lacking > 0)
    assert.ok(changes <= 12, `${changes} changes`)
  })
})
