// A SegmentIndex in typed arrays, about 60 bytes a block: rows in fixed pages, and one table of row numbers kept in order of
// (id, folder). Ids are hashes, so an id's leading bits say nearly where it stands: look-ups walk a few slots from there, pages of a
// list are a walk too. (Linear probing with ordered runs: Amble and Knuth, "Ordered hash tables", 1974.)

import { assert, present } from '../base/assert.ts'
import { bytesKey } from '../base/bytes.ts'
import { hashIdBytes, parseBlockId, type BlockId, type FolderId } from '../model/ids.ts'
import type { BlockLocation, IndexChange, LiveTotals, SegmentIndex } from './segment-index.ts'

const rowsPerPageBits = 12
const rowsPerPage = 1 << rowsPerPageBits
const numbersPerRow = 4 // folder number, segment, offset, payload bytes
const firstTableBits = 10
/** Above this share of used slots the table doubles. */
const loadMax = 0.7
/** Slots behind the last home slot, since runs do not wrap around: order would be lost. More when ids crowd there. */
const slackSlotsMin = 256

interface Page {
  readonly ids: Uint8Array
  readonly numbers: Uint32Array
}

const nothing: LiveTotals = { blocks: 0, payloadBytes: 0 }

export class MemorySegmentIndex implements SegmentIndex {
  readonly #pages: Page[] = []
  /** Rows that were given back, as a stack. */
  readonly #freeRows: number[] = []
  #rowsUsed = 0
  #tableBits = firstTableBits
  /** Row number + 1; 0 is an empty slot. */
  #slots = new Uint32Array((1 << firstTableBits) + slackSlotsMin)
  readonly #folderNumbers = new Map<string, number>()
  readonly #liveBySegment = new Map<number, { blocks: number; payloadBytes: number }>()
  /** Payload bytes, by folder number. */
  readonly #bytesByFolder: number[] = []
  #blocks = 0
  #payloadBytes = 0

  apply(changes: readonly IndexChange[]): void {
    for (const change of changes) {
      if (change.kind === 'put') this.#put(change.folder, change.id, change.location)
      else this.#remove(change.folder, change.id)
    }
  }

  locate(folder: FolderId, id: BlockId): BlockLocation | undefined {
    const folderNumber = this.#folderNumbers.get(bytesKey(folder))
    if (folderNumber === undefined) return undefined
    const slot = this.#find(id, folderNumber)
    return slot.isHere ? this.#locationOf(this.#rowAt(slot.at)) : undefined
  }

