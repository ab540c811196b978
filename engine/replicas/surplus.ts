// Surplus: blocks that placement no longer gives to this node. After some days they go, a partition at a time: first one block is asked for, to
// see whether enough others keep them; then this node stops saying that it holds the partition; then its blocks go by keep leases.

import { present } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import type { BlockStore } from '../blocks/store.ts'
import type { Index } from '../index/index-store.ts'
import { hashIdBytes, idVersion, parseBlockId, type BlockId, type FolderId } from '../model/ids.ts'
import { partitionCount, partitionOf } from './layout.ts'
import { letGoBlocksMax, type LetGo } from './let-go.ts'
import type { Outgoing } from './outgoing.ts'

export interface SurplusParts {
  readonly index: Index
  readonly folder: { readonly row: number; readonly id: FolderId }
  readonly store: Pick<BlockStore, 'list' | 'sizeOf'>
  readonly outgoing: Outgoing
  readonly leases: Pick<LetGo, 'letGo'>
  readonly clock: Clock
  readonly awakeMs: () => number
  readonly graceMs: () => number
  /** Whether a partition is this node's to hold now; undefined while that is not known. */
  readonly ownership: () => ((partition: number) => boolean) | undefined
  /** What is no share of this node's, and is held for others who are away: nothing of such a partition goes, and its days count from when that ends. */
  readonly isStoodIn: (partition: number) => boolean
  /** All that is this node's to hold is here. */
  readonly isComplete: () => boolean
  /** True once this node's receipt claims nothing of these partitions any more, and members had a moment to hear it. */
  readonly released: (partitions: readonly number[], signal: AbortSignal) => Promise<boolean>
}

/** Asked for together: their bytes are in memory while members are asked. */
const batchBytesMax = 8 * 1024 * 1024
/** Released by one receipt. */
const partitionsAtOnce = 64
const pageBlocks = 256
/** Letting go takes at most the fifth part of the time. */
const restShare = 4

export class Surplus {
  readonly #parts: SurplusParts

  constructor(parts: SurplusParts) {
    this.#parts = parts
  }

  /** Something is here still of what is not this node's to hold. */
  get isAny(): boolean {
    const { index, folder } = this.#parts
    return index.retiring.surplus(folder.row).some(({ partition }) => this.#firstOf(partition).length > 0)
  }

  /**
   * Notes since when what is not this node's to hold. To be called whenever placement may have changed; false: what was let go of and is this
   * node's again is not all here, and not claimed until this is called when it is.
   */
  note(): boolean {
    const { index, folder, awakeMs, ownership, isComplete, isStoodIn } = this.#parts
    const isMine = ownership()
    if (isMine === undefined) return true
    let isSettled = true
    const nowMs = awakeMs()
    const known = new Map(index.retiring.surplus(folder.row).map((row) => [row.partition, row]))
    const isAllHere = isComplete()
    index.transact(() => {
      for (let partition = 0; partition < partitionCount; partition++) {
        const row = known.get(partition)
        if (!isMine(partition)) {
          if (row === undefined) index.retiring.noteSurplus(folder.row, partition, nowMs)
          else if (isStoodIn(partition) && row.sinceMs !== nowMs) index.retiring.renewSurplus(folder.row, partition, nowMs)
        } else if (row !== undefined) {
          // What was let go of is claimed again once it is here again.
          if (!row.isReleased || isAllHere) index.retiring.dropSurplus(folder.row, partition)
          else {
            isSettled = false
            if (row.sinceMs !== nowMs) index.retiring.renewSurplus(folder.row, partition, nowMs)
          }
        }
      }
    })
    return isSettled
  }

  /** Lets go of what is due and kept by enough others; gives how many blocks went. Throws what the store and the index throw. */
  async trim(signal: AbortSignal): Promise<number> {
    const { index, folder, clock, awakeMs, graceMs, ownership, isStoodIn } = this.#parts
    this.note()
    if (ownership() === undefined) return 0
    const nowMs = awakeMs()
    const due = index.retiring.surplus(folder.row).filter((row) => nowMs - row.sinceMs >= graceMs() && !isStoodIn(row.partition))
    let gone = 0
    for (let from = 0; from < due.length; from += partitionsAtOnce) {
      const firsts = due.slice(from, from + partitionsAtOnce).flatMap(({ partition }) => this.#firstOf(partition))
      for (const some of this.#batches(firsts, partitionsAtOnce)) gone += await this.#trimSome(some, signal)
      await clock.sleep(0, signal)
    }
    return gone
  }

  #firstOf(partition: number): readonly BlockId[] {
    const { store, folder } = this.#parts
    return store.list(folder.id, beforePartition(partition), 1).filter((id) => partitionOf(id) === partition)
  }

  /** `firsts`: a block each of some partitions. */
  async #trimSome(firsts: readonly BlockId[], signal: AbortSignal): Promise<number> {
    const { released } = this.#parts
    // Whether enough others keep one block, which stays, says whether it is worth letting go of the rest.
    const kept = await this.#unhurried(() => this.#parts.leases.letGo(firsts, () => Promise.resolve(), signal), signal)
    const partitions = kept.map(partitionOf)
    if (partitions.length === 0 || !(await released(partitions, signal))) return 0
    let gone = 0
    const go = async (ids: readonly BlockId[]): Promise<void> => {
      const { ownership, isStoodIn } = this.#parts
      const isMine = ownership() // placement may have changed while members were asked, or somebody else have gone
      const leaving = ids.filter((id) => isMine?.(partitionOf(id)) === false && !isStoodIn(partitionOf(id)))
      if (leaving.length === 0) return
      await this.#parts.outgoing.remove(leaving)
      gone += leaving.length
    }
    for (const batch of this.#batches(this.#allOf(partitions), letGoBlocksMax)) {
      await this.#unhurried(() => this.#parts.leases.letGo(batch, go, signal), signal)
    }
    return gone
  }

  *#allOf(partitions: readonly number[]): Generator<BlockId> {
    for (const partition of partitions) yield* this.#idsOf(partition)
  }

  /** What is stored of a partition, read a page at a time. */
  *#idsOf(partition: number): Generator<BlockId, undefined> {
    const { store, folder } = this.#parts
    for (let after = beforePartition(partition); ;) {
      const page = store.list(folder.id, after, pageBlocks)
      const last = page.at(-1)
      if (last === undefined) return undefined
      for (const id of page) {
        if (partitionOf(id) !== partition) return undefined
        yield id
      }
      after = last
    }
  }

  *#batches(ids: Iterable<BlockId>, countMax: number): Generator<readonly BlockId[]> {
    const { store, folder } = this.#parts
    let batch: BlockId[] = []
    let bytes = 0
    for (const id of ids) {
      const sizeBytes = store.sizeOf(folder.id, id) ?? 0
      if (batch.length > 0 && (batch.length >= countMax || bytes + sizeBytes > batchBytesMax)) {
        yield batch
        batch = []
        bytes = 0
      }
      batch.push(id)
      bytes += sizeBytes
    }
    if (batch.length > 0) yield batch
  }

  async #unhurried<Result>(work: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    const { clock } = this.#parts
    const startedMs = clock.monotonicMs()
    const result = await work()
    await clock.sleep(restShare * (clock.monotonicMs() - startedMs), signal)
    return result
  }
}

/** The id before the first one of the partition: no hash has that many zeros. */
function beforePartition(partition: number): BlockId {
  const bytes = new Uint8Array(hashIdBytes)
  bytes.set([idVersion, partition >>> 4, (partition & 0xf) << 4])
  return present(parseBlockId(bytes), 'these bytes are an id')
}
