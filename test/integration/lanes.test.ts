// Lanes over real sockets: content of large files past the main threads, and what happens when one cannot be had or breaks.

import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { writeFileSync } from 'node:fs'

import { present } from '../../engine/base/assert.ts'
import { EngineError } from '../../engine/base/errors.ts'
import { FilesError } from '../../engine/base/files.ts'
import type { JobTable, Jobs } from '../../engine/base/jobs.ts'
import { blockKeyOf, sealBlock } from '../../engine/crypto/seal.ts'
import { laneTable, type LaneTable } from '../../engine/lane-table.ts'
import { nodeClock } from '../../engine/platform/node-clock.ts'
import { nodeFiles } from '../../engine/platform/node-files.ts'
import { nodeRandom } from '../../engine/platform/node-random.ts'
import { TcpLaneSockets } from '../../engine/platform/lane-sockets.ts'
import { LaneSource } from '../../engine/transfer/lane-source.ts'
import { Lanes, type LaneTerms } from '../../engine/transfer/lanes.ts'
import { Fetcher } from '../../engine/transfer/fetch.ts'
import type { BlockRef } from '../../engine/model/entry.ts'
import type { Network } from '../../engine/net/network.ts'
import { accessKey, honest, networkOf, openServer } from '../support/block-server.ts'
import { never, testBytes } from '../support/blocks.ts'
import { firstIdentity } from '../support/model-values.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const hosts = ['127.0.0.1']
const key = testBytes(1, 32)
const token = testBytes(2, 16)
const files = nodeFiles()

function openSockets(idleMsMax = 30_000): TcpLaneSockets {
  return new TcpLaneSockets({ plaintextBytesMax: 100_000, idleMsMax })
}

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof EngineError && error.code === code
}

async function openPair(idleMsMax?: number): Promise<{ readonly from: TcpLaneSockets; readonly to: TcpLaneSockets }> {
  const [from, to] = [openSockets(idleMsMax), openSockets(idleMsMax)]
  const port = await from.offer('out', { hosts, token, key })
  await to.take('in', { hosts, port, token, key })
  return { from, to }
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.on('error', () => undefined).once('close', () => resolve()))
}

describe('a lane', () => {
  it('carries records in order, empty and large ones, however many wait', async () => {
    const { from, to } = await openPair()
    const records = Array.from({ length: 200 }, (_, at) => testBytes(at, at % 7 === 0 ? 0 : 1 + ((at * 7919) % 100_000)))
    const sender = from.sender('out')
    const sending = (async () => {
      for (const record of records) await sender.send(record)
    })()
    const received: Uint8Array[] = []
    const receiver = to.receiver('in')
    const take = (plaintext: Uint8Array): void => void received.push(new Uint8Array(plaintext))
    await Promise.all([receiver.receive(120, take), receiver.receive(80, take), sending])
    assert.deepEqual(received, records)
    from.end('out')
    to.end('in')
  })

  it('is not to be had with another key, and its port is closed after the visit', async () => {
    const [from, to] = [openSockets(), openSockets()]
    const port = await from.offer('out', { hosts, token, key })
    await assert.rejects(to.take('in', { hosts, port, token, key: testBytes(3, 32) }), hasCode('PEER_UNREACHABLE'))
    await assert.rejects(to.take('again', { hosts, port, token, key }), hasCode('PEER_UNREACHABLE'), 'an offer stands once')
  })

  it('is not given to somebody without the token, who does not spoil it for who has it', async () => {
    const [from, to] = [openSockets(), openSockets()]
    const port = await from.offer('out', { hosts, token, key })
    const stranger = connect({ port, host: '127.0.0.1' })
    stranger.write(testBytes(9, 5000))
    await closed(stranger)
    await to.take('in', { hosts, port, token, key })
    await from.sender('out').send(testBytes(4, 10))
    await to.receiver('in').receive(1, (plaintext) => assert.deepEqual(new Uint8Array(plaintext), testBytes(4, 10)))
    from.end('out')
    to.end('in')
  })

  it('ends for both when one side ends it, and those who wait are told', async () => {
    const { from, to } = await openPair()
    const waiting = to.receiver('in').receive(1, () => undefined)
    from.end('out')
    await assert.rejects(waiting, hasCode('CLOSED'))
    assert.throws(() => to.receiver('in'), hasCode('CLOSED'))
  })

  it('ends by itself when it is not used', async () => {
    const { to } = await openPair(20)
    await assert.rejects(
      to.receiver('in').receive(1, () => undefined),
      hasCode('CLOSED'),
    )
  })

  it('ends when a record is longer than any may be', async () => {
    const { from, to } = await openPair()
    const waiting = to.receiver('in').receive(1, () => undefined)
    await from.sender('out').send(new Uint8Array(100_001))
    await assert.rejects(waiting, hasCode('CLOSED'))
  })

  it('tries the next address when one leads nowhere', async () => {
    const [from, to] = [openSockets(), openSockets()]
    const port = await from.offer('out', { hosts, token, key })
    await to.take('in', { hosts: ['127.0.0.99', '127.0.0.1'], port, token, key })
    to.end('in')
  })
})

