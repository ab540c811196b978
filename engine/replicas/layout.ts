// A layout: who must hold which block of a folder. Blocks fall into partitions by their id, and each partition has its holders;
// so a question about a block is one look into a table, and a layout is small enough to be told to others.

import type { BlockId, PeerId } from '../model/ids.ts'

const partitionBits = 12
/** Of every folder. A table of three copies has 12 KiB; a share is met to a hundredth down to a fiftieth of a per cent of the pool. */
export const partitionCount: number = 1 << partitionBits
/** In a table: nobody. Also one more than the greatest index of a member. */
export const nobody = 0xffff

/** What the next layout starts from, so that it moves little: the members that keep a share, and what each partition gave them. */
export interface LayoutTable {
  readonly peers: readonly PeerId[]
  readonly copies: number
  /** `copies` indexes into `peers` for each partition, `nobody` where there were too few. Not to be written to. */
  readonly slots: Uint16Array
}

export interface Layout extends LayoutTable {
  /** 32 bytes that name what it gives to whom: `layoutDigest`. Receipts say it. */
  readonly digest: Uint8Array
  /** Members that keep everything: holders of every block. */
  readonly everywhere: readonly PeerId[]
  /** For each of `peers` the part of one copy of the folder that it is meant to hold, 0 to 1. */
  readonly fractions: readonly number[]
  /** For each partition its holders: those of everywhere first. */
  readonly holders: readonly (readonly PeerId[])[]
}

export function partitionOf(block: BlockId): number {
  // The first byte is the id's version.
  return (((block[1] ?? 0) << 8) | (block[2] ?? 0)) >>> (16 - partitionBits)
}

/** The members that must hold this block. Costs no hash and makes no garbage. */
export function holdersOf(layout: Pick<Layout, 'holders'>, block: BlockId): readonly PeerId[] {
  return layout.holders[partitionOf(block)] ?? []
}

/** For each partition 1 when `peer` must hold its blocks, else 0: for walks over many blocks. */
export function partitionsOf(layout: Layout, peer: PeerId): Uint8Array {
  return Uint8Array.from(layout.holders, (holders) => (holders.includes(peer) ? 1 : 0))
}

/** For each partition its holders, from the table: those of everywhere first. */
export function holdersByPartition(everywhere: readonly PeerId[], { peers, copies, slots }: LayoutTable): readonly (readonly PeerId[])[] {
  return Array.from({ length: partitionCount }, (_, partition) => [
    ...everywhere,
    ...Array.from(slots.subarray(partition * copies, (partition + 1) * copies)).flatMap((slot) => peers[slot] ?? []),
  ])
}
