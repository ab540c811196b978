// Problems come and go: taken back by who noted them, by a walk that found them no more, or by time. And what the reasons promise.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { listOutOfStep, countReasons } from '../../engine/compose/folder-needs.ts'
import { shortKeyOf } from '../../engine/index/columns.ts'
import { entryIdOfPath } from '../../engine/sync/folder-handle.ts'
import { FolderProblems, type FlowProblem } from '../../engine/sync/problems.ts'
import { keptBackCodes, needReasons } from '../../engine/sync/reasons.ts'
import { IndexNode, pathOf } from '../support/index-world.ts'

const problem = (code: string, path?: string): FlowProblem => ({
  code,
  severity: 'warning',
  text: `${code} text`,
  next: 'do',
  ...(path === undefined ? {} : { path }),
})

describe('problems of a folder', () => {
  const codesOf = (problems: FolderProblems): string =>
    problems
      .all()
      .map(({ code, path }) => `${code} ${path ?? '-'}`)
      .join(', ')

  test('are forgotten when nobody has seen them for as long as they are kept', () => {
    let nowMs = 0
    const problems = new FolderProblems(() => undefined, { monotonicMs: () => nowMs })
    problems.note(problem('BAD_BLOCK', 'peer'), 100)
    problems.note(problem('FOLDER_STOPPED'))
    nowMs = 60
    problems.note(problem('BAD_BLOCK', 'peer'), 100)
    nowMs = 159
    assert.equal(codesOf(problems), 'BAD_BLOCK peer, FOLDER_STOPPED -')
    nowMs = 160
    assert.equal(codesOf(problems), 'FOLDER_STOPPED -')
  })

  test('are swept by a walk that did not find them again; others stay', () => {
    const problems = new FolderProblems(() => undefined)
    for (const path of ['gone', 'still']) problems.note(problem('SPECIAL_FILE', path))
    problems.note(problem('APPLY_FAILED', 'other'))
    const { mark } = problems
    problems.note(problem('SPECIAL_FILE', 'still'))
    problems.sweep(new Set(['SPECIAL_FILE']), mark)
    assert.equal(codesOf(problems), 'SPECIAL_FILE still, APPLY_FAILED other')
  })
})

describe('reasons', () => {
  test('are documented one by one with their texts', () => {
    const document = readFileSync(new URL('../../docs/reasons.md', import.meta.url), 'utf8')
    const rows = [...document.matchAll(/^\| `([A-Z_]+)` \| ([^|]+) \|(?: ([^|]+) \|)?$/gm)]
    const needs = Object.entries(needReasons).map(([code, { text, next }]) => `${code}: ${text}; ${next}`)
    assert.deepEqual(
      rows.slice(0, needs.length).map(([, code, text, next]) => `${code}: ${text}; ${next}`),
      needs,
    )
    assert.deepEqual(new Set(rows.slice(needs.length).map(([, code]) => code)), keptBackCodes)
  })

  test('every path that is not in step has one, with a next step, and they are counted', () => {
    using node = new IndexNode(1)
    const { index, handle } = node
    for (const path of ['waits', 'full', 'queued']) node.write(path, 'text')
    const keyOf = (path: string): number => shortKeyOf(entryIdOfPath(handle, pathOf(path)))
    index.transact(() => {
      for (const path of ['waits', 'full', 'queued']) index.needs.put(handle.row, keyOf(path), 0, 5)
      index.needs.postpone(handle.row, keyOf('waits'), 1, 'NO_SOURCE')
      index.needs.postpone(handle.row, keyOf('full'), 1, 'DISK_FULL')
    })
    node.problems.note(problem('SPECIAL_FILE', 'pipe'))
    const { items, total } = listOutOfStep(index, node, 10)
    assert.equal(total, 4)
    assert.deepEqual(items.map(({ path, direction, reason }) => `${path} ${direction} ${reason}`).toSorted(), [
      'full in DISK_FULL',
      'pipe out SPECIAL_FILE',
      'queued in QUEUED',
      'waits in NO_SOURCE',
    ])
    for (const { text, next } of items) assert.ok(text !== '' && next !== '')
    assert.equal(listOutOfStep(index, node, 2).items.length, 2)
    const counts = countReasons(index, node, false).map(({ reason, paths }) => `${reason} ${paths}`)
    assert.deepEqual(counts.toSorted(), ['DISK_FULL 1', 'NO_SOURCE 1', 'QUEUED 1', 'SPECIAL_FILE 1'])
    assert.deepEqual(countReasons(index, node, true)[0], { reason: 'QUEUED', paths: 3 })
  })
})
