// What to do about one path, given what is on disk here and what the members say: pure, so that every node that knows the
// same versions decides the same. Nothing here looks at arrival order, names of nodes or the time of day.

import { compareBytes } from '../base/bytes.ts'
import { present } from '../base/assert.ts'
import type { BlockList } from '../model/block-list.ts'
import { packVector } from '../model/entry.ts'
import type { AuthorId } from '../model/ids.ts'
import type { EntryKind } from '../model/meta.ts'
import type { RelativePath } from '../model/path.ts'
import { compareVectors, joinVectors, type VersionVector } from '../model/vector.ts'

/** Content and attributes of a path in one version. */
export interface PathState {
  readonly path: RelativePath
  readonly kind: EntryKind
  readonly sizeBytes: number
  readonly mtimeUs: number
  readonly mode: number
  readonly chunkClass: number
  readonly blocks: BlockList
  readonly linkTarget: string | undefined
}

/** One of the current versions of a path. */
export interface Version {
  readonly vector: VersionVector
  /** The version in which the content last changed: `vector` itself unless later changes touched attributes only. */
  readonly contentVector: VersionVector
  readonly editor: AuthorId | undefined
  /** When the content was made: later than what it replaced, and not moved by a later change of the file's time alone. */
  readonly contentTimeUs: number
  /** undefined = deleted. */
  readonly state: PathState | undefined
}

export type Resolution =
  /** One version stands, whatever else there was: siblings it covers need no copy. */
  | { readonly kind: 'single'; readonly version: Version }
  /** Concurrent versions come together as `merged`; each of `losers` is to live on under its conflict name. */
  | { readonly kind: 'merge'; readonly merged: Version; readonly losers: readonly Version[] }

/** `versions` are the current ones: at least one, no one seen by another. */
export function resolveVersions(versions: readonly Version[]): Resolution {
  const only = versions[0]
  if (versions.length === 1 && only !== undefined) return { kind: 'single', version: only }
  const vector = versions.map((version) => version.vector).reduce(joinVectors)
  const living = versions.filter((version) => version.state !== undefined)
  const contenders = contendersOf(versions)
  const winner = contenders[0]
  if (winner === undefined) {
    const contentTimeUs = Math.max(...versions.map((version) => version.contentTimeUs))
    return { kind: 'merge', merged: { vector, contentVector: vector, editor: undefined, contentTimeUs, state: undefined }, losers: [] }
  }
  const merged: Version = {
    vector,
    contentVector: contentVectorOf(winner, living),
    editor: winner.editor,
    contentTimeUs: contentTimeOf(winner, living),
    state: attributesOf(winner, living),
  }
  const losers = contenders.filter((version) => version !== winner && !sameContent(version, winner))
  return { kind: 'merge', merged, losers: distinctContents(losers) }
}

/** The versions whose content nobody has seen and replaced: the one that gets the name first. */
export function contendersOf(versions: readonly Version[]): readonly Version[] {
  const living = versions.filter((version) => version.state !== undefined)
  return living.filter((version) => !versions.some((other) => covers(other, version))).toSorted(compareClaims)
}

/**
 * True when `other` has seen the content of `version` and put its own, or nothing, in its place: there is nothing to keep of
 * `version`. So an edit outlives a deletion that did not know it, and a mere change of attributes does not.
 */
function covers(other: Version, version: Version): boolean {
  return hasSeenContent(other, version) && !hasSeenContent(version, other)
}

function hasSeenContent(version: Version, other: Version): boolean {
  const order = compareVectors(other.contentVector, version.vector)
  return order === 'before' || order === 'equal'
}

/** The stronger claim to the name first: a total order on versions that differ. Directories keep names, then the newer edit. */
export function compareClaims(left: Version, right: Version): number {
  const directories = Number(right.state?.kind === 'directory') - Number(left.state?.kind === 'directory')
  if (directories !== 0) return directories
  const times = right.contentTimeUs - left.contentTimeUs
  if (times !== 0) return times
  const content = compareBytes(left.state?.blocks.bytes ?? noBytes, right.state?.blocks.bytes ?? noBytes)
  return content !== 0 ? content : compareVectorBytes(left, right)
}

const noBytes = new Uint8Array(0)

function compareVectorBytes(left: Version, right: Version): number {
  return compareBytes(packVector(left.vector), packVector(right.vector))
}

export function sameContent(left: Version, right: Version): boolean {
  if (left.state === undefined || right.state === undefined) return left.state === right.state
  return isSameContent(left.state, right.state)
}

/** Same kind and same bytes (or link target); attributes may differ. */
export function isSameContent(
  left: Pick<PathState, 'kind' | 'blocks' | 'linkTarget'>,
  right: Pick<PathState, 'kind' | 'blocks' | 'linkTarget'>,
): boolean {
  return left.kind === right.kind && left.linkTarget === right.linkTarget && left.blocks.equals(right.blocks)
}

/**
 * The winner's content with the latest word on attributes: a version that changed attributes only was made for the attributes,
 * so its bits win over those that came along with an edit.
 */
function attributesOf(winner: Version, living: readonly Version[]): PathState {
  const state = present(winner.state, 'the winner lives')
  const attributeEdits = living.filter((version) => compareVectors(version.contentVector, version.vector) !== 'equal')
  const relevant = attributeEdits.length > 0 ? attributeEdits : living.filter((version) => sameContent(version, winner))
  const latest = relevant.toSorted((left, right) => timeOf(right) - timeOf(left) || compareVectorBytes(left, right))[0]
  const modeFrom = latest?.state?.kind === state.kind ? latest.state : state
  const sameContentTimes = living.filter((version) => sameContent(version, winner)).map(timeOf)
  return { ...state, mode: modeFrom.mode, mtimeUs: Math.max(state.mtimeUs, ...sameContentTimes) }
}

function timeOf(version: Version): number {
  return version.state?.mtimeUs ?? 0
}

/** Versions of equal content that were made apart: all of them count as having seen it. */
function contentVectorOf(winner: Version, living: readonly Version[]): VersionVector {
  return living
    .filter((version) => sameContent(version, winner))
    .map((version) => version.contentVector)
    .reduce(joinVectors)
}

function contentTimeOf(winner: Version, living: readonly Version[]): number {
  return Math.max(...living.filter((version) => sameContent(version, winner)).map((version) => version.contentTimeUs))
}

/** Losers of equal content get one copy, which counts as having seen all of them. */
function distinctContents(versions: readonly Version[]): readonly Version[] {
  const first = versions.filter((version, at) => versions.findIndex((other) => sameContent(other, version)) === at)
  return first.map((version) => ({
    ...version,
    contentVector: contentVectorOf(version, versions),
    contentTimeUs: contentTimeOf(version, versions),
  }))
}
