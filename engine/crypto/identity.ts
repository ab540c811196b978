// Who a node is: an Ed25519 key pair and the peer id that libp2p makes of its public key.
// A peer id is base58 of an identity multihash over libp2p's protobuf key: six fixed bytes, then the raw public key.

import { assert, present } from '../base/assert.ts'
import { concatBytes, equalBytes } from '../base/bytes.ts'
import { parsePeerId, type PeerId } from '../model/ids.ts'
import { fromBase58, toBase58 } from './base58.ts'
import { createSigner, publicKeyBytes, type Signer } from './sign.ts'

// Multihash: code 0 (identity), length 36. Protobuf: field 1 = 1 (Ed25519), field 2 of 32 bytes.
const peerIdHead = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)

export interface Identity extends Signer {
  readonly peerId: PeerId
}

/** The identity of a 32-byte seed: the same seed gives the same peer id, here and in libp2p. */
export function createIdentity(seed: Uint8Array): Identity {
  const signer = createSigner(seed)
  return { ...signer, peerId: peerIdOf(signer.publicKey) }
}

/** `publicKey` is a raw Ed25519 key of 32 bytes. */
export function peerIdOf(publicKey: Uint8Array): PeerId {
  assert(publicKey.length === publicKeyBytes, 'an Ed25519 public key has 32 bytes')
  return present(parsePeerId(toBase58(concatBytes([peerIdHead, publicKey]))), 'a peer id made here is well-formed')
}

/** The raw public key in a peer id; undefined when the text only looks like one. */
export function publicKeyOf(peerId: PeerId): Uint8Array | undefined {
  const bytes = fromBase58(peerId)
  if (bytes === undefined || bytes.length !== peerIdHead.length + publicKeyBytes) return undefined
  return equalBytes(bytes.subarray(0, peerIdHead.length), peerIdHead) ? bytes.subarray(peerIdHead.length) : undefined
}
