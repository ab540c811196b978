// Scrub over a small segment store in memory, on a clock that the test moves.

import assert from 'node:assert/strict'

import { present } from '../../engine/base/assert.ts'
import { bytesKey } from '../../engine/base/bytes.ts'
import { EngineError } from '../../engine/base/errors.ts'
import { FilesError, type Files } from '../../engine/base/files.ts'
import type { Jobs } from '../../engine/base/jobs.ts'
import { silentLog } from '../../engine/base/log.ts'
import { recordBytesOf, segmentHeaderBytes } from '../../engine/blocks/record.ts'
import { scrubSegment, type ScrubSegmentInput } from '../../engine/blocks/scrub-segment-job.ts'
import type { SegmentLimits } from '../../engine/blocks/segment-limits.ts'
import type { SegmentStore } from '../../engine/blocks/segment-store.ts'
import type { StoredBlock } from '../../engine/blocks/store.ts'
import { openIndex, type Index } from '../../engine/index/index-store.ts'
import { storePlace } from '../../engine/index/scrub-table.ts'
import type { FolderId } from '../../engine/model/ids.ts'
import { Scrub } from '../../engine/scrub/scrub.ts'
import { ScrubStore } from '../../engine/scrub/scrub-store.ts'
import { never, openSmallStore, testBlock, testFolder } from './blocks.ts'
import { CrashFiles } from './crash-files.ts'
import { SeededRandom } from './seeded-random.ts'
import { VirtualClock } from './virtual-clock.ts'

export const msPerDay = 86_400_000
export const cycleMs: number = 30 * msPerDay
export const scrubFolder: FolderId = testFolder(1)
export const recordBytes: number = recordBytesOf(200)
/** Five blocks a segment. */
const limits: Partial<SegmentLimits> = { segmentBytes: segmentHeaderBytes + 5 * recordBytes, groupBlocksMax: 1, openSegmentsMax: 64 }

export function numberedBlocks(from: number, to: number): readonly StoredBlock[] {
  return Array.from({ length: to - from }, (_, at) => testBlock(from + at, 200))
}

export function segmentFile(segment: number): string {
  return `/store/${segment.toString().padStart(10, '0')}.segment`
}

export class ScrubWorld implements AsyncDisposable {
  readonly clock: VirtualClock = new VirtualClock()
  readonly files: CrashFiles
  readonly store: SegmentStore
  readonly index: Index = openIndex(':memory:', new SeededRandom('scrub'))
  readonly lastReadMs: Map<string, number> = new Map()
  /** Bytes that scrub read. */
  readBytes = 0
  isBusy = false
  isPowered = true
  /** What a step of the job does beside reading. */
  beside: (input: ScrubSegmentInput) => Promise<void> = () => Promise.resolve()
  /** Reads of such a segment fail. */
  brokenSegment: number | undefined
  /** Blocks that the disk does not give to anybody, by `bytesKey`. */
  readonly unreadable: Set<string> = new Set()
  place: ScrubStore
  scrub: Scrub
  #ending = new AbortController()
  #running: Promise<void> = Promise.resolve()

  private constructor(files: CrashFiles, store: SegmentStore) {
    this.files = files
    this.store = store
    this.place = this.#makePlace()
    this.scrub = this.#make()
    store.onDamaged = (record) => {
      if (record === undefined) return
      const { segment, offset, reason, folder, id } = record
      const names = folder === undefined || id === undefined ? {} : { folder, id }
      this.scrub.found({ place: storePlace, what: `${segment}/${offset}`, reason, ...names })
      this.scrub.suspect(storePlace, segment)
    }
  }

  static async open(blocks: number): Promise<ScrubWorld> {
    const files = new CrashFiles()
    const store = await openSmallStore(files, limits)
    for (const block of numberedBlocks(0, blocks)) await store.put([block])
    return new ScrubWorld(files, store)
  }

  begin(): void {
    this.#ending = new AbortController()
    this.#running = this.scrub.run(this.#ending.signal)
    this.#running.catch(() => undefined) // looked at by `end`
  }

