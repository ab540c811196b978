// Which of an author's sequence numbers are known: all up to one, and ranges above it. Exact, since a number that is wrongly taken for known is an
// entry that nobody sends any more, and a copy that is counted and is not there.

export interface SeqRange {
  readonly first: number
  readonly last: number
}

export interface Known {
  /** Everything from 1 up to this number; 0 = nothing. */
  readonly seq: number
  /** … and these: in order, apart from each other and from `seq`; absent = none. */
  readonly above?: readonly SeqRange[]
}

export const nothingKnown: Known = { seq: 0 }
/** More are not kept: what is beyond counts as not known, and is asked for again. */
export const rangesAboveMax = 4096
/** Two numbers a range, each of at most eight bytes. */
const aboveBytesMax = rangesAboveMax * 2 * 8

export function isKnown({ seq, above }: Known, number: number): boolean {
  if (number <= seq) return true
  if (above === undefined) return false
  let [from, to] = [0, above.length]
  while (from < to) {
    const middle = (from + to) >>> 1
    const range = above[middle]
    if (range === undefined || number < range.first) to = middle
    else if (number > range.last) from = middle + 1
    else return true
  }
  return false
}

/** The greatest number that is known; 0 = none. */
export function greatestKnown({ seq, above }: Known): number {
  return above?.at(-1)?.last ?? seq
}

/** Everything that is known to either. */
export function joinKnown(left: Known, right: Known): Known {
  if (left.above === undefined && right.above === undefined) return left.seq >= right.seq ? left : right
  return knownOf([...rangesOf(left), ...rangesOf(right)])
}

/** `known`, and these numbers, in any order. */
export function addKnown(known: Known, numbers: readonly number[]): Known {
  if (numbers.length === 0) return known
  const ranges: { first: number; last: number }[] = []
  for (const number of numbers.toSorted((left, right) => left - right)) {
    const last = ranges.at(-1)
    if (last !== undefined && number <= last.last + 1) last.last = number
    else ranges.push({ first: number, last: number })
  }
  return knownOf([...rangesOf(known), ...ranges])
}

/** `known` without these numbers, in any order. */
export function withoutKnown(known: Known, numbers: readonly number[]): Known {
  const sorted = numbers.toSorted((left, right) => left - right)
  const ranges: SeqRange[] = []
  let at = 0
  for (const { first, last } of rangesOf(known)) {
    let from = first
    for (let number = sorted[at]; number !== undefined && number <= last; number = sorted[++at]) {
      if (number < from) continue
      if (number > from) ranges.push({ first: from, last: number - 1 })
      from = number + 1
    }
    if (from <= last) ranges.push({ first: from, last })
  }
  return knownOf(ranges)
}

/** `known` as far as it goes up to `last`. */
export function knownUpTo(known: Known, last: number): Known {
  const ranges = rangesOf(known).filter(({ first }) => first <= last)
  return knownOf(ranges.map((range) => ({ first: range.first, last: Math.min(range.last, last) })))
}

/** Whether everything of `inner` is known to `outer` too. */
export function coversKnown(outer: Known, inner: Known): boolean {
  const ranges = rangesOf(outer)
  return rangesOf(inner).every(({ first, last }) => ranges.some((range) => range.first <= first && last <= range.last))
}

function rangesOf({ seq, above }: Known): readonly SeqRange[] {
  return [...(seq > 0 ? [{ first: 1, last: seq }] : []), ...(above ?? [])]
}

function knownOf(ranges: readonly SeqRange[]): Known {
  const merged: { first: number; last: number }[] = []
  for (const { first, last } of ranges.toSorted((left, right) => left.first - right.first)) {
    const before = merged.at(-1)
    if (before !== undefined && first <= before.last + 1) before.last = Math.max(before.last, last)
    else merged.push({ first, last })
  }
  const bottom = merged[0]?.first === 1 ? merged.shift() : undefined
  const above = merged.slice(0, rangesAboveMax)
  return { seq: bottom?.last ?? 0, ...(above.length === 0 ? {} : { above }) }
}

/** The ranges above, as they are kept and sent: for each how many numbers are left out before it, and how many more it has than one. */
export function encodeAbove({ seq, above = [] }: Known): Uint8Array<ArrayBuffer> {
  const bytes: number[] = []
  let end = seq
  for (const { first, last } of above) {
    pushNumber(bytes, first - end - 1)
    pushNumber(bytes, last - first)
    end = last
  }
  return Uint8Array.from(bytes)
}

/** undefined when it is not what `encodeAbove` makes, or has more ranges than are kept. */
export function decodeKnown(seq: number, bytes: Uint8Array): Known | undefined {
  if (!Number.isSafeInteger(seq) || seq < 0 || bytes.length > aboveBytesMax) return undefined
  const above: SeqRange[] = []
  let end = seq
  for (let at = 0; at < bytes.length;) {
    const gap = numberAt(bytes, at)
    const more = gap === undefined ? undefined : numberAt(bytes, gap.next)
    if (gap === undefined || more === undefined || gap.number === 0) return undefined
    const first = end + gap.number + 1
    end = first + more.number
    if (!Number.isSafeInteger(end) || above.length === rangesAboveMax) return undefined
    above.push({ first, last: end })
    at = more.next
  }
  return { seq, ...(above.length === 0 ? {} : { above }) }
}

const moreFollows = 128

/** Unsigned LEB128. */
function pushNumber(bytes: number[], number: number): void {
  let left = number
  for (; left >= moreFollows; left = Math.floor(left / moreFollows)) bytes.push((left % moreFollows) | moreFollows)
  bytes.push(left)
}

function numberAt(bytes: Uint8Array, from: number): { readonly number: number; readonly next: number } | undefined {
  let number = 0
  let scale = 1
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0
    number += (byte % moreFollows) * scale
    if (!Number.isSafeInteger(number)) return undefined
    if (byte < moreFollows) return { number, next: at + 1 }
    scale *= moreFollows
  }
  return undefined
}
