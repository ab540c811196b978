// Random worlds with hosts, and what happens to hosts and copies in them, as steps of a script.

import type { SeededRandom } from '../support/seeded-random.ts'
import { drawAccident } from './draw-accidents.ts'
import { secrets } from './copies-oracle.ts'
import type { Fleet, Host } from './fleet.ts'
import type { Person } from './person.ts'
import type { Content, Deed, HostSetup, NetworkKind, NodeSetup } from './script.ts'
import type { ActionName, HostActionName } from './weights.ts'

const gigabyte = 1_000_000_000
const hourMs = 3_600_000
const zones = ['home', 'attic', 'office', '']

export interface DrawnHosts {
  readonly nodes: readonly NodeSetup[]
  readonly network: NetworkKind
  readonly copies: number
  readonly hasDays: boolean
  /** Readers do not keep everything; then no store is lost, which might have had the only copy. */
  readonly isSparing: boolean
}

/** One to three nodes that read, two to four hosts. */
export function drawHostSetup(random: SeededRandom): DrawnHosts {
  const readers = Number(random.pickWeighted({ 1: 2, 2: 4, 3: 1 }))
  const hosts = random.between(2, 4)
  const node = (at: number): NodeSetup => ({
    name: String.fromCharCode(65 + at),
    wallOffsetMs: random.between(-2000, 2000),
    jobWidth: random.between(1, 4),
  })
  const late = random.chance(0.3) ? readers + hosts - 1 : -1
  const nodes = Array.from({ length: readers + hosts }, (_, at) => ({
    ...node(at),
    ...(at < readers ? {} : { host: drawHost(random) }),
    ...(at === late ? { isLate: true } : {}),
  }))
  const copies = Math.min(readers + hosts, readers + (random.pick([0, 1, 1, 2, 2]) ?? 1))
  const network = random.pickWeighted({ calm: 2, slow: 1, breaking: 2 })
  const hasDays = random.chance(0.4)
  const isSparing = random.chance(0.4)
  const hasOwners = random.chance(0.3)
  return {
    nodes: hasOwners ? nodes.map((one) => ('host' in one ? one : { ...one, isOwner: true })) : nodes,
    network,
    copies: Math.max(2, copies),
    hasDays,
    isSparing,
  }
}

function drawHost(random: SeededRandom): HostSetup {
  return {
    keep: random.chance(0.2) ? 'all' : 'share',
    zone: random.pick(zones) ?? '',
    class: random.pickWeighted({ 'always-on': 2, daily: 2, occasional: 1 }),
    capacityBytes: random.chance(0.1) ? 400_000 : gigabyte * random.between(1, 4),
    ...(random.chance(0.3) ? { isInBucket: true } : {}),
  }
}

/** A file whose name and content no host may ever have. */
export function drawPlanted(random: SeededRandom): { readonly path: string; readonly content: Content } {
  const [directory, name, word] = secrets
  const number = random.below(4)
  return {
    path: `${directory}/${name}-${number}.txt`,
    content: { text: `${word} ${number} ${random.uint32()} `.repeat(random.between(1, 200)) },
  }
}

type OnNode = Deed & { readonly on?: string; readonly afterMs?: number }

/** Undefined when the action is not about hosts; empty when it is not possible now. */
export function drawOnHost(
  random: SeededRandom,
  name: ActionName,
  { fleet, people, hasDays }: { readonly fleet: Fleet; readonly people: readonly Person[]; readonly hasDays: boolean },
): readonly OnNode[] | undefined {
  if (fleet.all.length === 0) return undefined
  const owners = people.filter(({ node }) => node.controls?.folders()[0]?.role === 'owner')
  const owner = random.pick(owners)?.node.name ?? ''
  const host = random.pick(name === 'hostJoin' ? fleet.all : fleet.present)
  switch (name) {
    case 'copies':
      return [{ do: 'copies', on: owner, copies: random.between(2, people.length + 2) }]
    case 'hostLose':
    case 'leave':
    case 'retire':
      return host === undefined ? [] : drawEnd(random, name, fleet, host, owner)
    case 'hostAway':
      return host === undefined ? [] : drawAbsence(random, host, { fleet, people, hasDays })
    case 'hostStop':
      return host === undefined ? [] : [{ do: 'stop', on: host.node.name }]
    case 'storage':
      return drawStorage(random, fleet)
    case 'wipe':
      return host === undefined ? [] : [{ do: 'wipe', on: host.node.name }]
    case 'rotStore':
      return host === undefined ? [] : [{ do: 'rotStore', on: host.node.name, at: random.unit() }]
    default: {
      const accident = accidents[name as HostActionName] // cast: of others there is none
      if (accident === undefined) return undefined
      if (host === undefined) return []
      const drawn = drawAccident(random, accident, { node: host.node, nodes: [] }) ?? []
      return drawn.map((deed) => ({ ...atHome(deed), on: host.node.name }))
    }
  }
}

/** What happens to hosts as to any node. */
const accidents: Readonly<Partial<Record<HostActionName, ActionName>>> = {
  hostRestart: 'restart',
  hostKill: 'kill',
  hostCrash: 'crash',
  hostKillInCall: 'killInCall',
  hostCrashInCall: 'crashInCall',
  hostStart: 'start',
  hostPause: 'pause',
  hostResume: 'resume',
  hostTrouble: 'trouble',
  hostRoom: 'room',
  hostClock: 'clock',
  hostLoseDatabase: 'loseDatabase',
  hostBackUp: 'backUp',
  hostRestore: 'restore',
  hostJoin: 'join',
}

/** A host has nothing but its home. */
function atHome(deed: Deed): Deed {
  return deed.do === 'trouble' ? { ...deed, where: 'home' } : deed
}

function drawStorage(random: SeededRandom, fleet: Fleet): readonly OnNode[] {
  const host = random.pick(fleet.present.filter(({ setup }) => setup.isInBucket === true))
  if (host === undefined) return []
  const mood = random.pickWeighted({ away: 2, deaf: 2, busy: 1 })
  return [{ do: 'storage', on: host.node.name, mood, forMs: random.between(1, 90) * 1000 }]
}

/** Two hosts stay at least, or one where the other may come back. */
function drawEnd(random: SeededRandom, name: 'hostLose' | 'leave' | 'retire', fleet: Fleet, host: Host, owner: string): readonly OnNode[] {
  if (name === 'leave') return fleet.active.length <= 1 ? [] : [{ do: 'leave', on: host.node.name }]
  if (fleet.active.length <= 2 && !host.isRetired) return []
  if (name === 'retire') return [{ do: 'retire', on: owner, peer: host.node.name }]
  const isTold = random.chance(0.5)
  return [{ do: 'lose', on: host.node.name }, ...(isTold ? [{ do: 'retire' as const, on: owner, peer: host.node.name }] : [])]
}

/** Nobody reaches the host for some hours, and it nobody. */
function drawAbsence(
  random: SeededRandom,
  host: Host,
  { fleet, people, hasDays }: { readonly fleet: Fleet; readonly people: readonly Person[]; readonly hasDays: boolean },
): readonly OnNode[] {
  const all = [...people.filter(({ isMember }) => isMember), ...fleet.present].map(({ node }) => node.name)
  const name = host.node.name
  const groups = [[name], all.filter((other) => other !== name)]
  // Others go on meanwhile: the links come back some time.
  if (hasDays && random.chance(0.5)) return [{ do: 'partition', groups }]
  return [
    { do: 'partition', groups },
    { do: 'heal', afterMs: Math.round(random.unit() * hourMs) },
  ]
}