  async end(): Promise<void> {
    this.#ending.abort()
    const running = this.#running
    await this.clock.advance(0)
    await assert.rejects(running, { code: 'ABORTED' })
  }

  /** The process was killed: what was not saved is forgotten. */
  async restart(): Promise<void> {
    await this.end()
    this.scrub = this.#make()
    this.begin()
  }

  /** Everything is read once, now. */
  async runOnce(): Promise<void> {
    const before = this.scrub.progress.lastEndedMs
    this.scrub.start()
    const isDone = await this.clock.advance(msPerDay, () => this.scrub.progress.lastEndedMs > before)
    assert.ok(isDone, 'a run came to its end')
  }

  /** What compaction moves it has read. */
  async compact(): Promise<void> {
    const before = await this.#places()
    await this.store.compact(never)
    for (const [key, segment] of await this.#places()) {
      if (before.get(key) !== segment) this.lastReadMs.set(key, this.clock.monotonicMs())
    }
  }

  /** In which segment each block is. */
  async #places(): Promise<ReadonlyMap<string, number>> {
    const places = new Map<string, number>()
    for (const { segment } of this.store.segments()) {
      for await (const batch of this.store.blocksIn(segment, 0, never)) for (const { id } of batch) places.set(bytesKey(id), segment)
    }
    return places
  }

  /** Flips a bit of a byte that stands so far in the record of a block. */
  flip(segment: number, record: number, at: number): void {
    const bytes = this.files.bytesOf(segmentFile(segment))
    const byteAt = segmentHeaderBytes + record * recordBytes + at
    bytes[byteAt] = present(bytes[byteAt], 'a byte of the segment') ^ 0x10
  }

  #make(): Scrub {
    const { index, clock, store } = this
    this.place = this.#makePlace()
    return new Scrub({
      index,
      clock,
      log: silentLog,
      cycleMs,
      places: () => [this.place],
      isBusy: () => this.isBusy,
      isPowered: () => this.isPowered,
      judge: async ({ folder, id }) => {
        if (folder === undefined || id === undefined) return 'healed'
        return (await store.get(folder, id)) === undefined ? 'open' : 'healed'
      },
      changed: () => undefined,
    })
  }

  #makePlace(): ScrubStore {
    const { clock, store } = this
    const { inspection } = store
    const get: SegmentStore['get'] = async (folder, id) => {
      if (this.unreadable.has(bytesKey(id))) throw new EngineError('DISK_FAILED', 'reading a block: EIO')
      return await store.get(folder, id)
    }
    return new ScrubStore({ store: { get }, inspection, jobs: this.#jobs(), clock })
  }

  /** One at a time, on files that may break. */
  #jobs(): Jobs<{ readonly scrubSegment: typeof scrubSegment }> {
    return {
      width: 1,
      run: async (name, input, { signal }) => {
        assert.equal(name, 'scrubSegment')
        if (signal.aborted) throw new EngineError('ABORTED', 'stopped')
        await this.beside(input)
        const { output } = scrubSegment(input, { files: this.#breaking(input.segment) })
        for (const { id } of output.whole) this.lastReadMs.set(bytesKey(id), this.clock.monotonicMs())
        this.readBytes += output.nextBytes - input.fromBytes
        await Promise.resolve()
        return output
      },
    }
  }

  #breaking(segment: number): Files {
    const { files } = this
    if (segment !== this.brokenSegment) return files
    const open: Files['open'] = (path, mode) => {
      const file = files.open(path, mode)
      const read = (): number => {
        throw new FilesError('io', 'reading', path, 'EIO')
      }
      return { ...file, read }
    }
    return new Proxy(files, { get: (target, name) => (name === 'open' ? open : Reflect.get(target, name, target)) })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort()
    await this.clock.advance(0)
    await this.store[Symbol.asyncDispose]()
    this.index[Symbol.dispose]()
  }
}
