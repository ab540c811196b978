// Changes to a folder on the real file system: what each does, what it refuses, and that nothing a person wrote in between is lost.

import assert from 'node:assert/strict'
import { chmodSync, linkSync, lstatSync, readlinkSync, renameSync, symlinkSync } from 'node:fs'
import { describe, it } from 'node:test'

import { FilesError } from '../../engine/base/files.ts'
import type { Operation, Outcome } from '../../engine/disk/operations.ts'
import { applyOperations } from '../../engine/disk/apply.ts'
import { nodeFiles } from '../../engine/platform/node-files.ts'
import { FolderWorld, someTimeUs } from '../support/folder-world.ts'

function isDone(outcome: Outcome): asserts outcome is Extract<Outcome, { kind: 'done' }> {
  assert.equal(outcome.kind, 'done', JSON.stringify(outcome))
}

describe('a new file', () => {
  it('appears with content, bits and time, and its temp file is gone', async () => {
    using world = await FolderWorld.open()
    const outcome = await world.applyOne(await world.file('a', 'new', { expected: undefined, mode: 0o640 }))
    isDone(outcome)
    assert.equal(world.read('a'), 'new')
    assert.deepEqual([outcome.stat?.mode, outcome.stat?.mtimeUs, outcome.stat?.links], [0o640, someTimeUs, 1])
    assert.deepEqual(outcome.stat, nodeFiles().lstat(`${world.root}/a`))
    assert.deepEqual(world.namesIn('.holdfast/temp'), [])
  })

  it('can be one that nobody may read', async () => {
    using world = await FolderWorld.open()
    const outcome = await world.applyOne(await world.file('a', 'new', { expected: undefined, mode: 0o000 }))
    isDone(outcome)
    assert.equal(outcome.stat?.mode, 0)
  })

  it('never overwrites what is there already', async () => {
    using world = await FolderWorld.open()
    world.write('a', 'mine')
    assert.deepEqual(await world.applyOne(await world.file('a', 'new', { expected: undefined })), { kind: 'differs' })
    assert.equal(world.read('a'), 'mine')
  })

  it('never overwrites what appears in the last moment', async () => {
    using world = await FolderWorld.open()
    const operation = await world.file('a', 'new', { expected: undefined })
    world.interfere('before', 'link', () => world.write('a', 'mine'))
    assert.deepEqual(await world.applyOne(operation), { kind: 'differs' })
    assert.equal(world.read('a'), 'mine')
  })

  it('that is edited right after it appeared is not taken for what was put there', async () => {
    using world = await FolderWorld.open()
    const operation = await world.file('a', 'new', { expected: undefined })
    world.interfere('after', 'link', () => world.write('a', 'mine'))
    assert.deepEqual(await world.applyOne(operation), { kind: 'differs' })
    assert.equal(world.read('a'), 'mine')
  })

  it('is renamed into place where there are no hard links', async () => {
    using world = await FolderWorld.open()
    const operation = await world.file('a', 'new', { expected: undefined })
    world.files = {
      ...nodeFiles(),
      link: (_, to) => {
        throw new FilesError('unsupported', 'link', to, 'EPERM')
      },
    }
    isDone(await world.applyOne(operation))
    assert.equal(world.read('a'), 'new')
  })

  it('whose temp file is missing fails and stops no other', async () => {
    using world = await FolderWorld.open()
    const good = await world.file('b', 'new', { expected: undefined })
    const bad: Operation = { kind: 'file', path: 'a', temporary: 'none', mode: 0o644, mtimeUs: someTimeUs, expected: undefined }
    const [first, second] = await world.apply(bad, good)
    assert.ok(first?.kind === 'failed' && first.fault === 'missing')
    assert.equal(second?.kind, 'done')
  })
})

