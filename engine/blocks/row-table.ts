// Index rows in memory, some 70 bytes each: what changed since the last run was written. Rows in fixed pages, and one table of row
// numbers in order of (id, folder). Ids are hashes, so an id's leading bits say nearly where it stands: look-ups walk a few slots from
// there. (Linear probing with ordered runs: Amble and Knuth, "Ordered hash tables", 1974.)

import { assert, present } from '../base/assert.ts'
import { encodeRow, leadOf, rowBytes, rowIdBytes, type RowPlace } from './index-row.ts'
import type { RowSource } from './row-merge.ts'

const rowsPerPageBits = 10
const rowsPerPage = 1 << rowsPerPageBits
const numbersPerRow = 4 // folder number, segment, offset, payload bytes
const firstTableBits = 8
/** Above this share of used slots the table doubles. */
const loadMax = 0.7
/** Slots behind the last home slot, since runs do not wrap around: order would be lost. More when ids crowd there. */
const slackSlotsMin = 256

interface Page {
  readonly ids: Uint8Array
  readonly numbers: Uint32Array
}

/** Ids are given with their version byte. */
export class RowTable {
  readonly #pages: Page[] = []
  /** Rows that were given back, as a stack. */
  readonly #freeRows: number[] = []
  #rowsUsed = 0
  #size = 0
  #tableBits = firstTableBits
  /** Row number + 1; 0 is an empty slot. */
  #slots = new Uint32Array((1 << firstTableBits) + slackSlotsMin)

  get size(): number {
    return this.#size
  }

  find(id: Uint8Array, folder: number): RowPlace | undefined {
    const slot = this.#find(id, folder)
    return slot.isHere ? this.#placeOf(this.#rowAt(slot.at)) : undefined
  }

