// The members of a folder as placement sees them: who has everything anyway, who takes a share, and what each of these counts for.

import type { Keep, NodeClass } from '../model/folder.ts'
import type { PeerId } from '../model/ids.ts'

/** A member and what its card says. A member whose card nobody has seen yet takes no part: leave it out. */
export interface PlacementMember {
  readonly peer: PeerId
  /** As its card names it; empty when it names none. */
  readonly zone: string
  readonly class: NodeClass
  /** What it offers. Compared with the others': which bytes they are of, and how full, does not matter. 0 takes no share. */
  readonly capacityBytes: number
  /** Only `all` and `share` count: what keeps some paths, or nothing, is no copy that others can reckon with. */
  readonly keep: Keep | 'selected' | 'none'
}

export interface Pool {
  readonly everywhere: readonly PeerId[]
  /** Members that take a share, in the order of their ids: a member's index below is its place here. */
  readonly peers: readonly PeerId[]
  readonly capacities: readonly number[]
  readonly isAlwaysOn: readonly boolean[]
  /** Of each member the index in `zones`; -1 when its zone has a copy of everything already. */
  readonly zoneOf: readonly number[]
  /** Zones without a copy of everything, sorted. */
  readonly zones: readonly string[]
  /** Copies to be laid on `peers`: at most as many as there are. */
  readonly copies: number
  /** No member that keeps everything is always on, and one of `peers` is. */
  readonly wantsAlwaysOn: boolean
}

export function poolOf(members: readonly PlacementMember[], targetCopies: number): Pool {
  const sorted = members.toSorted((left, right) => (left.peer < right.peer ? -1 : 1))
  const everywhere = sorted.filter((member) => member.keep === 'all')
  const sharers = sorted.filter((member) => member.keep === 'share' && member.capacityBytes > 0)
  const covered = new Set(everywhere.map((member) => zoneKey(member.zone)))
  const zones = [...new Set(sharers.map((member) => zoneKey(member.zone)))].filter((zone) => !covered.has(zone)).toSorted()
  return {
    everywhere: everywhere.map((member) => member.peer),
    peers: sharers.map((member) => member.peer),
    capacities: sharers.map((member) => member.capacityBytes),
    isAlwaysOn: sharers.map((member) => member.class === 'always-on'),
    zoneOf: sharers.map((member) => zones.indexOf(zoneKey(member.zone))),
    zones,
    copies: Math.min(Math.max(0, targetCopies - everywhere.length), sharers.length),
    wantsAlwaysOn: !everywhere.some((member) => member.class === 'always-on') && sharers.some((member) => member.class === 'always-on'),
  }
}

/**
 * One zone, however people type it. Members that name none are in one zone together: nobody said that they are apart, and a
 * promise of two places must not rest on that.
 */
export function zoneKey(zone: string): string {
  return zone.normalize('NFC').trim().toLowerCase()
}
