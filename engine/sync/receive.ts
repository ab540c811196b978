// From a peer's batch to rows: checked in a worker, then one transaction. Heads move only when the sender says that nothing is
// left: until then an entry that was superseded at the sender may be missing here together with the one that supersedes it.

import { EngineError } from '../base/errors.ts'
import type { Jobs } from '../base/jobs.ts'
import type { Log } from '../base/log.ts'
import type { Index } from '../index/index-store.ts'
import { shortKeyOf } from '../index/columns.ts'
import { needRank } from '../index/need-table.ts'
import { decodeEntry, isPreferred, type Entry } from '../model/entry.ts'
import { encodeChangeSet, entryHashBytes, parseChangeSet, type ChangeSet } from '../model/change-set.ts'
import { parseAuthorId, type PeerId } from '../model/ids.ts'
import { compareVectors } from '../model/vector.ts'
import type { Batch } from '../model/wire/exchange_pb.ts'
import { replaceSiblings } from './author.ts'
import type { checkEntries, EntryVerdict, IncomingEntry } from './check-entries-job.ts'
import { authorIdOf, type MemberHandle } from './folder-handle.ts'
import { firstForeignSeq, type KnownHead } from './own-past.ts'
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
}

export const batchEntriesMax = 1000
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
 * at fault; nothing of the batch is then stored.
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
    for (const head of checked.heads) {
      const author = parts.index.entries.author(parts.handle.row, head.author)
      if (author !== undefined) parts.index.entries.raiseHead(parts.handle.row, author, head.seq)
    }
    parts.index.peers.setCursor(parts.handle.row, peer, { indexId, position })
    return stored
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

/** Those that are well formed. */
export function headsOf(
  heads: readonly { readonly author: Uint8Array; readonly seq: bigint; readonly mark: Uint8Array }[],
): readonly KnownHead[] {
  return heads.flatMap(({ author: bytes, seq: wide, mark }) => {
    const [author, seq] = [parseAuthorId(bytes), Number(wide)]
    return author === undefined || !Number.isSafeInteger(seq) ? [] : [{ author, seq, mark }]
  })
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
  const usedSets = new Map<number, number>()
  let stored = 0
  for (const [at, incoming] of checked.entries.entries()) {
    const set = checked.sets[incoming.set]
    const verdict = checked.verdicts[at]
    if (set === undefined || verdict === undefined) continue
    if (verdict.kind === 'unusable') {
      noteUnusable(parts, set, verdict.reason)
      continue
    }
    const entry = decodeEntry(incoming.bytes)
    if (entry === undefined) continue
    let author = usedSets.get(incoming.set)
    author ??= index.entries.ensureAuthor(handle.row, authorIdOf(set.nodeKey, set.incarnation), set.nodeKey, set.incarnation).row
    if (!storeEntry(parts, entry, incoming.bytes, author, set.firstSeq + incoming.position, verdict)) continue
    stored++
    if (usedSets.has(incoming.set)) continue
    usedSets.set(incoming.set, author)
    index.entries.insertChangeSet(author, set.firstSeq, set.hashes.length / entryHashBytes, encodeChangeSet(set))
  }
  return stored
}

/** False when the index has this version or a later one. */
function storeEntry(
  parts: ReceiveParts,
  entry: Entry,
  bytes: Uint8Array,
  author: number,
  seq: number,
  verdict: Exclude<EntryVerdict, { readonly kind: 'unusable' }>,
): boolean {
  const { index, handle } = parts
  const pathKey = shortKeyOf(entry.entryId)
  const siblings = index.entries.siblings(handle.row, entry.entryId)
  for (const sibling of siblings) {
    const order = compareVectors(entry.vector, sibling.entry.vector)
    if (order === 'before') return false
    if (order === 'equal' && !isPreferred(entry, bytes, sibling.entry, sibling.bytes)) return false
  }
  const concurrent = replaceSiblings(index, entry, siblings)
  index.entries.insert(handle.row, entry, bytes, author, seq)
  if (verdict.kind === 'sealed') return true
  index.needs.put(handle.row, pathKey, needRank(verdict.depth, entry.deleted && concurrent.length === 0), verdict.sizeBytes)
  return true
}

function noteUnusable(parts: ReceiveParts, set: ChangeSet, reason: string): void {
  const author = parts.index.entries.ensureAuthor(parts.handle.row, authorIdOf(set.nodeKey, set.incarnation), set.nodeKey, set.incarnation)
  parts.log.warn('refused an entry', { folder: parts.handle.record.name, author: author.row, reason })
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

function misbehaved(peer: PeerId, what: string): EngineError {
  return new EngineError('PEER_MISBEHAVED', `${peer} ${what}; the connection for this folder was closed and is tried again later`)
}
