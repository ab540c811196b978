// Hosts over real daemons: they store a folder's blocks without being able to read them, and give them to those who can.

import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { eventually, TestNodes, type TestDaemon } from '../support/daemon.ts'

const waitMs = 60_000

interface Pair {
  readonly nodes: TestNodes
  readonly owner: TestDaemon
  readonly host: TestDaemon
  readonly root: string
}

/** An owner with a folder of some files, and a host that stores it. */
async function openPair(test: TestContext): Promise<Pair> {
  const nodes = new TestNodes(test)
  const root = nodes.makeDirectory('photos')
  mkdirSync(join(root, 'ostereier'))
  for (let number = 0; number < 20; number++) writeFileSync(join(root, 'ostereier', `huhn-${number}.txt`), `gackern ${number} `.repeat(50))
  writeFileSync(join(root, 'film.bin'), Buffer.alloc(3_000_000, 'nachtigall '))
  const owner = await nodes.start('owner')
  await owner.call('addFolder', { path: root, name: 'photos' })
  const host = await nodes.start('host', { serve: ['--class', 'always-on', '--zone', 'cellar', '--capacity', '1GB'] })
  await host.call('join', { link: await owner.share('photos', 'host') })
  return { nodes, owner, host, root }
}

/** Everything that is written below a directory, as bytes. */
function bytesBelow(directory: string): Buffer {
  const found = readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((name) => join(directory, name))
  return Buffer.concat(found.filter((path) => statSync(path).isFile()).map((path) => readFileSync(path)))
}

