// Conflicts as a person sees them, and what the words of a decision mean.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { chooseResolution, type Conflict, type ConflictSide, type Keep } from '../../engine/sync/conflicts.ts'
import { authorOf, pathOf } from '../support/replicas.ts'

function side(path: string, editor: number | undefined): ConflictSide {
  return { path: pathOf(path), kind: 'file', sizeBytes: 1, mtimeUs: 1, editor: editor === undefined ? undefined : authorOf(editor) }
}

const mine = 0
const twoSided: Conflict = { path: pathOf('x'), winner: side('x', 1), copies: [side('x-a', mine)] }
const foreign: Conflict = { path: pathOf('x'), winner: side('x', 1), copies: [side('x-a', 2)] }
const threeSided: Conflict = { path: pathOf('x'), winner: side('x', mine), copies: [side('x-a', 1), side('x-b', 2)] }
const nameless: Conflict = { path: pathOf('x'), winner: undefined, copies: [side('x-a', mine)] }
const unknown: Conflict = { path: pathOf('x'), winner: side('x', undefined), copies: [side('x-a', mine)] }

interface Row {
  readonly name: string
  readonly conflict: Conflict
  readonly path?: string
  readonly keep: Keep
  /** What gets the name and what goes; or what the refusal says. */
  readonly kept?: string
  readonly gone?: readonly string[]
  readonly refusal?: RegExp
}

const rows: readonly Row[] = [
  { name: 'winner keeps what has the name', conflict: twoSided, keep: 'winner', kept: 'x', gone: ['x-a'] },
  { name: 'copy keeps the only copy', conflict: twoSided, keep: 'copy', kept: 'x-a', gone: ['x-a'] },
  { name: 'mine keeps what this node wrote', conflict: twoSided, keep: 'mine', kept: 'x-a', gone: ['x-a'] },
  { name: 'theirs keeps what another node wrote', conflict: twoSided, keep: 'theirs', kept: 'x', gone: ['x-a'] },
  { name: 'mine says so when nothing is mine', conflict: foreign, keep: 'mine', refusal: /none of the versions was written on this node/ },
  { name: 'theirs says so when several are', conflict: foreign, keep: 'theirs', refusal: /2 of the versions were written elsewhere/ },
  { name: 'mine keeps the only own one of three', conflict: threeSided, keep: 'mine', kept: 'x', gone: ['x-a', 'x-b'] },
  { name: 'copy asks which of two', conflict: threeSided, keep: 'copy', refusal: /give the path.*x-a, x-b/ },
  { name: 'copy with its path keeps that copy', conflict: threeSided, path: 'x-b', keep: 'copy', kept: 'x-b', gone: ['x-b'] },
  { name: 'winner with a copy’s path lets the others be', conflict: threeSided, path: 'x-b', keep: 'winner', kept: 'x', gone: ['x-b'] },
  { name: 'theirs with a copy’s path looks at that one', conflict: threeSided, path: 'x-b', keep: 'theirs', kept: 'x-b', gone: ['x-b'] },
  { name: 'winner refuses when nothing has the name', conflict: nameless, keep: 'winner', refusal: /nothing has the name/ },
  { name: 'copy gives a name that is free', conflict: nameless, keep: 'copy', kept: 'x-a', gone: ['x-a'] },
  { name: 'theirs takes what several wrote for not mine', conflict: unknown, keep: 'theirs', kept: 'x', gone: ['x-a'] },
]

describe('of a conflict', () => {
  for (const { name, conflict, path, keep, kept, gone, refusal } of rows) {
    it(name, () => {
      const choice = chooseResolution(conflict, pathOf(path ?? conflict.path), keep, (editor) => editor[1] === authorOf(mine)[1])
      if (choice.kind === 'unclear') assert.match(choice.reason, refusal ?? /^$/)
      else {
        assert.equal(choice.kind, 'one')
        assert.equal(refusal, undefined)
        if (choice.kind !== 'one') return
        assert.equal(choice.kept.path, kept)
        assert.deepEqual(
          choice.gone.map((one) => one.path),
          gone,
        )
      }
    })
  }

  it('both keeps all', () => {
    const choice = chooseResolution(threeSided, threeSided.path, 'both', () => false)
    assert.deepEqual(choice, { kind: 'all', kept: threeSided.copies })
  })
})
