// Random people and accidents: what happens to a simulated folder while its nodes try to keep it in step.

import type { SeededRandom } from '../support/seeded-random.ts'
import type { FaultRule } from './disk-gate.ts'
import { drawContent, drawDirectory, drawPath } from './contents.ts'
import type { SimNode } from './node.ts'
import type { Oracle } from './oracle.ts'
import type { Person } from './person.ts'
import { ignoreRules } from './snapshot.ts'
import { allWeights, type ActionName, type Weights } from './weights.ts'
import type { World } from './world.ts'

/** About as long as a small change takes from one node to the next. */
const raceMsMax = 150

const callsUntilStrikeMax = 30

const troubles = [
  { operations: ['datasync'], fault: 'io' },
  { operations: ['write'], fault: 'noSpace' },
  { operations: ['rename'], fault: 'busy' },
  { operations: ['open'], fault: 'denied' },
  { operations: ['read'], fault: 'io' },
  { operations: ['readDirectory'], fault: 'io' },
] as const satisfies readonly Omit<FaultRule, 'path'>[]

const operationLimits = { durationMs: 600_000, stepsMax: 2_000_000 }

export class Workload {
  readonly #world: World
  readonly #oracle: Oracle
  readonly #random: SeededRandom
  readonly #weights: Weights
  /** Starts and stops under way, by node: at rest there are none. */
  readonly #busy = new Map<SimNode, Promise<void>>()
  /** What `open` threw where nobody waited for it; thrown on at the next step. */
  readonly #failedStarts: unknown[] = []

  constructor(world: World, oracle: Oracle, weights: Weights = allWeights) {
    this.#world = world
    this.#oracle = oracle
    this.#random = world.random.fork('workload')
    this.#weights = weights
  }

  /** The same ignore rules on every node before there is a folder, and some files to begin with. */
  prepare(filesPerNode: number): void {
    for (const person of this.#oracle.people) {
      person.write('.holdfastignore', new TextEncoder().encode(ignoreRules))
      for (let count = 0; count < filesPerNode; count++) this.#onPath(person, 'write')
    }
  }

  /** `count` things happen, with pauses of very different lengths in between. */
  async run(count: number): Promise<void> {
    for (let done = 0; done < count; done++) {
      await this.step()
      const pauseMs = this.#random.pickWeighted({ none: 3, short: 6, long: 2 })
      if (pauseMs !== 'none') await this.#world.scheduler.runFor(this.#random.unit() * (pauseMs === 'short' ? 200 : 8000))
    }
  }

  async step(): Promise<void> {
    this.#throwFailedStarts()
    const person = this.#random.pick(this.#oracle.people)
    if (person === undefined) return
    const name = this.#random.pickWeighted(this.#weights)
    const what = await this.#act(person, name)
    this.#world.scheduler.note(`* ${person.node.name}: ${name} ${what ?? '(not possible now)'}`)
  }

  /** Ends every disturbance: links up, clocks as they are, all nodes running, folders resumed. */
  async calm(): Promise<void> {
    this.#world.fabric.heal()
    for (const { node } of this.#oracle.people) {
      node.faults.clear()
      node.faults.beforeCall(undefined)
      await this.#finish(node)
      if (!node.isRunning) await this.#settle(node.start(), `start of ${node.name}`)
      this.#throwFailedStarts()
      const { controls } = node
      if (controls === undefined) throw new Error(`${node.name} did not come up`)
      for (const folder of controls.folders()) if (folder.state === 'paused') await this.#settle(controls.resumeFolder(folder.id), 'resume')
    }
  }

