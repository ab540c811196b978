// At the start of a folder's work: are index and folder of the same time? Whichever came from a backup, this node goes on as a new author,
// so that no sequence number is used twice; what is on disk is then looked at with the care that the case asks for.

import { toHex } from '../base/bytes.ts'
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

/** Begins a session. Any other answer than 'same' and 'first': the folder has another author now and is to be opened anew. */
export async function beginSession(parts: StandingParts, signal: AbortSignal): Promise<Judgement> {
  const { world, index, handle } = parts
  const { root, row } = handle
  const known = parseStanding(index.folders.standing(row))
  const found = await world.jobs.run('readSession', { root }, { signal })
  const judgement = judgeStanding(known, found)
  const count = Math.max(known?.mark.count ?? 0, found?.mark.count ?? 0) + 1
  const mark = { count, nonce: toHex(world.random.bytes(nonceBytes)) }
  const isOtherTime = judgement === 'indexIsOlder' || judgement === 'folderIsOlder'
  const restoredUs = judgement === 'folderIsOlder' ? untilWritten : known?.restoredUs
  // What the folder has, not what the row says: a session before this one may have begun in the row alone.
  const standing: Standing = { mark, before: found?.mark, place: undefined, restoredUs }
  index.transactDurably(() => {
    index.folders.setStanding(row, JSON.stringify(standing))
    if (isOtherTime) index.folders.setIncarnation(row, world.random.bytes(incarnationBytes))
    if (judgement === 'indexIsOlder') index.renewId(world.random)
    if (judgement === 'folderIsOlder') index.items.doubtAll(row)
  })
  const place = await world.jobs.run('writeSession', { root, mark }, { signal })
  const now: Standing = { ...standing, place, restoredUs: restoredUs === untilWritten ? place.ctimeUs : restoredUs }
  index.transact(() => index.folders.setStanding(row, JSON.stringify(now)))
  if (isOtherTime) world.log.warn('index and folder are of different times', { folder: handle.record.name, judgement })
  return judgement
}
