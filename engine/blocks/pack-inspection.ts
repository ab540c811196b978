// What scrub needs of a store of packs, as segment-inspection.ts of one of segments. A pack is read whole, by one request. One that is not there is
// lost when the storage itself answers, and says that it still is this node's; what does not answer is never taken for lost.

import type { Clock } from '../base/clock.ts'
import { ObjectsError } from '../base/objects.ts'
import { objectsFailure } from './pack-errors.ts'
import { fetchHeader, fetchPack, type PackReadParts } from './pack-reader.ts'
import { packKey, packNumberOf, packPrefix } from './packs.ts'
import { segmentHeaderBytes } from './record.ts'
import { scrubFile, type ScrubSegmentOutput } from './scrub-segment-job.ts'
import type { BlockLocation, SegmentIndex } from './segment-index.ts'
import { placedBlocks, type PlacedBlock, type SegmentInspection, type SegmentSource } from './segment-inspection.ts'
import type { SegmentTable } from './segment-table.ts'
import { summarize } from './segment-walk.ts'

export interface PackInspectionParts extends PackReadParts {
  readonly clock: Clock
  readonly index: SegmentIndex
  readonly table: SegmentTable
  /** Throws when the storage does not answer, or is another node's. */
  readonly lookAtClaim: () => Promise<void>
  /** A block whose pack is not there. */
  readonly loseWithPack: (block: PlacedBlock, location: BlockLocation) => void
}

/** What is hashed at a time, on the thread that everything else is on. */
const sliceBytes = 2 * 1024 * 1024
/** So often the packs are listed: what is missing need not wait for its turn to be read. */
const listMs = 86_400_000

export class PackInspection implements SegmentInspection {
  readonly #parts: PackInspectionParts
  readonly #placed: ReturnType<typeof placedBlocks>
  #listedMs = Number.NEGATIVE_INFINITY

  constructor(parts: PackInspectionParts) {
    this.#parts = parts
    this.#placed = placedBlocks(parts.index, parts.clock)
  }

  segments(): ReturnType<SegmentInspection['segments']> {
    return summarize(this.#parts)
  }

  source(pack: number): SegmentSource | undefined {
    const { index, table, storeId } = this.#parts
    const state = table.get(pack)
    if (state === undefined) return undefined
    const { blocks: liveBlocks } = index.liveIn(pack)
    return { path: packKey(pack), storeId, segment: pack, startBytes: segmentHeaderBytes, endBytes: state.endBytes, liveBlocks }
  }

  inUse(...[pack, record]: Parameters<SegmentInspection['inUse']>): PlacedBlock | undefined {
    return this.#placed.inUse(pack, record)
  }

  blocksBetween(...between: Parameters<SegmentInspection['blocksBetween']>): AsyncGenerator<PlacedBlock> {
    return this.#placed.blocksBetween(...between)
  }

  /** Each request is a new one. */
  reopen(): void {
    return undefined
  }

  /** A storage that does not answer has lost nothing. */
  giveUp(): void {
    return undefined
  }

  async read(source: SegmentSource, fromBytes: number, signal: AbortSignal): Promise<ScrubSegmentOutput> {
    const { clock, objects } = this.#parts
    const { segment: pack, storeId, endBytes: toBytes } = source
    const found: ScrubSegmentOutput = { whole: [], damaged: [], gaps: [], nextBytes: toBytes }
    try {
      await this.#lookForMissing(signal)
      const file = await fetchPack(this.#parts, pack, signal)
      if (file === undefined) {
        await this.#loseMissing(pack, signal)
        return found
      }
      const slices = [found]
      for (let at = fromBytes; at < toBytes;) {
        const slice = scrubFile({ storeId, segment: pack, fromBytes: at, toBytes, stepBytes: sliceBytes }, file)
        slices.push(slice)
        at = slice.nextBytes
        await clock.sleep(0, signal)
      }
      return {
        whole: slices.flatMap(({ whole }) => whole),
        damaged: slices.flatMap(({ damaged }) => damaged),
        gaps: slices.flatMap(({ gaps }) => gaps),
        nextBytes: toBytes,
      }
    } catch (error) {
      throw error instanceof ObjectsError ? objectsFailure(error, 'reading a pack again', objects.place) : error
    }
  }

  /** Now and then, by a listing: all packs are looked for. A listing may be a moment behind, so that each one is asked for by itself. */
  async #lookForMissing(signal: AbortSignal): Promise<void> {
    const { clock, objects, table } = this.#parts
    if (clock.monotonicMs() - this.#listedMs < listMs) return
    const unseen = new Set(table.all().map(({ number }) => number))
    for (let after = packPrefix; ;) {
      const { items, isMore } = await objects.list(packPrefix, after, signal)
      for (const { key } of items) unseen.delete(packNumberOf(key) ?? 0)
      after = items.at(-1)?.key ?? after
      if (!isMore || items.length === 0) break
    }
    for (const pack of unseen) if ((await fetchHeader(this.#parts, pack, signal)) === undefined) await this.#loseMissing(pack, signal)
    this.#listedMs = clock.monotonicMs()
  }

  async #loseMissing(pack: number, signal: AbortSignal): Promise<void> {
    const { table, lookAtClaim, loseWithPack } = this.#parts
    if (table.get(pack) === undefined) return // compaction deleted it meanwhile
    await lookAtClaim()
    for await (const block of this.blocksBetween(pack, 0, Number.POSITIVE_INFINITY, signal)) {
      const location = this.#placed.locationOf(pack, block)
      if (location !== undefined) loseWithPack(block, location)
    }
  }
}
