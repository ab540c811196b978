// What a node counts of its members' absences, keeps over a restart, and says to others; and what it answers who takes it for gone.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { EngineError } from '../../engine/base/errors.ts'
import { silentLog } from '../../engine/base/log.ts'
import { CardShelf } from '../../engine/compose/card-box.ts'
import { FolderAbsence } from '../../engine/compose/folder-absence.ts'
import { OwnCard } from '../../engine/compose/own-card.ts'
import type { EngineWorld } from '../../engine/compose/parts.ts'
import { Presence } from '../../engine/compose/presence.ts'
import type { Index } from '../../engine/index/index-store.ts'
import type { Member, Role } from '../../engine/model/folder.ts'
import type { PeerId } from '../../engine/model/ids.ts'
import type { Network } from '../../engine/net/network.ts'
import { absencePace } from '../../engine/replicas/absence.ts'
import type { AbsenceMark } from '../../engine/replicas/absence-marks.ts'
import { ReceiptBook } from '../../engine/replicas/receipt-book.ts'
import { signReceipt } from '../../engine/replicas/receipt.ts'
import type { FolderLog } from '../../engine/share/folder-log.ts'
import { parseCard, signCard } from '../../engine/sync/cards.ts'
import { stillClock } from '../support/blocks.ts'
import { IndexNode } from '../support/index-world.ts'
import { firstIdentity, secondIdentity } from '../support/model-values.ts'
import { createIdentity, type Identity } from '../../engine/crypto/identity.ts'

const roundMs = 20_000
const dayMs = 86_400_000
const self = createIdentity(new Uint8Array(32).fill(77))
const [peer, witness] = [firstIdentity.peerId, secondIdentity.peerId]

class Watch {
  readonly answering = new Set<PeerId>([peer, witness])
  signs = 0
  changes = 0
  readonly presence: Presence

  constructor(index: Index, clock: ConstructorParameters<typeof Presence>[0]['clock'] = stillClock) {
    this.presence = new Presence({
      index,
      clock,
      network: { connectedPeers: () => [...this.answering] },
      log: silentLog,
      cards: { cardOf: (of) => ({ ...cardFacts, peer: of, edition: 1 }) },
      members: () => [peer, witness],
      events: { changed: () => this.changes++, signOfLife: () => this.signs++ },
    })
  }

  pass(durationMs: number): void {
    for (let timeMs = 0; timeMs < durationMs; timeMs += roundMs) this.presence.round(roundMs)
  }
}

const cardFacts = { name: 'a', zone: 'home', class: 'always-on', capacityBytes: 0, addresses: [], software: '' } as const

describe('presence', () => {
  it('goes on after a restart where it was, habits too', () => {
    using node = new IndexNode(1)
    const watch = new Watch(node.index)
    watch.pass(roundMs)
    watch.answering.delete(peer)
    watch.pass(8 * 3_600_000)
    assert.equal(watch.presence.degreeOf(peer), 'away')
    watch.presence.save()
    const again = new Watch(node.index)
    assert.equal(again.presence.degreeOf(peer), 'away')
    again.answering.delete(peer)
    again.pass(5 * 3_600_000)
    assert.equal(again.presence.degreeOf(peer), 'overdue')
    again.answering.add(peer)
    again.pass(roundMs * 3)
    again.presence.save()
    const row = node.index.absences.all().find((one) => one.peer === peer)
    assert.deepEqual([row?.isDown, row?.past.map(({ awayMs }) => Math.round(awayMs / 3_600_000))], [false, [13]])
  })

  it('tells when somebody is more or less absent, not with each round', () => {
    using node = new IndexNode(1)
    const watch = new Watch(node.index)
    watch.pass(dayMs / 4)
    const before = watch.changes
    watch.answering.delete(peer)
    watch.pass(dayMs)
    assert.equal(watch.changes - before, 3) // offline, away, overdue
  })

  it('gives a sign of life every three hours in which it is awake', () => {
    using node = new IndexNode(1)
    const watch = new Watch(node.index)
    watch.pass(dayMs)
    assert.equal(watch.signs, dayMs / absencePace.signOfLifeMs)
  })

  it('scenario T31: clock +10 y, −1 y, +5 d jump on wake, frozen: nobody is lost or overdue for it', async () => {
    using node = new IndexNode(1)
    const ending = new AbortController()
    let [wallMs, monotonicMs, rounds] = [1e12, 0, 0]
    const jumps = [10 * 365 * dayMs, -365 * dayMs, 5 * dayMs, 0]
    const watch = new Watch(node.index, {
      nowMs: () => wallMs,
      monotonicMs: () => monotonicMs,
      sleep: async (durationMs) => {
        rounds++
        wallMs += rounds % 10 === 0 ? (jumps[(rounds / 10) % jumps.length] ?? 0) : durationMs
        // The machine sleeps for five days now and then, which some systems count; or the clock stands still.
        monotonicMs += rounds % 25 === 0 ? 5 * dayMs : rounds % 25 < 5 ? 0 : durationMs
        if (rounds === 100) ending.abort()
        if (ending.signal.aborted) throw new EngineError('ABORTED', 'stopped')
        await Promise.resolve()
      },
    })
    watch.answering.delete(peer)
    await watch.presence.run(ending.signal)
    assert.ok(['offline', 'away'].includes(watch.presence.degreeOf(peer)))
    assert.ok(node.index.absences.awakeMs < 3_600_000)
    assert.equal(watch.signs, 0)
  })
})

