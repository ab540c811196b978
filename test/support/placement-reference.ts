// Placement by brute force, to compare with: every set of holders that the rules allow, partition by partition the one whose fullest
// member stays emptiest. Slow and without memory of what was; knows nothing of the engine's way.

import type { PlacementMember } from '../../engine/replicas/placement-pool.ts'

/** Every set of members that may hold a block: with all who keep everything, as many as are wanted, over the most zones, then always on. */
export function allowedSets(members: readonly PlacementMember[], targetCopies: number): readonly (readonly PlacementMember[])[] {
  const everywhere = members.filter((one) => one.keep === 'all')
  const willing = members.filter((one) => one.keep === 'share' && one.capacityBytes > 0)
  const isAwake = everywhere.some((one) => one.class === 'always-on')
  // Enough keep everything, and all of these sleep: one more that does not.
  const isExtra = everywhere.length >= targetCopies && !isAwake
  const sharers = isExtra ? willing.filter((one) => one.class === 'always-on') : willing
  const wanted = isExtra ? Math.min(1, sharers.length) : Math.min(Math.max(0, targetCopies - everywhere.length), sharers.length)
  const sets = subsets(sharers, wanted).map((set) => [...everywhere, ...set])
  const mostZones = Math.max(...sets.map(zonesOf))
  const apart = sets.filter((set) => zonesOf(set) === mostZones)
  const always = apart.filter((set) => set.some((one) => one.class === 'always-on'))
  return always.length > 0 ? always : apart
}

export function zonesOf(set: readonly PlacementMember[]): number {
  return new Set(set.map((one) => one.zone)).size
}

function subsets<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  if (size === 0) return [[]]
  return items.flatMap((item, index) => subsets(items.slice(index + 1), size - 1).map((rest) => [item, ...rest]))
}

/** How full the fullest is when one set after the other is given a unit of data, as a part of what it offers for that data. */
export function fullestByBruteForce(members: readonly PlacementMember[], targetCopies: number, units: number): number {
  const sets = allowedSets(members, targetCopies).map((set) => set.filter((one) => one.keep === 'share'))
  const loads = new Map(members.map((one) => [one, 0]))
  const fullness = (one: PlacementMember): number => ((loads.get(one) ?? 0) + 1) / one.capacityBytes
  for (let unit = 0; unit < units; unit++) {
    let best: readonly PlacementMember[] = []
    let bestWorst = Infinity
    for (const set of sets) {
      // Squares, so that of sets with the same fullest member the one with emptier others is taken.
      const worst = set.reduce((sum, one) => sum + fullness(one) ** 8, 0)
      if (worst < bestWorst) [best, bestWorst] = [set, worst]
    }
    for (const one of best) loads.set(one, (loads.get(one) ?? 0) + 1)
  }
  return Math.max(...[...loads].map(([one, load]) => (one.capacityBytes === 0 ? 0 : load / units / one.capacityBytes)))
}
