// Random people and accidents: what happens next to a simulated folder, as steps of a script. Looks at the world, and changes nothing.

import { ignoreFileName } from '../../engine/disk/limits.ts'
import type { SeededRandom } from '../support/seeded-random.ts'
import { drawContent, drawDirectory, drawPath } from './contents.ts'
import { drawAccident } from './draw-accidents.ts'
import { drawPlanted, drawOnHost } from './draw-hosts.ts'
import type { Fleet } from './fleet.ts'
import type { SimNode } from './node.ts'
import type { Person } from './person.ts'
import type { Deed, Step } from './script.ts'
import { ignoreRules } from './snapshot.ts'
import type { ActionName, Weights } from './weights.ts'

/** About as long as a small change takes from one node to the next. */
const raceMsMax = 150
const shortPauseMs = 200
const longPauseMs = 8000
/** So long that who is away meanwhile is overdue or lost, where days pass. */
const daysMs = 40 * 60_000
const pausesMs = { short: shortPauseMs, long: longPauseMs, days: daysMs }
const spareName = 'spare.ignored'

/** Of one node, right after the step before. */
type OnNode = Deed & { readonly on?: string; readonly afterMs?: number }

export interface DrawnFrom {
  readonly people: readonly Person[]
  readonly weights: Weights
  readonly fleet: Fleet
  readonly hasDays?: boolean
}

export class StepSource {
  readonly #random: SeededRandom
  readonly #people: readonly Person[]
  readonly #weights: Weights
  readonly #fleet: Fleet
  readonly #hasDays: boolean

  constructor(random: SeededRandom, { people, weights, fleet, hasDays = false }: DrawnFrom) {
    this.#fleet = fleet
    this.#random = random
    this.#people = people
    this.#weights = weights
    this.#hasDays = hasDays
  }

  /** The same ignore rules on every node before there is a folder, and some files to begin with. */
  before(filesPerNode: number): Step[] {
    const rules = { text: ignoreRules }
    return this.#people.flatMap(({ node: { name: on } }) => [
      { afterMs: 0, on, do: 'write' as const, path: ignoreFileName, content: rules },
      ...Array.from({ length: filesPerNode }, () => ({
        afterMs: 0,
        on,
        do: 'write' as const,
        path: drawPath(this.#random),
        content: drawContent(this.#random),
      })),
    ])
  }

