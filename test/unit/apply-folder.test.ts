// The folder's own directory: preparing it, its marker, its temp files.

import assert from 'node:assert/strict'
import { lstatSync, symlinkSync, writeFileSync } from 'node:fs'
import { describe, it } from 'node:test'

import { utf8 } from '../../engine/base/bytes.ts'
import { FilesError } from '../../engine/base/files.ts'
import { checkRoot, clearTemporaries, prepareFolder, readMarker, writeMarker } from '../../engine/disk/marker.ts'
import type { RootState } from '../../engine/disk/marker.ts'
import { writeTemporaries } from '../../engine/disk/temporaries.ts'
import { nodeFiles } from '../../engine/platform/node-files.ts'
import { FolderWorld, someTimeUs } from '../support/folder-world.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const files = nodeFiles()

describe('the marker', () => {
  it('says which folder this is, and can be rewritten', async () => {
    using world = await FolderWorld.open()
    assert.equal(readMarker(files, world.root), undefined)
    await writeMarker(files, world.root, { folder: 'first', createdMs: 1 })
    await writeMarker(files, world.root, { folder: 'second', createdMs: 2 })
    assert.deepEqual(readMarker(files, world.root), { folder: 'second', createdMs: 2 })
    assert.deepEqual(world.namesIn('.holdfast/temp'), [])
  })

  const states: readonly (readonly [string, RootState, (world: FolderWorld) => void])[] = [
    ['is as it was made', 'ok', () => undefined],
    ['is gone with its root', 'rootMissing', (world) => world.remove('')],
    ['is gone', 'markerMissing', (world) => world.remove('.holdfast/folder.json')],
    ['is gone with the own directory', 'markerMissing', (world) => world.remove('.holdfast')],
    [
      'names another folder',
      'markerForeign',
      (world) => world.write('.holdfast/folder.json', '{"schema":1,"folder":"other","createdMs":1}'),
    ],
    ['is of a newer version', 'markerForeign', (world) => world.write('.holdfast/folder.json', '{"schema":2}')],
    ['is torn', 'unreadable', (world) => world.write('.holdfast/folder.json', '{"schema":1,"fol')],
    ['is empty', 'unreadable', (world) => world.write('.holdfast/folder.json', '')],
    ['is not JSON', 'unreadable', (world) => writeFileSync(`${world.root}/.holdfast/folder.json`, new Uint8Array([0xff, 0xfe]))],
    [
      'is a symlink',
      'unreadable',
      (world) => (world.remove('.holdfast/folder.json'), symlinkSync('/etc/passwd', `${world.root}/.holdfast/folder.json`)),
    ],
    ['is a directory', 'unreadable', (world) => (world.remove('.holdfast/folder.json'), world.makeDirectory('.holdfast/folder.json'))],
  ]
  for (const [what, expected, change] of states) {
    it(`that ${what} makes the root ${expected}`, async () => {
      using parent = temporaryDirectory()
      using world = await FolderWorld.open()
      await writeMarker(files, world.root, { folder: 'mine', createdMs: 1 })
      change(world)
      assert.equal(checkRoot(files, world.root, 'mine'), expected)
      if (expected === 'rootMissing') files.makeDirectory(world.root, 0o700)
      assert.equal(checkRoot(files, `${parent.path}/none`, 'mine'), 'rootMissing')
    })
  }
})

describe('preparing', () => {
  it('makes private directories and may be repeated', async () => {
    using world = await FolderWorld.open()
    world.write('.holdfast/replaced/kept', 'x')
    await prepareFolder(files, world.root)
    for (const name of ['.holdfast', '.holdfast/temp', '.holdfast/replaced'])
      assert.equal(lstatSync(`${world.root}/${name}`).mode & 0o777, 0o700)
    assert.equal(world.parked('kept'), 'x')
  })

  it('refuses a symlink or a file where the own directory belongs', async () => {
    using directory = temporaryDirectory()
    symlinkSync('/tmp', `${directory.path}/.holdfast`)
    await assert.rejects(prepareFolder(files, directory.path), (error) => error instanceof FilesError && error.fault === 'notDirectory')
  })

  it('clearing removes temp files but keeps what a move may have left without another name', async () => {
    using world = await FolderWorld.open()
    world.write('.holdfast/temp/made', 'x')
    world.write('.holdfast/temp/move-1-2', 'mine')
    clearTemporaries(files, world.root)
    assert.deepEqual(world.namesIn('.holdfast/temp'), [])
    assert.deepEqual(world.namesIn('.holdfast/replaced'), ['move-1-2'])
    assert.equal(world.parked('move-1-2'), 'mine')
  })
})

describe('temp files', () => {
  it('are written in parts with bits and time, more than are open at once', async () => {
    using world = await FolderWorld.open()
    const list = Array.from({ length: 300 }, (_, at) => ({
      name: `t${at}`,
      bytes: [utf8(`${at}:`), utf8('x')],
      mode: 0o444,
      mtimeUs: someTimeUs + at,
    }))
    const outcomes = await writeTemporaries(files, world.root, list)
    assert.ok(outcomes.length === 300 && outcomes.every((outcome) => outcome.kind === 'ok'))
    assert.equal(world.read('.holdfast/temp/t299'), '299:x')
    const stat = files.lstat(`${world.root}/.holdfast/temp/t7`)
    assert.deepEqual([stat?.mode, stat?.mtimeUs], [0o444, someTimeUs + 7])
  })

  it('replace what a crash left under their name', async () => {
    using world = await FolderWorld.open()
    world.write('.holdfast/temp/t', 'longer than the new one')
    assert.deepEqual(await writeTemporaries(files, world.root, [{ name: 't', bytes: [utf8('new')], mode: 0o600 }]), [{ kind: 'ok' }])
    assert.equal(world.read('.holdfast/temp/t'), 'new')
  })

  it('that cannot be flushed fail alone and leave nothing', async () => {
    using world = await FolderWorld.open()
    const failing = {
      ...files,
      open: (path: string, mode: 'read' | 'edit' | 'create') => {
        const file = files.open(path, mode)
        if (path.endsWith('/bad')) file.datasync = async () => Promise.reject(new FilesError('noSpace', 'flush', path, 'ENOSPC'))
        return file
      },
    }
    const list = ['good', 'bad'].map((name) => ({ name, bytes: [utf8(name)], mode: 0o600 }))
    const outcomes = await writeTemporaries(failing, world.root, list)
    assert.deepEqual(
      outcomes.map((outcome) => (outcome.kind === 'ok' ? 'ok' : outcome.fault)),
      ['ok', 'noSpace'],
    )
    assert.deepEqual(world.namesIn('.holdfast/temp'), ['good'])
  })

  it('are not written through a symlink in place of their directory', async () => {
    using world = await FolderWorld.open()
    world.makeDirectory('elsewhere')
    world.remove('.holdfast/temp')
    symlinkSync('../elsewhere', `${world.root}/.holdfast/temp`)
    const outcomes = await writeTemporaries(files, world.root, [{ name: 't', bytes: [], mode: 0o600 }])
    assert.equal(outcomes[0]?.kind, 'failed')
    assert.deepEqual(world.namesIn('elsewhere'), [])
  })
})
