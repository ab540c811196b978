// Replicas of a folder reduced to versions: each keeps current versions and what is applied, and does with them what
// ingest-commit.ts, author.ts, receive.ts, merge.ts and pull.ts do with rows. For properties of the rules in reconcile.ts.

import { assert, present } from '../../engine/base/assert.ts'
import { compareBytes, concatBytes, toHex, utf8 } from '../../engine/base/bytes.ts'
import { blake3 } from '../../engine/crypto/hash.ts'
import { BlockList } from '../../engine/model/block-list.ts'
import { packVector } from '../../engine/model/entry.ts'
import { authorIdBytes, hashIdBytes, idVersion, parseAuthorId, parseBlockId, type AuthorId } from '../../engine/model/ids.ts'
import type { EntryKind } from '../../engine/model/meta.ts'
import { parseRelativePath, type RelativePath } from '../../engine/model/path.ts'
import { advanceVector, compareVectors, emptyVector, joinVectors, type VersionVector } from '../../engine/model/vector.ts'
import { timeAfter } from '../../engine/sync/ingest-commit.ts'
import { conflictPath } from '../../engine/sync/conflict-name.ts'
import { isSameContent, resolveVersions, sameContent, type PathState, type Version } from '../../engine/sync/reconcile.ts'

export function authorOf(number: number): AuthorId {
  const bytes = new Uint8Array(authorIdBytes).fill(number + 1)
  bytes[0] = idVersion
  return present(parseAuthorId(bytes), 'a test author')
}

export function pathOf(text: string): RelativePath {
  return present(parseRelativePath(text), 'a test path')
}

/** What a person writes: a file of one block for 'file', a target for 'symlink'; nothing for a directory. */
export interface Content {
  readonly kind: EntryKind
  readonly text: string
}

export function stateOf(path: RelativePath, content: Content, mtimeUs: number, mode: number): PathState {
  const { kind, text } = content
  const hash = blake3(utf8(text))
  const id = new Uint8Array(hashIdBytes)
  id[0] = idVersion
  id.set(hash, 1)
  const block = { id: present(parseBlockId(id), 'a test block'), key: hash, lengthBytes: Math.max(1, text.length) }
  return {
    path,
    kind,
    sizeBytes: kind === 'file' ? block.lengthBytes : 0,
    mtimeUs: kind === 'directory' ? 0 : mtimeUs,
    mode: kind === 'symlink' ? 0 : mode,
    chunkClass: kind === 'file' ? 1 : 0,
    blocks: kind === 'file' ? BlockList.pack([block]) : BlockList.empty,
    linkTarget: kind === 'symlink' ? text : undefined,
  }
}

/** A version with, for the test's eyes only, the edits whose content it holds. */
export interface Tracked extends Version {
  readonly edits: ReadonlySet<number>
}

export interface Place {
  siblings: Tracked[]
  item: Tracked | undefined
  isNeeded: boolean
}

/** What all replicas share: which edits were made, and which of them somebody replaced or deleted who had them on the own disk. */
export class Ledger {
  readonly edits: PathState[] = []
  readonly #replaced = new Set<number>()
  readonly #alike: number[][] = []

  /** Somebody who had them on the own disk put something else in their place, or nothing. */
  noteReplaced(edits: Iterable<number>): void {
    for (const edit of edits) this.#replaced.add(edit)
  }

  /** Two edits of the same content came to be one version: what is on the disk and equals a known version is that version. */
  unite(left: Iterable<number>, right: Iterable<number>): void {
    this.#alike.push([...left, ...right])
  }

