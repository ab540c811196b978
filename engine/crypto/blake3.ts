// BLAKE3 behind one interface: native code where its binary loads, WebAssembly where it does not.
// Both answer in fresh, plain Uint8Arrays that own their whole ArrayBuffer, so a result can be transferred to another thread.
// (The native library's own Buffers lie over memory that cannot be transferred and that the collector frees late.)

import { createRequire } from 'node:module'

import type * as Native from '@napi-rs/blake-hash'
import type { Blake3Hasher } from '@napi-rs/blake-hash'
import type * as Portable from 'blake3'

import { assert } from '../base/assert.ts'
import { equalBytes } from '../base/bytes.ts'

export const hashBytes = 32
export const hashKeyBytes = 32

export interface IncrementalHash {
  /** Reads `bytes` before it returns and keeps no reference. */
  update(bytes: Uint8Array): void
  /** Once, at the end. */
  digest(): Uint8Array<ArrayBuffer>
}

export interface Blake3 {
  readonly implementation: 'native' | 'portable'
  hash(bytes: Uint8Array): Uint8Array<ArrayBuffer>
  keyed(key: Uint8Array, bytes: Uint8Array): Uint8Array<ArrayBuffer>
  deriveKey(context: string, material: Uint8Array): Uint8Array<ArrayBuffer>
  incremental(): IncrementalHash
}

const load = createRequire(import.meta.url)

/** Throws when there is no binary for this platform. */
export function openNativeBlake3(): Blake3 {
  const { Blake3Hasher }: typeof Native = load('@napi-rs/blake-hash')
  const plain = new Blake3Hasher()
  const keyedHashers = new KeyedHashers((key) => Blake3Hasher.newKeyed(Buffer.from(key)))
  return {
    implementation: 'native',
    hash: (bytes) => hashWith(plain, bytes),
    keyed: (key, bytes) => hashWith(keyedHashers.of(key), bytes),
    deriveKey: (context, material) => hashWith(Blake3Hasher.newDeriveKey(context), material),
    incremental: () => {
      const hasher = new Blake3Hasher()
      return { update: (bytes) => void hasher.update(bytes), digest: () => digestOf(hasher) }
    },
  }
}

/** The slow one: a tenth of the native speed on large inputs. */
export function openPortableBlake3(): Blake3 {
  const { createHash, deriveKey, hash, keyedHash }: typeof Portable = load('blake3')
  return {
    implementation: 'portable',
    hash: (bytes) => Uint8Array.from(Buffer.from(hash(bytes))),
    keyed: (key, bytes) => {
      assert(key.length === hashKeyBytes, 'a BLAKE3 key has 32 bytes')
      return Uint8Array.from(keyedHash(Buffer.from(key), bytes))
    },
    deriveKey: (context, material) => Uint8Array.from(deriveKey(context, material)),
    incremental: () => {
      const hasher = createHash()
      return { update: (bytes) => void hasher.update(bytes), digest: () => Uint8Array.from(hasher.digest()) }
    },
  }
}

/** Native if it can be loaded. */
export function openBlake3(): Blake3 {
  try {
    return openNativeBlake3()
  } catch {
    return openPortableBlake3() // whatever the reason (platform, libc, a broken install), the other one always works
  }
}

function hashWith(hasher: Blake3Hasher, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  hasher.reset()
  hasher.update(bytes)
  return digestOf(hasher)
}

const scratch = Buffer.alloc(hashBytes)

/** By way of hexadecimal: measured at 0.3 µs, half of what the library's Buffer result and a copy of it cost. */
function digestOf(hasher: Blake3Hasher): Uint8Array<ArrayBuffer> {
  scratch.write(hasher.digest('hex'), 'hex')
  return new Uint8Array(scratch)
}

/**
 * A native keyed hasher costs 8 µs to make and 1 µs to reuse, so each key object keeps its own.
 * A caller that overwrites its key is noticed: the copy made here no longer matches.
 */
class KeyedHashers {
  readonly #make: (key: Uint8Array) => Blake3Hasher
  readonly #known = new WeakMap<Uint8Array, { readonly key: Uint8Array; readonly hasher: Blake3Hasher }>()

  constructor(make: (key: Uint8Array) => Blake3Hasher) {
    this.#make = make
  }

  of(key: Uint8Array): Blake3Hasher {
    const known = this.#known.get(key)
    if (known !== undefined && equalBytes(known.key, key)) return known.hasher
    assert(key.length === hashKeyBytes, 'a BLAKE3 key has 32 bytes')
    const hasher = this.#make(key)
    this.#known.set(key, { key: Uint8Array.from(key), hasher })
    return hasher
  }
}