describe('a host', () => {
  it('stores a folder, says so, and has neither a name nor a content of it on its disk', async (test) => {
    const { host, owner, root } = await openPair(test)
    await host.call('waitSynced', { timeoutMs: waitMs })
    await owner.call('waitSynced', { timeoutMs: waitMs })
    const folder = await host.folder('photos')
    assert.equal(folder.role, 'host')
    assert.equal(folder.path, '')
    assert.equal(folder.state, 'idle')
    const plain = readdirSync(join(root, 'ostereier')).reduce((bytes, name) => bytes + statSync(join(root, 'ostereier', name)).size, 0)
    // The film is one line over and over: much of it is the same blocks.
    assert.ok((folder.stored?.bytes ?? 0) > plain, `${folder.stored?.bytes} bytes are stored`)
    const told = await host.command('status')
    assert.match(told.out, /host .*stored .*cannot read it/)
    const kept = bytesBelow(host.home)
    assert.ok(kept.length > plain)
    for (const secret of ['huhn', 'ostereier', 'gackern', 'nachtigall', 'film.bin']) assert.equal(kept.includes(secret), false, secret)
  })

  it('gives what it stores to a member that was away while it was written, when the writer is gone', async (test) => {
    const { nodes, owner, host, root } = await openPair(test)
    await owner.call('setFolder', { folder: 'photos', settings: { copies: '3' } }) // two have all of it: the third copy is the host's
    const other = await nodes.start('other')
    const copy = nodes.path('copy')
    await other.call('join', { link: await owner.share('photos'), path: copy })
    await other.call('waitSynced', { timeoutMs: waitMs })
    await other.stop()
    writeFileSync(join(root, 'late.txt'), 'written while the other was away')
    await owner.call('waitSynced', { timeoutMs: waitMs })
    await host.call('waitSynced', { timeoutMs: waitMs })
    await owner.stop()
    await other.start()
    const got = await eventually('the file to come from the host', waitMs, () => {
      const isThere = readdirSync(copy).includes('late.txt')
      return isThere ? readFileSync(join(copy, 'late.txt'), 'utf8') : undefined
    })
    assert.equal(got, 'written while the other was away')
  })

  it('counts as a copy once it says that it holds everything, in its own place', async (test) => {
    const { owner, host, root } = await openPair(test)
    await owner.call('waitCopies', { folder: 'photos', copies: 2, timeoutMs: waitMs })
    const { files, total } = await owner.call('copies', { folder: 'photos', worst: true })
    assert.equal(total, 21)
    const [self, other] = [(await owner.status()).peerId, (await host.status()).peerId]
    for (const { copies, zones, holders } of files) {
      assert.deepEqual([copies, zones], [2, 2])
      assert.deepEqual(new Set(holders), new Set([self, other]))
    }
    assert.deepEqual((await owner.folder()).copies, { target: 2, min: 2, below: 0, single: 0 })
    await host.stop()
    writeFileSync(join(root, 'alone.txt'), 'nobody else has this')
    const late = owner.call('waitCopies', { folder: 'photos', copies: 2, timeoutMs: 3000 })
    await assert.rejects(late, { code: 'TIMED_OUT' })
    const [worst] = (await owner.call('copies', { folder: 'photos', worst: true, limit: 1 })).files
    assert.equal(worst?.path, 'alone.txt')
    assert.equal(worst.copies, 1)
    await assert.rejects(owner.call('copies', { folder: 'photos', path: 'nowhere' }), { code: 'UNKNOWN_PATH' })
    assert.match((await owner.command('status')).out, /1 of 2 copies, 1 below/)
    const printed = await owner.command('copies', 'photos', '--worst', '--limit', '2')
    assert.match(printed.out, /1 of 2 !.*alone\.txt +this node/)
    assert.deepEqual((await owner.folder()).copies, { target: 2, min: 1, below: 1, single: 1 })
  })

  it('is verified once it has proven what it holds', async (test) => {
    const { owner } = await openPair(test)
    await owner.call('waitCopies', { folder: 'photos', copies: 2, timeoutMs: waitMs })
    await eventually('the host to prove it', waitMs, async () => {
      const { files } = await owner.call('copies', { folder: 'photos' })
      return files.every(({ verified }) => verified === 2) ? true : undefined
    })
  })

  it('is told by an owner how many copies there are to be, and so is everybody', async (test) => {
    const { owner, host } = await openPair(test)
    const { settings } = await owner.call('setFolder', { folder: 'photos', settings: { copies: '3' } })
    assert.equal(settings['copies'], '3')
    await eventually('the host to know', waitMs, async () => ((await host.folder()).copies.target === 3 ? true : undefined))
    await assert.rejects(owner.call('setFolder', { folder: 'photos', settings: { copies: '99' } }), { code: 'BAD_ARGUMENT' })
  })

  it('that lost its blocks fetches them again', async (test) => {
    const { owner, host } = await openPair(test)
    await owner.call('waitCopies', { folder: 'photos', copies: 2, timeoutMs: waitMs })
    const storedBytes = (await host.folder('photos')).stored?.bytes ?? 0
    await host.stop()
    const segments = readdirSync(host.home, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.segment'))
    assert.ok(segments.length > 0)
    for (const name of segments) truncateSync(join(host.home, name), 100)
    await host.start()
    await eventually('the blocks to be back', waitMs, async () => {
      const { stored, state } = await host.folder('photos')
      return state === 'idle' && stored?.bytes === storedBytes ? true : undefined
    })
    await owner.call('waitCopies', { folder: 'photos', copies: 2, timeoutMs: waitMs })
  })

  it('goes on where it was after a kill', async (test) => {
    const { owner, host, root } = await openPair(test)
    await host.call('waitSynced', { timeoutMs: waitMs })
    const storedBytes = (await host.folder('photos')).stored?.bytes ?? 0
    await host.kill()
    writeFileSync(join(root, 'more.txt'), 'more '.repeat(1000))
    await owner.call('waitSynced', { timeoutMs: waitMs })
    await host.start()
    await eventually('the new file to be stored', waitMs, async () => {
      const { stored, state } = await host.folder('photos')
      return state === 'idle' && (stored?.bytes ?? 0) > storedBytes ? true : undefined
    })
  })

  it('that lost its index has the folder still, and fetches no block again', async (test) => {
    const { owner, host } = await openPair(test)
    await host.call('waitSynced', { timeoutMs: waitMs })
    const storedBytes = (await host.folder('photos')).stored?.bytes ?? 0
    await host.stop()
    for (const name of readdirSync(host.home)) if (name.startsWith('index.db')) rmSync(join(host.home, name))
    await host.start()
    await eventually('the two to meet', waitMs, async () => ((await owner.status()).peers[0]?.connected === true ? true : undefined))
    await owner.call('waitSynced', { timeoutMs: waitMs })
    assert.equal((await host.folder('photos')).state, 'idle')
    assert.equal((await host.folder('photos')).stored?.bytes, storedBytes)
    assert.ok((await host.status()).traffic.receivedBytes < storedBytes / 2)
  })

  for (const [what, withPath, role] of [
    ['a link for a host is refused with a path, and is still good without', true, 'host'],
    ['a link for a writer is refused without a path, and is still good with one', false, 'write'],
  ] as const) {
    it(what, async (test) => {
      const nodes = new TestNodes(test)
      const owner = await nodes.start('owner')
      await owner.call('addFolder', { path: nodes.makeDirectory('a'), name: 'a' })
      const link = await owner.share('a', role)
      const joiner = await nodes.start('joiner', { serve: ['--capacity', '1GB'] })
      const place = { path: nodes.path('b') }
      await assert.rejects(joiner.call('join', { link, ...(withPath ? place : {}) }), { code: 'BAD_ARGUMENT' })
      const { folder } = await joiner.call('join', { link, ...(withPath ? {} : place) })
      assert.equal(folder.name, 'a')
    })
  }

  it('that offers no room is refused before its link is used up, unless it stores all', async (test) => {
    const nodes = new TestNodes(test)
    const owner = await nodes.start('owner')
    await owner.call('addFolder', { path: nodes.makeDirectory('a'), name: 'a' })
    const link = await owner.share('a', 'host')
    const joiner = await nodes.start('joiner')
    await assert.rejects(joiner.call('join', { link }), { code: 'BAD_ARGUMENT' })
    assert.equal((await joiner.call('join', { link, keep: 'all' })).folder.name, 'a')
  })

  it('is one of several that share a folder: each block is with as many as there are to be copies, in as many places', async (test) => {
    const { nodes, owner, host } = await openPair(test)
    await owner.call('setFolder', { folder: 'photos', settings: { copies: '3' } })
    const others: TestDaemon[] = []
    for (const zone of ['attic', 'office']) {
      const other = await nodes.start(zone, { serve: ['--zone', zone, '--capacity', '1GB'] })
      await other.call('join', { link: await owner.share('photos', 'host') })
      others.push(other)
    }
    await owner.call('waitCopies', { folder: 'photos', copies: 3, timeoutMs: 2 * waitMs })
    const { files } = await owner.call('copies', { folder: 'photos' })
    // More while those count that held it by the placement before.
    for (const { path, copies, zones } of files) assert.ok(copies >= 3 && zones >= 3, `${path}: ${copies} in ${zones}`)
    // Of three hosts each has two blocks in three. Those that were there before have all, and nothing is let go of yet.
    const all = (await host.folder('photos')).stored?.bytes ?? 0
    const last = others.at(-1)
    assert.ok(last !== undefined && all > 0)
    const share = await eventually('the last to have its share', waitMs, async () => {
      const { stored, state } = await last.folder('photos')
      return state === 'idle' && stored !== undefined && stored.bytes > 0 ? stored.bytes : undefined
    })
    assert.ok(share < all, `the last stores ${share} of ${all}`)
  })

  it('scenario T20: that is lost for good is retired, and the others have its copies again', async (test) => {
    const { nodes, owner, host } = await openPair(test)
    await owner.call('setFolder', { folder: 'photos', settings: { copies: '3' } })
    const others: TestDaemon[] = []
    for (const zone of ['attic', 'office']) {
      const other = await nodes.start(zone, { serve: ['--zone', zone, '--capacity', '1GB'] })
      await other.call('join', { link: await owner.share('photos', 'host') })
      others.push(other)
    }
    const [attic, office] = others
    assert.ok(attic !== undefined && office !== undefined)
    await eventually('the last to have its share', waitMs, async () => ((await office.folder()).state === 'idle' ? true : undefined))
    await owner.call('waitCopies', { folder: 'photos', copies: 3, timeoutMs: waitMs })
    const all = (await host.folder()).stored?.bytes ?? 0
    await host.kill()
    await assert.rejects(owner.call('retireMember', { folder: 'photos', peer: 'nobody' }), { code: 'UNKNOWN_MEMBER' })
    await assert.rejects(attic.call('retireMember', { folder: 'photos', peer: 'host' }), { code: 'NOT_ALLOWED' })
    await owner.call('retireMember', { folder: 'photos', peer: 'host' })
    const { members } = await attic.call('members', { folder: 'photos' })
    assert.equal(members.length, 4)
    await eventually('the last to have everything now', waitMs, async () =>
      (await office.folder()).stored?.bytes === all ? true : undefined,
    )
    await owner.call('waitCopies', { folder: 'photos', copies: 3, timeoutMs: waitMs })
    const { files } = await owner.call('copies', { folder: 'photos' })
    const lost = (await owner.call('members', { folder: 'photos' })).members.find(({ retired }) => retired)
    assert.equal(lost?.name, 'host')
    for (const { copies, holders } of files) assert.ok(copies === 3 && !holders.includes(lost.id))
  })

  it('refuses what needs the files, with a word why', async (test) => {
    const { host } = await openPair(test)
    await assert.rejects(host.call('rescanFolder', { folder: 'photos' }), { code: 'NOT_ALLOWED' })
    await assert.rejects(host.call('history', { folder: 'photos' }), { code: 'NOT_ALLOWED' })
  })

  it('forgets everything of a folder that is removed, unless nobody else has what it stores', async (test) => {
    const { host, owner } = await openPair(test)
    await host.call('waitSynced', { timeoutMs: waitMs })
    await owner.call('waitCopies', { folder: 'photos', copies: 2, timeoutMs: waitMs })
    await eventually('the host to know of the other copies', waitMs, async () =>
      ((await host.folder()).copies.min ?? 0) >= 2 ? true : undefined,
    )
    await owner.call('retireMember', { folder: 'photos', peer: (await owner.status()).peerId }) // lost for good
    await eventually('the host to know', waitMs, async () => ((await host.folder()).copies.min === 1 ? true : undefined))
    await assert.rejects(host.call('removeFolder', { folder: 'photos' }), { code: 'LAST_COPIES' })
    assert.match((await host.command('folder', 'remove', 'photos')).err, /21 paths.*--force/s)
    const own = (await owner.status()).name
    assert.match((await owner.command('member', 'retire', 'photos', own, '--undo')).out, /counts as a copy again/)
    await eventually('the host to count it again', waitMs, async () => ((await host.folder()).copies.min === 2 ? true : undefined))
    const { members } = await owner.call('members', { folder: 'photos' })
    const back = members.find(({ name }) => name === own)
    assert.deepEqual([members.length, back?.role, back?.retired], [2, 'owner', false])
    await owner.call('retireMember', { folder: 'photos', peer: own })
    await eventually('the host to know again', waitMs, async () => ((await host.folder()).copies.min === 1 ? true : undefined))
    await host.call('removeFolder', { folder: 'photos', force: true })
    assert.deepEqual((await host.status()).folders, [])
    const after = await owner.call('members', { folder: 'photos' })
    assert.deepEqual(
      after.members.map(({ left }) => left),
      [true, false],
    )
    await host.restart()
    assert.deepEqual((await host.status()).folders, [])
  })
})
