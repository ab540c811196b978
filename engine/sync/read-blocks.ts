// Turns the bytes of a file into sealed blocks' names: old boundaries first, new ones where the content no longer matches.
// Hashing a range runs at several GB/s, searching a boundary below one, sealing at about two: so a known key ends the work.

import type { OpenFile } from '../base/files.ts'
import { bytesKey } from '../base/bytes.ts'
import { findBoundary, findCut } from '../chunk/chunker.ts'
import type { Gear } from '../chunk/gear.ts'
import { chunkLimitsOf, type ChunkClass } from '../chunk/limits.ts'
import { blockKeyOf, blockOverheadBytes, sealBlockInto } from '../crypto/seal.ts'
import type { BlockList, PackedBlock } from '../model/block-list.ts'

export interface ReadBlocksInput {
  readonly file: OpenFile
  readonly sizeBytes: number
  /** A chunk starts here. */
  readonly offset: number
  /** At most about this many bytes are consumed: whole chunks only. At least the largest chunk. */
  readonly windowBytes: number
  readonly chunkClass: ChunkClass
  readonly gear: Gear
  readonly sealKey: Uint8Array
  /** What the file held before; `previousAt` is the old block expected at `offset`, -1 = out of step. */
  readonly previous: BlockList
  readonly previousAt: number
}

export interface ReadBlocksOutput {
  readonly blocks: readonly PackedBlock[]
  readonly nextOffset: number
  readonly previousAt: number
}

// One job runs at a time in a thread, so one scratch buffer a thread is enough; it grows to the largest window asked for.
let plainScratch = new Uint8Array(0)
let sealedScratch = new Uint8Array(0)

function scratch(bytes: number): Uint8Array {
  if (plainScratch.length < bytes) plainScratch = new Uint8Array(bytes)
  return plainScratch.subarray(0, bytes)
}

function sealedTarget(bytes: number): Uint8Array {
  if (sealedScratch.length < bytes) sealedScratch = new Uint8Array(bytes)
  return sealedScratch
}

/** undefined when the file turned out shorter than `sizeBytes`: it is changing. */
export function readBlocks(input: ReadBlocksInput): ReadBlocksOutput | undefined {
  const wanted = Math.min(input.windowBytes, input.sizeBytes - input.offset)
  const window = scratch(wanted)
  if (input.file.read(window, input.offset) !== wanted) return undefined
  const isEnd = input.offset + wanted === input.sizeBytes
  return blocksOfWindow(window, isEnd, input)
}

function blocksOfWindow(window: Uint8Array, isEnd: boolean, input: ReadBlocksInput): ReadBlocksOutput {
  const known = new KnownBlocks(input.previous)
  const blocks: PackedBlock[] = []
  let at = 0
  let previousAt = input.previousAt
  while (at < window.length) {
    const old = matchOld(window, at, input, previousAt)
    if (old !== undefined) {
      blocks.push(old)
      at += old.lengthBytes
      previousAt++
      continue
    }
    const end = nextCut(window, at, isEnd, input)
    if (end === undefined) break
    const plaintext = window.subarray(at, end)
    const key = blockKeyOf(input.sealKey, plaintext)
    const knownAt = known.find(key)
    if (knownAt !== undefined) {
      blocks.push({ id: input.previous.id(knownAt), key, lengthBytes: plaintext.length })
      previousAt = knownAt + 1
    } else {
      blocks.push(sealName(input.sealKey, plaintext))
      previousAt = previousAt < 0 ? -1 : previousAt + 1 // a block replaced in place: the next old one may match again
    }
    at = end
  }
  return { blocks, nextOffset: input.offset + at, previousAt }
}

function nextCut(window: Uint8Array, at: number, isEnd: boolean, input: ReadBlocksInput): number | undefined {
  const limits = chunkLimitsOf(input.chunkClass)
  if (isEnd) return findBoundary(window, at, window.length, limits, input.gear)
  return findCut(window, at, window.length, limits, input.gear)
}

/** The old block at this place when the same bytes are still there. */
function matchOld(window: Uint8Array, at: number, input: ReadBlocksInput, previousAt: number): PackedBlock | undefined {
  if (previousAt < 0 || previousAt >= input.previous.count) return undefined
  const lengthBytes = input.previous.lengthBytes(previousAt)
  // The old last block ended because the file did: it is no boundary any more when the file goes on.
  const isOldEnd = previousAt === input.previous.count - 1
  if (at + lengthBytes > window.length) return undefined
  if (isOldEnd && input.offset + at + lengthBytes !== input.sizeBytes) return undefined
  const key = blockKeyOf(input.sealKey, window.subarray(at, at + lengthBytes))
  const oldKey = input.previous.key(previousAt)
  for (let index = 0; index < key.length; index++) if (key[index] !== oldKey[index]) return undefined
  return { id: input.previous.id(previousAt), key, lengthBytes }
}

function sealName(sealKey: Uint8Array, plaintext: Uint8Array): PackedBlock {
  const target = sealedTarget(plaintext.length + blockOverheadBytes)
  const { id, key } = sealBlockInto(target, 0, sealKey, plaintext)
  return { id, key, lengthBytes: plaintext.length }
}

/** Old blocks by key; built only when the first old boundary has failed. */
class KnownBlocks {
  readonly #blocks: BlockList
  #places: Map<string, number> | undefined

  constructor(blocks: BlockList) {
    this.#blocks = blocks
  }

  find(key: Uint8Array): number | undefined {
    if (this.#blocks.count === 0) return undefined
    if (this.#places === undefined) {
      this.#places = new Map()
      for (let at = 0; at < this.#blocks.count; at++) this.#places.set(bytesKey(this.#blocks.key(at)), at)
    }
    return this.#places.get(bytesKey(key))
  }
}
