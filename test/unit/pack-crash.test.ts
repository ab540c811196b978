// A store of packs whose process dies at any of its calls to the object storage, before or after the call was carried out: what was
// acknowledged is there afterwards, what was removed is not, with the home's index and without it.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { present } from '../../engine/base/assert.ts'
import { errorCodeOf } from '../../engine/base/errors.ts'
import type { SegmentStore } from '../../engine/blocks/segment-store.ts'
import type { StoredBlock } from '../../engine/blocks/store.ts'
import { never, testBlock, testFolder } from '../support/blocks.ts'
import { CrashFiles } from '../support/crash-files.ts'
import { MemoryObjects } from '../support/memory-objects.ts'
import { openTestPacks } from '../support/packs.ts'

const folder = testFolder(1)
const limits = { groupBlocksMax: 3, groupBytesMax: 2000, indexRowsMax: 4, smallPacksMin: 1000, packsPerSave: 3, smallPackBytes: 400 }
const compacting = { ...limits, smallPacksMin: 2 }

/** What a caller may count on; a block in neither set may be there or not. */
class Expected {
  readonly here = new Map<string, StoredBlock>()
  readonly gone = new Map<string, StoredBlock>()

  async put(store: SegmentStore, blocks: readonly StoredBlock[]): Promise<void> {
    for (const block of blocks) this.gone.delete(String(block.id))
    await store.put(blocks)
    for (const block of blocks) this.here.set(String(block.id), block)
  }

  async remove(store: SegmentStore, blocks: readonly StoredBlock[]): Promise<void> {
    for (const block of blocks) this.here.delete(String(block.id))
    await store.remove(
      folder,
      blocks.map(({ id }) => id),
    )
    for (const block of blocks) this.gone.set(String(block.id), block)
  }

  async check(store: SegmentStore, when: string): Promise<void> {
    for (const block of this.here.values()) assert.deepEqual(await store.get(folder, block.id), block.bytes, `${when}: a block is missing`)
    for (const { id } of this.gone.values()) assert.equal(store.has(folder, id), false, `${when}: a removed block is back`)
  }
}

/** Puts, removes, puts again, and compacts twice. */
async function live(store: SegmentStore, expected: Expected): Promise<void> {
  const block = (seed: number): StoredBlock => testBlock(seed, 200 + seed)
  await expected.put(store, [1, 2, 3, 4, 5].map(block))
  await expected.remove(store, [2, 3].map(block))
  await expected.put(store, [6, 3].map(block))
  await store.compact(never)
  await expected.remove(store, [1, 3, 6].map(block))
  await expected.put(store, [7, 1].map(block))
  await expected.remove(store, [7].map(block))
  await store.compact(never)
  await expected.put(store, [8].map(block))
}

describe('a store of packs', () => {
  for (const hasIndex of [true, false]) {
    it(`scenarios T10, T11: keeps its word when the process is killed at any call to the storage${hasIndex ? '' : ', and the home’s index is lost too'}`, async () => {
      let isEnough = false
      for (let call = 1; !isEnough; call++) {
        for (const isDone of [false, true]) {
          const objects = new MemoryObjects()
          const files = new CrashFiles()
          const expected = new Expected()
          objects.dieAt = { call, isDone }
          try {
            const store = await openTestPacks(objects, { files, limits: compacting })
            await live(store, expected)
            isEnough = true
          } catch (error) {
            if (errorCodeOf(error) !== 'ABORTED') throw error
          }
          const when = `killed at call ${call}, which was ${isDone ? '' : 'not '}carried out`
          const home = hasIndex ? files.afterKill() : new CrashFiles()
          for (let life = 2; life < 4; life++) {
            const again = await openTestPacks(new MemoryObjects(objects.objects), { files: home, limits: compacting })
            await expected.check(again, `${when}, life ${life}`)
            await live(again, expected)
            await expected.check(again, `${when}, life ${life}, at its end`)
            await again[Symbol.asyncDispose]()
          }
        }
      }
    })
  }

  it('takes along, when small packs are made into one, the word that a block of a pack which stays was removed', async () => {
    const objects = new MemoryObjects()
    const large = { ...compacting, groupBlocksMax: 10, groupBytesMax: 10_000, smallPackBytes: 1000 }
    const store = await openTestPacks(objects, { limits: large })
    const first = Array.from({ length: 10 }, (_, seed) => testBlock(seed + 1, 300))
    await store.put(first)
    await store.remove(folder, [testBlock(1, 300).id])
    for (const seed of [20, 21]) await store.put([testBlock(seed, 50)])
    const [largePack, ...small] = [...objects.objects.keys()].filter((key) => key.startsWith('packs/'))
    await store.compact(never)
    assert.deepEqual(
      [largePack, ...small].map((key) => objects.objects.has(String(key))),
      [true, ...small.map(() => false)],
    )
    const again = await openTestPacks(new MemoryObjects(objects.objects), { limits: large })
    assert.deepEqual(
      first.map(({ id }) => again.has(folder, id)),
      first.map((_, at) => at > 0),
    )
  })

  it('goes on after a try of which nobody knows how it ended: what it left is void, and deleted at the next start', async () => {
    const objects = new MemoryObjects()
    const files = new CrashFiles()
    const store = await openTestPacks(objects, { files, limits })
    await store.put([testBlock(1)])
    objects.dieAt = { call: objects.calls + 1, isDone: true }
    await assert.rejects(store.remove(folder, [testBlock(1).id]))
    objects.dieAt = undefined
    assert.equal(store.has(folder, testBlock(1).id), true)
    await store.put([testBlock(1)]) // it is there, and must be there after a crash
    const packsBefore = objects.objects.size
    const again = await openTestPacks(new MemoryObjects(objects.objects), { limits })
    assert.deepEqual(await again.get(folder, testBlock(1).id), testBlock(1).bytes)
    assert.equal(objects.objects.size, packsBefore - 1)
  })

  it('marks no block as damaged where it could not look whether it is the index that is wrong: the mark would kill the block wherever it is', async () => {
    const objects = new MemoryObjects()
    const store = await openTestPacks(objects, { limits })
    await store.put([testBlock(1, 300)])
    const [name] = [...objects.objects.keys()].filter((key) => key.startsWith('packs/'))
    const pack = present(objects.objects.get(String(name)), 'a pack')
    pack[200] = (pack[200] ?? 0) ^ 1
    const readings = 2
    const tries = 4
    objects.unanswered = { from: objects.calls + readings + 1, to: objects.calls + readings + tries, isDone: false }
    assert.equal(await store.get(folder, testBlock(1, 300).id), undefined)
    assert.equal(store.has(folder, testBlock(1, 300).id), false, 'it is not served any more')
    assert.ok(objects.calls >= objects.unanswered.to, 'the storage was away')
    await store.put([testBlock(2)])
    const packs = [...objects.objects.keys()].filter((key) => key.startsWith('packs/'))
    assert.equal(packs.length, 2, 'what was put, and no mark')
    await store[Symbol.asyncDispose]()
  })
})
