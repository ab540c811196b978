// Damage to bytes for fuzzing decoders: cut, flipped, overwritten, moved, grown; or bytes that never were a message.

import type { SeededRandom } from './seeded-random.ts'

export function mutate(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const at = random.below(bytes.length + 1)
  const length = 1 + random.below(12)
  switch (random.below(7)) {
    case 0:
      return bytes.slice(0, at)
    case 1: {
      const flipped = bytes.slice()
      const place = at % Math.max(1, bytes.length)
      flipped[place] = (flipped[place] ?? 0) ^ (1 << random.below(8))
      return flipped
    }
    case 2: {
      const copy = bytes.slice()
      copy.set(random.bytes(Math.min(length, bytes.length - at)), at)
      return copy
    }
    case 3:
      return bytes.slice().copyWithin(at, random.below(bytes.length + 1), random.below(bytes.length + 1))
    case 4:
      return Uint8Array.from([...bytes.subarray(0, at), ...random.bytes(length), ...bytes.subarray(at)])
    case 5: // a length or number that says 'very much'
      return Uint8Array.from([...bytes.subarray(0, at), 0xff, 0xff, 0xff, 0xff, 0x0f, ...bytes.subarray(at + 1)])
    default:
      return random.bytes(random.below(200))
  }
}

/** One to four of them. */
export function mutateMuch(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  let result = bytes
  for (let count = 1 + random.below(4); count > 0; count--) result = mutate(result, random)
  return result
}
