// Keep leases, the rules alone, of one block on one node: who wants to let go of a block asks others to keep it, and lets go only when
// enough have granted that. test/unit/lease-model.test.ts goes through all that can happen between some nodes.
//
// Why the last copies never go: a node grants only while it is not asking itself, and asks anew before it goes. Of all nodes that went, take
// the one that began to ask last: those that granted to it had not begun then, so that they are there still. No clock takes part.

import type { PeerId } from '../model/ids.ts'

/** What a node knows of one block. */
export interface LeaseState {
  /** It wants to let go of the block. Forgotten by a restart: then it starts over. */
  readonly asking: Asking | undefined
  /** As far as it knows nothing refers to the block, and for long: then it may go unasked. Durable, and so is its end before a grant is told. */
  readonly isForsaken: boolean
}

export interface Asking {
  /** A name that is never used again: an answer to an earlier question is worth nothing. */
  readonly round: string
  readonly granters: ReadonlySet<PeerId>
}

/**
 * Somebody asks this node to keep the block; undefined: refused. `isHeld`: it was read just now, and is whole. That somebody asks says that
 * something refers to it: it is forsaken no more.
 */
export function grant(state: LeaseState, isHeld: boolean): LeaseState | undefined {
  return isHeld && state.asking === undefined ? { ...state, isForsaken: false } : undefined
}

/** This node wants to let go of the block: others are asked from now on. */
export function ask(state: LeaseState, round: string): LeaseState {
  return { ...state, asking: { round, granters: new Set() } }
}

/** Another node has granted that it keeps the block, in answer to this round. */
export function hear(state: LeaseState, from: PeerId, round: string): LeaseState {
  const { asking } = state
  if (asking === undefined || asking.round !== round) return state
  return { ...state, asking: { round, granters: new Set([...asking.granters, from]) } }
}

/** Whether the block may go in this very moment: nothing may be awaited between this look and the removal. */
export function mayGo({ asking }: LeaseState, needed: number): boolean {
  return asking !== undefined && asking.granters.size >= needed
}

/** The asking is over, whatever came of it; also after a restart. */
export function rest(state: LeaseState): LeaseState {
  return { ...state, asking: undefined }
}

/** How many others must keep a block before it may go from here: as many as there are to be, and never so few that one loss is the last. */
export function leasesNeeded(targetCopies: number): number {
  return Math.max(targetCopies, leasesMin)
}

const leasesMin = 2
