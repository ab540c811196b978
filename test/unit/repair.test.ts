// Repair: what is to be held and is not is fetched, what has the fewest copies first; what is superseded or lost is noticed.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { present } from '../../engine/base/assert.ts'
import { bytesKey, bytesOfKey, utf8 } from '../../engine/base/bytes.ts'
import { silentLog } from '../../engine/base/log.ts'
import { MemoryBlockStore } from '../../engine/blocks/memory-store.ts'
import { sealBlock } from '../../engine/crypto/seal.ts'
import type { EntryRow } from '../../engine/index/entry-table.ts'
import type { BlockRef } from '../../engine/model/entry.ts'
import { parseBlockId, type BlockId } from '../../engine/model/ids.ts'
import type { Holding } from '../../engine/replicas/holding.ts'
import { repairRank } from '../../engine/replicas/repair-order.ts'
import { Repair } from '../../engine/replicas/repair.ts'
import type { FetchedBlock } from '../../engine/transfer/fetch-round.ts'
import type { Fetcher } from '../../engine/transfer/fetch.ts'
import { stillClock } from '../support/blocks.ts'
import { IndexNode } from '../support/index-world.ts'
import { firstIdentity, secondIdentity } from '../support/model-values.ts'

class Stage implements Disposable {
  readonly node = new IndexNode(1)
  readonly store = new MemoryBlockStore()
  /** What members have, by `bytesKey` of the id. */
  readonly theirs = new Map<string, Uint8Array>()
  /** In the order in which they were asked for. */
  readonly asked: string[] = []
  readonly distrusted: string[] = []
  /** Codes of what went wrong, each once in a row. */
  readonly troubles: string[] = []
  readonly clock = { ms: 0 }
  readonly ranks = new Map<number, number>()
  holding: Holding = { layout: Uint8Array.of(1), isMine: () => true }
  /** This node has said that it holds everything. */
  isClaimed = false
  link = { isMetered: false, isPersonWaiting: false }
  /** How long each request takes. */
  requestMs = 0
  /** Every sleep, in milliseconds. */
  readonly slept: number[] = []
  readonly repair: Repair

  constructor() {
    const { index, handle } = this.node
    const fetcher = {
      hasPeers: true,
      fetch: async (blocks: readonly BlockRef[]) => await this.#fetch(blocks),
      hasLacked: () => false,
      distrust: (peer: string) => this.distrusted.push(peer),
    }
    this.repair = new Repair({
      index,
      store: this.store,
      folder: { row: handle.row, id: handle.record.id },
      fetcher: fetcher as unknown as Fetcher, // cast: the two calls that repair makes
      clock: {
        ...stillClock,
        monotonicMs: () => this.clock.ms,
        sleep: async (durationMs, signal) => {
          this.slept.push(durationMs)
          await stillClock.sleep(durationMs, signal)
        },
      },
      log: silentLog,
      holding: () => this.holding,
      claims: () => (entry) => (this.isClaimed ? entry.entry.blocks.map(({ id }) => id) : []),
      self: secondIdentity.peerId,
      lackers: () => ({ hosts: '', of: () => [secondIdentity.peerId] }),
      ranks: () => (entry: EntryRow) => this.ranks.get(entry.seq) ?? 0,
      link: () => this.link,
      events: { stored: () => undefined, changed: () => undefined, trouble: (trouble) => this.#note(trouble) },
    })
  }

  /** A file of one block, which members have. */
  #note(trouble: { readonly code: string } | undefined): void {
    if (trouble !== undefined && this.troubles.at(-1) !== trouble.code) this.troubles.push(trouble.code)
  }

  write(path: string, text: string): string {
    this.node.write(path, text)
    const { id, sealed } = sealBlock(this.node.handle.jobKeys.sealKey, utf8(text))
    this.theirs.set(bytesKey(id), sealed)
    return bytesKey(id)
  }

  has(key: string): boolean {
    const { record } = this.node.handle
    return this.store.list(record.id, undefined, 1000).some((id) => bytesKey(id) === key)
  }

  /** Repairs until nothing moves any more. */
  async settle(): Promise<void> {
    await this.work(turns)
  }