describe('a replaced file', () => {
  it('is parked as it was, and the new one stands in its place', async () => {
    using world = await FolderWorld.open()
    world.write('a', 'old')
    const expected = world.expect('a')
    const outcome = await world.applyOne(await world.file('a', 'new', { expected, park: 'p1' }))
    isDone(outcome)
    assert.equal(outcome.isParkedChanged, undefined)
    assert.equal(world.read('a'), 'new')
    assert.equal(world.parked('p1'), 'old')
    assert.equal(world.expect('.holdfast/replaced/p1').inode, expected.inode)
  })

  it('is not kept when nobody asks', async () => {
    using world = await FolderWorld.open()
    world.write('a', 'old')
    isDone(await world.applyOne(await world.file('a', 'new', { expected: world.expect('a') })))
    assert.deepEqual(world.namesIn('.holdfast/replaced'), [])
  })

  const edits: readonly (readonly [string, (world: FolderWorld) => void])[] = [
    ['edited', (world) => world.write('a', 'edited')],
    ['edited to the same length', (world) => world.write('a', 'odd')],
    ['replaced by another', (world) => (world.write('b', 'old'), renameSync(`${world.root}/b`, `${world.root}/a`))],
    ['removed', (world) => world.remove('a')],
    ['made a directory', (world) => (world.remove('a'), world.makeDirectory('a'))],
    ['made a symlink', (world) => (world.remove('a'), symlinkSync('x', `${world.root}/a`))],
    ['given other bits', (world) => chmodSync(`${world.root}/a`, 0o755)],
  ]
  for (const [what, edit] of edits) {
    it(`that was ${what} meanwhile stays as it is`, async () => {
      using world = await FolderWorld.open()
      world.write('a', 'old')
      const operation = await world.file('a', 'new', { expected: world.expect('a'), park: 'p1' })
      edit(world)
      const before = nodeFiles().lstat(`${world.root}/a`)
      assert.deepEqual(await world.applyOne(operation), { kind: 'differs' })
      assert.deepEqual(nodeFiles().lstat(`${world.root}/a`), before)
      assert.deepEqual(world.namesIn('.holdfast/replaced'), [])
    })
  }

  it('that is edited after it was parked stays as it is', async () => {
    using world = await FolderWorld.open()
    world.write('a', 'old')
    const operation = await world.file('a', 'new', { expected: world.expect('a'), park: 'p1' })
    world.interfere('after', 'link', () => world.write('a', 'edited'))
    assert.deepEqual(await world.applyOne(operation), { kind: 'differs' })
    assert.equal(world.read('a'), 'edited')
    assert.deepEqual(world.namesIn('.holdfast/replaced'), [])
  })

  it('that is edited in the very last moment is kept, and the caller is told', async () => {
    using world = await FolderWorld.open()
    world.write('a', 'old')
    const operation = await world.file('a', 'new', { expected: world.expect('a'), park: 'p1' })
    world.interfere('before', 'rename', () => world.write('a', 'edited'))
    const outcome = await world.applyOne(operation)
    isDone(outcome)
    assert.equal(outcome.isParkedChanged, true)
    assert.equal(world.read('a'), 'new')
    assert.equal(world.parked('p1'), 'edited')
  })

  it('with another name elsewhere leaves that one alone', async () => {
    using world = await FolderWorld.open()
    world.write('a', 'old')
    linkSync(`${world.root}/a`, `${world.root}/other`)
    isDone(await world.applyOne(await world.file('a', 'new', { expected: world.expect('a'), park: 'p1' })))
    assert.equal(world.read('other'), 'old')
  })

  it('is copied aside where there are no hard links', async () => {
    using world = await FolderWorld.open()
    world.write('a', 'old')
    const operation = await world.file('a', 'new', { expected: world.expect('a'), park: 'p1' })
    world.files = {
      ...nodeFiles(),
      link: (_, to) => {
        throw new FilesError('unsupported', 'link', to, 'EPERM')
      },
    }
    const outcome = await world.applyOne(operation)
    isDone(outcome)
    assert.equal(outcome.isParkedChanged, undefined)
    assert.deepEqual([world.read('a'), world.parked('p1')], ['new', 'old'])
  })
})

