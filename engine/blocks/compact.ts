// Gives back the space of dead records: copies what is live to the end of the log, syncs, switches the index, then deletes the file.
// Every step may be the last before a crash: the log then holds a block twice, the later one counts, and the old file is compacted again.
// Tombstones are copied while SegmentTable says that they are needed, and a file's deletion is synced before that changes.

import type { Clock } from '../base/clock.ts'
import { errorCodeOf, messageOf } from '../base/errors.ts'
import { FilesError, type Files } from '../base/files.ts'
import { whenFree } from '../base/held-names.ts'
import type { Log } from '../base/log.ts'
import { throwIfAborted } from '../base/queue.ts'
import type { Reserve } from '../base/reserve.ts'
import { parseBlockId, parseFolderId, type BlockId, type FolderId } from '../model/ids.ts'
import { readBlock } from './block-reader.ts'
import type { FooterRow } from './footer.ts'
import type { GroupCommit, Step } from './group-commit.ts'
import { loadSegment } from './load-segment.ts'
import type { DamageReason } from './quarantine.ts'
import { damagedFlag, recordBytesOf, recordTypes } from './record.ts'
import { segmentPath, type ReadHandles } from './segment-directory.ts'
import type { BlockLocation, SegmentIndex } from './segment-index.ts'
import type { SegmentLimits } from './segment-limits.ts'
import type { SegmentLog } from './segment-log.ts'
import type { SegmentState, SegmentTable } from './segment-table.ts'

export interface CompactionReport {
  readonly segments: number
  /** Of the deleted files; what was copied took some of it again. */
  readonly freedBytes: number
}

export interface CompactionParts {
  readonly files: Files
  readonly directory: string
  readonly storeId: Uint8Array
  readonly clock: Clock
  readonly log: Log
  readonly limits: SegmentLimits
  readonly index: SegmentIndex
  readonly table: SegmentTable
  readonly handles: ReadHandles
  readonly commits: GroupCommit
  readonly segments: SegmentLog
  readonly reserve: Reserve
  /** Tells the store that a live block turned out damaged; the block is not in the index afterwards. */
  readonly lose: (folder: FolderId, id: BlockId, location: BlockLocation, damage: DamageReason) => void
}

/** One pass over the segments worth it. Throws `ABORTED`, `NO_SPACE`, `STORE_READ_ONLY`, `DISK_FAILED`; what was done by then stays done. */
export async function compactSegments(parts: CompactionParts, signal: AbortSignal): Promise<CompactionReport> {
  await rollActive(parts)
  let segments = 0
  let freedBytes = 0
  for (const victim of chooseVictims(parts)) {
    throwIfAborted(signal)
    if (!canGo(parts, victim)) continue
    try {
      if (!(await compactOne(parts, victim, signal))) continue
    } catch (error) {
      if (!(error instanceof FilesError)) throw error
      parts.log.warn('could not compact a segment', { segment: victim.number, cause: messageOf(error) })
      continue
    }
    segments++
    freedBytes += victim.sizeBytes
  }
  return { segments, freedBytes }
}

function deadShareOf(parts: CompactionParts, state: SegmentState): number {
  return parts.table.deadBytes(state, parts.index.liveIn(state.number)) / Math.max(1, state.endBytes)
}

/** The active segment is sealed when it would be worth compacting; where the reserve does not give it room for that either, it just stays. */
async function rollActive(parts: CompactionParts): Promise<void> {
  await parts.commits.exclusively(async () => {
    const active = parts.segments.activeSegment
    if (active === undefined || deadShareOf(parts, active) <= parts.limits.compactDeadShare) return
    if (parts.table.deadBytes(active, parts.index.liveIn(active.number)) < parts.limits.compactActiveDeadBytesMin) return
    if (!(await rolls(parts)) && parts.reserve.release()) await rolls(parts)
  })
}

async function rolls({ segments }: CompactionParts): Promise<boolean> {
  try {
    await segments.roll()
    return true
  } catch (error) {
    if (errorCodeOf(error) !== 'NO_SPACE') throw error
    return false
  }
}

