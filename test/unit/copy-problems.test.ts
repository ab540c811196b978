// What people are told of files with too few copies, and of a number of copies that the members cannot make.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { copyProblems, type CopyTroubles, type KeeperName } from '../../engine/compose/copy-problems.ts'

const enough: CopyTroubles = {
  folder: 'Photos',
  targetCopies: 2,
  shortage: { below: 0, single: 0, none: 0 },
  keepers: [keeper('desk'), keeper('cellar')],
  retired: [],
}

function keeper(name: string, isHere = true): KeeperName {
  return { name, isHere }
}

describe('problems of copies', () => {
  const table: readonly (readonly [string, Partial<CopyTroubles>, readonly string[]])[] = [
    ['none while everything has its copies', {}, []],
    ['none of one copy where one is all that is asked for', { targetCopies: 1, shortage: { below: 0, single: 3, none: 0 } }, []],
    [
      'none where fewer than asked for is all that is wrong, and the members can make it',
      { shortage: { below: 4, single: 0, none: 0 } },
      [],
    ],
    ['files that nobody has', { shortage: { below: 3, single: 3, none: 3 } }, ['NO_COPY']],
    ['files that one has, apart from those that nobody has', { shortage: { below: 3, single: 3, none: 1 } }, ['NO_COPY', 'ONE_COPY']],
    ['fewer members than copies', { targetCopies: 3, shortage: { below: 4, single: 0, none: 0 } }, ['TOO_FEW_MEMBERS']],
  ]
  for (const [what, changed, codes] of table) {
    it(`tell of ${what}`, () =>
      assert.deepEqual(
        copyProblems({ ...enough, ...changed }).map(({ code }) => code),
        codes,
      ))
  }

  it('name the machines to be started, and who was left out of the count', () => {
    const shortage = { below: 2, single: 1, none: 0 }
    const away = copyProblems({ ...enough, shortage, keepers: [keeper('desk'), keeper('cellar', false), keeper('attic', false)] })
    assert.match(away[0]?.text ?? '', /^one file has one copy/)
    assert.match(away[0]?.next ?? '', /^Start cellar, attic:/)
    const alone = copyProblems({ ...enough, shortage, keepers: [keeper('desk')], retired: ['attic'] })
    assert.match(alone[0]?.next ?? '', /^Let another machine join/)
    assert.match(alone[1]?.text ?? '', /2 copies, and one machine keeps .*attic left out: retired$/)
  })
})
