// What repair fetches first, and how much of the link it takes.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import {
  copiesOfRank,
  linkShare,
  pauseAfterMs,
  repairRank,
  retryAfterMs,
  type CopyOutlook,
  type LinkUse,
} from '../../engine/replicas/repair-order.ts'

describe('the order of repair', () => {
  it('is by the fewest copies, then the fewest zones, then holders that may all sleep soon', () => {
    const outlooks: readonly CopyOutlook[] = [
      { copies: 0, zones: 0, isSteady: false },
      { copies: 1, zones: 1, isSteady: false },
      { copies: 1, zones: 1, isSteady: true },
      { copies: 2, zones: 1, isSteady: false },
      { copies: 2, zones: 1, isSteady: true },
      { copies: 2, zones: 2, isSteady: false },
      { copies: 2, zones: 2, isSteady: true },
      { copies: 3, zones: 1, isSteady: false },
      { copies: 16, zones: 16, isSteady: true },
    ]
    const ranks = outlooks.map(repairRank)
    assert.deepEqual(
      ranks,
      ranks.toSorted((left, right) => left - right),
    )
    assert.equal(new Set(ranks).size, ranks.length)
    assert.deepEqual(
      ranks.map(copiesOfRank),
      outlooks.map(({ copies }) => copies),
    )
  })
})

describe('the link', () => {
  const calm: LinkUse = { copies: 2, isMetered: false, isPersonWaiting: false }

  it('scenario T21: two of three lost at once: what one member alone holds has nine tenths of it, whoever else waits', () => {
    assert.equal(linkShare({ ...calm, copies: 1 }), 0.9)
    assert.equal(linkShare({ ...calm, copies: 0, isPersonWaiting: true }), 0.9)
  })

  it('is shared with whoever else uses it otherwise, and left nearly alone while a person waits for content', () => {
    assert.equal(linkShare(calm), 0.5)
    assert.equal(linkShare({ ...calm, isPersonWaiting: true }), 0.1)
  })

  it('is not touched while every byte costs', () => {
    assert.equal(linkShare({ copies: 1, isMetered: true, isPersonWaiting: false }), 0)
  })

  it('gets pauses in proportion to what was measured, and none that lasts', () => {
    for (const share of [0.1, 0.5, 0.9]) assert.ok(Math.abs(200 / (200 + pauseAfterMs(200, share)) - share) < 1e-9)
    assert.equal(pauseAfterMs(0, 0.5), 0)
    assert.ok(pauseAfterMs(1e9, 0.1) <= 20_000)
  })

  it('is asked for the same again after growing pauses', () => {
    const pauses = Array.from({ length: 40 }, (_, round) => retryAfterMs(round))
    assert.deepEqual(pauses.slice(0, 3), [30_000, 60_000, 120_000])
    assert.deepEqual(
      pauses,
      pauses.toSorted((left, right) => left - right),
    )
    assert.equal(pauses.at(-1), 900_000)
  })
})
