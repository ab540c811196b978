// Makes the index again from the segments while the store is in use, compares it with the one in use, and puts it in that one's place.
// Nobody waits but writes, and those only for what was written meanwhile and for the comparison.

import { present } from '../base/assert.ts'
import { compareBytes } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { EngineError } from '../base/errors.ts'
import type { Files } from '../base/files.ts'
import { silentLog } from '../base/log.ts'
import { throwIfAborted } from '../base/queue.ts'
import type { BlockId, FolderId } from '../model/ids.ts'
import type { GroupCommit } from './group-commit.ts'
import { Quarantine } from './quarantine.ts'
import type { Place } from './record.ts'
import { replaySegment } from './replay.ts'
import { ReadHandles } from './segment-directory.ts'
import type { IndexEntry, SegmentIndex } from './segment-index.ts'
import { SegmentTable } from './segment-table.ts'

export interface RebuildReport {
  readonly segments: number
  readonly blocks: number
  /** Blocks of the segments that the index had not. */
  readonly missing: number
  /** Blocks of the index that the segments have not. */
  readonly surplus: number
  /** Blocks that the index looked for at another place than the segments say. */
  readonly elsewhere: number
  /** Whether the index could be read at all; if not, nothing was compared. */
  readonly wasReadable: boolean
  readonly durationMs: number
}

export interface RebuildParts {
  readonly clock: Clock
  readonly index: SegmentIndex
  readonly table: SegmentTable
  readonly commits: GroupCommit
  /** What is known to be damaged: it is not counted on because it is in the log. */
  readonly quarantine: Quarantine
  /** Reads what the log says from a place on; gives how far the log went when this began. */
  readonly replay: (into: Replay, from: Place, signal: AbortSignal) => Promise<Place>
}

type Differences = Pick<RebuildReport, 'missing' | 'surplus' | 'elsewhere'>

const rowsPerPage = 4096
const foundMax = 10_000

/** Nobody may delete segments meanwhile. Throws FilesError, `DISK_FAILED`, `ABORTED`: the index in use stays then. */
export async function rebuildIndex(parts: RebuildParts, signal: AbortSignal): Promise<RebuildReport> {
  const { clock, index, table, commits, quarantine, replay } = parts
  const startMs = clock.monotonicMs()
  const draft = index.draft()
  const replayed = new SegmentTable()
  let differences: Differences = { missing: 0, surplus: 0, elsewhere: 0 }
  const wasReadable = index.damage === undefined
  const found = new Quarantine(foundMax)
  try {
    const into = { draft, replayed, found }
    const reached = await replay(into, { segment: 0, offset: 0 }, signal)
    await commits.exclusively(async () => {
      await replay(into, reached, signal)
      forgetDamaged(draft, quarantine)
      if (draft.damage !== undefined) throw new EngineError('DISK_FAILED', `the new index is damaged too: ${draft.damage}; check the disk`)
      if (index.damage === undefined) differences = await compare(parts, draft, signal)
      const checkpoint = table.checkpoint()
      if (checkpoint !== undefined) await index.adopt(draft, checkpoint)
      // The headers are not read again.
      for (const record of found.list()) if (record.reason !== 'segmentHeader') quarantine.add(record)
      for (const segment of replayed.leftovers()) if (table.get(segment) !== undefined) table.addLeftover(segment)
    })
  } catch (error) {
    await draft.drop()
    throw error
  }
  const durationMs = Math.round(clock.monotonicMs() - startMs)
  return { segments: table.all().length, blocks: index.totals().blocks, ...differences, wasReadable, durationMs }
}

/** What comes of reading the segments again. */
export interface Replay {
  readonly draft: SegmentIndex
  readonly replayed: SegmentTable
  readonly found: Quarantine
}

export interface SegmentReplayParts {
  readonly files: Files
  readonly directory: string
  readonly storeId: Uint8Array
  readonly clock: Clock
  readonly table: SegmentTable
}

/** `RebuildParts.replay` of segments on a disk. */
export function replaySegments({ files, directory, storeId, clock, table }: SegmentReplayParts): RebuildParts['replay'] {
  return async ({ draft, replayed, found }, from, signal) => {
    const handles = new ReadHandles(files, directory, 1)
    const replay = { storeId, clock, log: silentLog, index: draft, table: replayed, handles, quarantine: found }
    let reached = from
    try {
      for (const { number: segment, endBytes, sizeBytes } of table.all()) {
        if (segment < from.segment) continue
        const range = { acknowledged: endBytes, fromOffset: segment === from.segment ? from.offset : 0 }
        await replaySegment(replay, { segment, sizeBytes, header: undefined }, range, signal)
        reached = { segment, offset: endBytes }
        await saveDraft(draft, table)
      }
    } finally {
      handles.close()
    }
    return reached
  }
}

/** Writes down what is in memory of an index that is being made, when that is enough. */
export async function saveDraft(draft: SegmentIndex, table: SegmentTable): Promise<void> {
  if (draft.isDue) await draft.save(present(table.checkpoint(), 'there is a segment'))
}

function forgetDamaged(draft: SegmentIndex, quarantine: Quarantine): void {
  for (const { folder, id, segment, offset } of quarantine.list()) {
    if (folder === undefined || id === undefined) continue
    const place = draft.locate(folder, id)
    if (place?.segment === segment && place.offset === offset) draft.apply([{ kind: 'remove', folder, id }])
  }
}

async function compare({ index, clock }: RebuildParts, draft: SegmentIndex, signal: AbortSignal): Promise<Differences> {
  const found = { missing: 0, surplus: 0, elsewhere: 0 }
  // Both have the same folders, or one has a folder that is empty in the other.
  const folders = new Map([...index.folders(), ...draft.folders()].map((folder) => [folder.join(), folder]))
  for (const folder of folders.values()) {
    const left = entriesOf(index, folder, clock, signal)
    const right = entriesOf(draft, folder, clock, signal)
    let mine = await nextOf(left)
    let theirs = await nextOf(right)
    while (mine !== undefined || theirs !== undefined) {
      const order = mine === undefined ? 1 : theirs === undefined ? -1 : compareBytes(mine.id, theirs.id)
      if (order > 0) found.missing++
      else if (order < 0) found.surplus++
      else if (mine?.location.segment !== theirs?.location.segment || mine?.location.offset !== theirs?.location.offset) found.elsewhere++
      if (order <= 0) mine = await nextOf(left)
      if (order >= 0) theirs = await nextOf(right)
    }
  }
  return found
}

async function nextOf(entries: AsyncGenerator<IndexEntry>): Promise<IndexEntry | undefined> {
  const next = await entries.next()
  return next.done === true ? undefined : next.value
}

/** A page at a time, with a turn for others in between. */
async function* entriesOf(index: SegmentIndex, folder: FolderId, clock: Clock, signal: AbortSignal): AsyncGenerator<IndexEntry> {
  let after: BlockId | undefined
  for (;;) {
    throwIfAborted(signal)
    const page = index.entries(folder, after, rowsPerPage)
    yield* page
    after = page.at(-1)?.id
    if (page.length < rowsPerPage) return
    await clock.sleep(0, signal)
  }
}