  isReplaced(edit: number): boolean {
    const group = new Set([edit])
    for (let size = 0; size < group.size;) {
      size = group.size
      for (const alike of this.#alike) if (alike.some((other) => group.has(other))) for (const other of alike) group.add(other)
    }
    return [...group].some((other) => this.#replaced.has(other))
  }
}

export class Replica {
  readonly author: AuthorId
  readonly places: Map<string, Place> = new Map()
  readonly #ledger: Ledger
  #seq = 0

  constructor(number: number, ledger: Ledger) {
    this.author = authorOf(number)
    this.#ledger = ledger
  }

  place(path: string): Place {
    const known = this.places.get(path)
    if (known !== undefined) return known
    const made: Place = { siblings: [], item: undefined, isNeeded: false }
    this.places.set(path, made)
    return made
  }

  /** Paths that have something on this disk. */
  livePaths(): readonly string[] {
    return [...this.places].flatMap(([path, { item }]) => (item === undefined ? [] : [path])).toSorted()
  }

  /** The person puts content at the path; ingest finds it. */
  write(path: string, content: Content, mtimeUs: number, mode: number): void {
    const place = this.place(path)
    const state = stateOf(pathOf(path), content, mtimeUs, mode)
    const { item } = place
    const isSame = item?.state !== undefined && sameContent(item, { ...item, state })
    if (isSame && hasSameAttributes(item.state, state)) return
    if (item !== undefined && !isSame) this.#ledger.noteReplaced(item.edits)
    const equal = place.siblings.find(
      (version) => version.state !== undefined && sameContent(version, { ...version, state }) && hasSameAttributes(version.state, state),
    )
    if (equal !== undefined) {
      place.item = equal
      if (isSame) this.#ledger.unite(item.edits, equal.edits)
      if (place.siblings.length === 1) place.isNeeded = false
      return
    }
    const isUnseen = place.siblings.length === 0 || place.isNeeded
    const seen = item === undefined ? (isUnseen ? [] : place.siblings) : [item]
    const base = seen.map((version) => version.vector).reduce(joinVectors, emptyVector)
    const vector = advanceVector(base, this.author, ++this.#seq)
    if (isSame) {
      const { contentVector, editor, contentTimeUs } = item
      const version = asRead({ vector, contentVector, editor, contentTimeUs, state }, vector)
      this.#commit(place, { ...version, edits: item.edits })
    } else {
      const edit = this.#ledger.edits.push(state) - 1
      const contentTimeUs = timeAfter(
        state.mtimeUs,
        seen.map((version) => version.contentTimeUs),
      )
      this.#commit(place, { vector, contentVector: vector, editor: this.author, contentTimeUs, state, edits: new Set([edit]) })
    }
  }

  /** Only mode or time change; nothing happens where there is nothing. */
  setAttributes(path: string, change: { readonly mode?: number; readonly mtimeUs?: number }): void {
    const state = this.place(path).item?.state
    if (state === undefined) return
    const text = state.kind === 'symlink' ? (state.linkTarget ?? '') : ''
    const changed = { ...state, ...change }
    if (state.kind !== 'file') this.write(path, { kind: state.kind, text }, changed.mtimeUs, changed.mode)
    else {
      const edit = [...present(this.place(path).item, 'just read').edits][0] ?? 0
      this.write(path, contentOf(present(this.#ledger.edits[edit], 'an item holds an edit')), changed.mtimeUs, changed.mode)
    }
  }

  delete(path: string): void {
    const place = this.place(path)
    const { item } = place
    if (item === undefined) return
    this.#ledger.noteReplaced(item.edits)
    const vector = advanceVector(item.vector, this.author, ++this.#seq)
    const { contentTimeUs } = item
    this.#commit(place, { vector, contentVector: vector, editor: this.author, contentTimeUs, state: undefined, edits: new Set() })
  }

  receive(path: string, version: Tracked): void {
    const place = this.place(path)
    for (const sibling of place.siblings) {
      const order = compareVectors(version.vector, sibling.vector)
      if (order === 'before') return
      if (order === 'equal' && !isPreferredVersion(version, sibling)) return
    }
    this.#replaceSiblings(place, version)
    place.isNeeded = true
  }

  /** Brings concurrent versions of every path together. */
  merge(): void {
    for (const [path, place] of this.places) {
      if (place.siblings.length < 2) continue
      const versions = place.siblings
      const resolution = resolveVersions(versions)
      assert(resolution.kind === 'merge', 'several versions are merged')
      this.#replaceSiblings(place, { ...asRead(resolution.merged, resolution.merged.vector), edits: editsOf(versions, resolution.merged) })
      place.isNeeded = true
      for (const loser of resolution.losers) this.#writeCopy(path, loser, editsOf(versions, loser))
    }
  }

  /** Brings the disk in line where there is nothing left to merge. */
  apply(): void {
    for (const place of this.places.values()) {
      const [version] = place.siblings
      if (version === undefined || place.siblings.length > 1) continue
      place.isNeeded = false
      const order = place.item === undefined ? 'before' : compareVectors(place.item.vector, version.vector)
      if (order === 'after' || (order === 'equal' && isAsVersion(place.item, version))) continue
      place.item = version.state === undefined ? undefined : version
    }
  }

  #writeCopy(path: string, loser: Version, edits: ReadonlySet<number>): void {
    const { state } = loser
    if (state === undefined) return
    const content = state.kind === 'symlink' ? utf8(state.linkTarget ?? '') : state.blocks.bytes
    const mark = blake3(concatBytes([packVector(loser.contentVector), content]))
    const copyPath = present(conflictPath(pathOf(path), loser.contentTimeUs, loser.editor, mark), 'there is room for the name')
    const place = this.place(copyPath)
    const isWritten = place.siblings.some((version) => {
      const order = compareVectors(loser.contentVector, version.vector)
      return order === 'before' || order === 'equal'
    })
    if (isWritten) return
    const version = asRead({ ...loser, state: { ...state, path: copyPath } }, loser.contentVector)
    this.#replaceSiblings(place, { ...version, edits })
    place.isNeeded = true
  }

  #commit(place: Place, version: Tracked): void {
    this.#replaceSiblings(place, version)
    place.item = version.state === undefined ? undefined : version
    place.isNeeded = place.siblings.length > 1
  }

  #replaceSiblings(place: Place, version: Tracked): void {
    const isSeen = (sibling: Tracked): boolean => {
      const order = compareVectors(sibling.vector, version.vector)
      return order === 'before' || order === 'equal'
    }
    place.siblings = [...place.siblings.filter((sibling) => !isSeen(sibling)), version]
  }
}

/** As versions.ts reads back what merge.ts writes. */
function asRead(version: Version, vector: VersionVector): Version {
  const editor = version.editor ?? (vector.length === 1 ? vector[0]?.author : undefined)
  const contentVector = version.state === undefined ? vector : version.contentVector
  return { vector, contentVector, editor, contentTimeUs: version.contentTimeUs, state: version.state }
}

/** As isPreferred: of two versions with equal vectors all keep the same. The bytes stand for those of the encoded entry. */
function isPreferredVersion(version: Version, other: Version): boolean {
  if ((version.state === undefined) !== (other.state === undefined)) return other.state === undefined
  return compareBytes(bytesOf(version), bytesOf(other)) > 0
}

function bytesOf(version: Version): Uint8Array {
  return concatBytes([version.state?.blocks.bytes ?? new Uint8Array(0), utf8(printVersion(version))])
}

/** As pull-plan.ts: an equal vector alone does not say that the disk has this very version. */
function isAsVersion(item: Tracked | undefined, { state, contentVector }: Version): boolean {
  if (state === undefined) return true
  if (item?.state === undefined || compareVectors(item.contentVector, contentVector) !== 'equal') return false
  return isSameContent(item.state, state) && hasSameAttributes(item.state, state)
}

function editsOf(versions: readonly Tracked[], result: Version): ReadonlySet<number> {
  if (result.state === undefined) return new Set()
  return new Set(versions.filter((version) => sameContent(version, result)).flatMap((version) => [...version.edits]))
}

function hasSameAttributes(left: PathState, right: PathState): boolean {
  if (left.kind === 'symlink') return true
  return left.mode === right.mode && (left.kind === 'directory' || left.mtimeUs === right.mtimeUs)
}

const contents = new Map<string, Content>()

/** Content by its state: states keep hashes only. */
export function contentOf(state: PathState): Content {
  if (state.kind !== 'file') return { kind: state.kind, text: state.linkTarget ?? '' }
  return present(contents.get(String(state.blocks.hash(0))), 'test contents are made by fileOf')
}

export function fileOf(text: string): Content {
  const content: Content = { kind: 'file', text }
  contents.set(String(stateOf(pathOf('x'), content, 0, 0).blocks.hash(0)), content)
  return content
}

/** What two replicas that agree print alike. */
export function printPlaces(replica: Replica): string {
  const places = [...replica.places].filter(([, place]) => place.siblings.length > 0).toSorted(([left], [right]) => (left < right ? -1 : 1))
  return places.map(([path, place]) => `${path}: ${place.siblings.map(printVersion).toSorted().join(' | ')}`).join('\n')
}

export function printVersion(version: Version): string {
  const { state } = version
  const vector = (of: VersionVector): string => of.map(({ author, seq }) => `${(author[1] ?? 0) - 1}:${seq}`).join(',')
  const what =
    state === undefined
      ? 'deleted'
      : `${state.kind} ${toHex(state.blocks.bytes.subarray(0, 3))}${state.linkTarget ?? ''} mode ${state.mode.toString(8)} time ${state.mtimeUs}`
  return `{${vector(version.vector)}} content {${vector(version.contentVector)}} by ${version.editor?.[1] ?? '-'} at ${version.contentTimeUs}: ${what}`
}

/** `from` sends what is current there; `which` has a bit for each version, so that some can be left out. */
export function send(from: Replica, to: Replica, which = 255): void {
  let at = 0
  for (const [path, { siblings }] of from.places) {
    for (const version of siblings) if ((which >> (at++ % 8)) & 1) to.receive(path, version)
  }
}

/** Everybody hears everything, merges and applies, until nothing changes. Throws when that takes too long. */
export function rest(replicas: readonly Replica[]): void {
  for (let round = 0; round < 12; round++) {
    const before = replicas.map(printPlaces).join('\n')
    for (const from of replicas) for (const to of replicas) send(from, to)
    for (const replica of replicas) {
      replica.merge()
      replica.apply()
    }
    if (replicas.map(printPlaces).join('\n') === before) return
  }
  throw new Error('the replicas do not come to rest')
}

/** All hold the same, and have it on disk to the last bit. */
export function assertAlike(replicas: readonly Replica[]): void {
  for (const replica of replicas) {
    assertEqual(printPlaces(replica), printPlaces(present(replicas[0], 'there is a replica')))
    for (const [path, { siblings, item }] of replica.places) {
      const current = siblings[0]
      assert(siblings.length <= 1, `${path} is not resolved`)
      if (item === undefined || current === undefined) assert(item === current || current?.state === undefined, `${path} is not applied`)
      else assertEqual(printVersion(asOnDisk(item)), printVersion(asOnDisk(current)))
    }
  }
}

/** What a disk says of a version: not which change made the content, nor who. */
function asOnDisk({ vector, state }: Version): Version {
  return { vector, contentVector: vector, editor: undefined, contentTimeUs: 0, state }
}

/** What each remembers of what it applied is what all say of it. */
export function assertItemsExact(replicas: readonly Replica[]): void {
  for (const { places } of replicas) {
    for (const { siblings, item } of places.values()) {
      if (item !== undefined && siblings[0] !== undefined) assertEqual(printVersion(item), printVersion(siblings[0]))
    }
  }
}

/** Every content that nobody replaced who had it is on the disk of the first replica, under whatever name. */
export function assertNothingLost(ledger: Ledger, replicas: readonly Replica[]): void {
  const live = [...(replicas[0]?.places.values() ?? [])].flatMap(({ item }) => item?.state ?? [])
  for (const [edit, state] of ledger.edits.entries()) {
    if (ledger.isReplaced(edit) || state.kind === 'directory') continue
    assert(
      live.some((other) => isSameContent(other, state)),
      `edit ${edit} is gone:\n${replicas.map(printPlaces).join('\n--\n')}`,
    )
  }
}

function assertEqual(actual: string, expected: string): void {
  assert(actual === expected, `the replicas differ:\n${actual}\n--\n${expected}`)
}