  list(folder: FolderId, after: BlockId | undefined, limit: number): readonly BlockId[] {
    const folderNumber = this.#folderNumbers.get(bytesKey(folder))
    const ids: BlockId[] = []
    if (folderNumber === undefined) return ids
    let at = 0
    if (after !== undefined) {
      const slot = this.#find(after, folderNumber)
      at = slot.isHere ? slot.at + 1 : slot.at
    }
    for (; at < this.#slots.length && ids.length < limit; at++) {
      if (this.#slots[at] === 0) continue
      const row = this.#rowAt(at)
      if (this.#number(row, 0) !== folderNumber) continue
      ids.push(present(parseBlockId(this.#idOf(row).slice()), 'the index holds block ids'))
    }
    return ids
  }

  payloadBytesOf(folder: FolderId): number {
    return this.#bytesByFolder[this.#folderNumbers.get(bytesKey(folder)) ?? -1] ?? 0
  }

  totals(): LiveTotals {
    return { blocks: this.#blocks, payloadBytes: this.#payloadBytes }
  }

  liveIn(segment: number): LiveTotals {
    const live = this.#liveBySegment.get(segment)
    return live === undefined ? nothing : { ...live }
  }

  #put(folder: FolderId, id: BlockId, location: BlockLocation): void {
    if (this.#blocks + 1 > loadMax * (1 << this.#tableBits)) this.#grow()
    const folderNumber = this.#numberFolder(folder)
    const slot = this.#find(id, folderNumber)
    if (slot.isHere) {
      this.#count(folderNumber, this.#locationOf(this.#rowAt(slot.at)), -1)
      this.#setLocation(this.#rowAt(slot.at), location)
    } else {
      const row = this.#takeRow()
      const page = this.#pageOf(row)
      page.ids.set(id, (row % rowsPerPage) * hashIdBytes)
      page.numbers[(row % rowsPerPage) * numbersPerRow] = folderNumber
      this.#setLocation(row, location)
      this.#insertAt(slot.at, row + 1)
    }
    this.#count(folderNumber, location, 1)
  }

  #remove(folder: FolderId, id: BlockId): void {
    const folderNumber = this.#folderNumbers.get(bytesKey(folder))
    if (folderNumber === undefined) return
    const slot = this.#find(id, folderNumber)
    if (!slot.isHere) return
    const row = this.#rowAt(slot.at)
    this.#count(folderNumber, this.#locationOf(row), -1)
    this.#freeRows.push(row)
    // Close the gap: what stands behind its home slot moves up by one, until a slot is empty or at home.
    let at = slot.at
    for (;;) {
      const next = at + 1 < this.#slots.length ? (this.#slots[at + 1] ?? 0) : 0
      if (next === 0 || this.#homeOf(this.#idOf(next - 1)) === at + 1) break
      this.#slots[at++] = next
    }
    this.#slots[at] = 0
  }

  /** Where the key stands, or the slot at which it would have to be inserted. */
  #find(id: Uint8Array, folderNumber: number): { readonly at: number; readonly isHere: boolean } {
    let at = this.#homeOf(id)
    for (; at < this.#slots.length; at++) {
      const held = this.#slots[at] ?? 0
      if (held === 0) break
      const order = this.#compare(held - 1, id, folderNumber)
      if (order === 0) return { at, isHere: true }
      if (order > 0) break
    }
    return { at, isHere: false }
  }

  /** Shifts the rest of the run by one slot. */
  #insertAt(at: number, value: number): void {
    let empty = at
    while (empty < this.#slots.length && this.#slots[empty] !== 0) empty++
    if (empty === this.#slots.length) {
      const longer = new Uint32Array(this.#slots.length + slackSlotsMin)
      longer.set(this.#slots)
      this.#slots = longer
    }
    this.#slots.copyWithin(at + 1, at, empty)
    this.#slots[at] = value
  }

  #grow(): void {
    assert(this.#tableBits < 30, 'an index in memory has fewer than half a billion rows')
    const old = this.#slots
    const slackSlots = old.length - 2 ** this.#tableBits
    this.#tableBits++
    this.#slots = new Uint32Array(2 ** this.#tableBits + slackSlots) // runs only get shorter, so the slack is enough
    let free = 0
    for (const held of old) {
      if (held === 0) continue
      const at = Math.max(free, this.#homeOf(this.#idOf(held - 1)))
      assert(at < this.#slots.length, 'a table of twice the size has room for the same rows')
      this.#slots[at] = held
      free = at + 1
    }
  }

  /** The leading bits behind the id's version byte: in the order of the ids. */
  #homeOf(id: Uint8Array): number {
    const lead = (((id[1] ?? 0) << 24) | ((id[2] ?? 0) << 16) | ((id[3] ?? 0) << 8) | (id[4] ?? 0)) >>> 0
    return lead >>> (32 - this.#tableBits)
  }

  /** Order of a row against a key: by id, then by folder. */
  #compare(row: number, id: Uint8Array, folderNumber: number): number {
    const ids = this.#pageOf(row).ids
    const start = (row % rowsPerPage) * hashIdBytes
    for (let index = 0; index < hashIdBytes; index++) {
      const difference = (ids[start + index] ?? 0) - (id[index] ?? 0)
      if (difference !== 0) return difference
    }
    return this.#number(row, 0) - folderNumber
  }

  #count(folderNumber: number, location: BlockLocation, sign: 1 | -1): void {
    this.#bytesByFolder[folderNumber] = (this.#bytesByFolder[folderNumber] ?? 0) + sign * location.payloadBytes
    this.#blocks += sign
    this.#payloadBytes += sign * location.payloadBytes
    let live = this.#liveBySegment.get(location.segment)
    if (live === undefined) {
      live = { blocks: 0, payloadBytes: 0 }
      this.#liveBySegment.set(location.segment, live)
    }
    live.blocks += sign
    live.payloadBytes += sign * location.payloadBytes
    if (live.blocks === 0) this.#liveBySegment.delete(location.segment)
  }

  #takeRow(): number {
    const free = this.#freeRows.pop()
    if (free !== undefined) return free
    if (this.#rowsUsed === this.#pages.length * rowsPerPage) {
      this.#pages.push({ ids: new Uint8Array(rowsPerPage * hashIdBytes), numbers: new Uint32Array(rowsPerPage * numbersPerRow) })
    }
    return this.#rowsUsed++
  }

  #numberFolder(folder: FolderId): number {
    const key = bytesKey(folder)
    let number = this.#folderNumbers.get(key)
    if (number === undefined) {
      number = this.#folderNumbers.size
      this.#folderNumbers.set(key, number)
    }
    return number
  }

  #rowAt(slot: number): number {
    const held = this.#slots[slot] ?? 0
    assert(held > 0, 'a found slot holds a row')
    return held - 1
  }

  #pageOf(row: number): Page {
    return present(this.#pages[row >>> rowsPerPageBits], 'a row number names a row')
  }

  #idOf(row: number): Uint8Array {
    const start = (row % rowsPerPage) * hashIdBytes
    return this.#pageOf(row).ids.subarray(start, start + hashIdBytes)
  }

  #number(row: number, column: number): number {
    return this.#pageOf(row).numbers[(row % rowsPerPage) * numbersPerRow + column] ?? 0
  }

  #locationOf(row: number): BlockLocation {
    return { segment: this.#number(row, 1), offset: this.#number(row, 2), payloadBytes: this.#number(row, 3) }
  }

  #setLocation(row: number, location: BlockLocation): void {
    const { numbers } = this.#pageOf(row)
    const at = (row % rowsPerPage) * numbersPerRow
    numbers[at + 1] = location.segment
    numbers[at + 2] = location.offset
    numbers[at + 3] = location.payloadBytes
  }
}
