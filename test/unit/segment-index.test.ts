// The block index against a plain map: in memory, in runs that are merged, and read again from the disk.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import fc from 'fast-check'

import { present } from '../../engine/base/assert.ts'
import { compareBytes, toHex } from '../../engine/base/bytes.ts'
import { silentLog } from '../../engine/base/log.ts'
import { planMerge } from '../../engine/blocks/run-stack.ts'
import { SegmentIndex, type BlockLocation } from '../../engine/blocks/segment-index.ts'
import { newSegmentState, type Checkpoint } from '../../engine/blocks/segment-table.ts'
import { hashIdBytes, idVersion, parseBlockId, type BlockId } from '../../engine/model/ids.ts'
import { stillClock, testBytes, testFolder } from '../support/blocks.ts'
import { CrashFiles } from '../support/crash-files.ts'

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

function openIndex(files: CrashFiles): ReturnType<typeof SegmentIndex.open> {
  if (files.lstat('/store') === undefined) files.makeDirectory('/store')
  return SegmentIndex.open({ files, directory: '/store', storeId: testBytes(1, 16), clock: stillClock, log: silentLog, rowsMax: 1 })
}

/** Segments 1 to 3, the log ending in the last one at `offset`. */
function checkpointAt(offset: number): Checkpoint {
  return { end: { segment: 3, offset }, segments: [1, 2, 3].map((number) => newSegmentState(number, number - 1)), leftovers: new Set() }
}

type Model = Map<string, { folder: number; id: BlockId; location: BlockLocation }>

function assertEqual(index: SegmentIndex, model: Model, afterNumber: number, limit: number): void {
  const rows = [...model.values()]
  const totalOf = (some: typeof rows): object => ({
    blocks: some.length,
    payloadBytes: some.reduce((sum, row) => sum + row.location.payloadBytes, 0),
  })
  assert.deepEqual(index.totals(), totalOf(rows))
  for (const segment of [1, 2, 3]) assert.deepEqual(index.liveIn(segment), totalOf(rows.filter((row) => row.location.segment === segment)))
  for (const [at, folder] of folders.entries()) {
    const mine = rows.filter((row) => row.folder === at)
    assert.deepEqual(index.totalsOf(folder), totalOf(mine))
    const entries = mine.map(({ id, location }) => ({ id, location })).toSorted((left, right) => compareBytes(left.id, right.id))
    assert.deepEqual(index.entries(folder, undefined, 1000), entries)
    const after = crowdedId(afterNumber)
    const page = entries.filter(({ id }) => compareBytes(id, after) > 0).slice(0, limit)
    assert.deepEqual(
      index.list(folder, after, limit),
      page.map(({ id }) => id),
    )
  }
}

const change = fc.record({
  kind: fc.constantFrom('put', 'put', 'remove'),
  folder: fc.nat(1),
  id: fc.nat(60),
  segment: fc.integer({ min: 1, max: 3 }),
  offset: fc.nat(1000),
})
const step = fc.oneof({ arbitrary: change, weight: 8 }, { arbitrary: fc.record({ kind: fc.constantFrom('save', 'open') }), weight: 1 })

