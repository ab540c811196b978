// Records of a lane: sealed and opened in one order, and nothing else opens.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { deriveLaneKey, RecordOpener, recordOverheadBytes, RecordSealer } from '../../engine/crypto/lane-cipher.ts'
import { testBytes } from '../support/blocks.ts'

const key = testBytes(1, 32)

function sealAll(plaintexts: readonly Uint8Array[]): readonly Uint8Array[] {
  const sealer = new RecordSealer(key)
  return plaintexts.map((plaintext) => {
    const record = new Uint8Array(plaintext.length + recordOverheadBytes)
    sealer.sealInto(record, 0, plaintext)
    return record
  })
}

describe('the records of a lane', () => {
  const plaintexts = [0, 1, 300_000, 128 * 1024, 17].map((length, at) => testBytes(at, length))

  it('open in the order in which they were sealed', () => {
    const opener = new RecordOpener(key)
    for (const [at, record] of sealAll(plaintexts).entries()) assert.deepEqual(new Uint8Array(opener.open(record) ?? [9]), plaintexts[at])
  })

  it('hide what they carry, also the same thing twice', () => {
    const [one, two] = sealAll([testBytes(5, 64), testBytes(5, 64)])
    assert.notDeepEqual(one, two)
  })

  const wrong: readonly (readonly [string, (records: readonly Uint8Array[]) => Uint8Array | undefined])[] = [
    ['one that comes too early', (records) => records[1]],
    ['one that was changed', ([record]) => record?.map((byte, at) => (at === 3 ? byte ^ 1 : byte))],
    ['one whose tag was changed', ([record]) => record?.map((byte, at) => (at === record.length - 1 ? byte ^ 1 : byte))],
    ['one that was cut', ([record]) => record?.subarray(0, -1)],
    ['one shorter than a tag', () => new Uint8Array(recordOverheadBytes - 1)],
  ]
  for (const [what, pick] of wrong) {
    it(`do not open: ${what}`, () => {
      const record = pick(sealAll([testBytes(7, 50), testBytes(8, 50)]))
      assert.ok(record !== undefined)
      assert.equal(new RecordOpener(key).open(record), undefined)
    })
  }

  it('do not open under another key', () => {
    const [record] = sealAll([testBytes(7, 50)])
    assert.ok(record !== undefined)
    assert.equal(new RecordOpener(testBytes(2, 32)).open(record), undefined)
  })

  it('have a key that needs both the secret and the seal key of the folder', () => {
    const keys = [
      [1, 2],
      [1, 3],
      [4, 2],
    ].map(([secret = 0, seal = 0]) => deriveLaneKey(testBytes(secret, 32), testBytes(seal, 32)).join())
    assert.equal(new Set(keys).size, 3)
  })
})
