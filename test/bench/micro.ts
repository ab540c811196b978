// The parts under the daemon on their own, single-threaded: what each could do at most. `npm run bench -- micro`.
// A module that is not there is skipped with a line.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { freshBytes } from './data.ts'
import type { Figures } from './figures.ts'
import { median, nowMs, type Patience } from './waiting.ts'

/** One measurement: `run` does some work and says how much, in the row's unit; `close` undoes what it left on disk. */
export interface Micro {
  readonly key: string
  run(): number | Promise<number>
  close?(): Promise<void>
}

type MakeMicros = (directory: string) => Promise<readonly Micro[]>

const roundMs = 200
const rounds = 5
const blockBytes = 256 * 1024
const blocksPerRun = 16
const chunkedBytes = 32 << 20
const entriesPerRun = 1000
// As blocks arrive from a peer: many in flight, so that one flush to the disk pays for a group of them.
const smallBlockBytes = 4096
const smallBlocksPerPut = 512
const largeBlockBytes = 1 << 20
const largeBlocksPerPut = 32

/** Runs every part; `directory` is a place on the disk under test, made when it is wanted. */
export async function measureMicro(figures: Figures, directory: string, patience: Patience, say: (text: string) => void): Promise<void> {
  const makers: Readonly<Record<string, MakeMicros>> = {
    hash: hashMicros,
    seal: sealMicros,
    entries: entryMicros,
    chunk: chunkMicros,
  }
  for (const [name, make] of Object.entries(makers)) {
    try {
      for (const micro of await make(directory)) {
        const rate = await measureRate(micro, patience)
        figures.record('holdfast', micro.key, rate)
        say(`${micro.key}: ${rate.toExponential(2)} a second`)
      }
    } catch (error) {
      if (!isMissingModule(error)) throw error
      say(`micro, ${name}: skipped, its module is not there`)
    }
  }
}

/** How fast blocks become durable in the segment store. */
export async function measureStoreRates(
  figures: Figures,
  directory: string,
  patience: Patience,
  say: (text: string) => void,
): Promise<void> {
  for (const micro of await storeMicros(directory)) {
    const rate = await measureRate(micro, patience)
    figures.record('holdfast', micro.key, rate)
    say(`${micro.key}: ${rate.toExponential(2)} a second`)
  }
}

/** Work a second: the median of some rounds after one that only warms up. */
async function measureRate(micro: Micro, patience: Patience): Promise<number> {
  try {
    const rates: number[] = []
    for (let round = 0; round <= rounds; round++) {
      const startMs = nowMs()
      patience.signal.throwIfAborted()
      let done = 0
      while (nowMs() - startMs < roundMs) done += await micro.run()
      if (round > 0) rates.push((done * 1000) / (nowMs() - startMs))
    }
    return median(rates)
  } finally {
    await micro.close?.()
  }
}

function isMissingModule(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND'
}

async function hashMicros(): Promise<readonly Micro[]> {
  const { blake3 } = await import('../../engine/crypto/hash.ts')
  const blocks = makeBlocks()
  return [{ key: 'micro/hash', run: () => sumBytes(blocks, (block) => blake3(block)) }]
}

async function sealMicros(): Promise<readonly Micro[]> {
  const { openBlock, sealBlock } = await import('../../engine/crypto/seal.ts')
  const blocks = makeBlocks()
  const sealKey = freshBytes('seal key', 32)
  const sealed = blocks.map((block) => sealBlock(sealKey, block))
  return [
    { key: 'micro/seal', run: () => sumBytes(blocks, (block) => sealBlock(sealKey, block)) },
    {
      key: 'micro/open',
      run: () =>
        sumBytes(
          sealed.map((block) => block.sealed),
          (_, at) => openNth(at),
        ),
    },
  ]

  function openNth(at: number): void {
    const block = sealed[at]
    if (block !== undefined) openBlock(block.id, block.key, block.sealed, sealKey)
  }
}

async function chunkMicros(): Promise<readonly Micro[]> {
  const { chunkEnds } = await import('../../engine/chunk/chunker.ts')
  const { createGear, gearMaterialBytes } = await import('../../engine/chunk/gear.ts')
  const { chunkLimitsOf } = await import('../../engine/chunk/limits.ts')
  const gear = createGear(freshBytes('gear', gearMaterialBytes))
  const bytes = freshBytes('content', chunkedBytes)
  const limits = chunkLimitsOf('large')
  return [
    {
      key: 'micro/chunk',
      run: () => {
        chunkEnds(bytes, limits, gear)
        return bytes.length
      },
    },
  ]
}

