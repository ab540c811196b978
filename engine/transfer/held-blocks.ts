// Blocks that this node holds of a folder, as they are sealed, or proof of having them: from the user's files where they are, from the block
// store otherwise.

import { present } from '../base/assert.ts'
import { concatBytes } from '../base/bytes.ts'
import type { Jobs } from '../base/jobs.ts'
import type { BlockStore } from '../blocks/store.ts'
import { blake3Keyed } from '../crypto/hash.ts'
import type { Index } from '../index/index-store.ts'
import { sealOverheadBytes } from '../model/block-list.ts'
import type { MemberRecord } from '../model/folder.ts'
import type { BlockId, PeerId } from '../model/ids.ts'
import type { Lanes } from './lanes.ts'
import { PartSize } from './part-size.ts'
import type { sealRanges, SealRange } from './seal-ranges-job.ts'

/** Where blocks of a folder are looked for. */
export interface HeldParts {
  readonly index: Index
  readonly store: BlockStore
  readonly folder: Pick<MemberRecord, 'row' | 'id'>
  /** A block was asked for that is not here. */
  readonly onAbsent?: (id: BlockId) => void
  /** A member asked for blocks. */
  readonly onAsked?: (peer: PeerId, ids: readonly BlockId[]) => void
  /** Who says which blocks are kept; absent where nobody does: then no lease is granted. */
  readonly leases?: LeaseGranter | undefined
  /** The tree whose files hold blocks; absent where blocks are in the store only. */
  readonly tree: ServedTree | undefined
}

export interface LeaseGranter {
  /**
   * Of blocks that were read here just now, those that are kept from now on: not let go of before others were asked. Durable when it returns;
   * nothing is awaited.
   */
  grant(to: PeerId, ids: readonly BlockId[]): readonly BlockId[]
}

export interface ServedTree {
  readonly jobs: Jobs<{ readonly sealRanges: typeof sealRanges }>
  /** Absolute. */
  readonly root: string
  readonly sealKey: Uint8Array
  /** Absent where there are none. */
  readonly lanes?: Lanes | undefined
  /** A file did not hold what the index said: look at it. */
  readonly onStale: (path: string) => void
  readonly files: FlushedFiles
}

/** Which files of a tree are on the device. */
export interface FlushedFiles {
  /** Waits until files are on the device, whoever wrote them; gives those that could not be brought there. */
  flush(paths: readonly string[], signal: AbortSignal): Promise<ReadonlySet<string>>
  /** It is not known of the file at this path that it is on the device. */
  isUnflushed(path: string): boolean
}

/** Blocks in one part: bounds the time of one job where files are tiny. */
const partBlocksMax = 512

export type HeldSource =
  | { readonly kind: 'file'; readonly range: SealRange }
  | { readonly kind: 'store'; readonly id: BlockId; readonly storedBytes: number }
  | { readonly kind: 'absent'; readonly id: BlockId }

export interface HeldPart {
  readonly lengths: readonly number[]
  readonly payload: Uint8Array
}

export interface ReadingHeld {
  /** Of how much to read at once. */
  readonly size?: PartSize
  /** Instead of each block its hash under this key: read and hashed off the main thread where it is in a file. */
  readonly proofKey?: Uint8Array | undefined
  /** Others rely on what is here: only what is on the device counts, and what is in a file is brought there. */
  readonly isDurable?: boolean
}

/** What is held of these blocks, in their order, in parts of about the size that `size` says: one is read while the one before it is used. */
export async function* readHeld(
  parts: HeldParts,
  ids: readonly BlockId[],
  signal: AbortSignal,
  { size = new PartSize(), ...how }: ReadingHeld = {},
): AsyncGenerator<HeldPart> {
  let slice = sliceOf(parts, ids, 0, size)
  let next = makePart(parts, slice.sources, how, signal)
  for (;;) {
    const part = await next
    if (part.lengths.length === 0) return
    slice = sliceOf(parts, ids, slice.end, size)
    next = makePart(parts, slice.sources, how, signal)
    next.catch(() => undefined) // awaited in the next round unless whoever reads stops
    yield part
  }
}

/** What one part is made of, beginning with the id at `from`: nothing when there are no more. */
function sliceOf(
  parts: HeldParts,
  ids: readonly BlockId[],
  from: number,
  size: PartSize,
): { readonly sources: readonly HeldSource[]; readonly end: number } {
  const sources: HeldSource[] = []
  let bytes = 0
  for (const id of ids.slice(from, from + partBlocksMax)) {
    const source = sourceOf(parts, id)
    sources.push(source)
    bytes += sizeOf(source)
    if (bytes >= size.bytes) break
  }
  return { sources, end: from + sources.length }
}

function sizeOf(source: HeldSource): number {
  switch (source.kind) {
    case 'file':
      return source.range.lengthBytes + sealOverheadBytes
    case 'store':
      return source.storedBytes
    case 'absent':
      return 0
  }
}

