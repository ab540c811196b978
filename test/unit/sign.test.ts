// Signatures and their domain separation.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import fc from 'fast-check'

import { toHex, utf8 } from '../../engine/base/bytes.ts'
import { createSigner, verify } from '../../engine/crypto/sign.ts'

const signer = createSigner(new Uint8Array(32).fill(1))
const other = createSigner(new Uint8Array(32).fill(2))

describe('a signature', () => {
  it('verifies for the message, context and key it was made with', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (message) => {
        const signature = signer.sign('change-set', message)
        assert.equal(signature.length, 64)
        assert.equal(verify(signer.publicKey, 'change-set', message, signature), true)
      }),
      { numRuns: 30 },
    )
  })

  const message = utf8('a message')
  const signature = signer.sign('change-set', message)
  const damaged = Uint8Array.from(signature).fill((signature[5] ?? 0) ^ 1, 5, 6)
  const refused: readonly (readonly [string, () => boolean])[] = [
    ['another message', () => verify(signer.publicKey, 'change-set', utf8('b message'), signature)],
    ['another context', () => verify(signer.publicKey, 'admin-log', message, signature)],
    ['another key', () => verify(other.publicKey, 'change-set', message, signature)],
    ['a damaged signature', () => verify(signer.publicKey, 'change-set', message, damaged)],
    ['a short signature', () => verify(signer.publicKey, 'change-set', message, signature.subarray(1))],
    ['a short key', () => verify(signer.publicKey.subarray(1), 'change-set', message, signature)],
  ]
  for (const [what, attempt] of refused) {
    it(`does not verify for ${what}`, () => assert.equal(attempt(), false))
  }

  it('is refused, never thrown over, for arbitrary keys and signatures', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.uint8Array({ minLength: 64, maxLength: 64 }), (key, bytes) => {
        assert.equal(verify(key, 'change-set', message, bytes), false)
      }),
      { numRuns: 600, seed: 7 }, // more keys than the cache of imported keys holds; seeded, since a weak key could be drawn
    )
    assert.equal(verify(signer.publicKey, 'change-set', message, signature), true)
  })

  it('cannot be made for a context that could run into the message', () => {
    for (const context of ['', 'a\0b', 'a/1', 'A', '1a']) {
      assert.throws(() => signer.sign(context, message), { code: 'INTERNAL' })
      assert.throws(() => verify(signer.publicKey, context, message, signature), { code: 'INTERNAL' })
    }
  })
})

describe('a signer', () => {
  it('has the public key that RFC 8032 gives for its seed', () => {
    const seed = Uint8Array.from(Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex'))
    assert.equal(toHex(createSigner(seed).publicKey), 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a')
  })

  it('refuses a seed of another length', () => {
    assert.throws(() => createSigner(new Uint8Array(31)), { code: 'INTERNAL' })
  })
})
