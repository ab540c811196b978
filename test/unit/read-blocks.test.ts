// Reading a file into blocks: windows, old boundaries and what of them stays after an edit. In class 'small' with real limits, on a file
// in memory.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import fc from 'fast-check'

import { concatBytes, equalBytes, toHex } from '../../engine/base/bytes.ts'
import type { OpenFile } from '../../engine/base/files.ts'
import { chunkEnds } from '../../engine/chunk/chunker.ts'
import { createGear } from '../../engine/chunk/gear.ts'
import { chunkBytesMax, chunkLimitsOf, type ChunkClass } from '../../engine/chunk/limits.ts'
import { expandGearKey } from '../../engine/crypto/keys.ts'
import { sealBlock } from '../../engine/crypto/seal.ts'
import { BlockList, type PackedBlock } from '../../engine/model/block-list.ts'
import { readBlocks } from '../../engine/sync/read-blocks.ts'
import { SeededRandom } from '../support/seeded-random.ts'

const gear = createGear(expandGearKey(new Uint8Array(32).fill(1)))
const sealKey = new Uint8Array(32).fill(2)
const kibibyte = 1024
const noise = new SeededRandom('read-blocks').bytes(3 * 1024 * kibibyte)

function fileOf(bytes: Uint8Array): OpenFile {
  const refuse = (): never => {
    throw new Error('reading needs no more than reading')
  }
  return {
    read: (target, offset) => {
      const part = bytes.subarray(offset, offset + target.length)
      target.set(part)
      return part.length
    },
    stat: refuse,
    write: refuse,
    truncate: refuse,
    setMode: refuse,
    setMtime: refuse,
    datasync: refuse,
    close: refuse,
  }
}

interface Reading {
  readonly previous?: BlockList
  readonly windowBytes?: number
  readonly chunkClass?: ChunkClass
}

function read(
  bytes: Uint8Array,
  { previous = BlockList.empty, windowBytes = bytes.length, chunkClass = 'small' }: Reading = {},
): BlockList {
  const blocks: PackedBlock[] = []
  let offset = 0
  let previousAt = 0
  while (offset < bytes.length) {
    const output = readBlocks({
      file: fileOf(bytes),
      sizeBytes: bytes.length,
      offset,
      windowBytes,
      chunkClass,
      gear,
      sealKey,
      previous,
      previousAt,
    })
    assert.ok(output !== undefined && output.nextOffset > offset, 'a window gives at least one block')
    blocks.push(...output.blocks)
    offset = output.nextOffset
    previousAt = output.previousAt
  }
  return BlockList.pack(blocks)
}

/** The list is of these bytes: every block is what its place holds, sealed. */
function assertIsListOf(list: BlockList, bytes: Uint8Array): void {
  let at = 0
  for (let block = 0; block < list.count; block++) {
    const plaintext = bytes.subarray(at, at + list.lengthBytes(block))
    const sealed = sealBlock(sealKey, plaintext)
    assert.ok(equalBytes(sealed.id, list.id(block)) && equalBytes(sealed.key, list.key(block)), `block ${block} is not what is at ${at}`)
    at += plaintext.length
  }
  assert.equal(at, bytes.length)
}

function idsOf(list: BlockList): Set<string> {
  return new Set(Array.from({ length: list.count }, (_, at) => toHex(list.hash(at))))
}

function newBlocks(list: BlockList, previous: BlockList): number {
  const known = idsOf(previous)
  return [...idsOf(list)].filter((id) => !known.has(id)).length
}

function insert(bytes: Uint8Array, at: number, added: Uint8Array): Uint8Array {
  return concatBytes([bytes.subarray(0, at), added, bytes.subarray(at)])
}

describe('the blocks of a new file', () => {
  it('end where the chunker cuts', () => {
    const list = read(noise)
    assertIsListOf(list, noise)
    const ends: number[] = []
    for (let at = 0, end = 0; at < list.count; at++) ends.push((end += list.lengthBytes(at)))
    assert.deepEqual(ends, chunkEnds(noise, chunkLimitsOf('small'), gear))
  })

  it('are the same through windows of any size', () => {
    const whole = read(noise)
    for (const windowBytes of [1024 * kibibyte, 1024 * kibibyte + 1, 1500 * kibibyte, chunkBytesMax]) {
      assert.ok(read(noise, { windowBytes }).equals(whole), `windows of ${windowBytes}`)
    }
    const long = concatBytes([noise, noise.subarray(5), noise.subarray(77)])
    assert.ok(read(long, { chunkClass: 'large', windowBytes: chunkBytesMax }).equals(read(long, { chunkClass: 'large' })))
  })

  it('are none for an empty file, and one below the least length', () => {
    assert.equal(read(new Uint8Array(0)).count, 0)
    for (const length of [1, 100, 64 * kibibyte]) assert.equal(read(noise.subarray(0, length)).count, 1)
    assert.equal(read(noise.subarray(0, 1024 * kibibyte), { chunkClass: 'whole' }).count, 1)
  })

  it('are not read from a file that turned out shorter', () => {
    const input = {
      file: fileOf(noise.subarray(0, 100)),
      sizeBytes: 101,
      offset: 0,
      windowBytes: 101,
      chunkClass: 'whole' as const,
      gear,
      sealKey,
    }
    assert.equal(readBlocks({ ...input, previous: BlockList.empty, previousAt: 0 }), undefined)
  })
})

