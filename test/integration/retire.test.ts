// Letting go over real daemons, whose patience is cut short: hosts keep their share of what is wanted, and no more.

import assert from 'node:assert/strict'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { eventually, TestNodes, type TestDaemon } from '../support/daemon.ts'

const waitMs = 120_000
const program = fileURLToPath(new URL('../support/hasty-daemon.ts', import.meta.url))
const pictures = Array.from({ length: 40 }, (_, number) => `picture-${number}.jpg`)

async function storedBytes(host: TestDaemon): Promise<number> {
  return (await host.folder()).stored?.bytes ?? 0
}

describe('hosts', () => {
  it('let go of what is others’ to hold and of what nothing refers to, and store anew what is named again', async (test) => {
    const nodes = new TestNodes(test)
    const root = nodes.makeDirectory('photos')
    for (const name of pictures) writeFileSync(join(root, name), `${name} `.repeat(400))
    const owner = await nodes.start('owner')
    await owner.call('addFolder', { path: root, name: 'photos' })
    const join_ = async (zone: string): Promise<TestDaemon> => {
      const host = await nodes.start(zone, { program, serve: ['--class', 'always-on', '--zone', zone, '--capacity', '1GB'] })
      await host.call('join', { link: await owner.share('photos', 'host') })
      return host
    }
    const cellar = await join_('cellar')
    await owner.call('waitCopies', { folder: 'photos', copies: 2, timeoutMs: waitMs })
    const all = await storedBytes(cellar)
    const attic = await join_('attic')
    const hosts = [cellar, attic]

    // Two copies: the owner's, and that of one host or the other. The first one had everything.
    const shares = await eventually('the hosts to have their shares and no more', waitMs, async () => {
      const [one = 0, two = 0] = await Promise.all(hosts.map(storedBytes))
      return one < all && one + two === all ? [one, two] : undefined
    })
    assert.ok(shares.every((bytes) => bytes > 0))
    await owner.call('waitCopies', { folder: 'photos', copies: 2, timeoutMs: waitMs })

    // What no file has any more goes.
    const gone = pictures.slice(20)
    const [kept = ''] = gone
    const bytes = readFileSync(join(root, kept))
    for (const name of gone) rmSync(join(root, name))
    await eventually('the hosts to have let go of half', waitMs, async () => {
      const [one = 0, two = 0] = await Promise.all(hosts.map(storedBytes))
      return one + two < 0.6 * all ? true : undefined
    })
    writeFileSync(join(root, kept), bytes)
    await eventually('it to be stored again', waitMs, async () => {
      const found = await owner.call('copies', { folder: 'photos', path: kept })
      return found.files[0]?.copies === 2 ? true : undefined
    })
  })
})
