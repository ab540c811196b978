// From a peer's batch to rows: checked in a worker, then one transaction. What came is known; what a sender knows beyond that is taken over
// only once it says that nothing is left, since what supersedes an entry may come last, and only from one that may write: whoever may,
// can supersede any entry anyway, and nobody else is to be able to keep entries from others (decision 0044).

import { EngineError } from '../base/errors.ts'
import type { Jobs } from '../base/jobs.ts'
import type { Log } from '../base/log.ts'
import type { AuthorRow } from '../index/entry-table.ts'
import type { Index } from '../index/index-store.ts'
import { shortKeyOf } from '../index/columns.ts'
import { needRank } from '../index/need-table.ts'
import { decodeEntry, isPreferred, type Entry } from '../model/entry.ts'
import { decodeChangeSet, encodeChangeSet, entryHashBytes, parseChangeSet, type ChangeSet } from '../model/change-set.ts'
import { equalBytes } from '../base/bytes.ts'
import { peerIdOf, publicKeyOf } from '../crypto/identity.ts'
import type { PeerId } from '../model/ids.ts'
import { addKnown, nothingKnown, withoutKnown } from '../model/known.ts'
import { compareVectors } from '../model/vector.ts'
import type { Batch } from '../model/wire/exchange_pb.ts'
import { replaceSiblings } from './author.ts'
import type { checkEntries, EntryVerdict, IncomingEntry } from './check-entries-job.ts'
import { authorIdOf, type MemberHandle } from './folder-handle.ts'
import { chargeEntries, costOf, entryOverheadBytes, type EntryRoom } from './entry-room.ts'
import { firstForeignSeq, headsOf, type KnownHead } from './own-past.ts'
import type { FolderProblems } from './problems.ts'

export interface Membership {
  /** Whether entries of the node with this key count in the folder. */
  mayWrite(nodeKey: Uint8Array): boolean
}

export interface ReceiveParts {
  readonly index: Index
  readonly jobs: Jobs<{ readonly checkEntries: typeof checkEntries }>
  readonly handle: MemberHandle
  readonly membership: Membership
  readonly log: Log
  readonly problems: FolderProblems
  /** Members know changes in this node's name that it does not have; `seq` is the first of them. */
  readonly ownPastFound: (seq: number) => void
  /** Absent where this node has the folder's files: their entries are its own. */
  readonly entryRoom?: EntryRoom | undefined
}

export const batchEntriesMax = 1000
/** Of an author with more entries that are of no use, only what came is known. */
const unusableMax = 1000
/** How long a fault of another node is told after it was last seen. */
export const faultKeptMs = 3_600_000

interface CheckedBatch {
  readonly sets: readonly ChangeSet[]
  readonly entries: readonly IncomingEntry[]
  readonly verdicts: readonly EntryVerdict[]
  readonly heads: readonly KnownHead[]
}

/**
 * Checks and stores one batch; gives how many entries were new. Throws `BAD_SIGNATURE` or `PEER_MISBEHAVED` when the sender is
 * at fault, `NO_SPACE` when its entries would take too much; nothing of the batch is then stored.
 */
export async function receiveBatch(
  parts: ReceiveParts,
  peer: PeerId,
  indexId: Uint8Array,
  batch: Batch,
  signal: AbortSignal,
): Promise<number> {
  const checked = await checkBatch(parts, peer, batch, signal)
  const position = Number(batch.cursor)
  if (!Number.isSafeInteger(position)) throw misbehaved(peer, 'sent a cursor out of range')
  refuseOwnPast(parts, checked.heads, checked.sets)
  return parts.index.transact(() => {
    const stored = storeEntries(parts, checked)
    if (mayWrite(parts.membership, peer)) learnHeads(parts, checked.heads)
    parts.index.peers.setCursor(parts.handle.row, peer, { indexId, position })
    return stored
  })
}

function mayWrite(membership: Membership, peer: PeerId): boolean {
  const key = publicKeyOf(peer)
  return key !== undefined && membership.mayWrite(key)
}