  set(id: Uint8Array, folder: number, place: RowPlace): void {
    if (this.#size + 1 > loadMax * (1 << this.#tableBits)) this.#grow()
    const slot = this.#find(id, folder)
    if (slot.isHere) {
      this.#setPlace(this.#rowAt(slot.at), place)
      return
    }
    const row = this.#takeRow()
    const page = this.#pageOf(row)
    page.ids.set(id.subarray(1), (row % rowsPerPage) * rowIdBytes)
    page.numbers[(row % rowsPerPage) * numbersPerRow] = folder
    this.#setPlace(row, place)
    this.#insertAt(slot.at, row + 1)
    this.#size++
  }

  delete(id: Uint8Array, folder: number): void {
    const slot = this.#find(id, folder)
    if (!slot.isHere) return
    this.#freeRows.push(this.#rowAt(slot.at))
    this.#size--
    // Close the gap: what stands behind its home slot moves up by one, until a slot is empty or at home.
    let at = slot.at
    for (;;) {
      const next = at + 1 < this.#slots.length ? (this.#slots[at + 1] ?? 0) : 0
      if (next === 0 || this.#homeOf(this.#pageOf(next - 1).ids, idAt(next - 1)) === at + 1) break
      this.#slots[at++] = next
    }
    this.#slots[at] = 0
  }

  /** Every row as its bytes, by folder, then by id: an array the caller owns. */
  encodeSorted(): Uint8Array {
    const rows = this.#rowsByFolder()
    const bytes = new Uint8Array(rows.length * rowBytes)
    const view = new DataView(bytes.buffer)
    for (const [index, row] of rows.entries()) this.#encode(row, bytes, view, index * rowBytes)
    return bytes
  }

  /** One folder's rows behind `after` (all when absent), by id. Good until the table changes. */
  cursor(folder: number, after: Uint8Array | undefined): RowSource {
    let at = 0
    if (after !== undefined) {
      const slot = this.#find(after, folder)
      at = slot.isHere ? slot.at + 1 : slot.at
    }
    return new TableCursor(folder, (target, view) => {
      while (at < this.#slots.length) {
        const held = this.#slots[at++] ?? 0
        if (held === 0 || this.#number(held - 1, 0) !== folder) continue
        this.#encode(held - 1, target, view, 0)
        return true
      }
      return false
    })
  }

  #encode(row: number, bytes: Uint8Array, view: DataView, at: number): void {
    const start = idAt(row)
    bytes.set(this.#pageOf(row).ids.subarray(start, start + rowIdBytes), at)
    encodeRow(view, at, this.#number(row, 0), this.#placeOf(row))
  }

  /** Row numbers by folder, then by id: the slots are in order of ids, and counting keeps that order within each folder. */
  #rowsByFolder(): Uint32Array {
    const startOf = new Map<number, number>()
    for (const held of this.#slots) {
      if (held === 0) continue
      const folder = this.#number(held - 1, 0)
      startOf.set(folder, (startOf.get(folder) ?? 0) + 1)
    }
    let start = 0
    for (const folder of [...startOf.keys()].toSorted((left, right) => left - right)) {
      const count = startOf.get(folder) ?? 0
      startOf.set(folder, start)
      start += count
    }
    const rows = new Uint32Array(start)
    for (const held of this.#slots) {
      if (held === 0) continue
      const folder = this.#number(held - 1, 0)
      const at = startOf.get(folder) ?? 0
      rows[at] = held - 1
      startOf.set(folder, at + 1)
    }
    return rows
  }

  /** Where the key stands, or the slot at which it would have to be inserted. */
  #find(id: Uint8Array, folder: number): { readonly at: number; readonly isHere: boolean } {
    let at = this.#homeOf(id, 1)
    for (; at < this.#slots.length; at++) {
      const held = this.#slots[at] ?? 0
      if (held === 0) break
      const order = this.#compare(held - 1, id, folder)
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
    assert(this.#tableBits < 30, 'a table of rows has fewer than half a billion')
    const old = this.#slots
    const slackSlots = old.length - 2 ** this.#tableBits
    this.#tableBits++
    this.#slots = new Uint32Array(2 ** this.#tableBits + slackSlots) // runs only get shorter, so the slack is enough
    let free = 0
    for (const held of old) {
      if (held === 0) continue
      const at = Math.max(free, this.#homeOf(this.#pageOf(held - 1).ids, idAt(held - 1)))
      assert(at < this.#slots.length, 'a table of twice the size has room for the same rows')
      this.#slots[at] = held
      free = at + 1
    }
  }

  /** The leading bits of the id that starts at `at`, behind its version byte: in the order of the ids. */
  #homeOf(bytes: Uint8Array, at: number): number {
    const lead = ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)
    return lead >>> (32 - this.#tableBits)
  }

  /** Order of a row against a key: by id, then by folder. */
  #compare(row: number, id: Uint8Array, folder: number): number {
    const ids = this.#pageOf(row).ids
    const start = idAt(row)
    for (let index = 0; index < rowIdBytes; index++) {
      const difference = (ids[start + index] ?? 0) - (id[index + 1] ?? 0)
      if (difference !== 0) return difference
    }
    return this.#number(row, 0) - folder
  }

  #takeRow(): number {
    const free = this.#freeRows.pop()
    if (free !== undefined) return free
    if (this.#rowsUsed === this.#pages.length * rowsPerPage) {
      this.#pages.push({ ids: new Uint8Array(rowsPerPage * rowIdBytes), numbers: new Uint32Array(rowsPerPage * numbersPerRow) })
    }
    return this.#rowsUsed++
  }

  #rowAt(slot: number): number {
    const held = this.#slots[slot] ?? 0
    assert(held > 0, 'a found slot holds a row')
    return held - 1
  }

  #pageOf(row: number): Page {
    return present(this.#pages[row >>> rowsPerPageBits], 'a row number names a row')
  }

  #number(row: number, column: number): number {
    return this.#pageOf(row).numbers[(row % rowsPerPage) * numbersPerRow + column] ?? 0
  }

  #placeOf(row: number): RowPlace {
    return { segment: this.#number(row, 1), offset: this.#number(row, 2), payloadBytes: this.#number(row, 3) }
  }

  #setPlace(row: number, place: RowPlace): void {
    const { numbers } = this.#pageOf(row)
    const at = (row % rowsPerPage) * numbersPerRow
    numbers[at + 1] = place.segment
    numbers[at + 2] = place.offset
    numbers[at + 3] = place.payloadBytes
  }
}

/** Where in its page's ids a row's id starts. */
function idAt(row: number): number {
  return (row % rowsPerPage) * rowIdBytes
}

/** One row at a time, as bytes. */
class TableCursor implements RowSource {
  readonly bytes = new Uint8Array(rowBytes)
  readonly view: DataView = new DataView(this.bytes.buffer)
  readonly at = 0
  readonly folder: number
  lead = 0
  isDone = false
  readonly #read: (target: Uint8Array, view: DataView) => boolean

  /** `read` writes the next row, or gives false. */
  constructor(folder: number, read: (target: Uint8Array, view: DataView) => boolean) {
    this.folder = folder
    this.#read = read
    this.next()
  }

  next(): void {
    this.isDone = !this.#read(this.bytes, this.view)
    this.lead = leadOf(this.bytes, 0)
  }
}
