// Ed25519 signatures with domain separation: what is signed for one purpose is worthless for every other.
// Signed bytes: `holdfast/CONTEXT/1`, a zero byte, the message. Keys and signatures are raw (32 and 64 bytes).

import { createPrivateKey, createPublicKey, sign as signBytes, verify as verifyBytes, type KeyObject } from 'node:crypto'

import { assert } from '../base/assert.ts'
import { bytesKey, concatBytes, utf8 } from '../base/bytes.ts'

export const seedBytes = 32
export const publicKeyBytes = 32
export const signatureBytes = 64

// RFC 8410: what stands before the 32 raw bytes in DER.
const privateKeyHead = Uint8Array.of(0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20)
const publicKeyHead = Uint8Array.of(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00)

/** Importing a key costs a third of a verification; a node deals with this many authors at a time. */
const knownKeysMax = 256
const knownKeys = new Map<string, KeyObject>()

export interface Signer {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  /** 64 bytes. `context` is a constant of the program that names what kind of thing is signed, for example `change-set`. */
  sign(context: string, message: Uint8Array): Uint8Array
}

/** `seed` is the 32-byte private key of RFC 8032; it is not kept as bytes. */
export function createSigner(seed: Uint8Array): Signer {
  assert(seed.length === seedBytes, 'an Ed25519 seed has 32 bytes')
  const encoded = Buffer.from(concatBytes([privateKeyHead, seed]))
  const privateKey = createPrivateKey({ key: encoded, format: 'der', type: 'pkcs8' })
  encoded.fill(0)
  const exported = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  return {
    publicKey: Uint8Array.from(exported.subarray(publicKeyHead.length)),
    sign: (context, message) => Uint8Array.from(signBytes(undefined, separated(context, message), privateKey)),
  }
}

/** False for anything that is not a valid signature of this message, in this context, under this key, whatever is wrong with it. */
export function verify(publicKey: Uint8Array, context: string, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== publicKeyBytes || signature.length !== signatureBytes) return false
  return verifyBytes(undefined, separated(context, message), keyObjectOf(publicKey), signature)
}

function separated(context: string, message: Uint8Array): Uint8Array {
  assert(/^[a-z][a-z0-9-]*$/.test(context), 'a signing context is a short name without a zero byte')
  return concatBytes([utf8(`holdfast/${context}/1\0`), message])
}

/** Forgets the key that was put in first when there are too many: authors come in runs, so anything more careful gains nothing. */
function keyObjectOf(publicKey: Uint8Array): KeyObject {
  const name = bytesKey(publicKey)
  const known = knownKeys.get(name)
  if (known !== undefined) return known
  const made = createPublicKey({ key: Buffer.from(concatBytes([publicKeyHead, publicKey])), format: 'der', type: 'spki' })
  if (knownKeys.size >= knownKeysMax) {
    for (const oldest of knownKeys.keys()) {
      knownKeys.delete(oldest)
      break
    }
  }
  knownKeys.set(name, made)
  return made
}
