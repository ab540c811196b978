// One run of the block index, open for reading: a file that never changes. What it costs in memory: 16 bytes a page of rows and ten bits
// a row. A page is checked each time it is read; one that is damaged makes the whole index suspect, and that is rebuilt.

import { FilesError, type Files, type OpenFile } from '../base/files.ts'
import { checksumOf } from './checksum.ts'
import { compareRowIds, decodeRowPlace, leadOf, rowBytes, rowFolder, type RowPlace } from './index-row.ts'
import { RunFilter } from './run-filter.ts'
import { fenceBytes, pageBytes, pageChecksumAt, pageCountAt, rowsPerPage, runMagic, runTrailerBytes, runVersion } from './run-writer.ts'

/** The index says something that it cannot have said when it was written. */
export class IndexDamaged extends Error {}

const cursorPages = 16

export class Run {
  readonly number: number
  readonly rows: number
  readonly #file: OpenFile
  readonly #filter: RunFilter
  /** Of each page's first row. */
  readonly #folders: Uint32Array
  readonly #leads: Float64Array
  readonly #page = new Uint8Array(pageBytes)
  readonly #view = new DataView(this.#page.buffer)

  private constructor(number: number, file: OpenFile, parts: RunParts) {
    this.number = number
    this.#file = file
    this.rows = parts.rows
    this.#filter = parts.filter
    this.#folders = parts.folders
    this.#leads = parts.leads
  }

  /** Throws IndexDamaged and FilesError. */
  static open(files: Files, path: string, number: number, storeId: Uint8Array): Run {
    const file = files.open(path, 'read')
    try {
      return new Run(number, file, readParts(file, storeId))
    } catch (error) {
      file.close()
      throw error
    }
  }

  get pages(): number {
    return this.#leads.length
  }

