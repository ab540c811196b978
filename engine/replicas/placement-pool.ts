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
  readonly keep: Keep
}

export interface Pool {
  readonly everywhere: readonly PeerId[]
  /** Members that may get a share, in the order of their ids: a member's index below is its place here. */
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

/**
 * Where those who keep everything are copies enough, nothing is laid, but for one copy on members that are always on when none of them is: else
 * what a laptop wrote would be nowhere to be had while it sleeps.
 */
export function poolOf(members: readonly PlacementMember[], targetCopies: number): Pool {
  const sorted = members.toSorted((left, right) => (left.peer < right.peer ? -1 : 1))
  const everywhere = sorted.filter((member) => member.keep === 'all')
  const willing = sorted.filter((member) => member.keep === 'share' && member.capacityBytes > 0)
  const wantsAlwaysOn = !everywhere.some(isAlwaysOn) && willing.some(isAlwaysOn)
  const isEnough = everywhere.length >= targetCopies
  const sharers = isEnough && wantsAlwaysOn ? willing.filter(isAlwaysOn) : willing
  const wantedCopies = isEnough ? Number(wantsAlwaysOn) : targetCopies - everywhere.length
  const covered = new Set(everywhere.map((member) => zoneKey(member.zone)))
  const zones = [...new Set(sharers.map((member) => zoneKey(member.zone)))].filter((zone) => !covered.has(zone)).toSorted()
  return {
    everywhere: everywhere.map((member) => member.peer),
    peers: sharers.map((member) => member.peer),
    capacities: sharers.map((member) => member.capacityBytes),
    isAlwaysOn: sharers.map(isAlwaysOn),
    zoneOf: sharers.map((member) => zones.indexOf(zoneKey(member.zone))),
    zones,
    copies: Math.min(wantedCopies, sharers.length),
    wantsAlwaysOn,
  }
}

function isAlwaysOn(member: PlacementMember): boolean {
  return member.class === 'always-on'
}

/**
 * One zone, however people type it. Members that name none are in one zone together: nobody said that they are apart, and a
 * promise of two places must not rest on that.
 */
export function zoneKey(zone: string): string {
  return zone.normalize('NFC').trim().toLowerCase()
}
