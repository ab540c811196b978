// Proof of having a block now: its hash under a key that nobody knew before. The key is made for one prover, so that it cannot pass the question
// on to another holder and the answer off as its own.

import { utf8 } from '../base/bytes.ts'
import type { PeerId } from '../model/ids.ts'
import { blake3Keyed } from './hash.ts'

/** `nonce`: 32 random bytes of whoever asks. */
export function proofKeyOf(prover: PeerId, nonce: Uint8Array): Uint8Array {
  return blake3Keyed(nonce, utf8(prover))
}

/** What `prover` answers for a block, as it is stored. */
export function blockProof(prover: PeerId, nonce: Uint8Array, block: Uint8Array): Uint8Array {
  return blake3Keyed(proofKeyOf(prover, nonce), block)
}
