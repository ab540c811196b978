// Disks that change bytes by themselves, under real daemons: all of it is found, healed from other members, read again and told; nobody is
// ever given bad bytes.

import assert from 'node:assert/strict'
import { closeSync, openSync, readdirSync, readFileSync, readSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { homePaths } from '../../engine/platform/home.ts'
import { testBytes, seededChance } from '../support/blocks.ts'
import { eventually, TestNodes, type TestDaemon } from '../support/daemon.ts'

const waitMs = 120_000
const files = 24

function segmentsOf(host: TestDaemon): readonly string[] {
  const directory = homePaths(host.home).segments
  return readdirSync(directory)
    .filter((name) => name.endsWith('.segment'))
    .map((name) => join(directory, name))
}

/** Flips a bit at so many random places of a store's segments. */
function rot(host: TestDaemon, places: number, chance: (below: number) => number): void {
  const paths = segmentsOf(host).filter((path) => statSync(path).size > 100_000)
  for (let place = 0; place < places; place++) {
    const path = paths[chance(paths.length)] ?? ''
    const at = 64 + chance(statSync(path).size - 64)
    const byte = Buffer.alloc(1)
    const file = openSync(path, 'r+')
    readSync(file, byte, 0, 1, at)
    byte[0] = (byte[0] ?? 0) ^ (1 << chance(8))
    writeSync(file, byte, 0, 1, at)
    closeSync(file)
  }
}

/** One run through everything, begun now. */
async function scrubOnce(host: TestDaemon): Promise<void> {
  const before = (await host.call('scrubStatus', {})).last?.endedMs ?? 0
  await host.call('startScrub', {})
  await eventually('a run to end', waitMs, async () =>
    ((await host.call('scrubStatus', {})).last?.endedMs ?? 0) > before ? true : undefined,
  )
}

async function untilHealed(host: TestDaemon, storedBytes: number): Promise<void> {
  await eventually('everything to be healed', waitMs, async () => {
    const { open } = await host.call('scrubStatus', {})
    return open === 0 && (await host.folder()).stored?.bytes === storedBytes ? true : undefined
  })
}

test('scenarios 101, T1, T5, T8: flipped bits in 20 places of three stores, a cut segment and a deleted index are found, healed and told; bad bytes are never served', async (t) => {
  const nodes = new TestNodes(t)
  const root = nodes.makeDirectory('photos')
  for (let number = 0; number < files; number++) writeFileSync(join(root, `${number}.bin`), testBytes(number, 100_000))
  const owner = await nodes.start('owner')
  await owner.call('addFolder', { path: root, name: 'photos' })
  const hosts: TestDaemon[] = []
  for (const name of ['one', 'two', 'three']) {
    const host = await nodes.start(name, { serve: ['--class', 'always-on', '--capacity', '1GB'] })
    await host.call('join', { link: await owner.share('photos', 'host'), keep: 'all' })
    hosts.push(host)
  }
  await owner.call('waitCopies', { folder: 'photos', copies: 4, timeoutMs: waitMs })
  const [one, two, three] = hosts as [TestDaemon, TestDaemon, TestDaemon] // cast: three were made
  const storedBytes = (await one.folder()).stored?.bytes ?? 0
  assert.ok(storedBytes > files * 100_000)

  const chance = seededChance(20)
  rot(one, 10, chance) // while it runs
  await two.stop()
  rot(two, 6, chance)
  for (const name of readdirSync(two.home)) if (name.startsWith('index.db')) rmSync(join(two.home, name))
  rmSync(join(homePaths(two.home).segments, 'index'), { recursive: true, force: true })
  await two.start()
  rot(three, 4, chance)
  const [longest] = segmentsOf(three).toSorted((left, right) => statSync(right).size - statSync(left).size)
  truncateSync(longest ?? '', Math.floor(statSync(longest ?? '').size / 2)) // while it runs

  for (const host of hosts) {
    await scrubOnce(host)
    await untilHealed(host, storedBytes)
    const status = await host.call('scrubStatus', {})
    assert.ok(status.found > 0 && status.healed > 0, `${host.name}: ${JSON.stringify(status)}`)
    const problem = (await host.status()).problems.find(({ code }) => code === 'STORE_DAMAGED')
    assert.match(problem?.text ?? '', /healed from other members and read again/)
    await scrubOnce(host)
    assert.equal((await host.call('scrubStatus', {})).last?.found, 0, `${host.name} is whole`)
  }
  assert.match((await one.command('scrub', 'status')).out, /damaged +\d+ found, \d+ healed and read again, 0 not yet/)

  await owner.stop()
  const reader = await nodes.start('reader')
  const copy = nodes.path('copy')
  await owner.start()
  const link = await owner.share('photos', 'write')
  await reader.call('join', { link, path: copy })
  await reader.call('waitSynced', { timeoutMs: waitMs })
  for (let number = 0; number < files; number++) assert.ok(readFileSync(join(copy, `${number}.bin`)).equals(testBytes(number, 100_000)))
  for (const node of [reader, owner, ...hosts]) assert.ok(!(await node.problemCodes()).includes('BAD_BLOCK'), 'nobody was given bad bytes')
})
