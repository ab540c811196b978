// Garbage of a hosted folder: what nothing refers to goes late and only by a look from a whole index; what is named again stays.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { present } from '../../engine/base/assert.ts'
import { bytesKey, compareBytes, utf8 } from '../../engine/base/bytes.ts'
import { silentLog } from '../../engine/base/log.ts'
import { MemoryBlockStore } from '../../engine/blocks/memory-store.ts'
import { keptWhereHeld } from '../../engine/compose/folder-leases.ts'
import { sealBlock } from '../../engine/crypto/seal.ts'
import type { BlockRef } from '../../engine/model/entry.ts'
import type { BlockId, FolderId } from '../../engine/model/ids.ts'
import { Garbage } from '../../engine/replicas/garbage.ts'
import { holdsAll } from '../../engine/replicas/holding.ts'
import { Outgoing } from '../../engine/replicas/outgoing.ts'
import { References } from '../../engine/replicas/references.ts'
import { Repair } from '../../engine/replicas/repair.ts'
import type { FetchedBlock } from '../../engine/transfer/fetch-round.ts'
import type { Fetcher } from '../../engine/transfer/fetch.ts'
import { heldBlocks } from '../../engine/transfer/held-blocks.ts'
import { never, stillClock, testBytes } from '../support/blocks.ts'
import { IndexNode } from '../support/index-world.ts'
import { firstIdentity, secondIdentity } from '../support/model-values.ts'
import { SeededRandom } from '../support/seeded-random.ts'

/** Enough for whoever was called to do all that it can before the work goes on. */
const turnsAtPoint = 60
const graceMs = 30 * 86_400_000

/** Calls what is set at each point at which others get a turn. */
class Points {
  count = 0
  readonly #acts = new Map<number, () => void | Promise<void>>()

  at(point: number, act: () => void | Promise<void>): void {
    this.#acts.set(point, act)
  }

  async pass(): Promise<void> {
    await this.#acts.get(this.count++)?.()
    for (let turns = 0; turns < turnsAtPoint; turns++) await Promise.resolve()
  }
}

class SlowStore extends MemoryBlockStore {
  readonly #points: Points

  constructor(points: Points) {
    super()
    this.#points = points
  }

  /** Counted at every put otherwise, and there are no limits here. */
  override payloadBytesOf(): number {
    return 0
  }

  override async remove(folder: FolderId, ids: readonly BlockId[]): Promise<void> {
    await this.#points.pass()
    await super.remove(folder, ids)
    await this.#points.pass()
  }
}

/** All stages have the same key. */
const sealedTexts = new Map<string, { readonly id: BlockId; readonly sealed: Uint8Array }>()

class Stage implements Disposable {
  readonly node = new IndexNode(1)
  readonly points = new Points()
  readonly store = new SlowStore(this.points)
  readonly outgoing: Outgoing
  readonly garbage: Garbage
  awakeMs = 0
  isWhole = true

  constructor() {
    const { index, handle } = this.node
    this.outgoing = new Outgoing(this.store, handle.record.id)
    this.garbage = new Garbage({
      index,
      folderRow: handle.row,
      folder: handle.record.id,
      store: this.store,
      outgoing: this.outgoing,
      clock: { ...stillClock, sleep: async () => await this.points.pass() },
      random: new SeededRandom('garbage'),
      awakeMs: () => this.awakeMs,
      graceMs,
      isWhole: () => this.isWhole,
    })
  }

  sealed(text: string): { readonly id: BlockId; readonly sealed: Uint8Array } {
    const block = sealedTexts.get(text) ?? sealBlock(this.node.handle.jobKeys.sealKey, utf8(text))
    sealedTexts.set(text, block)
    return block
  }

  async put(text: string): Promise<BlockId> {
    const { id, sealed } = this.sealed(text)
    await this.outgoing.view.put([{ folder: this.node.handle.record.id, id, bytes: sealed }])
    return id
  }

  has(text: string): boolean {
    return this.store.has(this.node.handle.record.id, this.sealed(text).id)
  }

  async look(afterMs = 0): Promise<number> {
    this.awakeMs += afterMs
    return await this.garbage.look(never)
  }

