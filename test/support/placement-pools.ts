// Pools of members to lay folders on, the changes that befall them, and what is measured of a layout.

import { createHash } from 'node:crypto'

import { present } from '../../engine/base/assert.ts'
import { peerIdOf } from '../../engine/crypto/identity.ts'
import { parseFolderId, type FolderId, type PeerId } from '../../engine/model/ids.ts'
import { nobody, type LayoutTable } from '../../engine/replicas/layout.ts'
import type { PlacementMember } from '../../engine/replicas/placement-pool.ts'

const terabyte = 1e12
/** Drives as people have them, in TB. */
const mixedSizes: readonly number[] = [0.5, 1, 2, 3, 4, 6, 8, 12, 16]
const classes = ['always-on', 'daily', 'always-on', 'occasional'] as const

export interface NamedPool {
  readonly name: string
  readonly members: readonly PlacementMember[]
}

function digest(text: string): Uint8Array {
  return createHash('sha256').update(text).digest()
}

export function folderNamed(name: string): FolderId {
  return present(parseFolderId(Uint8Array.of(1, ...digest(name))), 'a folder id made here is well-formed')
}

export function peerNamed(name: string): PeerId {
  return peerIdOf(digest(name))
}

export function member(name: string, zone: string, terabytes: number, facts: Partial<PlacementMember> = {}): PlacementMember {
  return { peer: peerNamed(name), zone, class: 'always-on', capacityBytes: terabytes * terabyte, keep: 'share', ...facts }
}

function mixed(name: string, count: number, zones: number): NamedPool {
  const members = Array.from({ length: count }, (_, index) => {
    const size = mixedSizes[(index * 5 + Math.floor(index / mixedSizes.length)) % mixedSizes.length] ?? 1
    const zone = index < zones ? index : (index * 7) % zones
    return member(`${name} ${index}`, `zone ${zone}`, size, { class: classes[index % classes.length] ?? 'daily' })
  })
  return { name, members }
}

const twelve: readonly (readonly [number, number])[] = [
  [8, 0],
  [0.5, 0],
  [8, 1],
  [0.5, 1],
  [4, 2],
  [1, 2],
  [4, 3],
  [1, 3],
  [2, 4],
  [1, 4],
  [2, 5],
  [2, 5],
]

/** The four of the plan's measures. */
export const pools: readonly NamedPool[] = [
  {
    name: '12 equal in 4 zones',
    members: Array.from({ length: 12 }, (_, index) => member(`equal ${index}`, `zone ${index % 4}`, 4)),
  },
  {
    name: '12 of 0.5-8 TB in 6',
    members: twelve.map(([size, zone], index) => member(`twelve ${index}`, `zone ${zone}`, size, { class: classes[index % 4] ?? 'daily' })),
  },
  mixed('40 mixed in 25', 40, 25),
  mixed('150 mixed in 100', 150, 100),
]

/** What befalls a pool: each gives the members afterwards. */
export const changes: readonly { readonly name: string; after(members: readonly PlacementMember[]): readonly PlacementMember[] }[] = [
  { name: 'join', after: (members) => [...members, member('newcomer', 'zone 1', 4)] },
  { name: 'join, new zone', after: (members) => [...members, member('newcomer', 'new zone', 4)] },
  { name: 'leave', after: (members) => members.toSpliced(5, 1) },
  { name: 'leave, largest', after: (members) => members.filter((one) => one !== largestOf(members)) },
  { name: 'half capacity', after: (members) => members.with(4, scaled(members[4], 1 / 2)) },
  { name: 'full: -10 %', after: (members) => members.with(4, scaled(members[4], 0.9)) },
  { name: 'double capacity', after: (members) => members.with(3, scaled(members[3], 2)) },
]

function largestOf(members: readonly PlacementMember[]): PlacementMember | undefined {
  return members.toSorted((left, right) => right.capacityBytes - left.capacityBytes)[0]
}

function scaled(one: PlacementMember | undefined, factor: number): PlacementMember {
  const known = present(one, 'a pool has that member')
  return { ...known, capacityBytes: known.capacityBytes * factor }
}

/** How many partitions each member has. */
export function loadsOf(table: LayoutTable): ReadonlyMap<PeerId, number> {
  const loads = new Map<PeerId, number>(table.peers.map((peer) => [peer, 0]))
  for (const slot of table.slots) {
    const peer = table.peers[slot]
    if (slot !== nobody && peer !== undefined) loads.set(peer, (loads.get(peer) ?? 0) + 1)
  }
  return loads
}

export interface Fill {
  /** Bytes of the folder, all copies counted, when the first member is full, over the capacity of all. */
  readonly usable: number
  /** How full the fullest and the emptiest member are next to the average. */
  readonly fullest: number
  readonly emptiest: number
}

export function fillOf(table: LayoutTable, members: readonly PlacementMember[]): Fill {
  const loads = loadsOf(table)
  const capacity = members.reduce((sum, one) => sum + one.capacityBytes, 0)
  const placed = [...loads.values()].reduce((sum, load) => sum + load, 0)
  const fills = members.map((one) => (loads.get(one.peer) ?? 0) / placed / (one.capacityBytes / capacity))
  return { usable: 1 / Math.max(...fills), fullest: Math.max(...fills), emptiest: Math.min(...fills) }
}

/** Partitions that members have to fetch when one table takes the place of another with as many. */
export function movedBetween(from: LayoutTable, to: LayoutTable): number {
  let moved = 0
  for (let partition = 0; partition * to.copies < to.slots.length; partition++) {
    const before = rowOf(from, partition)
    moved += rowOf(to, partition).filter((peer) => !before.includes(peer)).length
  }
  return moved
}

export function rowOf({ peers, copies, slots }: LayoutTable, partition: number): readonly PeerId[] {
  return [...slots.subarray(partition * copies, (partition + 1) * copies)].flatMap((slot) => peers[slot] ?? [])
}

/** What must be fetched at least, in copies of the folder: what members are meant to hold more than before. */
export function leastMoved(from: Meant, to: Meant): number {
  const before = new Map(from.peers.map((peer, index) => [peer, from.fractions[index] ?? 0]))
  const more = to.peers.map((peer, index) => Math.max(0, (to.fractions[index] ?? 0) - (before.get(peer) ?? 0)))
  return more.reduce((sum, one) => sum + one, 0)
}

export interface Meant {
  readonly peers: readonly PeerId[]
  readonly fractions: readonly number[]
}
