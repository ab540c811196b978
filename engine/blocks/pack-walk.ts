// Going through a store of packs: for scrub, for making the index again, and for telling a damaged record from an index that is wrong.

import { equalBytes } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { silentLog } from '../base/log.ts'
import type { BlockId } from '../model/ids.ts'
import { footerRowAt } from './load-segment.ts'
import { fetchRows, type PackReadParts } from './pack-reader.ts'
import type { RebuildParts } from './rebuild.ts'
import type { Place } from './record.ts'
import { replaySegment } from './replay.ts'
import type { BlockLocation, SegmentIndex } from './segment-index.ts'
import { saveDraft } from './rebuild.ts'
import type { SegmentTable } from './segment-table.ts'
import { heldIn, type HeldBlock } from './segment-walk.ts'

export interface PackWalkParts extends PackReadParts {
  readonly clock: Clock
  readonly index: SegmentIndex
  readonly table: SegmentTable
}

/** As `heldBlocks`. Throws ObjectsError. */
export async function* packedBlocks(parts: PackWalkParts, from: Place, signal: AbortSignal): AsyncGenerator<readonly HeldBlock[]> {
  const state = parts.table.get(from.segment)
  if (state === undefined) return
  const { sizeBytes } = state
  const file = await fetchRows(parts, { pack: from.segment, sizeBytes }, signal)
  if (file === undefined) return
  const source = { file, storeId: parts.storeId, segment: from.segment, sizeBytes, acknowledgedBytes: undefined }
  yield* heldIn(parts, source, from.offset, signal)
}

/** Whether the pack itself says that this block was stored at that place; also when the pack is gone. Throws ObjectsError. */
export async function isPackedAt(parts: PackWalkParts, location: BlockLocation, id: BlockId, signal: AbortSignal): Promise<boolean> {
  const { storeId, table } = parts
  const sizeBytes = table.get(location.segment)?.sizeBytes
  if (sizeBytes === undefined) return false
  const file = await fetchRows(parts, { pack: location.segment, sizeBytes }, signal)
  if (file === undefined) return true
  const row = footerRowAt({ file, storeId, segment: location.segment, sizeBytes, acknowledgedBytes: undefined }, location.offset)
  return row === 'none' || (row !== undefined && equalBytes(row.id, id))
}

/** For rebuild.ts: reads the rows of all packs behind `from`. */
export function replayPacks(parts: PackWalkParts): RebuildParts['replay'] {
  return async ({ draft, replayed, found }, from, signal) => {
    const { table, storeId, clock } = parts
    let reached = from
    for (const { number: pack, sizeBytes, endBytes } of table.all()) {
      if (pack <= from.segment) continue
      const file = await fetchRows(parts, { pack, sizeBytes }, signal)
      if (file === undefined) found.add({ segment: pack, offset: 0, sizeBytes, reason: 'truncated' })
      else {
        const handles = { take: () => file }
        const replay = { storeId, clock, log: silentLog, index: draft, table: replayed, handles, quarantine: found }
        await replaySegment(replay, { segment: pack, sizeBytes, header: undefined }, { acknowledged: endBytes, fromOffset: 0 }, signal)
      }
      reached = { segment: pack, offset: endBytes }
      await saveDraft(draft, table)
    }
    return reached
  }
}
