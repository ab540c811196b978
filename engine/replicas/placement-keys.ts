// Keys of weighted rendezvous hashing: for each partition and member a number that all members compute alike and that nobody
// chooses. Only + - * / and integer operations: Math.log may differ in its last bit between engines, these may not.

import { concatBytes, utf8 } from '../base/bytes.ts'
import { blake3 } from '../crypto/hash.ts'
import type { FolderId } from '../model/ids.ts'
import { partitionCount } from './layout.ts'

const stepBits = 12
const steps = 1 << stepBits
const exponentials = exponentialTable()

/**
 * For each partition a row of one key for each name, exponentially distributed with mean 1. Of keys divided by weights, that of a given
 * name is the least with a probability in proportion to its weight.
 */
export function rendezvousKeys(folder: FolderId, names: readonly string[]): Float32Array {
  const keys = new Float32Array(partitionCount * names.length)
  for (const [column, name] of names.entries()) {
    const seed = seedOf(folder, 'member', name)
    for (let partition = 0; partition < partitionCount; partition++) {
      keys[partition * names.length + column] = exponentialOf(hashOf(seed, partition))
    }
  }
  return keys
}

/** The key of one name in one partition. */
export function rendezvousKey(folder: FolderId, name: string, partition: number): number {
  return exponentialOf(hashOf(seedOf(folder, 'member', name), partition))
}

/** For each partition 1 or 0; ones are `fraction` of all, and a greater fraction has the ones of a smaller and some more. */
export function nestedChoice(folder: FolderId, name: string, fraction: number): Uint8Array {
  if (fraction >= 1) return new Uint8Array(partitionCount).fill(1)
  const seed = seedOf(folder, 'rule', name)
  const limit = fraction * 2 ** 32
  return Uint8Array.from({ length: partitionCount }, (_, partition) => (hashOf(seed, partition) < limit ? 1 : 0))
}

interface Seed {
  readonly low: number
  readonly high: number
}

function seedOf(folder: FolderId, kind: 'member' | 'rule', name: string): Seed {
  const view = new DataView(blake3(concatBytes([folder, utf8(`placement ${kind} ${name}`)])).buffer)
  return { low: view.getUint32(0, true), high: view.getUint32(4, true) }
}

/** 32 bits: two rounds of multiply and shift, whose constants are those of MurmurHash3's finaliser and of Wellons' lowbias32. */
function hashOf({ low, high }: Seed, partition: number): number {
  let hash = partition ^ low
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  hash = ((hash ^ (hash >>> 16)) + high) | 0
  hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d)
  hash = Math.imul(hash ^ (hash >>> 15), 0x846ca68b)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** -ln(hash / 2^32), by straight lines between the steps of a table. */
function exponentialOf(hash: number): number {
  const step = hash >>> (32 - stepBits)
  const rest = (hash & ((1 << (32 - stepBits)) - 1)) / (1 << (32 - stepBits))
  const from = exponentials[step] ?? 0
  return from + ((exponentials[step + 1] ?? 0) - from) * rest
}

function exponentialTable(): Float64Array {
  // The logarithm of zero is cut off where it no longer matters: that key loses against every other.
  return Float64Array.from({ length: steps + 1 }, (_, step) => -lnOf(Math.max(step, 1 / 4) / steps))
}

/** The natural logarithm of 0 < value <= 1. */
function lnOf(value: number): number {
  let halvings = 0
  let mantissa = value
  while (mantissa <= 0.5) {
    mantissa *= 2
    halvings++
  }
  // ln m = 2 artanh((m - 1) / (m + 1)), whose series ends below the last bit after 20 terms for m over a half.
  const ratio = (mantissa - 1) / (mantissa + 1)
  let power = ratio
  let sum = 0
  for (let odd = 1; odd < 40; odd += 2) {
    sum += power / odd
    power *= ratio * ratio
  }
  return 2 * sum - halvings * Math.LN2
}
