// How much each member is meant to hold: by capacity, within what the rules about zones and always-on members ask. Pure water-filling:
// there is a level at which every member is equally full but for those that a rule holds down or presses.

import type { Pool } from './placement-pool.ts'

export interface Shares {
  /** For each member the part of one copy of the folder, 0 to 1; together the pool's copies. */
  readonly fractions: readonly number[]
  /** For each zone the part of the folder for which it may be made to hold a copy. */
  readonly zonePress: readonly number[]
  /** The part of the folder for which always-on members may be made to hold a copy. */
  readonly alwaysOnPress: number
}

/**
 * How many times its share by capacity a rule may press on a zone or on the always-on members. A card computer that is alone in its zone is
 * asked for a copy of everything; one a hundred times smaller than the others is not, or it would be full when the rest is empty. It also
 * makes lowering the offered capacity work for a member on which a rule presses.
 */
const pressMax = 16
const halvings = 100
const floorHalvings = 80
/** How many times emptier than by capacity alone a member may come to be, when rules give nearly everything to others. */
const levelFactorMax = 2 ** 20

interface Group {
  readonly members: readonly number[]
  readonly low: number
  readonly high: number
}

export function sharesOf(pool: Pool): Shares {
  const natural = fill(pool.capacities, pool.copies)
  const zonePress = pool.zones.map((_, zone) => press(natural.filter((_share, member) => pool.zoneOf[member] === zone)))
  const alwaysOnPress = pool.wantsAlwaysOn ? press(natural.filter((_, member) => pool.isAlwaysOn[member])) : 0
  if (pool.copies === pool.peers.length) return { fractions: natural, zonePress, alwaysOnPress }
  const groups = groupsOf(pool, zonePress)
  const none = pool.peers.map(() => 0)
  const plain = fillGroups(groups, pool, none)
  const fractions = alwaysOnPart(pool, plain) < alwaysOnPress ? raised(pool, groups, alwaysOnPress) : plain
  return { fractions, zonePress, alwaysOnPress }
}

function press(natural: readonly number[]): number {
  return Math.min(1, pressMax * sum(natural))
}

/** Bounds of what a zone holds: where there are zones enough, at most one copy; else at least one, and second copies anywhere. */
function groupsOf(pool: Pool, zonePress: readonly number[]): readonly Group[] {
  const firm = zonePress.filter((part) => part === 1).length
  const isEnough = firm >= pool.copies
  const soft = sum(zonePress) - firm
  const softPart = soft === 0 ? 0 : Math.min(1, Math.max(0, pool.copies - firm) / soft)
  const inZone = (zone: number): readonly number[] => pool.peers.flatMap((_, member) => (pool.zoneOf[member] === zone ? member : []))
  const zones = pool.zones.map((_, zone) => {
    const part = zonePress[zone] ?? 0
    return { members: inZone(zone), low: isEnough ? 0 : part === 1 ? 1 : part * softPart, high: isEnough ? 1 : Infinity }
  })
  return [...zones, { members: inZone(-1), low: 0, high: isEnough ? 0 : Infinity }]
}

/** The shares when always-on members, the emptiest first, are made as full as it takes for them to hold `wanted` together. */
function raised(pool: Pool, groups: readonly Group[], wanted: number): readonly number[] {
  const { capacities, isAlwaysOn } = pool
  const withFullness = (fullness: number): readonly number[] => {
    const floors = capacities.map((capacity, member) => (isAlwaysOn[member] === true ? Math.min(1, capacity * fullness) : 0))
    return fillGroups(groups, pool, floors)
  }
  const allFull = 1 / Math.min(...capacities.filter((_, member) => isAlwaysOn[member]))
  return withFullness(bisect(0, allFull, floorHalvings, (middle) => alwaysOnPart(pool, withFullness(middle)) < wanted))
}

function alwaysOnPart(pool: Pool, fractions: readonly number[]): number {
  return sum(fractions.filter((_, member) => pool.isAlwaysOn[member]))
}

function fillGroups(groups: readonly Group[], { capacities, copies }: Pool, floors: readonly number[]): readonly number[] {
  const capacitiesOf = groups.map((group) => group.members.map((member) => capacities[member] ?? 0))
  const floorsOf = groups.map((group) => group.members.map((member) => floors[member] ?? 0))
  const part = (index: number, level: number): number => {
    const { low, high } = groups[index] ?? { low: 0, high: 0 }
    return Math.min(high, Math.max(low, partAt(capacitiesOf[index] ?? [], level, floorsOf[index] ?? [])))
  }
  const isTooLow = (level: number): boolean => {
    let all = 0
    for (let index = 0; index < groups.length; index++) all += part(index, level)
    return all > copies
  }
  const level = bisect(0, sum(capacities) * levelFactorMax, halvings, isTooLow)
  const fractions = capacities.map(() => 0)
  for (const [index, group] of groups.entries()) {
    const own = fill(capacitiesOf[index] ?? [], part(index, level), floorsOf[index])
    for (const [place, member] of group.members.entries()) fractions[member] = own[place] ?? 0
  }
  return fractions
}

/** Shares in proportion to the capacities, none over 1 or under its floor, that are `wanted` together. */
function fill(capacities: readonly number[], wanted: number, floors: readonly number[] = capacities.map(() => 0)): readonly number[] {
  if (wanted >= capacities.length) return capacities.map(() => 1)
  if (wanted <= 0) return capacities.map(() => 0)
  const free = wanted - sum(floors)
  if (free <= 0) return fill(floors, wanted) // not even the floors have room: they share it
  const level = bisect(0, sum(capacities) / free, halvings, (middle) => partAt(capacities, middle, floors) > wanted)
  return capacities.map((capacity, index) => Math.min(1, Math.max(capacity / level, floors[index] ?? 0)))
}

function partAt(capacities: readonly number[], level: number, floors: readonly number[]): number {
  let part = 0
  for (let index = 0; index < capacities.length; index++)
    part += Math.min(1, Math.max((capacities[index] ?? 0) / level, floors[index] ?? 0))
  return part
}

/** The least value, but for rounding, of which `isTooSmall` does not hold; `high` when it holds of all. */
function bisect(low: number, high: number, times: number, isTooSmall: (middle: number) => boolean): number {
  let [from, to] = [low, high]
  for (let time = 0; time < times; time++) {
    const middle = (from + to) / 2
    if (isTooSmall(middle)) from = middle
    else to = middle
  }
  return to
}

function sum(values: readonly number[]): number {
  let total = 0
  for (const value of values) total += value
  return total
}
