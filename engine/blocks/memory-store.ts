// A block store that forgets everything when it is closed: for tests and for nodes in the simulator that need no durability.

import { bytesKey, compareBytes } from '../base/bytes.ts'
import type { BlockId, FolderId } from '../model/ids.ts'
import { Allowances, chargedBytes } from './allowances.ts'
import { checkBlocks, closedError } from './checked.ts'
import { defaultSegmentLimits } from './segment-limits.ts'
import type { BlockStore, StoredBlock, StoreHealth, StoreTotals } from './store.ts'

interface Held {
  readonly id: BlockId
  readonly bytes: Uint8Array
}

export class MemoryBlockStore implements BlockStore {
  readonly #folders = new Map<string, Map<string, Held>>()
  readonly #blockBytesMax: number
  readonly #allowances = new Allowances()
  #blocks = 0
  #payloadBytes = 0
  #isClosed = false

  constructor(blockBytesMax: number = defaultSegmentLimits.blockBytesMax) {
    this.#blockBytesMax = blockBytesMax
  }

  async put(blocks: readonly StoredBlock[]): Promise<void> {
    this.#checkOpen('storing blocks')
    checkBlocks(blocks, this.#blockBytesMax)
    for (const block of blocks) this.#add(block)
  }

  async get(folder: FolderId, id: BlockId): Promise<Uint8Array | undefined> {
    this.#checkOpen('reading a block')
    return this.#folders.get(bytesKey(folder))?.get(bytesKey(id))?.bytes.slice()
  }

  has(folder: FolderId, id: BlockId): boolean {
    this.#checkOpen('looking for a block')
    return this.#folders.get(bytesKey(folder))?.has(bytesKey(id)) ?? false
  }

  sizeOf(folder: FolderId, id: BlockId): number | undefined {
    this.#checkOpen('looking for a block')
    return this.#folders.get(bytesKey(folder))?.get(bytesKey(id))?.bytes.length
  }

  async remove(folder: FolderId, ids: readonly BlockId[]): Promise<void> {
    this.#checkOpen('removing blocks')
    const held = this.#folders.get(bytesKey(folder))
    for (const id of ids) {
      const block = held?.get(bytesKey(id))
      if (block === undefined) continue
      held?.delete(bytesKey(id))
      this.#blocks--
      this.#payloadBytes -= block.bytes.length
    }
  }

  list(folder: FolderId, after: BlockId | undefined, limit: number): readonly BlockId[] {
    this.#checkOpen('listing blocks')
    const ids: BlockId[] = []
    for (const { id } of this.#folders.get(bytesKey(folder))?.values() ?? []) {
      if (after === undefined || compareBytes(id, after) > 0) ids.push(id)
    }
    return ids.toSorted(compareBytes).slice(0, limit)
  }

  payloadBytesOf(folder: FolderId): number {
    this.#checkOpen('counting blocks')
    return [...(this.#folders.get(bytesKey(folder))?.values() ?? [])].reduce((total, { bytes }) => total + bytes.length, 0)
  }

  totals(): StoreTotals {
    this.#checkOpen('counting blocks')
    return { blocks: this.#blocks, payloadBytes: this.#payloadBytes, diskBytes: 0 }
  }

  setLimit(folder: FolderId | undefined, sizeBytes: number | undefined): void {
    this.#allowances.set(folder, sizeBytes)
  }

  roomOf(folder: FolderId): number {
    this.#checkOpen('looking for room')
    return this.#allowances.roomOf(folder, this.#chargedOf(folder), chargedBytes(this.totals()))
  }

  health(): StoreHealth {
    return this.#isClosed ? { state: 'closed' } : { state: 'ok' }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    this.#folders.clear()
  }

  #add(block: StoredBlock): void {
    const key = bytesKey(block.folder)
    let held = this.#folders.get(key)
    if (held === undefined) {
      held = new Map()
      this.#folders.set(key, held)
    }
    if (held.has(bytesKey(block.id))) return
    const cost = chargedBytes({ blocks: 1, payloadBytes: block.bytes.length })
    this.#allowances.check(block.folder, this.#chargedOf(block.folder) + cost, chargedBytes(this.totals()) + cost)
    held.set(bytesKey(block.id), { id: block.id, bytes: block.bytes.slice() })
    this.#blocks++
    this.#payloadBytes += block.bytes.length
  }

  #chargedOf(folder: FolderId): number {
    return chargedBytes({ blocks: this.#folders.get(bytesKey(folder))?.size ?? 0, payloadBytes: this.payloadBytesOf(folder) })
  }

  #checkOpen(what: string): void {
    if (this.#isClosed) throw closedError(what)
  }
}
