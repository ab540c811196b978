// Surplus of a hosted folder: what placement gives to others goes after days, once enough of them keep it and nothing is said of it any more.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { present } from '../../engine/base/assert.ts'
import { equalBytes } from '../../engine/base/bytes.ts'
import { silentLog } from '../../engine/base/log.ts'
import { MemoryBlockStore } from '../../engine/blocks/memory-store.ts'
import { blockIdOf } from '../../engine/crypto/seal.ts'
import type { BlockId } from '../../engine/model/ids.ts'
import { partitionOf } from '../../engine/replicas/layout.ts'
import { Outgoing } from '../../engine/replicas/outgoing.ts'
import { Retire, retirePace } from '../../engine/replicas/retire.ts'
import { Surplus } from '../../engine/replicas/surplus.ts'
import { never, stillClock, testBytes } from '../support/blocks.ts'
import { IndexNode } from '../support/index-world.ts'
import { StepClock } from '../support/step-clock.ts'

const dayMs = 86_400_000
const graceMs = 7 * dayMs

class Stage implements Disposable {
  readonly node = new IndexNode(1)
  readonly store = new MemoryBlockStore()
  readonly outgoing: Outgoing
  readonly surplus: Surplus
  /** All that was ever here. */
  readonly #known: BlockId[] = []
  awakeMs = 0
  isComplete = true
  /** Of which blocks enough others keep a copy. */
  isKept: (id: BlockId) => boolean = () => true
  /** What this node is to hold; undefined while that is not known. */
  isMine: ((id: BlockId) => boolean) | undefined = () => true
  canRelease = true
  /** Partitions of which something is held for members that are away. */
  readonly stoodIn = new Set<number>()
  readonly released: number[] = []
  /** Blocks that members were asked to keep. */
  asked = 0
  /** In the moment in which leases were granted. */
  onGranted: () => void = () => undefined

  constructor() {
    const { index, handle } = this.node
    this.outgoing = new Outgoing(this.store, handle.record.id)
    this.surplus = new Surplus({
      index,
      folder: { row: handle.row, id: handle.record.id },
      store: this.store,
      outgoing: this.outgoing,
      leases: {
        letGo: async (ids, go) => {
          this.asked += ids.length
          const kept = ids.filter(this.isKept)
          this.onGranted()
          if (kept.length > 0) await go(kept)
          return kept
        },
      },
      clock: stillClock,
      awakeMs: () => this.awakeMs,
      graceMs: () => graceMs,
      ownership: () => {
        const { isMine } = this
        if (isMine === undefined) return undefined
        return (partition) => this.#known.every((id) => partitionOf(id) !== partition || isMine(id))
      },
      isStoodIn: (partition) => this.stoodIn.has(partition),
      isComplete: () => this.isComplete,
      released: async (partitions) => {
        index.transact(() => {
          for (const partition of partitions) index.retiring.release(handle.row, partition)
        })
        this.released.push(...partitions)
        return await Promise.resolve(this.canRelease)
      },
    })
  }

  get ids(): readonly BlockId[] {
    return this.store.list(this.node.handle.record.id, undefined, 1000)
  }

  async put(seed: number): Promise<BlockId> {
    const bytes = testBytes(seed, 100)
    const id = blockIdOf(bytes)
    this.#known.push(id)
    await this.store.put([{ folder: this.node.handle.record.id, id, bytes }])
    return id
  }

  async trim(afterMs = 0): Promise<number> {
    this.awakeMs += afterMs
    return await this.surplus.trim(never)
  }

  rows(): number {
    return this.node.index.retiring.surplus(this.node.handle.row).length
  }

  [Symbol.dispose](): void {
    this.node[Symbol.dispose]()
  }
}

/** Three blocks of three partitions, of which the first is mine. */
async function openStage(): Promise<{ readonly stage: Stage; readonly mine: BlockId }> {
  const stage = new Stage()
  for (const seed of [1, 2, 3]) await stage.put(seed)
  const mine = present(stage.ids[0], 'a block')
  assert.equal(new Set(stage.ids.map(partitionOf)).size, 3)
  stage.isMine = (id) => equalBytes(id, mine)
  return { stage, mine }
}

