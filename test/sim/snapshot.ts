// What a person sees in a folder, for comparing nodes: kinds, contents, permission bits, link targets, times of files.

import { createHash } from 'node:crypto'

import { folderDirectoryName } from '../../engine/disk/limits.ts'
import type { FileData } from './file-data.ts'
import type { SimNode } from './node.ts'

export interface Seen {
  readonly kind: string
  /** Of a file: hash of its content. Of a symlink: its target. */
  readonly content: string
  readonly mode: number
  /** Of a file. */
  readonly mtimeUs: number | undefined
  /** A directory in which only ignored files are left: whether the folder still has it cannot be seen from here. */
  readonly isDoubtful: boolean
}

export type Snapshot = ReadonlyMap<string, Seen>

const ignoredEnding = '.ignored'
export const ignoreRules: string = `*${ignoredEnding}\n`

/** By the rules that every simulated folder starts with. */
export function isIgnoredName(path: string): boolean {
  return path.endsWith(ignoredEnding)
}

/** Whether a path (relative to the folder) is Holdfast's own and not for people. */
export function isOwnPath(path: string): boolean {
  return path === folderDirectoryName || path.startsWith(`${folderDirectoryName}/`)
}

export function contentHash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 20)
}

const hashes = new WeakMap<FileData, { readonly mark: number; readonly hash: string }>()

/** Hash of the file at `path` (relative); undefined when there is none. Remembered until the content changes. */
export function contentAt(node: SimNode, path: string): string | undefined {
  const data = node.user.dataAt(`${node.folderPath}/${path}`)
  if (data === undefined) return undefined
  const known = hashes.get(data)
  if (known?.mark === data.mark()) return known.hash
  const hash = contentHash(data.view())
  hashes.set(data, { mark: data.mark(), hash })
  return hash
}

/** Everything the node shares: without ignored files; directories in which only those are left are doubtful. */
export function snapshotOf(node: SimNode): Snapshot {
  const seen = new Map<string, Seen>()
  look(node, '', seen)
  return seen
}

/** Says whether anything was added, or would have been but for being ignored: `none` = the directory is truly empty. */
function look(node: SimNode, directory: string, seen: Map<string, Seen>): 'shared' | 'ignoredOnly' | 'none' {
  let found: 'shared' | 'ignoredOnly' | 'none' = 'none'
  for (const item of node.user.list(`${node.folderPath}/${directory}`)) {
    const path = directory === '' ? item.name : `${directory}/${item.name}`
    if (isOwnPath(path)) continue
    const stat = node.user.lstat(`${node.folderPath}/${path}`)
    if (isIgnoredName(path) || stat === undefined || stat.kind === 'other') {
      if (found === 'none') found = 'ignoredOnly'
      continue
    }
    const below = stat.kind === 'directory' ? look(node, path, seen) : 'shared'
    const isDoubtful = below === 'ignoredOnly'
    if (!isDoubtful) found = 'shared'
    else if (found === 'none') found = 'ignoredOnly'
    const isLink = stat.kind === 'symlink'
    seen.set(path.normalize('NFC'), {
      kind: stat.kind,
      content: stat.kind === 'file' ? (contentAt(node, path) ?? '') : isLink ? node.user.readLink(`${node.folderPath}/${path}`) : '',
      mode: isLink ? 0 : stat.mode,
      mtimeUs: stat.kind === 'file' ? stat.mtimeUs : undefined,
      isDoubtful,
    })
  }
  return found
}

/** A node's snapshot, with the paths that it cannot have. */
export interface View {
  readonly name: string
  readonly snapshot: Snapshot
  /** True when the drive takes the path, or a directory on the way to it, for one that is there under another spelling. */
  isBarred(path: string): boolean
}

export function viewOf(node: SimNode): View {
  const snapshot = snapshotOf(node)
  const fold = (path: string): string =>
    path
      .split('/')
      .map((name) => node.disk.tree.fold(name))
      .join('/')
  const folded = new Set([...snapshot.keys()].map(fold))
  const isBarred = (path: string): boolean => {
    const names = path.split('/')
    return names.some((_, at) => {
      const upTo = names.slice(0, at + 1).join('/')
      return !snapshot.has(upTo) && folded.has(fold(upTo))
    })
  }
  return { name: node.name, snapshot, isBarred }
}

/** What differs, one line a path, at most `linesMax`; empty when the two are the same. */
export function differences(one: View, two: View, linesMax: number = 20): readonly string[] {
  const lines: string[] = []
  const names = [one.name, two.name] as const
  const [left, right] = [one.snapshot, two.snapshot]
  for (const path of new Set([...left.keys(), ...right.keys()])) {
    if (one.isBarred(path) || two.isBarred(path)) continue
    if (isDoubt(left.get(path), right.get(path)) || isDoubt(right.get(path), left.get(path))) continue
    const [here, there] = [describe(left.get(path)), describe(right.get(path))]
    if (here !== there) lines.push(`${path}: ${names[0]} has ${here}, ${names[1]} has ${there}`)
    if (lines.length >= linesMax) break
  }
  return lines
}

function isDoubt(doubtful: Seen | undefined, other: Seen | undefined): boolean {
  return doubtful?.isDoubtful === true && (other === undefined || other.isDoubtful)
}

function describe(seen: Seen | undefined): string {
  if (seen === undefined) return 'nothing'
  return `${seen.kind} ${seen.content} ${seen.mode.toString(8)}${seen.mtimeUs === undefined ? '' : ` at ${seen.mtimeUs}`}`
}

/** `name.conflict-YYYYMMDD-HHMMSS-NODE.ext` beside `name.ext`; a long name may have been shortened. */
export function isConflictCopy(path: string, original: string): boolean {
  const [directory, name] = splitLast(path)
  const [originalDirectory, originalName] = splitLast(original)
  const at = name.indexOf('.conflict-')
  return directory === originalDirectory && at > 0 && originalName.startsWith(name.slice(0, at))
}

function splitLast(path: string): readonly [string, string] {
  const at = path.lastIndexOf('/')
  return [path.slice(0, Math.max(0, at)), path.slice(at + 1)]
}
