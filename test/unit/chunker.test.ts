// Chunking: classes by size, and the algebra of content-defined cuts, against a slow version of the same definition.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import fc from 'fast-check'

import { concatBytes } from '../../engine/base/bytes.ts'
import { chunkEnds, findBoundary, findCut } from '../../engine/chunk/chunker.ts'
import { createGear } from '../../engine/chunk/gear.ts'
import { chooseClass, chunkBytesMax, chunkLimitsOf, type ChunkClass, type ChunkLimits } from '../../engine/chunk/limits.ts'
import { blake3Keyed } from '../../engine/crypto/hash.ts'
import { expandGearKey } from '../../engine/crypto/keys.ts'

const gear = createGear(expandGearKey(new Uint8Array(32).fill(1)))
const otherGear = createGear(expandGearKey(new Uint8Array(32).fill(2)))
/** Small, so that properties see many chunks. */
const limits: ChunkLimits = { minBytes: 64, targetBytes: 256, maxBytes: 1024 }

/** The same bytes for the same seed, without structure. */
function noise(seed: number, length: number): Uint8Array {
  const key = new Uint8Array(32).fill(seed)
  const parts: Uint8Array[] = []
  for (let at = 0; at < length; at += 32) parts.push(blake3Keyed(key, Uint8Array.of(at >>> 5, at >>> 13, at >>> 21)))
  return concatBytes(parts).subarray(0, length)
}

/** Content with both noise and repetition, any length around several chunks. */
const content = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 700 }),
      fc.tuple(fc.nat(255), fc.nat(1500)).map(([byte, length]) => new Uint8Array(length).fill(byte)),
    ),
    {
      maxLength: 8,
    },
  )
  .map(concatBytes)

/** The definition, one position and one window at a time. */
function slowBoundary(bytes: Uint8Array, start: number, end: number, bounds: ChunkLimits): number {
  const latest = Math.min(end, start + bounds.maxBytes)
  for (let at = start + bounds.minBytes; at < latest; at++) {
    let hash = 0n
    for (const byte of bytes.subarray(at - 31, at)) hash = 2n * hash + BigInt(gear.single[byte] ?? 0)
    const bits = Math.log2(bounds.targetBytes) + (at < start + bounds.targetBytes ? 2 : -2)
    if (BigInt.asUintN(31, hash) >> BigInt(31 - bits) === 0n) return at
  }
  return latest
}

function pieces(bytes: Uint8Array, ends: readonly number[]): string[] {
  return ends.map((end, index) => Buffer.from(bytes.subarray(ends[index - 1] ?? 0, end)).toString('hex'))
}

describe('the class of a file', () => {
  const kibibyte = 1024
  const mebibyte = 1024 * kibibyte
  const rows: readonly (readonly [number, ChunkClass | undefined, ChunkClass])[] = [
    [0, undefined, 'whole'],
    [512 * kibibyte, undefined, 'whole'],
    [512 * kibibyte + 1, undefined, 'small'],
    [256 * mebibyte, undefined, 'small'],
    [256 * mebibyte + 1, undefined, 'large'],
    [mebibyte, 'whole', 'whole'],
    [mebibyte + 1, 'whole', 'small'],
    [300 * mebibyte, 'whole', 'large'],
    [256 * kibibyte + 1, 'small', 'small'],
    [256 * kibibyte, 'small', 'whole'],
    [512 * mebibyte, 'small', 'small'],
    [512 * mebibyte + 1, 'small', 'large'],
    [128 * mebibyte + 1, 'large', 'large'],
    [128 * mebibyte, 'large', 'small'],
    [0, 'large', 'whole'],
  ]
  for (const [sizeBytes, previous, expected] of rows) {
    it(`of ${sizeBytes} bytes that ${previous === undefined ? 'is new' : `was ${previous}`} is ${expected}`, () => {
      assert.equal(chooseClass(sizeBytes, previous), expected)
    })
  }

  it('never allows a block over the maximum', () => {
    for (const name of ['whole', 'small', 'large'] as const) assert.ok(chunkLimitsOf(name).maxBytes <= chunkBytesMax)
  })

  it('keeps a file of the class whole in one block up to the size at which it leaves the class', () => {
    const bytes = new Uint8Array(mebibyte)
    assert.deepEqual(chunkEnds(bytes, chunkLimitsOf('whole'), gear), [mebibyte])
    assert.deepEqual(chunkEnds(new Uint8Array(1), chunkLimitsOf('whole'), gear), [1])
  })
})

