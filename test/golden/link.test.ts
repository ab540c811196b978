// A fixed link and proof, and a fixed node card. A failure here is a format change: links that people hold would be worthless.

import assert from 'node:assert/strict'
import { it } from 'node:test'

import { toHex } from '../../engine/base/bytes.ts'
import { formatLink, proveLink } from '../../engine/share/link.ts'
import { signCard } from '../../engine/sync/cards.ts'
import { firstIdentity, secondIdentity } from '../support/model-values.ts'

const golden = {
  link: 'holdfast:1baarecabaibqibiga4ebueajbeeqscijbeeqscijbeeqscijeiqivchd3v2at4mv7vjnwlj4xjoxfsthbg7r3fasdpzxjcabwqhw6xbkdexws4buf4ytsmroge3dqlrrfy3s65ddoaxtimbqgezavq44mjsxe4tfon2gkdhkyboq',
  proof: 'e81e56be81663328928c1394f308e96a06e39bd0b5c592bc897449747d5d03b6',
  card: '0a66080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c180322046465736b2a04686f6d6530023880808080802042192f6970342f3139322e3136382e312e372f7463702f343030314a0e686f6c646661737420302e312e301240f13d2425fbf584cf96346b836563cbe44146d9798272a6e4218377935d2f6e1ab2d889480211b1bc13be531868d2a8abfb9e68e1228f9ce995105b2ab4268b04',
}

it('a link, its proof and a card are what they were when the format was set', () => {
  const linkId = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
  const secret = new Uint8Array(16).fill(9)
  const inviter = firstIdentity.peerId
  const addresses = ['/ip4/192.168.1.7/tcp/4001']
  const card = {
    edition: 3,
    name: 'desk',
    zone: 'home',
    class: 'daily',
    capacityBytes: 2 ** 40,
    addresses,
    software: 'holdfast 0.1.0',
  } as const
  assert.deepEqual(
    {
      link: formatLink({ linkId, secret, inviter, addresses, folderName: 'Überreste', role: undefined }),
      proof: toHex(proveLink(secret, linkId, secondIdentity.peerId, inviter)),
      card: toHex(signCard(firstIdentity, card)),
    },
    golden,
  )
})
