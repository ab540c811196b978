// History told as stories, on whole nodes in a simulated world: what others replaced or deleted comes back, and so does a whole folder.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { present } from '../../engine/base/assert.ts'
import type { PastVersion, RolledBack } from '../../engine/api/controls.ts'
import { EngineError } from '../../engine/base/errors.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { Members } from './pair.ts'

const { signal } = new AbortController()
const dayMs = 86_400_000
/** Files that nobody touches, so that no change is one of half the folder. */
const bystanders = Object.fromEntries(Array.from({ length: 12 }, (_, at) => [`keep/${at}`, `kept ${at}`]))

async function open(story: string, names: readonly string[] = ['A', 'B'], files: Readonly<Record<string, string>> = {}): Promise<Members> {
  const members = new Members(story, names)
  await members.begin({ ...bystanders, ...files })
  return members
}

function versions(members: Members, name: string, path: string): readonly PastVersion[] {
  return members.controls(name).history('Folder', path).versions
}

async function restore(members: Members, name: string, path: string, version: PastVersion | undefined, to?: string): Promise<string> {
  const id = present(version, 'there is such a version').id
  const request = { folder: 'Folder', path, version: id, ...(to === undefined ? {} : { to }) }
  const { state } = await members.wait(members.controls(name).restore(request, signal), 'restore')
  await members.synced()
  return state
}

async function rollback(
  members: Members,
  name: string,
  atMs: number,
  more: { readonly path?: string; readonly to?: string } = {},
): Promise<RolledBack> {
  const done = await members.wait(members.controls(name).rollback({ folder: 'Folder', atMs, ...more }, signal), 'rollback')
  await members.synced()
  return done
}

const isCode = (code: string) => (error: unknown) => error instanceof EngineError && error.code === code

function blob(seed: string, sizeBytes: number): Uint8Array {
  return new SeededRandom(seed).bytes(sizeBytes)
}

function storedBytes(members: Members, name: string): number {
  return present(members.controls(name).folders()[0], 'it has the folder').historyBytes
}