describe('chunking', () => {
  it('covers the file with chunks between the minimum and the maximum, only the last one shorter', () => {
    fc.assert(
      fc.property(content, (bytes) => {
        const ends = chunkEnds(bytes, limits, gear)
        assert.equal(ends.at(-1) ?? 0, bytes.length)
        ends.forEach((end, index) => {
          const length = end - (ends[index - 1] ?? 0)
          assert.ok(length <= limits.maxBytes)
          assert.ok(length >= (index === ends.length - 1 ? 1 : limits.minBytes))
        })
      }),
    )
  })

  it('cuts where the definition says', () => {
    fc.assert(
      fc.property(content, fc.nat(40), (bytes, skip) => {
        const start = Math.min(skip, bytes.length)
        assert.equal(findBoundary(bytes, start, bytes.length, limits, gear), slowBoundary(bytes, start, bytes.length, limits))
      }),
      { numRuns: 300 },
    )
  })

  it('cuts a file of any length, odd or even, as the definition says', () => {
    const bytes = noise(3, 2000)
    for (let end = 0; end < 400; end++) {
      assert.equal(findBoundary(bytes, 0, end, limits, gear), slowBoundary(bytes, 0, end, limits))
    }
  })

  it('gives the same cuts through a window as over the whole file', () => {
    fc.assert(
      fc.property(content, fc.integer({ min: 1, max: 3000 }), (bytes, windowLength) => {
        const ends: number[] = []
        let known = 0
        for (let at = 0; at < bytes.length;) {
          const cut = findCut(bytes, at, known, limits, gear)
          if (cut !== undefined) ends.push((at = cut))
          else if (known < bytes.length) known = Math.min(bytes.length, known + windowLength)
          else ends.push((at = findBoundary(bytes, at, known, limits, gear)))
        }
        assert.deepEqual(ends, chunkEnds(bytes, limits, gear))
      }),
    )
  })

  it('asks for more only while the window is shorter than the maximum', () => {
    const bytes = new Uint8Array(limits.maxBytes)
    assert.equal(findCut(bytes, 0, limits.maxBytes, limits, gear), limits.maxBytes)
    assert.equal(findCut(bytes, 0, limits.maxBytes - 1, limits, gear), undefined)
    assert.equal(findCut(bytes, 5, 5, limits, gear), undefined)
  })

  it('leaves all chunks but a few as they were when bytes are inserted or removed', () => {
    const bytes = noise(4, 200_000)
    const before = new Set(pieces(bytes, chunkEnds(bytes, limits, gear)))
    for (const at of [0, 1, 77_777, 199_999]) {
      for (const changed of [
        concatBytes([bytes.subarray(0, at), Uint8Array.of(42), bytes.subarray(at)]),
        concatBytes([bytes.subarray(0, at), bytes.subarray(at + 1)]),
      ]) {
        const after = pieces(changed, chunkEnds(changed, limits, gear))
        const fresh = after.filter((piece) => !before.has(piece)).length
        assert.ok(fresh <= 8, `${fresh} of ${after.length} chunks changed`)
      }
    }
  })

  it('has chunks near the target length on average', () => {
    const bytes = noise(5, 400_000)
    const mean = bytes.length / chunkEnds(bytes, limits, gear).length
    assert.ok(mean > limits.targetBytes * 0.8 && mean < limits.targetBytes * 1.5, `mean ${mean}`)
  })

  it('cuts elsewhere under another key', () => {
    const bytes = noise(6, 50_000)
    const ours = new Set(chunkEnds(bytes, limits, gear))
    const shared = chunkEnds(bytes, limits, otherGear).filter((end) => end !== bytes.length && ours.has(end))
    assert.ok(shared.length < ours.size / 10, `${shared.length} of ${ours.size} cuts are the same`)
  })
})