function memberOf({ peerId, publicKey }: Identity, role: Role): Member {
  return { peer: peerId, nodeKey: publicKey, role, name: role, isRetired: false }
}

/** A folder of this node, an owner and a host, with this node's own card and receipts. */
function openAbsence({ index, handle }: IndexNode, degrees: ReadonlyMap<PeerId, 'overdue' | 'lost'>) {
  const members = [memberOf(self, 'host'), memberOf(firstIdentity, 'owner'), memberOf(secondIdentity, 'host')]
  const world = { clock: { ...stillClock, nowMs: () => 50 }, ...cardFacts, version: '1' } as unknown as EngineWorld // cast: all that is read
  const network = { addresses: (): readonly string[] => [] } as unknown as Network // cast: as above
  const told: number[] = []
  const own = new OwnCard(world, network, self)
  const cards = new CardShelf(
    index,
    own,
    () => undefined,
    () => told.push(own.edition),
  )
  const receipts = new ReceiptBook({
    index,
    folder: { row: handle.row, id: handle.record.id },
    signer: self,
    self: self.peerId,
    clock: stillClock,
    log: { length: 1, isMember: () => true },
    claim: async () => await Promise.resolve(undefined),
    absent: () => absence.marks(),
    changed: () => absence.refute(),
  })
  const absence: FolderAbsence = new FolderAbsence({
    self: self.peerId,
    log: { members, length: 1 } as unknown as FolderLog, // cast: as above
    cards,
    presence: { degreeOf: (of) => degrees.get(of) ?? 'here' },
    receipts: () => receipts,
  })
  const say = (author: Identity, edition: number, absent: readonly AbsenceMark[]): void =>
    receipts.take(signReceipt(author, handle.record.id, { keep: 'share', parts: [] }, { edition, logLength: 1, timeMs: 0, absent }))
  return { absence, cards, own, told, say }
}

describe('a folder and who is absent', () => {
  it('says in its receipts whom this node finds gone, by the card that it knows', () => {
    using node = new IndexNode(1)
    const { absence, cards } = openAbsence(
      node,
      new Map([
        [peer, 'lost'],
        [witness, 'overdue'],
      ]),
    )
    cards.take(signCard(firstIdentity, { ...cardFacts, edition: 9 }), [peer])
    assert.deepEqual(absence.marks(), [
      { peer, cardEdition: 9, degree: 'lost' },
      { peer: witness, cardEdition: 0, degree: 'overdue' },
    ])
    assert.equal(absence.agreed.size, 0, 'a host is not believed alone')
    assert.equal(absence.degreeOf(peer), 'away')
  })

  it('takes what an owner says for true until a newer card comes', () => {
    using node = new IndexNode(1)
    const { absence, cards, say } = openAbsence(node, new Map())
    cards.take(signCard(secondIdentity, { ...cardFacts, edition: 4 }), [witness])
    const before = absence.edition
    say(firstIdentity, 1, [{ peer: witness, cardEdition: 4, degree: 'lost' }])
    assert.deepEqual([...absence.agreed], [[witness, 'lost']])
    assert.notEqual(absence.edition, before)
    assert.equal(absence.degreeOf(witness), 'lost')
    cards.take(signCard(secondIdentity, { ...cardFacts, edition: 5 }), [witness])
    assert.equal(absence.agreed.size, 0)
    assert.equal(absence.edition, before)
  })

  it('answers who takes this node for gone with a newer card, and only once', () => {
    using node = new IndexNode(1)
    const { own, told, say, cards } = openAbsence(node, new Map())
    assert.equal(own.edition, 50)
    say(firstIdentity, 1, [{ peer: self.peerId, cardEdition: 50, degree: 'overdue' }])
    assert.deepEqual([own.edition, told], [51, [51]])
    assert.equal(parseCard(cards.all([])[0] ?? new Uint8Array(0))?.edition, 51)
    say(secondIdentity, 1, [{ peer: self.peerId, cardEdition: 50, degree: 'overdue' }])
    assert.equal(own.edition, 51)
    say(secondIdentity, 2, [{ peer: self.peerId, cardEdition: 7000, degree: 'lost' }])
    assert.equal(own.edition, 7001, 'also when its clock went back since')
  })

  it('a card says that its node sleeps, and the next edition that it is back', () => {
    using node = new IndexNode(1)
    const { own } = openAbsence(node, new Map())
    assert.equal(parseCard(own.encoded())?.asleepForMs, undefined)
    own.planSleep(10 * dayMs)
    own.fallAsleep()
    assert.equal(parseCard(own.encoded())?.asleepForMs, 10 * dayMs)
    assert.ok(own.edition > 50)
  })
})