/** Damaged and given-up ones first, then by what has to be copied: those with nothing live cost nothing and make room for the others. */
function chooseVictims(parts: CompactionParts): readonly SegmentState[] {
  const active = parts.segments.activeSegment
  const sealed = parts.table.all().filter((state) => state !== active)
  const broken = sealed.filter((state) => !state.hasFooter || parts.table.isLeftover(state.number))
  const worthIt = sealed.filter((state) => !broken.includes(state) && deadShareOf(parts, state) > parts.limits.compactDeadShare)
  const liveBytes = (state: SegmentState): number => parts.index.liveIn(state.number).payloadBytes
  return [...broken, ...worthIt.toSorted((left, right) => liveBytes(left) - liveBytes(right))]
}

function canGo(parts: CompactionParts, victim: SegmentState): boolean {
  if (victim.hasUnknownRecords) return false
  // Only the header of this one says where a predecessor without a footer ends.
  const previous = parts.table.get(victim.previousSegment)
  return previous === undefined || previous.hasFooter
}

async function compactOne(parts: CompactionParts, victim: SegmentState, signal: AbortSignal): Promise<boolean> {
  const { files, directory, index, table, handles } = parts
  // Should this stop halfway, blocks are twice in the log, and tombstones of the copies must not go before the file does.
  table.addLeftover(victim.number)
  await copyNeeded(parts, victim, signal)
  if (index.liveIn(victim.number).blocks > 0) {
    parts.log.error('a segment still has live blocks after compaction: it stays', { segment: victim.number })
    return false
  }
  throwIfAborted(signal)
  handles.drop(victim.number)
  await whenFree(parts.clock, () => files.unlink(segmentPath(directory, victim.number)))
  table.delete(victim.number)
  await files.syncDirectory(directory)
  table.confirmDeletions()
  return true
}

async function copyNeeded(parts: CompactionParts, victim: SegmentState, signal: AbortSignal): Promise<void> {
  const { files, directory, storeId, clock, limits, commits } = parts
  // A handle of its own: the cached one may be closed by reads that come between.
  const file = files.open(segmentPath(directory, victim.number), 'read')
  try {
    const acknowledgedBytes = victim.hasFooter ? undefined : victim.endBytes
    const source = { file, storeId, segment: victim.number, sizeBytes: file.stat().sizeBytes, acknowledgedBytes }
    let moves: Step[] = []
    let movedBytes = 0
    const tombstones: Step[] = []
    for await (const batch of loadSegment(source, clock, signal)) {
      for (const event of batch) {
        const step = event.kind === 'row' ? stepFor(parts, victim, event.row) : undefined
        if (step?.kind === 'tombstone') tombstones.push(step)
        if (step?.kind !== 'move') continue
        moves.push(step)
        movedBytes += recordBytesOf(step.block.bytes.length)
        if (moves.length < limits.groupBlocksMax && movedBytes < limits.groupBytesMax) continue
        await commits.commit(moves)
        throwIfAborted(signal)
        moves = []
        movedBytes = 0
      }
    }
    await commits.commit(moves)
    await commits.commit(tombstones)
  } finally {
    file.close()
  }
}

/** What of a row has to live on: a block that the index finds here, or a tombstone that is needed. */
function stepFor(parts: CompactionParts, victim: SegmentState, row: FooterRow): Step | undefined {
  const folder = parseFolderId(row.folder.slice())
  const id = parseBlockId(row.id.slice())
  if (folder === undefined || id === undefined) return undefined
  if (row.type === recordTypes.tombstone) {
    if (row.kills === undefined || !parts.table.isTombstoneNeeded(row.kills.segment, victim.number)) return undefined
    return { kind: 'tombstone', folder, id, kills: row.kills, isDamage: (row.flags & damagedFlag) !== 0 }
  }
  const from = parts.index.locate(folder, id)
  if (row.type !== recordTypes.put || from?.segment !== victim.number || from.offset !== row.offset) return undefined
  const read = readBlock(parts.handles, parts.storeId, folder, id, from)
  if (read.bytes === undefined) {
    parts.lose(folder, id, from, read.damage)
    return undefined
  }
  return { kind: 'move', block: { folder, id, bytes: read.bytes }, from }
}
