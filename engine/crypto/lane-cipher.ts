// The cipher of a lane (net/lanes.ts): records sealed one after the other with AES-256-GCM under a key that is made for one lane and one
// direction, so that a counter is a nonce that never repeats. A record out of order, changed or cut off does not open.

import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'

import { concatBytes, freeBytes } from '../base/bytes.ts'
import { deriveKey } from './hash.ts'

const cipherName = 'aes-256-gcm'
const nonceBytes = 12
const tagOptions = { authTagLength: 16 } as const
const pieceBytes = 128 * 1024
const keyContext = 'holdfast 2026-11 lane key'

/** A sealed record is this much longer than its plaintext. */
export const recordOverheadBytes: number = tagOptions.authTagLength

/**
 * The key of one lane. `secret` was made for it and went to the other member over an authenticated channel; the folder's seal key goes in
 * too, so that a member that may not read the folder can open nothing that a lane carries.
 */
export function deriveLaneKey(secret: Uint8Array, sealKey: Uint8Array): Uint8Array {
  return deriveKey(keyContext, concatBytes([secret, sealKey]))
}

export class RecordSealer {
  readonly #key: KeyObject
  readonly #nonce = new RecordNonce()

  constructor(key: Uint8Array) {
    this.#key = createSecretKey(key)
  }

  /** Writes ciphertext and tag to `target` at `offset`; they take `plaintext.length + recordOverheadBytes`. */
  sealInto(target: Uint8Array, offset: number, plaintext: Uint8Array): void {
    const cipher = createCipheriv(cipherName, this.#key, this.#nonce.next(), tagOptions)
    let at = offset
    // In pieces that stay in the processor's cache on their way.
    for (let from = 0; from < plaintext.length; from += pieceBytes) {
      const piece = cipher.update(plaintext.subarray(from, from + pieceBytes))
      target.set(piece, at)
      at += piece.length
      freeBytes(piece)
    }
    cipher.final() // a stream cipher holds nothing back
    target.set(cipher.getAuthTag(), at)
  }
}

export class RecordOpener {
  readonly #key: KeyObject
  readonly #nonce = new RecordNonce()

  constructor(key: Uint8Array) {
    this.#key = createSecretKey(key)
  }

  /** The plaintext of the next record in a buffer of its own; undefined when it is not that record: then the lane is of no more use. */
  open(record: Uint8Array): Uint8Array | undefined {
    const textBytes = record.length - recordOverheadBytes
    if (textBytes < 0) return undefined
    const decipher = createDecipheriv(cipherName, this.#key, this.#nonce.next(), tagOptions)
    decipher.setAuthTag(record.subarray(textBytes))
    const plaintext = decipher.update(record.subarray(0, textBytes))
    try {
      decipher.final()
    } catch {
      return undefined // final has one reason to throw here: the tag
    }
    return plaintext
  }
}

class RecordNonce {
  readonly #bytes = new Uint8Array(nonceBytes)
  readonly #view = new DataView(this.#bytes.buffer)
  #count = 0n

  next(): Uint8Array {
    this.#view.setBigUint64(nonceBytes - 8, this.#count++)
    return this.#bytes
  }
}
