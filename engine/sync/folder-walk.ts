// Looks at a folder's whole tree and decides what becomes of what it finds: told, held for a person to decide about, or taken back.

import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Index } from '../index/index-store.ts'
import type { ItemRow } from '../index/item-table.ts'
import type { RelativePath } from '../model/path.ts'
import type { Caution } from './caution.ts'
import type { ChangeGuard } from './change-guard.ts'
import type { FolderHandle } from './folder-handle.ts'
import type { FolderRoot } from './folder-root.ts'
import type { IngestBatches, IngestManner } from './ingest-batches.ts'
import type { FoundPath } from './ingest-commit.ts'
import type { FolderProblems } from './problems.ts'
import { walkCodes } from './reasons.ts'
import { findOrphans } from './orphans.ts'
import { burstFilesMax, guardedFilesMin, quietAfterMs } from './safety.ts'
import { isSuspect, TreeScan, type Candidate, type ScanJobs } from './scan.ts'
import { forgetRestore } from './take-back.ts'

export interface FolderWalkParts {
  readonly index: Index
  readonly jobs: ScanJobs
  readonly handle: FolderHandle
  readonly clock: Clock
  readonly log: Log
  readonly problems: FolderProblems
  readonly guard: ChangeGuard
  readonly root: Pick<FolderRoot, 'rules'>
  readonly openBatches: (manner: IngestManner, signal: AbortSignal) => IngestBatches
  readonly take: (candidate: Candidate, batches: IngestBatches) => Promise<void>
  /** Looks once more at what seems lost. */
  readonly confirmLosses: (lost: readonly ItemRow[], signal: AbortSignal) => Promise<readonly FoundPath[]>
  /** True when changes were seen since the walk began. */
  readonly isStillChanging: () => boolean
  /** False while some path is to be looked at again. */
  readonly isAllSeen: () => boolean
}

/** What becomes of changes that a walk finds. */
const walkManners: Readonly<Record<Caution['kind'], IngestManner>> = {
  none: 'tell',
  held: 'hold',
  accepting: 'tell',
  rejecting: 'takeBack',
}

export class FolderWalk {
  readonly #parts: FolderWalkParts

  constructor(parts: FolderWalkParts) {
    this.#parts = parts
  }

  /** Resolves when what there is to tell is written. */
  async walk(signal: AbortSignal): Promise<void> {
    const { problems } = this.#parts
    let changed = 0
    for (;;) {
      const { mark } = problems
      const outcome = await this.#once(changed, signal)
      if (outcome === 'done') return this.#conclude(mark)
      changed = outcome.changed
    }
  }

  #conclude(mark: number): void {
    const { index, handle, problems, isAllSeen } = this.#parts
    problems.sweep(walkCodes, mark)
    if (isAllSeen() && !problems.all().some(({ code }) => code === 'UNREADABLE' || code === 'CHANGING')) forgetRestore(index, handle)
  }

  /** `again` with the number of changes seen when the tree is still changing, or when what was held is no more. */
  async #once(changedBefore: number, signal: AbortSignal): Promise<'done' | { readonly changed: number }> {
    const { guard, index, jobs, handle, problems, log, clock, root, openBatches, take, confirmLosses, isStillChanging } = this.#parts
    const { caution } = guard
    const lost: ItemRow[] = []
    const suspects: RelativePath[] = []
    const isGuarded = caution.kind === 'none' && guard.filesBefore >= guardedFilesMin
    const batches = openBatches(walkManners[caution.kind], signal)
    const sink = {
      candidate: async (candidate: Candidate) => {
        if (isGuarded && isSuspect(candidate)) suspects.push(candidate.path)
        else await take(candidate, batches)
      },
      lost: (item: ItemRow) => void lost.push(item),
    }
    await new TreeScan(index, jobs, handle, root.rules, problems, sink).walk([''], signal)
    const orphans = await findOrphans({ index, handle, clock }, signal)
    lost.push(...orphans.filter((item) => !root.rules.isIgnored(item.path, item.kind === 'directory')))
    const rewrites = await batches.settle()
    const changed = lost.filter((item) => guard.isLoss(item)).length + suspects.length
    if (isGuarded && changed > burstFilesMax) {
      await clock.sleep(quietAfterMs, signal)
      if (isStillChanging() && changed > changedBefore) return { changed } // it goes on: the end of it is waited for
    }
    const confirmed = await confirmLosses(lost, signal)
    log.debug('walked', { folder: handle.record.name, lost: lost.length, suspects: suspects.length })
    if (guard.caution !== caution) return { changed: 0 } // somebody decided meanwhile
    if (caution.kind === 'held') return this.#recount(batches, confirmed, rewrites)
    if (isGuarded && guard.isTooMuch(changed)) return this.#judge(batches, suspects, confirmed, signal)
    await this.#takeAll(suspects, batches)
    await batches.settle()
    batches.finish(confirmed)
    if (caution.kind !== 'none') guard.settle()
    return 'done'
  }

  /** So many files are gone or look different that their content is read before anybody is told: times change without it. */
  async #judge(
    batches: IngestBatches,
    suspects: readonly RelativePath[],
    lost: readonly FoundPath[],
    signal: AbortSignal,
  ): Promise<'done'> {
    const { guard, openBatches } = this.#parts
    const gathering = openBatches('gather', signal)
    await this.#takeAll(suspects, gathering)
    const rewrites = await gathering.settle()
    const losses = lost.filter(({ item }) => item !== undefined && item.isDoubted !== true && guard.isLoss(item))
    if (guard.isTooMuch(losses.length + rewrites.length)) {
      guard.ask(losses, rewrites)
      return 'done'
    }
    gathering.finish([])
    batches.finish(lost)
    return 'done'
  }

  /** What is held is counted again; when everything is back as it was, nothing is held any more. */
  #recount(batches: IngestBatches, lost: readonly FoundPath[], rewrites: readonly FoundPath[]): 'done' | { readonly changed: number } {
    const { guard } = this.#parts
    batches.finish(lost)
    const losses = lost.filter(({ item }) => item !== undefined && item.isDoubted !== true && guard.isLoss(item))
    if (losses.length + rewrites.length > 0) {
      guard.ask(losses, rewrites)
      return 'done'
    }
    guard.settle()
    return { changed: 0 }
  }

  async #takeAll(paths: readonly RelativePath[], batches: IngestBatches): Promise<void> {
    const { index, handle, take } = this.#parts
    for (const path of paths) {
      const item = index.items.byPath(handle.row, path)
      await take({ path, item, sizeBytes: item?.sizeBytes ?? 0, kind: 'file', inode: 0, mtimeUs: 0 }, batches)
    }
  }
}
