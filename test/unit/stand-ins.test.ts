// Standing in for members that are away: who does, when, for what, for how much, and when that is over.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { present } from '../../engine/base/assert.ts'
import { bytesKey, utf8 } from '../../engine/base/bytes.ts'
import { silentLog } from '../../engine/base/log.ts'
import { MemoryBlockStore } from '../../engine/blocks/memory-store.ts'
import { sealBlock } from '../../engine/crypto/seal.ts'
import type { BlockRef } from '../../engine/model/entry.ts'
import { isKnown } from '../../engine/model/known.ts'
import type { PeerId } from '../../engine/model/ids.ts'
import { partitionOf } from '../../engine/replicas/layout.ts'
import {
  hasRoomToStandIn,
  isShort,
  standInAfterMs,
  standInOrder,
  standInPace,
  type StandInCandidate,
} from '../../engine/replicas/stand-in.ts'
import { StandInBook, type HeldEntry } from '../../engine/replicas/stand-in-book.ts'
import { StandIns } from '../../engine/replicas/stand-ins.ts'
import type { FetchedBlock } from '../../engine/transfer/fetch-round.ts'
import { never, stillClock, testFolder } from '../support/blocks.ts'
import { IndexNode } from '../support/index-world.ts'
import { peerNamed } from '../support/placement-pools.ts'

const folder = testFolder(7)
const [self, author, nas, attic] = [peerNamed('self'), peerNamed('author'), peerNamed('nas'), peerNamed('attic')]
const { patienceMs, nextMs } = standInPace

function candidate(name: string, zone = '', capacityBytes = 1): StandInCandidate {
  return { peer: peerNamed(name), zone, capacityBytes }
}

describe('who stands in', () => {
  const pools = fc.uniqueArray(
    fc.record({ name: fc.integer({ min: 0, max: 40 }), zone: fc.constantFrom('', 'home', 'office'), size: fc.integer({ min: 1, max: 9 }) }),
    { selector: ({ name }) => name, minLength: 1, maxLength: 6 },
  )
  const poolOf = (pool: readonly { readonly name: number; readonly zone: string; readonly size: number }[]): readonly StandInCandidate[] =>
    pool.map(({ name, zone, size }) => candidate(`host ${name}`, zone, size))

  it('is the same for everybody who sees the same, and one that goes leaves the order of the others as it is', () => {
    fc.assert(
      fc.property(pools, fc.nat(4095), fc.nat(5), (drawn, partition, at) => {
        const pool = poolOf(drawn)
        const covered = new Set(['home'])
        const order = standInOrder(folder, partition, pool, covered)
        assert.deepEqual(standInOrder(folder, partition, pool.toReversed(), covered), order)
        const gone = pool[at % pool.length]?.peer
        assert.deepEqual(
          standInOrder(
            folder,
            partition,
            pool.filter(({ peer }) => peer !== gone),
            covered,
          ),
          order.filter((peer) => peer !== gone),
        )
      }),
    )
  })

  it('is in a place that has no copy where there is one, and else as much as it offers', () => {
    const pool = [candidate('small', 'home'), candidate('large', 'home', 3), candidate('far', 'office')]
    const first = (covered: readonly string[]): readonly (PeerId | undefined)[] =>
      Array.from({ length: 4000 }, (_, partition) => standInOrder(folder, partition, pool, new Set(covered))[0])
    assert.ok(first(['home']).every((peer) => peer === peerNamed('far')))
    const large = first(['office']).filter((peer) => peer === peerNamed('large')).length
    assert.ok(large > 2850 && large < 3150, `${large} of 4000`)
  })

  it('is nobody for what two have or are here to fetch, nor in a folder of one copy', () => {
    assert.deepEqual(
      [0, 1, 2, 3].map((members) => isShort(members, 3)),
      [true, true, false, false],
    )
    assert.deepEqual(
      [0, 1].map((members) => isShort(members, 1)),
      [true, false],
    )
  })

  it('is the next in order only after the one before had its time, which is longer for what is larger', () => {
    assert.equal(standInAfterMs(0, 10 ** 12, standInPace), patienceMs)
    assert.equal(standInAfterMs(1, 0, standInPace), patienceMs + nextMs)
    assert.ok(standInAfterMs(1, 10 ** 10, standInPace) > 10 ** 10 / 125)
    assert.ok(standInAfterMs(2, 5000, standInPace) > standInAfterMs(1, 5000, standInPace))
  })

  it('never takes more than half of its room, in however many pieces', () => {
    fc.assert(
      fc.property(fc.nat(10_000), fc.nat(10_000), fc.array(fc.integer({ min: 1, max: 3000 })), (freeBytes, neededBytes, pieces) => {
        let standingInBytes = 0
        for (const bytes of pieces) {
          if (!hasRoomToStandIn(bytes, { standingInBytes, freeBytes: freeBytes - standingInBytes, neededBytes })) continue
          standingInBytes += bytes
        }
        assert.ok(standingInBytes <= Math.max(0, (freeBytes - neededBytes) / 2))
      }),
    )
  })
})