describe('surplus', () => {
  it('scenario T23: node returns after repair completed: surplus trimmed after 7 d only; no churn; 0 bytes moved in the first hour', async () => {
    const { stage, mine } = await openStage()
    using _ = stage
    assert.equal(await stage.trim(), 0)
    for (const afterMs of [3_600_000, dayMs, graceMs - dayMs - 3_600_001]) {
      assert.equal(await stage.trim(afterMs), 0)
      assert.equal(stage.asked, 0, 'nobody is even asked')
    }
    assert.equal(await stage.trim(1), 2)
    assert.deepEqual(stage.ids, [mine])
    assert.equal(await stage.trim(graceMs), 0)
    assert.deepEqual(stage.ids, [mine])
  })

  it('is none of what is this node’s again before the days were over, and they count anew after that', async () => {
    const { stage } = await openStage()
    using _ = stage
    const isOthers = stage.isMine
    await stage.trim(dayMs)
    stage.isMine = () => true
    await stage.trim(graceMs)
    assert.equal(stage.rows(), 0)
    stage.isMine = isOthers
    assert.equal(await stage.trim(), 0)
    assert.equal(await stage.trim(graceMs - 1), 0)
    assert.equal(await stage.trim(1), 2)
  })

  it('scenario T35: sleeping member during a layout transition for 30 d: other partitions complete; nobody drops the last verified copy', async () => {
    const { stage, mine } = await openStage()
    using _ = stage
    const asleep = present(stage.ids[2], 'a block that only the sleeping member is to take over')
    stage.isKept = (id) => !equalBytes(id, asleep)
    await stage.trim()
    let gone = 0
    for (let day = 0; day < 30; day++) gone += await stage.trim(dayMs)
    assert.equal(gone, 1)
    assert.deepEqual(stage.ids, [mine, asleep])
    assert.equal(stage.released.includes(partitionOf(asleep)), false, 'it is said still that it is held here')
    stage.isKept = () => true // the member woke, and fetched its share
    assert.equal(await stage.trim(dayMs), 1)
    assert.deepEqual(stage.ids, [mine])
  })

  it('stays as long as the receipt still claims it', async () => {
    const { stage } = await openStage()
    using _ = stage
    stage.canRelease = false
    await stage.trim()
    assert.equal(await stage.trim(graceMs), 0)
    assert.equal(stage.ids.length, 3)
  })

  it('stays where something is held for members that are away, and the days count from the end of that', async () => {
    const { stage, mine } = await openStage()
    using _ = stage
    await stage.trim()
    const [other, last] = stage.ids.filter((id) => !equalBytes(id, mine)).map(partitionOf)
    assert.ok(other !== undefined && last !== undefined)
    stage.stoodIn.add(other)
    assert.equal(await stage.trim(graceMs), 1)
    stage.stoodIn.add(last)
    assert.equal(await stage.trim(graceMs), 0)
    stage.stoodIn.clear()
    assert.equal(await stage.trim(graceMs - 1), 0)
    assert.equal(await stage.trim(1), 1)
    assert.deepEqual(stage.ids, [mine])
  })

  it('stays where this node comes to hold something for others while members are asked', async () => {
    const { stage } = await openStage()
    using _ = stage
    await stage.trim()
    let times = 0
    stage.onGranted = () => {
      if (++times > 1) for (const id of stage.ids) stage.stoodIn.add(partitionOf(id))
    }
    assert.equal(await stage.trim(graceMs), 0)
    assert.equal(stage.ids.length, 3)
  })

  it('stays when placement gives it back while members are asked', async () => {
    const { stage } = await openStage()
    using _ = stage
    await stage.trim()
    let times = 0
    stage.onGranted = () => {
      if (++times > 1) stage.isMine = () => true
    }
    assert.equal(await stage.trim(graceMs), 0)
    assert.equal(stage.ids.length, 3)
  })

  it('is not known while placement is not, and what was let go of is claimed again only once all is here', async () => {
    const { stage, mine } = await openStage()
    using _ = stage
    const isOthers = stage.isMine
    stage.isMine = undefined
    await stage.trim()
    assert.equal(stage.rows(), 0)
    stage.isMine = isOthers
    await stage.trim()
    await stage.trim(graceMs)
    assert.deepEqual(stage.ids, [mine])
    stage.isMine = () => true
    stage.isComplete = false
    await stage.trim()
    assert.equal(stage.node.index.retiring.surplus(stage.node.handle.row).filter(({ isReleased }) => isReleased).length, 2)
    stage.isComplete = true
    await stage.trim()
    assert.equal(stage.rows(), 0)
  })

  it('that was let go of and is back is claimed again as soon as it is all here, not at the next look', async () => {
    const { stage } = await openStage()
    using _ = stage
    await stage.trim()
    await stage.trim(graceMs)
    stage.isMine = () => true
    stage.isComplete = false
    const clock = new StepClock()
    const ending = new AbortController()
    const retire = new Retire({
      clock,
      log: silentLog,
      pace: retirePace,
      surplus: stage.surplus,
      garbage: { revive: () => undefined, look: async () => await Promise.resolve(0) },
      isPressed: () => false,
      compact: async () => await Promise.resolve(),
      changed: () => undefined,
    })
    const running = retire.run(ending.signal)
    await clock.pass(2000)
    assert.equal(stage.rows(), 2)
    stage.isComplete = true
    retire.wake()
    await clock.pass(2000)
    assert.equal(stage.rows(), 0)
    ending.abort()
    await assert.rejects(running, { code: 'ABORTED' })
  })
})
