// Which blocks the current entries of a folder refer to, in a few bytes for each: a filter that never forgets one, and takes one in a hundred
// of the others for referred to (Bloom 1970). Which of them it takes so changes with each one that is made.

import { assert } from '../base/assert.ts'
import type { Clock, Random } from '../base/clock.ts'
import { throwIfAborted } from '../base/queue.ts'
import { decodeEntry, glanceAtEntry } from '../model/entry.ts'
import type { BlockId } from '../model/ids.ts'
import type { StoredEntry } from '../index/entry-table.ts'
import type { Index } from '../index/index-store.ts'

export interface ReferenceParts {
  readonly index: Index
  readonly folderRow: number
  readonly clock: Clock
  readonly random: Random
}

const hashes = 7
const bitsPerBlock = 10
const bitsMin = 8192
const wordBytes = 4
const pageEntries = 200

export class References {
  readonly #parts: ReferenceParts
  readonly #bits: Uint8Array
  readonly #factors: Uint32Array
  /** Entries up to this row were read. */
  #row = 0

  private constructor(parts: ReferenceParts, blocks: number) {
    this.#parts = parts
    this.#bits = new Uint8Array(Math.ceil(Math.max(bitsMin, blocks * bitsPerBlock) / 8))
    const random = parts.random.bytes(hashes * wordBytes)
    const view = new DataView(random.buffer, random.byteOffset, random.byteLength)
    this.#factors = Uint32Array.from({ length: hashes }, (_, at) => view.getUint32(at * wordBytes) | 1) // odd: no word is lost by it
  }

  /** Reads all entries, in short pieces of work. */
  static async read(parts: ReferenceParts, signal: AbortSignal): Promise<References> {
    const { index, folderRow, clock } = parts
    let blocks = 0
    for (let after = 0; ;) {
      throwIfAborted(signal)
      const rows = index.entries.storedPage(folderRow, after, pageEntries)
      for (const { bytes } of rows) blocks += glanceAtEntry(bytes).blocks
      after = rows.at(-1)?.rowSeq ?? after
      if (rows.length < pageEntries) break
      await clock.sleep(0, signal)
    }
    const references = new References(parts, blocks)
    while (references.#readPage()) {
      throwIfAborted(signal)
      await clock.sleep(0, signal)
    }
    return references
  }

  /** Reads entries that came since, without giving a turn away: after it, `has` is of now. */
  catchUp(): void {
    while (this.#readPage()) continue
  }

  /** False: no entry that was read refers to the block. */
  has(id: BlockId): boolean {
    for (let hash = 0; hash < hashes; hash++) {
      const bit = this.#bitOf(id, hash)
      if (((this.#bits[bit >>> 3] ?? 0) & (1 << (bit & 7))) === 0) return false
    }
    return true
  }

  /** True while there may be more. */
  #readPage(): boolean {
    const { index, folderRow } = this.#parts
    const rows = index.entries.storedPage(folderRow, this.#row, pageEntries)
    for (const row of rows) this.#add(row)
    this.#row = rows.at(-1)?.rowSeq ?? this.#row
    return rows.length === pageEntries
  }

  #add({ bytes }: StoredEntry): void {
    if (glanceAtEntry(bytes).blocks === 0) return
    const entry = decodeEntry(bytes)
    assert(entry !== undefined, 'a stored entry can be decoded')
    for (const { id } of entry.blocks) {
      for (let hash = 0; hash < hashes; hash++) {
        const bit = this.#bitOf(id, hash)
        this.#bits[bit >>> 3] = (this.#bits[bit >>> 3] ?? 0) | (1 << (bit & 7))
      }
    }
  }

  /** An id is a hash: each word of it is one. The first byte is its version. */
  #bitOf(id: BlockId, hash: number): number {
    const at = 1 + hash * wordBytes
    const word = ((id[at] ?? 0) << 24) | ((id[at + 1] ?? 0) << 16) | ((id[at + 2] ?? 0) << 8) | (id[at + 3] ?? 0)
    return (Math.imul(word, this.#factors[hash] ?? 1) >>> 0) % (this.#bits.length * 8)
  }
}
