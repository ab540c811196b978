// What the store knows of each segment file beside the index: how far it counts, what it holds that is not live, whether it can go.

import { recordBytesOf, segmentHeaderBytes, tombstonePayloadBytes, type Place } from './record.ts'
import type { LiveTotals } from './live-counts.ts'

export interface SegmentState {
  readonly number: number
  /** The segment named before this one in its header; 0 for none. */
  readonly previousSegment: number
  /** End of its acknowledged records. What is behind is the footer, or void. */
  endBytes: number
  sizeBytes: number
  /** A segment without one is the active one, was given up after a disk error, or is damaged. */
  hasFooter: boolean
  /** Records of a newer program: the file is kept. */
  hasUnknownRecords: boolean
  /** Bytes of tombstones, by the segment of the put that they kill. */
  readonly tombstoneBytes: Map<number, number>
}

/** What an index needs beside its rows so that a store can be opened without reading the segments before `end`. */
export interface Checkpoint {
  /** Records before it are in the rows, none behind it is. */
  readonly end: Place
  /** All segments, the one of `end` included, in ascending order. */
  readonly segments: readonly SegmentState[]
  /** Segments that a crash or a stop left behind in the middle of their compaction. */
  readonly leftovers: ReadonlySet<number>
}

export function newSegmentState(number: number, previousSegment: number): SegmentState {
  return {
    number,
    previousSegment,
    endBytes: segmentHeaderBytes,
    sizeBytes: segmentHeaderBytes,
    hasFooter: false,
    hasUnknownRecords: false,
    tombstoneBytes: new Map(),
  }
}

export function countTombstone(state: SegmentState, kills: Place): void {
  const known = state.tombstoneBytes.get(kills.segment) ?? 0
  state.tombstoneBytes.set(kills.segment, known + recordBytesOf(tombstonePayloadBytes))
}

/**
 * The segments that exist. The rule for tombstones lives here: a tombstone names the one put that it kills, and is needed as long as
 * that put's segment may be on disk. A put is in two places only when a crash came between a compaction's copy and the deletion of
 * the old file; such an old file is a *leftover*, and while it is there every tombstone for puts behind it is needed too.
 */
export class SegmentTable {
  readonly #states = new Map<number, SegmentState>()
  readonly #leftovers = new Set<number>()
  /** Deleted, but the directory was not synced: they may be back after a crash. */
  readonly #lingering = new Set<number>()
  #numberMax = 0

  add(state: SegmentState): void {
    this.#states.set(state.number, state)
    this.#numberMax = Math.max(this.#numberMax, state.number)
  }

  /** A number no segment of this store has, also none that was just deleted. */
  takeNumber(): number {
    return ++this.#numberMax
  }

  get(segment: number): SegmentState | undefined {
    return this.#states.get(segment)
  }

  /** Ascending. */
  all(): readonly SegmentState[] {
    return [...this.#states.values()].toSorted((left, right) => left.number - right.number)
  }

  /** What is true now, to be saved with the index; undefined without any segment. */
  checkpoint(): Checkpoint | undefined {
    const segments = this.all()
    const last = segments.at(-1)
    if (last === undefined) return undefined
    return { end: { segment: last.number, offset: last.endBytes }, segments, leftovers: new Set(this.#leftovers) }
  }

  clear(): void {
    this.#states.clear()
    this.#leftovers.clear()
    this.#lingering.clear()
    this.#numberMax = 0
  }

  leftovers(): Iterable<number> {
    return this.#leftovers
  }

  addLeftover(segment: number): void {
    this.#leftovers.add(segment)
  }

  isLeftover(segment: number): boolean {
    return this.#leftovers.has(segment)
  }

  /** The file is unlinked; only `confirmDeletions` makes it certain. */
  delete(segment: number): void {
    this.#states.delete(segment)
    this.#lingering.add(segment)
  }

  /** The directory is synced. */
  confirmDeletions(): void {
    for (const segment of this.#lingering) this.#leftovers.delete(segment)
    this.#lingering.clear()
  }

  /** Whether a tombstone that kills a put in `killedSegment` must outlive the segment `victim`, which is about to be deleted. */
  isTombstoneNeeded(killedSegment: number, victim: number): boolean {
    if (killedSegment !== victim && (this.#states.has(killedSegment) || this.#lingering.has(killedSegment))) return true
    for (const segment of this.#leftovers) if (segment !== victim && segment <= killedSegment) return true
    return false
  }

  /** Bytes of records that nobody needs any more. */
  deadBytes(state: SegmentState, live: LiveTotals): number {
    let needed = segmentHeaderBytes + live.payloadBytes + recordBytesOf(0) * live.blocks
    for (const [killedSegment, bytes] of state.tombstoneBytes) {
      if (this.isTombstoneNeeded(killedSegment, state.number)) needed += bytes
    }
    return Math.max(0, state.endBytes - needed)
  }

  diskBytes(): number {
    let bytes = 0
    for (const state of this.#states.values()) bytes += state.sizeBytes
    return bytes
  }
}
