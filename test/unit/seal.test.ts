// Sealing and opening of blocks and of entries' private parts.

import assert from 'node:assert/strict'
import { createDecipheriv } from 'node:crypto'
import { describe, it } from 'node:test'

import fc from 'fast-check'

import { concatBytes, toHex, utf8 } from '../../engine/base/bytes.ts'
import { blake3, blake3Keyed } from '../../engine/crypto/hash.ts'
import {
  blockIdOf,
  blockKeyOf,
  blockOverheadBytes,
  metaOverheadBytes,
  openBlock,
  openBlockInto,
  openMeta,
  resealBlockInto,
  sealBlock,
  sealBlockInto,
  sealMeta,
} from '../../engine/crypto/seal.ts'
import { parseEntryId, type EntryId } from '../../engine/model/ids.ts'

const sealKey = new Uint8Array(32).fill(1)
const otherKey = new Uint8Array(32).fill(2)

function entryIdFilled(fill: number): EntryId {
  const id = parseEntryId(new Uint8Array(33).fill(fill).fill(1, 0, 1))
  assert.ok(id !== undefined)
  return id
}

function withFlippedBit(bytes: Uint8Array, bit: number): Uint8Array {
  const flipped = Uint8Array.from(bytes)
  const at = (bit >>> 3) % bytes.length
  flipped[at] = (flipped[at] ?? 0) ^ (1 << (bit & 7))
  return flipped
}

describe('a sealed block', () => {
  it('opens to what was sealed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), (plaintext) => {
        const { id, key, sealed } = sealBlock(sealKey, plaintext)
        assert.equal(sealed.length, plaintext.length + blockOverheadBytes)
        assert.deepEqual(openBlock(id, key, sealed, sealKey), plaintext)
      }),
    )
  })

  it('is AES-256-GCM with nonce zero under the keyed hash of its plaintext, named by the hash of the result', () => {
    const plaintext = utf8('by the letter of the format')
    const { id, key, sealed } = sealBlock(sealKey, plaintext)
    assert.equal(toHex(key), toHex(blake3Keyed(sealKey, plaintext)))
    assert.equal(toHex(key), toHex(blockKeyOf(sealKey, plaintext)))
    assert.equal(toHex(id), '01' + toHex(blake3(sealed)))
    assert.equal(toHex(id), toHex(blockIdOf(sealed)))
    const decipher = createDecipheriv('aes-256-gcm', key, new Uint8Array(12))
    decipher.setAuthTag(sealed.subarray(-16))
    assert.equal(toHex(concatBytes([decipher.update(sealed.subarray(0, -16)), decipher.final()])), toHex(plaintext))
  })

  it('is the same each time in one folder and different in another', () => {
    const plaintext = utf8('equal content')
    assert.equal(toHex(sealBlock(sealKey, plaintext).id), toHex(sealBlock(sealKey, plaintext).id))
    assert.notEqual(toHex(sealBlock(sealKey, plaintext).id), toHex(sealBlock(otherKey, plaintext).id))
  })

  it('does not open after any bit of it, its id or its key has changed', () => {
    const { id, key, sealed } = sealBlock(sealKey, utf8('some content that matters'))
    for (let bit = 0; bit < sealed.length * 8; bit += 7) {
      const damaged = withFlippedBit(sealed, bit)
      assert.throws(() => openBlock(id, key, damaged, sealKey), { code: 'BAD_BLOCK', message: /match its id/ })
      assert.throws(() => openBlock(blockIdOf(damaged), key, damaged, sealKey), { code: 'BAD_BLOCK', message: /does not open/ })
    }
    assert.throws(() => openBlock(id, withFlippedBit(key, 9), sealed, sealKey), { code: 'BAD_BLOCK', message: /does not open/ })
    assert.throws(() => openBlock(id, key.subarray(1), sealed, sealKey), { code: 'BAD_BLOCK' })
    assert.throws(() => openBlock(id, key, sealed.subarray(0, 15), sealKey), { code: 'BAD_BLOCK', message: /15 bytes/ })
  })

  it('is refused when its key was chosen instead of made from its content', () => {
    const { id, key, sealed } = sealBlock(otherKey, utf8('sealed by someone without the seal key'))
    assert.throws(() => openBlock(id, key, sealed, sealKey), { code: 'BAD_BLOCK', message: /not made from its content/ })
  })

  it('can lie anywhere in a shared buffer, and leaves the rest of it alone', () => {
    const plaintexts = [utf8('first'), utf8(''), utf8('the third one')]
    const target = new Uint8Array(100).fill(0xee)
    let at = 3
    for (const plaintext of plaintexts) {
      const alone = sealBlock(sealKey, plaintext)
      const { id, key } = sealBlockInto(target, at, sealKey, plaintext)
      const end = at + plaintext.length + blockOverheadBytes
      assert.deepEqual([toHex(id), toHex(key)], [toHex(alone.id), toHex(alone.key)])
      assert.equal(toHex(target.subarray(at, end)), toHex(alone.sealed))
      assert.equal(target[end], 0xee)
      const opened = new Uint8Array(40).fill(0xdd)
      assert.equal(openBlockInto(opened, 5, id, key, target.subarray(at, end), sealKey), plaintext.length)
      assert.equal(toHex(opened.subarray(5, 5 + plaintext.length)), toHex(plaintext))
      assert.deepEqual([opened[4], opened[5 + plaintext.length]], [0xdd, 0xdd])
      assert.equal(toHex(resealBlockInto(new Uint8Array(60), 2, key, plaintext)), toHex(id))
      at = end
    }
    assert.throws(() => sealBlockInto(target, 90, sealKey, utf8('no room')), { code: 'INTERNAL' })
  })

  it('can be transferred to another thread', () => {
    const { key, sealed } = sealBlock(sealKey, utf8('x'))
    assert.equal(structuredClone(sealed, { transfer: [sealed.buffer] }).length, 17)
    assert.equal(structuredClone(key, { transfer: [key.buffer] }).length, 32)
  })
})

