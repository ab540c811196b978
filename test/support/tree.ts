// Trees of files for integration tests: made from a seed, changed at random, and compared in everything that a folder keeps.

import { createHash } from 'node:crypto'
import {
  appendFileSync,
  chmodSync,
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { SeededRandom } from './seeded-random.ts'

const ownDirectory = '.holdfast'

export interface PathFacts {
  /** Everything a folder keeps of it but the time. */
  readonly text: string
  /** Of files. */
  readonly mtimeNs?: bigint
}

export type TreeFacts = ReadonlyMap<string, PathFacts>

/** A folder keeps whole microseconds, since Node can set no finer; the nearest one is meant. */
const mtimeToleranceNs = 1000n

export function readTree(root: string): TreeFacts {
  const facts = new Map<string, PathFacts>()
  const visit = (directory: string): void => {
    for (const name of readdirSync(join(root, directory)).sort()) {
      const path = directory === '' ? name : `${directory}/${name}`
      if (path === ownDirectory) continue
      facts.set(path, factsOf(join(root, path)))
      if (lstatSync(join(root, path)).isDirectory()) visit(path)
    }
  }
  visit('')
  return facts
}

function factsOf(path: string): PathFacts {
  const stat = lstatSync(path, { bigint: true })
  const mode = (Number(stat.mode) & 0o777).toString(8)
  if (stat.isSymbolicLink()) return { text: `link → ${readlinkSync(path)}` }
  if (stat.isDirectory()) return { text: `directory ${mode}` }
  if (!stat.isFile()) return { text: 'special' }
  const hash = createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 16)
  return { text: `file ${mode} ${stat.size} bytes ${hash}`, mtimeNs: stat.mtimeNs }
}

/** What differs, at most `max` lines; empty when the trees are equal. */
export function treeDifferences(left: TreeFacts, right: TreeFacts, max = 20): readonly string[] {
  const differences: string[] = []
  for (const path of new Set([...left.keys(), ...right.keys()])) {
    const [there, here] = [left.get(path), right.get(path)]
    if (!areSame(there, here)) differences.push(`${path}: ${describe(there)} | ${describe(here)}`)
    if (differences.length >= max) break
  }
  return differences
}

function areSame(left: PathFacts | undefined, right: PathFacts | undefined): boolean {
  if (left?.text !== right?.text) return false
  const apartNs = (left?.mtimeNs ?? 0n) - (right?.mtimeNs ?? 0n)
  return apartNs <= mtimeToleranceNs && apartNs >= -mtimeToleranceNs
}

function describe(facts: PathFacts | undefined): string {
  if (facts === undefined) return 'missing'
  return facts.mtimeNs === undefined ? facts.text : `${facts.text} mtime ${facts.mtimeNs}`
}

/** As `diff -r` sees it, links compared as links. Empty when it finds nothing. */
export function diffOf(left: string, right: string): string {
  const { stdout, stderr } = spawnSync('diff', ['-r', '--no-dereference', `--exclude=${ownDirectory}`, left, right], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  })
  return `${stdout}${stderr}`.slice(0, 4000)
}

export interface TreePlan {
  readonly files: number
  readonly directories: number
  /** Sizes are spread up to this, most of them small. */
  readonly fileBytesMax: number
}

/** Fills a directory, which is made, from a seed. Gives the bytes of all files. */
export function makeTree(root: string, seed: string, { files, directories, fileBytesMax }: TreePlan): number {
  const random = new SeededRandom(seed)
  const places = ['']
  mkdirSync(root, { recursive: true })
  for (let at = 0; at < directories; at++) {
    const path = join(random.pick(places) ?? '', `d${at}`)
    mkdirSync(join(root, path))
    places.push(path)
  }
  let bytes = 0
  for (let at = 0; at < files; at++) {
    const content = random.bytes(Math.floor(fileBytesMax * random.unit() ** 4))
    writeFileSync(join(root, random.pick(places) ?? '', `f${at}.dat`), content, { mode: random.pick([0o644, 0o600, 0o755]) ?? 0o644 })
    bytes += content.length
  }
  return bytes
}

type ChangeName =
  | 'write'
  | 'append'
  | 'overwrite'
  | 'rename'
  | 'moveDirectory'
  | 'delete'
  | 'deleteTree'
  | 'makeDirectory'
  | 'chmod'
  | 'symlink'
  | 'touch'

const weights: Readonly<Record<ChangeName, number>> = {
  write: 20,
  append: 10,
  overwrite: 10,
  rename: 12,
  moveDirectory: 4,
  delete: 10,
  deleteTree: 1,
  makeDirectory: 6,
  chmod: 6,
  symlink: 5,
  touch: 6,
}

const contentBytesMax = 40_000

/** A person who works in a tree: one random change after the other, whatever else happens in it meanwhile. */
export class TreeChanger {
  readonly #root: string
  readonly #label: string
  readonly #random: SeededRandom
  #made = 0