describe('the block index', () => {
  it('answers as a map would, whatever is put, removed, saved, and read again', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 200 }),
        fc.nat(60),
        fc.integer({ min: 1, max: 9 }),
        async (steps, afterNumber, limit) => {
          const files = new CrashFiles()
          let { index } = openIndex(files)
          const model: Model = new Map()
          for (const each of steps) {
            if (!('id' in each)) {
              await index.save(checkpointAt(0))
              if (each.kind !== 'open') continue
              await index.close()
              index = openIndex(files).index
              continue
            }
            const folder = present(folders[each.folder], 'a folder')
            const id = crowdedId(each.id)
            const key = `${each.folder} ${each.id}`
            const location = { segment: each.segment, offset: each.offset, payloadBytes: each.offset + 1 }
            if (each.kind === 'put') {
              index.apply([{ kind: 'put', folder, id, location }])
              model.set(key, { folder: each.folder, id, location })
            } else {
              index.apply([{ kind: 'remove', folder, id }])
              model.delete(key)
            }
            assert.deepEqual(index.locate(folder, id), each.kind === 'put' ? location : undefined)
          }
          assertEqual(index, model, afterNumber, limit)
          await index.settle()
          assertEqual(index, model, afterNumber, limit)
          await index.close()
        },
      ),
      { numRuns: 150 },
    )
  })

  it('keeps its answers while it grows by tens of thousands, some of them crowded at the table’s end', async () => {
    const files = new CrashFiles()
    let { index } = openIndex(files)
    const folder = present(folders[0], 'a folder')
    const ids: BlockId[] = []
    for (let number = 0; number < 20_000; number++) {
      const bytes = testBytes(number, hashIdBytes)
      bytes[0] = idVersion
      if (number % 50 === 0) bytes.fill(0xff, 1, 9)
      ids.push(present(parseBlockId(bytes), 'a test id'))
    }
    for (const [offset, id] of ids.entries()) {
      index.apply([{ kind: 'put', folder, id, location: { segment: 1, offset, payloadBytes: 1 } }])
      if (offset % 3000 === 2999) await index.save(checkpointAt(offset))
    }
    await index.settle()
    for (const [offset, id] of ids.entries()) assert.equal(index.locate(folder, id)?.offset, offset)
    for (const id of ids.slice(0, 15_000)) index.apply([{ kind: 'remove', folder, id }])
    await index.save(checkpointAt(9))
    await index.close()
    const again = openIndex(files)
    index = again.index
    assert.deepEqual(again.checkpoint?.end, { segment: 3, offset: 9 })
    const left = ids.slice(15_000).map((id) => toHex(id))
    assert.deepEqual(
      index.list(folder, undefined, 100_000).map((id) => toHex(id)),
      left.toSorted(),
    )
    assert.deepEqual(index.totals(), { blocks: 5000, payloadBytes: 5000 })
  })

  it('has few runs, whatever their sizes, and rewrites each row a few times', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 400 }), (added) => {
        let rows: number[] = []
        let written = 0
        let total = 0
        for (const size of added) {
          rows = [size, ...rows]
          total += size
          for (let count = planMerge(rows); count > 0; count = planMerge(rows)) {
            const merged = rows.slice(0, count).reduce((sum, each) => sum + each, 0)
            written += merged
            rows = [merged, ...rows.slice(count)]
          }
          assert.ok(rows.length <= 4 + Math.log2(total), `${rows.length} runs of ${total} rows`)
        }
        assert.ok(written <= total * (3 + Math.log2(total)), `${written} rows written for ${total}`)
      }),
    )
  })

  it('is none when a byte of what finds its rows was changed, and tells when a byte of the rows was', async () => {
    const files = new CrashFiles()
    const { index } = openIndex(files)
    const folder = present(folders[0], 'a folder')
    for (let number = 0; number < 60; number++) {
      index.apply([{ kind: 'put', folder, id: crowdedId(number), location: { segment: 1, offset: number, payloadBytes: 1 } }])
    }
    await index.save(checkpointAt(60))
    await index.close()
    const runPath = '/store/index/0000000001.run'
    for (const path of ['/store/index/manifest', runPath]) {
      const whole = files.bytesOf(path).slice()
      for (let at = path === runPath ? 4096 : 0; at < whole.length; at++) {
        const bytes = whole.slice()
        bytes[at] = (bytes[at] ?? 0) ^ 4
        files.replaceBytes(path, bytes)
        const opened = openIndex(files)
        assert.equal(opened.checkpoint, undefined, `${path} at ${at}`)
        assert.equal(opened.index.totals().blocks, 0)
        await opened.index.close()
      }
      files.replaceBytes(path, whole)
    }
    const bytes = files.bytesOf(runPath).slice()
    bytes[77] = (bytes[77] ?? 0) ^ 4
    files.replaceBytes(runPath, bytes)
    const opened = openIndex(files)
    let calls = 0
    opened.index.onDamaged = () => calls++
    assert.equal(opened.index.locate(folder, crowdedId(1)), undefined)
    assert.deepEqual(opened.index.list(folder, undefined, 10), [])
    assert.match(opened.index.damage ?? '', /damaged/)
    assert.equal(calls, 1)
  })
})
