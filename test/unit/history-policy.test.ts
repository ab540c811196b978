// Which past versions stay: by age, by span, and never the last of a span.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import * as fc from 'fast-check'

import { allSettings, historyPolicyOf, parseSetting } from '../../engine/model/folder-settings.ts'
import { thinVersions, type Dated } from '../../engine/model/history-policy.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs
const nowMs = 20_000 * dayMs + 13 * hourMs

/** Versions that were replaced so long ago, each having lasted since the one before. */
function versionsOf(...agesMs: readonly number[]): readonly Dated<string>[] {
  return agesMs.map((ageMs, at) => ({
    name: String(at + 1),
    sinceMs: nowMs - (agesMs[at - 1] ?? ageMs + minuteMs),
    replacedMs: nowMs - ageMs,
  }))
}

function keptOf(versions: readonly Dated<string>[], atMs = nowMs): readonly Dated<string>[] {
  const { dropped, reachingBack } = thinVersions(versions, atMs)
  return versions
    .filter(({ name }) => !dropped.includes(name))
    .map((version) => ({ ...version, sinceMs: reachingBack.find(({ name }) => name === version.name)?.sinceMs ?? version.sinceMs }))
}

describe('thinning', () => {
  const table: readonly (readonly [string, readonly number[], readonly string[]])[] = [
    ['keeps every version of the last hour', [59 * minuteMs, 58 * minuteMs, minuteMs, 1], ['1', '2', '3', '4']],
    // 13:00 of the day: spans of ten minutes begin at whole ones.
    ['keeps one of ten minutes within the day', [3 * hourMs - 1, 3 * hourMs - 2, 3 * hourMs - 11 * minuteMs], ['2', '3']],
    ['keeps one a day within two weeks', [3 * dayMs + 5 * hourMs, 3 * dayMs + 2 * hourMs, 2 * dayMs + 2 * hourMs], ['2', '3']],
    // Day 19,978 begins a week.
    ['keeps one a week beyond', [23 * dayMs, 22 * dayMs, 21 * dayMs, 20 * dayMs, 15 * dayMs], ['1', '4', '5']],
    ['keeps the only one however old', [900 * dayMs], ['1']],
    ['has nothing to do where there is nothing', [], []],
  ]
  for (const [claim, agesMs, kept] of table) {
    it(claim, () =>
      assert.deepEqual(
        keptOf(versionsOf(...agesMs)).map(({ name }) => name),
        kept,
      ),
    )
  }

  it('lets what stays stand for what went before it', () => {
    const versions = versionsOf(3 * hourMs - 1, 3 * hourMs - 2, 3 * hourMs - 3, minuteMs)
    const [first, second] = keptOf(versions)
    assert.equal(first?.name, '3')
    assert.equal(first.sinceMs, versions[0]?.sinceMs)
    assert.equal(second?.sinceMs, versions[3]?.sinceMs)
  })

  const ages = fc.array(fc.integer({ min: 1, max: 60 * 24 * 60 }), { maxLength: 40 })

  it('comes to the same often or seldom, and always keeps the newest', () => {
    fc.assert(
      fc.property(ages, fc.array(fc.integer({ min: 1, max: 60 * 24 * 60 }), { maxLength: 5 }), (minutes, pauses) => {
        const versions = versionsOf(...minutes.toSorted((left, right) => right - left).map((minute) => minute * minuteMs))
        const laterMs = pauses.reduce((total, pause) => total + pause * minuteMs, nowMs)
        let often = versions
        let atMs = nowMs
        for (const pause of pauses) {
          often = keptOf(often, atMs)
          atMs += pause * minuteMs
        }
        const seldom = keptOf(versions, laterMs)
        assert.deepEqual(
          keptOf(often, laterMs).map(({ name }) => name),
          seldom.map(({ name }) => name),
        )
        assert.equal(seldom.at(-1)?.name, versions.at(-1)?.name)
      }),
    )
  })

  it('leaves no time uncovered that was covered', () => {
    fc.assert(
      fc.property(ages, (minutes) => {
        const versions = versionsOf(...minutes.toSorted((left, right) => right - left).map((minute) => minute * minuteMs))
        const kept = keptOf(versions)
        for (const { sinceMs, replacedMs } of versions) {
          const first = kept.find((version) => version.replacedMs >= replacedMs)
          assert.ok(first !== undefined && first.sinceMs <= sinceMs)
        }
      }),
    )
  })
})

describe("a folder's settings", () => {
  it('have defaults, and what was set counts', () => {
    assert.deepEqual(allSettings(new Map()), { grant: '', 'history.days': '30', 'history.share': '25%', 'merge.append': '' })
    assert.deepEqual(allSettings(new Map([['history.days', '7']])), {
      grant: '',
      'history.days': '7',
      'history.share': '25%',
      'merge.append': '',
    })
    assert.deepEqual(historyPolicyOf(new Map([['history.share', '10%']])), { keptMs: 30 * dayMs, shareMax: 0.1 })
  })

  it('are refused when they are not what they may be', () => {
    for (const [name, text] of [
      ['history.days', '-1'],
      ['history.days', '1.5'],
      ['history.days', ''],
      ['history.share', '20'],
      ['history.share', '91%'],
      ['merge.append', 'logs/*.log'],
    ] as const) {
      assert.equal(parseSetting(name, text).kind, 'refused', `${name}=${text}`)
    }
    assert.deepEqual(parseSetting('merge.append', ' *.log  *.md'), { kind: 'ok', name: 'merge.append', text: '*.log *.md' })
    assert.equal(parseSetting('history', '1').kind, 'unknown')
    assert.deepEqual(parseSetting('history.days', ' 007 '), { kind: 'ok', name: 'history.days', text: '7' })
  })
})
