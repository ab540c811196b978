// Two real daemons on a bad day: killed in the middle of a first sync, and a connection that dies in the middle of a file.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { closeSync, createReadStream, mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { allSynced, connected, eventually, scaled, TestNodes, type TestDaemon } from '../support/daemon.ts'
import { formatLink, parseLink } from '../../engine/share/link.ts'
import { noNamespaces, openNamespace } from '../support/namespaces.ts'
import { TcpProxy, tcpTarget } from '../support/proxy.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { makeTree, readTree, treeDifferences } from '../support/tree.ts'

const kills = 10
const seed = process.env['HOLDFAST_SEED'] ?? 'kills'
/** What may be sent beyond the content: entries, sealing, and what was under way at each kill. */
const resentShareMax = 1.5

function makeLargeFile(path: string, sizeBytes: number): void {
  const random = new SeededRandom(path.slice(-8))
  const piece = 1024 * 1024
  const file = openSync(path, 'w')
  try {
    for (let at = 0; at < sizeBytes; at += piece) writeSync(file, random.bytes(Math.min(piece, sizeBytes - at)))
  } finally {
    closeSync(file)
  }
}

/** Adds up what a node received over all its lives: each life's last figure that could be asked for counts. */
class Meter {
  #beforeBytes = 0
  #lastBytes = 0

  async read(node: TestDaemon): Promise<void> {
    this.#lastBytes = (await node.status()).traffic.receivedBytes
  }

  endLife(): void {
    this.#beforeBytes += this.#lastBytes
    this.#lastBytes = 0
  }

  get bytes(): number {
    return this.#beforeBytes + this.#lastBytes
  }
}

test(`either daemon is killed ${kills} times during a first sync, and the trees end equal without sending everything again`, async (t) => {
  const nodes = new TestNodes(t)
  const random = new SeededRandom(seed)
  const treeBytes = makeTree(nodes.path('a'), seed, { files: scaled(2500, 20_000), directories: 100, fileBytesMax: 100_000 })
  const largeBytes = scaled(40, 256) * 1024 * 1024
  makeLargeFile(nodes.path('a', 'large.bin'), largeBytes)
  const [one, two] = await Promise.all([nodes.start('one'), nodes.start('two')])
  await one.call('addFolder', { path: nodes.path('a'), name: 'tree' })
  await two.call('join', { link: await one.share('tree'), path: nodes.path('b') })
  const meter = new Meter()
  let killsInTransfer = 0
  for (let life = 0; life < kills; life++) {
    const victim = random.chance(0.5) ? one : two
    // The moment of the kill is what is random here; time is the only thing to choose it by.
    const untilMs = Date.now() + random.between(50, 900)
    while (Date.now() < untilMs) {
      await meter.read(two)
      await delay(10)
    }
    const { needFiles } = await two.folder()
    if (needFiles > 0) killsInTransfer++
    await victim.kill()
    if (victim === two) meter.endLife()
    await victim.start()
    // Something is to get through in each life, or all the kills would strike the dial.
    await eventually('the nodes to meet again', 60_000, async () =>
      (await two.status()).peers.some((peer) => peer.connected) ? true : undefined,
    )
  }
  await allSynced([one, two], 120_000)
  await meter.read(two)
  assert.deepEqual(treeDifferences(readTree(nodes.path('a')), readTree(nodes.path('b'))), [])
  const contentBytes = treeBytes + largeBytes
  t.diagnostic(`${killsInTransfer} of ${kills} kills during the transfer; ${meter.bytes} bytes received for ${contentBytes} of content`)
  assert.ok(killsInTransfer >= 3, `only ${killsInTransfer} kills struck while something was needed`)
  assert.ok(meter.bytes < contentBytes * resentShareMax, `${meter.bytes} bytes received for ${contentBytes} of content`)
})

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of createReadStream(path)) hash.update(piece)
  return hash.digest('hex')
}

test('a connection that dies again and again in the middle of a large file goes on where it was', { skip: noNamespaces }, async (t) => {
  const nodes = new TestNodes(t)
  const [left, right] = [openNamespace(t, 'a'), openNamespace(t, 'b')]
  const sizeBytes = 64 * 1024 * 1024
  mkdirSync(nodes.path('a'))
  makeLargeFile(join(nodes.path('a'), 'large.bin'), sizeBytes)
  const one = await nodes.start('one', left.daemon)
  await one.call('addFolder', { path: nodes.path('a'), name: 'large' })
  await allSynced([one])
  // The proxy is the only way from one network to the other.
  const proxy = await TcpProxy.open(tcpTarget(await one.address()), right.outside)
  t.after(() => proxy[Symbol.asyncDispose]())
  const two = await nodes.start('two', right.daemon)
  const link = formatLink({ ...parseLink(await one.share('large')), addresses: [proxy.address] })
  await two.call('join', { link, path: nodes.path('b') })
  for (const share of [8, 20, 32, 44, 56]) {
    const cutAt = share * 1024 * 1024
    await eventually(`${cutAt} bytes to pass`, 60_000, () => (proxy.backwardBytes > cutAt ? true : undefined))
    proxy.cut()
  }
  await connected([two])
  await allSynced([two, one])
  assert.equal(await hashOf(nodes.path('b', 'large.bin')), await hashOf(nodes.path('a', 'large.bin')))
  t.diagnostic(`${proxy.backwardBytes} bytes on the wire for ${sizeBytes}, ${proxy.connections} connections`)
  assert.ok(proxy.connections > 5, `${proxy.connections} connections: the cuts struck nothing`)
  assert.ok(proxy.backwardBytes < sizeBytes * 1.5, `${proxy.backwardBytes} bytes on the wire`)
})
