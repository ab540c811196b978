// A layout as it is kept: what is needed to say later who held what by it. Digest, members that keep everything, table.

import { concatBytes } from '../base/bytes.ts'
import { peerIdOf } from '../crypto/identity.ts'
import { encodeEverywhere, encodeTable, parseTable } from './layout-bytes.ts'
import { holdersByPartition, type Layout } from './layout.ts'

export type KeptLayout = Pick<Layout, 'digest' | 'everywhere' | 'peers' | 'copies' | 'slots' | 'holders'>

const digestBytes = 32
const keyBytes = 32
const headBytes = digestBytes + 2

export function encodeLayout({ digest, everywhere, peers, copies, slots }: KeptLayout): Uint8Array {
  return concatBytes([digest, encodeEverywhere(everywhere), encodeTable({ peers, copies, slots })])
}

/** undefined when it is not what `encodeLayout` makes. */
export function decodeLayout(bytes: Uint8Array): KeptLayout | undefined {
  if (bytes.length < headBytes) return undefined
  const count = new DataView(bytes.buffer, bytes.byteOffset).getUint16(digestBytes)
  const tableAt = headBytes + count * keyBytes
  const table = parseTable(bytes.subarray(tableAt))
  if (table === undefined) return undefined
  const everywhere = Array.from({ length: count }, (_, at) =>
    peerIdOf(bytes.subarray(headBytes + at * keyBytes, headBytes + (at + 1) * keyBytes)),
  )
  return { digest: bytes.slice(0, digestBytes), everywhere, ...table, holders: holdersByPartition(everywhere, table) }
}