describe('the blocks of a changed file', () => {
  const previous = read(noise)
  const tail = new SeededRandom('tail').bytes(300 * kibibyte)
  const middle = 1_500_000
  const overwritten = noise.slice()
  overwritten.set(tail.subarray(0, 10), middle)
  /** Name, new content, the most blocks that may be new. */
  const rows: readonly (readonly [string, Uint8Array, number])[] = [
    ['nothing changed', noise, 0],
    ['a few bytes overwritten in the middle', overwritten, 2],
    ['a byte inserted at the head', insert(noise, 0, Uint8Array.of(1)), 2],
    ['a byte inserted in the middle', insert(noise, middle, Uint8Array.of(1)), 2],
    ['300 KiB inserted in the middle', insert(noise, middle, tail), 4],
    ['bytes removed at the head', noise.subarray(1000), 2],
    ['bytes removed in the middle', concatBytes([noise.subarray(0, middle), noise.subarray(middle + 1000)]), 2],
    ['300 KiB appended', concatBytes([noise, tail]), 4],
    ['a byte appended', concatBytes([noise, Uint8Array.of(1)]), 1],
    ['the end cut off', noise.subarray(0, 2_000_000), 1],
    ['all but a byte cut off', noise.subarray(0, 1), 1],
    ['the file twice', concatBytes([noise, noise]), 3],
    ['two halves swapped', concatBytes([noise.subarray(middle), noise.subarray(0, middle)]), 7],
    ['all of it other', new SeededRandom('other').bytes(400 * kibibyte), 3],
  ]
  for (const [name, content, most] of rows) {
    it(`are few: ${name}`, () => {
      const list = read(content, { previous })
      assertIsListOf(list, content)
      const count = newBlocks(list, previous)
      assert.ok(count <= most, `${count} of ${list.count} blocks are new`)
      assert.ok(count <= newBlocks(read(content), previous), 'no more than with a fresh cut')
    })
  }

  it('are right whatever was edited, through any window, and within the limits', () => {
    const limits = chunkLimitsOf('small')
    const edit = fc.record({
      kind: fc.constantFrom('insert', 'remove', 'overwrite'),
      at: fc.nat(1_200_000),
      length: fc.integer({ min: 1, max: 200_000 }),
    })
    const start = noise.subarray(0, 1_200_000)
    fc.assert(
      fc.property(
        fc.array(edit, { minLength: 1, maxLength: 4 }),
        fc.constantFrom(1024 * kibibyte, 1100 * kibibyte, 10_000 * kibibyte),
        (edits, windowBytes) => {
          let bytes: Uint8Array = start
          let list = read(bytes)
          for (const { kind, at, length } of edits) {
            const from = Math.min(at, bytes.length)
            const to = Math.min(bytes.length, kind === 'insert' ? from : from + length)
            bytes = concatBytes([
              bytes.subarray(0, from),
              kind === 'remove' ? new Uint8Array(0) : noise.subarray(at + 7, at + 7 + length),
              bytes.subarray(to),
            ])
            list = read(bytes, { previous: list, windowBytes })
            assertIsListOf(list, bytes)
            for (let block = 0; block < list.count; block++) {
              assert.ok(list.lengthBytes(block) <= limits.maxBytes)
            }
          }
        },
      ),
      { numRuns: 25, seed: 1 },
    )
  })

  it('need not be cut as those of a new file are: an old boundary stays as long as its bytes do', () => {
    // The last block of the shorter file ends where that file did. It is no boundary once the file goes on.
    const shorter = noise.subarray(0, 700_000)
    const grown = read(noise, { previous: read(shorter) })
    assert.ok(grown.equals(previous), 'appending gives the cuts of a fresh file')
    // Cut elsewhere: a list with boundaries that the chunker would not make is kept as it is.
    const odd: PackedBlock[] = [0, 150_000, 400_000].map((from, at, all) => {
      const plaintext = noise.subarray(from, all[at + 1] ?? 700_000)
      const { id, key } = sealBlock(sealKey, plaintext)
      return { id, key, lengthBytes: plaintext.length }
    })
    const kept = read(shorter, { previous: BlockList.pack(odd) })
    assert.ok(kept.equals(BlockList.pack(odd)))
    assert.ok(!kept.equals(read(shorter)))
  })

  /** The chunker's blocks up to `start` or a little more, then boundaries that no chunker would make: only what tries them keeps them. */
  function oddFrom(start: number): BlockList {
    const blocks: PackedBlock[] = []
    let at = 0
    for (let block = 0; at < start; block++) {
      blocks.push({ id: previous.id(block), key: previous.key(block), lengthBytes: previous.lengthBytes(block) })
      at += previous.lengthBytes(block)
    }
    for (; at < noise.length; at += 111_111) {
      const plaintext = noise.subarray(at, at + 111_111)
      blocks.push({ ...sealBlock(sealKey, plaintext), lengthBytes: plaintext.length })
    }
    return BlockList.pack(blocks)
  }

  it('keep old boundaries behind a block that was overwritten in place', () => {
    const list = oddFrom(1)
    const changed = noise.slice()
    changed.set(tail.subarray(0, 5), 10)
    assert.ok(newBlocks(read(changed, { previous: list }), list) <= 1)
  })

  it('keep old boundaries behind the first block that is found again', () => {
    const list = oddFrom(900_000)
    const shortened = noise.subarray(previous.lengthBytes(0) + previous.lengthBytes(1) + 10)
    assert.ok(newBlocks(read(shortened, { previous: list }), list) <= 2)
  })
})