  /** What happens next, after a pause: one or more steps, none when what was drawn is not possible now. */
  next(): Step[] {
    const random = this.#random
    const person = random.pick(this.#people)
    const name = random.pickWeighted(this.#weights)
    if (person === undefined) return []
    const pause = random.pickWeighted({ none: 3, short: 6, long: 2, ...(this.#hasDays ? { days: 1 } : {}) })
    const pauseMs = pause === 'none' ? 0 : Math.round(random.unit() * pausesMs[pause])
    const deeds = this.#draw(person, name)
    return deeds.map(({ on, afterMs, ...deed }, at) => ({
      ...deed,
      on: on ?? person.node.name,
      afterMs: afterMs ?? (at === 0 ? pauseMs : 0),
    }))
  }

  #draw(person: Person, name: ActionName): readonly OnNode[] {
    switch (name) {
      case 'twoSided':
        return this.#twoSided()
      case 'race':
        return this.#race()
      case 'write':
      case 'replace': {
        const file = this.#pickFile(person)
        const path = file !== undefined && this.#random.chance(0.4) ? file : drawPath(this.#random)
        return [{ do: name, path, content: drawContent(this.#random) }]
      }
      case 'ignored':
        return [{ do: 'write', path: `${drawPath(this.#random).slice(0, 200)}.ignored`, content: drawContent(this.#random) }]
      case 'free': {
        const path = this.#pickFile(person)
        return path === undefined ? [] : [{ do: name, path }]
      }
      case 'fetch': {
        const path = this.#random.pick(
          this.#people.flatMap((other) => other.paths('file')).filter((one) => person.kindAt(one) === undefined),
        )
        return path === undefined ? [] : [{ do: name, path }]
      }
      case 'stop':
        return [{ do: 'stop' }]
      case 'keep':
        return [this.#drawKeep()]
      case 'mkdir':
        return [{ do: 'mkdir', path: drawDirectory(this.#random) }]
      case 'symlink': {
        const target = this.#random.pick(['one', '../outside', '/etc/passwd', 'a/c', '.']) ?? 'one'
        return [{ do: 'symlink', path: drawPath(this.#random), target }]
      }
      case 'moveTree':
      case 'removeTree': {
        const path = this.#random.pick(person.paths('directory'))
        if (path === undefined) return []
        return [name === 'removeTree' ? { do: 'remove', path } : { do: 'rename', path, to: drawDirectory(this.#random) }]
      }
      case 'plant':
        return [{ do: 'write', ...drawPlanted(this.#random) }]
      default: {
        const onHost = drawOnHost(this.#random, name, { fleet: this.#fleet, people: this.#people, hasDays: this.#hasDays })
        if (onHost !== undefined) return onHost
        const accident = drawAccident(this.#random, name, { node: person.node, nodes: this.#nodes() })
        return accident ?? this.#onFile(person, name)
      }
    }
  }

  #onFile(person: Person, name: ActionName): readonly OnNode[] {
    const random = this.#random
    const path = this.#pickFile(person)
    if (path === undefined) return []
    const sizeBytes = person.sizeOf(path)
    const isIgnored = path.endsWith('.ignored')
    switch (name) {
      case 'append':
        return [{ do: 'append', path, content: { ...drawContent(random), sizeBytes: random.between(1, 20_000) } }]
      case 'edit':
        if (sizeBytes === 0) return []
        return [
          { do: 'edit', path, offset: random.below(sizeBytes), content: { ...drawContent(random), sizeBytes: random.between(1, 500) } },
        ]
      case 'truncate':
        return [{ do: 'truncate', path, sizeBytes: random.below(sizeBytes + 1) }]
      case 'touch':
        return [{ do: 'touch', path, mtimeUs: 1_600_000_000_000_000 + random.uint32() * 1000 }]
      case 'rot':
        return sizeBytes === 0 || isIgnored ? [] : [{ do: 'rot', path, offset: random.below(sizeBytes) }]
      case 'removeFile':
        return [{ do: 'remove', path }]
      default:
        return isIgnored ? [] : this.#onSharedFile(person, name, path)
    }
  }

  #onSharedFile(person: Person, name: ActionName, path: string): readonly OnNode[] {
    const random = this.#random
    const others = person.paths('file').filter((other) => isShared(other) && other !== path)
    switch (name) {
      case 'chmod':
        return [{ do: 'chmod', path, mode: random.pick([0o644, 0o600, 0o755, 0o444, 0o664]) ?? 0o644 }]
      case 'renameFile':
        return [{ do: 'rename', path, to: drawPath(random) }]
      case 'caseRename': {
        const to = swapCase(path)
        return to === path ? [] : [{ do: 'rename', path, to }]
      }
      case 'changeType':
        return [{ do: 'remove', path }, random.chance(0.5) ? { do: 'mkdir', path } : { do: 'symlink', path, target: 'somewhere' }]
      case 'swap':
      case 'rotate': {
        const ring = [path, ...random.shuffle(others).slice(0, name === 'swap' ? 1 : 2)]
        const last = ring.at(-1)
        if (ring.length < 2 || last === undefined) return []
        const moves = ring.slice(0, -1).map((from, at) => ({ do: 'rename' as const, path: from, to: ring[at + 1] ?? last }))
        return [{ do: 'rename', path: last, to: spareName }, ...moves.toReversed(), { do: 'rename', path: spareName, to: path }]
      }
      default:
        return []
    }
  }

  #drawKeep(): Deed {
    const keep = this.#random.pickWeighted({ none: 2, selected: 3, all: 2 })
    if (keep !== 'selected') return { do: 'keep', keep }
    return { do: 'keep', keep, patterns: [`${drawDirectory(this.#random)}/`, drawPath(this.#random)] }
  }

  /** One path, changed by two people who have not seen each other's change. */
  #twoSided(): readonly OnNode[] {
    const [left, right] = this.#random.shuffle(this.#people)
    if (left === undefined || right === undefined) return []
    const path = this.#random.pick(left.paths('file').filter(isShared)) ?? drawPath(this.#random)
    return [left, right].map((person, at) => {
      const deed: Deed =
        person.kindAt(path) === 'file' && this.#random.chance(0.25)
          ? { do: 'remove', path }
          : { do: 'write', path, content: drawContent(this.#random) }
      return { ...deed, on: person.node.name, ...(at === 0 ? {} : { afterMs: 0 }) }
    })
  }

  /** One path, changed on a second node about when the first one's change arrives there. */
  #race(): readonly OnNode[] {
    const [left, right] = this.#random.shuffle(this.#people)
    const path = left === undefined ? undefined : this.#random.pick(left.paths('file').filter(isShared))
    if (left === undefined || right === undefined || path === undefined) return []
    const afterMs = Math.round(this.#random.unit() * raceMsMax * 10) / 10
    return [
      { do: 'write', path, content: drawContent(this.#random), on: left.node.name },
      { do: 'write', path, content: drawContent(this.#random), on: right.node.name, afterMs },
    ]
  }

  #pickFile(person: Person): string | undefined {
    return this.#random.pick(person.paths('file').filter((path) => path !== ignoreFileName))
  }

  #nodes(): readonly SimNode[] {
    return [...this.#people.filter(({ isMember }) => isMember), ...this.#fleet.present].map(({ node }) => node)
  }
}

function isShared(path: string): boolean {
  return path !== ignoreFileName && !path.endsWith('.ignored')
}

/** The last name's letters, large for small. */
function swapCase(path: string): string {
  const at = path.lastIndexOf('/') + 1
  const flip = (letter: string): string => (letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase())
  return path.slice(0, at) + path.slice(at).replaceAll(/[a-z]/gi, flip)
}
