// Derived keys and entry ids: separate for each purpose, folder, epoch and path.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { toHex } from '../../engine/base/bytes.ts'
import { blake3Keyed } from '../../engine/crypto/hash.ts'
import { deriveAccessKey, deriveEpochKeys, deriveFolderKeys, entryIdOf } from '../../engine/crypto/keys.ts'
import { parseEntryId } from '../../engine/model/ids.ts'

const secret = new Uint8Array(32).fill(1)
const otherSecret = new Uint8Array(32).fill(2)

describe('derived keys', () => {
  it('differ for every purpose and every secret', () => {
    const keys = [secret, otherSecret].flatMap((from) => {
      const { nameKey, gearKey } = deriveFolderKeys(from)
      const { sealKey, metaKey } = deriveEpochKeys(from)
      return [nameKey, gearKey, sealKey, metaKey, deriveAccessKey(from), from].map(toHex)
    })
    assert.equal(new Set(keys).size, 12)
    assert.ok(keys.every((key) => key.length === 64))
  })

  it('are the same for an equal secret', () => {
    assert.deepEqual(deriveFolderKeys(secret), deriveFolderKeys(Uint8Array.from(secret)))
    assert.deepEqual(deriveEpochKeys(secret), deriveEpochKeys(Uint8Array.from(secret)))
  })

  it('are not made from a secret of another length', () => {
    for (const derive of [deriveFolderKeys, deriveEpochKeys, deriveAccessKey]) {
      assert.throws(() => derive(new Uint8Array(16)), { code: 'INTERNAL' })
    }
  })
})

describe('an entry id', () => {
  const { nameKey } = deriveFolderKeys(secret)

  it('is well-formed and the keyed hash of the path', () => {
    const id = entryIdOf(nameKey, 'photos/été.jpg')
    assert.ok(parseEntryId(id) !== undefined)
    assert.equal(toHex(id), '01' + toHex(blake3Keyed(nameKey, Buffer.from('photos/été.jpg'))))
  })

  it('differs by path and by folder', () => {
    const ids = [
      entryIdOf(nameKey, 'a'),
      entryIdOf(nameKey, 'A'),
      entryIdOf(nameKey, 'a/b'),
      entryIdOf(deriveFolderKeys(otherSecret).nameKey, 'a'),
    ]
    assert.equal(new Set(ids.map(toHex)).size, 4)
  })
})
