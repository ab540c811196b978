// The ciphers of Noise, for a node that moves gigabytes: as @chainsafe/libp2p-noise has them on Node, but with the key made into Node's
// own form once a connection instead of once a message (measured: a fifth of the main thread in a first sync of 1 GiB), and
// without copying text and tag together. The handshake is the package's portable one: it runs once a connection.

import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'
import { pureJsCrypto, type ICryptoInterface } from '@chainsafe/libp2p-noise'
import { Uint8ArrayList } from 'uint8arraylist'

const cipherName = 'chacha20-poly1305'
const tagBytes = 16
const tagOptions = { authTagLength: tagBytes } as const

/** By the key bytes' own identity: a connection keeps them as long as it lives. */
const keyObjects = new WeakMap<Uint8Array, KeyObject>()

function keyObjectOf(key: Uint8Array): KeyObject {
  const known = keyObjects.get(key)
  if (known !== undefined) return known
  const made = createSecretKey(key)
  keyObjects.set(key, made)
  return made
}

export const connectionCrypto: ICryptoInterface = {
  ...pureJsCrypto,
  chaCha20Poly1305Encrypt: (plaintext, nonce, data, key) => {
    const cipher = createCipheriv(cipherName, keyObjectOf(key), nonce, tagOptions)
    cipher.setAAD(data, { plaintextLength: plaintext.byteLength })
    const output = new Uint8ArrayList()
    for (const part of partsOf(plaintext)) output.append(cipher.update(part))
    cipher.final() // a stream cipher holds nothing back
    output.append(cipher.getAuthTag())
    return output
  },
  chaCha20Poly1305Decrypt: (ciphertext, nonce, data, key) => {
    const textBytes = ciphertext.byteLength - tagBytes
    const decipher = createDecipheriv(cipherName, keyObjectOf(key), nonce, tagOptions)
    decipher.setAAD(data, { plaintextLength: textBytes })
    decipher.setAuthTag(ciphertext.subarray(textBytes))
    if (ciphertext instanceof Uint8Array) {
      const text = decipher.update(ciphertext.subarray(0, textBytes))
      decipher.final() // throws when the tag does not fit: nothing of the text is given out
      return text
    }
    const output = new Uint8ArrayList()
    for (const part of ciphertext.sublist(0, textBytes)) output.append(decipher.update(part))
    decipher.final()
    return output
  },
}

function partsOf(bytes: Uint8Array | Uint8ArrayList): Iterable<Uint8Array> {
  return bytes instanceof Uint8Array ? [bytes] : bytes
}
