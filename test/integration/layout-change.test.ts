// Real daemons while who holds what changes under them: what was said to be on enough machines can be read from them.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually, TestNodes, type TestDaemon } from '../support/daemon.ts'
import { noNamespaces, openSwitch, type Cable } from '../support/namespaces.ts'

const waitMs = 240_000

test(
  'scenario T34: layout change during heavy writes, plus partition, plus kill: read-after-ack holds',
  { skip: noNamespaces, timeout: 4 * waitMs },
  async (t) => {
    const nodes = new TestNodes(t)
    const [first, second, third, fourth, fifth] = openSwitch(t, ['w', 'r', 'x', 'y', 'z'])
    assert.ok(first !== undefined && second !== undefined && third !== undefined && fourth !== undefined && fifth !== undefined)
    const root = nodes.makeDirectory('ledger')
    const writer = await nodes.start('writer', first.daemon)
    await writer.call('addFolder', { path: root, name: 'ledger' })
    await writer.call('setFolder', { folder: 'ledger', settings: { copies: '4' } })
    const reader = await nodes.start('reader', second.daemon)
    const copy = nodes.path('copy')
    await reader.call('join', { link: await writer.share('ledger'), path: copy })
    const open = async (name: string, { daemon }: Cable): Promise<TestDaemon> => {
      const host = await nodes.start(name, { ...daemon, serve: ['--zone', name, '--capacity', '1GB', '--class', 'always-on'] })
      await host.call('join', { link: await writer.share('ledger', 'host') })
      return host
    }
    const killed = await open('x', third)
    await open('y', fourth)
    await reader.call('waitSynced', { timeoutMs: waitMs })
    await reader.stop()

    const written = new Map<string, Buffer>()
    const write = (count: number): void => {
      for (let file = 0; file < count; file++) {
        const name = `entry-${written.size}`
        const content = randomBytes(30_000)
        written.set(name, content)
        writeFileSync(join(root, name), content)
      }
    }
    // Two hosts beside the writer: that is the word that the test holds them to.
    const acknowledged = async (): Promise<void> => {
      await writer.call('waitSynced', { timeoutMs: waitMs })
      await writer.call('waitCopies', { folder: 'ledger', copies: 3, timeoutMs: waitMs })
    }
    write(30)
    await acknowledged()

    write(30)
    const joining = open('z', fifth) // another layout
    write(30)
    fourth.pull()
    write(30)
    await killed.kill()
    await joining
    write(30)
    await killed.start()
    await writer.call('setFolder', { folder: 'ledger', settings: { copies: '3' } }) // and another
    write(30)
    fourth.plug()
    await writer.call('setFolder', { folder: 'ledger', settings: { copies: '4' } })
    await acknowledged()

    // The writer is gone for good, at that very moment.
    await writer.kill()
    await reader.start()
    const lacks = (): readonly string[] =>
      [...written.keys()].filter(
        (name) => !existsSync(join(copy, name)) || !readFileSync(join(copy, name)).equals(written.get(name) ?? Buffer.of()),
      )
    await eventually('everything to be read from the hosts', waitMs, () => (lacks().length === 0 ? true : undefined)).catch(
      (error: unknown) => {
        throw new Error(`${lacks().length} of ${written.size} files cannot be read`, { cause: error })
      },
    )
  },
)
