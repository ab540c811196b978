// Gives local space back: files leave this disk whose every block enough other members have just now proven to hold and granted a keep
// lease on. This node stops claiming and serving a file before it asks: so it grants none itself (decisions 0040 and 0048).

import { bytesKey, equalBytes, toHex } from '../base/bytes.ts'
import type { Clock, Random } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Jobs } from '../base/jobs.ts'
import type { Log } from '../base/log.ts'
import { inTime, Semaphore } from '../base/queue.ts'
import { blockProof } from '../crypto/block-proof.ts'
import type { dropParked } from '../disk/parked-jobs.ts'
import { shortKeyOf } from '../index/columns.ts'
import type { EntryRow } from '../index/entry-table.ts'
import type { Index } from '../index/index-store.ts'
import type { ItemRow } from '../index/item-table.ts'
import { needRank } from '../index/need-table.ts'
import type { BlockId, PeerId } from '../model/ids.ts'
import { depthOf, type RelativePath } from '../model/path.ts'
import type { sealRanges, SealRange } from '../transfer/seal-ranges-job.ts'
import { conflictAt } from './conflicts.ts'
import { putElsewhere } from './elsewhere.ts'
import type { FolderHandle } from './folder-handle.ts'
import { FreeProgress, type FreeCounts } from './free-progress.ts'
import { ProofTally } from './free-tally.ts'
import { isStillBase } from './ingest-commit.ts'
import type { publishBatch, PublishOutcome } from './publish-job.ts'
import { expectedOf } from './pull-plan.ts'
import { appliedVersion } from './resolve.ts'

export interface FreeParts {
  readonly index: Index
  readonly jobs: Jobs<{
    readonly sealRanges: typeof sealRanges
    readonly publishBatch: typeof publishBatch
    readonly dropParked: typeof dropParked
  }>
  readonly handle: FolderHandle
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly others: OtherHolders
  readonly events: FreeListener
}

export interface OtherHolders {
  /** Those that can be asked now and count as copies, without this node. */
  peers(): readonly PeerId[]
  /** The blocks of an entry that the member says it holds; undefined when its word does not speak of the entry. */
  claimed(peer: PeerId): (entry: EntryRow) => readonly BlockId[] | undefined
  /** Asks for keep leases: a proof for each block that the member keeps. Throws when it is gone or does not answer as it should. */
  lease(peer: PeerId, ids: readonly BlockId[], nonce: Uint8Array, signal: AbortSignal): Promise<readonly (Uint8Array | undefined)[]>
}

export interface FreeListener {
  /** From here on an index that was saved before is known as an old one. False: index and folder are of different times, and nothing may go. */
  beginSession(signal: AbortSignal): Promise<boolean>
  /** Paths that pull is working on right now. */
  isBeingApplied(path: string): boolean
  /** What is held here changed, and paths may be needed again. */
  changed(): void
  /** To be looked at. */
  stale(paths: readonly string[]): void
  /** Somebody wrote to the file in the last moment: it is parked under this name and belongs to the person. */
  keepParked(path: RelativePath, parked: string): void
}

export type FreeRefusal = 'NOT_PROVEN' | 'CHANGED_HERE' | 'NOT_IN_STEP' | 'IN_CONFLICT' | 'FAILED'

export interface RefusedFree {
  readonly path: RelativePath
  readonly reason: FreeRefusal
  /** Copies that other members have proven now. */
  readonly copies: number
}

export interface Freed {
  readonly files: number
  readonly bytes: number
  readonly refused: readonly RefusedFree[]
}

const batchFilesMax = 64
const batchBytesMax = 16 * 1024 * 1024
/** What is sealed and asked for at once. */
const windowBytesMax = 16 * 1024 * 1024
const windowBlocksMax = 256
/** A member that has not answered by then counts as none. */
const answerMs = 60_000
const conflictsLookedAtMax = 10_000
const parkBytes = 8

interface Candidate {
  readonly item: ItemRow
  readonly entry: EntryRow
}

export class Free {
  readonly #parts: FreeParts
  readonly #atWork = new Set<string>()
  readonly #turn = new Semaphore(1)
  readonly #progress: FreeProgress

  constructor(parts: FreeParts) {
    this.#parts = parts
    this.#progress = new FreeProgress(parts.clock)
  }

