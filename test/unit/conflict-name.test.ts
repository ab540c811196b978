// Names of conflict copies: made from the loser alone, within every limit, and dates as a calendar has them.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import fc from 'fast-check'

import { present } from '../../engine/base/assert.ts'
import { utf8 } from '../../engine/base/bytes.ts'
import { baseNameOf, parentOf, parseRelativePath } from '../../engine/model/path.ts'
import { conflictPath, fitsCopy, parseCopyPath } from '../../engine/sync/conflict-name.ts'
import { authorOf, pathOf } from '../support/replicas.ts'

const hash = new Uint8Array(32).fill(0xab)
const noon = 1_700_000_000_000_000

describe('the name of a conflict copy', () => {
  for (const [path, expected] of [
    ['notes.txt', 'notes.conflict-20231114-221320-aibaeaq-abab.txt'],
    ['a/b/notes', 'a/b/notes.conflict-20231114-221320-aibaeaq-abab'],
    ['.bashrc', '.bashrc.conflict-20231114-221320-aibaeaq-abab'],
    ['x.tar.gz', 'x.tar.conflict-20231114-221320-aibaeaq-abab.gz'],
    ['d.ots/x', 'd.ots/x.conflict-20231114-221320-aibaeaq-abab'],
    ['x.', 'x.conflict-20231114-221320-aibaeaq-abab.'],
  ] as const) {
    it(`of ${path} is ${expected}`, () => assert.equal(conflictPath(pathOf(path), noon, authorOf(1), hash), expected))
  }

  it('of a version without an editor says so', () => {
    assert.equal(conflictPath(pathOf('x'), noon, undefined, hash), 'x.conflict-20231114-221320-merged-abab')
  })

  it('has the date that a calendar has', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 253_402_300_799 }), (seconds) => {
        const text = new Date(seconds * 1000).toISOString()
        const expected = `${text.slice(0, 10).replaceAll('-', '')}-${text.slice(11, 19).replaceAll(':', '')}`
        assert.ok(conflictPath(pathOf('x'), seconds * 1_000_000, undefined, hash)?.includes(`-${expected}-`), expected)
      }),
      { seed: 1, numRuns: 1000 },
    )
    for (const [timeUs, expected] of [
      [-1, '19700101-000000'],
      [Number.MAX_SAFE_INTEGER, '22550605-234734'],
      [951_782_400_000_000, '20000229-000000'],
    ] as const) {
      assert.ok(conflictPath(pathOf('x'), timeUs, undefined, hash)?.includes(expected))
    }
  })

  it('is a path beside the file whatever the name, and other for another loser', () => {
    const name = fc.oneof(
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 80 }).map((text) => text.replaceAll('/', '_')),
      fc.constant('x'.repeat(255)),
      fc.constant('é'.repeat(127)),
      fc.constant(`${'😀'.repeat(60)}.jpeg`),
    )
    fc.assert(
      fc.property(
        name,
        fc.string({ maxLength: 40 }).map((text) => text.replaceAll('/', '_')),
        (stem, extension) => {
          const path = parseRelativePath(`d/${stem}.${extension}`) ?? parseRelativePath(`d/${stem}`)
          if (path === undefined) return
          const made = present(conflictPath(path, noon, authorOf(1), hash), 'there is room')
          assert.equal(parentOf(made), 'd')
          assert.ok(utf8(baseNameOf(made)).length <= 255 && made.isWellFormed() && made !== path)
          assert.notEqual(made, conflictPath(path, noon, authorOf(2), hash))
          assert.notEqual(made, conflictPath(path, noon + 1_000_000, authorOf(1), hash))
          assert.notEqual(made, conflictPath(path, noon, authorOf(1), new Uint8Array(32)))
        },
      ),
      { seed: 1 },
    )
  })

  it("is in the folder's root where the path has no room left", () => {
    const longest = pathOf([...Array.from({ length: 12 }, () => 'x'.repeat(254)), 'y'].join('/'))
    assert.match(conflictPath(longest, noon, authorOf(1), hash) ?? '', /^y\.conflict-[^/]*$/)
  })

  it('scenario 7: of a copy is that of what it is a copy of, but never its own', () => {
    const copy = present(conflictPath(pathOf('d/x.txt'), noon, authorOf(1), hash), 'there is room')
    const other = new Uint8Array(32)
    assert.equal(conflictPath(copy, noon, authorOf(2), other), conflictPath(pathOf('d/x.txt'), noon, authorOf(2), other))
    const again = present(conflictPath(copy, noon, authorOf(1), hash), 'there is room')
    assert.notEqual(again, copy)
    assert.equal(again.split('.conflict-').length, 2)
  })
})

describe('from the name of a conflict copy', () => {
  for (const name of ['d/x.txt', 'noextension', '.hidden', 'a.tar.gz', `long.${'e'.repeat(40)}`, 'x.conflict-mine.txt']) {
    it(`follows that it is a copy of ${name}`, () => {
      const copy = present(conflictPath(pathOf(name), noon, authorOf(1), hash), 'there is room')
      const parsed = parseCopyPath(copy)
      assert.equal(parsed?.original, name)
      assert.equal(parsed.isStemShortened, false)
    })
  }

  it('scenario 54: follows that the stem may be shortened', () => {
    const copy = present(conflictPath(pathOf(`${'é'.repeat(125)}.txt`), noon, authorOf(1), hash), 'there is room')
    const parsed = present(parseCopyPath(copy), 'it is the name of a copy')
    assert.equal(parsed.isStemShortened, true)
    assert.ok(fitsCopy(pathOf(`${'é'.repeat(125)}.txt`), parsed))
    assert.ok(!fitsCopy(pathOf(`e${'é'.repeat(120)}.txt`), parsed))
    assert.ok(!fitsCopy(copy, parsed))
  })

  it('follows nothing for other names', () => {
    for (const name of ['x.txt', 'x.conflict-.txt', 'x.conflict-20231114-221320.txt', 'a.conflict-20231114-221320-aibaeaq-abab/x']) {
      assert.equal(parseCopyPath(pathOf(name)), undefined, name)
    }
  })
})
