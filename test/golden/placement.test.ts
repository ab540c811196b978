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
  digest: 'cc862a31e221bad27bd7dc8a2112ec97082ee00035da61f168eea7a182cc8a92',
  table: 'b722a494715a982da322e6f5a59925d2fcc9d5f9b845add0014a52d85e604ac7',
  nextDigest: 'd6568e79c1839acb7cfe2ca7502994045332ee6189c7c3d2c31830c3669680da',
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