/** Jobs of a lane thread, on this one. */
function laneJobs(sockets: TcpLaneSockets): Jobs<LaneTable> {
  const table: JobTable = laneTable({ files, sockets })
  return { width: 1, run: async (name, input) => (await present(table[name], 'a known job')(input, { files })).output }
}

describe('blocks of a large file', () => {
  const sealKey = testBytes(20, 32)
  const contents = Array.from({ length: 12 }, (_, at) => testBytes(at, 50_000 + at))
  const offsets = contents.map((_, at) => contents.slice(0, at).reduce((total, each) => total + each.length, 0))

  async function carry(
    spoil: (directory: string) => void,
  ): Promise<{ outcomes: readonly string[]; stale: readonly number[]; directory: string }> {
    using directory = temporaryDirectory()
    const root = directory.path
    for (const [at, content] of contents.entries()) writeFileSync(`${root}/f${at}`, content)
    files.makeDirectory(`${root}/.holdfast`, 0o700)
    files.makeDirectory(`${root}/.holdfast/temp`, 0o700)
    files.open(`${root}/.holdfast/temp/large-x`, 'create').close()
    const { from, to } = await openPair()
    spoil(root)
    const ranges = contents.map((content, at) => {
      const { id, key: blockKey } = sealBlock(sealKey, content)
      return at === 5 ? undefined : { path: `f${at}`, offset: 0, lengthBytes: content.length, id, key: blockKey }
    })
    const lanes = new Lanes(laneJobs(from), hosts, nodeRandom())
    const input = {
      lane: 'in',
      root,
      temporary: 'large-x',
      sealKey,
      keys: new Uint8Array(contents.flatMap((content, at) => [...blockKeyOf(sealKey, at === 7 ? testBytes(99, 9) : content)])),
      offsets,
      lengths: contents.map(({ length }) => length),
      isFlushed: true,
    }
    const filling = laneJobs(to).run('fillByLane', input, { signal: never })
    const stale = await lanes.send('out', { root, sealKey, ranges }, never)
    const { outcomes, wireBytes } = await filling
    assert.equal(lanes.traffic.sentBytes, wireBytes, 'both count the same bytes')
    const file = files.open(`${root}/.holdfast/temp/large-x`, 'read')
    for (const [at, outcome] of outcomes.entries()) {
      const found = new Uint8Array(contents[at]?.length ?? 0)
      file.read(found, offsets[at] ?? 0)
      assert.equal(outcome === 'written', Buffer.compare(found, present(contents[at], 'a content')) === 0, `block ${at}`)
    }
    file.close()
    from.end('out')
    return { outcomes, stale, directory: root }
  }

  it('go to their places, but for those that are gone, have changed, or are not what was asked for', async () => {
    const { outcomes, stale } = await carry((root) => writeFileSync(`${root}/f3`, new Uint8Array(contents[3]?.length ?? 0)))
    const expected = contents.map((_, at) => (at === 3 || at === 5 ? 'absent' : at === 7 ? 'bad' : 'written'))
    assert.deepEqual(outcomes, expected)
    assert.deepEqual(stale, [3])
  })

  it('that cannot be written are an error of the disk', async () => {
    const { from, to } = await openPair()
    const block = testBytes(1, 10)
    const content = { keys: blockKeyOf(sealKey, block), offsets: [0], lengths: [10], isFlushed: false }
    const filling = laneJobs(to).run('fillByLane', { lane: 'in', root: '/proc', temporary: 'none', sealKey, ...content }, { signal: never })
    await assert.rejects(filling, (error) => error instanceof FilesError)
    from.end('out')
    to.end('in')
  })
})