  /** `id` with its version byte. A place in segment 0 is a removal. Throws IndexDamaged and FilesError. */
  find(id: Uint8Array, folder: number): RowPlace | undefined {
    if (!this.#filter.mayHave(id, 1)) return undefined
    const lead = leadOf(id, 1)
    for (let page = this.firstPageOf(folder, lead); page < this.pages; page++) {
      if (this.#isBehind(page, folder, lead)) return undefined
      const count = this.readPages(page, this.#page)
      const at = firstRowFrom(this.#page, this.#view, count, id, folder)
      if (at === count) continue
      const isThis = rowFolder(this.#view, at * rowBytes) === folder && compareRowIds(this.#page, at * rowBytes, id, 1) === 0
      return isThis ? decodeRowPlace(this.#view, at * rowBytes) : undefined
    }
    return undefined
  }

  /** The first page that may hold rows of this folder from this lead on. */
  firstPageOf(folder: number, lead: number): number {
    let low = 0
    let high = this.pages
    while (low < high) {
      const middle = (low + high) >>> 1
      const isBefore = this.#folderAt(middle) < folder || (this.#folderAt(middle) === folder && this.#leadAt(middle) < lead)
      if (isBefore) low = middle + 1
      else high = middle
    }
    return Math.max(0, low - 1)
  }

  #isBehind(page: number, folder: number, lead: number): boolean {
    return this.#folderAt(page) > folder || (this.#folderAt(page) === folder && this.#leadAt(page) > lead)
  }

  #folderAt(page: number): number {
    return this.#folders[page] ?? 0
  }

  #leadAt(page: number): number {
    return this.#leads[page] ?? 0
  }

  /** Reads pages from `page` on into `target`, as many as fit, and checks them; gives the number of rows, each page but the last full. */
  readPages(page: number, target: Uint8Array): number {
    const pages = Math.min(Math.floor(target.length / pageBytes), this.pages - page)
    const wanted = target.subarray(0, pages * pageBytes)
    if (this.#file.read(wanted, page * pageBytes) < wanted.length) throw new IndexDamaged(`run ${this.number} is shorter than it was`)
    const view = new DataView(target.buffer, target.byteOffset, target.length)
    let rows = 0
    for (let at = 0; at < wanted.length; at += pageBytes) {
      if (view.getUint32(at + pageChecksumAt, true) !== checksumOf(target.subarray(at, at + pageChecksumAt))) {
        throw new IndexDamaged(`page ${page + at / pageBytes} of run ${this.number} is damaged`)
      }
      rows += view.getUint32(at + pageCountAt, true)
    }
    return rows
  }

  close(): void {
    this.#file.close()
  }
}

interface RunParts {
  readonly rows: number
  readonly filter: RunFilter
  readonly folders: Uint32Array
  readonly leads: Float64Array
}

function readParts(file: OpenFile, storeId: Uint8Array): RunParts {
  const { sizeBytes } = file.stat()
  const trailer = readExactly(file, Math.max(0, sizeBytes - runTrailerBytes), runTrailerBytes)
  const view = new DataView(trailer.buffer)
  const isSound =
    runMagic.every((byte, index) => trailer[index] === byte) &&
    view.getUint32(60, true) === checksumOf(trailer.subarray(0, 60)) &&
    view.getUint8(8) === runVersion &&
    storeId.every((byte, index) => trailer[16 + index] === byte)
  if (!isSound) throw new IndexDamaged('a run has no whole end')
  const rows = view.getUint32(32, true)
  const pages = view.getUint32(36, true)
  const filterBytes = view.getUint32(40, true)
  if (sizeBytes !== pages * (pageBytes + fenceBytes) + filterBytes + runTrailerBytes || pages !== Math.ceil(rows / rowsPerPage)) {
    throw new IndexDamaged('a run is not as long as it says')
  }
  const fences = readExactly(file, pages * pageBytes, pages * fenceBytes)
  const filter = readExactly(file, pages * (pageBytes + fenceBytes), filterBytes)
  if (view.getUint32(44, true) !== checksumOf(fences) || view.getUint32(48, true) !== checksumOf(filter)) {
    throw new IndexDamaged('what finds the pages of a run is damaged')
  }
  const folders = new Uint32Array(pages)
  const leads = new Float64Array(pages)
  const fenceView = new DataView(fences.buffer)
  for (let page = 0; page < pages; page++) {
    folders[page] = fenceView.getUint32(page * fenceBytes, true)
    leads[page] = leadOf(fences, page * fenceBytes + 4)
  }
  return { rows, filter: new RunFilter(filter), folders, leads }
}

function readExactly(file: OpenFile, offset: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length)
  if (file.read(bytes, offset) < length) throw new IndexDamaged('a run is shorter than it says')
  return bytes
}

/** Which of a page's rows is the first that is not before the key; `count` when all are. */
function firstRowFrom(page: Uint8Array, view: DataView, count: number, id: Uint8Array, folder: number): number {
  let low = 0
  let high = count
  while (low < high) {
    const middle = (low + high) >>> 1
    const folderHere = rowFolder(view, middle * rowBytes)
    const order = folderHere === folder ? compareRowIds(page, middle * rowBytes, id, 1) : folderHere - folder
    if (order < 0) low = middle + 1
    else high = middle
  }
  return low
}

/** The rows of a run in order, a stretch of pages at a time. `bytes` and `at` say where the present one stands, until `next`. */
export class RunCursor {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly #run: Run
  #page: number
  #rowsHeld = 0
  #row = 0
  isDone = false
  folder = 0
  lead = 0

  /** From the first row on, or with `folder` from about `after` in that folder on: callers skip what lies before. */
  constructor(run: Run, from?: { readonly folder: number; readonly after: Uint8Array | undefined }) {
    this.#run = run
    // A page is enough where only a few rows are wanted.
    this.bytes = new Uint8Array((from === undefined ? cursorPages : 1) * pageBytes)
    this.view = new DataView(this.bytes.buffer)
    this.#page = from === undefined ? 0 : run.firstPageOf(from.folder, from.after === undefined ? 0 : leadOf(from.after, 1))
    this.#load()
  }

  get at(): number {
    const page = Math.floor(this.#row / rowsPerPage)
    return page * pageBytes + (this.#row - page * rowsPerPage) * rowBytes
  }

  next(): void {
    this.#row++
    if (this.#row < this.#rowsHeld) this.#read()
    else this.#load()
  }

  #load(): void {
    this.#row = 0
    if (this.#page >= this.#run.pages) {
      this.isDone = true
      return
    }
    this.#rowsHeld = this.#run.readPages(this.#page, this.bytes)
    this.#page += Math.min(this.bytes.length / pageBytes, this.#run.pages - this.#page)
    this.#read()
  }

  #read(): void {
    const { at } = this
    this.folder = rowFolder(this.view, at)
    this.lead = leadOf(this.bytes, at)
  }
}

export function isIndexTrouble(error: unknown): error is IndexDamaged | FilesError {
  return error instanceof IndexDamaged || error instanceof FilesError
}