  /** A repair that can fetch any of these texts. */
  repair(texts: readonly string[]): Repair {
    const { index, handle } = this.node
    const theirs = new Map(texts.map((text) => [bytesKey(this.sealed(text).id), this.sealed(text).sealed]))
    const fetch = async (blocks: readonly BlockRef[]): Promise<readonly (FetchedBlock | undefined)[]> =>
      await Promise.resolve(
        blocks.map(({ id }) => {
          const bytes = theirs.get(bytesKey(id))
          return bytes === undefined ? undefined : { bytes, from: firstIdentity.peerId }
        }),
      )
    return new Repair({
      index,
      store: this.outgoing.view,
      folder: { row: handle.row, id: handle.record.id },
      fetcher: { hasPeers: true, fetch, distrust: () => undefined } as unknown as Fetcher, // cast: the calls that repair makes
      clock: stillClock,
      log: silentLog,
      holding: () => holdsAll,
      claims: () => () => [],
      ranks: () => () => 0,
      self: secondIdentity.peerId,
      lackers: () => ({ hosts: '', of: () => [] }),
      link: () => ({ isMetered: false, isPersonWaiting: false }),
      events: { stored: () => undefined, changed: () => undefined, trouble: () => undefined },
    })
  }

  [Symbol.dispose](): void {
    this.node[Symbol.dispose]()
  }
}

async function settled(repair: Repair): Promise<void> {
  const ending = new AbortController()
  const running = repair.run(ending.signal)
  for (let turns = 0; turns < 300; turns++) await Promise.resolve()
  ending.abort()
  await assert.rejects(running, { code: 'ABORTED' })
}

describe('garbage', () => {
  it('goes at a look after the grace, and what an entry refers to never does', async () => {
    using stage = new Stage()
    stage.node.write('kept', 'kept content')
    await stage.put('kept content')
    await stage.put('left over')
    assert.equal(await stage.look(), 0)
    assert.equal(await stage.look(graceMs - 1), 0)
    assert.equal(stage.has('left over'), true)
    assert.equal(await stage.look(1), 1)
    assert.deepEqual([stage.has('left over'), stage.has('kept content')], [false, true])
    assert.equal(stage.node.index.retiring.garbageCount(stage.node.handle.row), 0)
    assert.equal(await stage.look(10 * graceMs), 0)
  })

  it('is what a file was before it was changed or deleted', async () => {
    using stage = new Stage()
    for (const text of ['first', 'second', 'gone']) await stage.put(text)
    stage.node.write('a', 'first')
    stage.node.write('b', 'gone')
    await stage.look()
    stage.node.write('a', 'second')
    stage.node.write('b', undefined)
    await stage.look(graceMs)
    assert.equal(await stage.look(graceMs), 2)
    assert.deepEqual(
      ['first', 'second', 'gone'].map((text) => stage.has(text)),
      [false, true, false],
    )
  })

  it('is nothing while the index may not be whole, nor when that shows in the middle of a look', async () => {
    using stage = new Stage()
    await stage.put('left over')
    stage.isWhole = false
    await stage.look()
    assert.equal(stage.node.index.retiring.garbageCount(stage.node.handle.row), 0, 'not even noted')
    stage.isWhole = true
    await stage.look()
    stage.isWhole = false
    assert.equal(await stage.look(graceMs), 0)
    assert.equal(stage.has('left over'), true)
    stage.isWhole = true
    assert.equal(await stage.look(), 1)
  })

  it('that an entry names again before it went stays, and its grace begins anew', async () => {
    using stage = new Stage()
    await stage.put('comes back')
    await stage.look()
    stage.node.write('a', 'comes back')
    stage.garbage.revive()
    stage.node.write('a', undefined)
    await stage.look(graceMs)
    assert.equal(stage.has('comes back'), true, 'named in between, though not at any look')
    assert.equal(await stage.look(graceMs), 1)
  })

  it('scenario T38: GC with a writer offline 60 d who references old blocks: what it names is fetched from it, though it was collected', async () => {
    using stage = new Stage()
    await stage.put('old content')
    await stage.look()
    await stage.look(graceMs)
    assert.equal(stage.has('old content'), false)
    stage.node.write('restored', 'old content') // the writer is back, with the file
    await settled(stage.repair(['old content']))
    assert.equal(stage.has('old content'), true)
  })

  it('scenario T37: GC vs concurrent dedup PUT at every interleaving: referenced block never missing', async () => {
    // More than a look takes at once, and the block behind them: others get a turn between what was read and what is judged.
    using names = new Stage()
    const texts = Array.from({ length: 1002 }, (_, at) => `content ${at}`)
    const sorted = texts.toSorted((left, right) => compareBytes(names.sealed(left).id, names.sealed(right).id))
    const shared = present(sorted.at(-1), 'some text')
    const fillers = sorted.slice(0, -1)
    let points = 1
    let collected = 0
    for (let named = 0; named < points; named++) {
      for (let looked = named; looked <= points; looked++) {
        using stage = new Stage()
        await stage.put(shared)
        for (const text of fillers) await stage.put(text)
        await stage.look()
        stage.points.count = 0
        const repair = stage.repair([shared])
        const ending = new AbortController()
        let repairing: Promise<unknown> = Promise.resolve()
        let wasHere = true
        // An entry comes that names the block; in the same or a later turn somebody looks whether it is here, and counts on that.
        stage.points.at(named, () => {
          stage.node.write('a', shared)
          if (looked === named) begin()
        })
        const begin = (): void => {
          wasHere = stage.outgoing.view.has(stage.node.handle.record.id, stage.sealed(shared).id)
          repairing = repair.run(ending.signal).catch(() => undefined)
        }
        if (looked > named) stage.points.at(looked, begin)
        collected += await stage.look(graceMs)
        if (looked >= stage.points.count) begin()
        points = Math.max(points, stage.points.count)
        for (let turns = 0; turns < 300; turns++) await Promise.resolve()
        ending.abort()
        await repairing
        assert.equal(stage.has(shared), true, `named at ${named}, looked at ${looked}`)
        assert.ok(!wasHere || stage.has(shared))
      }
    }
    assert.ok(points >= 3, `${points} points`)
    assert.ok(collected > 0)
  })
})

