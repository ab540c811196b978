// The files of one folder as scrub reads them: stretches of so many items, in the order of their rows.

import type { Index } from '../index/index-store.ts'
import type { ScrubPlace, ScrubStep } from '../scrub/scrub-place.ts'
import type { RelativePath } from '../model/path.ts'
import type { Verifier } from '../sync/verify.ts'

const rowsPerUnit = 1024
/** A place in a unit is a row and one of its file's blocks in one number. */
const blocksMax = 2 ** 32

export interface ScrubFilesParts {
  readonly index: Index
  readonly folderRow: number
  readonly verifier: Verifier
  /** The files are there and may be read. */
  readonly isOpen: () => boolean
  readonly found: (path: RelativePath) => void
}

export class ScrubFiles implements ScrubPlace {
  readonly #parts: ScrubFilesParts

  constructor(parts: ScrubFilesParts) {
    this.#parts = parts
  }

  get place(): number {
    return this.#parts.folderRow
  }

  units(): readonly { readonly number: number; readonly bytes: number }[] | undefined {
    const { index, folderRow, isOpen } = this.#parts
    if (!isOpen()) return undefined
    const { bytes } = index.items.totals(folderRow)
    if (bytes === 0) return []
    // As if all were as large: it is for the pace.
    const count = Math.floor(index.items.lastRow() / rowsPerUnit) + 1
    return Array.from({ length: count }, (_, number) => ({ number, bytes: Math.ceil(bytes / count) }))
  }

  async step(unit: number, from: number, stepBytes: number, signal: AbortSignal): Promise<ScrubStep> {
    const { verifier, found, isOpen } = this.#parts
    if (!isOpen()) return { next: undefined, bytes: 0, pieces: 0 }
    const firstRow = unit * rowsPerUnit
    const cursor = { row: firstRow + Math.floor(from / blocksMax), block: from % blocksMax }
    const endRow = firstRow + rowsPerUnit
    const { next, bytes, files, rotten } = await verifier.step(cursor, endRow, stepBytes, signal)
    for (const path of rotten) found(path)
    const goesOn = next !== undefined && next.row < endRow
    return { next: goesOn ? (next.row - firstRow) * blocksMax + next.block : undefined, bytes, pieces: files }
  }
}
