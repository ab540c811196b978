// What scrub needs of a store of segments: where to read, what of the things that stand there is in use, and a way to let go of what the disk
// does not give. Reading is a job's (scrub-segment-job.ts), elsewhere; whatever it says may be of a moment ago, and is looked up again here.
// That of packs is pack-inspection.ts.

import type { Clock } from '../base/clock.ts'
import { EngineError } from '../base/errors.ts'
import type { BlockId, FolderId } from '../model/ids.ts'
import { parseBlockId, parseFolderId } from '../model/ids.ts'
import type { CompactionParts } from './compact.ts'
import type { MissingSegments } from './missing-segments.ts'
import { segmentHeaderBytes } from './record.ts'
import { isMarkedAs, segmentPath } from './segment-directory.ts'
import type { BlockLocation, SegmentIndex } from './segment-index.ts'
import { summarize, type SegmentSummary, type WalkParts } from './segment-walk.ts'
import type { FoundRecord, ScrubSegmentOutput } from './scrub-segment-job.ts'

export interface SegmentSource {
  readonly path: string
  readonly storeId: Uint8Array
  readonly segment: number
  /** Where its records begin, and where those end that were acknowledged by now. */
  readonly startBytes: number
  readonly endBytes: number
  /** Blocks of it in use now. */
  readonly liveBlocks: number
}

export interface PlacedBlock {
  readonly folder: FolderId
  readonly id: BlockId
  readonly offset: number
}

export interface SegmentInspection {
  /** Looks whether every segment still has its file, and lets go of those that have none; absent where that costs money. Throws `ABORTED`, `DISK_FAILED`. */
  readonly lookForMissing?: (signal: AbortSignal) => Promise<void>
  segments(): readonly SegmentSummary[]
  /** Reads to the end, where no job can: what is in an object storage. Throws EngineError when that does not answer. */
  readonly read?: (source: SegmentSource, fromBytes: number, signal: AbortSignal) => Promise<ScrubSegmentOutput>
  /** undefined for a segment that went. */
  source(segment: number): SegmentSource | undefined
  /** The block that a record of a moment ago is in use as, now and there; undefined when it is not, or stands elsewhere by now. */
  inUse(segment: number, record: FoundRecord): PlacedBlock | undefined
  /** The file of the segment is opened again for the next read: one that was deleted could be read on as long as it is open, and not after that. */
  reopen(segment: number): void
  /** The blocks that the index looks for between two places of a segment, by going through the whole index. */
  blocksBetween(segment: number, fromBytes: number, toBytes: number, signal: AbortSignal): AsyncGenerator<PlacedBlock>
  /**
   * The disk does not give this block, though it gives others: it counts as damaged from now on. Throws `DISK_FAILED` when the store's marker
   * cannot be read either: then it is the disk that is gone, and nothing is lost yet.
   */
  giveUp(segment: number, block: PlacedBlock): void
}

const entriesPerPage = 4096

/** What of the things that stand in a segment is in use, as the index has it now. */
export function placedBlocks(
  index: SegmentIndex,
  clock: Clock,
): Pick<SegmentInspection, 'inUse' | 'blocksBetween'> & {
  readonly locationOf: (segment: number, block: PlacedBlock) => BlockLocation | undefined
} {
  const placeOf = (segment: number, folder: FolderId, id: BlockId, offset: number): BlockLocation | undefined => {
    const place = index.locate(folder, id)
    return place?.segment === segment && place.offset === offset ? place : undefined
  }
  return {
    locationOf: (segment, { folder, id, offset }) => placeOf(segment, folder, id, offset),
    inUse: (segment, record) => {
      const folder = parseFolderId(record.folder)
      const id = parseBlockId(record.id)
      if (folder === undefined || id === undefined) return undefined
      return placeOf(segment, folder, id, record.offset) === undefined ? undefined : { folder, id, offset: record.offset }
    },
    async *blocksBetween(segment, fromBytes, toBytes, signal) {
      for (const folder of index.folders()) {
        let after: BlockId | undefined
        for (;;) {
          const page = index.entries(folder, after, entriesPerPage)
          for (const { id, location } of page) {
            const isThere = location.segment === segment && location.offset >= fromBytes && location.offset < toBytes
            if (isThere) yield { folder, id, offset: location.offset }
          }
          after = page.at(-1)?.id
          if (page.length < entriesPerPage) break
          await clock.sleep(0, signal)
        }
      }
    },
  }
}

export function inspectionOf(parts: WalkParts, missing: MissingSegments, lose: CompactionParts['lose']): SegmentInspection {
  const { files, directory, storeId, index, table, clock, handles } = parts
  const { inUse, blocksBetween, locationOf } = placedBlocks(index, clock)
  return {
    inUse,
    blocksBetween,
    lookForMissing: (signal) => missing.look(signal),
    segments: () => summarize(parts),
    source: (segment) => {
      const state = table.get(segment)
      if (state === undefined) return undefined
      const { blocks: liveBlocks } = index.liveIn(segment)
      const path = segmentPath(directory, segment)
      return { path, storeId, segment, startBytes: segmentHeaderBytes, endBytes: state.endBytes, liveBlocks }
    },
    reopen: (segment) => handles.drop(segment),
    giveUp: (segment, block) => {
      const location = locationOf(segment, block)
      if (location === undefined) return
      if (!isMarkedAs(files, directory, storeId)) {
        throw new EngineError('DISK_FAILED', `reading a block: the block store is not in ${directory} any more; mount its disk there again`)
      }
      lose(block.folder, block.id, location, 'unreadable')
    },
  }
}
