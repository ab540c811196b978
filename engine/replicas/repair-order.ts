// What repair fetches first, and how much of the link it takes for itself. Pure.

/** What is known of the copies of an entry when it is ranked. */
export interface CopyOutlook {
  /** Members that hold it and are neither overdue nor lost. */
  readonly copies: number
  readonly zones: number
  /** One of those that can be asked now is always on. */
  readonly isSteady: boolean
}

const zonesMax = 0xff
const copiesMax = 0xff

/** The lower, the sooner: by the fewest copies, then zones, then those whose holders may all be asleep soon. */
export function repairRank({ copies, zones, isSteady }: CopyOutlook): number {
  return (Math.min(copies, copiesMax) << 9) | (Math.min(zones, zonesMax) << 1) | Number(isSteady)
}

export function copiesOfRank(rank: number): number {
  return rank >> 9
}

export interface LinkUse {
  /** Of what is fetched now, when it was ranked. */
  readonly copies: number
  /** Every byte costs: a phone's hotspot. */
  readonly isMetered: boolean
  /** Content is on its way to a folder that a person uses on this node. */
  readonly isPersonWaiting: boolean
}

/** The rest keeps heartbeats and entries moving. */
const urgentShare = 0.9
const calmShare = 0.5
const politeShare = 0.1
const pauseMaxMs = 20_000

/** The part of the link that repair may take, by its own measure: the time in which it fetches, of all time. */
export function linkShare({ copies, isMetered, isPersonWaiting }: LinkUse): number {
  if (isMetered) return 0
  if (copies <= 1) return urgentShare
  return isPersonWaiting ? politeShare : calmShare
}

/** How long to leave the link alone after fetching for so long; whatever the link is, this is a share of what was measured. */
export function pauseAfterMs(tookMs: number, share: number): number {
  return share <= 0 ? pauseMaxMs : Math.min(pauseMaxMs, tookMs * (1 / share - 1))
}

const retryFirstMs = 30_000
const retryMaxMs = 15 * 60_000

/** How long to wait before asking again for what nobody had, after so many rounds in which nothing came. Whatever may change that wakes repair anyway. */
export function retryAfterMs(vainRounds: number): number {
  return Math.min(retryMaxMs, retryFirstMs * 2 ** Math.min(vainRounds, 20))
}
