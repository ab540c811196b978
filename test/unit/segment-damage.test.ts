// Damage to the files of a segment store: what was hit is never served and is told, everything else is still there.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { present } from '../../engine/base/assert.ts'
import { EngineError, type ErrorCode } from '../../engine/base/errors.ts'
import {
  encodeRecord,
  encodeSegmentHeader,
  encodeTombstone,
  recordBytesOf,
  recordHeaderBytes,
  recordTypes,
  segmentHeaderBytes,
} from '../../engine/blocks/record.ts'
import type { SegmentLimits } from '../../engine/blocks/segment-limits.ts'
import type { SegmentStore } from '../../engine/blocks/segment-store.ts'
import { blockIdOf } from '../../engine/crypto/seal.ts'
import type { StoredBlock } from '../../engine/blocks/store.ts'
import { never, openSmallStore, testBlock, testBytes, testFolder, testRandom } from '../support/blocks.ts'
import { CrashFiles } from '../support/crash-files.ts'

const folder = testFolder(1)
const blocks: readonly StoredBlock[] = Array.from({ length: 5 }, (_, seed) => testBlock(seed, 200))
const recordBytes = recordBytesOf(200)
const firstPath = '/store/0000000001.segment'

function isCode(code: ErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof EngineError && error.code === code
}

/** A store with five blocks in its first segment, in order; sealed by what comes after them when asked. */
async function filled(isSealed: boolean, limits: Partial<SegmentLimits> = {}): Promise<CrashFiles> {
  const files = new CrashFiles()
  await using store = await openSmallStore(files, { ...limits, segmentBytes: segmentHeaderBytes + 5 * recordBytes })
  for (const block of blocks) await store.put([block])
  if (isSealed) await store.put([testBlock(100)])
  return files
}

async function whichAreHere(store: SegmentStore): Promise<readonly boolean[]> {
  return await Promise.all(
    blocks.map(async (block) => {
      const bytes = await store.get(folder, block.id)
      if (bytes !== undefined) assert.deepEqual(bytes, block.bytes)
      assert.equal(store.has(folder, block.id), bytes !== undefined)
      return bytes !== undefined
    }),
  )
}

const regions: readonly (readonly [string, number])[] = [
  ['magic', 1],
  ['store tag', 6],
  ['version', 12],
  ['type', 13],
  ['length', 18],
  ['segment number', 21],
  ['offset', 25],
  ['folder', 40],
  ['id', 80],
  ['header checksum', 101],
  ['payload', recordHeaderBytes + 77],
  ['payload checksum', recordHeaderBytes + 201],
]

describe('one flipped bit', () => {
  for (const [isSealed, limits] of [
    [false, {}],
    [true, {}],
    [false, { indexRowsMax: 2 }],
    [true, { indexRowsMax: 2 }],
  ] as const) {
    const where = `${isSealed ? 'a sealed' : 'the active'} segment${'indexRowsMax' in limits ? ' that is in the index' : ''}`
    for (const [region, at] of regions) {
      it(`scenarios T1, T2: in the ${region} of a record in ${where} costs that record alone`, async () => {
        for (const victim of [0, 2, 4]) {
          const files = await filled(isSealed, limits)
          const byteAt = segmentHeaderBytes + victim * recordBytes + at
          const bytes = files.bytesOf(firstPath)
          bytes[byteAt] = (bytes[byteAt] ?? 0) ^ 0x10
          const expected = blocks.map((_, index) => index !== victim)
          {
            await using store = await openSmallStore(files, limits, false)
            assert.deepEqual(await whichAreHere(store), expected)
            assert.equal(store.quarantine().count, 1)
            await store.put([testBlock(7)])
          }
          await using again = await openSmallStore(files, limits, false)
          assert.deepEqual(await whichAreHere(again), expected, 'opened again')
          assert.equal(again.has(folder, testBlock(7).id), true)
          await again.put(blocks)
          await again.compact(never)
          assert.deepEqual(await whichAreHere(again), [true, true, true, true, true], 'healed')
        }
      })
    }
  }

  it('under an open store is found by the read that meets it', async () => {
    const files = await filled(false)
    await using store = await openSmallStore(files, {}, false)
    const bytes = files.bytesOf(firstPath)
    bytes[segmentHeaderBytes + recordBytes + 150] = (bytes[segmentHeaderBytes + recordBytes + 150] ?? 0) ^ 1
    const lost: unknown[] = []
    store.onDamaged = (record) => lost.push(record?.id)
    assert.deepEqual(await whichAreHere(store), [true, false, true, true, true])
    assert.deepEqual(lost, [blocks[1]?.id])
    assert.deepEqual(store.quarantine().records[0]?.id, blocks[1]?.id)
    assert.equal(store.totals().blocks, 4)
  })

  it('in a segment header is told, and the blocks are still read', async () => {
    for (const isSealed of [false, true]) {
      const files = await filled(isSealed)
      const bytes = files.bytesOf(firstPath)
      bytes[20] = (bytes[20] ?? 0) ^ 1
      await using store = await openSmallStore(files, {}, false)
      assert.deepEqual(await whichAreHere(store), [true, true, true, true, true])
      assert.equal(store.quarantine().records[0]?.reason, 'segmentHeader')
      await store.put([testBlock(7)])
      await store.compact(never)
      assert.deepEqual(await whichAreHere(store), [true, true, true, true, true])
    }
  })

  it('in a footer costs nothing', async () => {
    const files = await filled(true)
    const bytes = files.bytesOf(firstPath)
    for (const fromEnd of [2, 6, 15, 30, 200]) {
      const hurt = files.afterKill()
      const copy = bytes.slice()
      copy[copy.length - fromEnd] = (copy[copy.length - fromEnd] ?? 0) ^ 1
      hurt.replaceBytes(firstPath, copy)
      await using store = await openSmallStore(hurt, {}, false)
      assert.deepEqual(await whichAreHere(store), [true, true, true, true, true], `${fromEnd} bytes before the end`)
      assert.equal(store.quarantine().count, 0)
    }
  })
})