  /** undefined while nothing is freed. */
  get progress(): FreeCounts | undefined {
    return this.#progress.counts
  }

  /** A path that is being freed: what is seen there is half of the story. */
  isAtWork(path: string): boolean {
    return this.#atWork.has(path)
  }

  /** Files, by their paths here. What is refused stays as it was. Throws `NO_SPACE`, `ABORTED`. */
  async free(paths: readonly RelativePath[], copiesMin: number, signal: AbortSignal): Promise<Freed> {
    if (paths.length === 0) return { files: 0, bytes: 0, refused: [] }
    return await this.#progress.during(paths.length, async () => await this.#freeAll(paths, copiesMin, signal))
  }

  async #freeAll(paths: readonly RelativePath[], copiesMin: number, signal: AbortSignal): Promise<Freed> {
    let [files, bytes] = [0, 0]
    const refused: RefusedFree[] = []
    for (let from = 0; from < paths.length;) {
      await this.#turn.hold(async () => {
        const batch = this.#nextBatch(paths, from, refused)
        const freed = await this.#freeBatch(batch.candidates, copiesMin, refused, signal)
        const freedBytes = freed.reduce((total, { sizeBytes }) => total + sizeBytes, 0)
        this.#progress.note(batch.next - from, freedBytes)
        files += freed.length
        bytes += freedBytes
        from = batch.next
      }, signal)
      await this.#parts.clock.sleep(0, signal) // other work of this thread gets its turn
    }
    return { files, bytes, refused }
  }

  #nextBatch(
    paths: readonly RelativePath[],
    from: number,
    refused: RefusedFree[],
  ): { readonly candidates: readonly Candidate[]; readonly next: number } {
    const candidates: Candidate[] = []
    let bytes = 0
    let next = from
    while (next < paths.length && next - from < batchFilesMax && bytes < batchBytesMax) {
      const path = paths[next++]
      const candidate = path === undefined ? undefined : this.#candidateAt(path)
      if (typeof candidate === 'object') {
        candidates.push(candidate)
        bytes += candidate.item.sizeBytes
      } else if (path !== undefined && candidate !== undefined) refused.push({ path, reason: candidate, copies: 0 })
    }
    return { candidates, next }
  }

  /** undefined when there is no file any more. */
  #candidateAt(path: RelativePath): Candidate | FreeRefusal | undefined {
    const { index, handle, events } = this.#parts
    const item = index.items.byPath(handle.row, path)
    if (item?.kind !== 'file') return undefined
    const hasConflicts = index.items.countConflictCopies(handle.row) > 0
    if (hasConflicts && conflictAt(index, handle, path, conflictsLookedAtMax) !== undefined) return 'IN_CONFLICT'
    const version = appliedVersion(index, handle, path)
    const isInStep = version !== undefined && !index.needs.has(handle.row, shortKeyOf(version.row.entry.entryId))
    if (!isInStep || events.isBeingApplied(path) || item.isRotten === true || item.isDoubted === true) return 'NOT_IN_STEP'
    return { item, entry: version.row }
  }

  /** Gives the items whose files are gone from the disk. */
  async #freeBatch(
    candidates: readonly Candidate[],
    copiesMin: number,
    refused: RefusedFree[],
    signal: AbortSignal,
  ): Promise<readonly ItemRow[]> {
    const { events } = this.#parts
    const likely = candidates.filter(({ item, entry }) => {
      const copies = this.#claimedCopies(entry)
      if (copies < copiesMin) refused.push({ path: item.path, reason: 'NOT_PROVEN', copies })
      return copies >= copiesMin
    })
    if (likely.length === 0) return []
    for (const { item } of likely) this.#atWork.add(item.path)
    try {
      const withdrawn = this.#withdraw(likely)
      for (const candidate of likely) {
        if (!withdrawn.includes(candidate)) refused.push({ path: candidate.item.path, reason: 'CHANGED_HERE', copies: 0 })
      }
      events.changed()
      const isSure = await events.beginSession(signal)
      const tally = await this.#askOthers(withdrawn, signal)
      const proven = withdrawn.filter(({ entry }) => isSure && tally.isSound(entry) && tally.copies(entry) >= copiesMin)
      const stay = withdrawn.filter((candidate) => !proven.includes(candidate))
      for (const { item, entry } of stay) {
        const reason = !isSure ? 'NOT_IN_STEP' : tally.isSound(entry) ? 'NOT_PROVEN' : 'CHANGED_HERE'
        refused.push({ path: item.path, reason, copies: tally.copies(entry) })
      }
      this.#putBack(stay)
      return await this.#remove(proven, refused, signal)
    } finally {
      for (const { item } of likely) this.#atWork.delete(item.path)
      // Whatever came between: a file that is there without an item is looked at, and is the version that it holds.
      events.stale(likely.map(({ item }) => item.path))
      events.changed()
    }
  }

  /** By their word alone: who does not say that it has the file need not be asked. */
  #claimedCopies(entry: EntryRow): number {
    const { others } = this.#parts
    const tally = new ProofTally([entry])
    for (const peer of others.peers()) tally.note(peer, entry, others.claimed(peer)(entry))
    return tally.copies(entry)
  }

  /** From here on nothing is claimed of these files, nor served, and none can be lost. Gives those that are as they were. */
  #withdraw(candidates: readonly Candidate[]): readonly Candidate[] {
    const { index, handle } = this.#parts
    return index.transactToMakeRoom(() =>
      candidates.filter(({ item, entry }) => {
        if (!isStillBase(index.items.byPath(handle.row, item.path), item) || !index.entries.isCurrent(entry.rowSeq)) return false
        index.items.remove(item)
        putElsewhere(index, handle, entry.entry.entryId, item.path, item.sizeBytes, item.blocks)
        return true
      }),
    )
  }

  /** As they were. A newer version may have been settled as elsewhere meanwhile: pull looks again. */
  #putBack(candidates: readonly Candidate[]): void {
    const { index, handle } = this.#parts
    if (candidates.length === 0) return
    index.transact(() => {
      for (const { item, entry } of candidates) {
        if (index.items.byPath(handle.row, item.path) !== undefined) continue
        const { row: _, folderRow: __, ...rest } = item
        const { entryId } = entry.entry
        index.items.put(handle.row, entryId, rest, undefined)
        index.needs.put(handle.row, shortKeyOf(entryId), needRank(depthOf(item.path), false), 0)
      }
    })
  }

  async #askOthers(candidates: readonly Candidate[], signal: AbortSignal): Promise<ProofTally> {
    const { others } = this.#parts
    const tally = new ProofTally(candidates.map(({ entry }) => entry))
    for (const { entry } of candidates) {
      if (entry.entry.blocks.length > 0) continue
      for (const peer of others.peers()) tally.note(peer, entry, others.claimed(peer)(entry))
    }
    const silent = new Set<PeerId>()
    const claims = new Claims(others)
    for (const window of windowsOf(candidates)) {
      const sealed = await this.#seal(window, signal)
      window.forEach(({ entry }, at) => {
        if (sealed[at] === undefined) tally.noteUnsound(entry)
      })
      const asked = others.peers().filter((peer) => !silent.has(peer))
      await Promise.all(
        asked.map(async (peer) => {
          if (!(await this.#ask(peer, window, sealed, { tally, claims }, signal))) silent.add(peer)
        }),
      )
    }
    return tally
  }

  /** The blocks as they are to be proven; undefined for those that the file does not hold any more. */
  async #seal(window: readonly WindowBlock[], signal: AbortSignal): Promise<readonly (Uint8Array | undefined)[]> {
    const { jobs, handle } = this.#parts
    const ranges = window.map(({ range }) => range)
    const { payload, lengths } = await jobs.run('sealRanges', { root: handle.root, sealKey: handle.jobKeys.sealKey, ranges }, { signal })
    let from = 0
    return lengths.map((length) => {
      from += length
      return length === 0 ? undefined : payload.subarray(from - length, from)
    })
  }

  /** False when the member did not answer. */
  async #ask(
    peer: PeerId,
    window: readonly WindowBlock[],
    sealed: readonly (Uint8Array | undefined)[],
    { tally, claims }: { readonly tally: ProofTally; readonly claims: Claims },
    signal: AbortSignal,
  ): Promise<boolean> {
    const { others, random, clock, log } = this.#parts
    const wanted = window.flatMap(({ entry, range }, at) => {
      const bytes = sealed[at]
      return bytes === undefined || !claims.has(peer, entry, range.id) ? [] : [{ entry, id: range.id, bytes }]
    })
    if (wanted.length === 0) return true
    const nonce = random.bytes(32)
    const ids = wanted.map(({ id }) => id)
    try {
      const proofs = await inTime(clock, answerMs, signal, (both) => others.lease(peer, ids, nonce, both))
      wanted.forEach(({ entry, id, bytes }, at) => {
        const proof = proofs[at]
        if (proof !== undefined && equalBytes(proof, blockProof(peer, nonce, bytes))) tally.note(peer, entry, [id])
      })
      return true
    } catch (error) {
      if (signal.aborted) throw error
      log.info('a member did not prove what was to be freed here', { peer, error: messageOf(error) })
      return false
    }
  }

  async #remove(candidates: readonly Candidate[], refused: RefusedFree[], signal: AbortSignal): Promise<readonly ItemRow[]> {
    const { jobs, handle, random } = this.#parts
    if (candidates.length === 0) return []
    const parked = candidates.map(() => `free-${toHex(random.bytes(parkBytes))}`)
    const tasks = candidates.map(({ item: { path, ...rest } }, at) => ({
      operation: { kind: 'remove' as const, path, expected: expectedOf({ path, ...rest }), park: parked[at] ?? '' },
      blocks: new Uint8Array(0),
      origins: [],
    }))
    const input = { root: handle.root, sealKey: handle.jobKeys.sealKey, tasks, sealed: new Uint8Array(0) }
    const outcomes = await jobs.run('publishBatch', input, { signal })
    const dropped: string[] = []
    const freed = candidates.filter((candidate, at) => {
      const [outcome, park] = [outcomes[at], parked[at]]
      const isGone = outcome !== undefined && park !== undefined && this.#concludeRemoval(candidate, outcome, park, refused)
      if (isGone && park !== undefined) dropped.push(park)
      return isGone
    })
    if (dropped.length > 0) await jobs.run('dropParked', { root: handle.root, names: dropped }, { signal })
    return freed.map(({ item }) => item)
  }

  /** True when the file is aside, unchanged, and can go. */
  #concludeRemoval(candidate: Candidate, outcome: PublishOutcome, parked: string, refused: RefusedFree[]): boolean {
    const { path } = candidate.item
    if (outcome.kind === 'done') {
      if (outcome.isParkedChanged !== true) return true
      this.#parts.events.keepParked(path, parked)
      refused.push({ path, reason: 'CHANGED_HERE', copies: 0 })
      return false
    }
    // After a failure the file may be aside already: whatever is at the path is looked at, without an item to miss it.
    if (outcome.kind !== 'failed') this.#putBack([candidate])
    refused.push({ path, reason: outcome.kind === 'failed' ? 'FAILED' : 'CHANGED_HERE', copies: 0 })
    return false
  }
}