describe('the private part of an entry', () => {
  const entryId = entryIdFilled(7)

  it('opens to what was sealed, and is the same each time', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (plaintext) => {
        const sealed = sealMeta(otherKey, entryId, plaintext)
        assert.equal(sealed.length, plaintext.length + metaOverheadBytes)
        assert.equal(toHex(sealed), toHex(sealMeta(Uint8Array.from(otherKey), entryId, plaintext)))
        assert.deepEqual(openMeta(otherKey, entryId, sealed), plaintext)
      }),
    )
  })

  it('has another nonce for another entry and for other content', () => {
    const nonces = [
      sealMeta(otherKey, entryId, utf8('a')),
      sealMeta(otherKey, entryId, utf8('b')),
      sealMeta(otherKey, entryIdFilled(8), utf8('a')),
      sealMeta(sealKey, entryId, utf8('a')),
    ].map((sealed) => toHex(sealed.subarray(0, 12)))
    assert.equal(new Set(nonces).size, 4)
  })

  it('does not open as another entry, under another key, damaged or cut short', () => {
    const sealed = sealMeta(otherKey, entryId, utf8('path and times'))
    assert.throws(() => openMeta(otherKey, entryIdFilled(8), sealed), { code: 'BAD_ENTRY' })
    assert.throws(() => openMeta(sealKey, entryId, sealed), { code: 'BAD_ENTRY' })
    for (let bit = 0; bit < sealed.length * 8; bit += 5) {
      assert.throws(() => openMeta(otherKey, entryId, withFlippedBit(sealed, bit)), { code: 'BAD_ENTRY' })
    }
    for (const length of [0, 27, sealed.length - 1]) {
      assert.throws(() => openMeta(otherKey, entryId, sealed.subarray(0, length)), { code: 'BAD_ENTRY' })
    }
  })
})
