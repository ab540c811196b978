// What can be wrong with a home or a port, and noise on the daemon's doors: each is said, nothing is changed, nobody falls over.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { NetConnectOpts, Socket } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { silentLog } from '../../engine/base/log.ts'
import { homePaths, socketPathOf } from '../../engine/platform/home.ts'
import { openLibp2pNetwork } from '../../engine/net/libp2p-network.ts'
import { parsePeerId } from '../../engine/model/ids.ts'
import { allSynced, eventually, runHoldfast, TestNodes, type Ended, type TestDaemon } from '../support/daemon.ts'
import { tcpTarget } from '../support/proxy.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { readTree, treeDifferences } from '../support/tree.ts'

const noisePatienceMs = 1000
const loopback = ['--no-discovery', '--listen', '/ip4/127.0.0.1/tcp/0']

function serveOnce(node: TestDaemon, ...words: readonly string[]): Promise<Ended> {
  return runHoldfast(['serve', '--home', node.home, ...(words.length > 0 ? words : loopback)])
}

function hashOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}

function overwrite(path: string, offset: number, bytes: Uint8Array): void {
  const file = openSync(path, 'r+')
  try {
    writeSync(file, bytes, 0, bytes.length, offset)
  } finally {
    closeSync(file)
  }
}

async function folderNode(nodes: TestNodes): Promise<TestDaemon> {
  const one = await nodes.start('one')
  const a = nodes.makeDirectory('a')
  for (let at = 0; at < 300; at++) writeFileSync(join(a, `file ${at}`), `content ${at}`)
  await one.call('addFolder', { path: a, name: 'good' })
  await allSynced([one])
  return one
}

test('a home that a newer version has written is refused and left as it is', async (t) => {
  const nodes = new TestNodes(t)
  const one = await folderNode(nodes)
  await one.stop()
  const { database } = homePaths(one.home)
  const known = new DatabaseSync(database)
  const version = Number(known.prepare('pragma user_version').get()?.['user_version'])
  known.exec('pragma user_version = 9999')
  known.close()
  const before = hashOf(database)
  const ended = await serveOnce(one)
  assert.equal(ended.code, 5, ended.err)
  assert.match(ended.err, /newer version of Holdfast.*update/)
  assert.equal(hashOf(database), before)
  const mended = new DatabaseSync(database)
  mended.exec(`pragma user_version = ${version}`)
  mended.close()
  await one.start()
  await allSynced([one])
  assert.equal((await one.folder()).files, 300)
})

test('a damaged database is refused with what to do, and neither it nor the folder is touched', async (t) => {
  const nodes = new TestNodes(t)
  const one = await folderNode(nodes)
  await one.stop()
  const { database } = homePaths(one.home)
  const sound = readFileSync(database)
  const tree = readTree(nodes.path('a'))
  const noise = new SeededRandom('noise').bytes(4096)
  const damages: readonly { readonly what: string; readonly damage: () => void }[] = [
    { what: 'noise in the middle', damage: () => overwrite(database, 8 * 4096, noise) },
    { what: 'noise at the head', damage: () => overwrite(database, 0, noise) },
    { what: 'cut off', damage: () => truncateSync(database, Math.floor(sound.length / 2)) },
    { what: 'not a database', damage: () => writeFileSync(database, 'hello') },
  ]
  for (const { what, damage } of damages) {
    damage()
    const before = hashOf(database)
    const ended = await serveOnce(one)
    assert.equal(ended.code, 1, `${what}: ${ended.err}`)
    assert.match(ended.err, /damaged.*[Mm]ove it aside/, what)
    assert.doesNotMatch(ended.err, /\n\s+at /, what)
    assert.equal(hashOf(database), before, what)
    writeFileSync(database, sound)
  }
  assert.deepEqual(treeDifferences(tree, readTree(nodes.path('a'))), [])
  await one.start()
  await allSynced([one])
})

test('a damaged segment does not keep the daemon from starting, and is told as a problem', async (t) => {
  const nodes = new TestNodes(t)
  const one = await folderNode(nodes)
  const two = await nodes.start('two')
  await two.call('join', { link: await one.share('good'), path: nodes.path('b') })
  await allSynced([one, two])
  // What is replaced from elsewhere goes into the block store.
  for (let at = 0; at < 100; at++) writeFileSync(nodes.path('a', `file ${at}`), `new content ${at}`)
  await allSynced([one, two])
  const { segments } = homePaths(two.home)
  const replaced = nodes.path('b', '.holdfast', 'replaced')
  const segment = await eventually('the block store to have what was replaced', 30_000, () => {
    const [name] = readdirSync(segments).filter((candidate) => candidate.endsWith('.segment'))
    return name !== undefined && readdirSync(replaced).length === 0 ? join(segments, name) : undefined
  })
  const sizeBytes = statSync(segment).size
  await two.stop()
  overwrite(segment, Math.floor(sizeBytes / 3), new SeededRandom('noise').bytes(500))
  await two.start()
  const { problems } = await two.status()
  assert.ok(
    problems.some(({ code, text, next }) => code === 'STORE_DAMAGED' && text !== '' && next !== ''),
    JSON.stringify(problems),
  )
  writeFileSync(nodes.path('a', 'after'), 'goes on')
  await allSynced([one, two])
  assert.equal(readFileSync(nodes.path('b', 'after'), 'utf8'), 'goes on')
})

