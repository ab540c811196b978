// Bytes of change sets and what their authors sign. A failure here is a format change: every signature made so far would fail.

import assert from 'node:assert/strict'
import { it } from 'node:test'

import { toHex } from '../../engine/base/bytes.ts'
import { changeSetSigningBytes, encodeChangeSet } from '../../engine/model/change-set.ts'
import { changeSetContext } from '../../engine/sync/author.ts'
import { authorIdOf } from '../../engine/sync/folder-handle.ts'
import { testFolder } from '../support/blocks.ts'
import { changeSet, firstIdentity } from '../support/model-values.ts'

const golden = {
  encoded:
    '080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c1a08020202020202020220292880d095ffbc313240060606060606060606060606060606060606060606060606060606060606060606060606060606060606060606060606060606060606060606060606060606063a4007070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707',
  signed:
    '0101010101010101010101010101010101010101010101010101010101010101018a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c020202020202020200000000000000290000018bcfe5680006060606060606060606060606060606060606060606060606060606060606060606060606060606060606060606060606060606060606060606060606060606',
  signature:
    '0d950c6b448792928693d5ff71141a22284089cde05a9386b669460efb0c182f8d49034fa244e3ba6cbcbbc41e7355496e1fef664a40af451b4653fd9becc008',
  author: '01825ee1f6336f131c9a9f0a145f0efe',
}

it('change sets, what is signed and the author are the bytes that they were when the format was set', () => {
  const signed = changeSetSigningBytes(testFolder(1), changeSet)
  assert.deepEqual(
    {
      encoded: toHex(encodeChangeSet(changeSet)),
      signed: toHex(signed),
      signature: toHex(firstIdentity.sign(changeSetContext, signed)),
      author: toHex(authorIdOf(changeSet.nodeKey, changeSet.incarnation)),
    },
    golden,
  )
})
