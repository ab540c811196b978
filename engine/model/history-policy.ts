// Which past versions are kept: all of them for a while, then fewer the older they are, none past the limit. Pure.

export interface HistoryPolicy {
  /** A version is kept for this long after it was replaced. */
  readonly keptMs: number
  /** History takes at most this share of the room that is free or its own: 0 to 1. */
  readonly shareMax: number
}

/** A version of one path, by whatever names it. */
export interface Dated<Name> {
  readonly name: Name
  readonly sinceMs: number
  readonly replacedMs: number
}

export interface Thinned<Name> {
  readonly dropped: readonly Name[]
  /** These stand for the ones dropped before them too, from that time on. */
  readonly reachingBack: readonly { readonly name: Name; readonly sinceMs: number }[]
}

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs
const weekMs = 7 * dayMs

/** Up to this age one version is kept of each span; beyond the last, one of each week. */
const tiers: readonly { readonly ageMs: number; readonly spanMs: number }[] = [
  { ageMs: hourMs, spanMs: 0 },
  { ageMs: dayMs, spanMs: 10 * minuteMs },
  { ageMs: 14 * dayMs, spanMs: dayMs },
]

/**
 * Thins the versions of one path. Of each span the last to be replaced stays, so what was deleted stays as it was at the end. Spans are
 * of the clock, not of age: thinning often or seldom comes to the same.
 */
export function thinVersions<Name>(versions: readonly Dated<Name>[], nowMs: number): Thinned<Name> {
  const dropped: Name[] = []
  const reachingBack: { readonly name: Name; readonly sinceMs: number }[] = []
  const ordered = versions.toSorted((left, right) => left.replacedMs - right.replacedMs)
  let earliestMs: number | undefined
  for (const [at, version] of ordered.entries()) {
    const next = ordered[at + 1]
    if (next !== undefined && isSameSpan(version, next, nowMs)) {
      dropped.push(version.name)
      earliestMs = Math.min(earliestMs ?? version.sinceMs, version.sinceMs)
      continue
    }
    if (earliestMs !== undefined && earliestMs < version.sinceMs) reachingBack.push({ name: version.name, sinceMs: earliestMs })
    earliestMs = undefined
  }
  return { dropped, reachingBack }
}

/** By the older one's age: the younger of the two may be of a finer tier still. */
function isSameSpan<Name>(older: Dated<Name>, younger: Dated<Name>, nowMs: number): boolean {
  const ageMs = nowMs - older.replacedMs
  const { spanMs } = tiers.find((tier) => ageMs < tier.ageMs) ?? { spanMs: weekMs }
  if (spanMs === 0) return false
  return Math.floor(older.replacedMs / spanMs) === Math.floor(younger.replacedMs / spanMs)
}