class Stage implements Disposable {
  readonly node: IndexNode
  readonly store = new MemoryBlockStore()
  readonly theirs = new Map<string, Uint8Array>()
  readonly distrusted: PeerId[] = []
  book: StandInBook
  standIns: StandIns
  awakeMs = 0
  fetches = 0
  isAnyAway = true
  isMetered = false
  /** Who says of every entry that it holds it … */
  claims: readonly PeerId[] = [author]
  /** … and who is here and is to hold it. */
  coming: readonly PeerId[] = []
  otherCopies = 1
  candidates: readonly StandInCandidate[] = [{ peer: self, zone: '', capacityBytes: 1 }]
  /** Blocks came: by then something else may be so. */
  onFetched: () => void = () => undefined
  isSaid: (entry: HeldEntry) => boolean = () => false

  constructor() {
    this.node = new IndexNode(1, folder)
    this.book = this.#openBook()
    this.standIns = this.#open()
  }

  #openBook(): StandInBook {
    const { index, handle } = this.node
    return new StandInBook({ index, folder: { row: handle.row, id: folder }, store: this.store, clock: stillClock })
  }

  #open(): StandIns {
    const { index, handle } = this.node
    return new StandIns({
      index,
      store: this.store,
      folder: { row: handle.row, id: folder },
      book: this.book,
      self,
      fetcher: {
        hasPeers: true,
        fetch: async (blocks) => await this.#fetch(blocks),
        distrust: (peer) => this.distrusted.push(peer),
      },
      clock: stillClock,
      log: silentLog,
      awakeMs: () => this.awakeMs,
      pace: standInPace,
      canLook: () => true,
      isAnyAway: () => this.isAnyAway,
      outlook: () => ({
        targetCopies: 2,
        claimsOf: () => this.claims.length,
        holdersOf: () => [...new Set([...this.claims, ...this.coming])],
        otherCopiesOf: () => this.otherCopies,
        candidates: this.candidates,
        zoneOf: () => '',
      }),
      isSaid: (entry) => this.isSaid(entry),
      link: () => ({ isMetered: this.isMetered, isPersonWaiting: false }),
      events: { stored: () => undefined, changed: () => undefined },
    })
  }

  restart(): void {
    this.book = this.#openBook()
    this.standIns = this.#open()
  }

  write(path: string, text = `content of ${path}`): void {
    this.node.write(path, text)
    const { id, sealed } = sealBlock(this.node.handle.jobKeys.sealKey, utf8(text))
    this.theirs.set(bytesKey(id), sealed)
  }

  async look(afterMs = 0): Promise<void> {
    this.awakeMs += afterMs
    await this.standIns.look(never)
  }

  /** Numbers of the entries that this node may say it holds for others. */
  claimed(): readonly number[] {
    const [head] = this.book.claim().heads
    return Array.from({ length: 20 }, (_, at) => at + 1).filter((seq) => head !== undefined && isKnown(head, seq))
  }

  get storedBlocks(): number {
    return this.store.list(folder, undefined, 100).length
  }

  async #fetch(blocks: readonly BlockRef[]): Promise<readonly (FetchedBlock | undefined)[]> {
    this.fetches++
    const fetched = blocks.map(({ id }) => {
      const bytes = this.theirs.get(bytesKey(id))
      return bytes === undefined ? undefined : { bytes, from: author }
    })
    this.onFetched()
    return await Promise.resolve(fetched)
  }

  [Symbol.dispose](): void {
    this.node[Symbol.dispose]()
  }
}

