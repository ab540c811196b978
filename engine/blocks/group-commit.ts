// Turns calls that come at any time into groups that are written and synced together, one group after the other, in the order of the
// calls. Order of truth for each group: bytes, datasync, index, then the callers hear of it.

import { present } from '../base/assert.ts'
import { bytesKey } from '../base/bytes.ts'
import { EngineError, errorCodeOf } from '../base/errors.ts'
import { FilesError } from '../base/files.ts'
import type { Log } from '../base/log.ts'
import type { Reserve } from '../base/reserve.ts'
import type { BlockId, FolderId } from '../model/ids.ts'
import { chargedBytes, type Allowances } from './allowances.ts'
import { damagedFlag, recordBytesOf, type Place } from './record.ts'
import type { LogRecord } from './record-writer.ts'
import { isFault } from './segment-directory.ts'
import type { BlockLocation, IndexChange, SegmentIndex } from './segment-index.ts'
import type { SegmentLimits } from './segment-limits.ts'
import type { SegmentLog } from './segment-log.ts'
import type { SegmentTable } from './segment-table.ts'
import type { StoredBlock } from './store.ts'

/** One thing to be written, if it still has to be when its turn comes. */
export type Step =
  | { readonly kind: 'put'; readonly block: StoredBlock }
  /** Compaction's: a live block that is at `from`. */
  | { readonly kind: 'move'; readonly block: StoredBlock; readonly from: BlockLocation }
  | { readonly kind: 'remove'; readonly folder: FolderId; readonly id: BlockId }
  /** A tombstone as it is: one that compaction carries on, or the mark of a damaged record that the index forgot already. */
  | { readonly kind: 'tombstone'; readonly folder: FolderId; readonly id: BlockId; readonly kills: Place; readonly isDamage: boolean }

interface Order {
  readonly steps: readonly Step[]
  /** Steps that are in a group already. */
  taken: number
  /** Why the rest of its steps is not tried. */
  failure: Error | undefined
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** What may be written together: each kind does something else about a full disk. */
type GroupKind = 'puts' | 'moves' | 'tombstones'

interface Group {
  readonly orders: readonly Order[]
  readonly kind: GroupKind
  readonly records: readonly LogRecord[]
  /** What the index learns when the records are durable, for each of them. */
  readonly changeAt: readonly ((place: Place) => IndexChange | undefined)[]
}

/** Where groups are made durable: segment-log.ts, pack-log.ts. */
export type LogEnd = Pick<SegmentLog, 'append' | 'settleTail' | 'checkWritable' | 'hasUncertainTail'>

export interface GroupCommitParts {
  readonly segments: LogEnd
  readonly index: SegmentIndex
  readonly table: SegmentTable
  readonly reserve: Pick<Reserve, 'hold' | 'release'>
  readonly allowances: Allowances
  readonly limits: SegmentLimits
  readonly log: Log
}

export class GroupCommit {
  readonly #parts: GroupCommitParts
  readonly #orders: (Order | (() => Promise<void>))[] = []
  #running: Promise<void> | undefined

  constructor(parts: GroupCommitParts) {
    this.#parts = parts
  }

  /** Whether the index is the last word: nothing is being written, and nothing that failed can come back after a crash. */
  get isAtRest(): boolean {
    return this.#running === undefined && !this.#parts.segments.hasUncertainTail
  }

  /** Resolves when all steps are durable. Throws what `SegmentLog.append` throws; steps of full groups before the failing one are kept. */
  async commit(steps: readonly Step[]): Promise<void> {
    if (steps.length === 0) return
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#orders.push({ steps, taken: 0, failure: undefined, resolve, reject })
    this.#start()
    await promise
  }

  /** Runs `work` when everything ordered before it is done, and nothing beside it. */
  async exclusively(work: () => Promise<void>): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#orders.push(() => work().then(resolve, reject))
    this.#start()
    await promise
  }

