// What the block store may forget, and when: on an index and a store in memory, with a clock that the test moves.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { utf8 } from '../../engine/base/bytes.ts'
import type { Clock } from '../../engine/base/clock.ts'
import { silentLog } from '../../engine/base/log.ts'
import { MemoryBlockStore } from '../../engine/blocks/memory-store.ts'
import { sealBlock } from '../../engine/crypto/seal.ts'
import { shortKeyOf } from '../../engine/index/columns.ts'
import type { Item } from '../../engine/model/item.ts'
import { HistoryCare } from '../../engine/sync/history-care.ts'
import { IndexNode, pathOf } from '../support/index-world.ts'

const { signal } = new AbortController()
const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

/** A node, a store that counts compactions, and time. */
class CareWorld implements Disposable {
  readonly node: IndexNode = new IndexNode(0)
  readonly store = Object.assign(new MemoryBlockStore(), { compact: async () => void this.compactions++ })
  compactions = 0
  keptMs: number = 30 * dayMs
  /** Of the disk: free or the store's. */
  roomBytes = 1_000_000
  folderFreeBytes = 1_000_000
  readonly dropped: string[] = []
  cutShort = 0
  strayRounds = 0
  onDrop: () => void = () => undefined
  readonly care: HistoryCare
  #wallMs = 1_000 * dayMs
  #monotonicMs = 0

