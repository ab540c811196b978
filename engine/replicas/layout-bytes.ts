// A layout's table as bytes, to be kept and told: version, copies, members by their keys, then for each partition its members' indexes.

import { assert, present } from '../base/assert.ts'
import { concatBytes } from '../base/bytes.ts'
import { blake3 } from '../crypto/hash.ts'
import { peerIdOf, publicKeyOf } from '../crypto/identity.ts'
import { targetCopiesMax } from '../model/limits.ts'
import type { FolderId, PeerId } from '../model/ids.ts'
import { nobody, partitionCount, type LayoutTable } from './layout.ts'

const tableVersion = 1
const headBytes = 4
const keyBytes = 32
/** Up to here an index takes one byte; the greatest value means nobody. */
const byteMembersMax = 0xff
const byteNobody = 0xff

export function encodeTable({ peers, copies, slots }: LayoutTable): Uint8Array {
  assert(peers.length <= nobody && copies <= targetCopiesMax, 'a layout is within its bounds')
  const width = widthOf(peers.length)
  const bytes = new Uint8Array(headBytes + peers.length * keyBytes + slots.length * width)
  const view = new DataView(bytes.buffer)
  bytes[0] = tableVersion
  bytes[1] = copies
  view.setUint16(2, peers.length)
  for (const [index, peer] of peers.entries()) {
    bytes.set(present(publicKeyOf(peer), 'a peer id holds its key'), headBytes + index * keyBytes)
  }
  const start = headBytes + peers.length * keyBytes
  for (const [index, slot] of slots.entries()) {
    if (width === 2) view.setUint16(start + index * 2, slot)
    else bytes[start + index] = slot === nobody ? byteNobody : slot
  }
  return bytes
}

/** The keys of members, after their number: of those that keep everything. */
export function encodeEverywhere(everywhere: readonly PeerId[]): Uint8Array {
  const count = new Uint8Array(2)
  new DataView(count.buffer).setUint16(0, everywhere.length)
  return concatBytes([count, ...everywhere.map((peer) => present(publicKeyOf(peer), 'a peer id holds its key'))])
}

/** 32 bytes that name a layout by what it gives to whom, whatever it was computed from. Receipts say it. */
export function layoutDigest(folder: FolderId, everywhere: readonly PeerId[], table: LayoutTable): Uint8Array {
  return blake3(concatBytes([folder, encodeEverywhere(everywhere), encodeTable(table)]))
}

/** undefined when it is not what `encodeTable` makes: another length, a member that is not in it or twice in a row. */
export function parseTable(bytes: Uint8Array): LayoutTable | undefined {
  if (bytes.length < headBytes || bytes[0] !== tableVersion) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const copies = view.getUint8(1)
  const members = view.getUint16(2)
  const width = widthOf(members)
  const start = headBytes + members * keyBytes
  if (copies > targetCopiesMax || bytes.length !== start + partitionCount * copies * width) return undefined
  const peers = Array.from({ length: members }, (_, index): PeerId => {
    const at = headBytes + index * keyBytes
    return peerIdOf(bytes.subarray(at, at + keyBytes))
  })
  if (new Set(peers).size !== members) return undefined
  const slots = Uint16Array.from({ length: partitionCount * copies }, (_, index) => {
    const value = width === 2 ? view.getUint16(start + index * 2) : view.getUint8(start + index)
    return width === 1 && value === byteNobody ? nobody : value
  })
  return areRowsSound(slots, copies, members) ? { peers, copies, slots } : undefined
}

function widthOf(members: number): 1 | 2 {
  return members > byteMembersMax ? 2 : 1
}

function areRowsSound(slots: Uint16Array, copies: number, members: number): boolean {
  for (let start = 0; start < slots.length; start += copies) {
    const row = [...slots.subarray(start, start + copies)].filter((slot) => slot !== nobody)
    if (new Set(row).size !== row.length || row.some((slot) => slot >= members)) return false
  }
  return true
}