describe('symlinks', () => {
  it('are made as written and never followed', async () => {
    using world = await FolderWorld.open()
    isDone(await world.applyOne({ kind: 'symlink', path: 'l', target: '/etc/passwd', expected: undefined }))
    assert.equal(readlinkSync(`${world.root}/l`), '/etc/passwd')
    const outcome = await world.applyOne({ kind: 'symlink', path: 'l', target: 'other', expected: world.expect('l'), park: 'p1' })
    isDone(outcome)
    assert.equal(readlinkSync(`${world.root}/l`), 'other')
    assert.equal(readlinkSync(`${world.root}/.holdfast/replaced/p1`), '/etc/passwd')
    assert.deepEqual(world.namesIn('.holdfast/temp'), [])
  })

  it('do not replace what appears in the last moment', async () => {
    using world = await FolderWorld.open()
    world.interfere('before', 'symlink', () => world.write('l', 'mine'))
    assert.deepEqual(await world.applyOne({ kind: 'symlink', path: 'l', target: 'x', expected: undefined }), { kind: 'differs' })
    assert.equal(world.read('l'), 'mine')
  })

  it('in place of a parent keep everything out', async () => {
    using world = await FolderWorld.open()
    world.makeDirectory('outside')
    world.makeDirectory('outside/sub')
    world.write('outside/victim', 'mine')
    symlinkSync('outside', `${world.root}/link`)
    const expected = world.expect('outside/victim')
    const operations: readonly Operation[] = [
      await world.file('link/new', 'x', { expected: undefined }),
      await world.file('link/sub/new', 'x', { expected: undefined }),
      { kind: 'directory', path: 'link/d', mode: 0o755, expected: undefined },
      { kind: 'symlink', path: 'link/l', target: 'x', expected: undefined },
      { kind: 'attributes', path: 'link/victim', mode: 0o777, mtimeUs: 0, expected },
      { kind: 'remove', path: 'link/victim', expected },
      { kind: 'move', from: 'link/victim', path: 'gone', mode: 0o644, mtimeUs: 0, expectedFrom: expected },
      { kind: 'move', from: 'outside/victim', path: 'link/gone', mode: 0o644, mtimeUs: 0, expectedFrom: expected },
    ]
    const outcomes = await world.apply(...operations)
    assert.deepEqual(
      outcomes,
      operations.map(() => ({ kind: 'badParent' })),
    )
    assert.deepEqual(world.namesIn('outside'), ['sub', 'victim'])
    assert.equal(world.read('outside/victim'), 'mine')
  })

  it('in place of the own directory stop everything', async () => {
    using world = await FolderWorld.open()
    const operation = await world.file('a', 'x', { expected: undefined })
    renameSync(`${world.root}/.holdfast/temp`, `${world.root}/elsewhere`)
    symlinkSync('../elsewhere', `${world.root}/.holdfast/temp`)
    const outcome = await world.applyOne(operation)
    assert.equal(outcome.kind, 'failed')
    assert.deepEqual(world.namesIn(''), ['.holdfast', 'elsewhere'])
  })
})

describe('directories', () => {
  it('are made, given bits and removed when empty', async () => {
    using world = await FolderWorld.open()
    const [made, inside] = await world.apply(
      { kind: 'directory', path: 'd', mode: 0o750, expected: undefined },
      await world.file('d/a', 'x', { expected: undefined }),
    )
    assert.ok(made !== undefined && inside !== undefined)
    isDone(made)
    isDone(inside)
    assert.equal(made.stat?.mode, 0o750)
    isDone(await world.applyOne({ kind: 'directory', path: 'd', mode: 0o700, expected: world.expect('d') }))
    assert.equal(lstatSync(`${world.root}/d`).mode & 0o777, 0o700)
    assert.deepEqual(await world.applyOne({ kind: 'remove', path: 'd', expected: world.expect('d') }), { kind: 'notEmpty' })
    const outcomes = await world.apply(
      { kind: 'remove', path: 'd/a', expected: world.expect('d/a') },
      { kind: 'remove', path: 'd', expected: world.expect('d') },
    )
    assert.deepEqual(outcomes, [
      { kind: 'done', stat: undefined },
      { kind: 'done', stat: undefined },
    ])
    assert.deepEqual(world.namesIn(''), ['.holdfast'])
  })

  it('are not made where something is', async () => {
    using world = await FolderWorld.open()
    world.write('d', 'mine')
    assert.deepEqual(await world.applyOne({ kind: 'directory', path: 'd', mode: 0o755, expected: undefined }), { kind: 'differs' })
    world.remove('d')
    world.interfere('before', 'makeDirectory', () => world.write('d', 'mine'))
    assert.deepEqual(await world.applyOne({ kind: 'directory', path: 'd', mode: 0o755, expected: undefined }), { kind: 'differs' })
    assert.equal(world.read('d'), 'mine')
  })

  it('without a parent are not made', async () => {
    using world = await FolderWorld.open()
    assert.deepEqual(await world.applyOne({ kind: 'directory', path: 'none/d', mode: 0o755, expected: undefined }), { kind: 'badParent' })
  })
})

