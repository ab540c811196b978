// Files in .holdfast/replaced that no row knows: a crash came between the change on disk and its transaction, or somebody wrote to one
// after it was put there. The first kind gets its row; the second waits there for a person, for as long as history goes back.

import type { Clock } from '../base/clock.ts'
import type { Jobs } from '../base/jobs.ts'
import { replacedDirectory } from '../disk/folder-disk.ts'
import type { dropParked, listParked, ParkedFile } from '../disk/parked-jobs.ts'
import type { statPaths } from '../disk/stat-paths.ts'
import type { Index } from '../index/index-store.ts'
import type { ItemRow } from '../index/item-table.ts'
import type { FolderHandle } from './folder-handle.ts'
import { isStillBase } from './ingest-commit.ts'
import type { FolderProblems } from './problems.ts'

export interface StrayParts {
  readonly index: Index
  readonly jobs: Jobs<{
    readonly listParked: typeof listParked
    readonly dropParked: typeof dropParked
    readonly statPaths: typeof statPaths
  }>
  readonly handle: FolderHandle
  readonly clock: Clock
  readonly problems: FolderProblems
}

const microsecondsPerMillisecond = 1000
const msPerDay = 86_400_000
const pathsPerJob = 1000

/** What is younger may be what a change under way has put aside. */
const keptMsMin = msPerDay

/**
 * To be called before any flow begins and before the first walk, while items still say what was on disk before the crash. What belongs to
 * no version stays whatever the clock says, which nobody can trust yet. `keptMs`: how long that is. Throws FilesError.
 */
export async function adoptStrays(parts: StrayParts, keptMs: number, signal: AbortSignal): Promise<void> {
  const { jobs, handle } = parts
  const strays = await findStrays(parts, signal)
  const owned = ownedOf(parts, strays)
  const dropped: string[] = []
  for (let from = 0; from < owned.length; from += pathsPerJob) {
    dropped.push(...(await adopt(parts, owned.slice(from, from + pathsPerJob), signal)))
  }
  if (dropped.length > 0) await jobs.run('dropParked', { root: handle.root, names: dropped }, { signal })
  noteForeign(parts, strays.length - owned.length, keptMs)
}

/** While the folder is at work, by a clock that can be trusted: lets those go that belong to no version and are old. Throws FilesError. */
export async function expireStrays(parts: StrayParts, keptMs: number, signal: AbortSignal): Promise<void> {
  const { jobs, handle, clock } = parts
  const strays = await findStrays(parts, signal)
  const owned = new Set(ownedOf(parts, strays).map(({ stray }) => stray))
  const foreign = strays.filter((stray) => !owned.has(stray))
  const beforeMs = clock.nowMs() - Math.max(keptMs, keptMsMin)
  const old = foreign.filter(({ ctimeUs }) => ctimeUs / microsecondsPerMillisecond < beforeMs)
  for (let from = 0; from < old.length; from += pathsPerJob) {
    const names = old.slice(from, from + pathsPerJob).map(({ name }) => name)
    await jobs.run('dropParked', { root: handle.root, names }, { signal })
  }
  noteForeign(parts, foreign.length - old.length, keptMs)
}

/**
 * While the folder is at work: says how many there are that belong to no version, and changes nothing. What a change under way has put
 * aside looks like a stray, too, until its rows are written. Throws FilesError.
 */
export async function noteStrays(parts: StrayParts, keptMs: number, signal: AbortSignal): Promise<void> {
  const strays = await findStrays(parts, signal)
  noteForeign(parts, strays.length - ownedOf(parts, strays).length, keptMs)
}

/** The same for one file alone, at any time: a change failed after it had put this aside. Throws FilesError. */
export async function adoptStray(parts: StrayParts, parked: string, signal: AbortSignal): Promise<void> {
  const strays = (await findStrays(parts, signal)).filter(({ name }) => name === parked)
  const dropped = await adopt(parts, ownedOf(parts, strays), signal)
  if (dropped.length > 0) await parts.jobs.run('dropParked', { root: parts.handle.root, names: dropped }, { signal })
}

async function findStrays({ index, jobs, handle }: StrayParts, signal: AbortSignal): Promise<readonly ParkedFile[]> {
  const files = await jobs.run('listParked', { root: handle.root }, { signal })
  // Looked up after the listing: what a change under way has put aside has its row by now, or its item still.
  const known = index.history.parkedNames(handle.row)
  return files.filter(({ name }) => !known.has(name))
}

interface OwnedStray {
  readonly stray: ParkedFile
  readonly item: ItemRow
}

function ownedOf({ index, handle }: StrayParts, strays: readonly ParkedFile[]): readonly OwnedStray[] {
  return strays.flatMap((stray) => {
    const item = ownerOf(index, handle, stray)
    return item === undefined ? [] : [{ stray, item }]
  })
}

/** The item whose file this is: parking gives a file another name and changes nothing else of it. */
function ownerOf(index: Index, handle: FolderHandle, stray: ParkedFile): ItemRow | undefined {
  const { inode, sizeBytes, mtimeUs } = stray
  return index.items
    .byInode(handle.row, inode)
    .find((item) => item.kind === 'file' && item.sizeBytes === sizeBytes && item.mtimeUs === mtimeUs)
}

/** Gives each its row, unless it is but a second name of a file that still has its own; gives the names of those. */
async function adopt(
  { index, jobs, handle, clock }: StrayParts,
  owned: readonly OwnedStray[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const findings = await jobs.run('statPaths', { root: handle.root, paths: owned.map(({ item }) => item.path) }, { signal })
  return index.transact(() =>
    owned.flatMap(({ stray, item }, at) => {
      const finding = findings[at]
      if (finding === undefined || finding.kind === 'unknown') return []
      if (finding.kind === 'present' && finding.stat.inode === stray.inode) return [stray.name]
      const isDeletion = finding.kind === 'missing'
      // Until the walk comes by, the item says that the content is where it was: what is parked would not be stored. An item that moved on
      // while the disk was looked at says something else by now, which holds.
      if (isStillBase(index.items.byPath(handle.row, item.path), item)) index.items.leaveHome(item)
      index.history.insert(handle.row, item, { parked: stray.name, replacedMs: clock.nowMs(), isDeletion, author: undefined })
      return []
    }),
  )
}

function noteForeign({ problems }: StrayParts, count: number, keptMs: number): void {
  if (count === 0) return problems.clear('KEPT_ASIDE', replacedDirectory)
  problems.note({
    code: 'KEPT_ASIDE',
    severity: 'warning',
    path: replacedDirectory,
    text: `${count} ${count === 1 ? 'file there belongs' : 'files there belong'} to no version that this node knows; each goes ${Math.round(Math.max(keptMs, keptMsMin) / msPerDay)} days after it was put there`,
    next: 'Take from there what is missing elsewhere.',
  })
}