test('a port that is taken is refused with what to do', async (t) => {
  const nodes = new TestNodes(t)
  const taken = createServer()
  taken.listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.after(() => taken.close())
  const place = taken.address()
  const port = typeof place === 'object' && place !== null ? place.port : 0
  const node = nodes.create('one')
  const onListen = await serveOnce(node, '--no-discovery', '--listen', `/ip4/127.0.0.1/tcp/${port}`)
  assert.equal(onListen.code, 1, onListen.err)
  assert.match(onListen.err, new RegExp(`${port}`))
  const onApi = await serveOnce(node, ...loopback, '--api', `127.0.0.1:${port}`)
  assert.equal(onApi.code, 1, onApi.err)
  assert.match(onApi.err, new RegExp(`${port}`))
  await node.start()
})

/** Sends bytes, and waits until the other side has had enough or says something. */
async function pour(target: NetConnectOpts, pieces: readonly Uint8Array[]): Promise<void> {
  const socket: Socket = connect(target)
  socket.on('error', () => undefined) // being cut off is what is hoped for
  for (const piece of pieces) socket.write(piece)
  await new Promise<void>((resolve) => {
    socket.on('close', () => resolve())
    socket.on('data', () => resolve())
  })
  socket.destroy()
}

test('noise on the port for nodes and on the API changes nothing', async (t) => {
  const nodes = new TestNodes(t)
  const one = await folderNode(nodes)
  const random = new SeededRandom('noise')
  const { host, port } = tcpTarget(await one.address())
  const socket = socketPathOf(one.home, process.platform)
  const text = (words: string): Uint8Array => new TextEncoder().encode(words)
  const noises: readonly Uint8Array[] = [
    text('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'),
    text('\x13/multistream/1.0.0\n\x07/noise\n'.repeat(3)),
    text(`POST /api/v1/join HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n{"a":\r\n\r\n`),
    new Uint8Array(100),
    ...Array.from({ length: 10 }, () => random.bytes(random.between(1, 5000))),
    random.bytes(2_000_000),
  ]
  for (const noise of noises) {
    // Some noise is answered, some is waited for to go on: neither side is bound to end.
    const patience = once(AbortSignal.timeout(noisePatienceMs), 'abort')
    await Promise.race([Promise.all([pour({ host, port }, [noise]), pour({ path: socket }, [noise])]), patience])
    assert.ok(one.isRunning)
  }
  const { problems, folders } = await one.status()
  assert.deepEqual(problems, [])
  assert.equal(folders[0]?.files, 300)
  const two = await nodes.start('two')
  await two.call('join', { link: await one.share('good'), path: nodes.path('b') })
  await allSynced([one, two])
  assert.deepEqual(treeDifferences(readTree(nodes.path('a')), readTree(nodes.path('b'))), [])
})

test('a stranger that sends frames over the limit or that are none is cut off and learns nothing', async (t) => {
  const nodes = new TestNodes(t)
  const one = await folderNode(nodes)
  const address = await one.address()
  const peer = parsePeerId((await one.call('identity', {})).peerId)
  assert.ok(peer !== undefined)
  const { signal } = new AbortController()
  const stranger = await openLibp2pNetwork(
    { identityKey: new SeededRandom('stranger').bytes(32), listen: [], discovery: false, log: silentLog },
    signal,
  )
  t.after(() => stranger[Symbol.asyncDispose]())
  const huge = new Uint8Array(20 * 1024 * 1024)
  for (const name of ['/holdfast/index/1', '/holdfast/blocks/1', '/holdfast/join/1']) {
    for (const frame of [huge, new SeededRandom(name).bytes(500), new Uint8Array(0)]) {
      await stranger.connect(peer, [address], signal)
      const channel = await stranger.open(peer, { name, frameBytesMax: 64 * 1024 * 1024 }, signal)
      const answer = await channel
        .send([frame], signal)
        .then(
          () => channel.receive(signal),
          () => undefined, // cut off while sending
        )
        .catch(() => undefined)
      // An empty frame is a join request of version nought: that alone gets a word, and the same one from every node.
      const isAsked = name === '/holdfast/join/1' && frame.length === 0
      assert.match(new TextDecoder().decode(answer), isAsked ? /^....VERSION_UNSUPPORTED$/s : /^$/, name)
      channel.abort()
    }
  }
  assert.ok(one.isRunning)
  assert.deepEqual((await one.status()).problems, [])
  assert.equal(existsSync(nodes.path('a')), true)
})
