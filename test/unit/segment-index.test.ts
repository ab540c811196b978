// The segment index in memory against a plain map, and what it costs.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import fc from 'fast-check'

import { present } from '../../engine/base/assert.ts'
import { compareBytes, toHex } from '../../engine/base/bytes.ts'
import { hashIdBytes, idVersion, parseBlockId, type BlockId } from '../../engine/model/ids.ts'
import { MemorySegmentIndex } from '../../engine/blocks/memory-segment-index.ts'
import type { BlockLocation } from '../../engine/blocks/segment-index.ts'
import { testBytes, testFolder } from '../support/blocks.ts'

const folders = [testFolder(1), testFolder(2)]

/** Ids that crowd together, as a peer could make them: many share the leading bits that say where a row stands. */
function crowdedId(number: number): BlockId {
  const bytes = new Uint8Array(hashIdBytes)
  bytes[0] = idVersion
  bytes[1] = number % 3 === 0 ? 0xff : number % 5
  bytes[2] = number % 3 === 0 ? 0xff : 0
  bytes[32] = number
  return present(parseBlockId(bytes), 'a test id')
}

const step = fc.record({
  isPut: fc.boolean(),
  folder: fc.nat(1),
  id: fc.nat(60),
  segment: fc.integer({ min: 1, max: 3 }),
  offset: fc.nat(1000),
})

describe('MemorySegmentIndex', () => {
  it('answers as a map would, whatever is put and removed', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.nat(60), fc.integer({ min: 1, max: 9 }), (steps, afterNumber, limit) => {
        const index = new MemorySegmentIndex()
        const model = new Map<string, { folder: number; id: BlockId; location: BlockLocation }>()
        for (const { isPut, folder: at, id: number, segment, offset } of steps) {
          const folder = present(folders[at], 'a folder')
          const id = crowdedId(number)
          const key = `${at} ${number}`
          const location = { segment, offset, payloadBytes: offset + 1 }
          if (isPut) {
            index.apply([{ kind: 'put', folder, id, location }])
            model.set(key, { folder: at, id, location })
          } else {
            index.apply([{ kind: 'remove', folder, id }])
            model.delete(key)
          }
          assert.deepEqual(index.locate(folder, id), isPut ? location : undefined)
        }
        const rows = [...model.values()]
        const totalOf = (some: typeof rows): object => ({
          blocks: some.length,
          payloadBytes: some.reduce((sum, row) => sum + row.location.payloadBytes, 0),
        })
        assert.deepEqual(index.totals(), totalOf(rows))
        for (const segment of [1, 2, 3])
          assert.deepEqual(index.liveIn(segment), totalOf(rows.filter((row) => row.location.segment === segment)))
        for (const [at, folder] of folders.entries()) {
          const ids = rows
            .filter((row) => row.folder === at)
            .map((row) => row.id)
            .toSorted(compareBytes)
          assert.deepEqual(index.list(folder, undefined, 1000), ids)
          const after = crowdedId(afterNumber)
          assert.deepEqual(index.list(folder, after, limit), ids.filter((id) => compareBytes(id, after) > 0).slice(0, limit))
        }
      }),
      { numRuns: 150 },
    )
  })

  it('keeps its answers while it grows by tens of thousands, some of them crowded at the table’s end', () => {
    const index = new MemorySegmentIndex()
    const folder = present(folders[0], 'a folder')
    const ids: BlockId[] = []
    for (let number = 0; number < 30_000; number++) {
      const bytes = testBytes(number, hashIdBytes)
      bytes[0] = idVersion
      if (number % 50 === 0) bytes.fill(0xff, 1, 5)
      ids.push(present(parseBlockId(bytes), 'a test id'))
    }
    for (const [offset, id] of ids.entries()) index.apply([{ kind: 'put', folder, id, location: { segment: 1, offset, payloadBytes: 1 } }])
    for (const [offset, id] of ids.entries()) assert.equal(index.locate(folder, id)?.offset, offset)
    for (const id of ids.slice(0, 15_000)) index.apply([{ kind: 'remove', folder, id }])
    const left = ids.slice(15_000).map((id) => toHex(id))
    assert.deepEqual(
      index.list(folder, undefined, 100_000).map((id) => toHex(id)),
      left.toSorted(),
    )
  })
})
