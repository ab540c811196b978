// What a host offers of its capacity to a folder: less once it is full, so that placement gives a part of its share to others, and more again
// when it has had room for long. Pure. Decision 0050.

/** What a member's receipt says of its room. */
export interface Offer {
  /** There is no room for more. */
  readonly isFull: boolean
  /** Of the capacity that its card names, in 65,536ths: 1 to 65,536. */
  readonly share: number
}

export const wholeShare = 65_536
export const wholeOffer: Offer = { isFull: false, share: wholeShare }

export interface OfferFacts {
  /** It is to hold everything: no other one can be given a part. */
  readonly keepsAll: boolean
  /** For how long blocks have been refused for want of room, awake milliseconds; undefined while they are not. */
  readonly refusedForMs: number | undefined
  /** Bytes that are to be here and are not. */
  readonly neededBytes: number
  /** Bytes of the folder that are here. */
  readonly heldBytes: number
  /** What more would be taken. */
  readonly roomBytes: number
  /** Another host has room, and does not hold everything already. */
  readonly mayOthersHelp: boolean
  /** Since the offer was changed last, or since the start, awake milliseconds. */
  readonly unchangedForMs: number
  /** What others are to hold by now is here still: room that is about to come. Asked only where it matters. */
  readonly hasSurplus: () => boolean
}

/** A disk that is full for a moment is no reason to move anything. */
const refusedMs = 60_000
/** Surplus that does not go for so long, since others do not answer, is waited for no longer. */
const surplusWaitMs = 3_600_000
/** More is offered this long after the last change at the earliest. */
const raiseAfterMs = 24 * 3_600_000
/** Somewhat less than what fits, or the next file would fill it again. */
const fitting = 15 / 16
/** What is asked of a host that a rule presses does not fall with its capacity at first: several steps are better than one to nothing. */
const stepMin = 1 / 8
/** A raise is worth what moves only when it is by so much, and takes half of the room at most. */
const raiseMin = 5 / 4
const raiseOfRoom = 1 / 2
/** Of what is held: with less room than this a host is about to be full again. */
const roomShare = 1 / 16
/** The largest block. */
const roomMinBytes = 4 * 1024 * 1024

/** The offer from now on; the very same object when it stays. */
export function nextOffer(offer: Offer, facts: OfferFacts): Offer {
  const { neededBytes, refusedForMs = 0, unchangedForMs } = facts
  if (neededBytes > 0) {
    if (Math.min(refusedForMs, unchangedForMs) < refusedMs) return offer
    return changed(offer, { isFull: true, share: mayLower(facts) ? lowered(offer.share, facts) : offer.share })
  }
  const isFull = offer.isFull && facts.roomBytes < Math.max(roomMinBytes, facts.heldBytes * roomShare)
  return changed(offer, { isFull, share: isFull || unchangedForMs < raiseAfterMs ? offer.share : raised(offer.share, facts) })
}

/** What placement reckons with. */
export function offeredBytes(capacityBytes: number, { share }: Offer): number {
  return share === wholeShare ? capacityBytes : Math.ceil(capacityBytes * (share / wholeShare))
}

function mayLower({ keepsAll, mayOthersHelp, unchangedForMs, hasSurplus }: OfferFacts): boolean {
  return !keepsAll && mayOthersHelp && (unchangedForMs >= surplusWaitMs || !hasSurplus())
}

function lowered(share: number, { heldBytes, neededBytes }: OfferFacts): number {
  const part = Math.max(stepMin, (heldBytes / (heldBytes + neededBytes)) * fitting)
  return Math.max(1, Math.floor(share * part))
}

function raised(share: number, { heldBytes, roomBytes }: OfferFacts): number {
  if (roomBytes < roomMinBytes) return share
  const growth = heldBytes === 0 ? wholeShare : 1 + (roomBytes * raiseOfRoom) / heldBytes
  return growth < raiseMin ? share : Math.min(wholeShare, Math.floor(share * growth))
}

function changed(offer: Offer, next: Offer): Offer {
  return next.isFull === offer.isFull && next.share === offer.share ? offer : next
}
