// What concurrent versions of one path come to: the rows of the catalogue of accidents that concern one path.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { present } from '../../engine/base/assert.ts'
import { resolveVersions, type Version } from '../../engine/sync/reconcile.ts'
import { authorOf, fileOf, pathOf, printVersion, stateOf, type Content } from '../support/replicas.ts'

const path = pathOf('a/report.odt')
type Dots = Readonly<Record<number, number>>

function vectorOf(dots: Dots): Version['vector'] {
  return Object.entries(dots).map(([author, seq]) => ({ author: authorOf(Number(author)), seq }))
}

function version(dots: Dots, content: Content | undefined, time = 1, mode = 0o644, contentDots = dots): Version {
  const state = content === undefined ? undefined : stateOf(path, content, time, mode)
  const editor = authorOf(Number(Object.keys(contentDots).at(-1)))
  return { vector: vectorOf(dots), contentVector: vectorOf(contentDots), editor, contentTimeUs: state?.mtimeUs ?? 0, state }
}

const [one, two, three] = [fileOf('one'), fileOf('two'), fileOf('three')]
const directory: Content = { kind: 'directory', text: '' }
const link: Content = { kind: 'symlink', text: '../other' }

interface Row {
  readonly name: string
  readonly versions: readonly Version[]
  /** What has the name afterwards; undefined = deleted. */
  readonly winner: Content | undefined
  readonly losers?: readonly Content[]
  readonly mode?: number
  readonly time?: number
}

// Author 0 is A, 1 is B, 2 is C. {0: 1} is the version that both know, where there is one.
const rows: readonly Row[] = [
  {
    name: '1: two edits offline: the newer has the name, the other lives on',
    versions: [version({ 0: 2 }, one, 5), version({ 0: 1, 1: 1 }, two, 6)],
    winner: two,
    losers: [one],
  },
  {
    name: '2: identical bytes under two times are one content with the newer time',
    versions: [version({ 0: 2 }, one, 5), version({ 0: 1, 1: 1 }, one, 6)],
    winner: one,
    time: 6,
  },
  {
    name: '4: an edit and a chmod: both count',
    versions: [version({ 0: 2 }, two, 5), version({ 0: 1, 1: 1 }, one, 1, 0o600, { 0: 1 })],
    winner: two,
    mode: 0o600,
    time: 5,
  },
  {
    name: '4: an edit and a touch: the edit, at its own time',
    versions: [version({ 0: 2 }, two, 5), version({ 0: 1, 1: 1 }, one, 9, 0o644, { 0: 1 })],
    winner: two,
    time: 5,
  },
  {
    name: '4: two chmods: the later file time decides, nothing is copied',
    versions: [version({ 0: 2 }, one, 1, 0o600, { 0: 1 }), version({ 0: 1, 1: 1 }, one, 2, 0o640, { 0: 1 })],
    winner: one,
    mode: 0o640,
    time: 2,
  },
  { name: '5: two new files of one name', versions: [version({ 0: 1 }, one, 2), version({ 1: 1 }, two, 1)], winner: one, losers: [two] },
  {
    name: '6: a directory keeps its name against a newer file',
    versions: [version({ 0: 1 }, one, 9), version({ 1: 1 }, directory)],
    winner: directory,
    losers: [one],
  },
  {
    name: '6: a directory keeps its name against a link',
    versions: [version({ 0: 1 }, link, 9), version({ 1: 1 }, directory)],
    winner: directory,
    losers: [link],
  },
  {
    name: '6: two directories are one',
    versions: [version({ 0: 1 }, directory), version({ 1: 1 }, directory, 1, 0o700)],
    winner: directory,
  },
  {
    name: 'a file and a link: the newer has the name',
    versions: [version({ 0: 1 }, one, 1), version({ 1: 1 }, link, 2)],
    winner: link,
    losers: [one],
  },
  { name: 'two links of one target are one', versions: [version({ 0: 1 }, link, 1), version({ 1: 1 }, link, 2)], winner: link },
  {
    name: '8: the conflict resolved alike on both sides is no new conflict',
    versions: [version({ 0: 2, 1: 1 }, three, 7), version({ 0: 1, 1: 2 }, three, 8)],
    winner: three,
    time: 8,
  },
  {
    name: '9: a deletion and an edit that it has not seen: the edit',
    versions: [version({ 0: 2 }, undefined), version({ 0: 1, 1: 1 }, two)],
    winner: two,
  },
  {
    name: '10: an edit of version 1 against version 2',
    versions: [version({ 0: 2 }, two, 2), version({ 0: 1, 1: 1 }, three, 3)],
    winner: three,
    losers: [two],
  },
  {
    name: '11: an edit of the first of two edits',
    versions: [version({ 0: 3 }, three, 4), version({ 0: 2, 1: 1 }, two, 3)],
    winner: three,
    losers: [two],
  },
  {
    name: '12: a clock five years ahead wins the name, and nothing is lost',
    versions: [version({ 0: 1 }, one, 5 * 365 * 86400), version({ 1: 1 }, two, 1)],
    winner: one,
    losers: [two],
  },
  { name: '13: a deletion and an edit', versions: [version({ 0: 1, 2: 1 }, undefined), version({ 0: 2 }, one)], winner: one },
  {
    name: 'a deletion and a chmod: deleted',
    versions: [version({ 0: 2 }, undefined), version({ 0: 1, 1: 1 }, one, 1, 0o600, { 0: 1 })],
    winner: undefined,
  },
  {
    name: 'a deletion, a chmod and an edit: the edit, with the mode',
    versions: [version({ 0: 2 }, undefined), version({ 0: 1, 1: 1 }, one, 1, 0o600, { 0: 1 }), version({ 0: 1, 2: 1 }, two, 3)],
    winner: two,
    mode: 0o600,
  },
  { name: '20: both delete: deleted', versions: [version({ 0: 2 }, undefined), version({ 0: 1, 1: 1 }, undefined)], winner: undefined },
  {
    name: '47: a file that became a directory against an edit of the file',
    versions: [version({ 0: 2 }, directory), version({ 0: 1, 1: 1 }, two)],
    winner: directory,
    losers: [two],
  },
  {
    name: 'three edits: one winner, two copies',
    versions: [version({ 0: 1 }, one, 1), version({ 1: 1 }, two, 2), version({ 2: 1 }, three, 3)],
    winner: three,
    losers: [two, one],
  },
  {
    name: 'three edits of which two are alike: one copy',
    versions: [version({ 0: 1 }, one, 1), version({ 1: 1 }, one, 2), version({ 2: 1 }, three, 3)],
    winner: three,
    losers: [one],
  },
]