describe('a path that changes its kind', () => {
  it('from file to directory parks the file', async () => {
    using world = await FolderWorld.open()
    world.write('a', 'old')
    isDone(await world.applyOne({ kind: 'directory', path: 'a', mode: 0o755, expected: world.expect('a'), park: 'p1' }))
    assert.deepEqual(world.namesIn('a'), [])
    assert.equal(world.parked('p1'), 'old')
  })

  it('from empty directory to file or symlink', async () => {
    using world = await FolderWorld.open()
    world.makeDirectory('a')
    isDone(await world.applyOne(await world.file('a', 'new', { expected: world.expect('a') })))
    assert.equal(world.read('a'), 'new')
    world.makeDirectory('b')
    isDone(await world.applyOne({ kind: 'symlink', path: 'b', target: 'a', expected: world.expect('b') }))
    assert.equal(readlinkSync(`${world.root}/b`), 'a')
  })

  it('from a directory that still holds something stays a directory', async () => {
    using world = await FolderWorld.open()
    world.makeDirectory('a')
    world.write('a/mine', 'x')
    assert.deepEqual(await world.applyOne(await world.file('a', 'new', { expected: world.expect('a') })), { kind: 'notEmpty' })
    assert.equal(world.read('a/mine'), 'x')
  })

  it('between file and symlink parks what was there', async () => {
    using world = await FolderWorld.open()
    world.write('a', 'old')
    isDone(await world.applyOne({ kind: 'symlink', path: 'a', target: 'x', expected: world.expect('a'), park: 'p1' }))
    assert.equal(world.parked('p1'), 'old')
    isDone(await world.applyOne(await world.file('a', 'new', { expected: world.expect('a'), park: 'p2' })))
    assert.equal(world.read('a'), 'new')
    assert.equal(readlinkSync(`${world.root}/.holdfast/replaced/p2`), 'x')
  })
})

describe('attributes', () => {
  it('change without touching content, also of a file that may not be written', async () => {
    using world = await FolderWorld.open()
    world.write('a', 'x')
    chmodSync(`${world.root}/a`, 0o400)
    const before = world.expect('a')
    const outcome = await world.applyOne({ kind: 'attributes', path: 'a', mode: 0o444, mtimeUs: someTimeUs, expected: before })
    isDone(outcome)
    assert.deepEqual([outcome.stat?.mode, outcome.stat?.mtimeUs, outcome.stat?.inode], [0o444, someTimeUs, before.inode])
    isDone(await world.applyOne({ kind: 'attributes', path: 'a', mode: 0o600, mtimeUs: undefined, expected: world.expect('a') }))
    assert.equal(world.expect('a').mtimeUs, someTimeUs)
  })

  it('of an edited file stay as they are', async () => {
    using world = await FolderWorld.open()
    world.write('a', 'x')
    const expected = world.expect('a')
    world.write('a', 'y')
    const before = world.expect('a')
    assert.deepEqual(await world.applyOne({ kind: 'attributes', path: 'a', mode: 0o444, mtimeUs: someTimeUs, expected }), {
      kind: 'differs',
    })
    assert.deepEqual(world.expect('a'), before)
  })
})

describe('a removal', () => {
  it('parks when asked', async () => {
    using world = await FolderWorld.open()
    world.write('a', 'old')
    assert.deepEqual(await world.applyOne({ kind: 'remove', path: 'a', expected: world.expect('a'), park: 'p1' }), {
      kind: 'done',
      stat: undefined,
    })
    assert.equal(world.parked('p1'), 'old')
    assert.deepEqual(world.namesIn(''), ['.holdfast'])
  })

  it('spares what was edited, before and in the last moment', async () => {
    using world = await FolderWorld.open()
    world.write('a', 'old')
    const stale = world.expect('a')
    world.write('a', 'edited')
    assert.deepEqual(await world.applyOne({ kind: 'remove', path: 'a', expected: stale, park: 'p1' }), { kind: 'differs' })
    const expected = world.expect('a')
    world.interfere('before', 'rename', () => world.write('a', 'edited again'))
    assert.deepEqual(await world.applyOne({ kind: 'remove', path: 'a', expected, park: 'p1' }), { kind: 'differs' })
    assert.equal(world.read('a'), 'edited again')
    assert.deepEqual(world.namesIn('.holdfast/replaced'), [])
  })

  it('of a symlink takes the link, not what it points to', async () => {
    using world = await FolderWorld.open()
    world.write('a', 'x')
    symlinkSync('a', `${world.root}/l`)
    isDone(await world.applyOne({ kind: 'remove', path: 'l', expected: world.expect('l') }))
    assert.equal(world.read('a'), 'x')
  })
})

