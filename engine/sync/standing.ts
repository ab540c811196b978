// Whether index and folder are of the same time. Pure: compose/folder-standing.ts reads and writes both sides.

import type { FoundSession, SessionMark, SessionPlace } from '../disk/session.ts'

/** What the index has of the session; as JSON in the folder's row. */
export interface Standing {
  readonly mark: SessionMark
  readonly before: SessionMark | undefined
  /** Where the folder has it; undefined until it was written there. */
  readonly place: SessionPlace | undefined
  /**
   * When the folder was last found to come from a backup, by its drive's clock: what changed later there did not come with it. Undefined
   * once all that came with it was looked at.
   */
  readonly restoredUs?: number | undefined
}

export type Judgement =
  /** There is nothing to compare: a folder that is new here. */
  | 'first'
  | 'same'
  /** The index is from before the folder's last session: from an old backup, or a copy of it runs elsewhere. */
  | 'indexIsOlder'
  /** The folder's files came from a backup or a copy: what is missing was not deleted, what is older is no edit. */
  | 'folderIsOlder'

export function judgeStanding(known: Standing | undefined, found: FoundSession | undefined): Judgement {
  if (known === undefined) return 'first'
  // Between the row and the file there may have been a crash: then the file is missing, or the one before.
  const isBetween = known.place === undefined
  if (found === undefined) return isBetween ? 'same' : 'folderIsOlder'
  if (isSameMark(known.mark, found.mark)) return known.place !== undefined && isElsewhere(known.place, found) ? 'folderIsOlder' : 'same'
  if (isBetween && known.before !== undefined && isSameMark(known.before, found.mark)) return 'same'
  return found.mark.count < known.mark.count ? 'folderIsOlder' : 'indexIsOlder'
}

function isSameMark(left: SessionMark, right: SessionMark): boolean {
  return left.count === right.count && left.nonce === right.nonce
}

/** After a power cut the file's time may be that of a moment before. */
const earlierSlackUs = 500_000
/** A network drive may tell the time of its last rename a moment later. No copy is made that soon. */
const laterSlackUs = 10_000
/** FAT keeps times in steps of two seconds: a file has another time after the next mount, a whole second then. */
const roundedSlackUs = 2_000_000
const secondUs = 1_000_000

/**
 * The change time cannot be set, and a copy's is later than that of what was written when the session began. The inode's number does not
 * tell: a restored file may well get the one that was free.
 */
function isElsewhere(known: SessionPlace, found: SessionPlace): boolean {
  const laterUs = found.ctimeUs - known.ctimeUs
  // Where even the first look gave a whole second, nothing is rounded afterwards.
  if (isWholeSecond(found) && !isWholeSecond(known)) return Math.abs(laterUs) > roundedSlackUs
  return laterUs > laterSlackUs || -laterUs > earlierSlackUs
}

function isWholeSecond({ ctimeUs }: SessionPlace): boolean {
  return ctimeUs % secondUs === 0
}

export function parseStanding(text: string): Standing | undefined {
  return text === '' ? undefined : (JSON.parse(text) as Standing) // the index is trusted
}
