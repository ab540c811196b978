// The layout of fixed members. A failure here is a change of placement: nodes of two versions would expect other blocks of each other.
// Then `placementVersion` goes up, and what that moves is a decision.

import assert from 'node:assert/strict'
import { it } from 'node:test'

import { toHex } from '../../engine/base/bytes.ts'
import { blake3 } from '../../engine/crypto/hash.ts'
import { encodeTable } from '../../engine/replicas/layout-bytes.ts'
import { layOut } from '../../engine/replicas/place.ts'
import { folderNamed, member, pools } from '../support/placement-pools.ts'

const golden = {
  digest: '7404bd1c178bb06b5122c408491fc0db472ead0fcf2cfebd6bee0c1177560a00',
  table: 'b722a494715a982da322e6f5a59925d2fcc9d5f9b845add0014a52d85e604ac7',
  nextDigest: '3770ab7fabe80f44fde746a8d3e2236abbc9be8b4ff8a23b8c308ea388a56893',
  next: 'b18ec3f3ba2b024aa1c469d3851c88f1b7b28ac6d4666f6deda4586d39b2f3c0',
}

it('fixed members are laid as they were when the way was set, also from the table before', () => {
  const members = [...(pools[1]?.members ?? []), member('nameless', '', 3, { class: 'daily' }), member('all', 'zone 1', 0, { keep: 'all' })]
  const input = { folder: folderNamed('golden'), members, targetCopies: 4 }
  const layout = layOut(input)
  const next = layOut({ ...input, members: members.toSpliced(3, 2), previous: layout })
  const hashOf = (table: typeof layout): string => toHex(blake3(encodeTable(table)))
  const found = { digest: toHex(layout.digest), table: hashOf(layout), nextDigest: toHex(next.digest), next: hashOf(next) }
  assert.deepEqual(found, golden)
})
