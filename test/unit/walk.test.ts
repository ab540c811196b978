// The walk: what it lists, what it refuses to enter, what it says about the rest.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, renameSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { it } from 'node:test'

import { kindOfCode, listDirectories } from '../../engine/disk/walk.ts'
import type { Listing, WalkOutput } from '../../engine/disk/walk.ts'
import { nodeFiles } from '../../engine/platform/node-files.ts'
import { FilesError, type Files } from '../../engine/base/files.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

function walk(root: string, directories: readonly string[], itemsMax: number = 1000, files: Files = nodeFiles()): WalkOutput {
  const result = listDirectories({ root, directories, itemsMax }, { files })
  return structuredClone(result.output, { transfer: [...(result.transfer ?? [])] })
}

function itemsOf(output: WalkOutput, listing: Listing | undefined): readonly string[] {
  assert.ok(listing !== undefined)
  const lines: string[] = []
  for (let at = listing.first; at < listing.first + listing.count; at++) {
    lines.push(`${output.items.names[at]} ${kindOfCode(output.items.kinds[at] ?? 9)}`)
  }
  return lines.sort()
}

it('a directory is listed with what lstat says of each item', () => {
  using directory = temporaryDirectory()
  const root = directory.path
  mkdirSync(`${root}/d`)
  writeFileSync(`${root}/a`, 'hello', { mode: 0o640 })
  chmodSync(`${root}/a`, 0o640)
  utimesSync(`${root}/a`, 1_600_000_000, 1_600_000_000)
  symlinkSync('/etc', `${root}/l`)
  const output = walk(root, [''])
  assert.deepEqual(itemsOf(output, output.listings[0]), ['a file', 'd directory', 'l symlink'])
  const at = output.items.names.indexOf('a')
  const stat = nodeFiles().lstat(`${root}/a`)
  assert.deepEqual(
    [output.items.sizes[at], output.items.mtimesUs[at], output.items.ctimesUs[at], output.items.inodes[at], output.items.modes[at]],
    [5, 1_600_000_000_000_000, stat?.ctimeUs, stat?.inode, 0o640],
  )
  assert.deepEqual(output.listings[0]?.problems, [])
})

it('the own directory is left out at the root and only there', () => {
  using directory = temporaryDirectory()
  mkdirSync(`${directory.path}/.holdfast/temp`, { recursive: true })
  mkdirSync(`${directory.path}/d/.holdfast`, { recursive: true })
  const output = walk(directory.path, ['', 'd'])
  assert.deepEqual(itemsOf(output, output.listings[0]), ['d directory'])
  assert.deepEqual(itemsOf(output, output.listings[1]), ['.holdfast directory'])
})

it('nothing is listed through a symlink, at whatever level it stands', () => {
  using directory = temporaryDirectory()
  const root = directory.path
  mkdirSync(`${root}/real/sub`, { recursive: true })
  writeFileSync(`${root}/real/sub/x`, '')
  symlinkSync('real', `${root}/link`)
  writeFileSync(`${root}/file`, '')
  const output = walk(root, ['link', 'link/sub', 'file', 'file/x', 'none', 'real/none/deeper', 'real/sub'])
  assert.deepEqual(
    output.listings.map((listing) => `${listing.directory} ${listing.outcome} ${listing.count}`),
    [
      'link notDirectory 0',
      'link/sub notDirectory 0',
      'file notDirectory 0',
      'file/x notDirectory 0',
      'none missing 0',
      'real/none/deeper missing 0',
      'real/sub ok 1',
    ],
  )
})

it('a root that is gone is missing, not empty', () => {
  using directory = temporaryDirectory()
  const output = walk(`${directory.path}/none`, ['', 'a'])
  assert.deepEqual(
    output.listings.map((listing) => listing.outcome),
    ['missing', 'missing'],
  )
})