  /** Resolves when nothing is waiting or being written. */
  async settle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  #start(): void {
    this.#running ??= this.#run()
  }

  async #run(): Promise<void> {
    await Promise.resolve() // calls made in the same turn join the first group
    try {
      for (let next = this.#orders[0]; next !== undefined; next = this.#orders[0]) {
        if (typeof next === 'function') {
          this.#orders.shift()
          await next()
        } else {
          await this.#runGroup(this.#takeGroup())
        }
      }
    } finally {
      this.#running = undefined // in the same turn as the last look at the orders, or an order in between would wait for ever
    }
  }

  async #runGroup(group: Group): Promise<void> {
    try {
      if (group.records.length > 0) await this.#write(group)
      // What is here already, or gone already, could be undone by bytes of a failed write that come back after a crash.
      else if (this.#parts.segments.hasUncertainTail) await this.#parts.segments.settleTail()
    } catch (error) {
      for (const order of group.orders) order.reject(error)
      // The last order may have steps left for a next group: they are not tried.
      if (group.orders.some((order) => order === this.#orders[0])) this.#orders.shift()
      return
    }
    for (const order of group.orders) {
      if (order.failure !== undefined) order.reject(order.failure)
      else if (order !== this.#orders[0]) order.resolve()
    }
  }

  async #write(group: Group): Promise<void> {
    const { segments, index, table } = this.#parts
    const places = group.kind === 'puts' ? await this.#appendBlocks(group.records) : await this.#appendInNeed(group)
    const changes: IndexChange[] = []
    for (const [at, changeFrom] of group.changeAt.entries()) {
      const change = changeFrom(present(places[at], 'each record has a place'))
      if (change !== undefined) changes.push(change)
    }
    index.apply(changes)
    if (index.isDue) await index.save(present(table.checkpoint(), 'something was written'))
    if (segments.hasUncertainTail) throw new EngineError('INTERNAL', 'broken promise: a durable group leaves no uncertain tail')
  }

  /** Blocks are only stored while the reserve is in place: what it gave up for tombstones must not be eaten by blocks. */
  async #appendBlocks(records: readonly LogRecord[]): Promise<readonly Place[]> {
    const { segments, reserve, log } = this.#parts
    segments.checkWritable()
    try {
      await reserve.hold()
    } catch (error) {
      if (!(error instanceof FilesError)) throw error
      if (isFault(error, 'noSpace'))
        throw new EngineError('NO_SPACE', 'storing blocks: the disk is full; free some space and it goes on by itself', { cause: error })
      log.debug('no reserve', { cause: error.message }) // whatever is wrong, the append will meet it
    }
    return await segments.append(records, true)
  }

  /** Tombstones and what compaction moves give back more room than they take: they may use the reserve. */
  async #appendInNeed({ kind, records }: Group): Promise<readonly Place[]> {
    const { segments, reserve, log } = this.#parts
    const mayRoll = kind === 'moves'
    try {
      return await segments.append(records, mayRoll)
    } catch (error) {
      if (errorCodeOf(error) !== 'NO_SPACE' || !reserve.release()) throw error
      log.warn('the disk is full: gave up the reserve to make room')
      return await segments.append(records, mayRoll)
    }
  }

  /** As many waiting steps as one group may have, in order; a group is of one kind, so that a full disk fails what is new only. */
  #takeGroup(): Group {
    const { limits } = this.#parts
    const orders: Order[] = []
    const records: LogRecord[] = []
    const changeAt: ((place: Place) => IndexChange | undefined)[] = []
    const touched = new Set<string>()
    const charges = new Charges(this.#parts)
    let bytes = 0
    let groupKind: GroupKind | undefined
    const bytesMax = Math.min(limits.groupBytesMax, limits.segmentBytes)
    groupIsOpen: while (this.#orders.length > 0) {
      const order = this.#orders[0]
      if (order === undefined || typeof order === 'function') break
      for (; order.taken < order.steps.length; order.taken++) {
        const step = present(order.steps[order.taken], 'a step that is not taken')
        const kind = kindOf(step)
        if (kind !== (groupKind ?? kind)) break groupIsOpen
        const record = this.#tryRecordOf(order, step, touched)
        if (record === undefined) {
          if (orders.at(-1) !== order) orders.push(order) // it may be here already by this very group
          continue
        }
        const sizeBytes = recordBytesOf(record.payload?.length ?? 0)
        const countMax = kind === 'tombstones' ? limits.groupTombstonesMax : limits.groupBlocksMax
        if (records.length > 0 && (records.length >= countMax || bytes + sizeBytes > bytesMax)) break groupIsOpen
        if (orders.at(-1) !== order) orders.push(order)
        if (step.kind === 'put' && !charges.add(order, step.block)) continue
        groupKind = kind
        bytes += sizeBytes
        // Not those of compaction: a tombstone that it carries on is no removal of the block as it is now.
        if (step.kind === 'put' || step.kind === 'remove') touched.add(keyOf(record.folder, record.id))
        records.push(record)
        changeAt.push((place) => changeOf(step, place))
      }
      this.#orders.shift()
    }
    return { orders, kind: groupKind ?? 'puts', records, changeAt }
  }

  /** As `#recordOf`; what it throws ends the order. */
  #tryRecordOf(order: Order, step: Step, touched: ReadonlySet<string>): LogRecord | undefined {
    try {
      return this.#recordOf(step, touched)
    } catch (error) {
      fail(order, error)
      return undefined
    }
  }

  /** undefined when the step has nothing to write: the block is here already, or gone already, or in this group already. */
  #recordOf(step: Step, touched: ReadonlySet<string>): LogRecord | undefined {
    const { index } = this.#parts
    if (step.kind === 'put') {
      const { folder, id, bytes } = step.block
      if (index.locate(folder, id) !== undefined || touched.has(keyOf(folder, id))) return undefined
      return { folder, id, payload: bytes }
    }
    if (step.kind === 'move') {
      const { folder, id, bytes } = step.block
      const now = index.locate(folder, id)
      const isStill = now !== undefined && now.segment === step.from.segment && now.offset === step.from.offset
      return isStill ? { folder, id, payload: bytes } : undefined
    }
    const { folder, id } = step
    if (step.kind === 'tombstone') return { folder, id, flags: step.isDamage ? damagedFlag : 0, kills: step.kills }
    const location = index.locate(folder, id)
    if (touched.has(keyOf(folder, id))) return undefined
    return location === undefined ? undefined : { folder, id, flags: 0, kills: { segment: location.segment, offset: location.offset } }
  }
}

