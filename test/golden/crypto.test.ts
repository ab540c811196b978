// Bytes that must never change: every folder in existence depends on them. A failure here is a format change, not a stale test.

import assert from 'node:assert/strict'
import { it } from 'node:test'

import { toHex, utf8 } from '../../engine/base/bytes.ts'
import { createIdentity } from '../../engine/crypto/identity.ts'
import { deriveAccessKey, deriveEpochKeys, deriveFolderKeys, entryIdOf } from '../../engine/crypto/keys.ts'
import { sealBlock, sealMeta } from '../../engine/crypto/seal.ts'

const golden = {
  nameKey: 'a6698ab7bef1c6d92f9c785b665c77732fab0ba73da3fa888d9d6f6b7c5f04d2',
  gearKey: '660892b793dd22b9c14b7ae5e81f1215dc4a80562b3a12215a3c097708ed4a0f',
  accessKey: 'e3d32b36be5c6f341d77ac6483ff85e22ec5630c13e59726ed9150f0433cd03e',
  sealKey: 'df5abe1b9e26bace62a0b8da210988f8ccb0395194683653d684a088787f2e37',
  metaKey: 'a2b41b362c30879bd2ec5ab42314cca19169099da11ec13ad29d146ba80ace6c',
  entryId: '0107183e8f2848116366d591fc608156eb2ae36dbbad04123c9fc0b91101777b33',
  blockKey: '2a96328a759064cea4b65714f2acbdd8d055305e05b2785d7c1fbacc6fa4e193',
  blockId: '01641fb954ce77d4be9248a4e99dd8df109ea03e7b8bbf41236da3a494cc1dd0da',
  sealedBlock: 'b557a4b75f62fffeead9aa2c414c01ad99907129a60fb83ed55587929eff2942bc93f159b34967',
  sealedMeta: 'bbf9909a8f5c0ec5909e1d0d6182df5d529fbc5670424ba7347ef33911a4280697ca9e81d3818690',
  publicKey: '03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8',
  signature:
    '22674400059cd7ed6b4ae3ccab58743152afed0469645b3d745020e74faf478b95c3b1b6a2007ea870cd820d8156f5c921f43723b25c922066a37a5c1af2bf04',
  peerId: '12D3KooWA4Xop1JaT3MHxwYMkCepYsv4iPVopMXwCz5iHYdBfeSB',
}

it('keys, ids, sealed bytes and signatures of fixed secrets are what they were when the format was set', () => {
  const secret = Uint8Array.from({ length: 32 }, (_, index) => index)
  const { nameKey, gearKey } = deriveFolderKeys(secret)
  const { sealKey, metaKey } = deriveEpochKeys(secret)
  const entryId = entryIdOf(nameKey, 'photos/2026/été.jpg')
  const block = sealBlock(sealKey, utf8('kelp holds fast to rock'))
  const identity = createIdentity(secret)
  assert.deepEqual(
    {
      nameKey: toHex(nameKey),
      gearKey: toHex(gearKey),
      accessKey: toHex(deriveAccessKey(secret)),
      sealKey: toHex(sealKey),
      metaKey: toHex(metaKey),
      entryId: toHex(entryId),
      blockKey: toHex(block.key),
      blockId: toHex(block.id),
      sealedBlock: toHex(block.sealed),
      sealedMeta: toHex(sealMeta(metaKey, entryId, utf8('private part'))),
      publicKey: toHex(identity.publicKey),
      signature: toHex(identity.sign('change-set', utf8('a message'))),
      peerId: identity.peerId,
    },
    golden,
  )
})
