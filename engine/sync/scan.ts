// Compares what is on disk with the index: finds candidates (to be read) and losses (items no longer there). Reads no content.

import type { FileStat } from '../base/files.ts'
import type { Jobs } from '../base/jobs.ts'
import type { IgnoreRules } from '../disk/ignore.ts'
import { kindOfCode, type listDirectories, type ItemColumns, type Listing } from '../disk/walk.ts'
import type { Index } from '../index/index-store.ts'
import type { ItemRow } from '../index/item-table.ts'
import { childPath } from '../model/item.ts'
import { parseRelativePath, type RelativePath } from '../model/path.ts'
import type { FolderHandle } from './folder-handle.ts'
import { hasSameAttributes } from './ingest-commit.ts'
import type { FolderProblems } from './problems.ts'

/** A path that does not look as the index says, or is new. */
export interface Candidate {
  readonly path: RelativePath
  readonly item: ItemRow | undefined
  readonly sizeBytes: number
  /** What is there now. */
  readonly kind: FileStat['kind']
  readonly inode: number
  readonly mtimeUs: number
}

export function candidateOf(
  path: RelativePath,
  item: ItemRow | undefined,
  { sizeBytes, kind, inode, mtimeUs }: Omit<FileStat, 'device' | 'links'>,
): Candidate {
  return { path, item, sizeBytes, kind, inode, mtimeUs }
}

/** True when a file of the folder may have other content: to be counted before others are told. */
export function isSuspect({ item, kind }: Candidate): boolean {
  return item?.kind === 'file' && kind !== 'directory'
}

export interface ScanSink {
  /** May wait: that is the back-pressure. */
  candidate(candidate: Candidate): Promise<void>
  lost(item: ItemRow): void
}

export type ScanJobs = Jobs<{ readonly listDirectories: typeof listDirectories }>

/** Directories asked of one job, and items after which it hands back the rest. */
const directoriesPerJob = 256
const itemsPerJob = 4000

/** True when nothing about the path asks for a look at its content. */
export function isAsIndexed(item: ItemRow | undefined, stat: Omit<FileStat, 'device' | 'links'>): boolean {
  if (item === undefined || item.kind !== stat.kind) return false
  // A directory's times change with its children; only its bits are its own.
  if (item.kind === 'directory') return hasSameAttributes(item, 'directory', stat)
  if (item.inode !== stat.inode || item.ctimeUs !== stat.ctimeUs || item.mtimeUs !== stat.mtimeUs) return false
  return item.kind === 'symlink' || (item.sizeBytes === stat.sizeBytes && item.mode === stat.mode)
}

/** Items whose file was found to be the very one that they describe. */
export function trustItems(index: Index, items: readonly (ItemRow | undefined)[]): void {
  const doubted = items.filter((item) => item?.isDoubted === true)
  if (doubted.length === 0) return
  index.transact(() => {
    for (const item of doubted) if (item !== undefined) index.items.trust(item)
  })
}

function isPlain(name: string): boolean {
  return /^[\0-\x7f]*$/.test(name)
}

export class TreeScan {
  readonly #index: Index
  readonly #jobs: ScanJobs
  readonly #handle: FolderHandle
  readonly #rules: IgnoreRules
  readonly #problems: FolderProblems
  readonly #sink: ScanSink

  constructor(index: Index, jobs: ScanJobs, handle: FolderHandle, rules: IgnoreRules, problems: FolderProblems, sink: ScanSink) {
    this.#index = index
    this.#jobs = jobs
    this.#handle = handle
    this.#rules = rules
    this.#problems = problems
    this.#sink = sink
  }

  /** Walks these directories ('' = the root) and everything below. Parents are reported before their children. */
  async walk(directories: readonly string[], signal: AbortSignal): Promise<void> {
    // Last in, first out: the walk goes deep first, so that the list of what is still to visit stays short.
    const toVisit = directories.toReversed()
    while (toVisit.length > 0) {
      const batch = toVisit.splice(-directoriesPerJob).toReversed()
      const { listings, items, unvisited } = await this.#jobs.run(
        'listDirectories',
        { root: this.#handle.root, directories: batch, itemsMax: itemsPerJob },
        { signal },
      )
      toVisit.push(...unvisited.toReversed())
      for (const listing of listings) await this.#compare(listing, items, toVisit)
    }
  }