it('the walk stops once the bound is reached and hands back the rest', () => {
  using directory = temporaryDirectory()
  const names = ['a', 'b', 'c', 'd']
  for (const name of names) {
    mkdirSync(`${directory.path}/${name}`)
    for (let at = 0; at < 5; at++) writeFileSync(`${directory.path}/${name}/${at}`, '')
  }
  const output = walk(directory.path, names, 8)
  assert.deepEqual(
    output.listings.map((listing) => listing.directory),
    ['a', 'b'],
  )
  assert.deepEqual(output.unvisited, ['c', 'd'])
  assert.equal(output.items.names.length, 10)
  const one = walk(directory.path, names, 0)
  assert.deepEqual(one.unvisited, ['b', 'c', 'd'], 'a walk always gets one directory further')
})

it('more items than the columns first hold keep their rows', () => {
  using directory = temporaryDirectory()
  for (let at = 0; at < 3000; at++) writeFileSync(`${directory.path}/${at}`, 'x'.repeat(at % 7))
  const { items } = walk(directory.path, [''])
  assert.equal(items.names.length, 3000)
  assert.equal(items.sizes.length, 3000)
  items.names.forEach((name, at) => assert.equal(items.sizes[at], Number(name) % 7))
})

it('names that cannot be synced and special files are told, the others are listed', { skip: process.platform !== 'linux' }, () => {
  using directory = temporaryDirectory()
  writeFileSync(Buffer.concat([Buffer.from(`${directory.path}/`), Buffer.from([0xff])]), '')
  execFileSync('mkfifo', [`${directory.path}/fifo`])
  mkdirSync(`${directory.path}/.Holdfast`)
  writeFileSync(`${directory.path}/ok`, '')
  const output = walk(directory.path, [''])
  assert.deepEqual(itemsOf(output, output.listings[0]), ['fifo other', 'ok file'])
  assert.deepEqual(output.listings[0]?.problems.map((problem) => `${problem.name} ${problem.reason}`).sort(), [
    '.Holdfast nameReserved',
    'fifo special',
    '\ufffd nameInvalid',
  ])
})

it('a path over the limit is told and not listed', () => {
  using directory = temporaryDirectory()
  const levels = Array.from({ length: 11 }, () => 'x'.repeat(255))
  const deep = levels.join('/')
  mkdirSync(`${directory.path}/${deep}/${'y'.repeat(200)}`, { recursive: true })
  writeFileSync(`${directory.path}/${deep}/${'y'.repeat(200)}/${'z'.repeat(56)}`, '')
  writeFileSync(`${directory.path}/${deep}/${'y'.repeat(200)}/${'z'.repeat(55)}`, '')
  const output = walk(directory.path, [`${deep}/${'y'.repeat(200)}`])
  assert.deepEqual(itemsOf(output, output.listings[0]), [`${'z'.repeat(55)} file`])
  assert.deepEqual(output.listings[0]?.problems, [{ name: 'z'.repeat(56), reason: 'pathTooLong', detail: undefined }])
})

it('an item that vanishes between listing and looking is told and not listed', () => {
  using directory = temporaryDirectory()
  writeFileSync(`${directory.path}/a`, '')
  writeFileSync(`${directory.path}/b`, '')
  const node = nodeFiles()
  const files: Files = {
    ...node,
    readDirectory: (path) => {
      const items = node.readDirectory(path)
      renameSync(`${path}/a`, `${path}/c`)
      return items
    },
  }
  const output = walk(directory.path, [''], 1000, files)
  assert.deepEqual(itemsOf(output, output.listings[0]), ['b file'])
  assert.deepEqual(output.listings[0]?.problems, [{ name: 'a', reason: 'vanished', detail: undefined }])
})

for (const fault of ['denied', 'io'] as const) {
  it(`a directory that cannot be read (${fault}) is unknown, and the others are still listed`, () => {
    using directory = temporaryDirectory()
    mkdirSync(`${directory.path}/locked`)
    mkdirSync(`${directory.path}/open`)
    const node = nodeFiles()
    const files: Files = {
      ...node,
      readDirectory: (path) => {
        if (path.endsWith('/locked')) throw new FilesError(fault, 'list', path, 'made up')
        return node.readDirectory(path)
      },
    }
    const output = walk(directory.path, ['locked', 'open'], 1000, files)
    assert.deepEqual(
      output.listings.map((listing) => listing.outcome),
      ['unreadable', 'ok'],
    )
  })
}
