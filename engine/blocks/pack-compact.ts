// Gives back the room of dead records in an object storage, and makes few large packs of many small ones: fetches packs, puts what is
// needed of them into new ones, then deletes them. Every step may be the last before a crash, as in compact.ts.

import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { ObjectsError } from '../base/objects.ts'
import { throwIfAborted } from '../base/queue.ts'
import { parseBlockId, parseFolderId, type BlockId, type FolderId } from '../model/ids.ts'
import { checkRecord } from './block-reader.ts'
import type { CompactionReport } from './compact.ts'
import type { FooterRow } from './footer.ts'
import type { GroupCommit, Step } from './group-commit.ts'
import { loadSegment } from './load-segment.ts'
import type { PackLog } from './pack-log.ts'
import { fetchPack, type PackReadParts } from './pack-reader.ts'
import { packKey, type PackFile } from './packs.ts'
import type { DamageReason } from './quarantine.ts'
import { damagedFlag, recordBytesOf, recordTypes } from './record.ts'
import type { BlockLocation, SegmentIndex } from './segment-index.ts'
import type { SegmentLimits } from './segment-limits.ts'
import type { SegmentState, SegmentTable } from './segment-table.ts'

export interface PackCompactionParts extends PackReadParts {
  readonly clock: Clock
  readonly log: Log
  readonly limits: SegmentLimits
  /** A pack below this is small. */
  readonly smallPackBytes: number
  /** So many small ones are made into one. */
  readonly smallPacksMin: number
  readonly index: SegmentIndex
  readonly table: SegmentTable
  readonly commits: GroupCommit
  readonly packs: PackLog
  readonly lose: (folder: FolderId, id: BlockId, location: BlockLocation, damage: DamageReason) => void
}

/** What has been fetched and is to be written into new packs before its victims may go. */
interface Batch {
  readonly victims: SegmentState[]
  readonly moves: Step[]
  readonly tombstones: Step[]
  bytes: number
}

/** One pass. Throws `ABORTED`, ObjectsError, and what a commit throws; what was done by then stays done. */
export async function compactPacks(parts: PackCompactionParts, signal: AbortSignal): Promise<CompactionReport> {
  const report = { segments: 0, freedBytes: 0 }
  let batch = newBatch()
  for (const victim of chooseVictims(parts)) {
    throwIfAborted(signal)
    const file = await fetchPack(parts, victim.number, signal)
    if (file === undefined) continue // gone from the bucket: reads tell what is lost with it
    // Should this stop halfway, blocks are twice in the log, and tombstones of the copies must not go before the object does.
    parts.table.addLeftover(victim.number)
    await gather(parts, victim, file, batch, signal)
    if (batch.bytes < parts.limits.groupBytesMax) continue
    await finish(parts, batch, report, signal)
    batch = newBatch()
  }
  await finish(parts, batch, report, signal)
  return report
}

function newBatch(): Batch {
  return { victims: [], moves: [], tombstones: [], bytes: 0 }
}

/** Never the newest: its number must not be given again. Those with little alive first: they cost little and give much. */
function chooseVictims({ table, index, packs, limits, smallPackBytes, smallPacksMin }: PackCompactionParts): readonly SegmentState[] {
  const open = table
    .all()
    .slice(0, -1)
    .filter(({ number, hasUnknownRecords }) => !hasUnknownRecords && !packs.voiding.has(number))
  const deadShareOf = (state: SegmentState): number => table.deadBytes(state, index.liveIn(state.number)) / Math.max(1, state.endBytes)
  const small = open.filter(({ sizeBytes }) => sizeBytes < smallPackBytes)
  const chosen = new Set(small.length >= smallPacksMin ? small : [])
  for (const state of open) {
    if (table.isLeftover(state.number) || !state.hasFooter || deadShareOf(state) > limits.compactDeadShare) chosen.add(state)
  }
  const liveBytes = (state: SegmentState): number => index.liveIn(state.number).payloadBytes
  return [...chosen].toSorted((left, right) => liveBytes(left) - liveBytes(right))
}

async function gather(parts: PackCompactionParts, victim: SegmentState, file: PackFile, batch: Batch, signal: AbortSignal): Promise<void> {
  const { storeId, clock } = parts
  batch.victims.push(victim)
  const source = { file, storeId, segment: victim.number, sizeBytes: file.sizeBytes, acknowledgedBytes: undefined }
  for await (const events of loadSegment(source, clock, signal)) {
    for (const event of events) {
      const step = event.kind === 'row' ? stepFor(parts, victim, file, event.row) : undefined
      if (step?.kind === 'tombstone') batch.tombstones.push(step)
      if (step?.kind !== 'move') continue
      batch.moves.push(step)
      batch.bytes += recordBytesOf(step.block.bytes.length)
    }
  }
}

/** What of a row has to live on: a block that the index finds here, or a tombstone that is needed. */
function stepFor(parts: PackCompactionParts, victim: SegmentState, file: PackFile, row: FooterRow): Step | undefined {
  const { index, table, storeId } = parts
  const folder = parseFolderId(row.folder.slice())
  const id = parseBlockId(row.id.slice())
  if (folder === undefined || id === undefined) return undefined
  if (row.type === recordTypes.tombstone) {
    if (row.kills === undefined || !table.isTombstoneNeeded(row.kills.segment, victim.number)) return undefined
    return { kind: 'tombstone', folder, id, kills: row.kills, isDamage: (row.flags & damagedFlag) !== 0 }
  }
  const from = index.locate(folder, id)
  if (row.type !== recordTypes.put || from?.segment !== victim.number || from.offset !== row.offset) return undefined
  // Copied: a view would keep the whole pack in memory.
  const bytes = new Uint8Array(recordBytesOf(from.payloadBytes))
  const read = checkRecord(bytes.subarray(0, file.read(bytes, from.offset)), storeId, folder, id, from)
  if (read.bytes === undefined) {
    parts.lose(folder, id, from, read.damage)
    return undefined
  }
  return { kind: 'move', block: { folder, id, bytes: read.bytes }, from }
}

async function finish(
  parts: PackCompactionParts,
  { victims, moves, tombstones }: Batch,
  report: { segments: number; freedBytes: number },
  signal: AbortSignal,
): Promise<void> {
  const { commits, index, table, objects, log } = parts
  await commits.commit(moves)
  await commits.commit(tombstones)
  for (const { number, sizeBytes } of victims) {
    throwIfAborted(signal)
    if (index.liveIn(number).blocks > 0) {
      log.error('a pack still has live blocks after compaction: it stays', { pack: number })
      continue
    }
    try {
      await objects.delete(packKey(number), signal)
    } catch (error) {
      if (!(error instanceof ObjectsError)) throw error
      log.warn('could not delete a pack; the next compaction tries again', { pack: number, cause: messageOf(error) })
      continue
    }
    table.delete(number)
    table.confirmDeletions()
    report.segments++
    report.freedBytes += sizeBytes
  }
}
