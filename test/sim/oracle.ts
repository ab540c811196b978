// Judges a simulated world. At every step: no partial file is visible, no ignored file and nothing outside home and folder is touched.
// At rest: all nodes show the same tree, and every content that is still owed to a person is in it.

import { fromUtf8 } from '../../engine/base/bytes.ts'
import { Ledger, type Owed } from './ledger.ts'
import type { SimNode } from './node.ts'
import { isInHistory, PastCheck, restoredPath } from './past-check.ts'
import { Person } from './person.ts'
import type { Scheduler } from './scheduler.ts'
import { contentAt, differences, isConflictCopy, isIgnoredName, isOwnPath, viewOf, type Seen, type View } from './snapshot.ts'

export class OracleViolation extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'OracleViolation'
  }
}

export interface RestReport {
  /** Owed contents under their own name, under a conflict name of it, and anywhere else. */
  readonly inPlace: number
  readonly conflictCopies: number
  readonly elsewhere: number
}

/** Versions brought back a node: each takes its time. */
const pastPerNode = 8

export class Oracle {
  readonly people: readonly Person[]
  readonly #ledger = new Ledger((by, path) => this.#receivedUs.get(`${by} ${path}`) ?? 0)
  /** When an engine last changed a path. */
  readonly #receivedUs = new Map<string, number>()
  readonly #scheduler: Scheduler
  readonly #changed = new Map<SimNode, Set<string>>()
  readonly #pasts = new Map<SimNode, PastCheck>()
  readonly #violations: string[] = []
  #isWhole: (text: string) => boolean = () => false
  #engineChanges = 0

