// Joining by a link, both halves over a channel: one node a link, no difference between what is wrong with one, and nothing in memory
// that is not on disk.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { present } from '../../engine/base/assert.ts'
import type { Clock } from '../../engine/base/clock.ts'
import { EngineError, type ErrorCode } from '../../engine/base/errors.ts'
import { silentLog } from '../../engine/base/log.ts'
import { abortable } from '../../engine/base/queue.ts'
import type { Identity } from '../../engine/crypto/identity.ts'
import type { PeerId } from '../../engine/model/ids.ts'
import type { Network } from '../../engine/net/network.ts'
import { folderIdOf, signEntry } from '../../engine/share/log-entry.ts'
import { encodeEntry, FolderLog } from '../../engine/share/folder-log.ts'
import { Inviter, type SharedFolder } from '../../engine/share/invite.ts'
import { askToJoin, askToJoinInTime, type Joined } from '../../engine/share/join.ts'
import { joinProtocol, receiveJoinRequest, sendJoinAnswer, sendJoinRequest } from '../../engine/share/join-frames.ts'
import { parseLink } from '../../engine/share/link.ts'
import { signCard } from '../../engine/sync/cards.ts'
import { never } from '../support/blocks.ts'
import { channelPair, IndexNode } from '../support/index-world.ts'
import { firstIdentity, secondIdentity } from '../support/model-values.ts'
import { SeededRandom } from '../support/seeded-random.ts'

const clock: Clock = {
  nowMs: () => 5,
  monotonicMs: () => 5,
  sleep: async (_durationMs, signal) => await abortable<void>(() => undefined, signal),
}
const third = new IndexNode(5).handle.identity

function networkOf(self: PeerId, open: Network['open']): Network {
  const refuse = (): never => {
    throw new Error('joining needs no more than connecting and opening')
  }
  return {
    self,
    addresses: () => [`/ip4/127.0.0.1/tcp/1/p2p/${self}`, `/ip4/10.0.0.7/tcp/1/p2p/${self}`],
    connectedPeers: refuse,
    peerAddresses: refuse,
    connect: async () => await Promise.resolve(),
    disconnect: refuse,
    open,
    serve: refuse,
    onEvent: refuse,
    traffic: refuse,
    [Symbol.asyncDispose]: async () => await Promise.resolve(),
  }
}

interface Host extends Disposable {
  readonly node: IndexNode
  readonly folder: SharedFolder
  readonly inviter: Inviter
  join(text: string, joiner: Identity): Promise<Joined>
}

/** A node that made the folder: IndexNode 0 is firstIdentity. */
function openHost(): Host {
  const first = signEntry(
    firstIdentity,
    [],
    { kind: 'created', folderName: 'notes', nonce: new Uint8Array(16), nodeName: 'desk', targetCopies: 2 },
    1,
  )
  const node = new IndexNode(0, folderIdOf(first))
  node.index.transact(() => node.index.folders.appendLog(node.handle.row, 0, encodeEntry(first)))
  const folder: SharedFolder = { record: node.handle.record, log: new FolderLog(node.index, node.handle.row, () => undefined) }
  const inviterNetwork = networkOf(node.peer, () => {
    throw new Error('the inviter opens nothing')
  })
  const card = signCard(firstIdentity, {
    edition: 1,
    name: 'desk',
    zone: '',
    class: 'daily',
    capacityBytes: 0,
    addresses: [],
    software: '',
  })
  const inviter = new Inviter({
    index: node.index,
    network: inviterNetwork,
    signer: firstIdentity,
    clock,
    random: new SeededRandom('links'),
    log: silentLog,
    cards: () => [card],
    folderOf: (row) => (row === node.handle.row ? folder : undefined),
  })
  const join = async (text: string, joiner: Identity): Promise<Joined> => {
    const { left, right } = channelPair(joiner.peerId, node.peer, joinProtocol.name)
    const admitting = inviter.admit(right, never)
    const network = networkOf(joiner.peerId, async () => await Promise.resolve(left))
    try {
      return await askToJoin(network, parseLink(text), 'lap', never)
    } finally {
      await admitting
    }
  }
  return { node, folder, inviter, join, [Symbol.dispose]: () => node[Symbol.dispose]() }
}

function isCode(code: ErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof EngineError && error.code === code && error.message.length > 30
}