/** What the blocks of one group will take, beside what is there. */
class Charges {
  readonly #parts: GroupCommitParts
  readonly #folders = new Map<string, number>()
  #allBytes = 0

  constructor(parts: GroupCommitParts) {
    this.#parts = parts
  }

  /** False when there is no room for the block: the order has failed then. */
  add(order: Order, { folder, bytes }: StoredBlock): boolean {
    const { index, allowances } = this.#parts
    const key = bytesKey(folder)
    const cost = chargedBytes({ blocks: 1, payloadBytes: bytes.length })
    const inGroup = (this.#folders.get(key) ?? 0) + cost
    try {
      allowances.check(folder, chargedBytes(index.totalsOf(folder)) + inGroup, chargedBytes(index.totals()) + this.#allBytes + cost)
    } catch (error) {
      fail(order, error)
      return false
    }
    this.#folders.set(key, inGroup)
    this.#allBytes += cost
    return true
  }
}

function fail(order: Order, error: unknown): void {
  order.failure = error instanceof Error ? error : new Error(String(error))
  order.taken = order.steps.length
}

function kindOf(step: Step): GroupKind {
  if (step.kind === 'put') return 'puts'
  return step.kind === 'move' ? 'moves' : 'tombstones'
}

function changeOf(step: Step, place: Place): IndexChange | undefined {
  if (step.kind === 'tombstone') return undefined
  if (step.kind === 'remove') return { kind: 'remove', folder: step.folder, id: step.id }
  const { folder, id, bytes } = step.block
  return { kind: 'put', folder, id, location: { ...place, payloadBytes: bytes.length } }
}

function keyOf(folder: FolderId, id: BlockId): string {
  return bytesKey(id) + bytesKey(folder)
}
