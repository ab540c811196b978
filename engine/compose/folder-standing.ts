// At the start of a folder's work: are index and folder of the same time? Whichever came from a backup, this node goes on as a new author,
// so that no sequence number is used twice; what is on disk is then looked at with the care that the case asks for.

import { toHex } from '../base/bytes.ts'
import { errorCodeOf, messageOf } from '../base/errors.ts'
import { FilesError } from '../base/files.ts'
import type { SessionFile } from '../disk/session.ts'
import type { Index } from '../index/index-store.ts'
import { incarnationBytes } from '../model/limits.ts'
import type { FolderHandle } from '../sync/folder-handle.ts'
import { judgeStanding, parseStanding, type Judgement, type Standing } from '../sync/standing.ts'
import type { EngineWorld } from './parts.ts'

export interface StandingParts {
  readonly world: Pick<EngineWorld, 'jobs' | 'random' | 'log'>
  readonly index: Index
  readonly handle: FolderHandle
}

const nonceBytes = 8
/** Whatever is in the folder was there before, until the session file tells the drive's time. */
const untilWritten = Number.MAX_SAFE_INTEGER

interface Begun {
  readonly judgement: Judgement
  /** Undefined where there was no room to write it. */
  readonly file: SessionFile | undefined
}

/**
 * Begins a session. Any other answer than 'same' and 'first': the folder has another author now and is to be opened anew. On a full disk
 * the session before goes on where it can: that is as safe as one that was never interrupted.
 */
export async function beginSession(parts: StandingParts, signal: AbortSignal): Promise<Begun> {
  const { world, index, handle } = parts
  const { root, row } = handle
  const known = parseStanding(index.folders.standing(row))
  const found = await world.jobs.run('readSession', { root }, { signal })
  const judgement = judgeStanding(known, found)
  const count = Math.max(known?.mark.count ?? 0, found?.mark.count ?? 0) + 1
  const mark = { count, nonce: toHex(world.random.bytes(nonceBytes)) }
  const restoredUs = judgement === 'folderIsOlder' ? untilWritten : known?.restoredUs
  // What the folder has, not what the row says: a session before this one may have begun in the row alone.
  const standing: Standing = { mark, before: found?.mark, place: undefined, restoredUs }
  try {
    noteSession(parts, judgement, standing)
  } catch (error) {
    if (judgement !== 'same' || restoredUs === untilWritten || !isFullDisk(error)) throw error
    return { judgement, file: undefined }
  }
  let file: SessionFile | undefined
  try {
    file = await world.jobs.run('writeSession', { root, mark }, { signal })
    const place = { ctimeUs: file.ctimeUs }
    const now: Standing = { ...standing, place, restoredUs: restoredUs === untilWritten ? place.ctimeUs : restoredUs }
    index.transact(() => index.folders.setStanding(row, JSON.stringify(now)))
  } catch (error) {
    if (restoredUs === untilWritten || !isFullDisk(error)) throw error
    world.log.warn('no room to write the session down', { folder: handle.record.name, error: messageOf(error) })
  }
  if (isOfOtherTime(judgement)) world.log.warn('index and folder are of different times', { folder: handle.record.name, judgement })
  return { judgement, file }
}

function isFullDisk(error: unknown): boolean {
  return (error instanceof FilesError && error.fault === 'noSpace') || errorCodeOf(error) === 'NO_SPACE'
}

function isOfOtherTime(judgement: Judgement): boolean {
  return judgement === 'indexIsOlder' || judgement === 'folderIsOlder'
}

function noteSession({ world, index, handle }: StandingParts, judgement: Judgement, standing: Standing): void {
  const { row } = handle
  index.transactDurably(() => {
    index.folders.setStanding(row, JSON.stringify(standing))
    if (isOfOtherTime(judgement)) index.folders.setIncarnation(row, world.random.bytes(incarnationBytes))
    if (judgement === 'indexIsOlder') index.renewId(world.random)
    // Whichever is older, what is missing on disk may never have been deleted: files may have been freed since the index was saved.
    if (isOfOtherTime(judgement)) index.items.doubtAll(row)
  })
}
