// Members that are lost, over real daemons. Nobody waits for a week: what a node counted is written to its index while it is off.

import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, it } from 'node:test'

import { eventually, TestNodes, type TestDaemon } from '../support/daemon.ts'

const waitMs = 90_000
const weekMs = 7 * 86_400_000

/** As if the node had seen nothing of the peer for eight days. */
function makeLost(home: string, peer: string): void {
  using database = new DatabaseSync(join(home, 'index.db'))
  const put = `insert into absence (peer_id, is_down, since_ms, away_ms, past) values (?, 1, 0, ?, '[]')
    on conflict (peer_id) do update set is_down = 1, away_ms = excluded.away_ms` // no round may have noted it yet
  assert.equal(database.prepare(put).run(peer, weekMs + 1).changes, 1)
}

/** What these nodes say of the host in the cellar comes to be this. */
async function allSee(absence: string, nodes: readonly TestDaemon[]): Promise<void> {
  const seen = async (node: TestDaemon): Promise<true | undefined> => {
    const { members } = await node.call('members', { folder: 'photos' })
    return members.find(({ name }) => name === 'cellar')?.absence === absence ? true : undefined
  }
  await Promise.all(nodes.map(async (node) => eventually(`all to see that it is ${absence}`, waitMs, () => seen(node))))
}

describe('a host that does not come back', () => {
  it('scenarios T20, T23: is lost for everybody, its copies are made anew, and when it returns it has what it had and nothing moves', async (test) => {
    const nodes = new TestNodes(test)
    const root = nodes.makeDirectory('photos')
    mkdirSync(join(root, 'summer'))
    for (let number = 0; number < 40; number++) writeFileSync(join(root, 'summer', `${number}.txt`), `picture ${number} `.repeat(4000))
    const owner = await nodes.start('owner')
    await owner.call('addFolder', { path: root, name: 'photos', copies: 2 })
    const hosts: TestDaemon[] = []
    for (const zone of ['cellar', 'attic']) {
      const host = await nodes.start(zone, { serve: ['--class', 'always-on', '--zone', zone, '--capacity', '1GB'] })
      await host.call('join', { link: await owner.share('photos', 'host') })
      hosts.push(host)
    }
    const [cellar, attic] = hosts
    assert.ok(cellar !== undefined && attic !== undefined)
    await eventually('the second to have its share', waitMs, async () => ((await attic.folder()).state === 'idle' ? true : undefined))
    await owner.call('waitCopies', { folder: 'photos', copies: 2, timeoutMs: waitMs })
    const cellarId = (await cellar.status()).peerId
    const all = (await cellar.folder()).stored?.bytes ?? 0
    assert.ok(((await attic.folder()).stored?.bytes ?? 0) < all)

    await cellar.stop()
    await eventually('the goodbye to be heard', waitMs, async () => {
      const { members } = await owner.call('members', { folder: 'photos' })
      return members.some(({ name, connected }) => name === 'cellar' && !connected) ? true : undefined
    })
    await owner.stop()
    makeLost(owner.home, cellarId)
    await owner.start()
    await allSee('lost', [owner, attic])
    assert.ok((await owner.status()).problems.some(({ code, path }) => code === 'MEMBER_LOST' && path === cellarId))
    assert.match((await owner.command('members', 'photos')).out, /cellar .*lost/)
    await eventually('the others to have its part', waitMs, async () => ((await attic.folder()).stored?.bytes === all ? true : undefined))
    await owner.call('waitCopies', { folder: 'photos', copies: 2, timeoutMs: waitMs })
    const { files } = await owner.call('copies', { folder: 'photos' })
    for (const { copies, holders } of files) assert.ok(copies === 2 && !holders.includes(cellarId))

    await cellar.start()
    await allSee('here', [owner, attic, cellar])
    await eventually('its word to count again', waitMs, async () => {
      const list = await owner.call('copies', { folder: 'photos' })
      return list.files.every(({ holders }) => holders.includes(cellarId)) ? true : undefined
    })
    assert.equal((await cellar.folder()).state, 'idle')
    assert.equal((await cellar.folder()).stored?.bytes, all)
    assert.equal((await attic.folder()).stored?.bytes, all)
    assert.ok((await cellar.status()).traffic.receivedBytes < 100_000, 'entries, cards and receipts, no blocks')
    assert.equal((await owner.status()).problems.filter(({ code }) => code === 'MEMBER_LOST').length, 0)
  })
})