/** Which blocks members say they hold, worked out once for each entry. */
class Claims {
  readonly #others: OtherHolders
  readonly #known = new Map<string, ReadonlySet<string>>()

  constructor(others: OtherHolders) {
    this.#others = others
  }

  has(peer: PeerId, entry: EntryRow, id: BlockId): boolean {
    const name = `${entry.rowSeq} ${peer}`
    let claimed = this.#known.get(name)
    if (claimed === undefined) {
      claimed = new Set(
        this.#others
          .claimed(peer)(entry)
          ?.map((each) => bytesKey(each)),
      )
      this.#known.set(name, claimed)
    }
    return claimed.has(bytesKey(id))
  }
}

interface WindowBlock {
  readonly entry: EntryRow
  readonly range: SealRange
}

/** The blocks of all files, in runs that pass through memory at once. */
function* windowsOf(candidates: readonly Candidate[]): Generator<readonly WindowBlock[]> {
  let window: WindowBlock[] = []
  let bytes = 0
  for (const { item, entry } of candidates) {
    let offset = 0
    for (let at = 0; at < item.blocks.count; at++) {
      const lengthBytes = item.blocks.lengthBytes(at)
      const key = item.blocks.key(at).slice() // a view would be cloned with the whole list
      window.push({ entry, range: { path: item.path, offset, lengthBytes, id: item.blocks.id(at), key } })
      offset += lengthBytes
      bytes += lengthBytes
      if (bytes < windowBytesMax && window.length < windowBlocksMax) continue
      yield window
      window = []
      bytes = 0
    }
  }
  if (window.length > 0) yield window
}
