// How two members show each other that they know a folder's access key, without naming the folder to anyone else. Bound to
// both peer ids, which the network has proven, so a proof is of no use to a third.

import { concatBytes, utf8 } from '../base/bytes.ts'
import { blake3Keyed } from '../crypto/hash.ts'
import type { PeerId } from '../model/ids.ts'

export const proofNonceBytes = 16

export interface ProofContext {
  readonly protocol: string
  /** Who proves. */
  readonly prover: PeerId
  /** To whom. */
  readonly verifier: PeerId
  readonly nonce: Uint8Array
}

export function proveMembership(accessKey: Uint8Array, context: ProofContext): Uint8Array {
  const text = utf8(`${context.protocol}\0${context.prover}\0${context.verifier}\0`)
  return blake3Keyed(accessKey, concatBytes([text, context.nonce]))
}

/** Compares without stopping at the first difference: how far a guess was right must not show in the time. */
export function isProof(accessKey: Uint8Array, context: ProofContext, proof: Uint8Array): boolean {
  const expected = proveMembership(accessKey, context)
  let difference = expected.length ^ proof.length
  for (let at = 0; at < expected.length; at++) difference |= (expected[at] ?? 0) ^ (proof[at] ?? 0)
  return difference === 0
}