describe('the lane of a member', () => {
  function openSource(addresses: readonly string[]): { readonly source: LaneSource; readonly from: Lanes; readonly to: TcpLaneSockets } {
    const to = openSockets()
    const refuse = (): never => {
      throw new Error('a lane only needs addresses')
    }
    const network: Network = {
      self: firstIdentity.peerId,
      addresses: refuse,
      connectedPeers: refuse,
      peerAddresses: () => addresses,
      connect: refuse,
      disconnect: refuse,
      open: refuse,
      serve: refuse,
      onEvent: refuse,
      traffic: refuse,
      [Symbol.asyncDispose]: async () => await Promise.resolve(),
    }
    const lanes = new Lanes(laneJobs(to), hosts, nodeRandom())
    const parts = { lanes, sealKey: key, network, peer: firstIdentity.peerId, clock: nodeClock() }
    return { source: new LaneSource(parts), from: new Lanes(laneJobs(openSockets()), hosts, nodeRandom()), to }
  }
  const direct = ['/ip4/127.0.0.1/tcp/1/p2p/x']

  it('is asked for once, and used by all who waited for it', async () => {
    const { source, from, to } = openSource(direct)
    let asked = 0
    const ask = (): void => {
      asked++
      void from.offer(key, never).then((offer) => source.answered(present(offer, 'an offer').terms, never))
    }
    const names = await Promise.all([source.use(ask, never), source.use(ask, never), source.use(ask, never)])
    assert.equal(asked, 1)
    assert.equal(new Set(names).size, 1)
    assert.ok(to.receiver(present(names[0], 'a lane')))
    source.end()
    assert.throws(() => to.receiver(present(names[0], 'a lane')), hasCode('CLOSED'))
  })

  const refused: readonly (readonly [string, LaneTerms | undefined, boolean])[] = [
    ['the member has none', { port: 0, token: new Uint8Array(0), secret: new Uint8Array(0) }, true],
    ['nobody is at the port', { port: 1024, token: testBytes(1, 16), secret: testBytes(1, 32) }, true],
    ['the answer is malformed', { port: 1024, token: testBytes(1, 15), secret: testBytes(1, 32) }, false],
  ]
  for (const [what, terms, isTaken] of refused) {
    it(`is done without, and not asked for again at once, when ${what}`, async () => {
      const { source } = openSource(direct)
      let asked = 0
      const ask = (): void => {
        asked++
        if (terms !== undefined) assert.equal(source.answered(terms, never), isTaken)
        if (!isTaken) source.broke()
      }
      assert.equal(await source.use(ask, never), undefined)
      assert.equal(await source.use(ask, never), undefined)
      assert.equal(asked, 1)
    })
  }

  it('is not asked for where the member is reached through a relay only', async () => {
    const { source } = openSource(['/ip4/127.0.0.1/tcp/1/p2p/x/p2p-circuit'])
    assert.equal(await source.use(() => assert.fail('asked'), never), undefined)
  })

  it('takes no answer that nobody asked for', () => {
    const { source } = openSource(direct)
    assert.equal(source.answered({ port: 1024, token: testBytes(1, 16), secret: testBytes(1, 32) }, never), false)
  })
})

describe('a member asked for a large file', () => {
  /** A member that serves `contents` as files of a directory, and who fetches from it. */
  function openMember(
    root: string,
  ): { readonly fetcher: Fetcher; readonly refs: readonly BlockRef[]; readonly to: TcpLaneSockets } & Disposable {
    const server = openServer()
    const texts = Array.from({ length: 5 }, (_, at) => `content ${at} `.repeat(1000))
    const refs = texts.map((text, at) => server.addFile(`f${at}`, text))
    for (const [at, text] of texts.entries()) writeFileSync(`${root}/f${at}`, at === 3 ? 'something else' : text)
    const { sealKey } = server.node.handle.jobKeys
    const lanes = new Lanes(laneJobs(openSockets()), hosts, nodeRandom())
    const { tree } = server.parts
    assert(tree !== undefined)
    const parts = { ...server.parts, tree: { ...tree, root, lanes } }
    const { network } = networkOf(new Map([[firstIdentity.peerId, honest({ ...server, parts }, firstIdentity.peerId)]]))
    const to = openSockets()
    const own = { lanes: new Lanes(laneJobs(to), hosts, nodeRandom()), sealKey }
    const fetcher = new Fetcher({ network, accessKey, clock: nodeClock(), random: nodeRandom(), lanes: own })
    fetcher.setPeers([firstIdentity.peerId])
    return { fetcher, refs, to, [Symbol.dispose]: () => (fetcher.close(), server[Symbol.dispose]()) }
  }

  it('sends it by a lane, with nothing where a file has changed', async () => {
    using directory = temporaryDirectory()
    using member = openMember(directory.path)
    const lengths: number[] = []
    const fill = async (lane: string): Promise<string> => {
      await member.to.receiver(lane).receive(member.refs.length, (plaintext) => void lengths.push(plaintext.length))
      return 'filled'
    }
    assert.deepEqual(await member.fetcher.fetchByLane(member.refs, fill, never), { from: firstIdentity.peerId, result: 'filled' })
    assert.deepEqual(lengths, [10_000, 10_000, 10_000, 0, 10_000])
  })

  it('is asked over the channel where the lane broke, and the lane is left alone', async () => {
    using directory = temporaryDirectory()
    using member = openMember(directory.path)
    const broken = async (lane: string): Promise<never> => {
      member.to.end(lane)
      await member.to.receiver(lane).receive(1, () => undefined)
      throw new Error('unreachable')
    }
    assert.equal(await member.fetcher.fetchByLane(member.refs, broken, never), undefined)
    assert.equal(await member.fetcher.fetchByLane(member.refs, () => assert.fail('used again'), never), undefined)
    const fetched = await member.fetcher.fetch(member.refs, never)
    assert.ok(fetched.every((block) => block !== undefined))
  })

  it('stops with an abort, and the lane ends', async () => {
    using directory = temporaryDirectory()
    using member = openMember(directory.path)
    const stopping = new AbortController()
    let used = ''
    const slow = async (lane: string): Promise<void> => {
      used = lane
      stopping.abort()
      await member.to.receiver(lane).receive(100, () => undefined)
    }
    await assert.rejects(member.fetcher.fetchByLane(member.refs, slow, stopping.signal))
    assert.throws(() => member.to.receiver(used), hasCode('CLOSED'))
  })
})
