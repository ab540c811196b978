// A file that is saved while the hosts that are to hold it are off, over real daemons, whose patience is cut short.

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { eventually, TestNodes, type TestDaemon } from '../support/daemon.ts'

const waitMs = 90_000
const program = fileURLToPath(new URL('../support/hasty-daemon.ts', import.meta.url))
const photos = Array.from({ length: 12 }, (_, number) => `evening-${number}.jpg`)

async function storedBytes(host: TestDaemon): Promise<number> {
  return (await host.folder()).stored?.bytes ?? 0
}

describe('a host that stands in', () => {
  it('holds what is saved while the others are off, counts as a copy, and lets go of it once they are back and have it', async (test) => {
    const nodes = new TestNodes(test)
    const root = nodes.makeDirectory('photos')
    const save = (names: readonly string[]): void => names.forEach((name) => writeFileSync(join(root, name), `${name} `.repeat(2000)))
    save(['first.jpg'])
    const owner = await nodes.start('owner')
    await owner.call('addFolder', { path: root, name: 'photos', copies: 2 })
    const hosts: TestDaemon[] = []
    for (const name of ['attic', 'cellar', 'shed']) {
      const host = await nodes.start(name, { program, serve: ['--class', 'always-on', '--capacity', '1GB'] })
      await host.call('join', { link: await owner.share('photos', 'host') })
      hosts.push(host)
    }
    const [attic, cellar, shed] = hosts
    assert.ok(attic !== undefined && cellar !== undefined && shed !== undefined)
    await eventually('all to have their share', waitMs, async () => {
      const states = await Promise.all(hosts.map(async (host) => (await host.folder()).state))
      return states.every((state) => state === 'idle') ? true : undefined
    })
    await owner.call('waitCopies', { folder: 'photos', copies: 2, timeoutMs: waitMs })

    await Promise.all([attic.kill(), cellar.kill()])
    save(photos)
    await owner.call('waitCopies', { folder: 'photos', copies: 2, timeoutMs: waitMs })
    const { files } = await owner.call('copies', { folder: 'photos' })
    const shedId = (await shed.status()).peerId
    for (const { path, copies, holders } of files.filter((file) => photos.includes(file.path))) {
      assert.ok(copies === 2 && holders.includes(shedId), path)
    }
    const held = await storedBytes(shed)

    await Promise.all([attic.start(), cellar.start()])
    await eventually('it to have let go of what is theirs', waitMs, async () => ((await storedBytes(shed)) < held ? true : undefined))
    await owner.call('waitCopies', { folder: 'photos', copies: 2, timeoutMs: waitMs })
  })
})
