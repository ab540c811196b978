// Segment files with random damage: opening never throws what it should not, never serves other bytes, never serves what was removed
// unless the tombstone itself was hit, and the store works on. FUZZ_SEED picks the seed, FUZZ_RUNS how many.

import assert from 'node:assert/strict'
import { it } from 'node:test'

import { EngineError } from '../../engine/base/errors.ts'
import { decodeFooter, decodeFooterTrailer } from '../../engine/blocks/footer.ts'
import { decodeMarker, decodeRecordHeader, decodeSegmentHeader, decodeTombstone, isPayloadWhole } from '../../engine/blocks/record.ts'
import { never, openSmallStore, seededChance, testBlock, testBytes, testFolder } from '../support/blocks.ts'
import { CrashFiles, type Chance } from '../support/crash-files.ts'

const folder = testFolder(1)
const firstSeed = Number(process.env['FUZZ_SEED'] ?? 1)
const runs = Number(process.env['FUZZ_RUNS'] ?? 300)
const blocks = Array.from({ length: 16 }, (_, seed) => testBlock(seed, 50 + seed * 20))

function damaged(bytes: Uint8Array, chance: Chance): Uint8Array {
  const at = chance(bytes.length)
  const length = 1 + chance(200)
  switch (chance(5)) {
    case 0:
      return bytes.slice(0, at)
    case 1:
      return bytes.slice().fill(0, at, at + length)
    case 2: // a piece of the file over another
      return bytes.slice().copyWithin(at, chance(bytes.length), chance(bytes.length) + length)
    case 3: {
      const copy = bytes.slice()
      copy.set(testBytes(at, Math.min(length, bytes.length - at)), at)
      return copy
    }
    default: {
      const copy = bytes.slice()
      copy[at] = (copy[at] ?? 0) ^ (1 << chance(8))
      return copy
    }
  }
}

it('a store with damaged segments serves right bytes or none', async () => {
  const whole = new CrashFiles()
  {
    await using store = await openSmallStore(whole)
    await store.put(blocks)
    await store.remove(folder, [testBlock(3, 110).id])
    await store.compact(never)
    await store.put([testBlock(30)])
  }
  for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
    const chance = seededChance(seed)
    const files = whole.afterKill()
    const segments = files.paths().filter((path) => path.endsWith('.segment'))
    for (let count = 1 + chance(3); count > 0; count--) {
      const path = segments[chance(segments.length)] ?? ''
      files.replaceBytes(path, damaged(files.bytesOf(path), chance))
    }
    const opened = await openSmallStore(files, {}, false).catch((error: unknown) => error)
    if (opened instanceof Error) {
      // Only a piece of one header over another can look like a foreign file.
      assert.ok(opened instanceof EngineError && opened.code === 'STORE_CORRUPT', `seed ${seed}: ${String(opened)}`)
      continue
    }
    await using store = await openSmallStore(files, {}, false)
    for (const block of blocks) {
      const bytes = await store.get(folder, block.id)
      if (bytes !== undefined) assert.deepEqual(bytes, block.bytes, `seed ${seed}`)
    }
    await store.put(blocks)
    await store.compact(never)
    for (const block of blocks) assert.deepEqual(await store.get(folder, block.id), block.bytes, `seed ${seed}`)
  }
})

it('the decoders take any bytes without throwing', () => {
  const chance = seededChance(firstSeed)
  for (let run = 0; run < runs * 10; run++) {
    const bytes = testBytes(run, chance(300))
    const storeId = testBytes(1, 16)
    decodeMarker(bytes)
    decodeSegmentHeader(bytes)
    decodeRecordHeader(bytes, storeId, { segment: 1, offset: 64 })
    decodeTombstone(bytes)
    isPayloadWhole(bytes)
    decodeFooterTrailer(bytes)
    const rows = decodeFooter(bytes)
    if (rows !== undefined) for (const row of rows) assert.equal(row.id.length, 33)
    // A footer whose counts are small enough to be believed.
    if (bytes.length > 8) bytes.fill(0, 1, 4).fill(0, 5, 8)
    for (const row of decodeFooter(bytes) ?? []) assert.equal(row.folder.length, 33)
  }
})
