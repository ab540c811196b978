// A network that falls apart slowly, so that both halves take the other for lost, make its copies again, and meet after days: what is too much goes
// then, late, and never below what there is to be. Absence, layouts, leases and surplus are the engine's; the blocks go from host to host by hand.

import assert from 'node:assert/strict'
import { it } from 'node:test'

import { present } from '../../engine/base/assert.ts'
import { equalBytes } from '../../engine/base/bytes.ts'
import type { Clock } from '../../engine/base/clock.ts'
import { silentLog } from '../../engine/base/log.ts'
import { abortable } from '../../engine/base/queue.ts'
import { MemoryBlockStore } from '../../engine/blocks/memory-store.ts'
import { blockProof } from '../../engine/crypto/block-proof.ts'
import { blockIdOf } from '../../engine/crypto/seal.ts'
import type { BlockId, FolderId, PeerId } from '../../engine/model/ids.ts'
import { leasesNeeded } from '../../engine/replicas/lease.ts'
import { LetGo } from '../../engine/replicas/let-go.ts'
import { holdersOf, type Layout } from '../../engine/replicas/layout.ts'
import { Outgoing } from '../../engine/replicas/outgoing.ts'
import { layOut, type AbsentMember } from '../../engine/replicas/place.ts'
import { retirePace } from '../../engine/replicas/retire.ts'
import { Surplus } from '../../engine/replicas/surplus.ts'
import { AbsencePool, dayMs, hourMs, type PoolNode, type Reach } from '../support/absence-pool.ts'
import { never, stillClock, testBytes } from '../support/blocks.ts'
import { IndexNode } from '../support/index-world.ts'
import { member, peerNamed } from '../support/placement-pools.ts'
import { SeededRandom } from '../support/seeded-random.ts'

const west = ['desk', 'attic', 'cellar', 'shed']
const east = ['laptop', 'office', 'rented', 'friend']
const people = ['desk', 'laptop']
const hosts = [...west, ...east].filter((name) => !people.includes(name))
const targetCopies = 3
const blocksCount = 24
const apartMs = dayMs
const togetherMs = 10 * dayMs
/** Between the loss of one link and the next, and between the first starts of machines, whose signs of life come at other times then: no two go together. */
const linkMs = 20 * 60_000

/** Link after link goes, until no half reaches the other. */
const slowly: Reach = (from, to, timeMs) => {
  if (from === to) return timeMs >= [...west, ...east].indexOf(from) * linkMs
  const [left, right] = [west.indexOf(from) + west.indexOf(to) + 1, east.indexOf(from) + east.indexOf(to) + 1]
  if (west.includes(from) === west.includes(to)) return true
  return timeMs < apartMs + (left * east.length + right) * linkMs || timeMs >= togetherMs
}

/** Nobody waits for an answer in vain here. */
const patient: Clock = { ...stillClock, sleep: (_, signal) => abortable<void>(() => undefined, signal) }

class Town implements Disposable {
  readonly #random = new SeededRandom('partition heal')
  readonly hosts: readonly Host[]
  readonly ids: readonly BlockId[]
  readonly base: Layout
  awakeMs = 0
  checks = 0

  constructor() {
    this.hosts = hosts.map((name, number) => new Host(this, name, number))
    this.base = this.lay([])
    this.ids = Array.from({ length: blocksCount }, (_, seed) => blockIdOf(testBytes(seed, 100)))
  }

  lay(absent: readonly AbsentMember[], previous?: Layout): Layout {
    const { folder } = present(this.hosts[0], 'a host')
    const members = hosts.map((name) => member(name, west.includes(name) ? 'west' : 'east', 1))
    return layOut({ folder, members, targetCopies, previous, absent })
  }

  holders(id: BlockId): readonly Host[] {
    return this.hosts.filter((host) => host.has(id))
  }