  /** Nodes in `late` take part only once they are enrolled. */
  constructor(scheduler: Scheduler, nodes: readonly SimNode[], late: ReadonlySet<string> = new Set()) {
    this.#scheduler = scheduler
    const nowUs = (): number => scheduler.nowUs
    const isAnywhere = (content: string): boolean => this.members.some((person) => person.holds(content))
    this.people = nodes.map((node) => new Person(node, this.#ledger, { nowUs, isAnywhere, isMember: !late.has(node.name) }))
    for (const person of this.people) {
      this.#changed.set(person.node, new Set())
      this.#pasts.set(person.node, new PastCheck(person.node))
      person.node.disk.onChange(({ path, by }) => {
        if (by === 'engine') this.#notice(person, path)
      })
    }
    scheduler.onStep(() => this.checkStep())
  }

  /** Who takes part now. */
  get members(): readonly Person[] {
    return this.people.filter(({ isMember }) => isMember)
  }

  /** How often engines changed anything that people can see; stands still at rest. */
  get engineChanges(): number {
    return this.#engineChanges
  }

  /** Contents people are owed now. */
  get owedCount(): number {
    return this.#ledger.owed().length
  }

  /** Engines may put together what people wrote: a text that `isWhole` stands for all that it was made of. The scenario looks at its lines. */
  expectWhole(isWhole: (text: string) => boolean): void {
    this.#isWhole = isWhole
  }

  /** A person was at work. */
  look(node: SimNode): void {
    this.#pasts.get(node)?.personActed()
  }

  /** From now on the node's history may rightly be short of something. */
  excuseHistory(node: SimNode): void {
    this.#pasts.get(node)?.excuse()
  }

  /** After a power loss: everything on the drive is looked at again. */
  recheck(node: SimNode): void {
    this.#pasts.get(node)?.look()
    for (const path of this.#personOf(node).paths('file')) this.#changed.get(node)?.add(path)
  }

  /** Throws OracleViolation for what the last step did wrong. */
  checkStep(): void {
    for (const [node, paths] of this.#changed) {
      if (paths.size === 0) continue
      for (const path of paths) {
        this.#checkContents(node, path)
        this.#pasts.get(node)?.engineChanged(path, this.#scheduler.nowUs)
      }
      paths.clear()
    }
    const first = this.#violations[0]
    if (first !== undefined) throw new OracleViolation(first)
  }

  /** What keeps the nodes from being the same; empty when they agree. */
  disagreements(): readonly string[] {
    const views = this.members.map(({ node }) => viewOf(node))
    const [first, ...others] = this.#ledger.hasDecay ? this.#withoutForlorn(views) : views
    return first === undefined ? [] : others.flatMap((view) => differences(first, view))
  }

  /** Whether bytes changed by themselves: members find that out only where they read them. */
  get hasDecay(): boolean {
    return this.#ledger.hasDecay
  }

  /** A file whose bytes changed by themselves stays as it is while nobody has good ones: there the members need not agree. */
  #withoutForlorn(views: readonly View[]): readonly View[] {
    const contents = new Set(views.flatMap(({ snapshot }) => [...snapshot.values()].map(({ content }) => content)))
    const isForlorn = ({ content }: Seen): boolean => {
      const written = this.#ledger.writtenAs(content)
      return written !== undefined && !contents.has(written)
    }
    const forlorn = new Set(views.flatMap(({ snapshot }) => [...snapshot].flatMap(([path, seen]) => (isForlorn(seen) ? [path] : []))))
    return views.map((view) => ({ ...view, snapshot: new Map([...view.snapshot].filter(([path]) => !forlorn.has(path))) }))
  }

  /** At rest. Throws OracleViolation for anything that is lost, touched or not agreed. */
  checkRest(): RestReport {
    this.checkStep()
    const disagreements = this.disagreements()
    if (disagreements.length > 0) throw new OracleViolation(`nodes disagree at rest:\n  ${disagreements.join('\n  ')}`)
    this.#checkIgnored()
    const counts = { inPlace: 0, conflictCopies: 0, elsewhere: 0 }
    const views = this.members.map(({ node }) => viewOf(node))
    for (const view of views) for (const owed of this.#ledger.owed()) counts[this.#placeOf(owed, view, views)]++
    return counts
  }

  /**
   * At rest. Throws OracleViolation for a content that an engine took away and history does not have; gives how many it does have, of a
   * few looked at on each node.
   */
  async checkHistory(): Promise<number> {
    let count = 0
    for (const { node } of this.members) {
      for (const replaced of this.#pasts.get(node)?.owed(this.#scheduler.nowUs).slice(-pastPerNode) ?? []) {
        count++
        if (await isInHistory(this.#scheduler, node, replaced)) continue
        const when = (replaced.atUs / 1000).toFixed(3)
        throw new OracleViolation(
          `not in history on ${node.name}: content ${replaced.content} that its engine took from ${replaced.path} at ${when} ms`,
        )
      }
    }
    return count
  }

  #placeOf(owed: Owed, view: View, views: readonly View[]): 'inPlace' | 'conflictCopies' | 'elsewhere' {
    if (view.snapshot.get(owed.path.normalize('NFC'))?.content === owed.content) return 'inPlace'
    const places = placesOf(owed.content, view)
    if (places.length === 0) {
      if (this.members.some(({ node }) => this.#isWholeAt(node, owed.path))) return 'elsewhere'
      // What this drive has no name for is with the others.
      if (views.some((other) => placesOf(owed.content, other).some((path) => view.isBarred(path)))) return 'elsewhere'
      const when = (owed.atUs / 1000).toFixed(3)
      throw new OracleViolation(
        `lost on ${view.name}: content ${owed.content} that ${owed.by} put at ${owed.path} at ${when} ms is nowhere in the folder`,
      )
    }
    return places.some((path) => isConflictCopy(path, owed.path)) ? 'conflictCopies' : 'elsewhere'
  }

  #checkIgnored(): void {
    for (const { node, ignored } of this.people) {
      for (const [path, content] of ignored) {
        if (contentAt(node, path) !== content)
          throw new OracleViolation(`the ignored file ${path} on ${node.name} is not what its owner left`)
      }
    }
  }

  /** Only notes: a listener must not throw into the engine's call. */
  #notice({ node }: Person, path: string): void {
    const isInside = (directory: string): boolean => path === directory || path.startsWith(`${directory}/`)
    if (isInside(node.homePath) || isInside(restoredPath)) return
    if (!isInside(node.folderPath)) {
      this.#violations.push(`the engine of ${node.name} touched ${path}, which is outside its folder and home`)
      return
    }
    const relative = path.slice(node.folderPath.length + 1)
    if (isOwnPath(relative)) return
    if (isIgnoredName(relative)) this.#violations.push(`the engine of ${node.name} touched the ignored ${relative}`)
    this.#engineChanges++
    this.#receivedUs.set(`${node.name} ${relative}`, this.#scheduler.nowUs)
    this.#changed.get(node)?.add(relative)
  }

  #checkContents(node: SimNode, path: string): void {
    const kind = node.user.lstat(`${node.folderPath}/${path}`)?.kind
    const files =
      kind === 'directory'
        ? this.#personOf(node)
            .paths('file')
            .filter((file) => file.startsWith(`${path}/`))
        : [path]
    for (const file of files) {
      const content = contentAt(node, file)
      if (content === undefined || isIgnoredName(file) || this.#ledger.isKnown(content) || this.#isWholeAt(node, file)) continue
      this.#violations.push(
        `${file} on ${node.name} shows content that nobody wrote (${content}, ${this.#personOf(node).sizeOf(file)} bytes)`,
      )
    }
  }

  #isWholeAt(node: SimNode, path: string): boolean {
    const bytes = node.user.read(`${node.folderPath}/${path}`)
    return bytes !== undefined && this.#isWhole(fromUtf8(bytes) ?? '')
  }

  #personOf(node: SimNode): Person {
    const person = this.people.find((one) => one.node === node)
    if (person === undefined) throw new Error(`${node.name} is not part of this world`)
    return person
  }
}

function placesOf(content: string, { snapshot }: View): readonly string[] {
  return [...snapshot].filter(([, seen]) => seen.kind === 'file' && seen.content === content).map(([path]) => path)
}