describe('history', () => {
  it('says how many versions there are when it shows fewer, and refuses a path that never was', async () => {
    using members = await open('many versions', ['A', 'B'], { 'note.txt': '0', 'dir/a': '0' })
    for (const text of ['1', '2', '3']) {
      for (const path of ['note.txt', 'dir/a']) members.write('A', path, text)
      await members.synced()
    }
    const controls = members.controls('B')
    const shown = (path: string | undefined, limit?: number): readonly [number, number] => {
      const { versions: listed, total } = controls.history('Folder', path, limit)
      return [listed.length, total]
    }
    assert.deepEqual(
      [shown(undefined, 2), shown(undefined), shown('dir', 2), shown('dir/a', 1)],
      [
        [2, 6],
        [6, 6],
        [2, 3],
        [1, 3],
      ],
    )
    assert.deepEqual(shown('keep/0'), [0, 0], 'there is a file, and no version before it')
    for (const path of ['nope', 'dir/nope', 'note']) {
      assert.throws(() => controls.history('Folder', path), isCode('UNKNOWN_PATH'))
      const request = { folder: 'Folder', path, atMs: members.nowMs('B') - 1 }
      await assert.rejects(members.wait(controls.rollback(request, signal), 'rollback'), isCode('UNKNOWN_PATH'))
    }
  })

  it('has three versions of a file that another member wrote, newest first, and each can be had again', async () => {
    using members = await open('three versions', ['A', 'B'], { 'note.txt': 'one' })
    for (const text of ['two!', 'three', 'four..']) {
      members.write('A', 'note.txt', text)
      await members.synced()
    }
    const known = versions(members, 'B', 'note.txt')
    assert.deepEqual(
      known.map(({ bytes, byName, deleted, isHere }) => ({ bytes, byName, deleted, isHere })),
      [5, 4, 3].map((bytes) => ({ bytes, byName: 'A', deleted: false, isHere: true })),
    )
    for (const [at, text] of ['three', 'two!', 'one'].entries()) {
      assert.equal(await restore(members, 'B', 'note.txt', known[at]), 'done')
      assert.equal(members.read('A', 'note.txt'), text)
      assert.equal(members.read('B', 'note.txt'), text)
    }
    assert.equal(versions(members, 'B', 'note.txt').length, 6, 'what a restored version replaces is a past version too')
  })

  it('brings back a file that another member deleted, and its directory with it (scenario 13)', async () => {
    using members = await open('deleted', ['A', 'B'], { 'plans/garden/pond.txt': 'deep' })
    members.remove('A', 'plans')
    await members.synced()
    assert.equal(members.read('B', 'plans/garden/pond.txt'), undefined)
    const below = versions(members, 'B', 'plans')
    assert.ok(below.every(({ deleted }) => deleted))
    const [version] = versions(members, 'B', 'plans/garden/pond.txt')
    assert.deepEqual([version?.deleted, version?.byName, version?.isHere], [true, 'A', true])
    await restore(members, 'B', 'plans/garden/pond.txt', version)
    for (const name of ['A', 'B']) assert.equal(members.read(name, 'plans/garden/pond.txt'), 'deep')
  })

  it('keeps what a rename wrote over (scenario 36), and a file that became a directory (scenario 47)', async () => {
    using members = await open('written over', ['A', 'B'], { a: 'the new', b: 'the old', c: 'a file' })
    members.rename('A', 'a', 'b')
    await members.synced()
    members.remove('A', 'c')
    members.write('A', 'c/inside', 'now a directory')
    await members.synced()
    const [old] = versions(members, 'B', 'b')
    const [file] = versions(members, 'B', 'c')
    assert.equal(file?.kind, 'file')
    const work = members.controls('B').restore({ folder: 'Folder', path: 'c', version: file.id }, signal)
    await assert.rejects(members.wait(work, 'restore over a directory'), isCode('NOT_ALLOWED'))
    assert.equal(await restore(members, 'B', 'c', file, '/home/c.old'), 'done')
    assert.equal(members.read('B', '/home/c.old'), 'a file')
    assert.equal(members.read('B', 'c/inside'), 'now a directory')
    await restore(members, 'B', 'b', old)
    assert.equal(members.read('A', 'b'), 'the old')
  })

  it('keeps blocks that another file held, when that file goes later', async () => {
    const shared = Buffer.from(blob('shared', 700_000)).toString('latin1')
    using members = await open('shared blocks', ['A', 'B'], { first: shared, second: shared })
    const before = storedBytes(members, 'B')
    members.remove('A', 'first')
    await members.synced()
    assert.equal(storedBytes(members, 'B'), before, 'the other file has it: nothing is kept twice')
    members.remove('A', 'second')
    await members.synced()
    assert.ok(storedBytes(members, 'B') > 700_000)
    // Nobody else is asked.
    members.node('A').kill()
    await restore(members, 'B', 'first', versions(members, 'B', 'first')[0])
    assert.ok(members.read('B', 'first') === shared)
  })

  it('costs what changed of a large file, not the file', async () => {
    using members = await open('large')
    const content = blob('large', 6 * 1024 * 1024)
    members.write('A', 'film', content)
    await members.synced()
    const changed = content.slice()
    changed.set(blob('middle', 1000), 3 * 1024 * 1024)
    members.write('A', 'film', changed)
    await members.synced()
    assert.ok(storedBytes(members, 'B') > 1000 && storedBytes(members, 'B') < 2.2 * 1024 * 1024, `${storedBytes(members, 'B')} bytes`)
    await restore(members, 'B', 'film', versions(members, 'B', 'film')[0])
    assert.deepEqual(members.node('A').user.read('/folder/film'), content)
  })

  it('gives back what is parked while the block store takes no writes, and stores it once it does, without a restart', async () => {
    using members = await open('no writes', ['A', 'B'], { note: 'one', plan: 'old' })
    const { faults, homePath, folderPath, user } = members.node('B')
    const storeProblems = (): readonly string[] => {
      const codes = members.controls('B').status().problems
      return codes.map(({ code }) => code).filter((code) => code.startsWith('STORE_'))
    }
    faults.add({ path: `${homePath}/segments`, operations: ['datasync'], fault: 'io', times: 1_000_000 })
    members.write('A', 'note', 'two!')
    members.write('A', 'plan', 'new')
    await members.synced()
    await members.pass(60_000)
    assert.deepEqual(storeProblems(), ['STORE_READ_ONLY'])
    const [note] = versions(members, 'B', 'note')
    assert.equal(note?.isHere, true)
    await restore(members, 'B', 'note', note, '/home/note.old')
    assert.equal(members.read('B', '/home/note.old'), 'one')
    assert.equal(await restore(members, 'B', 'note', note), 'done')
    for (const name of ['A', 'B']) assert.equal(members.read(name, 'note'), 'one')
    assert.equal(storedBytes(members, 'B'), 0)
    faults.clear()
    await members.pass(180_000)
    assert.deepEqual(storeProblems(), [])
    assert.ok(storedBytes(members, 'B') > 0)
    assert.deepEqual(user.walk(`${folderPath}/.holdfast/replaced`), [])
    await restore(members, 'B', 'plan', versions(members, 'B', 'plan')[0])
    assert.equal(members.read('A', 'plan'), 'old')
  })

  it('lists what was overwritten here, and gets it from members that keep it', async () => {
    using members = await open('own edits', ['A', 'B'], { 'mine.txt': 'what I had' })
    members.write('A', 'mine.txt', 'what I have')
    await members.synced()
    const [version] = versions(members, 'A', 'mine.txt')
    assert.deepEqual([version?.byName, version?.isHere], ['A', false])
    members.node('B').kill()
    await members.pass(60_000)
    const id = present(version, 'it is listed').id
    const alone = members.controls('A').restore({ folder: 'Folder', path: 'mine.txt', version: id }, signal)
    await assert.rejects(members.wait(alone, 'restore alone'), isCode('CONTENT_UNAVAILABLE'))
    await members.wait(members.node('B').start(), 'start')
    await members.synced()
    await members.pass(30_000)
    await restore(members, 'A', 'mine.txt', version)
    assert.equal(members.read('B', 'mine.txt'), 'what I had')
  })

  it('refuses versions and places that are not there, or are taken', async () => {
    using members = await open('refusals', ['A', 'B'], { x: 'one' })
    members.write('A', 'x', 'two')
    await members.synced()
    const { id } = present(versions(members, 'B', 'x')[0], 'it is listed')
    const attempt = (path: string, version: string, to?: string): Promise<unknown> =>
      members.wait(
        members.controls('B').restore({ folder: 'Folder', path, version, ...(to === undefined ? {} : { to }) }, signal),
        'restore',
      )
    await assert.rejects(attempt('x', '999'), isCode('UNKNOWN_VERSION'))
    await assert.rejects(attempt('y', id), isCode('UNKNOWN_VERSION'))
    await assert.rejects(attempt('../x', id), isCode('BAD_PATH'))
    await assert.rejects(attempt('x', id, '/folder/keep/1'), isCode('PATH_TAKEN'))
    await assert.rejects(attempt('x', id, '/nowhere/x'), isCode('PATH_MISSING'))
    assert.equal(members.read('B', 'keep/1'), 'kept 1')
    assert.deepEqual(members.tree('B'), members.tree('A'))
  })
})

