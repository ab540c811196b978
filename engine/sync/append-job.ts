// Worker job that reads the two or more versions that conflicting appends left, and puts them together: see append-text.ts.

import { equalBytes } from '../base/bytes.ts'
import type { JobResult, JobWorld } from '../base/jobs.ts'
import { findBoundary } from '../chunk/chunker.ts'
import { chooseClass, chunkLimitsOf } from '../chunk/limits.ts'
import { blockKeyOf, blockOverheadBytes, sealBlockInto } from '../crypto/seal.ts'
import { BlockList, type PackedBlock } from '../model/block-list.ts'
import { RangeOpener } from '../transfer/seal-ranges-job.ts'
import { mergeAppended } from './append-text.ts'
import { chunkClassNumber, gearOf, parseChunkClass, type JobKeys } from './job-keys.ts'

export interface AppendCopy {
  readonly path: string
  /** Packed block lists, here and below. */
  readonly blocks: Uint8Array
  /** Of the version that both went on from; undefined = not known. */
  readonly base: Uint8Array | undefined
}

export interface MergeAppendsInput {
  readonly root: string
  readonly keys: JobKeys
  readonly winner: { readonly path: string; readonly blocks: Uint8Array; readonly chunkClass: number }
  /** In the order in which they are to come. */
  readonly copies: readonly AppendCopy[]
}

export interface MergedAppends {
  readonly blocks: Uint8Array
  readonly chunkClass: number
  readonly sizeBytes: number
  /** The sealed blocks from this one on, one after the other: those before it are the winner's. */
  readonly sealedFrom: number
  readonly sealed: Uint8Array
}

/** 'changed': a file does not hold what the index says of it. */
export type CopyOutcome = 'merged' | 'contained' | 'unclear' | 'changed'

export interface MergeAppendsOutput {
  /** By copy. */
  readonly outcomes: readonly CopyOutcome[]
  /** The winner with what was added to it; undefined when there was nothing to add. */
  readonly merged: MergedAppends | undefined
}

export function mergeAppends(input: MergeAppendsInput, { files }: JobWorld): JobResult<MergeAppendsOutput> {
  const { keys, winner, copies } = input
  const opener = new RangeOpener(files, input.root)
  try {
    const winnerBlocks = new BlockList(winner.blocks)
    const text = readVersion(opener, winner.path, winnerBlocks, keys)
    if (text === undefined) return { output: { outcomes: copies.map(() => 'changed'), merged: undefined } }
    let whole: Uint8Array = text
    const outcomes = copies.map((copy): CopyOutcome => {
      const added = readVersion(opener, copy.path, new BlockList(copy.blocks), keys)
      if (added === undefined) return 'changed'
      const outcome = mergeAppended(text, added, baseBytesOf(text, copy.base, keys))
      if (outcome.kind !== 'merged') return outcome.kind
      const together = mergeAppended(whole, added, baseBytesOf(text, copy.base, keys))
      if (together.kind === 'merged') whole = together.content
      return together.kind === 'unclear' ? 'unclear' : 'merged'
    })
    if (whole === text) return { output: { outcomes, merged: undefined } }
    const merged = sealMerged(whole, winnerBlocks, winner.chunkClass, keys)
    return { output: { outcomes, merged }, transfer: [merged.sealed.buffer] }
  } finally {
    opener.close()
  }
}

/** undefined unless the file is that version to the last byte. */
function readVersion(opener: RangeOpener, path: string, blocks: BlockList, { sealKey }: JobKeys): Uint8Array | undefined {
  const content = new Uint8Array(blocks.totalBytes())
  let offset = 0
  for (let at = 0; at < blocks.count; at++) {
    const lengthBytes = blocks.lengthBytes(at)
    const plaintext = opener.read({ path, offset, lengthBytes })
    if (plaintext === undefined || !equalBytes(blockKeyOf(sealKey, plaintext), blocks.key(at))) return undefined
    content.set(plaintext, offset)
    offset += lengthBytes
  }
  return content
}

/** How much of `text` is the base; undefined when it does not begin with it. */
function baseBytesOf(text: Uint8Array, base: Uint8Array | undefined, { sealKey }: JobKeys): number | undefined {
  if (base === undefined) return undefined
  const blocks = new BlockList(base)
  let offset = 0
  for (let at = 0; at < blocks.count; at++) {
    const end = offset + blocks.lengthBytes(at)
    if (end > text.length || !equalBytes(blockKeyOf(sealKey, text.subarray(offset, end)), blocks.key(at))) return undefined
    offset = end
  }
  return offset
}

/** Cut as a file that goes on is cut: the winner's blocks stay but for the last. All who merge alike come to the same blocks. */
function sealMerged(
  content: Uint8Array,
  winner: BlockList,
  winnerClass: number,
  keys: JobKeys,
): MergedAppends & { readonly sealed: Uint8Array<ArrayBuffer> } {
  const previous = parseChunkClass(winnerClass)
  const chunkClass = chooseClass(content.length, previous)
  const sealedFrom = chunkClass === previous ? Math.max(0, winner.count - 1) : 0
  const blocks: PackedBlock[] = []
  let at = 0
  for (; blocks.length < sealedFrom; at += winner.lengthBytes(blocks.length - 1)) {
    const index = blocks.length
    blocks.push({ id: winner.id(index), key: winner.key(index), lengthBytes: winner.lengthBytes(index) })
  }
  const ends: number[] = []
  for (let from = at; from < content.length; ends.push(from)) {
    from = findBoundary(content, from, content.length, chunkLimitsOf(chunkClass), gearOf(keys))
  }
  const sealed = new Uint8Array(content.length - at + ends.length * blockOverheadBytes)
  let sealedAt = 0
  for (const end of ends) {
    const plaintext = content.subarray(at, end)
    blocks.push({ ...sealBlockInto(sealed, sealedAt, keys.sealKey, plaintext), lengthBytes: plaintext.length })
    sealedAt += plaintext.length + blockOverheadBytes
    at = end
  }
  return {
    blocks: BlockList.pack(blocks).bytes,
    chunkClass: chunkClassNumber(chunkClass),
    sizeBytes: content.length,
    sealedFrom,
    sealed,
  }
}
