// Node cards and the shelf that keeps them: only what its node signed, only of members, only newer over older.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { create, fromBinary, toBinary } from '@bufbuild/protobuf'

import { CardShelf } from '../../engine/compose/card-box.ts'
import { CardBodySchema, CardSchema, type CardBody } from '../../engine/model/wire/exchange_pb.ts'
import { parseCard, signCard } from '../../engine/sync/cards.ts'
import { IndexNode } from '../support/index-world.ts'
import { firstIdentity, secondIdentity } from '../support/model-values.ts'

const card = {
  edition: 3,
  name: 'desk',
  zone: 'home',
  class: 'daily',
  capacityBytes: 2 ** 40,
  addresses: ['/ip4/1.2.3.4/tcp/1'],
  software: 'holdfast 0.1.0',
} as const
const signed = signCard(firstIdentity, card)

function resigned(change: (body: CardBody) => unknown, signer = firstIdentity): Uint8Array {
  const body = fromBinary(CardBodySchema, fromBinary(CardSchema, signed).body)
  change(body)
  const bytes = toBinary(CardBodySchema, create(CardBodySchema, body))
  return toBinary(CardSchema, create(CardSchema, { body: bytes, signature: signer.sign('node-card', bytes) }))
}

describe('a card', () => {
  it('is read back with the peer that signed it', () => {
    assert.deepEqual(parseCard(signed), { ...card, peer: firstIdentity.peerId })
    for (const nodeClass of ['always-on', 'daily', 'occasional'] as const)
      assert.equal(parseCard(signCard(firstIdentity, { ...card, class: nodeClass }))?.class, nodeClass)
  })

  const wrong: readonly (readonly [string, Uint8Array])[] = [
    ['signed by another node', resigned(() => undefined, secondIdentity)],
    ['of a newer version', resigned((body) => (body.version = 2))],
    ['of no class', resigned((body) => (body.class = 0))],
    ['of an unknown class', resigned((body) => (body.class = 4))],
    ['with an edition past exact numbers', resigned((body) => (body.edition = 2n ** 60n))],
    ['with a capacity past exact numbers', resigned((body) => (body.capacityBytes = 2n ** 60n))],
    ['with too many addresses', resigned((body) => (body.addresses = Array.from({ length: 33 }, () => 'x')))],
    ['with an address over the limit', resigned((body) => (body.addresses = ['x'.repeat(257)]))],
    ['with a name over the limit', resigned((body) => (body.name = 'x'.repeat(257)))],
    ['with a short key', resigned((body) => (body.nodeKey = new Uint8Array(31)))],
    ['over the limit', new Uint8Array(20_000)],
    ['that is empty', new Uint8Array(0)],
  ]
  for (const [what, bytes] of wrong) it(`${what} is refused`, () => assert.equal(parseCard(bytes), undefined))
})

describe('the shelf of cards', () => {
  function open(): { readonly node: IndexNode; readonly shelf: CardShelf; readonly changes: string[] } {
    const node = new IndexNode(7)
    const changes: string[] = []
    return {
      node,
      changes,
      shelf: new CardShelf(
        node.index,
        { edition: card.edition, renew: () => undefined, encoded: () => signCard(secondIdentity, card) },
        (peer) => changes.push(peer),
        () => undefined,
      ),
    }
  }
  const members = [firstIdentity.peerId]

  it('keeps the newest card of a member', () => {
    const { node, shelf, changes } = open()
    using _node = node
    for (const edition of [3, 2, 3, 5, 4]) shelf.take(signCard(firstIdentity, { ...card, edition, name: `desk ${edition}` }), members)
    assert.equal(shelf.cardOf(firstIdentity.peerId)?.name, 'desk 5')
    assert.equal(shelf.cardOf(firstIdentity.peerId)?.edition, 5)
    assert.deepEqual([changes.length, shelf.edition], [2, 2])
    assert.equal(node.index.peers.get(firstIdentity.peerId)?.name, 'desk 5')
  })

  it('keeps none of a stranger, and none that is not sound', () => {
    const { node, shelf, changes } = open()
    using _node = node
    shelf.take(signCard(secondIdentity, card), members)
    shelf.take(
      resigned(() => undefined, secondIdentity),
      members,
    )
    assert.deepEqual([changes, shelf.edition, node.index.peers.get(secondIdentity.peerId)], [[], 0, undefined])
  })

  it('knows a twin by a later card of its own that comes from elsewhere', () => {
    const { node, shelf } = open()
    using _node = node
    for (const [edition, addresses] of [
      [card.edition - 1, ['/ip4/10.0.0.9/tcp/1']],
      [card.edition + 1, card.addresses],
    ] as const) {
      shelf.take(signCard(secondIdentity, { ...card, edition, addresses }), members)
      assert.equal(shelf.twin, undefined)
    }
    shelf.take(signCard(secondIdentity, { ...card, edition: card.edition + 1, addresses: ['/ip4/10.0.0.9/tcp/1'] }), members)
    assert.deepEqual(shelf.twin?.addresses, ['/ip4/10.0.0.9/tcp/1'])
  })

  it('gives its own card first and those that it has', () => {
    const { node, shelf } = open()
    using _node = node
    assert.equal(shelf.all(members).length, 1)
    shelf.take(signed, members)
    assert.deepEqual(
      shelf.all(members).map((bytes) => parseCard(bytes)?.peer),
      [secondIdentity.peerId, firstIdentity.peerId],
    )
  })
})