const orders: readonly (<T>(items: readonly T[]) => readonly T[])[] = [
  (items) => items,
  (items) => items.toReversed(),
  (items) => [...items.slice(1), ...items.slice(0, 1)],
]

describe('concurrent versions of one path', () => {
  for (const { name, versions, winner, losers = [], mode, time } of rows) {
    it(name, () => {
      for (const order of orders) {
        const resolution = resolveVersions(order(versions))
        assert.ok(resolution.kind === 'merge')
        const { merged } = resolution
        const state = merged.state
        assert.deepEqual(state, winner === undefined ? undefined : stateOf(path, winner, state?.mtimeUs ?? 0, state?.mode ?? 0))
        if (mode !== undefined) assert.equal(state?.mode, mode)
        if (time !== undefined) assert.equal(state?.mtimeUs, time)
        const expected = losers.map((loser) => stateOf(path, loser, 0, 0))
        const contents = resolution.losers.map((loser) => ({ ...present(loser.state, 'a loser lives'), mtimeUs: 0, mode: 0 }))
        assert.deepEqual(contents, expected)
      }
    })
  }

  it('are all seen by the version that they come to', () => {
    const resolution = resolveVersions([version({ 0: 2 }, one), version({ 0: 1, 1: 4 }, two), version({ 2: 3 }, undefined)])
    assert.ok(resolution.kind === 'merge')
    assert.deepEqual(resolution.merged.vector, vectorOf({ 0: 2, 1: 4, 2: 3 }))
  })

  it('come to the same once more when the old ones arrive again, without new copies', () => {
    for (const { versions } of rows) {
      const resolution = resolveVersions(versions)
      assert.ok(resolution.kind === 'merge')
      const again = resolveVersions([resolution.merged, ...versions])
      assert.ok(again.kind === 'merge')
      assert.equal(printVersion(again.merged), printVersion(resolution.merged))
      const before = resolution.losers.map(printVersion)
      assert.ok(again.losers.map(printVersion).every((loser) => before.includes(loser)))
    }
  })

  it('are left alone where there is only one', () => {
    for (const only of [version({ 0: 1 }, one), version({ 0: 1 }, undefined)])
      assert.deepEqual(resolveVersions([only]), { kind: 'single', version: only })
  })
})