  /** At every step of anybody's letting go. */
  check(): void {
    this.checks++
    for (const id of this.ids) assert.ok(this.holders(id).length >= targetCopies, 'a block has as many copies as there are to be')
  }

  /** A message takes its time. */
  async travel(): Promise<void> {
    for (let turns = this.#random.below(12); turns > 0; turns--) await Promise.resolve()
    this.check()
  }

  /** Everybody at once. */
  async trim(afterMs: number): Promise<number> {
    this.awakeMs += afterMs
    const gone = await Promise.all(
      this.hosts.map(async (host) => {
        await this.travel()
        return await host.surplus.trim(never)
      }),
    )
    return gone.reduce((sum, count) => sum + count, 0)
  }

  [Symbol.dispose](): void {
    for (const { node } of this.hosts) node[Symbol.dispose]()
  }
}

class Host {
  readonly name: string
  readonly node: IndexNode
  readonly letGo: LetGo
  readonly surplus: Surplus
  layout: Layout | undefined
  readonly #store = new MemoryBlockStore()
  readonly #outgoing: Outgoing

  constructor(town: Town, name: string, number: number) {
    this.name = name
    this.node = new IndexNode(number)
    const { index, handle } = this.node
    const folder = { row: handle.row, id: handle.record.id }
    this.#outgoing = new Outgoing(this.#store, folder.id)
    const read = async (ids: readonly BlockId[]): Promise<readonly (Uint8Array | undefined)[]> =>
      await Promise.all(ids.map((id) => this.#outgoing.view.get(folder.id, id)))
    const random = new SeededRandom(name)
    this.letGo = new LetGo({
      clock: patient,
      random,
      log: silentLog,
      keepers: () => town.hosts.flatMap((other) => (other === this ? [] : peerNamed(other.name))),
      needed: () => leasesNeeded(targetCopies),
      own: read,
      lease: async (to, ids, nonce) => {
        await town.travel()
        const other = present(
          town.hosts.find((each) => peerNamed(each.name) === to),
          'a host',
        )
        const proofs = await other.prove(peerNamed(name), ids, nonce)
        await town.travel()
        return proofs
      },
      mayAsk: () => true,
      keeps: (ids) => ids.filter((id) => this.#outgoing.view.has(folder.id, id)),
      wanted: () => undefined,
    })
    this.surplus = new Surplus({
      index,
      folder,
      store: this.#outgoing.view,
      outgoing: this.#outgoing,
      leases: this.letGo,
      clock: stillClock,
      awakeMs: () => town.awakeMs,
      graceMs: () => retirePace.surplusMs,
      ownership: () => (partition) => this.layout?.holders[partition]?.includes(peerNamed(name)) === true,
      isStoodIn: () => false,
      isComplete: () => true,
      released: async (partitions) => {
        index.transact(() => {
          for (const partition of partitions) index.retiring.release(folder.row, partition)
        })
        await town.travel()
        return true
      },
    })
  }

  get folder(): FolderId {
    return this.node.handle.record.id
  }

  has(id: BlockId): boolean {
    return this.#store.has(this.folder, id)
  }

  async put(seed: number): Promise<void> {
    const bytes = testBytes(seed, 100)
    await this.#store.put([{ folder: this.folder, id: blockIdOf(bytes), bytes }])
  }

  async prove(from: PeerId, ids: readonly BlockId[], nonce: Uint8Array): Promise<readonly (Uint8Array | undefined)[]> {
    const blocks = await Promise.all(ids.map((id) => this.#outgoing.view.get(this.folder, id)))
    const held = ids.filter((_, at) => blocks[at] !== undefined)
    const granted = this.letGo.grant(from, held)
    return ids.map((id, at) => {
      const bytes = blocks[at]
      const isGranted = granted.some((kept) => equalBytes(kept, id))
      return bytes === undefined || !isGranted ? undefined : blockProof(peerNamed(this.name), nonce, bytes)
    })
  }
}

/** Whoever is to have a block by its layout gets it, when any of `reachable` has it. */
async function repair(town: Town, reachable: readonly string[]): Promise<void> {
  const there = town.hosts.filter(({ name }) => reachable.includes(name))
  for (const [seed, id] of town.ids.entries()) {
    if (!there.some((host) => host.has(id))) continue
    for (const host of there) {
      const { layout } = host
      if (layout !== undefined && holdersOf(layout, id).includes(peerNamed(host.name)) && !host.has(id)) await host.put(seed)
    }
  }
}

it('scenarios 106, 99: partition: both halves re-replicate; heal: over-replication trimmed safely, late, and never below the copies there are to be', async () => {
  const nodes = [...west, ...east].map((name): PoolNode => ({
    name,
    role: people.includes(name) ? 'owner' : 'host',
    class: people.includes(name) ? 'daily' : 'always-on',
  }))
  const pool = new AbsencePool(nodes)
  using town = new Town()
  const useLayouts = (): void => {
    for (const host of town.hosts) {
      const absent = [...pool.agreed(host.name)].flatMap(([name, degree]): readonly AbsentMember[] =>
        degree === 'lost' || degree === 'overdue' ? [{ peer: peerNamed(name), degree }] : [],
      )
      host.layout = absent.length === 0 ? town.base : town.lay(absent, town.base)
      host.surplus.note()
    }
  }
  pool.run(apartMs, slowly)
  useLayouts()
  for (const [seed, id] of town.ids.entries())
    for (const host of town.hosts) if (holdersOf(town.base, id).includes(peerNamed(host.name))) await host.put(seed)
  town.check()

  pool.run(togetherMs - apartMs, slowly)
  town.awakeMs += togetherMs - apartMs
  for (const half of [west, east]) {
    for (const name of half) {
      const lost = [...pool.agreed(name)].flatMap(([other, degree]) => (degree === 'lost' ? other : []))
      assert.deepEqual(lost.toSorted(), hosts.filter((host) => !half.includes(host)).toSorted(), `whom ${name} takes for lost`)
    }
  }
  useLayouts()
  for (const half of [west, east]) await repair(town, half)
  for (const id of town.ids) assert.equal(town.holders(id).length, 2 * targetCopies, 'both halves have all copies')

  pool.run(6 * hourMs, slowly)
  town.awakeMs += 6 * hourMs
  for (const { name } of nodes) assert.equal(pool.agreed(name).size, 0, `${name} takes nobody for gone any more`)
  useLayouts()
  assert.equal(await town.trim(0), 0)
  assert.equal(await town.trim(retirePace.surplusMs - 1), 0, 'nothing goes before its time')

  // The worst that layouts can be for a while: each half takes all that it has for the other one's to hold.
  const lostHalf = (half: readonly string[]): Layout =>
    town.lay(
      half.filter((name) => hosts.includes(name)).map((name) => ({ peer: peerNamed(name), degree: 'lost' })),
      town.base,
    )
  const [byEast, byWest] = [lostHalf(west), lostHalf(east)]
  for (const host of town.hosts) {
    host.layout = west.includes(host.name) ? byEast : byWest
    host.surplus.note()
  }
  let gone = 0
  for (let round = 0; round < 4; round++) gone += await town.trim(retirePace.surplusMs)
  assert.ok(gone > 0, 'they let go of what may go')

  useLayouts()
  await repair(town, [...west, ...east])
  for (let round = 0; round < 10 && town.ids.some((id) => town.holders(id).length > targetCopies); round++)
    await town.trim(retirePace.lookMs)
  assert.ok(town.checks > blocksCount)
  for (const id of town.ids) {
    const holders = town.holders(id).map(({ name }) => peerNamed(name))
    assert.deepEqual(holders.toSorted(), holdersOf(town.base, id).toSorted(), 'who is to have it has it, and nobody else')
  }
})