  async #compare(listing: Listing, items: ItemColumns, toVisit: string[]): Promise<void> {
    this.#noteProblems(listing)
    if (listing.outcome === 'unreadable') return // unknown is not deleted
    const known = this.#index.items.children(this.#handle.row, listing.directory)
    const spelled = new Map<string, number>()
    const asIndexed: ItemRow[] = []
    if (listing.outcome === 'ok') {
      for (let at = listing.first; at < listing.first + listing.count; at++) {
        const name = items.names[at] ?? ''
        if (!isPlain(name)) spelled.set(name.normalize('NFC'), items.inodes[at] ?? 0)
        const item = known.get(name)
        const isSame = await this.#compareItem(listing.directory, statAt(items, at), name, known, toVisit)
        if (isSame && item?.isDoubted === true) asIndexed.push(item)
      }
    }
    trustItems(this.#index, asIndexed)
    for (const problem of listing.problems) if (problem.reason === 'unreadable') known.delete(problem.name)
    for (const [name, item] of known) {
      // The same file under another Unicode form of its name is not lost: it is respelled when it is taken.
      if (isPlain(name) || spelled.get(name.normalize('NFC')) !== item.inode) this.#lose(item)
    }
  }

  /** True when nothing about the path asks for a look at its content. */
  async #compareItem(
    directory: string,
    stat: Omit<FileStat, 'device' | 'links'>,
    name: string,
    known: Map<string, ItemRow>,
    toVisit: string[],
  ): Promise<boolean> {
    const item = known.get(name)
    known.delete(name)
    const path = parseRelativePath(childPath(directory, name))
    if (path === undefined || this.#rules.isIgnored(path, stat.kind === 'directory')) return false
    if (stat.kind === 'directory') toVisit.push(path)
    if (isAsIndexed(item, stat)) return true
    if (item?.kind === 'directory' && stat.kind !== 'directory') this.#loseBelow(item)
    await this.#sink.candidate(candidateOf(path, item, stat))
    return false
  }

  /** A path that is ignored now is not lost: it is left alone, here and elsewhere. */
  #lose(item: ItemRow): void {
    if (this.#rules.isIgnored(item.path, item.kind === 'directory')) return
    if (item.kind === 'directory') this.#loseBelow(item)
    this.#sink.lost(item)
  }

  #loseBelow(directory: ItemRow): void {
    for (const item of this.#index.items.below(this.#handle.row, directory.path)) {
      if (!this.#rules.isIgnored(item.path, item.kind === 'directory')) this.#sink.lost(item)
    }
  }

  #noteProblems(listing: Listing): void {
    const { directory } = listing
    if (listing.outcome === 'unreadable') {
      this.#problems.note({
        code: 'UNREADABLE',
        severity: 'error',
        path: directory,
        text: `the directory ${directory === '' ? 'at the root of the folder' : directory} cannot be read: ${listing.detail ?? 'unknown reason'}. What is in it is left as it is everywhere.`,
        next: 'Give the user that runs Holdfast permission to read it.',
      })
    } else this.#problems.clear('UNREADABLE', directory)
    for (const problem of listing.problems) {
      const path = childPath(directory, problem.name)
      const text = problemTexts[problem.reason]
      if (text !== undefined) this.#problems.note({ code: text.code, severity: 'warning', path, text: text.text, next: text.next })
    }
  }
}

interface ProblemText {
  readonly code: string
  readonly text: string
  readonly next: string
}

const problemTexts: Readonly<Record<Listing['problems'][number]['reason'], ProblemText | undefined>> = {
  nameInvalid: { code: 'NAME_INVALID', text: 'the name is not valid UTF-8, so it is not synced', next: 'Rename it.' },
  nameReserved: {
    code: 'NAME_RESERVED',
    text: "some file systems take this name for the folder's own directory .holdfast, so it is not synced",
    next: 'Rename it.',
  },
  pathTooLong: {
    code: 'PATH_TOO_LONG',
    text: 'the path is longer than Holdfast can carry, so it is not synced',
    next: 'Shorten it or move it up.',
  },
  special: {
    code: 'SPECIAL_FILE',
    text: 'a FIFO, socket or device is not synced',
    next: 'Nothing to do; add it to .holdfastignore to silence this.',
  },
  otherDevice: {
    code: 'OTHER_DEVICE',
    text: 'another file system is mounted here; it is synced as long as it is mounted',
    next: 'Nothing to do.',
  },
  unreadable: {
    code: 'UNREADABLE',
    text: 'it cannot be looked at, so it is left as it is everywhere',
    next: 'Give the user that runs Holdfast permission to read it.',
  },
  vanished: undefined,
}

function statAt(items: ItemColumns, at: number): Omit<FileStat, 'device' | 'links'> {
  return {
    kind: kindOfCode(items.kinds[at] ?? 0),
    sizeBytes: items.sizes[at] ?? 0,
    mtimeUs: items.mtimesUs[at] ?? 0,
    ctimeUs: items.ctimesUs[at] ?? 0,
    mode: items.modes[at] ?? 0,
    inode: items.inodes[at] ?? 0,
  }
}
