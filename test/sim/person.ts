// A person who works in the folder of one simulated node: SimUser's actions by paths relative to the folder, each told to the ledger.

import type { Ledger } from './ledger.ts'
import type { SimNode } from './node.ts'
import { contentAt, isIgnoredName, isOwnPath } from './snapshot.ts'

export class Person {
  readonly node: SimNode
  readonly #ledger: Ledger
  readonly #nowUs: () => number
  /** Contents of the ignored files here: nobody else may ever touch them. */
  readonly ignored: Map<string, string> = new Map()
  readonly #isAnywhere: (content: string) => boolean
  #isMember: boolean

  /** `isAnywhere`: whether a file of some member holds a content now. */
  constructor(
    node: SimNode,
    ledger: Ledger,
    parts: { readonly nowUs: () => number; readonly isAnywhere: (content: string) => boolean; readonly isMember: boolean },
  ) {
    this.node = node
    this.#ledger = ledger
    this.#nowUs = parts.nowUs
    this.#isAnywhere = parts.isAnywhere
    this.#isMember = parts.isMember
  }

  /** Whether this person takes part, or is about to. */
  get isMember(): boolean {
    return this.#isMember
  }

  /** Takes part from now on: what is in the folder here is owed to this person as well. */
  enrol(): void {
    this.#isMember = true
    for (const [path, content] of this.paths('file').flatMap((file) => this.#filesAt(file))) this.#gain(path, content)
  }

  /** Whether a file here holds this content. */
  holds(content: string): boolean {
    return this.paths('file').some((path) => contentAt(this.node, path) === content)
  }

  kindAt(path: string): string | undefined {
    return this.node.user.lstat(this.#full(path))?.kind
  }

  sizeOf(path: string): number {
    return this.node.user.lstat(this.#full(path))?.sizeBytes ?? 0
  }

  /** Everything in the folder but Holdfast's own, parents first. */
  paths(kind?: string): readonly string[] {
    const start = this.node.folderPath.length + 1
    const isDecomposed = this.node.disk.tree.rules.unicode === 'nfd'
    // As people spell them on other drives, where these names may be used next.
    const spelled = (path: string): string => (isDecomposed ? path.normalize('NFC') : path)
    const all = this.node.user.walk(this.node.folderPath).map((path) => spelled(path.slice(start)))
    return all.filter((path) => !isOwnPath(path) && (kind === undefined || this.kindAt(path) === kind))
  }

  /** Makes the directories above a path; false when something else is in the way. */
  makeWay(path: string): boolean {
    const names = path.split('/').slice(0, -1)
    for (let count = 1; count <= names.length; count++) {
      const parent = names.slice(0, count).join('/')
      const kind = this.kindAt(parent)
      if (kind === undefined) this.node.user.mkdir(this.#full(parent))
      else if (kind !== 'directory') return false
    }
    return true
  }

  write(path: string, bytes: Uint8Array): void {
    this.#rewrite(path, (full) => this.node.user.write(full, bytes))
  }

  /** As editors do that write a temp file and rename it. */
  replace(path: string, bytes: Uint8Array): void {
    this.#rewrite(path, (full) => this.node.user.replace(full, bytes, `${full}.tmp.ignored`))
  }

  append(path: string, bytes: Uint8Array): void {
    this.#rewrite(path, (full) => this.node.user.append(full, bytes))
  }

  edit(path: string, offset: number, bytes: Uint8Array): void {
    this.#rewrite(path, (full) => this.node.user.edit(full, offset, bytes))
  }

  truncate(path: string, sizeBytes: number): void {
    this.#rewrite(path, (full) => this.node.user.truncate(full, sizeBytes))
  }

  /** Moves a file or a tree; replaces a file that is there. */
  rename(from: string, to: string): void {
    if (from === to) return
    const moved = this.#filesAt(from)
    const replaced = this.#filesAt(to)
    this.node.user.rename(this.#full(from), this.#full(to))
    const arrived = moved.map(([path, content]) => [path, to + path.slice(from.length), content] as const)
    // Replaced by the same bytes, nothing was given up: to whoever looks at it, it was touched.
    const isSame = (path: string, content: string): boolean => arrived.some(([, now, same]) => now === path && same === content)
    for (const [path, content] of replaced) if (!isSame(path, content)) this.#lose(path, content)
    for (const [path, now, content] of arrived) {
      this.#gain(now, content)
      this.#lose(path, content)
    }
  }

  remove(path: string): void {
    const removed = this.#filesAt(path)
    this.node.user.remove(this.#full(path))
    for (const [file, content] of removed) this.#lose(file, content)
  }

  mkdir(path: string): void {
    this.node.user.mkdir(this.#full(path))
  }

  chmod(path: string, mode: number): void {
    this.node.user.chmod(this.#full(path), mode)
  }

  touch(path: string, mtimeUs: number): void {
    this.node.user.touch(this.#full(path), mtimeUs)
  }

  symlink(target: string, path: string): void {
    this.node.user.symlink(target, this.#full(path))
  }

  /** Whether two spellings name one file here. */
  isSameFile(left: string, right: string): boolean {
    const [one, other] = [this.node.user.lstat(this.#full(left)), this.node.user.lstat(this.#full(right))]
    return one !== undefined && one.inode === other?.inode && one.links === 1
  }

  /** Nobody's doing: a byte changes on the device. */
  rot(path: string, offset: number): void {
    const before = contentAt(this.node, path)
    this.node.user.rot(this.#full(path), offset)
    const after = contentAt(this.node, path)
    if (before !== undefined && after !== undefined) this.#ledger.decay(before, after, this.#isAnywhere(before))
  }

  #rewrite(path: string, work: (full: string) => void): void {
    const before = contentAt(this.node, path)
    work(this.#full(path))
    const after = contentAt(this.node, path)
    if (before === after) return
    if (after !== undefined) this.#gain(path, after)
    if (before !== undefined) this.#lose(path, before)
  }

  #gain(path: string, content: string): void {
    if (isIgnoredName(path)) this.ignored.set(this.#folded(path), content)
    else if (this.#isMember) this.#ledger.owe({ path, content, by: this.node.name, atUs: this.#nowUs() })
    else this.#ledger.know(content)
  }

  #lose(path: string, content: string): void {
    if (isIgnoredName(path)) this.ignored.delete(this.#folded(path))
    else if (this.#isMember) {
      const loss = { path, content, by: this.node.name, atUs: this.#nowUs() }
      this.#ledger.discharge(loss, (other) => contentAt(this.node, other))
    }
  }

  #filesAt(path: string): readonly (readonly [string, string])[] {
    const inside = this.kindAt(path) === 'directory' ? this.paths('file').filter((file) => file.startsWith(`${path}/`)) : [path]
    return inside.flatMap((file) => {
      const content = contentAt(this.node, file)
      return content === undefined ? [] : [[file, content] as const]
    })
  }

  /** One spelling for all that this drive takes for one name. */
  #folded(path: string): string {
    const { tree } = this.node.disk
    return path
      .split('/')
      .map((name) => tree.fold(name))
      .join('/')
  }

  #full(path: string): string {
    return `${this.node.folderPath}/${path}`
  }
}
