// Version vectors: for each author, the sequence number of its last change to the path that this version has seen.
// An element is the author's own sequence number, so no second counter exists. Kept sorted by author, no author twice.

import { compareBytes } from '../base/bytes.ts'
import type { AuthorId } from './ids.ts'

export interface VectorElement {
  readonly author: AuthorId
  readonly seq: number
}

export type VersionVector = readonly VectorElement[]

export type VectorOrder = 'equal' | 'before' | 'after' | 'concurrent'

export const emptyVector: VersionVector = []
/** More authors than this on one path is refused: members come and go, but not by the thousand. */
export const vectorElementsMax = 256

/** How `left` stands to `right`: 'before' when right has seen all of left and more. */
export function compareVectors(left: VersionVector, right: VersionVector): VectorOrder {
  let leftAhead = false
  let rightAhead = false
  let leftAt = 0
  let rightAt = 0
  while (leftAt < left.length || rightAt < right.length) {
    const l = left[leftAt]
    const r = right[rightAt]
    const order = l === undefined ? 1 : r === undefined ? -1 : compareBytes(l.author, r.author)
    if (order === 0 && l !== undefined && r !== undefined) {
      if (l.seq > r.seq) leftAhead = true
      else if (l.seq < r.seq) rightAhead = true
    } else if (order < 0) leftAhead = true
    else rightAhead = true
    if (order <= 0) leftAt++
    if (order >= 0) rightAt++
  }
  if (leftAhead && rightAhead) return 'concurrent'
  return leftAhead ? 'after' : rightAhead ? 'before' : 'equal'
}

/** The least vector that has seen both. */
export function joinVectors(left: VersionVector, right: VersionVector): VersionVector {
  const joined: VectorElement[] = []
  let leftAt = 0
  let rightAt = 0
  while (leftAt < left.length || rightAt < right.length) {
    const l = left[leftAt]
    const r = right[rightAt]
    const order = l === undefined ? 1 : r === undefined ? -1 : compareBytes(l.author, r.author)
    const taken = order < 0 ? l : order > 0 ? r : l !== undefined && r !== undefined && l.seq >= r.seq ? l : r
    if (taken !== undefined) joined.push(taken)
    if (order <= 0) leftAt++
    if (order >= 0) rightAt++
  }
  return joined
}

/** The greatest vector that both have seen. A version that has it is the one that both go back to. */
export function meetVectors(left: VersionVector, right: VersionVector): VersionVector {
  return left.flatMap((element) => {
    const other = right.find(({ author }) => compareBytes(author, element.author) === 0)
    return other === undefined ? [] : [element.seq <= other.seq ? element : other]
  })
}

/** `vector` after a change by `author` with sequence number `seq`. */
export function advanceVector(vector: VersionVector, author: AuthorId, seq: number): VersionVector {
  return joinVectors(vector, [{ author, seq }])
}

/** True when the elements are sorted, unique, positive and few enough: what a decoder must check. */
export function isWellFormedVector(vector: VersionVector): boolean {
  if (vector.length === 0 || vector.length > vectorElementsMax) return false
  for (let at = 0; at < vector.length; at++) {
    const element = vector[at]
    const previous = vector[at - 1]
    if (element === undefined || !Number.isSafeInteger(element.seq) || element.seq < 1) return false
    if (previous !== undefined && compareBytes(previous.author, element.author) >= 0) return false
  }
  return true
}
