// What is ignored: git's semantics, the defaults, the bounds.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { ignoreFileBytesMax, ignoreRuleUnitsMax, parseIgnoreRules } from '../../engine/disk/ignore.ts'
import type { IgnoreRules } from '../../engine/disk/ignore.ts'

function rulesOf(text: string | undefined): IgnoreRules {
  const parsed = parseIgnoreRules(text)
  assert.equal(parsed.kind, 'ok')
  assert.ok(parsed.kind === 'ok')
  return parsed.rules
}

function problemOf(text: string): string {
  const parsed = parseIgnoreRules(text)
  assert.ok(parsed.kind === 'refused', 'the file is refused')
  return parsed.problem
}

/** A trailing slash stands for a directory. */
function isIgnored(rules: IgnoreRules, path: string): boolean {
  return path.endsWith('/') ? rules.isIgnored(path.slice(0, -1), true) : rules.isIgnored(path, false)
}

describe('git semantics', () => {
  const rows: readonly (readonly [string, string, boolean])[] = [
    ['*.log', 'a.log', true],
    ['*.log', 'x/y/a.log', true],
    ['*.log', 'a.log.txt', false],
    ['*.log', 'A.LOG', false],
    ['/build', 'build', true],
    ['/build', 'x/build', false],
    ['cache/', 'cache', false],
    ['cache/', 'cache/', true],
    ['cache/', 'x/cache/deep/file', true],
    ['docs/**/*.pdf', 'docs/a/b/c.pdf', true],
    ['docs/**/*.pdf', 'docs/c.pdf', true],
    ['docs/**/*.pdf', 'x/docs/c.pdf', false],
    ['*.log\n!keep.log', 'keep.log', false],
    ['!keep.log\n*.log', 'keep.log', true],
    ['dir/\n!dir/keep', 'dir/keep', true],
    ['dir/*\n!dir/keep', 'dir/keep', false],
    ['# a\n\n  \n', 'a', false],
    ['\\#x', '#x', true],
    ['a\r\nb\r\n', 'a', true],
    ['a[0-9]', 'a5', true],
    ['?', 'ab', false],
  ]
  for (const [text, path, expected] of rows) {
    it(`${JSON.stringify(text)} ${expected ? 'ignores' : 'takes'} ${path}`, () => assert.equal(isIgnored(rulesOf(text), path), expected))
  }
})

describe('defaults', () => {
  const ignored = [
    '.~lock.report.odt#',
    'docs/~$report.docx',
    'x/.notes.txt.swp',
    '.a.swx',
    '.#notes',
    '#notes#',
    'film.mkv.part',
    'a.crdownload',
    '.goutputstream-X1Y2Z3',
    'a.txt.sb-1234abcd-56efgh',
    '.fuse_hidden0001',
    '.nfs000000000123',
    'photos/.DS_Store',
    'Thumbs.db',
    'Desktop.ini',
    'lost+found/',
    '$RECYCLE.BIN/x',
    '.Trash-1000/files/a',
  ]
  for (const path of ignored) it(`ignore ${path}`, () => assert.equal(isIgnored(rulesOf(undefined), path), true))

  const taken = [
    'notes.txt~',
    'a.bak',
    'a.tmp',
    '4913',
    '4913/',
    'x/lost+found/',
    'data.swp',
    '.nfsroot',
    '.holdfastignore',
    'party',
    '#1',
    'x/.holdfast/',
  ]
  for (const path of taken) it(`take ${path}`, () => assert.equal(isIgnored(rulesOf(undefined), path), false))

  it('give way to a rule of the person', () => {
    assert.equal(isIgnored(rulesOf('!*.part'), 'film.part'), false)
    assert.equal(isIgnored(rulesOf('!.DS_Store'), 'x/.DS_Store'), false)
  })

  it('the own directory is ignored whatever the rules say', () => {
    const rules = rulesOf('!.holdfast\n!.holdfast/\n!*')
    for (const path of ['.holdfast/', '.holdfast/folder.json', '.HOLDFAST/x']) assert.equal(isIgnored(rules, path), true)
  })

  it('the root is never ignored', () => assert.equal(rulesOf('*').isIgnored('', true), false))
})

describe('bounds', () => {
  it('a file that is too large is refused and says so', () => {
    assert.equal(parseIgnoreRules(`#${'x'.repeat(ignoreFileBytesMax - 1)}`).kind, 'ok')
    assert.match(problemOf(`#${'x'.repeat(ignoreFileBytesMax)}`), /bytes/)
  })

  it('a rule that is too long is refused with its line', () => {
    assert.match(problemOf(`a\n${'x'.repeat(ignoreRuleUnitsMax + 1)}`), /line 2/)
  })

  it('too many lines are refused', () => assert.match(problemOf('a\n'.repeat(1001)), /lines/))

  it('a rule that would match slowly is refused', () => {
    assert.match(problemOf('**/a/**/a/**/b'), /line 1 .*double stars/)
    assert.equal(parseIgnoreRules('**/a/**/b').kind, 'ok')
  })

  it('answers stay the same when the memory of the matcher is dropped', () => {
    const rules = rulesOf('*.log\n!keep.log')
    for (let at = 0; at < 25_000; at++) assert.equal(rules.isIgnored(`d${at}/a.log`, false), true)
    assert.equal(rules.isIgnored('d1/keep.log', false), false)
  })
})
