// The end of the log in an object storage: each group is one pack, durable once the server has answered. One append at a time, which
// group-commit.ts sees to. A number is used once: what a failed try may have left under it is void, as the next pack's header says.

import type { Clock, Random } from '../base/clock.ts'
import { assert, present } from '../base/assert.ts'
import { EngineError } from '../base/errors.ts'
import { ObjectsError } from '../base/objects.ts'
import { checkClaim } from './pack-claim.ts'
import { objectsFailure } from './pack-errors.ts'
import { buildPack, packKey } from './packs.ts'
import type { Place } from './record.ts'
import type { LogRecord } from './record-writer.ts'
import type { RetryingObjects } from './retrying-objects.ts'
import { countTombstone, newSegmentState, type SegmentTable } from './segment-table.ts'

export interface PackLogParts {
  readonly objects: RetryingObjects
  readonly storeId: Uint8Array
  readonly owner: string
  readonly clock: Clock
  readonly random: Random
  readonly table: SegmentTable
  /** So often it is looked whether the store still is there and this node's. */
  readonly claimLookMs: number
  /** Aborts when the store is closed and does not wait any longer. */
  readonly signal: AbortSignal
}

const packNumberMax = 0xffff_ffff

export class PackLog {
  readonly #parts: PackLogParts
  #number: number
  /** Another node writes there: nothing more is written until the next start. */
  #lost: EngineError | undefined
  /** The bucket has no store of ours in it, for now. */
  #absence: EngineError | undefined
  #lookedMs: number | undefined
  #hasUncertainTail = false
  #appended = 0
  /** Made after a failed try: as long as they are there, what that try may have left stays void. */
  readonly voiding: Set<number> = new Set()

  constructor(parts: PackLogParts) {
    this.#parts = parts
    const lastNumber = parts.table.all().at(-1)?.number ?? 0
    // What an earlier process sent may arrive late: under a number that this one does not use.
    this.#number = lastNumber + skipOf(parts.random)
  }

  /** Whether a pack that nobody was promised may be there and be read after a crash. */
  get hasUncertainTail(): boolean {
    return this.#hasUncertainTail
  }

  /** Packs since the store was opened. */
  get appended(): number {
    return this.#appended
  }

  /** Another node has the store. */
  get isLost(): boolean {
    return this.#lost !== undefined
  }

  /** Why nothing can be written or read, for good or for a while. */
  get offlineReason(): string | undefined {
    return (this.#lost ?? this.#absence ?? this.#parts.objects.failure)?.message
  }

  /** Throws `STORE_IN_USE` and `STORE_OFFLINE` when the store was found not to be this node's any more. */
  checkWritable(): void {
    if (this.#lost !== undefined) throw new EngineError(this.#lost.code, this.#lost.message, { cause: this.#lost })
  }

  /** Resolves with the records' places when the pack is durable. Throws `STORE_OFFLINE`, `STORE_IN_USE`, `NO_SPACE`: then none is promised. */
  async append(records: readonly LogRecord[]): Promise<readonly Place[]> {
    const { objects, storeId, table, signal } = this.#parts
    this.checkWritable()
    try {
      if (this.#isLookDue) await this.lookAtClaim()
      const segment = ++this.#number
      assert(segment <= packNumberMax, 'pack numbers have 32 bits')
      const previous = table.all().at(-1)
      const header = { segment, storeId, previousSegment: previous?.number ?? 0, previousEndBytes: previous?.endBytes ?? 0 }
      const built = buildPack(header, records)
      const isVoiding = this.#hasUncertainTail
      this.#hasUncertainTail = true
      await objects.put(packKey(segment), built.bytes, true, signal)
      this.#hasUncertainTail = false
      if (isVoiding) this.voiding.add(segment)
      const state = newSegmentState(segment, header.previousSegment)
      state.endBytes = built.endBytes
      state.sizeBytes = built.bytes.length
      state.hasFooter = true
      for (const record of records) if (record.payload === undefined) countTombstone(state, record.kills)
      table.add(state)
      this.#appended++
      return built.places
    } catch (error) {
      throw this.#failed(error)
    }
  }

  /** Makes certain that nothing unacknowledged counts, not even after a crash: an empty pack says so. Throws as `append`. */
  async settleTail(): Promise<void> {
    if (this.#hasUncertainTail) await this.append([])
  }

  /** Throws `STORE_OFFLINE` and `STORE_IN_USE` when the store is not there, or not this node's any more, and ObjectsError. */
  async lookAtClaim(): Promise<void> {
    const { objects, storeId, owner, clock, signal } = this.#parts
    this.#lookedMs = undefined
    try {
      await checkClaim(objects, storeId, owner, signal)
      this.#absence = undefined
    } catch (error) {
      if (error instanceof EngineError && error.code === 'STORE_IN_USE') this.#lost = error
      else if (error instanceof EngineError) this.#absence = error
      throw error
    }
    this.#lookedMs = clock.monotonicMs()
  }

  get #isLookDue(): boolean {
    return this.#lookedMs === undefined || this.#parts.clock.monotonicMs() - this.#lookedMs >= this.#parts.claimLookMs
  }

  #failed(error: unknown): unknown {
    if (!(error instanceof ObjectsError)) return error
    const { place } = this.#parts.objects
    if (error.fault !== 'exists') return objectsFailure(error, 'storing blocks', place)
    this.#lost = new EngineError(
      'STORE_IN_USE',
      `storing blocks in ${place}: another node writes there; stop one of the two, then start this one again`,
      { cause: error },
    )
    return this.#lost
  }
}

/** From 1 to 4096. */
function skipOf(random: Random): number {
  const bytes = random.bytes(2)
  return 1 + ((present(bytes[0], 'two bytes') * 256 + present(bytes[1], 'two bytes')) & 0xfff)
}