  constructor() {
    const clock: Clock = { nowMs: () => this.#wallMs, monotonicMs: () => this.#monotonicMs, sleep: async () => Promise.resolve() }
    this.care = new HistoryCare({
      index: this.node.index,
      handle: this.node.handle,
      jobs: {
        width: 1,
        run: async (_name, { names }) => {
          this.onDrop()
          this.dropped.push(...names)
          return await Promise.resolve(undefined)
        },
      },
      expireStrays: async () => void this.strayRounds++,
      store: this.store,
      clock,
      log: silentLog,
      policy: () => ({ keptMs: this.keptMs, shareMax: 0.5 }),
      freeBytes: () => this.roomBytes - this.store.payloadBytesOf(this.node.handle.record.id),
      folderFreeBytes: () => this.folderFreeBytes,
      cutShort: (versions) => (this.cutShort += versions),
    })
  }

  [Symbol.dispose](): void {
    this.node[Symbol.dispose]()
  }

  async put(text: string): Promise<void> {
    const { id, sealed } = sealBlock(this.node.handle.jobKeys.sealKey, utf8(text))
    await this.store.put([{ folder: this.node.handle.record.id, id, bytes: sealed }])
  }

  has(text: string): boolean {
    return this.store.has(this.node.handle.record.id, this.node.blocksOf(text).id(0))
  }

  /** A version of a path was replaced now. */
  replaced(path: string, text: string, parked?: string): void {
    const item: Item = {
      path: pathOf(path),
      kind: 'file',
      sizeBytes: text.length,
      mtimeUs: this.#wallMs,
      ctimeUs: 1,
      inode: 1,
      mode: 0o644,
      chunkClass: 1,
      isLeftover: false,
      vector: [{ author: this.node.handle.authorId, seq: this.#wallMs }],
      blocks: this.node.blocksOf(text),
      linkTarget: undefined,
      contentVector: undefined,
      sinceMs: 0,
    }
    const { index, handle } = this.node
    const how = { parked, replacedMs: this.#wallMs, isDeletion: false, author: undefined }
    index.transact(() => index.history.insert(handle.row, item, how))
  }

  pass(durationMs: number): void {
    this.#wallMs += durationMs
    this.#monotonicMs += durationMs
  }

  jump(byMs: number): void {
    this.#wallMs += byMs
  }

  async tend(): Promise<void> {
    await this.care.tend(signal)
  }

  /** Two rounds that are further apart than the grace period. */
  async tendTwice(): Promise<void> {
    await this.tend()
    this.pass(2 * minuteMs)
    await this.tend()
  }
}

describe('the care for history', () => {
  it('lets the store forget what nothing refers to, but not at the first look', async () => {
    using world = new CareWorld()
    await world.put('of nobody')
    await world.put('of the past')
    world.replaced('a', 'of the past')
    await world.tend()
    assert.deepEqual([world.has('of nobody'), world.compactions], [true, 0])
    world.pass(2 * minuteMs)
    await world.tend()
    assert.deepEqual([world.has('of nobody'), world.has('of the past'), world.compactions], [false, true, 1])
  })

  it('keeps what comes to be referred to within the grace period', async () => {
    using world = new CareWorld()
    await world.put('stored first')
    await world.tend()
    world.replaced('a', 'stored first')
    world.pass(2 * minuteMs)
    await world.tendTwice()
    assert.ok(world.has('stored first'))
  })

  it('keeps what a path that is to be brought in line is made of, until it is', async () => {
    using world = new CareWorld()
    const { index, handle } = world.node
    await world.put('on its way to the disk')
    const { entryId } = world.node.write('b', 'on its way to the disk')
    index.transact(() => index.needs.put(handle.row, shortKeyOf(entryId), 0, 1))
    await world.tendTwice()
    assert.ok(world.has('on its way to the disk'))
    index.transact(() => index.needs.clear(handle.row, shortKeyOf(entryId)))
    await world.tendTwice()
    assert.ok(!world.has('on its way to the disk'))
  })

  it('drops versions past their days only by a clock that went on steadily', async () => {
    using world = new CareWorld()
    world.replaced('a', 'old')
    await world.tend()
    world.pass(2 * hourMs)
    world.jump(3650 * dayMs)
    await world.tend()
    assert.ok(world.node.index.history.refersTo(world.node.blocksOf('old').id(0)))
    world.jump(-3650 * dayMs)
    for (let day = 0; day < 31; day++) {
      world.pass(dayMs)
      await world.tend()
    }
    assert.ok(!world.node.index.history.refersTo(world.node.blocksOf('old').id(0)))
    assert.ok(world.node.index.folders.historyFloorMs(world.node.handle.row) > 0)
  })

  it('drops the oldest when there is too little room, and no more than it has to while dropped blocks are on their way out', async () => {
    using world = new CareWorld()
    const texts = ['1', '2', '3', '4'].map((letter) => letter.repeat(10_000))
    for (const text of texts) {
      await world.put(text)
      world.replaced(text.slice(0, 1), text)
      world.pass(minuteMs)
    }
    world.roomBytes = 50_000 // half of it: two fit
    for (let round = 0; round < 5; round++) {
      await world.tend()
      world.pass(20_000)
    }
    await world.tendTwice()
    assert.deepEqual(
      texts.map((text) => world.has(text)),
      [false, false, true, true],
    )
  })

  it('lets parked files go too, oldest first, but only while they find no room in the store', async () => {
    using world = new CareWorld()
    world.folderFreeBytes = 0
    for (const letter of ['1', '2', '3', '4']) {
      world.replaced(letter, letter.repeat(10_000), `parked ${letter}`)
      world.pass(minuteMs)
    }
    await world.tend()
    assert.deepEqual([world.dropped, world.cutShort], [[], 0])
    world.care.noteFull()
    await world.tend()
    assert.deepEqual([world.dropped, world.cutShort], [['parked 1', 'parked 2'], 2])
    assert.ok(!world.node.index.history.refersTo(world.node.blocksOf('1'.repeat(10_000)).id(0)))
    assert.ok(world.node.index.folders.historyFloorMs(world.node.handle.row) > 0)
    world.care.noteStored()
    world.folderFreeBytes = -10_000
    await world.tend()
    assert.equal(world.dropped.length, 2)
  })

  it('makes room before anything else begins, at once, where history has too much of it', async () => {
    using world = new CareWorld()
    world.folderFreeBytes = 6 * 1024 * 1024
    const text = 'x'.repeat(10_000)
    await world.put(text)
    await world.put('of nobody')
    world.replaced('a', text)
    world.roomBytes = 6 * 1024 * 1024
    await world.care.relieve(signal)
    assert.deepEqual([world.has(text), world.has('of nobody'), world.compactions], [true, true, 0])
    world.roomBytes = 11_000
    await world.care.relieve(signal)
    assert.deepEqual([world.has(text), world.has('of nobody'), world.compactions], [false, false, 1])
  })

  it('removes the parked file of a version before its row, for want of room as for its age, and keeps the row while the file cannot go', async () => {
    for (const reason of ['room', 'age'] as const) {
      using world = new CareWorld()
      await world.put('x'.repeat(10_000))
      world.replaced('a', 'x'.repeat(10_000), 'parked-a')
      const rows = (): number => world.node.index.history.ofPath(world.node.handle.row, 'a', 10).length
      await world.tend()
      if (reason === 'room') world.roomBytes = 11_000
      else for (let day = 0; day < 31; day++) world.pass(dayMs)
      world.onDrop = () => {
        throw new Error('the disk is gone')
      }
      await assert.rejects(world.tend(), /the disk is gone/)
      assert.equal(rows(), 1)
      world.onDrop = () => assert.equal(rows(), 1)
      await world.tend()
      assert.deepEqual([world.dropped, rows()], [['parked-a'], 0])
    }
  })

  it('lets files that belong to no version go only by a clock that went on steadily', async () => {
    using world = new CareWorld()
    await world.tend()
    world.jump(3650 * dayMs)
    await world.tend()
    assert.equal(world.strayRounds, 0)
    for (let round = 0; round < 3; round++) {
      world.pass(hourMs)
      await world.tend()
    }
    assert.ok(world.strayRounds > 0)
  })
})
