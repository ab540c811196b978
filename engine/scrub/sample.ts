// A random sample of the blocks that a member claims, drawn evenly in one pass over the entries (Vitter, "Random sampling with a reservoir", 1985,
// algorithm R). With 459 of them a holder that lost one block in a hundred is found 99 times in a hundred: 0.99^459 < 0.01.

import { bytesKey } from '../base/bytes.ts'
import type { Clock, Random } from '../base/clock.ts'
import { throwIfAborted } from '../base/queue.ts'
import type { BlockId } from '../model/ids.ts'

/** What one member claims, by its receipt of one moment. */
export interface Claims {
  /** The receipt, as it was signed. */
  readonly word: Uint8Array
  /** Of its receipt. */
  readonly edition: number
  /** Current entries after a row, in order: how many blocks of each the member says it holds. */
  readonly counts: (after: number, limit: number) => readonly ClaimedCount[]
  /** The blocks of an entry that it says it holds; none when the entry is not current any more. */
  readonly blocks: (rowSeq: number) => readonly BlockId[]
  readonly isCurrent: (rowSeq: number) => boolean
}

export interface ClaimedCount {
  readonly rowSeq: number
  readonly blocks: number
  /** The last audit drew from this entry too, claimed as it is. */
  readonly isAudited: boolean
}

export interface SampledBlock {
  readonly id: BlockId
  readonly rowSeq: number
}

export const sampleBlocks = 459
const pageEntries = 200

/** `scope`: 'new' leaves out what the last audit drew from. Entries after `lastRow` are not drawn from. */
export async function drawSample(
  { counts, blocks }: Claims,
  {
    clock,
    random,
    scope,
    lastRow,
  }: { readonly clock: Clock; readonly random: Random; readonly scope: 'all' | 'new'; readonly lastRow: number },
  signal: AbortSignal,
): Promise<readonly SampledBlock[]> {
  const numbers = new Numbers(random)
  const places: { readonly rowSeq: number; readonly at: number }[] = []
  let count = 0
  let after = 0
  for (;;) {
    throwIfAborted(signal)
    const rows = counts(after, pageEntries)
    for (const row of rows) {
      if (row.rowSeq > lastRow || (scope === 'new' && row.isAudited)) continue
      for (let at = 0; at < row.blocks; at++) {
        count++
        const place = count <= sampleBlocks ? count - 1 : numbers.below(count)
        if (place < sampleBlocks) places[place] = { rowSeq: row.rowSeq, at }
      }
    }
    after = rows.at(-1)?.rowSeq ?? after
    if (rows.length < pageEntries || after >= lastRow) break
    await clock.sleep(0, signal)
  }
  // Entry by entry: a large file has most of the blocks, and its list is long.
  const sample = [...Map.groupBy(places.entries(), ([, { rowSeq }]) => rowSeq)].flatMap(([rowSeq, drawn]) => {
    const ids = blocks(rowSeq)
    return drawn.flatMap(([place, { at }]) => {
      const id = ids[at]
      return id === undefined ? [] : [{ place, id, rowSeq }] // the entry was replaced meanwhile
    })
  })
  const inOrder = sample.toSorted((left, right) => left.place - right.place)
  return eachOnce(inOrder.map(({ id, rowSeq }) => ({ id, rowSeq })))
}

/** A block that several files have is asked for once. */
export function eachOnce(sample: readonly SampledBlock[]): readonly SampledBlock[] {
  const seen = new Set<string>()
  return sample.filter(({ id }) => !seen.has(bytesKey(id)) && seen.add(bytesKey(id)))
}

const numberBytes = 6
const numbersAtOnce = 512

/** Random numbers, drawn many at a time: a folder has a block for each. */
class Numbers {
  readonly #random: Random
  #bytes: DataView = new DataView(new ArrayBuffer(0))
  #at = 0

  constructor(random: Random) {
    this.#random = random
  }

  /** A whole number from 0 below `end`, evenly but for one part in 2^20 where `end` is under 2^28. */
  below(end: number): number {
    if (this.#at + numberBytes > this.#bytes.byteLength) {
      const { buffer, byteOffset, byteLength } = this.#random.bytes(numberBytes * numbersAtOnce)
      this.#bytes = new DataView(buffer, byteOffset, byteLength)
      this.#at = 0
    }
    const number = this.#bytes.getUint16(this.#at) * 2 ** 32 + this.#bytes.getUint32(this.#at + 2)
    this.#at += numberBytes
    return number % end
  }
}
