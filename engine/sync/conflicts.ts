// Conflicts as a person sees them: a path, what has its name, and the copies beside it. Found by the copies' names, so that a copy that
// somebody edited, or that came from a restored disk, is still one.

import type { Index } from '../index/index-store.ts'
import type { ItemRow } from '../index/item-table.ts'
import { unreachable } from '../base/assert.ts'
import type { AuthorId } from '../model/ids.ts'
import { originOf } from '../model/item.ts'
import type { EntryKind } from '../model/meta.ts'
import { parentOf, type RelativePath } from '../model/path.ts'
import { fitsCopy, parseCopyPath } from './conflict-name.ts'
import type { FolderHandle } from './folder-handle.ts'

export interface ConflictSide {
  readonly path: RelativePath
  readonly kind: EntryKind
  readonly sizeBytes: number
  readonly mtimeUs: number
  /** undefined = several people, or not known. */
  readonly editor: AuthorId | undefined
}

export interface Conflict {
  readonly path: RelativePath
  /** What has the name; undefined = it was deleted or renamed since. */
  readonly winner: ConflictSide | undefined
  /** At least one; by path. */
  readonly copies: readonly ConflictSide[]
}

/** The folder's conflicts with up to `copiesMax` copies, by path. */
export function listConflicts(index: Index, handle: FolderHandle, copiesMax: number): readonly Conflict[] {
  const copies = new Map<RelativePath, ConflictSide[]>()
  for (const item of index.items.conflictCopies(handle.row, copiesMax)) {
    const original = originalOf(index, handle, item.path)
    if (original === undefined) continue // a name that merely looks like it
    const known = copies.get(original)
    if (known === undefined) copies.set(original, [sideOf(item)])
    else known.push(sideOf(item))
  }
  const conflicts = [...copies].map(([path, sides]): Conflict => {
    const item = index.items.byPath(handle.row, path)
    return { path, winner: item === undefined ? undefined : sideOf(item), copies: sides }
  })
  return conflicts.toSorted((left, right) => (left.path < right.path ? -1 : 1))
}

/** The conflict that `path` is about or is a copy of; undefined when there is none. */
export function conflictAt(index: Index, handle: FolderHandle, path: RelativePath, copiesMax: number): Conflict | undefined {
  const original = originalOf(index, handle, path) ?? path
  return listConflicts(index, handle, copiesMax).find((conflict) => conflict.path === original)
}

function originalOf(index: Index, handle: FolderHandle, path: RelativePath): RelativePath | undefined {
  const copy = parseCopyPath(path)
  if (copy === undefined || !copy.isStemShortened) return copy?.original
  // The name was cut to make room: the longer one that begins like it is meant, where there is one.
  const siblings = [...index.items.children(handle.row, parentOf(path) ?? '').values()].map((item) => item.path).toSorted()
  return siblings.find((sibling) => fitsCopy(sibling, copy)) ?? copy.original
}

function sideOf(item: ItemRow): ConflictSide {
  const { path, kind, sizeBytes, mtimeUs } = item
  return { path, kind, sizeBytes, mtimeUs, editor: originOf(item).editor }
}

/** What a person wants of a conflict. 'mine' is what this node wrote, 'theirs' what another did. */
export type Keep = 'mine' | 'theirs' | 'both' | 'winner' | 'copy'

export type ResolutionChoice =
  /** This version gets the name (it may have it already), the copies go. */
  | { readonly kind: 'one'; readonly kept: ConflictSide; readonly gone: readonly ConflictSide[] }
  /** The copies stay, under names that are not those of conflicts. */
  | { readonly kind: 'all'; readonly kept: readonly ConflictSide[] }
  /** The words do not say which; `reason` is for the person. */
  | { readonly kind: 'unclear'; readonly reason: string }

/** `path` is the conflict's own, or one copy's: then only that copy is decided about. */
export function chooseResolution(
  conflict: Conflict,
  path: RelativePath,
  keep: Keep,
  isMine: (editor: AuthorId) => boolean,
): ResolutionChoice {
  const copies = path === conflict.path ? conflict.copies : conflict.copies.filter((copy) => copy.path === path)
  const one = (kept: ConflictSide): ResolutionChoice => ({ kind: 'one', kept, gone: copies })
  const { winner } = conflict
  switch (keep) {
    case 'both':
      return { kind: 'all', kept: copies }
    case 'winner':
      return winner === undefined ? unclear(`nothing has the name ${conflict.path} any more: keep 'copy' or 'both'`) : one(winner)
    case 'copy':
      return copies.length === 1 && copies[0] !== undefined ? one(copies[0]) : unclear(manyCopies(copies))
    case 'mine':
    case 'theirs': {
      const sides = winner === undefined ? copies : [winner, ...copies]
      const fitting = sides.filter(({ editor }) => (keep === 'mine') === (editor !== undefined && isMine(editor)))
      const [only] = fitting
      if (fitting.length === 1 && only !== undefined) return one(only)
      return unclear(keep === 'mine' ? mineText(fitting.length) : theirsText(fitting.length))
    }
    default:
      return unreachable(keep)
  }
}

function unclear(reason: string): ResolutionChoice {
  return { kind: 'unclear', reason }
}

function manyCopies(copies: readonly ConflictSide[]): string {
  return `there are ${copies.length} copies: give the path of the one to keep (${copies.map((copy) => copy.path).join(', ')})`
}

function mineText(count: number): string {
  if (count === 0) return "none of the versions was written on this node: keep 'winner', 'copy' or 'both'"
  return `${count} of the versions were written on this node: keep 'winner', or give the path of a copy with 'copy'`
}

function theirsText(count: number): string {
  if (count === 0) return "all of the versions were written on this node: keep 'winner', 'copy' or 'both'"
  return `${count} of the versions were written elsewhere: keep 'winner', or give the path of a copy with 'copy'`
}