describe('a block on its way out', () => {
  it('is not here any more for anybody, and one that comes meanwhile stays', async () => {
    using stage = new Stage()
    const id = await stage.put('content')
    const { record } = stage.node.handle
    const { view } = stage.outgoing
    const leaving = stage.outgoing.remove([id])
    assert.deepEqual([view.has(record.id, id), view.sizeOf(record.id, id), await view.get(record.id, id)], [false, undefined, undefined])
    await Promise.all([leaving, stage.put('content')])
    assert.equal(view.has(record.id, id), true)
  })

  it('is kept for nobody who asks for a lease, though it was read just before', async () => {
    using stage = new Stage()
    const id = await stage.put('content')
    const { node, outgoing } = stage
    const held = { index: node.index, store: outgoing.view, folder: node.handle.record, tree: undefined }
    assert.notEqual((await heldBlocks(held, [id], never))[0], undefined)
    assert.deepEqual(keptWhereHeld(held, [id]), [id])
    const leaving = outgoing.remove([id])
    assert.deepEqual(keptWhereHeld(held, [id]), [])
    await leaving
    assert.deepEqual(keptWhereHeld(held, [id]), [])
  })

  it('is here again when it could not be removed', async () => {
    using stage = new Stage()
    const id = await stage.put('content')
    stage.points.at(0, () => {
      throw new Error('the disk said no')
    })
    await assert.rejects(stage.outgoing.remove([id]), /said no/)
    assert.equal(stage.outgoing.view.has(stage.node.handle.record.id, id), true)
  })
})

describe('references', () => {
  it('know every block that an entry names, and few others', async () => {
    using node = new IndexNode(1)
    const texts = Array.from({ length: 600 }, (_, at) => `content ${at}`)
    node.writeAll(texts.map((text, at) => ({ path: `f${at}`, text, base: [] })))
    const parts = { index: node.index, folderRow: node.handle.row, clock: stillClock, random: new SeededRandom('references') }
    const references = await References.read(parts, never)
    const idOf = (text: string): BlockId => sealBlock(node.handle.jobKeys.sealKey, utf8(text)).id
    for (const text of texts) assert.equal(references.has(idOf(text)), true)
    const strangers = Array.from({ length: 2000 }, (_, at) => idOf(Buffer.from(testBytes(at, 20)).toString('hex')))
    const mistaken = strangers.filter((id) => references.has(id)).length
    assert.ok(mistaken < 60, `${mistaken} of 2000`)
    node.write('late', 'late content')
    assert.equal(references.has(idOf('late content')), false)
    references.catchUp()
    assert.equal(references.has(idOf('late content')), true)
  })
})