  /** Repairs while `during` goes on. */
  async work(during: () => Promise<void>): Promise<void> {
    const ending = new AbortController()
    const running = this.repair.run(ending.signal)
    this.repair.wake()
    try {
      await during()
    } finally {
      ending.abort()
      await assert.rejects(running, { code: 'ABORTED' })
    }
  }

  async #fetch(blocks: readonly BlockRef[]): Promise<readonly (FetchedBlock | undefined)[]> {
    this.clock.ms += this.requestMs
    this.asked.push(...blocks.map(({ id }) => bytesKey(id)))
    return await Promise.resolve(
      blocks.map(({ id }) => {
        const bytes = this.theirs.get(bytesKey(id))
        return bytes === undefined ? undefined : { bytes, from: firstIdentity.peerId }
      }),
    )
  }

  [Symbol.dispose](): void {
    this.node[Symbol.dispose]()
  }
}

async function turns(count = 500): Promise<void> {
  for (let turn = 0; turn < count; turn++) await Promise.resolve()
}

function idOf(key: string): BlockId {
  return present(parseBlockId(bytesOfKey(key)), 'an id')
}

describe('repair', () => {
  it('fetches what is missing and is to be held here, and nothing else', async () => {
    using stage = new Stage()
    const [mine, other] = [stage.write('mine', 'content of mine'), stage.write('other', 'content of other')]
    stage.holding = { layout: Uint8Array.of(2), isMine: (id) => bytesKey(id) === mine }
    await stage.settle()
    assert.equal(stage.has(mine), true)
    assert.equal(stage.has(other), false)
    assert.equal(stage.repair.hasLooked, true)
  })

  it('scenario 105: a host that is full asks nobody for what it has no room for, and goes on when it has some', async () => {
    using stage = new Stage()
    const { record } = stage.node.handle
    stage.store.setLimit(record.id, 0)
    const key = stage.write('mine', 'content of mine')
    await stage.settle()
    assert.deepEqual(stage.asked, [])
    assert.deepEqual(stage.troubles, ['NO_SPACE'])
    stage.store.setLimit(record.id, undefined)
    await stage.settle()
    assert.equal(stage.has(key), true)
  })

  it('fetches first what the fewest members have', async () => {
    using stage = new Stage()
    const keys = ['a', 'b', 'c'].map((path) => stage.write(path, `content of ${path}`))
    for (const [seq, rank] of [2, 0, 1].entries()) stage.ranks.set(seq + 1, rank)
    await stage.settle()
    assert.deepEqual(stage.asked, [keys[1], keys[2], keys[0]])
  })

  it('scenario T21: two of three lost at once: what has one copy left comes before everything else, then what is in one place', async () => {
    using stage = new Stage()
    const outlooks = [
      { copies: 2, zones: 2, isSteady: true },
      { copies: 1, zones: 1, isSteady: true },
      { copies: 2, zones: 1, isSteady: true },
      { copies: 1, zones: 1, isSteady: false },
      { copies: 3, zones: 1, isSteady: false },
    ]
    const keys = outlooks.map((_, at) => stage.write(`${at}`, `content of ${at}`))
    for (const [at, outlook] of outlooks.entries()) stage.ranks.set(at + 1, repairRank(outlook))
    await stage.settle()
    assert.deepEqual(
      stage.asked.map((key) => keys.indexOf(key)),
      [3, 1, 2, 0, 4],
    )
  })

  it('scenario T22: all three copies lost for some blocks: nothing else is blocked, and they are healed when an old device returns', async () => {
    using stage = new Stage()
    const keys = ['a', 'lost', 'c'].map((path) => stage.write(path, `content of ${path}`))
    const lost = present(keys[1], 'a key')
    const old = present(stage.theirs.get(lost), 'a block')
    stage.theirs.delete(lost)
    stage.ranks.set(2, repairRank({ copies: 0, zones: 0, isSteady: false }))
    await stage.settle()
    assert.deepEqual(
      keys.map((key) => stage.has(key)),
      [true, false, true],
    )
    assert.equal(stage.repair.isWaiting, true)
    stage.theirs.set(lost, old)
    await stage.settle()
    assert.equal(stage.has(lost), true)
  })

  it('leaves the link alone after each request in proportion to how long that took, but for what one member alone holds', async () => {
    for (const [copies, pauseMs] of [
      [2, 700],
      [1, 700 / 9],
    ] as const) {
      using stage = new Stage()
      stage.requestMs = 700
      stage.write('a', 'content of a')
      stage.ranks.set(1, repairRank({ copies, zones: 1, isSteady: true }))
      await stage.settle()
      const pauses = stage.slept.filter((sleptMs) => sleptMs > 0 && sleptMs < 30_000)
      assert.deepEqual(pauses.map(Math.round), [Math.round(pauseMs)])
    }
  })

  it('asks for nothing while every byte costs, knows what is missing, and goes on when that is over', async () => {
    using stage = new Stage()
    stage.link.isMetered = true
    const key = stage.write('a', 'content of a')
    await stage.settle()
    assert.deepEqual([stage.asked, stage.repair.isWaiting, stage.node.index.blockNeeds.totals(1).blocks], [[], false, 1])
    stage.link.isMetered = false
    await stage.settle()
    assert.equal(stage.has(key), true)
  })

  it('waits longer and longer for what nobody has, until something comes or a person asks', async () => {
    using stage = new Stage()
    const key = stage.write('a', 'content of a')
    const content = stage.theirs.get(key)
    stage.theirs.clear()
    await stage.settle()
    const waits = (): readonly number[] => stage.slept.filter((sleptMs) => sleptMs >= 30_000)
    assert.deepEqual(waits().slice(0, 4), [30_000, 60_000, 120_000, 240_000])
    assert.equal(waits().at(-1), 900_000)
    stage.repair.retryNow()
    stage.slept.length = 0
    await stage.settle()
    assert.equal(waits()[0], 30_000)
    stage.theirs.set(key, content ?? utf8(''))
    await stage.settle()
    assert.equal(stage.has(key), true)
    assert.equal(stage.repair.progress, undefined)
  })

  it('looks at everything again when the layout changes', async () => {
    using stage = new Stage()
    const key = stage.write('a', 'content of a')
    stage.holding = { layout: Uint8Array.of(2), isMine: () => false }
    await stage.settle()
    assert.equal(stage.has(key), false)
    stage.holding = { layout: Uint8Array.of(3), isMine: () => true }
    assert.equal(stage.repair.hasLooked, false)
    await stage.settle()
    assert.equal(stage.has(key), true)
  })

  it('lets go of the need of a version that was superseded', async () => {
    using stage = new Stage()
    const old = stage.write('a', 'the old content')
    stage.theirs.clear()
    await stage.settle()
    const { index, handle } = stage.node
    assert.equal(index.blockNeeds.totals(handle.row).blocks, 1)
    assert.equal(stage.repair.isWaiting, true)
    const fresh = stage.write('a', 'the new content')
    await stage.settle()
    assert.equal(stage.has(fresh), true)
    assert.equal(stage.has(old), false)
    assert.equal(index.blockNeeds.totals(handle.row).blocks, 0)
  })

  it('takes no block whose bytes are others than its id says, and distrusts who sent it', async () => {
    using stage = new Stage()
    const key = stage.write('a', 'content of a')
    stage.theirs.set(
      key,
      present(stage.theirs.get(key), 'a block').map((byte) => byte ^ 1),
    )
    await stage.settle()
    assert.equal(stage.has(key), false)
    assert.ok(stage.distrusted.length > 0)
  })

  it('notices when it starts that a block is gone which an earlier placement gave to it, whether or not that of now does too', async () => {
    for (const [isLost, isMine] of [
      [true, false],
      [true, true],
      [false, false],
      [false, true],
    ] as const) {
      using stage = new Stage()
      const key = stage.write('a', 'content of a')
      await stage.settle()
      const { record } = stage.node.handle
      if (isLost) await stage.store.remove(record.id, [idOf(key)])
      stage.isClaimed = true
      stage.holding = { layout: Uint8Array.of(2), isMine: () => isMine }
      await stage.settle()
      assert.equal(stage.repair.hasMissed, isLost)
    }
  })

  it('looks again when somebody asks for what is to be here, and for nothing else', async () => {
    using stage = new Stage()
    const [mine, other, needed] = [stage.write('a', 'content of a'), stage.write('b', 'content of b'), stage.write('c', 'content of c')]
    stage.theirs.delete(needed)
    stage.holding = { layout: Uint8Array.of(2), isMine: (id) => bytesKey(id) !== other }
    await stage.settle()
    stage.clock.ms += 120_000
    for (const key of [other, needed]) stage.repair.missed(idOf(key))
    assert.equal(stage.repair.hasMissed, false)
    assert.equal(stage.repair.hasLooked, true)
    await stage.store.remove(stage.node.handle.record.id, [idOf(mine)])
    stage.repair.missed(idOf(mine))
    assert.equal(stage.repair.hasMissed, true)
    assert.equal(stage.repair.hasLooked, false)
  })

  it('that was asked soon after a look for what is not here looks again later, and forgets nothing of it', async () => {
    using stage = new Stage()
    const mine = stage.write('a', 'content of a')
    await stage.settle()
    await stage.store.remove(stage.node.handle.record.id, [idOf(mine)])
    stage.clock.ms += 10_000
    stage.repair.missed(idOf(mine))
    assert.equal(stage.repair.hasLooked, true)
    await stage.work(async () => {
      assert.equal(stage.has(mine), false)
      stage.clock.ms += 60_000
      await turns()
    })
    assert.equal(stage.has(mine), true)
  })

  it('looks again at once when the store lost something, and says nothing of what it holds until it has', async () => {
    using stage = new Stage()
    const mine = stage.write('a', 'content of a')
    await stage.settle()
    stage.clock.ms += 10_000
    await stage.store.remove(stage.node.handle.record.id, [idOf(mine)])
    stage.repair.lost()
    assert.equal(stage.repair.hasLooked, false)
    assert.equal(stage.repair.hasMissed, true)
    await stage.work(turns)
    assert.equal(stage.repair.hasLooked, true)
    assert.equal(stage.has(mine), true)
  })

  it('knows what it held by earlier placements again, once what was lost is here and everything was looked at', async () => {
    using stage = new Stage()
    stage.isClaimed = true
    const key = stage.write('a', 'content of a')
    await stage.settle()
    await stage.store.remove(stage.node.handle.record.id, [idOf(key)])
    stage.repair.lost()
    await stage.work(async () => {
      stage.clock.ms += 10_000
      await turns()
      assert.deepEqual([stage.has(key), stage.repair.hasMissed], [true, true], 'its word is of before')
      stage.holding = { layout: Uint8Array.of(2), isMine: () => true }
      stage.repair.wake()
      await turns()
      assert.deepEqual([stage.repair.hasLooked, stage.repair.hasMissed], [true, false])
    })
  })

  it('that loses something while it looks looks once more', async () => {
    using stage = new Stage()
    const keys = Array.from({ length: 250 }, (_, at) => stage.write(`file ${at}`, `content ${at}`))
    const first = present(keys[0], 'a key')
    await stage.settle()
    const { record } = stage.node.handle
    await stage.work(async () => {
      await turns()
      stage.clock.ms += 10_000
      stage.repair.lost()
      const { index, handle } = stage.node
      while (index.blockNeeds.cursor(handle.row).row === 0) await turns(1)
      await stage.store.remove(record.id, [idOf(first)])
      stage.repair.lost()
      await turns()
      assert.equal(stage.repair.hasLooked, false)
      stage.clock.ms += 10_000
      await turns()
    })
    assert.equal(stage.has(first), true)
  })

  it('finds what the store lost when it starts', async () => {
    using stage = new Stage()
    const key = stage.write('a', 'content of a')
    await stage.settle()
    const { record } = stage.node.handle
    await stage.store.remove(record.id, stage.store.list(record.id, undefined, 10))
    await stage.settle()
    assert.equal(stage.has(key), true)
  })
})