  /** What was done, for the trace; undefined when it could not be. */
  async #act(person: Person, name: ActionName): Promise<string | undefined> {
    switch (name) {
      case 'twoSided':
        return this.#twoSided()
      case 'race':
        return this.#race()
      case 'pause':
      case 'resume':
        return await this.#pauseOrResume(person.node, name)
      case 'restart':
      case 'kill':
      case 'crash':
      case 'start':
        return await this.#life(person.node, name)
      case 'killInCall':
      case 'crashInCall':
        return this.#strikeInCall(person.node, name)
      case 'trouble':
        return this.#trouble(person.node)
      case 'partition':
      case 'heal':
      case 'cut':
        return this.#network(name)
      case 'clock': {
        const byMs = this.#random.pick([-3_600_000, -1500, 700, 86_400_000]) ?? 0
        person.node.wall.jump(byMs)
        return `${byMs} ms`
      }
      default:
        return this.#onPath(person, name)
    }
  }

  #onPath(person: Person, name: ActionName): string | undefined {
    const random = this.#random
    const file = random.pick(person.paths('file').filter((path) => path !== '.holdfastignore'))
    const target = drawPath(random)
    switch (name) {
      case 'write':
      case 'replace': {
        const path = file !== undefined && random.chance(0.4) ? file : target
        if (!isFreeForFile(person, path)) return undefined
        const bytes = drawContent(random)
        person[name](path, bytes)
        return `${path} (${bytes.length} bytes)`
      }
      case 'ignored':
        if (!isFreeForFile(person, `${target}.ignored`)) return undefined
        person.write(`${target.slice(0, 200)}.ignored`, drawContent(random))
        return target
      case 'mkdir': {
        const path = drawDirectory(random)
        if (person.kindAt(path) !== undefined || !person.makeWay(path)) return undefined
        person.mkdir(path)
        return path
      }
      case 'symlink':
        if (person.kindAt(target) !== undefined || !person.makeWay(target)) return undefined
        person.symlink(random.pick(['one', '../outside', '/etc/passwd', 'a/c', '.']) ?? 'one', target)
        return target
      case 'moveTree':
      case 'removeTree':
        return this.#onTree(person, name)
      default:
        return file === undefined ? undefined : this.#onFile(person, name, file, target)
    }
  }

  #onFile(person: Person, name: ActionName, file: string, target: string): string | undefined {
    const random = this.#random
    const sizeBytes = person.sizeOf(file)
    switch (name) {
      case 'append':
        person.append(file, random.bytes(random.between(1, 20_000)))
        return file
      case 'edit':
        if (sizeBytes === 0) return undefined
        person.edit(file, random.below(sizeBytes), random.bytes(random.between(1, 500)))
        return file
      case 'truncate':
        person.truncate(file, random.below(sizeBytes + 1))
        return file
      case 'touch':
        person.touch(file, 1_600_000_000_000_000 + random.uint32() * 1000)
        return file
      case 'chmod':
        if (file.endsWith('.ignored')) return undefined
        person.chmod(file, random.pick([0o644, 0o600, 0o755, 0o444, 0o664]) ?? 0o644)
        return file
      case 'removeFile':
        person.remove(file)
        return file
      case 'renameFile':
        if (file.endsWith('.ignored') || !isFreeForFile(person, target)) return undefined
        person.rename(file, target)
        return `${file} to ${target}`
      case 'changeType':
        if (file.endsWith('.ignored')) return undefined
        person.remove(file)
        if (random.chance(0.5)) person.mkdir(file)
        else person.symlink('somewhere', file)
        return file
      case 'swap': {
        const other = random.pick(person.paths('file').filter((path) => path !== '.holdfastignore'))
        if (other === undefined || other === file || isIgnoredPair(file, other)) return undefined
        person.rename(file, 'swap.ignored')
        person.rename(other, file)
        person.rename('swap.ignored', other)
        return `${file} and ${other}`
      }
      default:
        return undefined
    }
  }

  #onTree(person: Person, name: 'moveTree' | 'removeTree'): string | undefined {
    const tree = this.#random.pick(person.paths('directory'))
    if (tree === undefined) return undefined
    if (name === 'removeTree') {
      person.remove(tree)
      return tree
    }
    const to = drawDirectory(this.#random)
    if (to === tree || to.startsWith(`${tree}/`) || person.kindAt(to) !== undefined || !person.makeWay(to)) return undefined
    person.rename(tree, to)
    return `${tree} to ${to}`
  }

  /** One path, changed by two people who have not seen each other's change. */
  #twoSided(): string | undefined {
    const [left, right] = this.#random.shuffle(this.#oracle.people)
    if (left === undefined || right === undefined) return undefined
    const path =
      this.#random.pick(left.paths('file').filter((one) => one !== '.holdfastignore' && !one.endsWith('.ignored'))) ??
      drawPath(this.#random)
    for (const person of [left, right]) {
      if (!isFreeForFile(person, path)) continue
      if (person.kindAt(path) === 'file' && this.#random.chance(0.25)) person.remove(path)
      else person.write(path, drawContent(this.#random))
    }
    return `${path} with ${right.node.name}`
  }

  /** One path, changed on a second node about when the first one's change arrives there. */
  #race(): string | undefined {
    const [left, right] = this.#random.shuffle(this.#oracle.people)
    if (left === undefined || right === undefined) return undefined
    const path = this.#random.pick(left.paths('file').filter((one) => one !== '.holdfastignore' && !one.endsWith('.ignored')))
    if (path === undefined) return undefined
    left.write(path, drawContent(this.#random))
    const bytes = drawContent(this.#random)
    const act = (): void => {
      if (isFreeForFile(right, path)) right.write(path, bytes)
    }
    this.#world.scheduler.after(this.#random.unit() * raceMsMax, `* ${right.node.name}: writes ${path} as well`, act)
    return `${path} with ${right.node.name}`
  }

  async #pauseOrResume(node: SimNode, name: 'pause' | 'resume'): Promise<string | undefined> {
    const { controls } = node
    const folder = controls?.folders()[0]
    if (controls === undefined || folder === undefined) return undefined
    await this.#settle(name === 'pause' ? controls.pauseFolder(folder.id) : controls.resumeFolder(folder.id), name)
    return folder.name
  }

  async #life(node: SimNode, name: 'restart' | 'kill' | 'crash' | 'start'): Promise<string | undefined> {
    const isStarting = this.#busy.has(node)
    if (name === 'start') {
      if (node.isRunning || isStarting) return undefined
      // Not waited for: it may be killed again on the way.
      const starting = node.start().then(
        () => void this.#busy.delete(node),
        (error: unknown) => {
          this.#busy.delete(node)
          this.#failedStarts.push(error)
        },
      )
      this.#busy.set(node, starting)
      return node.name
    }
    if (!node.isRunning) return undefined
    if (name === 'restart') {
      await this.#finish(node)
      if (node.isRunning) await this.#settle(node.stop(), `stop of ${node.name}`)
      await this.#settle(node.start(), `start of ${node.name}`)
    } else if (name === 'kill') {
      node.kill()
    } else {
      node.crash()
      this.#oracle.recheck(node)
    }
    return node.name
  }

  /** Arms an accident before one of the next calls that change the drive. */
  #strikeInCall(node: SimNode, name: 'killInCall' | 'crashInCall'): string | undefined {
    if (!node.isRunning) return undefined
    let left = this.#random.between(1, callsUntilStrikeMax)
    node.faults.beforeCall((call) => {
      if (!call.isMutating || --left > 0) return
      node.faults.beforeCall(undefined)
      if (name === 'killInCall') node.kill()
      else node.crash()
      this.#oracle.recheck(node)
      this.#world.scheduler.note(`* ${node.name}: ${name} before ${call.operation} ${call.path}`)
    })
    return `in ${left} calls`
  }

  #trouble(node: SimNode): string {
    const trouble = this.#random.pick(troubles) ?? troubles[0]
    const times = this.#random.between(1, 4)
    node.faults.add({ path: node.folderPath, times, ...trouble })
    return `${trouble.operations.join()} ${trouble.fault}, ${times} times`
  }

  #network(name: 'partition' | 'heal' | 'cut'): string | undefined {
    const peers = this.#random.shuffle(this.#world.nodes.flatMap(({ peer }) => (peer === undefined ? [] : [peer])))
    const [first, second] = peers
    if (first === undefined || second === undefined) return undefined
    if (name === 'heal') {
      this.#world.fabric.heal()
      return ''
    }
    if (name === 'cut') {
      if (this.#random.chance(0.5)) this.#world.fabric.breakConnection(first, second)
      else this.#world.fabric.setReachable(first, second, false)
      return `${first.slice(-4)} ${second.slice(-4)}`
    }
    const at = this.#random.between(1, peers.length - 1)
    this.#world.fabric.partition([peers.slice(0, at), peers.slice(at)])
    return `after ${at}`
  }

  #throwFailedStarts(): void {
    const error = this.#failedStarts[0]
    if (error !== undefined) throw new Error('a node could not be started again', { cause: error })
  }

  async #finish(node: SimNode): Promise<void> {
    const busy = this.#busy.get(node)
    if (busy !== undefined) await this.#settle(busy, `start of ${node.name}`)
  }

  #settle<T>(work: Promise<T>, what: string): Promise<T> {
    return this.#world.scheduler.settle(work, operationLimits, what)
  }
}

function isFreeForFile(person: Person, path: string): boolean {
  const kind = person.kindAt(path)
  return kind === 'file' || (kind === undefined && person.makeWay(path))
}

function isIgnoredPair(left: string, right: string): boolean {
  return left.endsWith('.ignored') || right.endsWith('.ignored')
}
