// A block index of many rows, made and opened in a process of its own, so that its memory can be told. Prints one JSON line.
// `node test/bench/store-index.ts make|open DIRECTORY BLOCKS SEGMENTS`. The segments are files of the right length with nothing in them:
// opening compares lengths, and look-ups do not read them.

import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import { blake3 } from '../../engine/crypto/hash.ts'
import { present } from '../../engine/base/assert.ts'
import { silentLog } from '../../engine/base/log.ts'
import { hashIdBytes, idVersion, parseBlockId, parseFolderId, type BlockId } from '../../engine/model/ids.ts'
import { encodeSegmentHeader, segmentHeaderBytes, segmentVersion } from '../../engine/blocks/record.ts'
import { openMarker, segmentPath } from '../../engine/blocks/segment-directory.ts'
import { SegmentIndex } from '../../engine/blocks/segment-index.ts'
import { defaultSegmentLimits } from '../../engine/blocks/segment-limits.ts'
import { openSegmentStore } from '../../engine/blocks/segment-store.ts'
import { countTombstone, newSegmentState, SegmentTable } from '../../engine/blocks/segment-table.ts'
import { nodeClock } from '../../engine/platform/node-clock.ts'
import { nodeFiles } from '../../engine/platform/node-files.ts'
import { nodeRandom } from '../../engine/platform/node-random.ts'

const parts = { files: nodeFiles(), clock: nodeClock(), random: nodeRandom(), log: silentLog }
const never = new AbortController().signal
const lookups = 20_000
const segmentBytes = 250_000_000
const rowsPerApply = 64

const [mode = '', directory = '', blocksText = '', segmentsText = ''] = process.argv.slice(2)
const blocks = Number(blocksText)
const segments = Number(segmentsText)
const folder = present(parseFolderId(idOf('folder')), 'a folder id')
process.stdout.write(`${JSON.stringify(mode === 'make' ? await make() : await open())}\n`)

function idOf(text: string): Uint8Array {
  const id = new Uint8Array(hashIdBytes)
  id[0] = idVersion
  id.set(blake3(new TextEncoder().encode(text)), 1)
  return id
}

function blockId(number: number): BlockId {
  return present(parseBlockId(idOf(`block ${number}`)), 'a block id')
}

async function make(): Promise<object> {
  const storeId = await openMarker({ ...parts, directory }, true)
  const table = new SegmentTable()
  for (let number = 1; number <= segments + 1; number++) {
    const isLast = number === segments + 1
    const state = newSegmentState(number, number - 1)
    Object.assign(state, isLast ? {} : { endBytes: segmentBytes - 1000, sizeBytes: segmentBytes, hasFooter: true })
    if (number > 1 && number % 10 === 0) countTombstone(state, { segment: number - 1, offset: 0 })
    table.add(state)
    const file = openSync(segmentPath(directory, number), 'wx')
    const header = { version: segmentVersion, segment: number, storeId, previousSegment: number - 1, previousEndBytes: segmentBytes - 1000 }
    writeSync(file, encodeSegmentHeader(header))
    ftruncateSync(file, isLast ? segmentHeaderBytes : segmentBytes)
    closeSync(file)
  }
  const { index } = SegmentIndex.open({ ...parts, directory, storeId, rowsMax: defaultSegmentLimits.indexRowsMax })
  const startMs = performance.now()
  const cpu = process.cpuUsage()
  const perSegment = Math.ceil(blocks / segments)
  for (let from = 0; from < blocks; from += rowsPerApply) {
    const changes = Array.from({ length: Math.min(rowsPerApply, blocks - from) }, (_, at) => {
      const [segment, offset] = [1 + Math.floor((from + at) / perSegment), segmentHeaderBytes + ((from + at) % perSegment) * 100]
      return { kind: 'put' as const, folder, id: blockId(from + at), location: { segment, offset, payloadBytes: 4112 } }
    })
    index.apply(changes)
    if (index.isDue) await index.save(present(table.checkpoint(), 'there are segments'))
  }
  await index.save(present(table.checkpoint(), 'there are segments'))
  await index.settle()
  await index.close()
  const { user, system } = process.cpuUsage(cpu)
  return { seconds: (performance.now() - startMs) / 1000, cpuSeconds: (user + system) / 1e6, rss: process.memoryUsage().rss }
}

async function open(): Promise<object> {
  const emptyRss = process.memoryUsage().rss
  const startMs = performance.now()
  const cpu = process.cpuUsage()
  const store = await openSegmentStore({ ...parts, directory, create: false }, never)
  const openMs = performance.now() - startMs
  const { user, system } = process.cpuUsage(cpu)
  const { blocks: found } = store.totals()
  if (found !== blocks) throw new Error(`${found} of ${blocks} blocks are in the index`)
  const hits = lookUp(() => blockId(Math.floor(Math.random() * blocks)), true)
  const misses = lookUp((number) => blockId(blocks + number), false)
  const listStartMs = performance.now()
  let after: BlockId | undefined
  for (let page = 0; page < 100; page++) after = store.list(folder, after, 1000).at(-1) ?? after
  const listMs = (performance.now() - listStartMs) / 100
  const { rss } = process.memoryUsage()
  await store[Symbol.asyncDispose]()
  return { openMs, openCpuMs: (user + system) / 1000, hits, misses, listMs, rss, emptyRss }

  function lookUp(next: (number: number) => BlockId, isHere: boolean): { p50Ms: number; p99Ms: number } {
    const times: number[] = []
    for (let number = 0; number < lookups; number++) {
      const id = next(number)
      const at = performance.now()
      if (store.has(folder, id) !== isHere) throw new Error('a look-up was wrong')
      times.push(performance.now() - at)
    }
    times.sort((left, right) => left - right)
    return { p50Ms: times[lookups >> 1] ?? 0, p99Ms: times[Math.floor(lookups * 0.99)] ?? 0 }
  }
}