/** As `readHeld`, one by one, in buffers of their own; undefined for what is not here. */
export async function heldBlocks(
  parts: HeldParts,
  ids: readonly BlockId[],
  signal: AbortSignal,
  reading: ReadingHeld = {},
): Promise<readonly (Uint8Array | undefined)[]> {
  const blocks: (Uint8Array | undefined)[] = []
  for await (const { lengths, payload } of readHeld(parts, ids, signal, reading)) {
    let at = 0
    for (const length of lengths) {
      blocks.push(length === 0 ? undefined : payload.slice(at, at + length))
      at += length
    }
  }
  return blocks
}

/** Where a block is, as the index says. */
export function sourceOf({ index, store, folder, tree }: HeldParts, id: BlockId): HeldSource {
  const home = tree === undefined ? undefined : index.items.homeOf(folder.row, id)
  if (home !== undefined) {
    const { item, at, offset } = home
    const key = item.blocks.key(at).slice() // a view would be cloned with the whole list
    const range = { path: item.path, offset, lengthBytes: item.blocks.lengthBytes(at), id, key }
    return { kind: 'file', range }
  }
  const storedBytes = store.sizeOf(folder.id, id)
  return storedBytes === undefined ? { kind: 'absent', id } : { kind: 'store', id, storedBytes }
}

async function makePart(
  parts: HeldParts,
  slice: readonly HeldSource[],
  { proofKey, isDurable = false }: Omit<ReadingHeld, 'size'>,
  signal: AbortSignal,
): Promise<HeldPart> {
  if (slice.length === 0) return { lengths: [], payload: new Uint8Array(0) }
  const ranges = slice.flatMap((source) => (source.kind === 'file' ? [source.range] : []))
  const { tree } = parts
  const read =
    tree === undefined || ranges.length === 0
      ? { payload: new Uint8Array(0), lengths: [] }
      : await tree.jobs.run('sealRanges', { root: tree.root, sealKey: tree.sealKey, ranges, proofKey }, { signal })
  read.lengths.forEach((length, at) => {
    if (length === 0) tree?.onStale(present(ranges[at], 'a length a range').path)
  })
  const sealed = isDurable && tree !== undefined ? await onDevice(tree, ranges, read, signal) : read
  if (ranges.length === slice.length && sealed.lengths.every((length) => length > 0)) return sealed
  return mixPart(parts, slice, sealed, proofKey)
}

/** Without what is in files that cannot be flushed. What was read is in the file that is flushed after, or somebody replaced it since. */
async function onDevice(tree: ServedTree, ranges: readonly SealRange[], read: HeldPart, signal: AbortSignal): Promise<HeldPart> {
  const paths = ranges.flatMap(({ path }, at) => ((read.lengths[at] ?? 0) > 0 ? [path] : []))
  const failed = await tree.files.flush(paths, signal)
  return failed.size === 0 ? read : onlySome(read, (at) => !failed.has(present(ranges[at], 'a length a range').path))
}

/** As if only some of it were here. */
export function onlySome({ lengths, payload }: HeldPart, isTold: (place: number) => boolean): HeldPart {
  let at = 0
  const pieces = lengths.map((length, place) => {
    const from = at
    at += length
    return isTold(place) ? payload.subarray(from, at) : new Uint8Array(0)
  })
  return { lengths: pieces.map((piece) => piece.length), payload: concatBytes(pieces) }
}

/** Puts blocks of the store between those of files, in the order asked, and in place of those that a file turned out not to hold. */
async function mixPart(
  parts: HeldParts,
  slice: readonly HeldSource[],
  sealed: HeldPart,
  proofKey: Uint8Array | undefined,
): Promise<HeldPart> {
  const pieces: Uint8Array[] = []
  const lengths: number[] = []
  let fileAt = 0
  let payloadAt = 0
  for (const source of slice) {
    if (source.kind === 'file') {
      const length = sealed.lengths[fileAt++] ?? 0
      pieces.push(length > 0 ? sealed.payload.subarray(payloadAt, payloadAt + length) : await storedBlock(parts, source.range.id, proofKey))
      payloadAt += length
    } else if (source.kind === 'store') pieces.push(await storedBlock(parts, source.id, proofKey))
    else pieces.push(new Uint8Array(0))
    const { length } = present(pieces.at(-1), 'a piece was pushed')
    if (length === 0 && source.kind !== 'file') parts.onAbsent?.(source.id) // also one that turned out to be damaged
    lengths.push(length)
  }
  return { lengths, payload: concatBytes(pieces) }
}

/** The block or its proof; empty when it is not here. */
async function storedBlock({ store, folder }: HeldParts, id: BlockId, proofKey: Uint8Array | undefined): Promise<Uint8Array> {
  const block = await store.get(folder.id, id)
  if (block === undefined) return new Uint8Array(0)
  return proofKey === undefined ? block : blake3Keyed(proofKey, block)
}
