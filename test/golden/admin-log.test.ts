// The admin log of a fixed folder. A failure here is a format change: folder ids are hashes of these bytes.

import assert from 'node:assert/strict'
import { it } from 'node:test'

import { toHex } from '../../engine/base/bytes.ts'
import { folderIdText } from '../../engine/model/ids.ts'
import { encodeEntry } from '../../engine/share/folder-log.ts'
import { folderIdOf, signEntry } from '../../engine/share/log-entry.ts'
import { LogGraph } from '../../engine/share/log-graph.ts'
import { firstIdentity, secondIdentity } from '../support/model-values.ts'

const golden = {
  folder: 'afwtfpjeuxap2e4mzvy3ql7nasgk73r2rtudqzklp6ssqvghrkrmu',
  first:
    '0a4e08012080d095ffbc312a208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c32210a056e6f7465731210050505050505050505050505050505051a046465736b20021240ca36c45c9585410d28d8d43aa18926fe942a16acd19ac73221b75eafca34fb1aa1dbc33a31bc9d57b8f3edd7b119c7e09b36eb787e228b6b72820f6e3884c50c',
  second:
    '0a8401080112206d32bd24a5c0fd138ccd71b82fed048cafee3a8ce838654b7fa52854c78aa2ca18012081d095ffbc312a208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c3a330a208139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b39410021a036c617022080606060606060606124033a18f98ff31add1ee08b5f1606e62d78977179dfa4906bafc0c235ee3eb8baa7e4e346a355fffbfa80a4cb36fffbf788f96705a1e8fc6246a44d016d839220a',
  head: '82981167ca2dde7156073a843ce5da23f48054c57935e48b2e76160f24c2192b',
}

it('the log of a fixed folder is what it was when the format was set', () => {
  const created = { kind: 'created', folderName: 'notes', nonce: new Uint8Array(16).fill(5), nodeName: 'desk', targetCopies: 2 } as const
  const first = signEntry(firstIdentity, [], created, 1_700_000_000_000)
  const added = {
    kind: 'memberAdded',
    nodeKey: secondIdentity.publicKey,
    role: 'write',
    nodeName: 'lap',
    linkId: new Uint8Array(8).fill(6),
  } as const
  const second = signEntry(firstIdentity, LogGraph.of([first]).heads, added, 1_700_000_000_001)
  assert.deepEqual(
    {
      folder: folderIdText(folderIdOf(first)),
      first: toHex(encodeEntry(first)),
      second: toHex(encodeEntry(second)),
      head: LogGraph.of([first, second])
        .heads.map(({ hash }) => toHex(hash))
        .join(),
    },
    golden,
  )
})
