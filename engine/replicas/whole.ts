// May this node say that nothing refers to a block? Only when all that any member is known to know of the folder is known here: not from an
// index that is empty, half loaded or cut off. Pure.

import { coversKnown, nothingKnown, type Known } from '../model/known.ts'
import type { PeerId } from '../model/ids.ts'
import type { Receipt } from './receipt.ts'

export interface Knowledge {
  /** What is known here, by author (`bytesKey`). */
  readonly known: ReadonlyMap<string, Known>
  /** Members other than this node that were not retired. */
  readonly others: readonly { readonly peer: PeerId; readonly mayWrite: boolean }[]
  readonly receiptOf: (peer: PeerId) => Receipt | undefined
  /** Members that are connected and have told all that they know. */
  readonly level: ReadonlySet<PeerId>
  /** More members went at once than are here: it may be this node's own link. */
  readonly isCutOff: boolean
}

export function isWhole({ known, others, receiptOf, level, isCutOff }: Knowledge): boolean {
  if (isCutOff || !others.some(({ peer, mayWrite }) => mayWrite && level.has(peer))) return false
  return others.every(({ peer, mayWrite }) => isHeard(known, receiptOf(peer), mayWrite))
}

/**
 * Whether a member's word shows that it can name nothing that is not known here. A member that may write and does not hold everything itself could
 * name blocks that it does not have, from entries that others have replaced since: it has to have heard of all that is known here. Who holds
 * everything brings what it names.
 */
export function isHeard(known: Knowledge['known'], receipt: Receipt | undefined, mayWrite: boolean): boolean {
  if (receipt === undefined || receipt.parts.length === 0) return false
  const theirs = receipt.parts.flatMap(({ heads }) => [...heads])
  if (!theirs.every(([author, heads]) => coversKnown(known.get(author) ?? nothingKnown, heads))) return false
  const hasAll = receipt.keep === 'all' && receipt.parts.every(({ lacking }) => lacking.size === 0)
  if (!mayWrite || hasAll) return true
  return [...known].every(([author, ours]) => receipt.parts.some(({ heads }) => coversKnown(heads.get(author) ?? nothingKnown, ours)))
}
