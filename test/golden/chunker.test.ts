// Cut points that must never change: with other cuts, unchanged files would be sent again. A failure here is a format change.

import assert from 'node:assert/strict'
import { it } from 'node:test'

import { concatBytes } from '../../engine/base/bytes.ts'
import { chunkEnds } from '../../engine/chunk/chunker.ts'
import { createGear } from '../../engine/chunk/gear.ts'
import { chunkLimitsOf } from '../../engine/chunk/limits.ts'
import { blake3Keyed } from '../../engine/crypto/hash.ts'
import { expandGearKey } from '../../engine/crypto/keys.ts'

const key = Uint8Array.from({ length: 32 }, (_, index) => index)
const gear = createGear(expandGearKey(key))

/** 6 MiB without structure: the keyed hashes of a counter. */
function content(): Uint8Array {
  const parts: Uint8Array[] = []
  for (let at = 0; at < 6 * 1024 * 1024; at += 32) parts.push(blake3Keyed(key, Uint8Array.of(at >>> 5, at >>> 13, at >>> 21)))
  return concatBytes(parts)
}

it('the gear table of a fixed key is what it was when the format was set', () => {
  assert.deepEqual([...gear.single.subarray(0, 4)], [-968520752, -1796331599, 2052258035, -123370997])
})

it('fixed content is cut where it was when the format was set', () => {
  const bytes = content()
  // oxfmt-ignore
  assert.deepEqual(chunkEnds(bytes, chunkLimitsOf('small'), gear), [
    333285, 601874, 701658, 1024267, 1405876, 1682602, 1950092, 2343744, 2472190, 2770489, 3183225, 3389879, 3605350, 3904801, 4267591, 4583012,
    4870924, 5294905, 5688580, 6058104, 6265480, 6291456,
  ])
  assert.deepEqual(chunkEnds(bytes, chunkLimitsOf('large'), gear), [1142200, 2428044, 3512246, 4870924, 6058104, 6291456])
})
