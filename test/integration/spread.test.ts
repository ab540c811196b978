// Real daemons behind a slow line: new files leave their machine once, however many hosts are to hold them.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually, TestNodes, type TestDaemon } from '../support/daemon.ts'
import { noNamespaces, openSwitch } from '../support/namespaces.ts'

const waitMs = 240_000
const lineBitsPerSecond = 16_000_000
const files = 8
const fileBytes = 800_000
/** 1.05 at rest, where each host asking the origin makes 2.7; on a machine with other work 1.23 was seen: who hears of a file late asks twice. */
const timesMax = 1.5

test(
  'three hosts that are to hold every new file: over a line of 16 Mbit/s each block leaves its machine about once',
  { skip: noNamespaces, timeout: 2 * waitMs },
  async (t) => {
    const nodes = new TestNodes(t)
    const [cable, ...others] = openSwitch(t, ['o', 'x', 'y', 'z'])
    assert.ok(cable !== undefined)
    const root = nodes.makeDirectory('films')
    const origin = await nodes.start('origin', cable.daemon)
    await origin.call('addFolder', { path: root, name: 'films' })
    await origin.call('setFolder', { folder: 'films', settings: { copies: '4' } })
    const hosts: TestDaemon[] = []
    for (const [at, { daemon }] of others.entries()) {
      const serve = ['--zone', `zone ${at}`, '--capacity', '1GB', '--class', 'always-on']
      const host = await nodes.start(`host-${at}`, { ...daemon, serve })
      await host.call('join', { link: await origin.share('films', 'host') })
      hosts.push(host)
    }
    // They know each other, and each its share.
    for (const host of hosts) {
      await eventually(`${host.name} to see the others`, waitMs, async () => {
        const { peers } = await host.status()
        return peers.filter(({ connected }) => connected).length === others.length ? true : undefined
      })
      await host.call('waitSynced', { timeoutMs: waitMs })
    }
    cable.slowDown(lineBitsPerSecond)
    const before = cable.sentBytes()
    for (let file = 0; file < files; file++) writeFileSync(join(root, `film-${file}.bin`), randomBytes(fileBytes))
    await origin.call('waitSynced', { timeoutMs: waitMs })
    await origin.call('waitCopies', { folder: 'films', copies: 4, timeoutMs: waitMs })
    const times = (cable.sentBytes() - before) / (files * fileBytes)
    t.diagnostic(`${times.toFixed(3)} times the content left the machine`)
    assert.ok(times <= timesMax, `${times.toFixed(3)} times the content left the machine`)
    for (const host of hosts) assert.ok(((await host.folder('films')).stored?.bytes ?? 0) >= files * fileBytes)
  },
)
