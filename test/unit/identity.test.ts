// Peer ids and base58, compared with what libp2p makes of the same keys.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import fc from 'fast-check'

import { toHex, utf8 } from '../../engine/base/bytes.ts'
import { fromBase58, toBase58 } from '../../engine/crypto/base58.ts'
import { createIdentity, peerIdOf, publicKeyOf } from '../../engine/crypto/identity.ts'
import { verify } from '../../engine/crypto/sign.ts'
import { parsePeerId } from '../../engine/model/ids.ts'

describe('an identity', () => {
  it('has the peer id and the public key that libp2p has for the same seed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 32, maxLength: 32 }), async (seed) => {
        const theirs = await generateKeyPairFromSeed('Ed25519', seed)
        const ours = createIdentity(seed)
        assert.equal(ours.peerId, peerIdFromPrivateKey(theirs).toString())
        assert.equal(toHex(ours.publicKey), toHex(theirs.publicKey.raw))
      }),
      { numRuns: 50 },
    )
  })

  it('signs for the key that its peer id carries', () => {
    const identity = createIdentity(new Uint8Array(32).fill(5))
    const publicKey = publicKeyOf(identity.peerId)
    assert.ok(publicKey !== undefined)
    assert.equal(verify(publicKey, 'node-card', utf8('hello'), identity.sign('node-card', utf8('hello'))), true)
  })
})

describe('a peer id', () => {
  it('gives back the public key it was made of', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (publicKey) => {
        assert.deepEqual(publicKeyOf(peerIdOf(publicKey)), publicKey)
      }),
    )
  })

  it('has no key when it only looks like one', () => {
    const lookalike = parsePeerId(`12D3Koo${'z'.repeat(45)}`)
    assert.ok(lookalike !== undefined)
    assert.equal(publicKeyOf(lookalike), undefined)
  })
})

describe('base58', () => {
  it('reads back what it wrote, leading zeros included', () => {
    fc.assert(
      fc.property(fc.nat(3), fc.uint8Array({ maxLength: 60 }), (zeros, bytes) => {
        const whole = Uint8Array.from([...new Uint8Array(zeros), ...bytes])
        assert.deepEqual(fromBase58(toBase58(whole)), whole)
      }),
    )
  })

  const rows: readonly (readonly [string, string])[] = [
    ['', ''],
    ['00', '1'],
    ['48656c6c6f20576f726c6421', '2NEpo7TZRRrLZSi2U'],
    ['0000287fb4cd', '11233QC4'],
  ]
  for (const [hex, text] of rows) {
    it(`writes ${hex === '' ? 'nothing' : hex} as ${text === '' ? 'nothing' : text}`, () => {
      assert.equal(toBase58(Uint8Array.from(Buffer.from(hex, 'hex'))), text)
      assert.equal(toHex(fromBase58(text) ?? new Uint8Array(1)), hex)
    })
  }

  it('refuses other letters and long texts', () => {
    for (const text of ['0', 'O', 'I', 'l', 'a b', 'é', '1'.repeat(129)]) assert.equal(fromBase58(text), undefined)
  })
})
