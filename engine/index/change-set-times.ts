// When change sets were signed, for those asked for lately: what is applied comes in the order of paths, not of change sets, and a set of a
// thousand entries is large to read for each of them.

interface Span {
  readonly firstSeq: number
  readonly endSeq: number
  readonly timeMs: number
}

/** All together; then it begins anew. */
const spansMax = 10_000

export class ChangeSetTimes {
  /** By author, in the order of sequence numbers. */
  readonly #spans = new Map<number, Span[]>()
  #count = 0

  get(author: number, seq: number): number | undefined {
    const spans = this.#spans.get(author) ?? []
    const span = spans[indexAfter(spans, seq) - 1]
    return span !== undefined && seq < span.endSeq ? span.timeMs : undefined
  }

  add(author: number, firstSeq: number, entries: number, timeMs: number): void {
    if (this.#count >= spansMax) this.clear()
    const spans = this.#spans.get(author) ?? []
    this.#spans.set(author, spans)
    spans.splice(indexAfter(spans, firstSeq), 0, { firstSeq, endSeq: firstSeq + entries, timeMs })
    this.#count++
  }

  clear(): void {
    this.#spans.clear()
    this.#count = 0
  }
}

/** The first that begins after `seq`. */
function indexAfter(spans: readonly Span[], seq: number): number {
  let from = 0
  let to = spans.length
  while (from < to) {
    const middle = (from + to) >>> 1
    if ((spans[middle]?.firstSeq ?? 0) <= seq) from = middle + 1
    else to = middle
  }
  return from
}
