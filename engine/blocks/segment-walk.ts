// Going through a store segment by segment: for scrub, which reads everything in the order in which it stands on the disk, and for
// telling a damaged record from an index that is wrong.

import { equalBytes } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { FilesError, type Files } from '../base/files.ts'
import { parseBlockId, parseFolderId, type BlockId, type FolderId } from '../model/ids.ts'
import { footerRowAt, loadSegment, type LoadSource } from './load-segment.ts'
import { recordTypes, type Place } from './record.ts'
import { isFault, segmentPath, type ReadHandles } from './segment-directory.ts'
import type { BlockLocation, SegmentIndex } from './segment-index.ts'
import type { SegmentTable } from './segment-table.ts'

export interface SegmentSummary {
  readonly segment: number
  /** Blocks of it that can be read. */
  readonly blocks: number
  readonly payloadBytes: number
  readonly sizeBytes: number
}

export interface HeldBlock {
  readonly folder: FolderId
  readonly id: BlockId
  /** Of its record in the segment. */
  readonly offset: number
  readonly payloadBytes: number
}

export interface WalkParts {
  readonly files: Files
  readonly directory: string
  readonly storeId: Uint8Array
  readonly clock: Clock
  readonly index: SegmentIndex
  readonly table: SegmentTable
  readonly handles: ReadHandles
}

export function summarize({ index, table }: Pick<WalkParts, 'index' | 'table'>): readonly SegmentSummary[] {
  return table.all().map(({ number, sizeBytes }) => ({ segment: number, ...index.liveIn(number), sizeBytes }))
}

/** Batches of live blocks from a place on. What is put meanwhile may be among them, what is removed or moved meanwhile is not. */
export async function* heldBlocks(parts: WalkParts, from: Place, signal: AbortSignal): AsyncGenerator<readonly HeldBlock[]> {
  const { files, directory, storeId, table } = parts
  const state = table.get(from.segment)
  if (state === undefined) return
  // A handle of its own: the shared ones may be closed by reads that come between.
  const file = files.open(segmentPath(directory, from.segment), 'read')
  try {
    const source = { file, storeId, segment: from.segment, sizeBytes: state.sizeBytes, acknowledgedBytes: state.endBytes }
    yield* heldIn(parts, source, from.offset, signal)
  } finally {
    file.close()
  }
}

/** Batches of the live blocks that one segment lists, from an offset on. */
export async function* heldIn(
  { clock, index }: Pick<WalkParts, 'clock' | 'index'>,
  source: LoadSource,
  fromOffset: number,
  signal: AbortSignal,
): AsyncGenerator<readonly HeldBlock[]> {
  for await (const batch of loadSegment(source, clock, signal)) {
    const held: HeldBlock[] = []
    for (const event of batch) {
      if (event.kind !== 'row' || event.row.type !== recordTypes.put || event.row.offset < fromOffset) continue
      const { offset } = event.row
      const folder = parseFolderId(event.row.folder.slice())
      const id = parseBlockId(event.row.id.slice())
      if (folder === undefined || id === undefined) continue
      const place = index.locate(folder, id)
      if (place?.segment !== source.segment || place.offset !== offset) continue
      held.push({ folder, id, offset, payloadBytes: place.payloadBytes })
    }
    if (held.length > 0) yield held
  }
}

/**
 * Whether the segment itself says that this block was stored at that place; undefined where the disk does not say. Where it has no footer to
 * say so, the bytes that were looked at are all there is: a place behind the acknowledged end is not one, others are taken for damage.
 */
export function isRecordedAt(parts: WalkParts, location: BlockLocation, id: BlockId): boolean | undefined {
  const state = parts.table.get(location.segment)
  if (state === undefined || location.offset >= state.endBytes) return false
  try {
    const file = parts.handles.take(location.segment)
    const source = {
      file,
      storeId: parts.storeId,
      segment: location.segment,
      sizeBytes: state.sizeBytes,
      acknowledgedBytes: state.endBytes,
    }
    const row = footerRowAt(source, location.offset)
    return row === 'none' ? true : row !== undefined && equalBytes(row.id, id)
  } catch (error) {
    if (!(error instanceof FilesError)) throw error
    return isFault(error, 'missing') ? false : undefined
  }
}
