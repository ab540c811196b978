// The segments of the block store, read in their order: by a job on a disk, by the store itself in an object storage. What the job says is damaged is looked at again by the store, as it is then:
// compaction may have moved it, or the folder let go of it.

import { errorCodeOf } from '../base/errors.ts'
import { FilesError } from '../base/files.ts'
import type { Clock } from '../base/clock.ts'
import type { Jobs } from '../base/jobs.ts'
import type { ScrubSegmentInput, ScrubSegmentOutput, scrubSegment } from '../blocks/scrub-segment-job.ts'
import type { PlacedBlock, SegmentInspection, SegmentSource } from '../blocks/segment-inspection.ts'
import type { BlockStore } from '../blocks/store.ts'
import { storePlace } from '../index/scrub-table.ts'
import type { ScrubPlace, ScrubStep } from './scrub-place.ts'

export interface ScrubStoreParts {
  readonly store: Pick<BlockStore, 'get'>
  readonly inspection: SegmentInspection
  readonly jobs: Jobs<{ readonly scrubSegment: typeof scrubSegment }>
  readonly clock: Clock
}

/** What a disk does not give is asked for again after so long before it is given up: a cable may have been loose. */
const givenUpAfterMs = 3_600_000

export class ScrubStore implements ScrubPlace {
  readonly place: number = storePlace
  readonly #parts: ScrubStoreParts
  /** Blocks in use that were whole, of the segment that is being read, since its beginning. */
  #counted: { readonly segment: number; readonly blocks: number; readonly reached: number } | undefined
  /** When a block could not be read first. */
  readonly #unreadable = new Map<string, number>()

  constructor(parts: ScrubStoreParts) {
    this.#parts = parts
  }

  units(): readonly { readonly number: number; readonly bytes: number }[] {
    const segments = this.#parts.inspection.segments()
    return segments.flatMap(({ segment, sizeBytes, blocks }) => (blocks === 0 ? [] : [{ number: segment, bytes: sizeBytes }]))
  }

  async step(segment: number, from: number, stepBytes: number, signal: AbortSignal): Promise<ScrubStep> {
    const { inspection } = this.#parts
    const source = inspection.source(segment)
    if (source === undefined) return { next: undefined, bytes: 0, pieces: 0 }
    const fromBytes = Math.max(from, source.startBytes)
    const read = await this.#read(source, fromBytes, stepBytes, signal)
    // As it is now: some of it may have gone while the job read.
    const whole = read.whole.filter((record) => inspection.inUse(segment, record) !== undefined).length
    for (const record of read.damaged) {
      const block = inspection.inUse(segment, record)
      if (block !== undefined) await this.#lookAgain(segment, block)
    }
    for (const gap of read.gaps) await this.#lookBetween(segment, gap, signal)
    const known = this.#counted?.segment === segment && this.#counted.reached === fromBytes ? this.#counted.blocks : undefined
    const blocks = fromBytes === source.startBytes ? whole : known === undefined ? undefined : known + whole
    this.#counted = blocks === undefined ? undefined : { segment, blocks, reached: read.nextBytes }
    const bytes = read.nextBytes - fromBytes
    const now = inspection.source(segment)
    if (now === undefined) return { next: undefined, bytes, pieces: whole }
    if (read.nextBytes < now.endBytes) return { next: read.nextBytes, bytes, pieces: whole }
    // Some that are in use were not met: then the index looks for them in a wrong place.
    if (blocks !== undefined && blocks < now.liveBlocks) {
      await this.#lookBetween(segment, { fromBytes: 0, toBytes: Number.POSITIVE_INFINITY }, signal)
    }
    return { next: undefined, bytes, pieces: whole }
  }

  async #read(source: SegmentSource, fromBytes: number, stepBytes: number, signal: AbortSignal): Promise<ScrubSegmentOutput> {
    const { inspection } = this.#parts
    if (inspection.read !== undefined) return await inspection.read(source, fromBytes, signal)
    const { path, storeId, segment, endBytes: toBytes } = source
    const input: ScrubSegmentInput = { path, storeId, segment, fromBytes, toBytes, stepBytes }
    try {
      return await this.#parts.jobs.run('scrubSegment', input, { signal })
    } catch (error) {
      if (!(error instanceof FilesError)) throw error
      inspection.reopen(segment)
      return { whole: [], damaged: [], gaps: [{ fromBytes, toBytes }], nextBytes: toBytes }
    }
  }

  async #lookBetween(segment: number, { fromBytes, toBytes }: ScrubSegmentOutput['gaps'][number], signal: AbortSignal): Promise<void> {
    const { inspection } = this.#parts
    for await (const block of inspection.blocksBetween(segment, fromBytes, toBytes, signal)) {
      if (inspection.inUse(segment, block) !== undefined) await this.#lookAgain(segment, block)
    }
  }

  /** Reading it is what finds it damaged, and makes the store let go of it. */
  async #lookAgain(segment: number, block: PlacedBlock): Promise<void> {
    const { store, inspection, clock } = this.#parts
    const key = `${segment}/${block.offset}`
    try {
      await store.get(block.folder, block.id)
      this.#unreadable.delete(key)
    } catch (error) {
      if (errorCodeOf(error) !== 'DISK_FAILED') throw error
      const sinceMs = this.#unreadable.get(key)
      if (sinceMs === undefined) this.#unreadable.set(key, clock.monotonicMs())
      else if (clock.monotonicMs() - sinceMs >= givenUpAfterMs) {
        inspection.giveUp(segment, block)
        this.#unreadable.delete(key)
      }
    }
  }

  /** Of segments with blocks that could not be read. */
  get doubted(): readonly number[] {
    return [...new Set([...this.#unreadable.keys()].map((key) => Number(key.slice(0, key.indexOf('/')))))]
  }
}