describe('rolling back', () => {
  it('brings a folder back to a time, and again to what it was before', async () => {
    using members = await open('rollback', ['A', 'B'], { a: 'one', 'd/b': 'two', 'd/c': 'three', gone: 'was here' })
    await members.pass(60_000)
    const atMs = members.nowMs('B')
    const then = members.tree('B')
    members.write('A', 'a', 'ransom')
    members.write('A', 'd/b', 'ransom too')
    members.remove('A', 'gone')
    members.rename('A', 'd/c', 'moved')
    members.write('B', 'new/file', 'made since')
    members.write('A', 'draft', 'begun since')
    members.write('A', 'brief', 'came and went since')
    await members.synced()
    members.write('A', 'draft', 'and gone on with')
    members.remove('A', 'brief')
    await members.synced()
    const before = members.tree('B')
    const done = await rollback(members, 'B', atMs)
    assert.deepEqual([done.state, done.missingCount], ['done', 0])
    for (const name of ['A', 'B']) assert.deepEqual(members.tree(name), then)
    const undone = await rollback(members, 'B', present(done.undoAtMs, 'it can be undone'))
    assert.equal(undone.missingCount, 0)
    for (const name of ['A', 'B']) assert.deepEqual(members.tree(name), before)
  })

  it('touches one part of the folder when asked to', async () => {
    using members = await open('part', ['A', 'B'], { 'one/x': '1', 'two/x': '1' })
    await members.pass(1000)
    const atMs = members.nowMs('B')
    for (const path of ['one/x', 'two/x', 'one/new']) members.write('A', path, 'changed')
    await members.synced()
    const done = await rollback(members, 'B', atMs, { path: 'one' })
    assert.deepEqual([done.restored, done.removed], [1, 1])
    assert.equal(members.read('A', 'one/x'), '1')
    assert.equal(members.read('A', 'one/new'), undefined)
    assert.equal(members.read('A', 'two/x'), 'changed')
  })

  it('scenario 23: 90 % of files change content in one scan (ransomware): held, and once let through, another member rolls back', async () => {
    const files = Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`work/${at}`, `work of day ${at}`]))
    using members = await open('ransomware', ['A', 'B'], files)
    await members.pass(60_000)
    const atMs = members.nowMs('B')
    const then = members.tree('B')
    for (const path of Object.keys(files)) members.write('A', path, `encrypted ${path} ..........`)
    await members.pass(20_000)
    assert.deepEqual(members.tree('B'), then, 'nothing spreads before a person decides')
    const held = members.controls('A').rollback({ folder: 'Folder', atMs }, signal)
    await assert.rejects(members.wait(held, 'rollback while changes are held'), isCode('NOT_ALLOWED'))
    await members.wait(members.controls('A').acceptChanges('Folder', signal), 'accept')
    await members.synced()
    assert.match(members.read('B', 'work/7') ?? '', /^encrypted/)
    const done = await rollback(members, 'B', atMs)
    assert.deepEqual([done.restored, done.removed, done.missingCount, done.state], [40, 0, 0, 'done'])
    for (const name of ['A', 'B']) assert.deepEqual(members.tree(name), then)
  })

  it('writes what was to another place, and leaves the folder as it is', async () => {
    const large = Buffer.from(blob('elsewhere', 900_000)).toString('latin1')
    using members = await open('elsewhere', ['A', 'B'], { a: 'one', 'd/empty': '', 'd/large': large })
    members.node('A').user.symlink('a', '/folder/link')
    await members.synced()
    const then = members.tree('B')
    const atMs = members.nowMs('B')
    members.write('A', 'a', 'changed')
    members.remove('A', 'd')
    members.write('A', 'e', 'new')
    await members.synced()
    const now = members.tree('B')
    const done = await rollback(members, 'B', atMs, { to: '/home/then' })
    assert.equal(done.missingCount, 0)
    assert.deepEqual(members.tree('B', '/home/then'), then)
    assert.deepEqual(members.tree('B'), now)
    await assert.rejects(rollback(members, 'B', atMs, { to: '/home/then' }), isCode('PATH_TAKEN'))
    await assert.rejects(rollback(members, 'B', atMs, { to: '/folder/then' }), isCode('FOLDER_NESTED'))
    await rollback(members, 'B', atMs, { path: 'd', to: '/home/d' })
    assert.deepEqual(
      members.tree('B', '/home/d').map((line) => line.slice(0, 6)),
      ['empty:', 'large:'],
    )
  })

  it('leaves alone what was in the folder before this node joined it, and goes no further back than that', async () => {
    using members = await open('joined', ['A', 'B', 'C'], { old: 'from before' })
    const history = members.controls('C').history('Folder', undefined)
    await assert.rejects(rollback(members, 'C', history.floorMs - 1), isCode('BAD_ARGUMENT'))
    await assert.rejects(rollback(members, 'C', members.nowMs('C') + dayMs), isCode('BAD_ARGUMENT'))
    const done = await rollback(members, 'C', history.floorMs)
    assert.deepEqual([done.restored, done.removed], [0, 0])
    assert.equal(members.read('C', 'old'), 'from before')
  })

  it('brings a directory back in whose place there is a file, and the other way round', async () => {
    using members = await open('kinds', ['A', 'B'], { 'was-dir/x': 'x', 'was-file': 'f' })
    await members.pass(1000)
    const atMs = members.nowMs('B')
    const then = members.tree('B')
    members.remove('A', 'was-dir')
    members.write('A', 'was-dir', 'a file now')
    members.remove('A', 'was-file')
    members.write('A', 'was-file/y', 'a directory now')
    await members.synced()
    await rollback(members, 'B', atMs)
    await members.pass(30_000)
    for (const name of ['A', 'B']) assert.deepEqual(members.tree(name), then)
  })

  it('brings one file back in whose place there is a directory that another clock calls older, and leaves no copy', async () => {
    using members = await open('another clock', ['A', 'B'], { x: 'a file' })
    members.node('A').wall.jump(-3_600_000)
    await members.pass(1000)
    const atMs = members.nowMs('B')
    const then = members.tree('B')
    members.remove('A', 'x')
    members.write('A', 'x/y/inside', 'a directory now')
    await members.synced()
    await rollback(members, 'B', atMs, { path: 'x', to: '/home/old' })
    assert.deepEqual(members.tree('B', '/home/old'), ['x: a file'])
    await rollback(members, 'B', atMs, { path: 'x' })
    for (const name of ['A', 'B']) assert.deepEqual(members.tree(name), then)
  })

  it('brings nothing back below what is a file now', async () => {
    using members = await open('below a file', ['A', 'B'], { 'x/inside': 'in a directory' })
    await members.pass(1000)
    const atMs = members.nowMs('B')
    members.remove('A', 'x')
    members.write('A', 'x', 'a file now')
    await members.synced()
    const [version] = versions(members, 'B', 'x/inside')
    const request = { folder: 'Folder', path: 'x/inside' }
    const one = members.controls('B').restore({ ...request, version: present(version, 'it was noted').id }, signal)
    await assert.rejects(members.wait(one, 'restore below a file'), isCode('NOT_ALLOWED'))
    await assert.rejects(
      members.wait(members.controls('B').rollback({ ...request, atMs }, signal), 'rollback below a file'),
      isCode('NOT_ALLOWED'),
    )
    await members.pass(5000)
    assert.equal(members.read('A', 'x'), 'a file now')
    await rollback(members, 'B', atMs, { path: 'x' })
    assert.equal(members.read('A', 'x/inside'), 'in a directory')
  })

  it('keeps the directory for what somebody puts into it while it is rolled back to a file, and keeps the file beside it', async () => {
    using members = await open('put into it', ['A', 'B'], { x: 'a file' })
    await members.pass(1000)
    const atMs = members.nowMs('B')
    members.remove('A', 'x')
    members.write('A', 'x/in', 'a directory now')
    await members.synced()
    const work = members.controls('B').rollback({ folder: 'Folder', atMs, path: 'x' }, signal)
    while (members.read('B', 'x/in') !== undefined) await members.pass(1)
    members.write('B', 'x/new', 'just now')
    await members.wait(work, 'rollback')
    await members.synced()
    for (const name of ['A', 'B']) {
      const shown = members.tree(name).filter((path) => !path.startsWith('keep'))
      assert.deepEqual(
        shown.map((path) => path.replace(/\.conflict-[^:]*/, '.conflict')),
        ['x.conflict: a file', 'x/', 'x/new: just now'],
      )
    }
  })
})
