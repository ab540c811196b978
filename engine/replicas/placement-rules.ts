// What the holders of one partition must be: distinct members, over enough zones, one of them always on where that is asked.

import type { FolderId } from '../model/ids.ts'
import { partitionCount } from './layout.ts'
import { nestedChoice } from './placement-keys.ts'
import type { Pool } from './placement-pool.ts'
import type { Shares } from './placement-shares.ts'

export interface Rules {
  readonly pool: Pool
  /** For each partition how many distinct zones without a copy of everything its holders must be in. */
  readonly zonesNeeded: Uint8Array
  /** For each partition 1 when one of its holders must be always on. */
  readonly alwaysOnNeeded: Uint8Array
  /** Zones with an always-on member; -1 among them when one is in no zone that counts. */
  readonly alwaysOnZones: readonly number[]
}

export function rulesOf(folder: FolderId, pool: Pool, shares: Shares): Rules {
  const zonesNeeded = new Uint8Array(partitionCount)
  for (const [zone, part] of shares.zonePress.entries()) {
    const isPressed = nestedChoice(folder, `zone ${pool.zones[zone] ?? ''}`, part)
    for (const [partition, one] of isPressed.entries()) {
      zonesNeeded[partition] = Math.min(pool.copies, (zonesNeeded[partition] ?? 0) + one)
    }
  }
  const alwaysOnZones = [...new Set(pool.zoneOf.filter((_, member) => pool.isAlwaysOn[member]))]
  const isAsked = nestedChoice(folder, 'always-on', shares.alwaysOnPress)
  // Zones come first: a copy beside another one, burned with it, helps less than one that sleeps at night.
  const hasOwnZone = alwaysOnZones.some((zone) => zone >= 0)
  const alwaysOnNeeded = isAsked.map((one, partition) => (hasOwnZone || (zonesNeeded[partition] ?? 0) < pool.copies ? one : 0))
  return { pool, zonesNeeded, alwaysOnNeeded, alwaysOnZones }
}

/** True when distinct members `chosen` can be made up to the copies of the pool so that the rules hold of `partition`. */
export function canComplete(rules: Rules, partition: number, chosen: readonly number[]): boolean {
  const { pool } = rules
  const open = pool.copies - chosen.length
  const zonesOpen = (rules.zonesNeeded[partition] ?? 0) - countZones(pool, chosen)
  if (zonesOpen > open || open < 0) return false
  if (rules.alwaysOnNeeded[partition] === 0 || chosen.some((member) => pool.isAlwaysOn[member])) return true
  if (open === 0) return false
  if (zonesOpen < open) return true
  // Every one that is still chosen has to open a zone, the always-on one too.
  return rules.alwaysOnZones.some((zone) => zone >= 0 && !chosen.some((member) => pool.zoneOf[member] === zone))
}

/** Distinct zones among those that have no copy of everything. */
export function countZones(pool: Pool, chosen: readonly number[]): number {
  let zones = 0
  for (let index = 0; index < chosen.length; index++) {
    const zone = pool.zoneOf[chosen[index] ?? -1] ?? -1
    if (zone < 0) continue
    let isFirst = true
    for (let before = 0; before < index; before++) if (pool.zoneOf[chosen[before] ?? -1] === zone) isFirst = false
    if (isFirst) zones++
  }
  return zones
}
