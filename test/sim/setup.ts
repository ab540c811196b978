// The world that a script begins with: machines by their setups, links by their kind; and how one is drawn from a seed.

import type { SeededRandom } from '../support/seeded-random.ts'
import type { NameRules } from './disk-tree.ts'
import { calmConditions, type NetworkConditions } from './network.ts'
import type { MachineOptions } from './node.ts'
import type { NamesKind, NetworkKind, NodeSetup } from './script.ts'

const discoverEveryMs = 10_000
const dayMs = 86_400_000

const nameRules: Readonly<Record<NamesKind, NameRules>> = {
  linux: { isCaseSensitive: true, unicode: 'exact' },
  windows: { isCaseSensitive: false, unicode: 'exact' },
  apple: { isCaseSensitive: false, unicode: 'insensitive' },
  hfs: { isCaseSensitive: false, unicode: 'nfd' },
}

const kinds = ['linux', 'windows', 'apple', 'hfs'] as const satisfies readonly NamesKind[]

export function isNamesKind(name: string): name is NamesKind | 'mixed' {
  return name === 'mixed' || Object.hasOwn(nameRules, name)
}

const conditions: Readonly<Record<NetworkKind, NetworkConditions>> = {
  calm: { ...calmConditions, discoverEveryMs },
  slow: { ...calmConditions, discoverEveryMs, delayMs: [20, 400], bytesPerSecond: 500_000, windowBytes: 64 * 1024 },
  breaking: { ...calmConditions, discoverEveryMs, delayMs: [0.5, 60], breakEveryMs: 15_000 },
}

export function conditionsOf(kind: NetworkKind): NetworkConditions {
  return conditions[kind]
}

export function machineOf({ name, wallOffsetMs, jobWidth, names, host }: NodeSetup): MachineOptions {
  return { name, wallOffsetMs, jobWidth, rules: nameRules[names ?? 'linux'], card: host, isInBucket: host?.isInBucket === true }
}

/** What the weights leave out is not drawn. */
export interface SetupOptions {
  readonly nodes: number
  /** Whether one more node may join later. */
  readonly mayJoinLate: boolean
  readonly names: Readonly<Partial<Record<NamesKind | 'mixed', number>>>
}

export function drawSetup(
  random: SeededRandom,
  options: SetupOptions,
): { readonly nodes: readonly NodeSetup[]; readonly network: NetworkKind } {
  const count = options.nodes + (options.mayJoinLate && random.chance(0.3) ? 1 : 0)
  const isShaky = random.chance(0.4)
  const kind = random.pickWeighted(options.names)
  const nodes = Array.from({ length: count }, (_, at) => nodeOf(at, kind === 'mixed' ? (random.pick(kinds) ?? 'linux') : kind))
  return { nodes, network: random.pickWeighted({ calm: 2, slow: 1, breaking: 2 }) }

  function nodeOf(at: number, names: NamesKind): NodeSetup {
    return {
      name: String.fromCharCode(65 + at),
      wallOffsetMs: random.chance(0.2) ? random.between(-5, 5) * dayMs : random.between(-2000, 2000),
      jobWidth: random.between(1, 4),
      ...(isShaky ? { isWatcherShaky: true } : {}),
      ...(names === 'linux' ? {} : { names }),
      ...(at >= options.nodes ? { isLate: true } : {}),
    }
  }
}
