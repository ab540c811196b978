// Sealing: blocks of file content (convergent inside a folder, docs/wire-format.md) and the private part of entries.
// Nothing here needs randomness or state, so any worker can seal, and sealing the same thing twice gives the same bytes.

import { createCipheriv, createDecipheriv, createSecretKey } from 'node:crypto'

import { assert, present } from '../base/assert.ts'
import { equalBytes, freeBytes } from '../base/bytes.ts'
import { EngineError } from '../base/errors.ts'
import { hashIdBytes, idVersion, parseBlockId, type BlockId, type EntryId } from '../model/ids.ts'
import { blake3, blake3Keyed, deriveKey, hashKeyBytes } from './hash.ts'

const cipherName = 'aes-256-gcm'
const nonceBytes = 12
const tagBytes = 16
const cipherOptions = { authTagLength: tagBytes }
const noData = new Uint8Array(0)

/** A sealed block is this much longer than its plaintext. */
export const blockOverheadBytes: number = tagBytes
/** A sealed private part is this much longer than its plaintext. */
export const metaOverheadBytes: number = nonceBytes + tagBytes
export const blockKeyBytes: number = hashKeyBytes

export interface SealedName {
  readonly id: BlockId
  /** 32 bytes; goes into the entry's sealed part, never to a host. */
  readonly key: Uint8Array<ArrayBuffer>
}

export interface SealedBlock extends SealedName {
  /** Ciphertext, then tag. */
  readonly sealed: Uint8Array<ArrayBuffer>
}

// Safe although constant: a block's key is the keyed hash of its plaintext, so it never seals a second plaintext.
const blockNonce = new Uint8Array(nonceBytes)

/** The key that a plaintext is sealed with: the same plaintext in the same folder and epoch has the same key. */
export function blockKeyOf(sealKey: Uint8Array, plaintext: Uint8Array): Uint8Array<ArrayBuffer> {
  return blake3Keyed(sealKey, plaintext)
}

/** The id of sealed bytes. */
export function blockIdOf(sealed: Uint8Array): BlockId {
  const id = new Uint8Array(hashIdBytes)
  id[0] = idVersion
  id.set(blake3(sealed), 1)
  return present(parseBlockId(id), 'a block id made here is well-formed')
}

/** Seals one block into a buffer of its own, which the caller owns. */
export function sealBlock(sealKey: Uint8Array, plaintext: Uint8Array): SealedBlock {
  const sealed = new Uint8Array(plaintext.length + blockOverheadBytes)
  return { ...sealBlockInto(sealed, 0, sealKey, plaintext), sealed }
}

/**
 * Seals one block into `target` at `offset`; takes `plaintext.length + blockOverheadBytes` there, so that many blocks can share one
 * buffer on their way to another thread. `target` and `plaintext` may be one memory only if the block is sealed onto itself.
 */
export function sealBlockInto(target: Uint8Array, offset: number, sealKey: Uint8Array, plaintext: Uint8Array): SealedName {
  const key = blockKeyOf(sealKey, plaintext)
  return { id: resealBlockInto(target, offset, key, plaintext), key }
}

/** As `sealBlockInto` where the block's key is known already: to serve a block from a file, its entry has the key. */
export function resealBlockInto(target: Uint8Array, offset: number, key: Uint8Array, plaintext: Uint8Array): BlockId {
  const end = encryptInto(target, offset, { key, nonce: blockNonce, data: noData }, plaintext)
  return blockIdOf(target.subarray(offset, end))
}

/**
 * The plaintext of a sealed block, in a buffer of its own that the caller owns. Checks the id, the tag, and that `key` belongs to the
 * plaintext under `sealKey` (the seal key of the epoch that the block came from). Throws `BAD_BLOCK`.
 */
export function openBlock(id: BlockId, key: Uint8Array, sealed: Uint8Array, sealKey: Uint8Array): Uint8Array<ArrayBuffer> {
  const plaintext = new Uint8Array(Math.max(0, sealed.length - blockOverheadBytes))
  openBlockInto(plaintext, 0, id, key, sealed, sealKey)
  return plaintext
}

/**
 * As `openBlock`, into `target` at `offset`; gives the count of bytes written, always `sealed.length - blockOverheadBytes`.
 * After a throw that range of `target` holds nothing to be trusted.
 */
export function openBlockInto(
  target: Uint8Array,
  offset: number,
  id: BlockId,
  key: Uint8Array,
  sealed: Uint8Array,
  sealKey: Uint8Array,
): number {
  if (sealed.length < blockOverheadBytes) throw badBlock(`it has ${sealed.length} bytes, fewer than its tag`)
  if (!equalBytes(blockIdOf(sealed), id)) throw badBlock('its bytes do not match its id')
  const lengthBytes = sealed.length - blockOverheadBytes
  const isOpened = decryptInto(target, offset, { key, nonce: blockNonce, data: noData }, sealed)
  if (!isOpened) throw badBlock('the key in its entry does not open it')
  if (!equalBytes(blockKeyOf(sealKey, target.subarray(offset, offset + lengthBytes)), key)) {
    throw badBlock('the key in its entry was not made from its content')
  }
  return lengthBytes
}

