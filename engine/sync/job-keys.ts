// The keys a worker job needs, as plain data that can be cloned to a thread; what is derived from them is cached there.

import { createGear, type Gear } from '../chunk/gear.ts'
import type { ChunkClass } from '../chunk/limits.ts'
import { bytesKey } from '../base/bytes.ts'

export interface JobKeys {
  /** Makes entry ids. */
  readonly nameKey: Uint8Array
  /** Expanded gear key of the chunker. */
  readonly gearMaterial: Uint8Array
  /** Of the current epoch. */
  readonly epoch: number
  readonly sealKey: Uint8Array
  readonly metaKey: Uint8Array
}

const gears = new Map<string, Gear>()
const gearsMax = 64

/** The gear table of these keys; made once a thread and folder. */
export function gearOf(keys: JobKeys): Gear {
  const name = bytesKey(keys.gearMaterial.subarray(0, 32))
  const known = gears.get(name)
  if (known !== undefined) return known
  if (gears.size >= gearsMax) gears.clear()
  const made = createGear(keys.gearMaterial)
  gears.set(name, made)
  return made
}

const classNumbers: Readonly<Record<ChunkClass, number>> = { whole: 1, small: 2, large: 3 }
const classNames: readonly (ChunkClass | undefined)[] = [undefined, 'whole', 'small', 'large']

/** As entries and items keep it; 0 is for what has no blocks. */
export function chunkClassNumber(chunkClass: ChunkClass): number {
  return classNumbers[chunkClass]
}

/** undefined for 0. */
export function parseChunkClass(value: number): ChunkClass | undefined {
  return classNames[value]
}