describe('a host that is here', () => {
  it('holds what is new once nobody who is to hold it has been here for some minutes, and says so exactly', async () => {
    using stage = new Stage()
    for (const path of ['a', 'b', 'c']) stage.write(path)
    await stage.look()
    await stage.look(patienceMs - 1)
    assert.equal(stage.fetches, 0)
    stage.write('later')
    await stage.look(1)
    assert.deepEqual(stage.claimed(), [1, 2, 3])
    await stage.look(patienceMs)
    assert.deepEqual(stage.claimed(), [1, 2, 3, 4])
    assert.equal(stage.storedBlocks, 4)
  })

  it('waits anew when somebody came who is to hold it, and leaves alone what two have, or when nobody is away', async () => {
    using stage = new Stage()
    stage.write('a')
    await stage.look()
    stage.coming = [nas]
    await stage.look(patienceMs)
    stage.coming = []
    await stage.look()
    await stage.look(patienceMs - 1)
    stage.isAnyAway = false
    await stage.look(1)
    stage.isAnyAway = true
    await stage.look(1)
    assert.equal(stage.fetches, 0)
    stage.claims = [author, nas]
    await stage.look(10 * patienceMs)
    assert.equal(stage.fetches, 0)
    stage.claims = [author]
    await stage.look(patienceMs)
    await stage.look(patienceMs)
    assert.equal(stage.fetches, 0, 'what two machines had once is not new')
  })

  it('comes after those before it in order, and takes nothing over a metered link', async () => {
    using stage = new Stage()
    stage.candidates = [self, nas, attic].map((peer) => ({ peer, zone: '', capacityBytes: 1 }))
    for (let at = 0; at < 12; at++) stage.write(`file ${at}`)
    await stage.look()
    stage.isMetered = true
    await stage.look(patienceMs)
    assert.equal(stage.fetches, 0)
    stage.isMetered = false
    await stage.look()
    const first = stage.claimed().length
    assert.ok(first > 0 && first < 12, `${first} of 12`)
    await stage.look(nextMs + 1000)
    const second = stage.claimed().length
    assert.ok(second > first && second < 12, `${second} of 12`)
    await stage.look(nextMs + 1000)
    assert.equal(stage.claimed().length, 12)
  })

  it('takes nothing where it offers no room, and half of the room that there is', async () => {
    using stage = new Stage()
    stage.candidates = []
    for (let at = 0; at < 10; at++) stage.write(`file ${at}`)
    await stage.look()
    await stage.look(patienceMs)
    assert.equal(stage.fetches, 0)
    stage.candidates = [{ peer: self, zone: '', capacityBytes: 1 }]
    stage.store.setLimit(folder, 10 * 300) // each is charged some 290
    await stage.look()
    assert.equal(stage.claimed().length, 5)
  })

  it('takes no bytes that are not the block, and asks again later for what nobody gives', async () => {
    using stage = new Stage()
    stage.write('a')
    const [[key, sealed] = ['', utf8('')]] = stage.theirs
    stage.theirs.set(key, utf8('something else'))
    await stage.look()
    await stage.look(patienceMs)
    assert.deepEqual(stage.distrusted, [author])
    stage.theirs.delete(key)
    await stage.look(patienceMs)
    await stage.look(patienceMs - 1)
    assert.equal(stage.fetches, 2)
    stage.theirs.set(key, sealed)
    await stage.look(1)
    assert.deepEqual(stage.claimed(), [1])
  })

  it('claims nothing that was replaced while it was fetched', async () => {
    using stage = new Stage()
    stage.write('a')
    await stage.look()
    stage.onFetched = () => {
      stage.onFetched = () => undefined
      stage.write('a', 'newer')
    }
    await stage.look(patienceMs)
    assert.deepEqual(stage.claimed(), [])
  })

  it('claims nothing of which some left the store while the rest came', async () => {
    using stage = new Stage()
    stage.write('a')
    await stage.look()
    stage.store.put = async () => await Promise.resolve() // surplus of the same partition may go in that moment
    await stage.look(patienceMs)
    assert.deepEqual([stage.fetches, stage.claimed()], [1, []])
  })

  it('goes on where it was after a restart, and says nothing before it has seen that all is there', async () => {
    using stage = new Stage()
    for (const path of ['a', 'b']) stage.write(path)
    await stage.look()
    await stage.look(patienceMs)
    stage.write('c')
    await stage.look()
    stage.restart()
    assert.equal(stage.book.isVerified, false)
    await stage.look()
    assert.ok(stage.book.isVerified)
    assert.deepEqual(stage.claimed(), [1, 2])
    await stage.look(patienceMs)
    assert.deepEqual(stage.claimed(), [1, 2, 3])
  })

  it('takes back at once what its store lost, and fetches it again', async () => {
    using stage = new Stage()
    for (const path of ['a', 'b']) stage.write(path)
    await stage.look()
    await stage.look(patienceMs)
    const [lost] = present(stage.node.index.entries.page(stage.node.handle.row, 0, 10)[0], 'an entry').entry.blocks
    await stage.store.remove(folder, [present(lost, 'a block').id])
    stage.standIns.lost()
    assert.equal(stage.book.isVerified, false)
    await stage.look()
    assert.deepEqual(stage.claimed(), [2])
    await stage.look(patienceMs)
    assert.deepEqual(stage.claimed(), [1, 2])
  })
})

