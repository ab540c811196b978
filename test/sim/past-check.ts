// What engines replaced or removed for the sake of others: at rest it is in the folder of that node, or its history gives it back.

import type { PastVersion } from '../../engine/api/controls.ts'
import { EngineError } from '../../engine/base/errors.ts'
import type { FileData } from './file-data.ts'
import type { SimNode } from './node.ts'
import type { Scheduler } from './scheduler.ts'
import { contentAt, contentHash, isIgnoredName, isOwnPath } from './snapshot.ts'

interface Seen {
  readonly content: string
  readonly sizeBytes: number
  /** Of its beginning and its end, where it is long enough to be several blocks. */
  readonly ends: readonly string[]
}

/** The smallest block that a file is cut into. */
const endBytes = 64 * 1024
/** A file up to this size is one block. */
const oneBlockBytes = 512 * 1024

/** History keeps every version for an hour, and one of ten minutes after that. */
const wholeMs = 55 * 60_000

/** A content that was at a path until the engine changed that. */
export interface Replaced extends Seen {
  readonly path: string
  readonly atUs: number
}

export class PastCheck {
  readonly #node: SimNode
  #seen = new Map<string, Seen>()
  /** By content: the last path at which it was replaced. */
  readonly #replaced = new Map<string, Replaced>()
  #isExcused = false

  constructor(node: SimNode) {
    this.#node = node
  }

  /** History may be short of something now: the clock, the room on the drive or the database were tampered with. */
  excuse(): void {
    this.#isExcused = true
  }

  /** What there is now was not an engine's doing. */
  look(): void {
    this.#seen = filesOf(this.#node)
  }

  /**
   * As `look`, after a person's work here. History keeps no second copy of what a file of the folder holds: who changes or removes the last
   * such file had the content before them, and gave it up; with it goes what an earlier version had in common with it (decision 0020). Every step
   * that changes a part of a file leaves its beginning or its end.
   */
  personActed(): void {
    const gone = new Map([...this.#seen.values()].map((seen) => [seen.content, seen]))
    this.look()
    for (const { content } of this.#seen.values()) gone.delete(content)
    const goneEnds = new Set([...gone.values()].flatMap(({ ends }) => ends))
    for (const { content, ends } of this.#replaced.values()) {
      if (gone.has(content) || ends.some((end) => goneEnds.has(end))) this.#replaced.delete(content)
    }
  }

  /** The engine changed something at `path`. */
  engineChanged(path: string, atUs: number): void {
    if (isOwnPath(path) || isIgnoredName(path)) return
    const before = this.#seen.get(path)
    const seen = seenAt(this.#node, path)
    if (before?.content === seen?.content) return
    if (before !== undefined) this.#replaced.set(before.content, { ...before, path, atUs })
    if (seen === undefined) this.#seen.delete(path)
    else this.#seen.set(path, seen)
  }

  /** Contents that only history can have, of those that are not old enough to be thinned. */
  owed(nowUs: number): readonly Replaced[] {
    if (this.#isExcused) return []
    const living = new Set([...filesOf(this.#node).values()].map(({ content }) => content))
    return [...this.#replaced.values()].filter(({ content, atUs }) => !living.has(content) && nowUs - atUs < wholeMs * 1000)
  }
}

function filesOf(node: SimNode): Map<string, Seen> {
  const start = node.folderPath.length + 1
  const seen = new Map<string, Seen>()
  for (const full of node.user.walk(node.folderPath)) {
    const path = full.slice(start)
    const stat = node.user.lstat(full)
    const file = isOwnPath(path) || isIgnoredName(path) || stat?.kind !== 'file' ? undefined : seenAt(node, path)
    if (file !== undefined) seen.set(path, file)
  }
  return seen
}

const known = new WeakMap<FileData, { readonly content: string; readonly seen: Seen }>()

function seenAt(node: SimNode, path: string): Seen | undefined {
  const content = contentAt(node, path)
  const data = node.user.dataAt(`${node.folderPath}/${path}`)
  if (content === undefined || data === undefined) return undefined
  const before = known.get(data)
  if (before?.content === content) return before.seen
  const bytes = data.view()
  const ends = bytes.length <= oneBlockBytes ? [] : [bytes.subarray(0, endBytes), bytes.subarray(-endBytes)].map(contentHash)
  const seen = { content, sizeBytes: bytes.length, ends }
  known.set(data, { content, seen })
  return seen
}

const limits = { durationMs: 120_000, stepsMax: 1_000_000 }
/** Where versions are brought back to: outside of folder and home. */
export const restoredPath = '/restored'

/** Whether the node's history gives `replaced` back, under its own path or, where that was taken over by a copy, under another. */
export async function isInHistory(scheduler: Scheduler, node: SimNode, replaced: Replaced): Promise<boolean> {
  const { controls, user } = node
  const folder = controls?.folders()[0]
  if (controls === undefined || folder === undefined) return false
  if (user.lstat(restoredPath) === undefined) user.mkdir(restoredPath)
  const { signal } = new AbortController()
  const own = controls.history(folder.id, replaced.path).versions
  const others = controls.history(folder.id, undefined).versions
  const isCandidate = ({ kind, bytes }: PastVersion): boolean => kind === 'file' && bytes === replaced.sizeBytes
  for (const version of [...own, ...others].filter(isCandidate)) {
    const to = `${restoredPath}/it`
    try {
      const request = { folder: folder.id, path: version.path, version: version.id, to }
      await scheduler.settle(controls.restore(request, signal), limits, `restoring ${version.path} on ${node.name}`)
    } catch (error) {
      if (!(error instanceof EngineError)) throw error
      scheduler.note(`${node.name} cannot restore ${version.path}: ${error.message}`)
      continue
    }
    const bytes = user.read(to)
    user.remove(to)
    if (bytes !== undefined && contentHash(bytes) === replaced.content) return true
  }
  return false
}
