// A person at a real folder who knows exactly what they did: every content is written once and can be told from all others, and whatever
// is replaced or deleted is first taken away by one rename, so that what was there at that moment is known. Contents that nobody
// took away are owed to everybody.

import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { SeededRandom } from './seeded-random.ts'

/** What is owed by all people together: contents by hash, with where they were written. */
export type Ledger = Map<string, string>

/** People keep their folder this small: it has to fit on a small disk with its history. */
const folderBytesMax = 12_000_000

type Change = 'create' | 'replace' | 'remove' | 'rename' | 'moveTree' | 'removeTree' | 'chmod'

export class CarefulPerson {
  readonly #root: string
  readonly #aside: string
  readonly #name: string
  readonly #random: SeededRandom
  readonly #ledger: Ledger
  #count = 0

  /** `aside` is a directory on the same file system as `root` and outside of it. */
  constructor(name: string, root: string, aside: string, random: SeededRandom, ledger: Ledger) {
    this.#name = name
    this.#root = root
    this.#aside = aside
    this.#random = random
    this.#ledger = ledger
    mkdirSync(aside, { recursive: true })
  }

  /** One random change; what is not possible at the moment, as the daemon works in the same folder, is left. */
  change(
    kind: Change = this.#random.pickWeighted({ create: 5, replace: 4, remove: 2, rename: 3, moveTree: 1, removeTree: 1, chmod: 1 }),
  ): void {
    try {
      this[kind]()
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : ''
      if (!['ENOENT', 'EEXIST', 'ENOTEMPTY', 'ENOTDIR', 'EISDIR', 'EINVAL', 'ENOSPC'].includes(code)) throw error
    }
  }

  create(): void {
    const parent = this.#pick('directory') ?? ''
    const name = `${this.#random.pickWeighted({ f: 6, g: 2, h: 1 })}${this.#random.below(90)}`
    const isDeep = this.#random.chance(0.2)
    this.#put(join(parent, isDeep ? `d${this.#random.below(8)}` : '', name))
  }

  replace(): void {
    const path = this.#pick('file')
    if (path === undefined) return
    this.#take(path)
    this.#put(path)
  }

  remove(): void {
    const path = this.#pick('file')
    if (path !== undefined) this.#take(path)
  }

  rename(): void {
    const path = this.#pick('file')
    const parent = this.#pick('directory') ?? ''
    if (path === undefined) return
    // Not rename(2), which would overwrite what may have come there in this moment.
    const to = join(this.#root, parent, `r${this.#random.below(60)}`)
    linkSync(join(this.#root, path), to)
    unlinkSync(join(this.#root, path))
  }

  moveTree(): void {
    const [path, parent] = [this.#pick('directory'), this.#pick('directory') ?? '']
    if (path === undefined || parent.startsWith(path)) return
    const to = join(this.#root, parent, `t${this.#random.below(20)}`)
    if (!existsSync(to)) renameSync(join(this.#root, path), to)
  }

  removeTree(): void {
    const path = this.#pick('directory')
    if (path !== undefined && filesBelow(join(this.#root, path)).length <= 12) this.#take(path)
  }

  chmod(): void {
    const path = this.#pick('file')
    if (path !== undefined) chmodSync(join(this.#root, path), this.#random.chance(0.5) ? 0o644 : 0o755)
  }

  /** Takes whatever is at the path out of the folder, in one step: from then on nobody is owed it. */
  #take(path: string): void {
    const aside = join(this.#aside, `taken-${this.#count++}`)
    renameSync(join(this.#root, path), aside)
    for (const file of lstatSync(aside).isDirectory() ? filesBelow(aside) : [aside]) this.#ledger.delete(hashOf(file))
    rmSync(aside, { recursive: true })
  }

  /** Gives the path a content of its own, unless something is there. */
  #put(path: string): void {
    const made = join(this.#aside, `made-${this.#count++}`)
    const bytes = this.#random.below(this.#random.chance(0.03) ? 1_500_000 : 20_000)
    if (sizeOf(this.#root) + bytes > folderBytesMax) return
    try {
      writeFileSync(made, Buffer.concat([Buffer.from(`${this.#name} ${this.#count} ${path}\n`), this.#random.bytes(bytes)]))
      const full = join(this.#root, path)
      mkdirSync(dirname(full), { recursive: true })
      const hash = hashOf(made)
      linkSync(made, full)
      this.#ledger.set(hash, `${this.#name}: ${path}`)
    } finally {
      rmSync(made, { force: true })
    }
  }

  /** A random path of a kind, relative to the root; not the root itself. */
  #pick(kind: 'file' | 'directory'): string | undefined {
    const found = pathsBelow(this.#root).filter(({ isDirectory }) => isDirectory === (kind === 'directory'))
    return found[this.#random.below(Math.max(1, found.length))]?.path
  }
}

/** The hash of every file's content. */
export function contentsOf(root: string): ReadonlySet<string> {
  return new Set(filesBelow(root).map(hashOf))
}

function sizeOf(root: string): number {
  return filesBelow(root).reduce((total, file) => total + lstatSync(file).size, 0)
}

function filesBelow(root: string): readonly string[] {
  return pathsBelow(root).flatMap(({ path, isDirectory }) => (isDirectory ? [] : [join(root, path)]))
}

function pathsBelow(root: string, below = ''): readonly { readonly path: string; readonly isDirectory: boolean }[] {
  return readdirSync(join(root, below), { withFileTypes: true }).flatMap((item) => {
    const path = join(below, item.name)
    if (path === '.holdfast') return []
    if (!item.isDirectory()) return [{ path, isDirectory: false }]
    return [{ path, isDirectory: true }, ...pathsBelow(root, path)]
  })
}

function hashOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}