describe('a segment that is shorter than it was', () => {
  it('scenario T5: is told, never taken for a torn end, when it was sealed', async () => {
    const whole = (await filled(true)).bytesOf(firstPath)
    const recordsEnd = segmentHeaderBytes + 5 * recordBytes
    for (let sizeBytes = segmentHeaderBytes + 1; sizeBytes < recordsEnd; sizeBytes += 13) {
      const files = await filled(true)
      files.replaceBytes(firstPath, whole.slice(0, sizeBytes))
      await using store = await openSmallStore(files, {}, false)
      const wholeRecords = Math.floor((sizeBytes - segmentHeaderBytes) / recordBytes)
      assert.deepEqual(
        await whichAreHere(store),
        blocks.map((_, at) => at < wholeRecords),
        `cut at ${sizeBytes}`,
      )
      assert.ok(
        store.quarantine().records.some((record) => record.reason === 'truncated'),
        `cut at ${sizeBytes}`,
      )
    }
  })

  it('scenario T5: under an open store is told by the read that meets its end', async () => {
    const files = await filled(true)
    await using store = await openSmallStore(files, {}, false)
    files.replaceBytes(firstPath, files.bytesOf(firstPath).slice(0, segmentHeaderBytes + 2 * recordBytes + 5))
    assert.deepEqual(await whichAreHere(store), [true, true, false, false, false])
    assert.equal(store.quarantine().count, 3)
  })
})

describe('what stands behind the last record', () => {
  it('scenario T6: is taken for the end when it is zeros, and written over', async () => {
    for (const zeroBytes of [1, 50, 104, 5000]) {
      const files = await filled(false)
      const bytes = files.bytesOf(firstPath)
      const longer = new Uint8Array(bytes.length + zeroBytes)
      longer.set(bytes)
      files.replaceBytes(firstPath, longer)
      await using store = await openSmallStore(files, {}, false)
      assert.deepEqual(await whichAreHere(store), [true, true, true, true, true])
      assert.equal(store.quarantine().count, 0)
      assert.equal(files.bytesOf(firstPath).length, bytes.length)
    }
  })

  it('is kept and told when it is neither zeros nor a record cut short', async () => {
    const files = await filled(false)
    const bytes = files.bytesOf(firstPath)
    const longer = new Uint8Array(bytes.length + 500)
    longer.set(bytes)
    longer.set(testBytes(3, 500), bytes.length)
    files.replaceBytes(firstPath, longer)
    for (const round of [1, 2]) {
      await using store = await openSmallStore(files, { segmentBytes: 1_000_000 }, false)
      assert.deepEqual(await whichAreHere(store), [true, true, true, true, true])
      assert.equal(store.quarantine().count, 1)
      assert.equal(store.has(folder, testBlock(9).id), round === 2)
      await store.put([testBlock(9)])
    }
  })
})

