// How many blocks and bytes are live: in all, by folder, by segment. Kept beside the rows of the index and saved with them.

export interface LiveTotals {
  readonly blocks: number
  readonly payloadBytes: number
}

interface Counter {
  blocks: number
  payloadBytes: number
}

const nothing: LiveTotals = { blocks: 0, payloadBytes: 0 }

export class LiveCounts {
  readonly #all: Counter = { blocks: 0, payloadBytes: 0 }
  /** By folder number. */
  readonly #folders: Counter[] = []
  readonly #segments = new Map<number, Counter>()

  get all(): LiveTotals {
    return { ...this.#all }
  }

  ofFolder(folder: number): LiveTotals {
    return this.#folders[folder] ?? nothing
  }

  ofSegment(segment: number): LiveTotals {
    return this.#segments.get(segment) ?? nothing
  }

  /** Segments with live blocks, in no order. */
  segments(): Iterable<readonly [number, LiveTotals]> {
    return this.#segments
  }

  /** `sign` 1 for a block that appeared, -1 for one that went. */
  count(folder: number, place: { readonly segment: number; readonly payloadBytes: number }, sign: 1 | -1): void {
    this.add(folder, place.segment, { blocks: sign, payloadBytes: sign * place.payloadBytes })
  }

  addFolder(folder: number, totals: LiveTotals): void {
    addTo((this.#folders[folder] ??= { blocks: 0, payloadBytes: 0 }), totals)
    addTo(this.#all, totals)
  }

  addSegment(segment: number, totals: LiveTotals): void {
    let counter = this.#segments.get(segment)
    if (counter === undefined) {
      counter = { blocks: 0, payloadBytes: 0 }
      this.#segments.set(segment, counter)
    }
    addTo(counter, totals)
    if (counter.blocks === 0) this.#segments.delete(segment)
  }

  add(folder: number, segment: number, totals: LiveTotals): void {
    this.addFolder(folder, totals)
    this.addSegment(segment, totals)
  }
}

function addTo(counter: Counter, totals: LiveTotals): void {
  counter.blocks += totals.blocks
  counter.payloadBytes += totals.payloadBytes
}