describe('a move', () => {
  const move = (world: FolderWorld): Operation => ({
    kind: 'move',
    from: 'a',
    path: 'b',
    mode: 0o640,
    mtimeUs: someTimeUs,
    expectedFrom: world.expect('a'),
  })

  it('keeps the file and sets its attributes', async () => {
    using world = await FolderWorld.open()
    world.write('a', 'x')
    const { inode } = world.expect('a')
    const outcome = await world.applyOne(move(world))
    isDone(outcome)
    assert.deepEqual([outcome.stat?.inode, outcome.stat?.mode, outcome.stat?.mtimeUs, outcome.stat?.links], [inode, 0o640, someTimeUs, 1])
    assert.deepEqual(world.namesIn(''), ['.holdfast', 'b'])
    assert.deepEqual(world.namesIn('.holdfast/temp'), [])
  })

  it('overwrites nothing at the new name, also in the last moment', async () => {
    using world = await FolderWorld.open()
    world.write('a', 'x')
    world.interfere('before', 'link', () => world.write('b', 'mine'))
    assert.deepEqual(await world.applyOne(move(world)), { kind: 'differs' })
    assert.deepEqual([world.read('a'), world.read('b')], ['x', 'mine'])
  })

  it('loses nothing that appears at the old name in the last moment', async () => {
    using world = await FolderWorld.open()
    world.write('a', 'x')
    const operation = move(world)
    world.interfere('after', 'link', () => {
      world.write('c', 'mine')
      renameSync(`${world.root}/c`, `${world.root}/a`)
    })
    isDone(await world.applyOne(operation))
    assert.deepEqual([world.read('a'), world.read('b')], ['mine', 'x'])
  })

  it('of an edited file gives the edit no old time', async () => {
    using world = await FolderWorld.open()
    world.write('a', 'x')
    const operation = move(world)
    world.interfere('after', 'unlink', () => world.write('b', 'y'))
    assert.deepEqual(await world.applyOne(operation), { kind: 'differs' })
    assert.equal(world.read('b'), 'y')
    assert.notEqual(world.expect('b').mtimeUs, someTimeUs)
  })

  it('takes directories and symlinks too', async () => {
    using world = await FolderWorld.open()
    world.makeDirectory('a')
    world.write('a/x', 'x')
    isDone(await world.applyOne(move(world)))
    assert.equal(world.read('b/x'), 'x')
    symlinkSync('b', `${world.root}/l`)
    isDone(await world.applyOne({ kind: 'move', from: 'l', path: 'm', mode: 0o777, mtimeUs: 0, expectedFrom: world.expect('l') }))
    assert.equal(readlinkSync(`${world.root}/m`), 'b')
  })
})

describe('a batch', () => {
  it('refuses paths that lead out or into the own directory', async () => {
    using world = await FolderWorld.open()
    for (const path of ['../x', '/x', 'a/../../x', '.holdfast/x', '', 'a//b']) {
      const outcome = await world.applyOne({ kind: 'directory', path, mode: 0o755, expected: undefined })
      assert.equal(outcome.kind, 'failed', path)
    }
  })

  it('refuses names that the platform would change', async () => {
    using world = await FolderWorld.open()
    const operations: readonly Operation[] = ['aux.txt', 'a:b', 'dot.'].map((path) => ({
      kind: 'directory',
      path,
      mode: 0o755,
      expected: undefined,
    }))
    const outcomes = await applyOperations(nodeFiles(), world.root, operations, 'win32')
    assert.deepEqual(
      outcomes.map((outcome) => outcome.kind),
      ['failed', 'failed', 'failed'],
    )
    assert.deepEqual(world.namesIn(''), ['.holdfast'])
  })

  it('flushes each touched directory once before it resolves, and says what could not be flushed', async () => {
    using world = await FolderWorld.open()
    world.makeDirectory('d')
    world.makeDirectory('e')
    const flushed: string[] = []
    world.files = {
      ...nodeFiles(),
      syncDirectory: async (path) => {
        flushed.push(path.slice(world.root.length))
        await nodeFiles().syncDirectory(path)
        if (path.endsWith('/e')) throw new FilesError('io', 'flush', path, 'EIO')
      },
    }
    const outcomes = await world.apply(
      { kind: 'directory', path: 'd/1', mode: 0o755, expected: undefined },
      { kind: 'directory', path: 'd/2', mode: 0o755, expected: undefined },
      { kind: 'directory', path: 'e/1', mode: 0o755, expected: undefined },
    )
    assert.deepEqual(flushed.toSorted(), ['/d', '/e'])
    assert.deepEqual(
      outcomes.map((outcome) => outcome.kind),
      ['done', 'done', 'failed'],
    )
  })
})
