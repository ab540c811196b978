// Unpredictable bytes from the operating system.

import { randomFillSync } from 'node:crypto'

import type { Random } from '../base/clock.ts'

export function nodeRandom(): Random {
  // A Uint8Array of its own, not a slice of Buffer's pool: the caller may transfer it.
  return { bytes: (length) => randomFillSync(new Uint8Array(length)) }
}
