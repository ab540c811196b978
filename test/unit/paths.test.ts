// Paths inside a folder: what is refused at the edge, and what algebra holds for the rest.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import fc from 'fast-check'

import {
  baseNameOf,
  isBelow,
  isFolderDirectory,
  isNameAllowed,
  joinPath,
  normalisePath,
  parentOf,
  parseRelativePath,
} from '../../engine/model/path.ts'
import { present } from '../../engine/base/assert.ts'
import { utf8 } from '../../engine/base/bytes.ts'

describe('parseRelativePath', () => {
  const refused: readonly (readonly [string, string])[] = [
    ['an empty path', ''],
    ['an absolute path', '/a'],
    ['the root', '/'],
    ['a trailing slash', 'a/'],
    ['an empty component', 'a//b'],
    ['a step up', '..'],
    ['a step up in the middle', 'a/../b'],
    ['a step up at the end', 'a/..'],
    ['a dot', '.'],
    ['a dot component', 'a/./b'],
    ['a NUL', 'a\0b'],
    ['a lone surrogate', 'a\ud800'],
    ['a component of 256 bytes', 'x'.repeat(256)],
    ['a component of 256 bytes in 128 letters', 'é'.repeat(128)],
    ['5,000 bytes', 'abcd/'.repeat(1000) + 'x'],
    ['3,075 bytes in fewer units', Array.from({ length: 15 }, () => 'é'.repeat(102)).join('/')],
    ['501 levels', Array.from({ length: 501 }, () => 'x').join('/')],
    ['the own directory', '.holdfast'],
    ['something in the own directory', '.holdfast/folder.json'],
    ['the own directory in capitals', '.HoldFast/x'],
    ['the own directory with a long s', '.holdfaſt'],
    ['the own directory with a full-width letter', '.ｈoldfast'],
    ['the own directory with an invisible character', '.hold\u200dfast'],
    ['the own directory by its short name', 'HOLDFA~1'],
  ]
  for (const [what, text] of refused) {
    it(`refuses ${what}`, () => assert.equal(parseRelativePath(text), undefined))
  }

  const taken = [
    'a',
    'a/b',
    '...',
    '.a',
    'a.',
    ' ',
    '~',
    'a\\b',
    'c:x',
    'a/.holdfast',
    '.holdfastignore',
    '.holdfas',
    'x'.repeat(255),
    'aux.txt',
    'ä/日本/\u{1f600}',
    '-',
    '\n',
  ]
  for (const text of taken) it(`takes ${JSON.stringify(text.slice(0, 20))}`, () => assert.equal(parseRelativePath(text), text))

  it('refuses backslashes and drive letters where they separate', () => {
    for (const text of ['a\\b', '..\\x', 'c:x', 'C:/x']) assert.equal(parseRelativePath(text, 'win32'), undefined)
    assert.equal(parseRelativePath('a/b', 'win32'), 'a/b')
  })

  it('never lets a path out of the root, whatever the text', () => {
    const piece = fc.constantFrom('/', '.', '..', 'a', '\0', '\\', '.holdfast', 'é', '\ud800', ' ', '\u200d')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const path = parseRelativePath(pieces.join(''))
        if (path === undefined) return
        const url = new URL(`file:///root/${path.split('/').map(encodeURIComponent).join('/')}`)
        assert.ok(url.pathname.startsWith('/root/'))
        assert.ok(!path.includes('\0') && path.isWellFormed())
        assert.ok(!isFolderDirectory(path.split('/')[0] ?? ''))
      }),
      { numRuns: 2000 },
    )
  })
})

describe('parts of a path', () => {
  const name = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 8 })
    .filter((text) => parseRelativePath(text) !== undefined && !text.includes('/'))
  const path = fc
    .array(name, { minLength: 1, maxLength: 6 })
    .map((names) => present(parseRelativePath(names.join('/')), 'made of good names'))

  it('parent and base name joined are the path again', () => {
    fc.assert(
      fc.property(path, (one) => {
        assert.equal(joinPath(parentOf(one), baseNameOf(one)), one)
        assert.ok(isBelow(one, parentOf(one)))
        assert.ok(!isBelow(one, one))
      }),
    )
  })

  it('a name with a separator or a step up is not joined', () => {
    const directory = parseRelativePath('a')
    for (const bad of ['', '.', '..', 'b/c', '/b', 'b\0']) assert.equal(joinPath(directory, bad), undefined)
    assert.equal(joinPath(undefined, '.holdfast'), undefined)
    assert.equal(joinPath(directory, '.holdfast'), 'a/.holdfast')
  })

  it('a sibling with the same beginning is not below', () => {
    const [directory, sibling] = [parseRelativePath('a/b'), parseRelativePath('a/bc')]
    assert.ok(directory !== undefined && sibling !== undefined)
    assert.ok(!isBelow(sibling, directory))
  })

  it('both spellings of a letter normalise to one, and normalising twice changes nothing', () => {
    const composed = present(parseRelativePath('caf\u00e9/x'), 'a path')
    const decomposed = present(parseRelativePath('cafe\u0301/x'), 'a path')
    assert.notEqual(composed, decomposed)
    assert.equal(normalisePath(decomposed), composed)
    fc.assert(fc.property(path, (one) => assert.equal(normalisePath(normalisePath(one)), normalisePath(one))))
  })

  it('a path at the limit holds 3,072 bytes', () => {
    const names = Array.from({ length: 12 }, () => 'x'.repeat(255)).join('/')
    assert.equal(utf8(names).length, 3071)
    assert.equal(parseRelativePath(names), names)
  })
})

describe('isNameAllowed', () => {
  const refusedOnWindows = [
    'CON',
    'con',
    'aux.txt',
    'NUL',
    'com1',
    'COM9.log',
    'lpt²',
    'a:b',
    'a.',
    'a ',
    'a?',
    'a*',
    '"',
    'a|b',
    'a\\b',
    '<',
    'a\tb',
    'con .txt',
  ]
  for (const name of refusedOnWindows) {
    it(`refuses ${JSON.stringify(name)} on Windows only`, () => {
      assert.equal(isNameAllowed(name, 'win32'), false)
      assert.equal(isNameAllowed(name, 'linux'), true)
    })
  }
  for (const name of ['console', 'com', 'com10', 'aux-1', '.a', 'a b', 'nullable.txt', 'ä']) {
    it(`takes ${name} on Windows`, () => assert.equal(isNameAllowed(name, 'win32'), true))
  }
})