describe('a loss while others are stood in for', () => {
  it('is looked at before anything more is fetched', async () => {
    using stage = new Stage()
    stage.write('a')
    await stage.look()
    await stage.look(patienceMs)
    for (const path of ['b', 'c', 'd']) stage.write(path)
    await stage.look()
    stage.onFetched = () => stage.standIns.lost()
    await stage.look(patienceMs)
    assert.equal(stage.fetches, 2)
    assert.equal(stage.book.isVerified, false)
    stage.onFetched = () => undefined
    await stage.look()
    assert.deepEqual(stage.claimed(), [1, 2, 3, 4])
  })
})

describe('what is held for others', () => {
  it('is not said any more once they hold it, and goes as surplus only when that was heard', async () => {
    using stage = new Stage()
    stage.write('a')
    await stage.look()
    await stage.look(patienceMs)
    const [id] = stage.store.list(folder, undefined, 1)
    const partition = partitionOf(present(id, 'a block'))
    const said = stage.claimed()
    stage.isSaid = ({ seq }) => said.includes(seq)
    stage.isAnyAway = false
    await stage.look()
    assert.deepEqual(stage.claimed(), [1], 'one other copy is not enough')
    stage.otherCopies = 2
    await stage.look()
    assert.deepEqual(stage.claimed(), [])
    await stage.look()
    assert.ok(stage.book.usesPartition(partition), 'the last receipt names it still')
    stage.isSaid = () => false
    await stage.look()
    assert.equal(stage.book.usesPartition(partition), false)
    assert.equal(stage.book.size, 0)
    assert.equal(stage.storedBlocks, 1)
  })

  it('is over where a newer version is in its place', async () => {
    using stage = new Stage()
    stage.write('a')
    await stage.look()
    await stage.look(patienceMs)
    stage.write('a', 'newer')
    await stage.look()
    await stage.look(patienceMs)
    assert.deepEqual(stage.claimed(), [2])
    assert.equal(stage.book.size, 1)
    stage.restart()
    assert.equal(stage.book.size, 1)
  })
})