function learnHeads({ index, handle }: ReceiveParts, heads: readonly KnownHead[]): void {
  for (const { author: id, mark: _, ...known } of heads) {
    const author = index.entries.author(handle.row, id)
    if (author === undefined) continue
    const unusable = index.entries.unusable(author.row, unusableMax)
    if (unusable.length < unusableMax) index.entries.learn(handle.row, author, withoutKnown(known, unusable))
  }
}

/** What could not be used comes once more from everybody: this program may be able to by now, or the entry is superseded. */
export function askAgainForUnusable(index: Index, { row }: MemberHandle): void {
  index.transact(() => {
    if (index.entries.forgetUnusable(row)) index.peers.dropCursors(row)
  })
}

/** Throws `CLOSED` when the member has heard from another self of this node. */
export function refuseOwnPast(
  { index, handle, ownPastFound }: Pick<ReceiveParts, 'index' | 'handle' | 'ownPastFound'>,
  heads: readonly KnownHead[],
  sets: readonly ChangeSet[],
): void {
  const seq = firstForeignSeq(index, handle, heads, sets)
  if (seq === undefined) return
  ownPastFound(seq)
  throw new EngineError('CLOSED', 'a member knows changes in the name of this node that it does not have: it goes on as another author')
}

async function checkBatch(parts: ReceiveParts, peer: PeerId, batch: Batch, signal: AbortSignal): Promise<CheckedBatch> {
  if (batch.entries.length > batchEntriesMax || batch.sets.length > batchEntriesMax) throw misbehaved(peer, 'sent a batch over the limit')
  const sets: ChangeSet[] = []
  for (const message of batch.sets) {
    const set = parseChangeSet(message)
    if (set === undefined) throw misbehaved(peer, 'sent a malformed change set')
    if (!parts.membership.mayWrite(set.nodeKey)) throw misbehaved(peer, 'sent entries of a node that may not write in this folder')
    sets.push(set)
  }
  const entries = batch.entries.map((ref) => ({ set: ref.set, position: ref.position, bytes: ref.entry }))
  const goodHeads = headsOf(batch.heads)
  if (goodHeads.length !== batch.heads.length) throw misbehaved(peer, 'sent a malformed head')
  const { handle, jobs } = parts
  if (entries.length === 0) return { sets, entries, verdicts: [], heads: goodHeads }
  const output = await jobs.run('checkEntries', { folder: handle.record.id, reading: handle.reading, sets, entries }, { signal })
  if (output.kind === 'forged') {
    throw new EngineError(
      'BAD_SIGNATURE',
      `entries from ${peer} were refused: ${output.reason}. They were dropped, another member is asked instead`,
    )
  }
  return { sets, entries, verdicts: output.verdicts, heads: goodHeads }
}

function storeEntries(parts: ReceiveParts, checked: CheckedBatch): number {
  const { index, handle } = parts
  const authors = new Map<number, AuthorRow>()
  const storedSets = new Set<number>()
  const forked = new Map<number, boolean>()
  const came = new Map<AuthorRow, number[]>()
  let stored = 0
  const cost = { entries: 0, signatures: 0 }
  for (const [at, incoming] of checked.entries.entries()) {
    const set = checked.sets[incoming.set]
    const verdict = checked.verdicts[at]
    if (set === undefined || verdict === undefined) continue
    let author = authors.get(incoming.set)
    author ??= index.entries.ensureAuthor(handle.row, authorIdOf(set.nodeKey, set.incarnation), set.nodeKey, set.incarnation)
    authors.set(incoming.set, author)
    const seq = set.firstSeq + incoming.position
    const entry = verdict.kind === 'unusable' ? undefined : decodeEntry(incoming.bytes)
    if (isForked(parts, forked, incoming.set, set, author)) continue
    if (verdict.kind === 'unusable' || entry === undefined) {
      index.entries.noteUnusable(author.row, seq)
      cost.entries += entryOverheadBytes
      tellUnusable(parts, author.row, verdict.kind === 'unusable' ? verdict.reason : 'it is malformed')
      continue
    }
    numbersOf(came, author).push(seq)
    const costs = storeEntry(parts, entry, incoming.bytes, author.row, seq, verdict)
    if (costs === undefined) continue
    cost.entries += costs
    stored++
    if (storedSets.has(incoming.set)) continue
    storedSets.add(incoming.set)
    const signed = encodeChangeSet(set)
    index.entries.insertChangeSet(author.row, set.firstSeq, set.hashes.length / entryHashBytes, signed)
    cost.signatures += costOf(signed)
  }
  if (parts.entryRoom !== undefined) chargeEntries(index, handle.row, parts.entryRoom, cost)
  for (const [author, numbers] of came) index.entries.learn(handle.row, author, addKnown(nothingKnown, numbers))
  return stored
}

