// A layout's table on its way to other members: the same afterwards, and refused when it is not sound.

import assert from 'node:assert/strict'
import { it } from 'node:test'

import fc from 'fast-check'

import { encodeTable, parseTable } from '../../engine/replicas/layout-bytes.ts'
import { nobody, partitionCount } from '../../engine/replicas/layout.ts'
import { layOut } from '../../engine/replicas/place.ts'
import { folderNamed, member, pools } from '../support/placement-pools.ts'

const { peers, copies, slots } = layOut({ folder: folderNamed('bytes'), members: pools[1]?.members ?? [], targetCopies: 3 })

it('a table is the same after it was bytes, and as small as it can be', () => {
  const bytes = encodeTable({ peers, copies, slots })
  assert.deepEqual(parseTable(bytes), { peers, copies, slots })
  assert.equal(bytes.length, 4 + 12 * 32 + 3 * partitionCount)
})

it('a table of more members than a byte can count is the same after it was bytes', () => {
  const many = Array.from({ length: 300 }, (_, index) => member(`many ${index}`, 'home', 1).peer)
  const wide = { peers: many, copies: 1, slots: Uint16Array.from({ length: partitionCount }, (_, index) => (index < 301 ? index : nobody)) }
  assert.equal(parseTable(encodeTable(wide)), undefined) // one index too many
  wide.slots[300] = nobody
  assert.deepEqual(parseTable(encodeTable(wide)), wide)
})

it('a table with a member twice in a partition, one that is unknown, a changed length or another version is refused', () => {
  const sound = encodeTable({ peers, copies, slots })
  const start = 4 + peers.length * 32
  const changed = (at: number, value: number): Uint8Array => Uint8Array.from(sound, (byte, index) => (index === at ? value : byte))
  assert.equal(parseTable(changed(start, sound[start + 1] ?? 0)), undefined)
  assert.equal(parseTable(changed(start, peers.length)), undefined)
  assert.equal(parseTable(changed(0, 2)), undefined)
  assert.equal(parseTable(sound.subarray(0, -1)), undefined)
  assert.equal(parseTable(Uint8Array.of(...sound, 0)), undefined)
  assert.equal(parseTable(changed(start, 0xff))?.slots[0], nobody)
})

it('bytes of any kind are refused or are a sound table', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => assert.equal(parseTable(bytes), undefined)),
    { numRuns: 500, seed: 1 },
  )
})