async function entryMicros(): Promise<readonly Micro[]> {
  const { decodeEntry, encodeEntry } = await import('../../engine/model/entry.ts')
  const { authorIdBytes, hashIdBytes, parseAuthorId, parseBlockId, parseEntryId } = await import('../../engine/model/ids.ts')
  // As a small file has it: one author, one block, a sealed part of some 200 bytes.
  const entryId = parseEntryId(idOf('entry', hashIdBytes))
  const author = parseAuthorId(idOf('author', authorIdBytes))
  const block = parseBlockId(idOf('block', hashIdBytes))
  if (entryId === undefined || author === undefined || block === undefined)
    throw new Error('an id made for the benchmark is not well formed')
  const entry = {
    entryId,
    vector: [{ author, seq: 12_345 }],
    deleted: false,
    blocks: [{ id: block, storedBytes: 4112 }],
    epoch: 1,
    sealed: freshBytes('sealed part', 200),
  }
  const bytes = encodeEntry(entry)
  if (decodeEntry(bytes) === undefined) throw new Error('the entry made for the benchmark does not decode')
  return [
    { key: 'micro/encode', run: () => times(entriesPerRun, () => encodeEntry(entry)) },
    { key: 'micro/decode', run: () => times(entriesPerRun, () => decodeEntry(bytes)) },
  ]
}

async function storeMicros(directory: string): Promise<readonly Micro[]> {
  const { openSegmentStore } = await import('../../engine/blocks/segment-store.ts')
  const { blockIdOf } = await import('../../engine/crypto/seal.ts')
  const { hashIdBytes, parseFolderId } = await import('../../engine/model/ids.ts')
  const { silentLog } = await import('../../engine/base/log.ts')
  const { nodeClock } = await import('../../engine/platform/node-clock.ts')
  const { nodeFiles } = await import('../../engine/platform/node-files.ts')
  const { nodeRandom } = await import('../../engine/platform/node-random.ts')
  const folder = parseFolderId(idOf('folder', hashIdBytes))
  if (folder === undefined) throw new Error('the folder id made for the benchmark is not well formed')
  mkdirSync(directory, { recursive: true })
  const parts = { files: nodeFiles(), clock: nodeClock(), random: nodeRandom(), log: silentLog, create: true }

  const putMicro = async (key: string, sizeBytes: number, count: number, unitBytes: number): Promise<Micro> => {
    const store = await openSegmentStore({ ...parts, directory: join(directory, key.replace('/', '-')) }, new AbortController().signal)
    const bytes = freshBytes(key, sizeBytes)
    let made = 0
    // A new block each time, or the store would have it already; its hash is part of the work, as it is when one arrives.
    const nextBlock = () => {
      const content = Uint8Array.from(bytes)
      new DataView(content.buffer).setUint32(0, made++)
      return { folder, id: blockIdOf(content), bytes: content }
    }
    return {
      key,
      run: async () => {
        await store.put(Array.from({ length: count }, nextBlock))
        return (count * sizeBytes) / unitBytes
      },
      close: async () => {
        await store[Symbol.asyncDispose]()
      },
    }
  }
  return [
    await putMicro('store/put-4k', smallBlockBytes, smallBlocksPerPut, smallBlockBytes),
    await putMicro('store/put-1m', largeBlockBytes, largeBlocksPerPut, 1),
  ]
}

function idOf(seed: string, lengthBytes: number): Uint8Array {
  const id = freshBytes(seed, lengthBytes)
  id[0] = 1
  return id
}

function makeBlocks(): readonly Uint8Array[] {
  return Array.from({ length: blocksPerRun }, (_, at) => freshBytes(`block ${at}`, blockBytes))
}

function sumBytes(blocks: readonly Uint8Array[], work: (block: Uint8Array, at: number) => void): number {
  let bytes = 0
  for (const [at, block] of blocks.entries()) {
    work(block, at)
    bytes += block.length
  }
  return bytes
}

function times(count: number, work: () => void): number {
  for (let done = 0; done < count; done++) work()
  return count
}
