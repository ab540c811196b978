// Drives that take several spellings for one name, made to look like one that does not.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { present } from '../../engine/base/assert.ts'
import { FilesError, type Files } from '../../engine/base/files.ts'
import { ExactFiles, foldingOf, probeForms } from '../../engine/disk/exact-files.ts'
import { filesSuite } from '../contract/files.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { Gate } from './disk-gate.ts'
import type { NameRules } from './disk-tree.ts'
import { SimDisk } from './disk.ts'
import { SimFiles } from './files.ts'

const root = '/folder'
const composed = 'é'.normalize('NFC')
const decomposed = 'é'.normalize('NFD')
const linux: NameRules = { isCaseSensitive: true, unicode: 'exact' }
const windows: NameRules = { isCaseSensitive: false, unicode: 'exact' }
const apple: NameRules = { isCaseSensitive: false, unicode: 'insensitive' }
const hfs: NameRules = { isCaseSensitive: false, unicode: 'nfd' }

function driveOf(rules: NameRules): Files {
  let timeUs = 1_700_000_000_000_000
  const disk = new SimDisk({ nowUs: () => (timeUs += 10), random: new SeededRandom('exact'), rules })
  const files = new SimFiles(disk, { kind: 'engine', gate: new Gate() })
  for (const path of [root, `${root}/.holdfast`]) files.makeDirectory(path, 0o755)
  probeForms(files, root)
  return files
}

function exactOf(rules: NameRules): { readonly raw: Files; readonly exact: ExactFiles } {
  const raw = driveOf(rules)
  return { raw, exact: new ExactFiles(raw, root, present(foldingOf(raw, root), 'the drive folds names')) }
}

function isFault(fault: FilesError['fault']): (error: unknown) => boolean {
  return (error) => error instanceof FilesError && error.fault === fault
}

function touch(files: Files, path: string): void {
  files.open(path, 'create').close()
}

describe('what a drive takes for one name', () => {
  const rows = [
    ['Linux', linux, undefined],
    ['Windows', windows, { isCaseFolded: true, isFormFolded: false }],
    ['macOS', apple, { isCaseFolded: true, isFormFolded: true }],
    ['the old macOS', hfs, { isCaseFolded: true, isFormFolded: true }],
  ] as const
  for (const [name, rules, folding] of rows) {
    it(`is found out on one like that of ${name}`, () => assert.deepEqual(foldingOf(driveOf(rules), root), folding))
  }

  it('leaves no probe on a drive that folds nothing', () => {
    assert.deepEqual(driveOf(linux).readDirectory(`${root}/.holdfast`), [])
  })
})

describe('a drive made exact', () => {
  it('has a name in the spelling that it keeps, and in no other', () => {
    const { exact } = exactOf(apple)
    touch(exact, `${root}/Foo`)
    assert.ok(exact.lstat(`${root}/Foo`))
    assert.equal(exact.lstat(`${root}/foo`), undefined)
    assert.throws(() => exact.unlink(`${root}/foo`), isFault('missing'))
    assert.throws(() => exact.open(`${root}/FOO`, 'read'), isFault('missing'))
  })

  it('refuses what clashes with another spelling, and leaves that alone', () => {
    const { exact } = exactOf(windows)
    touch(exact, `${root}/Foo`)
    touch(exact, `${root}/temporary`)
    assert.throws(() => touch(exact, `${root}/foo`), isFault('nameClash'))
    assert.throws(() => exact.makeDirectory(`${root}/foo`, 0o755), isFault('nameClash'))
    assert.throws(() => exact.rename(`${root}/temporary`, `${root}/foo`), isFault('nameClash'))
    assert.throws(() => exact.link(`${root}/temporary`, `${root}/foo`), isFault('nameClash'))
    assert.ok(exact.lstat(`${root}/Foo`))
  })

  it('changes the spelling of a name by renaming it', () => {
    const { exact, raw } = exactOf(apple)
    touch(exact, `${root}/Foo`)
    assert.throws(() => exact.link(`${root}/Foo`, `${root}/foo`), isFault('unsupported'))
    exact.rename(`${root}/Foo`, `${root}/foo`)
    assert.equal(exact.lstat(`${root}/Foo`), undefined)
    assert.deepEqual(
      raw
        .readDirectory(root)
        .map(({ name }) => name)
        .toSorted(),
      ['.holdfast', 'foo'],
    )
  })

  it('sees what somebody else makes or spells anew', () => {
    const { exact, raw } = exactOf(apple)
    assert.equal(exact.lstat(`${root}/a`), undefined)
    touch(raw, `${root}/a`)
    assert.ok(exact.lstat(`${root}/a`))
    raw.rename(`${root}/a`, `${root}/A`)
    assert.ok(exact.lstat(`${root}/A`))
  })

  it('tells names in composed form, and finds them by either', () => {
    const { exact } = exactOf(hfs)
    touch(exact, `${root}/${decomposed}`)
    assert.ok(exact.readDirectory(root).some(({ name }) => name === composed))
    assert.ok(exact.lstat(`${root}/${composed}`))
    assert.ok(exact.lstat(`${root}/${decomposed}`))
  })
})

filesSuite('simulated, like APFS, made exact', () => {
  const { exact } = exactOf(apple)
  return { files: exact, root, [Symbol.asyncDispose]: async () => undefined }
})