describe('a link', () => {
  it('makes a node a member and gives it what a member needs', async () => {
    using host = openHost()
    const { link } = host.inviter.makeLink(host.folder, 'write')
    const joined = await host.join(link, secondIdentity)
    assert.deepEqual([joined.role, joined.folderName, joined.targetCopies, joined.cards.length], ['write', 'notes', 2, 1])
    assert.deepEqual([joined.folder, joined.secrets], [host.folder.record.id, host.folder.record.secrets])
    assert.equal(host.folder.log.roleOf(secondIdentity.peerId), 'write')
    assert.equal(
      new FolderLog(host.node.index, host.node.handle.row, () => undefined).roleOf(secondIdentity.peerId),
      'write',
      'on disk too',
    )
    assert.equal(host.node.index.peers.get(secondIdentity.peerId)?.name, 'lap')
  })

  it('names addresses that help elsewhere before loopback', () => {
    using host = openHost()
    assert.ok(parseLink(host.inviter.makeLink(host.folder, 'owner').link).addresses[0]?.includes('10.0.0.7'))
  })

  it('is good for one node, which may ask again', async () => {
    using host = openHost()
    const { link } = host.inviter.makeLink(host.folder, 'write')
    await host.join(link, secondIdentity)
    await assert.rejects(host.join(link, third), isCode('LINK_USED'))
    assert.equal((await host.join(link, secondIdentity)).role, 'write')
    assert.equal(host.folder.log.length, 2, 'it is a member once')
    await host.join(host.inviter.makeLink(host.folder, 'owner').link, third)
    assert.equal((await host.join(link, third)).role, 'owner', 'a member that may do more already keeps its role')
  })

  it('is not used up by a member that has its role already', async () => {
    using host = openHost()
    await host.join(host.inviter.makeLink(host.folder, 'write').link, secondIdentity)
    const { link } = host.inviter.makeLink(host.folder, 'write')
    await host.join(link, secondIdentity)
    assert.equal((await host.join(link, third)).role, 'write')
  })

  it('to a lower role does not take an owner down', async () => {
    using host = openHost()
    await host.join(host.inviter.makeLink(host.folder, 'owner').link, secondIdentity)
    await host.join(host.inviter.makeLink(host.folder, 'write').link, secondIdentity)
    assert.equal(host.folder.log.roleOf(secondIdentity.peerId), 'owner')
  })

  it('that this node did not make, or with another secret, is refused, and nothing is written', async () => {
    using host = openHost()
    using other = openHost()
    const { link } = other.inviter.makeLink(other.folder, 'write')
    await assert.rejects(host.join(link, secondIdentity), isCode('BAD_LINK'))
    assert.equal(host.folder.log.length, 1)
  })

  it('is not used up by a wrong proof', async () => {
    using host = openHost()
    const { link } = host.inviter.makeLink(host.folder, 'write')
    const { linkId } = parseLink(link)
    const { left, right } = channelPair(third.peerId, host.node.peer, joinProtocol.name)
    await sendJoinRequest(left, { version: 1, linkId, proof: new Uint8Array(32), nodeName: 'x' }, never)
    await host.inviter.admit(right, never)
    assert.equal((await host.join(link, secondIdentity)).role, 'write')
  })

  it('gives a host no key but that of membership', async () => {
    using host = openHost()
    const joined = await host.join(host.inviter.makeLink(host.folder, 'host').link, secondIdentity)
    assert.equal(joined.role, 'host')
    assert.deepEqual(joined.secrets, { accessSecret: host.folder.record.secrets.accessSecret })
  })

  it('is made by owners only, and for the roles that there are', async () => {
    using host = openHost()
    assert.throws(() => host.inviter.makeLink(host.folder, 'read'), isCode('NOT_ALLOWED'))
    const { link } = host.inviter.makeLink(host.folder, 'write')
    const joined = await host.join(link, secondIdentity)
    using node = new IndexNode(1, joined.folder)
    node.index.transact(() => joined.log.forEach((entry, at) => node.index.folders.appendLog(node.handle.row, at, encodeEntry(entry))))
    const folder = { record: node.handle.record, log: new FolderLog(node.index, node.handle.row, () => undefined) }
    const network = networkOf(secondIdentity.peerId, () => {
      throw new Error('nothing is opened')
    })
    const inviter = new Inviter({
      index: node.index,
      network,
      signer: secondIdentity,
      clock,
      random: new SeededRandom('links'),
      log: silentLog,
      cards: () => [],
      folderOf: () => folder,
    })
    assert.throws(() => inviter.makeLink(folder, 'write'), isCode('NOT_ALLOWED'))
  })

  it('that cannot be written down makes nobody a member', async () => {
    using host = openHost()
    const { link } = host.inviter.makeLink(host.folder, 'write')
    host.node.index.folders.appendLog(host.node.handle.row, 1, new Uint8Array(3)) // takes the place: the insert fails
    await assert.rejects(host.join(link, secondIdentity), (error) => error instanceof EngineError && error.code === 'CLOSED')
    assert.equal(host.folder.log.roleOf(secondIdentity.peerId), undefined)
    assert.equal(host.node.index.folders.link(parseLink(link).linkId)?.usesLeft, 1)
  })

  it('of this very node is refused', async () => {
    using host = openHost()
    const { link } = host.inviter.makeLink(host.folder, 'write')
    const network = networkOf(host.node.peer, () => {
      throw new Error('nothing is opened')
    })
    await assert.rejects(askToJoin(network, parseLink(link), 'x', never), isCode('BAD_LINK'))
  })
})

