// Rows of several layers of the index as one sequence in order: of rows with one key the newest layer's counts.

import { compareRowIds, leadOf, rowBytes, rowFolder } from './index-row.ts'

/** Rows in order, one at a time: the present one stands at `at` of `bytes`, until `next`. */
export interface RowSource {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly at: number
  readonly folder: number
  /** The first 48 bits of the id. */
  readonly lead: number
  readonly isDone: boolean
  next(): void
}

/** Rows that stand one behind the other, as RowTable gives them. */
export class RowArray implements RowSource {
  readonly bytes: Uint8Array
  readonly view: DataView
  at = 0
  folder = 0
  lead = 0
  isDone = false

  constructor(rows: Uint8Array) {
    this.bytes = rows
    this.view = new DataView(rows.buffer, rows.byteOffset, rows.length)
    this.#read()
  }

  next(): void {
    this.at += rowBytes
    this.#read()
  }

  #read(): void {
    this.isDone = this.at >= this.bytes.length
    if (this.isDone) return
    this.folder = rowFolder(this.view, this.at)
    this.lead = leadOf(this.bytes, this.at)
  }
}

export class RowMerge {
  readonly #sources: readonly RowSource[]
  #given: RowSource | undefined

  /** The newest first. */
  constructor(sources: readonly RowSource[]) {
    this.#sources = sources
  }

  /** The source that has the next row, which stays there until the next call; undefined at the end. */
  next(): RowSource | undefined {
    this.#given?.next()
    let first: RowSource | undefined
    for (const source of this.#sources) {
      if (source.isDone) continue
      const order = first === undefined ? -1 : compareSources(source, first)
      if (order < 0) first = source
      else if (order === 0) source.next() // an older row of the same block
    }
    this.#given = first
    return first
  }
}

export function compareSources(left: RowSource, right: RowSource): number {
  if (left.folder !== right.folder) return left.folder - right.folder
  if (left.lead !== right.lead) return left.lead - right.lead
  return compareRowIds(left.bytes, left.at, right.bytes, right.at)
}

/** Order of the present row's id against a whole one. */
export function compareRowKey(source: RowSource, id: Uint8Array): number {
  return compareRowIds(source.bytes, source.at, id, 1)
}