describe('a payload that was made to look like a record', () => {
  // A peer chooses payloads and may know format, ids and offsets, but not the store's own id; with it the trick would work.
  for (const [whose, storeId, isHonoured] of [
    ['a guessed', testBytes(1, 16), false],
    ["the store's own", testRandom.bytes(16), true],
  ] as const) {
    it(`is ${isHonoured ? '' : 'not '}read as one with ${whose} id, when the header before it is damaged`, async () => {
      const files = new CrashFiles()
      const victim = testBlock(1, 200)
      const place = { segment: 1, offset: segmentHeaderBytes + recordBytes + recordHeaderBytes }
      const payload = encodeTombstone({ segment: 1, offset: segmentHeaderBytes })
      const bytes = new Uint8Array(recordBytesOf(payload.length))
      encodeRecord(bytes, 0, storeId, place, { type: recordTypes.tombstone, flags: 0, folder, id: victim.id, payload })
      {
        await using store = await openSmallStore(files)
        await store.put([victim])
        await store.put([{ folder, id: blockIdOf(bytes), bytes }])
      }
      files.bytesOf(firstPath)[segmentHeaderBytes + recordBytes + 18] = 0xff
      await using store = await openSmallStore(files)
      assert.equal(store.has(folder, victim.id), !isHonoured)
      assert.equal(store.quarantine().count, 1)
    })
  }
})

describe('a directory that is not the store it was', () => {
  it('scenario T17: is refused when it is empty or gone, unless a store is to be made', async () => {
    await assert.rejects(openSmallStore(new CrashFiles(), {}, false), isCode('HOME_UNUSABLE'))
    const empty = new CrashFiles()
    empty.makeDirectory('/store')
    await assert.rejects(openSmallStore(empty, {}, false), isCode('HOME_UNUSABLE'))
    assert.deepEqual(empty.paths(), [])
    await using store = await openSmallStore(empty, {}, true)
    assert.deepEqual(store.health(), { state: 'ok' })
  })

  it('is refused when the marker is missing beside segments, or damaged, or of a newer version', async () => {
    for (const create of [false, true]) {
      const files = await filled(false)
      files.unlink('/store/store')
      await assert.rejects(openSmallStore(files, {}, create), isCode('STORE_CORRUPT'))
    }
    const damaged = await filled(false)
    damaged.bytesOf('/store/store')[15] = 0xee
    await assert.rejects(openSmallStore(damaged), isCode('STORE_CORRUPT'))
  })

  it('scenario T48: is refused when a segment is of a newer format or of another store', async () => {
    const base = { segment: 1, storeId: testBytes(4711, 16), previousSegment: 0, previousEndBytes: 0 }
    const cases: readonly (readonly [ErrorCode, Uint8Array])[] = [
      ['VERSION_UNSUPPORTED', encodeSegmentHeader({ ...base, version: 2 })],
      ['STORE_CORRUPT', encodeSegmentHeader({ ...base, version: 1, storeId: testBytes(1, 16) })],
      ['STORE_CORRUPT', encodeSegmentHeader({ ...base, version: 1, segment: 5 })],
    ]
    for (const [code, header] of cases) {
      const files = await filled(true)
      files.bytesOf(firstPath).set(header)
      await assert.rejects(openSmallStore(files, {}, false), isCode(code))
    }
  })
})

it('scenario T48: records of a type that this program does not know are skipped, and their segment is kept as it is', async () => {
  const files = await filled(true)
  const bytes = files.bytesOf(firstPath)
  const storeId = files.bytesOf('/store/store').slice(12, 28)
  const at = segmentHeaderBytes + 2 * recordBytes
  const payload = present(blocks[2], 'a block').bytes
  const content = { type: 9, flags: 0, folder, id: present(blocks[2], 'a block').id, payload }
  encodeRecord(bytes, at, storeId, { segment: 1, offset: at }, content)
  bytes.fill(0, bytes.length - 40) // without its footer, every record is read
  for (let round = 0; round < 2; round++) {
    await using store = await openSmallStore(files, {}, false)
    assert.deepEqual(await whichAreHere(store), [true, true, false, true, true])
    await store.remove(
      folder,
      blocks.map(({ id }) => id),
    )
    await store.compact(never)
    assert.ok(files.paths().includes(firstPath))
    await store.put(blocks)
    await store.remove(folder, [present(blocks[2], 'a block').id])
  }
})
