// The gear table: one random number for each value of a byte, secret to the folder, so that the lengths of blocks do not
// tell an outsider which known file they are.

import { assert } from '../base/assert.ts'

const byteValues = 256

/** What `createGear` is made of: four bytes for each value of a byte. */
export const gearMaterialBytes: number = 4 * byteValues

export interface Gear {
  /** By byte value. */
  readonly single: Int32Array
  /** The same shifted left by one, for the first of two bytes taken in one step. */
  readonly shifted: Int32Array
}

/** `material` is `gearMaterialBytes` uniformly random bytes (crypto/keys.ts expands a gear key to them), read little-endian. */
export function createGear(material: Uint8Array): Gear {
  assert(material.length === gearMaterialBytes, 'gear material has four bytes for each value of a byte')
  const view = new DataView(material.buffer, material.byteOffset, material.byteLength)
  const single = Int32Array.from({ length: byteValues }, (_, value) => view.getInt32(4 * value, true))
  return { single, shifted: single.map((number) => number << 1) }
}
