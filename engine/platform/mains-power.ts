// Whether this machine runs on mains power, where the system tells that in files (Linux). Elsewhere nobody knows.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const linuxSupplies = '/sys/class/power_supply'

/** undefined where nothing tells. A machine without a battery is on mains. */
export function isOnMains(directory: string = linuxSupplies): boolean | undefined {
  const supplies = listed(directory)
  if (supplies === undefined) return undefined
  const online = supplies.filter((name) => read(directory, name, 'type') !== 'Battery').map((name) => read(directory, name, 'online'))
  if (online.includes('1')) return true
  const batteries = supplies.filter((name) => read(directory, name, 'type') === 'Battery' && read(directory, name, 'scope') !== 'Device')
  if (batteries.length === 0) return true
  return batteries.every((name) => read(directory, name, 'status') !== 'Discharging')
}

function listed(directory: string): readonly string[] | undefined {
  try {
    return readdirSync(directory)
  } catch {
    return undefined // another system
  }
}

function read(...path: readonly string[]): string | undefined {
  try {
    return readFileSync(join(...path), 'utf8').trim()
  } catch {
    return undefined // not every supply has every file
  }
}