describe('the answer to a joiner', () => {
  it('is checked before anything is believed', async () => {
    using host = openHost()
    const joined = await host.join(host.inviter.makeLink(host.folder, 'write').link, secondIdentity)
    assert(joined.role !== 'host')
    const folderId: Uint8Array = joined.folder
    const good = {
      folderId,
      folderName: 'notes',
      role: 2,
      log: joined.log.map(({ body, signature }) => ({ body, signature })),
      accessSecret: joined.secrets.accessSecret,
      folderSecret: joined.secrets.folderSecret,
      epochs: joined.secrets.epochs.map(({ epoch, secret }) => ({ epoch, secret })),
      cards: [],
    }
    const cut = new Uint8Array(31)
    const rows: readonly (readonly [string, ErrorCode | undefined, Partial<typeof good>])[] = [
      ['as it is', undefined, {}],
      ['with another folder', 'PEER_MISBEHAVED', { folderId: new Uint8Array(33).fill(1) }],
      ['with an id that is none', 'PEER_MISBEHAVED', { folderId: cut }],
      ['with a higher role than the log says', 'PEER_MISBEHAVED', { role: 1 }],
      ['with a log that does not name the joiner', 'PEER_MISBEHAVED', { log: good.log.slice(0, 1) }],
      ['with a log that does not hold', 'BAD_SIGNATURE', { log: good.log.toReversed() }],
      ['without a log', 'BAD_SIGNATURE', { log: [] }],
      ['with a short access secret', 'PEER_MISBEHAVED', { accessSecret: cut }],
      ['with a short folder secret', 'PEER_MISBEHAVED', { folderSecret: cut }],
      ['without keys', 'PEER_MISBEHAVED', { epochs: [] }],
      ['with a short key', 'PEER_MISBEHAVED', { epochs: [{ epoch: 1, secret: cut }] }],
    ]
    const link = parseLink(host.inviter.makeLink(host.folder, 'write').link)
    for (const [what, code, change] of rows) {
      const { left, right } = channelPair(secondIdentity.peerId, host.node.peer, joinProtocol.name)
      const asking = askToJoin(
        networkOf(secondIdentity.peerId, async () => await Promise.resolve(left)),
        link,
        'lap',
        never,
      )
      await receiveJoinRequest(right, never)
      await sendJoinAnswer(right, { kind: { case: 'accepted', value: { ...good, ...change } } }, never)
      if (code === undefined) assert.deepEqual((await asking).folder, joined.folder)
      else await assert.rejects(asking, isCode(code), what)
    }
  })

  it('has to come in time', async () => {
    using host = openHost()
    const link = parseLink(host.inviter.makeLink(host.folder, 'write').link)
    const { left } = channelPair(secondIdentity.peerId, host.node.peer, joinProtocol.name)
    const network = networkOf(secondIdentity.peerId, async () => await Promise.resolve(left))
    const quick: Clock = { ...clock, sleep: async () => await Promise.resolve() }
    await assert.rejects(askToJoinInTime(quick, 10, network, link, 'lap', never), isCode('TIMED_OUT'))
    assert.equal(present(host.folder.log.members[0], 'the owner').role, 'owner')
  })
})
