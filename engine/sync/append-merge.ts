// Brings two appends to one file together where the folder's settings ask for it. It comes after the ordinary rule, which has given one
// version the name and the other a copy: nothing depends on this flow. First the file gets what only the copy has; once that is on the
// disk, the copy goes. See docs/decisions/0028.

import { bytesKey } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Jobs } from '../base/jobs.ts'
import type { Log } from '../base/log.ts'
import { Wakeup } from '../base/queue.ts'
import type { BlockStore, StoredBlock } from '../blocks/store.ts'
import { shortKeyOf } from '../index/columns.ts'
import type { Index } from '../index/index-store.ts'
import { BlockList, sealOverheadBytes } from '../model/block-list.ts'
import { packVector } from '../model/entry.ts'
import { appendPatternsOf } from '../model/folder-settings.ts'
import { matchesName } from '../model/name-pattern.ts'
import { baseNameOf, type RelativePath } from '../model/path.ts'
import { compareVectors, meetVectors, type VersionVector } from '../model/vector.ts'
import type { CopyOutcome, mergeAppends, MergedAppends } from './append-job.ts'
import { listConflicts, type Conflict } from './conflicts.ts'
import { entryIdOfPath, type FolderHandle } from './folder-handle.ts'
import type { MergeGroup } from './merge.ts'
import { mergeOf } from './pull-plan.ts'
import { compareClaims, type PathState } from './reconcile.ts'
import { appliedVersion, commitWrites, presenceOf, removalOf, type Write } from './resolve.ts'
import type { OpenedVersion } from './versions.ts'

export interface AppendMergeParts {
  readonly index: Index
  readonly jobs: Jobs<{ readonly mergeAppends: typeof mergeAppends }>
  readonly handle: FolderHandle
  readonly store: BlockStore
  readonly clock: Clock
  readonly log: Log
  readonly events: AppendListener
}

export interface AppendListener {
  /** False while this node may not change the folder, or waits for a person's decision. */
  mayWrite(): boolean
  /** Entries were written here, with needs. */
  wrote(): void
}

/** All versions of one conflict together: they are in memory at once. */
const conflictBytesMax = 32 * 1024 * 1024
const copiesMax = 1000
const notesMax = 1000
const notesPerPathMax = 16
/** A conflict rests for so long before it is looked at: what belongs to it may still be on its way. */
const settleMs = 1000

interface Side {
  readonly copy: OpenedVersion
  readonly base: BlockList | undefined
}

/** What two versions of a path went on from, as far as is known here. */
interface NotedBase {
  readonly loser: VersionVector
  readonly blocks: BlockList
}

export class AppendMerge {
  readonly #parts: AppendMergeParts
  readonly #wakeup = new Wakeup()
  /** By path. After a restart the conflict tells its base only until the file is edited again. */
  readonly #noted = new Map<RelativePath, readonly NotedBase[]>()
  /** Pairs of versions that were looked at and are not to be brought together. */
  readonly #unclear = new Set<string>()

  constructor(parts: AppendMergeParts) {
    this.#parts = parts
  }

  /** Something changed in the folder, or in its settings. */
  wake(): void {
    this.#wakeup.wake()
  }

