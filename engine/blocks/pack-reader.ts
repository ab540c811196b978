// Reads packs: a block by its range, the rows of a pack by its footer, a whole pack. Nothing that comes is believed before it is checked.

import type { BlockId, FolderId } from '../model/ids.ts'
import { checkRecord, type BlockRead } from './block-reader.ts'
import { decodeFooterTrailer, footerTrailerBytes } from './footer.ts'
import { footerRowAt } from './load-segment.ts'
import { PackFile, packKey } from './packs.ts'
import { decodeSegmentHeader, recordBytesOf, segmentHeaderBytes, type SegmentHeader } from './record.ts'
import type { RetryingObjects } from './retrying-objects.ts'
import type { BlockLocation } from './segment-index.ts'

export interface PackReadParts {
  readonly objects: RetryingObjects
  readonly storeId: Uint8Array
  readonly packBytesMax: number
}

/** So much of a pack's end is fetched at first: enough for the footer of one with few blocks. */
const tailBytes = 64 * 1024
const checksumBytes = 4

/** The block, what is wrong with it, or that its pack is not there. A damaged one is fetched once more: it may have been the way. */
export async function readPackedBlock(
  { objects, storeId }: PackReadParts,
  { folder, id, location }: { readonly folder: FolderId; readonly id: BlockId; readonly location: BlockLocation },
  signal: AbortSignal,
): Promise<BlockRead | 'noPack'> {
  const range = { offset: location.offset, lengthBytes: recordBytesOf(location.payloadBytes) }
  let read: BlockRead = { damage: 'unreadable' }
  for (let attempt = 0; attempt < 2 && read.bytes === undefined; attempt++) {
    const bytes = await objects.get(packKey(location.segment), range, range.lengthBytes, signal)
    if (bytes === undefined) return 'noPack'
    read = checkRecord(bytes, storeId, folder, id, location)
  }
  return read
}

export async function fetchPack(
  { objects, packBytesMax }: PackReadParts,
  pack: number,
  signal: AbortSignal,
): Promise<PackFile | undefined> {
  const bytes = await objects.get(packKey(pack), undefined, packBytesMax, signal)
  return bytes === undefined ? undefined : new PackFile(bytes)
}

export async function fetchHeader({ objects }: PackReadParts, pack: number, signal: AbortSignal): Promise<SegmentHeader | undefined> {
  const range = { offset: 0, lengthBytes: segmentHeaderBytes }
  const bytes = await objects.get(packKey(pack), range, range.lengthBytes, signal)
  return bytes === undefined ? undefined : decodeSegmentHeader(bytes)
}

/** As much of a pack as its rows need: its footer, or all of it when that is damaged. undefined when it is not there. */
export async function fetchRows(
  parts: PackReadParts,
  { pack, sizeBytes }: { readonly pack: number; readonly sizeBytes: number },
  signal: AbortSignal,
): Promise<PackFile | undefined> {
  const { storeId } = parts
  let file = await fetchFrom(parts, pack, Math.max(0, sizeBytes - tailBytes), sizeBytes, signal)
  if (file === undefined) return undefined
  const footerAt = footerOffsetOf(file)
  if (footerAt !== undefined && footerAt < sizeBytes - tailBytes) file = await fetchFrom(parts, pack, footerAt, sizeBytes, signal)
  if (file === undefined) return undefined
  const isWhole =
    footerAt !== undefined && footerRowAt({ file, storeId, segment: pack, sizeBytes, acknowledgedBytes: undefined }, 0) !== 'none'
  return isWhole ? file : await fetchPack(parts, pack, signal)
}

async function fetchFrom(
  { objects, packBytesMax }: PackReadParts,
  pack: number,
  offset: number,
  sizeBytes: number,
  signal: AbortSignal,
): Promise<PackFile | undefined> {
  const bytes = await objects.get(packKey(pack), { offset, lengthBytes: sizeBytes - offset }, packBytesMax, signal)
  return bytes === undefined ? undefined : new PackFile(bytes, offset)
}

function footerOffsetOf(file: PackFile): number | undefined {
  const trailerAt = file.sizeBytes - checksumBytes - footerTrailerBytes
  if (trailerAt < segmentHeaderBytes) return undefined
  const trailer = new Uint8Array(footerTrailerBytes)
  return decodeFooterTrailer(trailer.subarray(0, file.read(trailer, trailerAt)))
}
