// Which files of a folder are on this disk, as a person says it: the rule for all of them, freeing and fetching some, and where each file is.

import type { FetchedFiles, FileList, FreedFiles, KeptFiles } from '../api/elsewhere.ts'
import { EngineError } from '../base/errors.ts'
import { parseSelection } from '../disk/ignore.ts'
import type { ElsewhereRow } from '../index/elsewhere-table.ts'
import { keepsAll, type Keep, type KeepRule } from '../model/folder.ts'
import { normalisePath, parseRelativePath, type RelativePath } from '../model/path.ts'
import { leasesNeeded } from '../replicas/lease.ts'
import { wantElsewhere, type IsKept } from '../sync/elsewhere.ts'
import { entryIdOfPath, localPath, type FolderHandle } from '../sync/folder-handle.ts'
import { appliedVersion } from '../sync/resolve.ts'
import { Free, type Freed, type FreeListener, type FreeRefusal, type RefusedFree } from '../sync/free.ts'
import type { CopiesQuery } from './folder-copies.ts'
import { pathInFolder } from './folder-path.ts'
import { refusePaused, stoppedError, type AskedFolder } from './folder-readiness.ts'
import { KeepLater } from './keep-later.ts'
import type { MemberParts } from './member-parts.ts'
import type { MemberWork } from './member-work.ts'

export interface FolderElsewhereParts extends MemberParts {
  readonly handle: FolderHandle
  readonly work: MemberWork
  readonly folder: AskedFolder & { readonly guard: { readonly isHeld: boolean } }
  readonly events: MemberParts['events'] & { readonly free: FreeListener; readonly wanted: () => void }
}

const rowsPerTransaction = 500
const toldMax = 100
const pollMs = 100

/** Throws `BAD_ARGUMENT`. */
export function parseKeepRule(kind: Keep, patterns: readonly string[]): KeepRule {
  if (kind === 'share')
    throw badArgument('a node with the files of a folder keeps all of them, selected ones or none; a share is for hosts')
  if (kind !== 'selected' && patterns.length > 0) throw badArgument(`patterns say what is selected: with ${kind} there are none`)
  if (kind === 'selected' && patterns.length === 0) {
    throw badArgument('say which files are selected: patterns as in .holdfastignore, for example "*.jpg" or "summer/"')
  }
  const parsed = parseSelection(patterns)
  if (parsed.kind === 'refused') throw badArgument(`the patterns cannot be used: ${parsed.problem}`)
  return { kind, patterns }
}

export class FolderElsewhere {
  readonly #parts: FolderElsewhereParts
  readonly #free: Free
  readonly #later: KeepLater
  #rule: KeepRule
  #isKept: IsKept