  /** `label` names what it makes, so that two of them never choose the same new name. */
  constructor(root: string, label: string, seed: string) {
    this.#root = root
    this.#label = label
    this.#random = new SeededRandom(seed)
  }

  /** Makes up to `count` changes; gives how many came about. */
  change(count: number): number {
    let done = 0
    for (let at = 0; at < count; at++) if (this.changeOnce()) done++
    return done
  }

  /** False when the daemon was quicker: what was to be changed is gone. */
  changeOnce(): boolean {
    const change = this.#random.pickWeighted(weights)
    const target = this.#choose(change === 'moveDirectory' || change === 'deleteTree' ? 'directory' : 'file')
    const place = this.#choose('directory') ?? ''
    try {
      this.#apply(change, target, place)
      return true
    } catch (error) {
      if (isExpected(error)) return false
      throw error
    }
  }

  #apply(change: ChangeName, target: string | undefined, place: string): void {
    const random = this.#random
    const full = (path: string): string => join(this.#root, path)
    const fresh = full(join(place, `${this.#label}${this.#made++}`))
    const content = (): Uint8Array => random.bytes(random.below(contentBytesMax))
    if (change === 'write') return writeFileSync(fresh, content(), { flag: 'wx' })
    if (change === 'makeDirectory') return mkdirSync(fresh)
    if (change === 'symlink') return symlinkSync(random.pick(['nowhere', '../up', '/etc/hostname', target ?? 'x']) ?? 'x', fresh)
    if (target === undefined || target === '') return
    const path = full(target)
    const isLink = lstatSync(path).isSymbolicLink()
    switch (change) {
      case 'append':
        return isLink ? undefined : appendFileSync(path, random.bytes(random.below(2000) + 1))
      case 'overwrite':
        return isLink ? undefined : this.#overwrite(path)
      case 'rename':
      case 'moveDirectory':
        return renameSync(path, fresh)
      case 'delete':
        return unlinkSync(path)
      case 'deleteTree':
        return rmSync(path, { recursive: true })
      case 'chmod':
        return isLink ? undefined : chmodSync(path, random.pick([0o644, 0o600, 0o755, 0o444]) ?? 0o644)
      case 'touch':
        return isLink ? undefined : utimesSync(path, 1_600_000_000 + random.below(100_000_000), 1_600_000_000 + random.below(100_000_000))
    }
  }

  /** Half of the time a piece in the middle, as a database writes; otherwise the whole file, as an editor does. */
  #overwrite(path: string): void {
    const random = this.#random
    const size = lstatSync(path).size
    if (size === 0 || random.chance(0.5)) return writeFileSync(path, random.bytes(random.below(contentBytesMax)))
    const file = openSync(path, 'r+')
    try {
      writeSync(file, random.bytes(random.between(1, 500)), 0, undefined, random.below(size))
    } finally {
      closeSync(file)
    }
  }

  /** A random path of the kind, by going down from the root; '' is the root itself. */
  #choose(kind: 'file' | 'directory'): string | undefined {
    const random = this.#random
    let directory = ''
    for (;;) {
      const names = this.#list(directory)
      const directories = names.filter((entry) => entry.isDirectory)
      const files = names.filter((entry) => !entry.isDirectory)
      const goesDown = directories.length > 0 && (random.chance(0.6) || (kind === 'file' && files.length === 0))
      if (goesDown) directory = join(directory, random.pick(directories)?.name ?? '')
      else if (kind === 'directory') return directory
      else {
        const name = random.pick(files)?.name
        return name === undefined ? undefined : join(directory, name)
      }
    }
  }

  #list(directory: string): readonly { readonly name: string; readonly isDirectory: boolean }[] {
    try {
      return readdirSync(join(this.#root, directory), { withFileTypes: true })
        .filter((entry) => directory !== '' || entry.name !== ownDirectory)
        .map((entry) => ({ name: entry.name, isDirectory: entry.isDirectory() }))
        .sort((left, right) => (left.name < right.name ? -1 : 1))
    } catch (error) {
      if (isExpected(error)) return [] // gone meanwhile
      throw error
    }
  }
}

const expectedFaults: ReadonlySet<unknown> = new Set(['ENOENT', 'EEXIST', 'ENOTDIR', 'EISDIR', 'ENOTEMPTY', 'EINVAL', 'ELOOP'])

function isExpected(error: unknown): boolean {
  return error instanceof Error && 'code' in error && expectedFaults.has(error.code)
}

/** Paths of conflict copies. */
export function conflictCopies(facts: TreeFacts): readonly string[] {
  return [...facts.keys()].filter((path) => /\.conflict-\d{8}-\d{6}-/.test(path))
}

/** The directory of `path`, made with its parents. */
export function ensureParent(path: string): string {
  mkdirSync(dirname(path), { recursive: true })
  return path
}
