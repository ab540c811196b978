// Writes one run of the block index: rows in order as pages with checksums, then what finds a page (its first key), then the filter.
// Layout in docs/disk-format.md. Writes are synchronous and gathered; nothing counts before `finish` resolved.

import { assert } from '../base/assert.ts'
import type { Files, OpenFile } from '../base/files.ts'
import { checksumOf } from './checksum.ts'
import { rowBytes, rowFolder, rowIdBytes } from './index-row.ts'
import { RunFilter } from './run-filter.ts'

export const pageBytes = 4096
export const rowsPerPage: number = Math.floor((pageBytes - 8) / rowBytes)
export const pageCountAt: number = pageBytes - 8
export const pageChecksumAt: number = pageBytes - 4
/** Of a page's first row: folder (4, little-endian), id without version byte (the first 8). */
export const fenceBytes = 12
export const runTrailerBytes = 64
export const runVersion = 1
export const runMagic: Uint8Array = Uint8Array.of(0x48, 0x46, 0x49, 0x4e, 0x44, 0x45, 0x58, 0x0a) // HFINDEX and a line feed

const gatherPages = 256

export class RunWriter {
  readonly #file: OpenFile
  readonly #storeId: Uint8Array
  readonly #filter: RunFilter
  readonly #gathered = new Uint8Array(gatherPages * pageBytes)
  readonly #view = new DataView(this.#gathered.buffer)
  #fences = new Uint8Array(fenceBytes * 64)
  #pagesGathered = 0
  #rowsInPage = 0
  #pages = 0
  #rows = 0
  #writtenBytes = 0

  /** `rowsMax` sizes the filter. Throws FilesError: the file must not exist. */
  constructor(files: Files, path: string, storeId: Uint8Array, rowsMax: number) {
    this.#filter = RunFilter.forRows(rowsMax)
    this.#storeId = storeId
    this.#file = files.open(path, 'create')
  }

  get rows(): number {
    return this.#rows
  }

  /** The row that stands at `at`; rows come in ascending order. */
  add(source: Uint8Array, at: number): void {
    const pageAt = this.#pagesGathered * pageBytes
    const rowAt = pageAt + this.#rowsInPage * rowBytes
    this.#gathered.set(source.subarray(at, at + rowBytes), rowAt)
    this.#filter.add(source, at)
    if (this.#rowsInPage === 0) this.#addFence(rowAt)
    this.#rows++
    if (++this.#rowsInPage === rowsPerPage) this.#endPage()
  }

  /** Resolves when all of it is on the disk. */
  async finish(): Promise<void> {
    if (this.#rowsInPage > 0) this.#endPage()
    this.#flush()
    const fences = this.#fences.subarray(0, this.#pages * fenceBytes)
    this.#write(fences)
    this.#write(this.#filter.bytes)
    const trailer = new Uint8Array(runTrailerBytes)
    const view = new DataView(trailer.buffer)
    trailer.set(runMagic)
    view.setUint8(8, runVersion)
    trailer.set(this.#storeId, 16)
    view.setUint32(32, this.#rows, true)
    view.setUint32(36, this.#pages, true)
    view.setUint32(40, this.#filter.bytes.length, true)
    view.setUint32(44, checksumOf(fences), true)
    view.setUint32(48, checksumOf(this.#filter.bytes), true)
    view.setUint32(60, checksumOf(trailer.subarray(0, 60)), true)
    this.#write(trailer)
    await this.#file.datasync()
  }

  close(): void {
    this.#file.close()
  }

  #addFence(rowAt: number): void {
    const at = this.#pages * fenceBytes
    if (at + fenceBytes > this.#fences.length) {
      const grown = new Uint8Array(this.#fences.length * 2)
      grown.set(this.#fences)
      this.#fences = grown
    }
    new DataView(this.#fences.buffer).setUint32(at, rowFolder(this.#view, rowAt), true)
    this.#fences.set(this.#gathered.subarray(rowAt, rowAt + fenceBytes - 4), at + 4)
  }

  #endPage(): void {
    const pageAt = this.#pagesGathered * pageBytes
    this.#gathered.fill(0, pageAt + this.#rowsInPage * rowBytes, pageAt + pageCountAt)
    this.#view.setUint32(pageAt + pageCountAt, this.#rowsInPage, true)
    this.#view.setUint32(pageAt + pageChecksumAt, checksumOf(this.#gathered.subarray(pageAt, pageAt + pageChecksumAt)), true)
    this.#rowsInPage = 0
    this.#pages++
    if (++this.#pagesGathered === gatherPages) this.#flush()
  }

  #flush(): void {
    if (this.#pagesGathered > 0) this.#write(this.#gathered.subarray(0, this.#pagesGathered * pageBytes))
    this.#pagesGathered = 0
  }

  #write(bytes: Uint8Array): void {
    this.#file.write(bytes, this.#writtenBytes)
    this.#writtenBytes += bytes.length
  }
}

assert(rowIdBytes >= fenceBytes - 4, 'a fence holds the front of an id')
