// How fast scrub reads a store of one segment, at the speed that nothing holds back, against reading the same file with nothing else.

import { mkdirSync, openSync, readSync, closeSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { silentLog } from '../../engine/base/log.ts'
import { scrubSegment } from '../../engine/blocks/scrub-segment-job.ts'
import { openSegmentStore, type SegmentStore } from '../../engine/blocks/segment-store.ts'
import { blockIdOf } from '../../engine/crypto/seal.ts'
import { hashIdBytes, idVersion, parseFolderId } from '../../engine/model/ids.ts'
import { nodeClock } from '../../engine/platform/node-clock.ts'
import { nodeFiles } from '../../engine/platform/node-files.ts'
import { nodeRandom } from '../../engine/platform/node-random.ts'
import { present } from '../../engine/base/assert.ts'
import type { Figures } from './figures.ts'
import { median, nowMs, type Patience } from './waiting.ts'

const storedBytes = 128 * 1024 * 1024
const stepBytes = 8 * 1024 * 1024
const rounds = 5

/** By turns, from a warm cache: it is the work beside the disk's that is compared. */
export async function measureScrub(figures: Figures, directory: string, patience: Patience, say: (text: string) => void): Promise<void> {
  for (const [key, sizeBytes] of [
    ['4k', 4 * 1024],
    ['1m', 1024 * 1024],
  ] as const) {
    const home = join(directory, `scrub-${key}`)
    mkdirSync(home, { recursive: true })
    try {
      const store = await filled(home, sizeBytes)
      const { path, storeId, startBytes, endBytes } = longest(store)
      const scrubs: number[] = []
      const reads: number[] = []
      for (let round = 0; round <= rounds; round++) {
        patience.signal.throwIfAborted()
        reads.push(rateOf(endBytes, () => readWhole(path)))
        scrubs.push(
          rateOf(endBytes, () => {
            for (let at = startBytes; at < endBytes;) {
              const input = { path, storeId, segment: 1, fromBytes: at, toBytes: endBytes, stepBytes }
              const { output } = scrubSegment(input, { files: nodeFiles() })
              if (output.damaged.length + output.gaps.length > 0) throw new Error('the store made for the benchmark is damaged')
              at = output.nextBytes
            }
          }),
        )
      }
      const [scrub, read] = [median(scrubs.slice(1)), median(reads.slice(1))]
      figures.record('holdfast', `store/scrub-${key}`, scrub)
      figures.record('holdfast', `store/scrub-${key}-read`, read)
      say(`scrub of ${key} blocks: ${(scrub / 1e6).toFixed(0)} MB/s, reading alone: ${(read / 1e6).toFixed(0)} MB/s`)
      await store[Symbol.asyncDispose]()
    } finally {
      await rm(home, { recursive: true, force: true, maxRetries: 3 })
    }
  }
}

async function filled(home: string, sizeBytes: number): Promise<SegmentStore> {
  const folder = present(parseFolderId(new Uint8Array(hashIdBytes).fill(7).fill(idVersion, 0, 1)), 'a folder id')
  const parts = { files: nodeFiles(), clock: nodeClock(), random: nodeRandom(), log: silentLog, create: true }
  const store = await openSegmentStore({ ...parts, directory: join(home, 'store') }, new AbortController().signal)
  const batchBytes = 4 * 1024 * 1024
  for (let at = 0; at < storedBytes; at += batchBytes) {
    const batch = Array.from({ length: batchBytes / sizeBytes }, () => {
      const bytes = parts.random.bytes(sizeBytes)
      return { folder, id: blockIdOf(bytes), bytes }
    })
    await store.put(batch)
  }
  return store
}

function longest(store: SegmentStore) {
  return present(store.inspection.source(1), 'the first segment')
}

function rateOf(bytes: number, work: () => void): number {
  const startMs = nowMs()
  work()
  return (bytes * 1000) / (nowMs() - startMs)
}

function readWhole(path: string): void {
  const file = openSync(path, 'r')
  const buffer = new Uint8Array(1024 * 1024)
  while (readSync(file, buffer) > 0);
  closeSync(file)
}