  constructor(parts: FolderElsewhereParts) {
    this.#parts = parts
    const { index, world, network, handle, work, events } = parts
    const { jobs, clock, random } = world
    this.#rule = handle.record.keep ?? keepsAll
    this.#isKept = isKeptBy(this.#rule)
    const others = {
      peers: () => {
        const retired = new Set(work.log.members.filter(({ isRetired }) => isRetired).map(({ peer }) => peer))
        return work.connected.filter((peer) => !retired.has(peer))
      },
      claimed: work.copies.claimedBy.bind(work.copies),
      lease: work.fetcher.lease.bind(work.fetcher),
    }
    this.#free = new Free({ index, jobs, handle, clock, random, log: work.logger, others, events: events.free })
    this.#later = new KeepLater({
      clock,
      log: work.logger,
      // Not of this node's own: it says something else with each try.
      evidence: () => {
        const said = work.copies.receipts.all().map(({ peer, edition }) => (peer === network.self ? '' : `${peer} ${edition}`))
        return [...said, ...others.peers()].join(' ')
      },
      versionOf: (path) => appliedVersion(index, handle, path)?.row.rowSeq,
      mayFree: (path) => !parts.folder.isPaused && !parts.folder.isStopped && !parts.folder.guard.isHeld && !this.#isKept(path),
      free: async (paths, signal) => (await this.#free.free(paths, this.#neededCopies, signal)).refused,
    })
  }

  /** Tries again what `keep` could not free, until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#later.run(signal)
  }

  /** How far freeing is; undefined while nothing is freed. */
  get freeing(): Free['progress'] {
    return this.#free.progress
  }

  /** Files that `keep` is to free as soon as others have proven them. */
  get toFree(): number {
    return this.#later.count
  }

  get rule(): KeepRule {
    return this.#rule
  }

  /** As `keep` answers when there is nothing to do. */
  get kept(): KeptFiles {
    const { kind, patterns } = this.#rule
    const nothing = { fetching: 0, fetchingBytes: 0, freed: 0, freedBytes: 0, refused: [], refusedCount: 0 }
    return { keep: kind, patterns, ...nothing, neededCopies: this.#neededCopies, toFree: this.toFree }
  }

  get #neededCopies(): number {
    return leasesNeeded(this.#parts.work.log.state.targetCopies)
  }

  /** Whether the rule has the file at this path here. */
  isKept(path: RelativePath): boolean {
    return this.#isKept(path)
  }

  /** A path that is being freed: what is seen there is half of the story. */
  isAtWork(path: string): boolean {
    return this.#free.isAtWork(path)
  }

  /** For status: nothing where every file is here. */
  get totals(): { readonly files: number; readonly bytes: number } {
    const { files, bytes } = this.#parts.index.elsewhere.totals(this.#parts.handle.row)
    return { files, bytes }
  }

  /** Fetches what the rule has here and is not; frees what it has not and is. Throws `NOT_ALLOWED`, `FOLDER_STOPPED`, `ABORTED`. */
  async keep(rule: KeepRule, signal: AbortSignal): Promise<KeptFiles> {
    this.#refuseNow()
    const { index, handle, events } = this.#parts
    index.transactDurably(() => index.folders.setKeep(handle.row, rule))
    this.#rule = rule
    this.#isKept = isKeptBy(rule)
    events.membersChanged() // the receipt says what is kept, and so does the file beside the index
    const fetched = await this.#eachRow('', signal, (row) => this.#followRule(row))
    events.wanted()
    const paths = this.#filesAt(undefined).filter((path) => !this.#isKept(path))
    const freed = await this.#free.free(paths, this.#neededCopies, this.#parts.work.whileActive(signal))
    const toFree = this.#later.replace(freed.refused)
    return { keep: rule.kind, patterns: rule.patterns, ...fetched, ...describeFreed(freed, this.#neededCopies), toFree }
  }

  /** Throws `UNKNOWN_PATH`, `BAD_PATH`, `NOT_ALLOWED`, `FOLDER_STOPPED`, `ABORTED`. */
  async free(typed: readonly string[], copiesMin: number | undefined, signal: AbortSignal): Promise<FreedFiles> {
    this.#refuseNow()
    const paths = new Set(typed.flatMap((text) => this.#filesAt(this.#known(text))))
    return this.#freeAll([...paths], copiesMin, signal)
  }

  /** Asks for files that are elsewhere. Throws `UNKNOWN_PATH`, `BAD_PATH`, `NOT_ALLOWED`, `FOLDER_STOPPED`, `ABORTED`. */
  async fetch(typed: readonly string[], signal: AbortSignal): Promise<FetchedFiles> {
    refusePaused(this.#parts.folder)
    const paths = typed.map((text) => this.#known(text))
    let [fetching, fetchingBytes] = [0, 0]
    for (const path of paths) {
      this.#later.forget(localPath(this.#parts.index, this.#parts.handle, path))
      const wanted = await this.#eachRow(normalisePath(path), signal, (row) => this.#want(row))
      fetching += wanted.fetching
      fetchingBytes += wanted.fetchingBytes
    }
    this.#parts.events.wanted()
    return { fetching, fetchingBytes }
  }

  /** Resolves when nothing at or below these paths is still to come. Throws `ABORTED`. */
  async waitFetched(typed: readonly string[], signal: AbortSignal): Promise<void> {
    const { world } = this.#parts
    for (const text of typed) {
      const path = normalisePath(this.#known(text))
      while (this.#isComing(path)) await world.clock.sleep(pollMs, signal)
    }
  }

  /** Every file, also those that are not here. */
  async list(query: CopiesQuery, signal: AbortSignal): Promise<FileList> {
    const { handle, work } = this.#parts
    const { files, total } = await work.copies.list(handle.reading, query, signal)
    return { files: files.map((file) => ({ ...file, state: this.#stateOf(file.path) })), total, elsewhere: this.totals }
  }

  #stateOf(text: string): FileList['files'][number]['state'] {
    const { index, handle } = this.#parts
    const path = parseRelativePath(text)
    if (path === undefined) return 'elsewhere' // an entry of a path that this node cannot have
    if (index.items.byPath(handle.row, localPath(index, handle, path)) !== undefined) return 'here'
    return index.elsewhere.get(handle.row, entryIdOfPath(handle, path))?.isWanted === false ? 'elsewhere' : 'coming'
  }

  async #freeAll(paths: readonly RelativePath[], copiesMin: number | undefined, signal: AbortSignal): Promise<FreedFiles> {
    const needed = copiesMin ?? this.#neededCopies
    return describeFreed(await this.#free.free(paths, needed, this.#parts.work.whileActive(signal)), needed)
  }

  /** Paths here of the files at or below one; undefined = the whole folder. */
  #filesAt(path: RelativePath | undefined): readonly RelativePath[] {
    const { index, handle } = this.#parts
    if (path === undefined) return index.items.filePathsBelow(handle.row, '')
    const local = localPath(index, handle, path)
    return index.items.byPath(handle.row, local)?.kind === 'file' ? [local] : index.items.filePathsBelow(handle.row, local)
  }

  /** A path of the folder, here or elsewhere. */
  #known(text: string): RelativePath {
    const { index, handle } = this.#parts
    const path = pathInFolder(handle.record, text)
    const isHere = index.items.byPath(handle.row, localPath(index, handle, path)) !== undefined
    if (isHere || index.elsewhere.atOrBelow(handle.row, normalisePath(path), '', 1).length > 0) return path
    throw new EngineError(
      'UNKNOWN_PATH',
      `nothing is at ${path} in ${handle.record.name}: 'holdfast ls' lists every file, also those that are not here`,
    )
  }

  #isComing(path: string): boolean {
    const { index, handle } = this.#parts
    for (let after = ''; ;) {
      const rows = index.elsewhere.atOrBelow(handle.row, path, after, rowsPerTransaction)
      if (rows.some(({ isWanted }) => isWanted)) return true
      after = rows.at(-1)?.path ?? after
      if (rows.length < rowsPerTransaction) return false
    }
  }

  /** Counts the files that `decide` says are to come. */
  async #eachRow(
    path: string,
    signal: AbortSignal,
    decide: (row: ElsewhereRow) => boolean,
  ): Promise<{ readonly fetching: number; readonly fetchingBytes: number }> {
    const { index, world, handle } = this.#parts
    let [fetching, fetchingBytes] = [0, 0]
    for (let after = ''; ;) {
      const rows = index.elsewhere.atOrBelow(handle.row, path, after, rowsPerTransaction)
      index.transact(() => {
        for (const row of rows) {
          if (!decide(row) || row.isDirectory) continue
          fetching++
          fetchingBytes += row.sizeBytes
        }
      })
      after = rows.at(-1)?.path ?? after
      if (rows.length < rowsPerTransaction) return { fetching, fetchingBytes }
      await world.clock.sleep(0, signal)
    }
  }

  #want(row: ElsewhereRow): boolean {
    const { index, handle } = this.#parts
    if (row.isWanted) return false
    wantElsewhere(index, handle, row)
    return true
  }

  #followRule(row: ElsewhereRow): boolean {
    const { index, handle } = this.#parts
    if (this.#isKept(row.path)) return this.#want(row)
    if (row.isWanted) index.elsewhere.put(handle.row, row.entryId, { ...row, isWanted: false })
    return false
  }

  /** Throws `NOT_ALLOWED`, `FOLDER_STOPPED`. */
  #refuseNow(): void {
    const { folder } = this.#parts
    refusePaused(folder)
    if (folder.isStopped) throw stoppedError(folder)
    if (!folder.guard.isHeld) return
    throw new EngineError('NOT_ALLOWED', `${folder.record.name} waits for you to accept or reject changes: decide that first`)
  }
}

function isKeptBy({ kind, patterns }: KeepRule): IsKept {
  if (kind !== 'selected') return () => kind === 'all'
  const selection = parseSelection(patterns)
  return selection.kind === 'ok' ? selection.matches : () => true // a rule that an older version took: whoever has too much has lost nothing
}

function describeFreed({ files, bytes, refused }: Freed, needed: number): FreedFiles {
  return {
    freed: files,
    freedBytes: bytes,
    refused: refused
      .slice(0, toldMax)
      .map((one) => ({ path: one.path, reason: one.reason, copies: one.copies, text: refusalText(one, needed) })),
    refusedCount: refused.length,
    neededCopies: needed,
  }
}

const refusalTexts: Readonly<Record<Exclude<FreeRefusal, 'NOT_PROVEN'>, string>> = {
  CHANGED_HERE: 'it was changed here and the others have not got that yet: wait until the folder is in step',
  NOT_IN_STEP: 'it is not in step: wait until it is',
  IN_CONFLICT: 'it is in conflict: decide that first with holdfast resolve',
  FAILED: 'it could not be removed from the disk: see the log',
}

function refusalText({ reason, copies }: RefusedFree, needed: number): string {
  if (reason !== 'NOT_PROVEN') return refusalTexts[reason]
  const have = copies === 1 ? '1 copy' : `${copies} copies`
  return `${have} at other members could be proven now, ${needed} are needed: start the machines that have it, or say with --min-copies how many are enough`
}

function badArgument(text: string): EngineError {
  return new EngineError('BAD_ARGUMENT', text)
}
