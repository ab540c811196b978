// Scrub over a store in an object storage: packs are read whole, what is missing or damaged is found, what does not answer is not.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { present } from '../../engine/base/assert.ts'
import type { Jobs } from '../../engine/base/jobs.ts'
import { packKey } from '../../engine/blocks/packs.ts'
import { recordBytesOf, segmentHeaderBytes } from '../../engine/blocks/record.ts'
import type { scrubSegment } from '../../engine/blocks/scrub-segment-job.ts'
import type { SegmentStore } from '../../engine/blocks/segment-store.ts'
import type { StoredBlock } from '../../engine/blocks/store.ts'
import { nodeClock } from '../../engine/platform/node-clock.ts'
import type { ScrubStep } from '../../engine/scrub/scrub-place.ts'
import { ScrubStore } from '../../engine/scrub/scrub-store.ts'
import { never, testBlock, testFolder } from '../support/blocks.ts'
import { CrashFiles } from '../support/crash-files.ts'
import { MemoryObjects } from '../support/memory-objects.ts'
import { openTestPacks } from '../support/packs.ts'

const folder = testFolder(1)
const perPack = 5
const packs = 3
const recordBytes = recordBytesOf(200)

/** No job reads what is in an object storage. */
const noJobs: Jobs<{ readonly scrubSegment: typeof scrubSegment }> = {
  width: 1,
  run: () => {
    throw new Error('no job can read a pack')
  },
}

class Bucket implements AsyncDisposable {
  readonly objects: MemoryObjects
  readonly files: CrashFiles
  readonly store: SegmentStore
  readonly place: ScrubStore

  private constructor(objects: MemoryObjects, files: CrashFiles, store: SegmentStore) {
    this.objects = objects
    this.files = files
    this.store = store
    this.place = new ScrubStore({ store, inspection: store.inspection, jobs: noJobs, clock: nodeClock() })
  }

  static async open(): Promise<Bucket> {
    const objects = new MemoryObjects()
    const files = new CrashFiles()
    const bucket = new Bucket(objects, files, await openTestPacks(objects, { files }))
    for (let pack = 0; pack < packs; pack++) await bucket.store.put(blocksOf(pack))
    return bucket
  }

  /** Packs in the order of their writing. */
  get numbers(): readonly number[] {
    return this.store.segments().map(({ segment }) => segment)
  }

  number(pack: number): number {
    return present(this.numbers[pack], 'a pack')
  }

  async read(pack: number): Promise<ScrubStep> {
    return await this.place.step(pack, 0, 1, never)
  }

  flip(pack: number, record: number, at: number): void {
    const bytes = present(this.objects.objects.get(packKey(pack)), 'an object')
    const byteAt = segmentHeaderBytes + record * recordBytes + at
    bytes[byteAt] = (bytes[byteAt] ?? 0) ^ 0x10
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store[Symbol.asyncDispose]()
  }
}

function blocksOf(pack: number): readonly StoredBlock[] {
  return Array.from({ length: perPack }, (_, at) => testBlock(pack * perPack + at, 200))
}

function whichAreHere(store: SegmentStore, pack: number): readonly boolean[] {
  return blocksOf(pack).map(({ id }) => store.has(folder, id))
}

const all = [true, true, true, true, true]

describe('packs that scrub reads', () => {
  it('are read whole, each by one request, and their blocks counted', async () => {
    await using bucket = await Bucket.open()
    const numbers = bucket.place.units().map(({ number }) => number)
    assert.deepEqual(numbers, bucket.numbers)
    assert.equal(numbers.length, packs)
    await bucket.read(bucket.number(0)) // looks for all of them first
    const before = bucket.objects.calls
    assert.deepEqual(await bucket.read(bucket.number(1)), { next: undefined, bytes: perPack * recordBytes, pieces: perPack })
    assert.equal(bucket.objects.calls - before, 1)
  })

  it('scenario T2: lose the blocks whose payload or header changed, and no others', async () => {
    await using bucket = await Bucket.open()
    const pack = bucket.number(1)
    bucket.flip(pack, 1, 100)
    bucket.flip(pack, 3, 2)
    assert.equal((await bucket.read(pack)).pieces, 3)
    assert.deepEqual(whichAreHere(bucket.store, 1), [true, false, true, false, true])
    const [first, second] = [1, 3].map((at) => present(blocksOf(1)[at], 'a block').id)
    assert.deepEqual(
      bucket.store.quarantine().records.map(({ id }) => id),
      [first, second],
    )
    assert.deepEqual([whichAreHere(bucket.store, 0), whichAreHere(bucket.store, 2)], [all, all])
  })

  it('are found missing by the first look at any of them, told block by block, and stay lost for the next process', async () => {
    const bucket = await Bucket.open()
    const { objects, files } = bucket
    const told: unknown[] = []
    bucket.store.onDamaged = (record) => told.push(record?.id)
    objects.objects.delete(packKey(bucket.number(2)))
    await bucket.read(bucket.number(0))
    assert.deepEqual(whichAreHere(bucket.store, 2), [false, false, false, false, false])
    assert.deepEqual(
      told,
      blocksOf(2)
        .toSorted((left, right) => Buffer.compare(left.id, right.id))
        .map(({ id }) => id),
    )
    await bucket[Symbol.asyncDispose]()
    await using again = await openTestPacks(objects, { files })
    assert.deepEqual([whichAreHere(again, 0), whichAreHere(again, 2).includes(true)], [all, false])
  })

  it('are not lost while the storage does not answer, or is empty altogether', async () => {
    await using bucket = await Bucket.open()
    const { objects } = bucket
    const pack = bucket.number(0)
    objects.unanswered = { from: objects.calls + 1, to: Infinity, isDone: false }
    await assert.rejects(bucket.read(pack), { code: 'STORE_OFFLINE' })
    objects.unanswered = undefined
    const kept = new Map(objects.objects)
    objects.objects.clear()
    await assert.rejects(bucket.read(pack), { code: 'STORE_OFFLINE' })
    for (const [key, bytes] of kept) objects.objects.set(key, bytes)
    assert.equal((await bucket.read(pack)).pieces, perPack)
    for (let at = 0; at < packs; at++) assert.deepEqual(whichAreHere(bucket.store, at), all)
  })
})
