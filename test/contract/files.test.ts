// Node's file system against the contract, and the traps that only a real one has.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { it } from 'node:test'

import { FilesError } from '../../engine/base/files.ts'
import { nodeFiles } from '../../engine/platform/node-files.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { filesSuite } from './files.ts'

filesSuite('Node', () => {
  const directory = temporaryDirectory()
  return { files: nodeFiles(), root: directory.path, [Symbol.asyncDispose]: async () => directory[Symbol.dispose]() }
})

const isLinux = process.platform === 'linux'

it('a FIFO is refused at once instead of blocking until somebody writes', { skip: !isLinux }, () => {
  using directory = temporaryDirectory()
  const path = `${directory.path}/fifo`
  execFileSync('mkfifo', [path])
  for (const mode of ['read', 'edit'] as const) {
    assert.throws(
      () => nodeFiles().open(path, mode),
      (error) => error instanceof FilesError && error.fault === 'other',
    )
  }
  assert.equal(nodeFiles().lstat(path)?.kind, 'other')
})

it('a name that is not UTF-8 is listed and flagged, its neighbours are not', { skip: !isLinux }, () => {
  using directory = temporaryDirectory()
  writeFileSync(Buffer.concat([Buffer.from(`${directory.path}/bad-`), Buffer.from([0xff, 0xfe])]), '')
  mkdirSync(`${directory.path}/typed-\ufffd`)
  const items = new Map(
    nodeFiles()
      .readDirectory(directory.path)
      .map((item) => [item.name, item]),
  )
  assert.equal(items.size, 2)
  assert.equal(items.get('bad-\ufffd\ufffd')?.isValidName, false)
  assert.deepEqual(items.get('typed-\ufffd'), { name: 'typed-\ufffd', kind: 'directory', isValidName: true })
})

it('a directory that may not be read is denied', { skip: !isLinux || process.getuid?.() === 0 }, () => {
  using directory = temporaryDirectory()
  mkdirSync(`${directory.path}/locked`, { mode: 0 })
  assert.throws(
    () => nodeFiles().readDirectory(`${directory.path}/locked`),
    (error) => error instanceof FilesError && error.fault === 'denied',
  )
})