function numbersOf(came: Map<AuthorRow, number[]>, author: AuthorRow): number[] {
  const known = came.get(author)
  if (known !== undefined) return known
  const made: number[] = []
  came.set(author, made)
  return made
}

/** True when the author has signed something else under these numbers, which is here: that stays, and this is left out. */
function isForked(parts: ReceiveParts, judged: Map<number, boolean>, at: number, set: ChangeSet, author: AuthorRow): boolean {
  const known = judged.get(at)
  if (known !== undefined) return known
  const last = set.firstSeq + set.hashes.length / entryHashBytes - 1
  const stored = parts.index.entries.changeSetOver(author.row, set.firstSeq, last)
  const other = stored === undefined ? undefined : decodeChangeSet(stored)
  const isOther = other !== undefined && (other.firstSeq !== set.firstSeq || !equalBytes(other.hashes, set.hashes))
  judged.set(at, isOther)
  if (isOther) tellFork(parts, set)
  return isOther
}

/** What it costs beside what it takes the place of; undefined when the index has this version or a later one. */
function storeEntry(
  parts: ReceiveParts,
  entry: Entry,
  bytes: Uint8Array,
  author: number,
  seq: number,
  verdict: Exclude<EntryVerdict, { readonly kind: 'unusable' }>,
): number | undefined {
  const { index, handle } = parts
  const pathKey = shortKeyOf(entry.entryId)
  const siblings = index.entries.siblings(handle.row, entry.entryId)
  for (const sibling of siblings) {
    const order = compareVectors(entry.vector, sibling.entry.vector)
    if (order === 'before') return undefined
    if (order === 'equal' && !isPreferred(entry, bytes, sibling.entry, sibling.bytes)) return undefined
  }
  const concurrent = replaceSiblings(index, entry, siblings)
  index.entries.insert(handle.row, entry, bytes, author, seq)
  if (verdict.kind !== 'sealed') {
    index.needs.put(handle.row, pathKey, needRank(verdict.depth, entry.deleted && concurrent.length === 0), verdict.sizeBytes)
  }
  const replaced = siblings.filter((sibling) => !concurrent.includes(sibling))
  return replaced.reduce((left, sibling) => left - costOf(sibling.bytes), costOf(bytes))
}

function tellUnusable(parts: ReceiveParts, author: number, reason: string): void {
  parts.log.warn('refused an entry', { folder: parts.handle.record.name, author, reason })
  parts.problems.note(
    {
      code: 'BAD_ENTRY',
      severity: 'warning',
      text: `a member wrote an entry that cannot be used: ${reason}. It was left out.`,
      next: 'Update Holdfast on all members; if it stays, remove the member that wrote it.',
    },
    faultKeptMs,
  )
}

function tellFork(parts: ReceiveParts, { nodeKey, firstSeq }: ChangeSet): void {
  const author = peerIdOf(nodeKey)
  parts.log.warn('an author signed two different changes under one number', { folder: parts.handle.record.name, author, seq: firstSeq })
  parts.problems.note(
    {
      code: 'AUTHOR_FORKED',
      severity: 'warning',
      path: author,
      text: `${author} signed two different changes under one number: the one that came first counts here, the other was left out`,
      next: 'A copy of that machine or of its home runs elsewhere, or it lies: stop the copy, or remove the member.',
    },
    faultKeptMs,
  )
}

function misbehaved(peer: PeerId, what: string): EngineError {
  return new EngineError('PEER_MISBEHAVED', `${peer} ${what}; the connection for this folder was closed and is tried again later`)
}
