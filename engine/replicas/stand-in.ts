// Who keeps new content for members that are away, until these are back (decision 0052; Dynamo, SOSP 2007, calls it hinted handoff). Pure.

import type { FolderId, PeerId } from '../model/ids.ts'
import { presentMin } from './placement-absence.ts'
import { rendezvousKey } from './placement-keys.ts'

/** How patient it is, milliseconds of the awake clock, but for the first. */
export interface StandInPace {
  /** So often it looks, while somebody is away. */
  readonly lookMs: number
  /** A machine that is started anew is back by then. */
  readonly patienceMs: number
  /** So much later the next in order stands in, where the one before did not; and later by what a slow line takes for the content. */
  readonly nextMs: number
}

const msPerMinute = 60_000

export const standInPace: StandInPace = { lookMs: 20_000, patienceMs: 3 * msPerMinute, nextMs: 10 * msPerMinute }

/** 1 Mbit/s. */
const slowBytesPerMs = 125

export interface StandInCandidate {
  readonly peer: PeerId
  readonly zone: string
  readonly capacityBytes: number
}

/** Whether an entry that so many members hold, or are here to fetch, needs somebody to stand in. In a folder of one copy there is nothing to stand in for. */
export function isShort(members: number, targetCopies: number): boolean {
  return members < Math.min(presentMin, targetCopies)
}

/**
 * The candidates in the order in which they are to stand in for a block of this partition: those in zones that have no copy first, and as placement
 * would choose among them. Who sees the same candidates has the same order.
 */
export function standInOrder(
  folder: FolderId,
  partition: number,
  candidates: readonly StandInCandidate[],
  coveredZones: ReadonlySet<string>,
): readonly PeerId[] {
  const ranked = candidates.map(({ peer, zone, capacityBytes }) => ({
    peer,
    isCovered: coveredZones.has(zone),
    rank: rendezvousKey(folder, peer, partition) / capacityBytes,
  }))
  const inOrder = ranked.toSorted(
    (left, right) => Number(left.isCovered) - Number(right.isCovered) || left.rank - right.rank || (left.peer < right.peer ? -1 : 1),
  )
  return inOrder.map(({ peer }) => peer)
}

/** How long an entry of so many bytes has to be short before the one in this place of the order, 0 being the first, stands in. */
export function standInAfterMs(place: number, bytes: number, { patienceMs, nextMs }: StandInPace): number {
  return patienceMs + place * (nextMs + bytes / slowBytesPerMs)
}

/** Whether so much more may be held for others: never more than is left free beside what this node is to hold itself. */
export function hasRoomToStandIn(
  bytes: number,
  room: { readonly standingInBytes: number; readonly freeBytes: number; readonly neededBytes: number },
): boolean {
  return room.standingInBytes + bytes <= room.freeBytes - room.neededBytes - bytes
}