function badBlock(what: string): EngineError {
  return new EngineError('BAD_BLOCK', `opening a block: ${what}; fetch it from another holder, or scan the file it was read from`)
}

/**
 * Seals an entry's private part: nonce, ciphertext, tag. The nonce is a keyed hash of entry id and plaintext, which is safe for GCM:
 * one nonce for two different inputs needs a collision of 96 bits of a keyed hash (chance 2^-33 after 2^32 entries in one epoch, the bound
 * that random nonces have too), and the same input gives the same bytes, which tells no more than that nothing changed. No worker
 * needs randomness or a counter. The entry id is bound in: the private part of one entry does not open as another's.
 */
export function sealMeta(metaKey: Uint8Array, entryId: EntryId, plaintext: Uint8Array): Uint8Array<ArrayBuffer> {
  const sealed = new Uint8Array(plaintext.length + metaOverheadBytes)
  const nonce = sealed.subarray(0, nonceBytes)
  nonce.set(metaNonceOf(metaKey, entryId, plaintext))
  encryptInto(sealed, nonceBytes, { key: metaKey, nonce, data: entryId }, plaintext)
  return sealed
}

/** The plaintext, in a buffer of its own that the caller owns. Throws `BAD_ENTRY` when it was not sealed for this entry under this key. */
export function openMeta(metaKey: Uint8Array, entryId: EntryId, sealed: Uint8Array): Uint8Array<ArrayBuffer> {
  if (sealed.length < metaOverheadBytes) throw badMeta(`it has ${sealed.length} bytes, fewer than its nonce and tag`)
  const plaintext = new Uint8Array(sealed.length - metaOverheadBytes)
  const nonce = sealed.subarray(0, nonceBytes)
  const isOpened = decryptInto(plaintext, 0, { key: metaKey, nonce, data: entryId }, sealed.subarray(nonceBytes))
  if (!isOpened) throw badMeta('it was not sealed for this entry under this key')
  return plaintext
}

function badMeta(what: string): EngineError {
  return new EngineError('BAD_ENTRY', `opening the private part of an entry: ${what}; ask another member for the entry`)
}

const nonceKeyContext = 'holdfast 2026-11 entry nonce'
const nonceKeys = new WeakMap<Uint8Array, { readonly metaKey: Uint8Array; readonly nonceKey: Uint8Array }>()

function metaNonceOf(metaKey: Uint8Array, entryId: EntryId, plaintext: Uint8Array): Uint8Array {
  let known = nonceKeys.get(metaKey)
  if (known === undefined || !equalBytes(known.metaKey, metaKey)) {
    known = { metaKey: Uint8Array.from(metaKey), nonceKey: deriveKey(nonceKeyContext, metaKey) }
    nonceKeys.set(metaKey, known)
  }
  const input = new Uint8Array(entryId.length + plaintext.length) // ids have one length, so the seam is unambiguous
  input.set(entryId)
  input.set(plaintext, entryId.length)
  return blake3Keyed(known.nonceKey, input).subarray(0, nonceBytes)
}

interface CipherInput {
  readonly key: Uint8Array
  readonly nonce: Uint8Array
  /** Authenticated, not encrypted. */
  readonly data: Uint8Array
}

/**
 * Writes ciphertext and tag; gives the offset behind them. Keys go in as KeyObjects, here and below: making one and a cipher from it
 * takes 2 µs, a cipher from the key's bytes 8 µs (Node 24).
 */
function encryptInto(target: Uint8Array, offset: number, input: CipherInput, plaintext: Uint8Array): number {
  const tagAt = offset + plaintext.length
  assert(tagAt + tagBytes <= target.length, 'the target has room for the sealed bytes')
  const cipher = createCipheriv(cipherName, createSecretKey(input.key), input.nonce, cipherOptions)
  if (input.data.length > 0) cipher.setAAD(input.data)
  const ciphertext = cipher.update(plaintext)
  target.set(ciphertext, offset)
  freeBytes(ciphertext)
  cipher.final()
  target.set(cipher.getAuthTag(), tagAt)
  return tagAt + tagBytes
}

/** `sealed` is ciphertext and tag. False when the tag does not fit; the target is then not to be trusted. */
function decryptInto(target: Uint8Array, offset: number, input: CipherInput, sealed: Uint8Array): boolean {
  const tagAt = sealed.length - tagBytes
  assert(offset + tagAt <= target.length, 'the target has room for the plaintext')
  if (input.key.length !== blockKeyBytes) return false
  const decipher = createDecipheriv(cipherName, createSecretKey(input.key), input.nonce, cipherOptions)
  if (input.data.length > 0) decipher.setAAD(input.data)
  decipher.setAuthTag(sealed.subarray(tagAt))
  const plaintext = decipher.update(sealed.subarray(0, tagAt))
  target.set(plaintext, offset)
  freeBytes(plaintext)
  try {
    decipher.final()
    return true
  } catch {
    return false // final has one reason to throw here: the tag
  }
}
