// Brings two texts together that both went on from a common base: the base, what the first added, what the second added. By whole lines, and
// pure: whoever has the same two texts comes to the same bytes. Where anything is unclear it says so, and both texts stay as they are.

import { concatBytes } from '../base/bytes.ts'

export type AppendOutcome =
  /** The first text, and after it what only the second added. */
  | { readonly kind: 'merged'; readonly content: Uint8Array }
  /** Every line of the second text is in the first already, in its order. */
  | { readonly kind: 'contained' }
  | { readonly kind: 'unclear' }

const lineFeed = 0x0a
const carriageReturn = 0x0d

/** `baseBytes`: both texts begin with this many bytes of a common base; undefined = that is not known, so nothing is put together. */
export function mergeAppended(first: Uint8Array, second: Uint8Array, baseBytes: number | undefined): AppendOutcome {
  if (first.includes(0) || second.includes(0)) return { kind: 'unclear' } // no text, or not one whose lines end in a single byte
  const cut = lineStartBefore(first, commonBytes(first, second))
  const tail = second.subarray(cut)
  if (hasLines(first, tail, cut)) return { kind: 'contained' }
  // A line that the base had begun was gone on with: two ways to end one line.
  if (baseBytes === undefined || cut < baseBytes) return { kind: 'unclear' }
  const isEnded = first.length === cut || first.at(-1) === lineFeed
  return { kind: 'merged', content: concatBytes(isEnded ? [first, tail] : [first, lineEndOf(first), tail]) }
}

function commonBytes(left: Uint8Array, right: Uint8Array): number {
  const end = Math.min(left.length, right.length)
  let at = 0
  while (at < end && left[at] === right[at]) at++
  return at
}

/** Where the line starts that `at` is in. */
function lineStartBefore(text: Uint8Array, at: number): number {
  return at === 0 ? 0 : text.lastIndexOf(lineFeed, at - 1) + 1
}

/** Whether `lines` are in `text` from `from` on, one after the other and as whole lines. */
function hasLines(text: Uint8Array, lines: Uint8Array, from: number): boolean {
  if (lines.length === 0) return true
  for (let at = from; at + lines.length <= text.length;) {
    if (isAt(text, lines, at)) return true
    const end = text.indexOf(lineFeed, at)
    if (end < 0) return false
    at = end + 1
  }
  return false
}

function isAt(text: Uint8Array, lines: Uint8Array, at: number): boolean {
  for (let index = 0; index < lines.length; index++) if (text[at + index] !== lines[index]) return false
  const end = at + lines.length
  if (lines.at(-1) === lineFeed || end === text.length || text[end] === lineFeed) return true
  return text[end] === carriageReturn && text[end + 1] === lineFeed
}

/** As the text's last line ends that has an end. */
function lineEndOf(text: Uint8Array): Uint8Array {
  const at = text.lastIndexOf(lineFeed)
  return at > 0 && text[at - 1] === carriageReturn ? Uint8Array.of(carriageReturn, lineFeed) : Uint8Array.of(lineFeed)
}
