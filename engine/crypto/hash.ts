// BLAKE3 for the engine: hash, keyed hash, key derivation, incremental hash.
// Every result is a fresh 32-byte Uint8Array over an ArrayBuffer of its own: the caller owns it and may transfer it.
// Inputs are read before the call returns; no reference to them is kept, except to a key object, weakly.

import { openBlake3, type IncrementalHash } from './blake3.ts'

export { hashBytes, hashKeyBytes, type IncrementalHash } from './blake3.ts'

const implementation = openBlake3()

/** Which implementation this process runs on: for `doctor` and the log. */
export const blake3Implementation: 'native' | 'portable' = implementation.implementation

export function blake3(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return implementation.hash(bytes)
}

/** `key` has 32 bytes. Passing the same key object again is 8 times cheaper than an equal copy. */
export function blake3Keyed(key: Uint8Array, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return implementation.keyed(key, bytes)
}

/** BLAKE3's derive_key mode. `context` is a constant of the program, never input. */
export function deriveKey(context: string, material: Uint8Array): Uint8Array<ArrayBuffer> {
  return implementation.deriveKey(context, material)
}

export function createBlake3(): IncrementalHash {
  return implementation.incremental()
}
