// The guard's decisions, by table.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeCaution, parseCaution, type Caution } from '../../engine/sync/caution.ts'
import { burstFilesMax, guardedFilesMin, isMassChange, paceOf, quietAfterMs, type Burst, type Pace } from '../../engine/sync/safety.ts'

describe('a mass change', () => {
  const table: readonly (readonly [changed: number, files: number, isMass: boolean])[] = [
    [0, 0, false],
    [19, 19, false],
    [guardedFilesMin, guardedFilesMin, true],
    [10, 20, false],
    [11, 20, true],
    [50, 100, false],
    [51, 100, true],
    [90, 100, true],
    [50_000, 100_000, false],
    [50_001, 100_000, true],
  ]
  for (const [changed, files, isMass] of table) {
    test(`${isMass ? 'is' : 'is not'} ${changed} of ${files} files`, () => assert.equal(isMassChange({ changed, files }), isMass))
  }
})

describe('a burst of deletions and rewrites', () => {
  const alone: Burst = { files: 100, gathered: 1, coming: 0, recent: 0, quietMs: 0, ageMs: 0 }
  const table: readonly (readonly [claim: string, burst: Partial<Burst>, pace: Pace])[] = [
    ['one deletion is told at once', {}, 'tell'],
    ['a handful is told at once', { gathered: burstFilesMax }, 'tell'],
    ['one of many that are coming waits', { coming: burstFilesMax }, 'wait'],
    ['a burst waits for its end', { gathered: burstFilesMax + 1 }, 'wait'],
    ['at its end it is told', { gathered: 40, quietMs: quietAfterMs }, 'tell'],
    ['over half of the folder is never told from hints: a walk counts', { gathered: 51, quietMs: quietAfterMs }, 'walk'],
    ['while it goes on, over half of the folder waits for the end too', { gathered: 51 }, 'wait'],
    ['what was told a moment ago counts with it', { gathered: 1, recent: 50, quietMs: quietAfterMs }, 'walk'],
    ['a single deletion that makes it over half waits', { gathered: 1, recent: 50 }, 'wait'],
    ['a thin stream that never ends is let through', { files: 1000, gathered: 30, ageMs: 60_000 }, 'tell'],
    ['a thick one is not', { files: 1000, gathered: 300, ageMs: 60_000 }, 'wait'],
    ['a small folder is never guarded', { files: guardedFilesMin - 1, gathered: guardedFilesMin - 1 }, 'tell'],
  ]
  for (const [claim, burst, pace] of table) test(claim, () => assert.equal(paceOf({ ...alone, ...burst }), pace))
})

describe('what a folder is careful about', () => {
  const hold = { deleted: 3, rewritten: 4, files: 9, sinceMs: 5, examples: ['a'] }
  const cautions: readonly Caution[] = [{ kind: 'none' }, { kind: 'held', hold }, { kind: 'accepting' }, { kind: 'rejecting' }]
  test('is read back from the index as it was written', () => {
    for (const caution of cautions) assert.deepEqual(parseCaution(encodeCaution(caution)), caution)
  })
})
