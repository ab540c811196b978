// Opening a store of packs: what is in the bucket is listed and compared with what the home's index knows, and packs that are new to it are
// read into it. An index that does not fit is made again from the packs' footers: the bucket alone is enough.

import type { Clock } from '../base/clock.ts'
import { EngineError, messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { ObjectsError } from '../base/objects.ts'
import { throwIfAborted } from '../base/queue.ts'
import { fetchHeader, fetchRows, type PackReadParts } from './pack-reader.ts'
import { packKey, packNumberOf, packPrefix, type PackFile } from './packs.ts'
import type { Quarantine } from './quarantine.ts'
import { segmentVersion, type SegmentHeader } from './record.ts'
import { replaySegment } from './replay.ts'
import type { SegmentIndex } from './segment-index.ts'
import type { Checkpoint, SegmentTable } from './segment-table.ts'

export interface PackRecoveryParts extends PackReadParts {
  readonly clock: Clock
  readonly log: Log
  readonly index: SegmentIndex
  readonly table: SegmentTable
  readonly quarantine: Quarantine
}

/** Packs that are fetched ahead of the one being read. */
const aheadMax = 8
/** An index that is made again is saved after so many packs, so that an end in between does not cost everything. */
const packsPerSave = 1024

/** Fills index and table. Throws `STORE_OFFLINE`, `STORE_CORRUPT`, `VERSION_UNSUPPORTED`, ObjectsError, FilesError. */
export async function recoverPacks(parts: PackRecoveryParts, saved: Checkpoint | undefined, signal: AbortSignal): Promise<void> {
  const { index, table, quarantine, log, objects } = parts
  const sizes = await listPacks(parts, signal)
  if (saved !== undefined) {
    const blocks = index.totals().blocks
    if (sizes.size === 0 && blocks > 0) {
      throw new EngineError(
        'STORE_OFFLINE',
        `opening the block store ${objects.place}: none of its packs is there, though it has ${blocks} blocks; bring them back. Nothing is taken for lost`,
      )
    }
    if (await goOnFrom(parts, saved, sizes, signal)) return
    log.warn('the index of the block store does not fit what is in the bucket: it is made again')
  }
  await index.reset()
  table.clear()
  quarantine.clear()
  await replayAll(parts, [...sizes.keys()], sizes, signal)
  reportGone(parts, saved)
}

/** Packs that were there when the index was saved. Those that compaction deleted had nothing live, but that was in the index that is gone. */
function reportGone({ table, log }: PackRecoveryParts, saved: Checkpoint | undefined): void {
  const gone = saved?.segments.filter(({ number }) => table.get(number) === undefined).map(({ number }) => number) ?? []
  if (gone.length > 0) log.warn('packs are not in the bucket any more', { count: gone.length, first: gone[0] })
}

/** Numbers, ascending, with the sizes. */
async function listPacks({ objects }: PackRecoveryParts, signal: AbortSignal): Promise<Map<number, number>> {
  const sizes = new Map<number, number>()
  for (let after = packPrefix, isMore = true; isMore;) {
    throwIfAborted(signal)
    const page = await objects.list(packPrefix, after, signal)
    for (const { key, sizeBytes } of page.items) {
      const pack = packNumberOf(key)
      if (pack !== undefined) sizes.set(pack, sizeBytes)
      after = key
    }
    isMore = page.isMore && page.items.length > 0
  }
  return sizes
}

/** False when what was saved does not fit the bucket. */
async function goOnFrom(
  parts: PackRecoveryParts,
  saved: Checkpoint,
  sizes: ReadonlyMap<number, number>,
  signal: AbortSignal,
): Promise<boolean> {
  const { index, table } = parts
  const known = new Map(saved.segments.map((state) => [state.number, state]))
  const fresh: number[] = []
  for (const [pack, sizeBytes] of sizes) {
    const state = known.get(pack)
    if (state !== undefined) {
      if (state.sizeBytes !== sizeBytes) return false
      table.add(state)
      if (saved.leftovers.has(pack)) table.addLeftover(pack)
    } else if (pack > saved.end.segment) fresh.push(pack)
    else await dropVoid(parts, pack, signal)
  }
  await replayAll(parts, fresh, sizes, signal)
  if (index.damage !== undefined) return false
  // Compaction deletes packs, but only when nothing in them is live.
  return saved.segments.every(({ number }) => sizes.has(number) || index.liveIn(number).blocks === 0)
}

interface FetchedPack {
  readonly pack: number
  readonly header: SegmentHeader | undefined
  readonly file: PackFile | undefined
}

async function replayAll(
  parts: PackRecoveryParts,
  packs: readonly number[],
  sizes: ReadonlyMap<number, number>,
  signal: AbortSignal,
): Promise<void> {
  const { index, table } = parts
  let held: FetchedPack | undefined
  let count = 0
  const take = async (each: FetchedPack): Promise<void> => {
    await replayPack(parts, each, signal)
    if (index.isDue || ++count % packsPerSave === 0) await saveIndex(index, table)
  }
  for await (const next of fetchedInOrder(parts, packs, sizes, signal)) {
    if (held !== undefined) {
      const isVoid = next.header !== undefined && next.header.previousSegment < held.pack
      if (isVoid) await dropVoid(parts, held.pack, signal)
      else await take(held)
    }
    held = next
  }
  if (held !== undefined) await take(held)
}

export async function saveIndex(index: SegmentIndex, table: SegmentTable): Promise<void> {
  const checkpoint = table.checkpoint()
  if (checkpoint !== undefined) await index.save(checkpoint)
}

async function* fetchedInOrder(
  parts: PackRecoveryParts,
  packs: readonly number[],
  sizes: ReadonlyMap<number, number>,
  signal: AbortSignal,
): AsyncGenerator<FetchedPack> {
  const fetching: Promise<FetchedPack>[] = []
  for (let at = 0; at < packs.length || fetching.length > 0;) {
    throwIfAborted(signal)
    while (at < packs.length && fetching.length < aheadMax) {
      const pack = packs[at++] ?? 0
      const fetch = fetchOne(parts, pack, sizes.get(pack) ?? 0, signal)
      fetch.catch(() => undefined) // awaited in its turn, or not at all when one before it failed
      fetching.push(fetch)
    }
    const next = await fetching.shift()
    if (next !== undefined) yield next
  }
}

async function fetchOne(parts: PackRecoveryParts, pack: number, sizeBytes: number, signal: AbortSignal): Promise<FetchedPack> {
  const header = await fetchHeader(parts, pack, signal)
  if (header !== undefined) checkHeader(parts, pack, header)
  return { pack, header, file: await fetchRows(parts, { pack, sizeBytes }, signal) }
}

async function replayPack(parts: PackRecoveryParts, { pack, header, file }: FetchedPack, signal: AbortSignal): Promise<void> {
  if (file === undefined) return // deleted since it was listed
  const found = { segment: pack, sizeBytes: file.sizeBytes, header }
  const replay = { ...parts, handles: { take: () => file } }
  // A pack is whole or it is damaged: it was put in one piece.
  const { state } = await replaySegment(replay, found, { acknowledged: undefined, fromOffset: 0 }, signal)
  parts.table.add(state)
}

/** What a try left that was given up: nothing in it was promised. */
async function dropVoid({ objects, log }: PackRecoveryParts, pack: number, signal: AbortSignal): Promise<void> {
  try {
    await objects.delete(packKey(pack), signal)
    log.info('deleted a pack that was never completed', { pack })
  } catch (error) {
    if (!(error instanceof ObjectsError)) throw error // it is tried again at the next start
    log.warn('could not delete a pack that was never completed', { pack, cause: messageOf(error) })
  }
}

function checkHeader({ objects, storeId }: PackRecoveryParts, pack: number, header: SegmentHeader): void {
  const what = `opening the block store: ${packKey(pack)} in ${objects.place}`
  if (header.version !== segmentVersion) {
    throw new EngineError(
      'VERSION_UNSUPPORTED',
      `${what} has format ${header.version}, this program knows ${segmentVersion}; use a newer Holdfast`,
    )
  }
  const isOfStore = header.storeId.every((byte, at) => storeId[at] === byte)
  if (!isOfStore || header.segment !== pack) {
    throw new EngineError(
      'STORE_CORRUPT',
      `${what} belongs to ${isOfStore ? `number ${header.segment}` : 'another store'}; move the object elsewhere`,
    )
  }
}