  /** These versions were brought together just now, by the ordinary rule: remembers what they went on from. */
  note(groups: readonly MergeGroup[]): void {
    if (this.#patterns().length === 0) return
    for (const { versions } of groups) {
      const path = versions[0]?.meta.path
      const resolution = mergeOf(versions)
      if (path === undefined || resolution === undefined || !this.#isAsked(path)) continue
      const noted = resolution.losers.flatMap((loser): NotedBase[] => {
        const blocks = this.#blocksOf(path, meetVectors(resolution.merged.contentVector, loser.contentVector))
        return blocks === undefined ? [] : [{ loser: loser.contentVector, blocks }]
      })
      if (noted.length === 0) continue
      this.#noted.set(path, [...(this.#noted.get(path) ?? []), ...noted].slice(-notesPerPathMax))
      for (const oldest of this.#noted.keys()) if (this.#noted.size > notesMax) this.#noted.delete(oldest)
    }
  }

  /** Works until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#parts
    this.wake()
    for (;;) {
      await this.#wakeup.wait(signal)
      if (this.#patterns().length === 0) continue
      await clock.sleep(settleMs, signal)
      try {
        await this.round(signal)
      } catch (error) {
        if (signal.aborted) throw error
        log.warn('could not bring appends together', { error: messageOf(error) })
      }
    }
  }

  /** Looks at every conflict once. Throws what jobs and the store throw. */
  async round(signal: AbortSignal): Promise<void> {
    const { index, handle, events } = this.#parts
    if (this.#patterns().length === 0 || !events.mayWrite()) return
    for (const conflict of listConflicts(index, handle, copiesMax)) {
      if (this.#isAsked(conflict.path)) await this.#bringTogether(conflict, signal)
    }
  }

  async #bringTogether(conflict: Conflict, signal: AbortSignal): Promise<void> {
    const { jobs, handle } = this.#parts
    const winner = this.#atRest(conflict.path)
    if (winner === undefined) return
    const copies = conflict.copies.map(({ path }) => this.#atRest(path))
    if (!copies.every((copy) => copy !== undefined)) return // all at once, or the others' base could not be told any more
    const sides = copies
      .toSorted(compareClaims)
      .map((copy): Side => ({ copy, base: this.#baseOf(winner, copy) }))
      // Without a base a copy can still be one that somebody has brought into the file: such a version is nobody's edit.
      .filter(({ copy, base }) => (base !== undefined || winner.editor === undefined) && !this.#unclear.has(pairKey(winner, copy)))
    const bytes = sizeOf(winner) + sides.reduce((total, { copy }) => total + sizeOf(copy), 0)
    if (sides.length === 0 || bytes > conflictBytesMax) return
    const { outcomes, merged } = await jobs.run(
      'mergeAppends',
      {
        root: handle.root,
        keys: handle.jobKeys,
        winner: { path: winner.meta.path, blocks: blocksOf(winner), chunkClass: winner.meta.chunkClass },
        copies: sides.map(({ copy, base }) => ({ path: copy.meta.path, blocks: blocksOf(copy), base: base?.bytes })),
      },
      { signal },
    )
    for (const [at, { copy }] of sides.entries()) if (outcomes[at] === 'unclear') this.#noteUnclear(winner, copy)
    if (merged !== undefined) await this.#keep(merged)
    this.#write(winner, sides, outcomes, merged)
  }

  /** The content is durable before the entry names it. */
  async #keep({ blocks: packed, sealedFrom, sealed }: MergedAppends): Promise<void> {
    const { handle, store } = this.#parts
    const blocks = new BlockList(packed)
    const stored: StoredBlock[] = []
    let from = 0
    for (let at = sealedFrom; at < blocks.count; at++) {
      const to = from + blocks.lengthBytes(at) + sealOverheadBytes
      stored.push({ folder: handle.record.id, id: blocks.id(at), bytes: sealed.subarray(from, to) })
      from = to
    }
    await store.put(stored.filter(({ folder, id }) => !store.has(folder, id)))
  }

  #write(winner: OpenedVersion, sides: readonly Side[], outcomes: readonly CopyOutcome[], merged: MergedAppends | undefined): void {
    const { index, handle, clock, events } = this.#parts
    const isSame = (version: OpenedVersion): boolean => this.#atRest(version.meta.path)?.row.rowSeq === version.row.rowSeq
    const count = index.transact(() => {
      // Reading took a while: what changed meanwhile is looked at anew.
      if (!isSame(winner) || !events.mayWrite()) return 0
      const writes: Write[] = []
      for (const [at, { copy }] of sides.entries()) {
        if (outcomes[at] === 'contained' && isSame(copy)) writes.push(removalOf(handle, copy))
      }
      const parts = sides.flatMap(({ copy }, at) => (outcomes[at] === 'merged' ? [copy] : []))
      if (merged !== undefined && winner.state !== undefined) {
        writes.push(presenceOf(index, handle, winner.meta.path, versionOf(winner, winner.state, parts, merged)))
      }
      commitWrites(index, handle, writes, clock.nowMs())
      return writes.length
    })
    if (count > 0) events.wrote()
  }

  /** The file that a path is, when nothing is to be done about it. */
  #atRest(path: RelativePath): OpenedVersion | undefined {
    const { index, handle } = this.#parts
    if (index.needs.has(handle.row, shortKeyOf(entryIdOfPath(handle, path)))) return undefined
    const version = appliedVersion(index, handle, path)
    return version?.state?.kind === 'file' ? version : undefined
  }

  /** What the versions of file and copy both went on from. Nothing is taken for it that is merely alike. */
  #baseOf(winner: OpenedVersion, copy: OpenedVersion): BlockList | undefined {
    const known = this.#blocksOf(winner.meta.path, meetVectors(winner.contentVector, copy.contentVector))
    if (known !== undefined) return known
    // For this very version: what a later one of the copy went on from may be something else.
    const noted = this.#noted.get(winner.meta.path) ?? []
    return noted.find(({ loser }) => compareVectors(loser, copy.contentVector) === 'equal')?.blocks
  }

  #blocksOf(path: RelativePath, vector: VersionVector): BlockList | undefined {
    if (vector.length === 0) return undefined
    const { index, handle } = this.#parts
    const item = index.items.byPath(handle.row, path)
    if (item?.kind === 'file' && compareVectors(item.vector, vector) === 'equal') return item.blocks
    return index.history.withVector(handle.row, path, vector)?.blocks
  }

  #patterns(): readonly string[] {
    const { index, handle } = this.#parts
    return appendPatternsOf(index.folders.settings(handle.row))
  }

  #isAsked(path: RelativePath): boolean {
    return this.#patterns().some((pattern) => matchesName(pattern, baseNameOf(path)))
  }

  #noteUnclear(winner: OpenedVersion, copy: OpenedVersion): void {
    if (this.#unclear.size >= copiesMax) this.#unclear.clear()
    this.#unclear.add(pairKey(winner, copy))
  }
}

/** Nobody's edit in particular, and the same for all who merge alike. */
function versionOf(
  winner: OpenedVersion,
  state: PathState,
  parts: readonly OpenedVersion[],
  { blocks, chunkClass, sizeBytes }: MergedAppends,
): Parameters<typeof presenceOf>[3] {
  const all = [winner, ...parts]
  const mtimeUs = Math.max(...all.map(({ meta }) => meta.mtimeUs))
  return {
    editor: undefined,
    contentTimeUs: Math.max(...all.map(({ contentTimeUs }) => contentTimeUs)),
    state: { ...state, mtimeUs, sizeBytes, chunkClass, blocks: new BlockList(blocks) },
  }
}

function sizeOf({ state }: OpenedVersion): number {
  return state?.sizeBytes ?? 0
}

function blocksOf({ state }: OpenedVersion): Uint8Array {
  return (state?.blocks ?? BlockList.empty).bytes
}

function pairKey(winner: OpenedVersion, copy: OpenedVersion): string {
  return `${bytesKey(packVector(winner.vector))} ${copy.meta.path} ${bytesKey(packVector(copy.vector))}`
}
