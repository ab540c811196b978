// How many members hold an entry's content, and who, from their receipts alone.

import { bytesKey } from '../base/bytes.ts'
import type { AuthorRow, EntryRow } from '../index/entry-table.ts'
import type { BlockRef } from '../model/entry.ts'
import type { BlockId, PeerId } from '../model/ids.ts'
import type { Receipt } from './receipt.ts'

/** What is known of a member beside its receipt. */
export interface MemberFacts {
  /** Its failure domain: members of one zone may be lost together. */
  readonly zone: string
  /** Its word was checked not long ago. */
  readonly isVerified: boolean
}

export interface Copies {
  /** Distinct members that hold the block of which there are the fewest. */
  readonly copies: number
  /** … those of them that were checked not long ago. */
  readonly verified: number
  /** Distinct zones, again of the block that has the fewest. */
  readonly zones: number
  /** Members that hold some of it. */
  readonly holders: readonly PeerId[]
}

/** Whether a block is one of those that this placement gives the member; undefined for a placement that is not known here. */
export type IsHolder = (layout: Uint8Array, peer: PeerId, block: BlockId) => boolean | undefined

interface View {
  readonly receipt: Receipt
  readonly facts: MemberFacts
  /** Sequence number by the author's row. */
  readonly heads: ReadonlyMap<number, number>
}

/** A look at all receipts at one moment. */
export class CopyView {
  readonly #views: readonly View[]
  readonly #isHolder: IsHolder

  constructor(receipts: readonly Receipt[], authors: readonly AuthorRow[], factsOf: (peer: PeerId) => MemberFacts, isHolder: IsHolder) {
    this.#isHolder = isHolder
    this.#views = receipts.map((receipt) => ({
      receipt,
      facts: factsOf(receipt.peer),
      heads: new Map(authors.map(({ row, authorId }) => [row, receipt.heads.get(bytesKey(authorId)) ?? 0])),
    }))
  }

  /** Of a current entry. What has no blocks is held by whoever has the entry. */
  of(row: EntryRow): Copies {
    const id = bytesKey(row.entry.entryId)
    const covering = this.#views.filter(({ heads, receipt }) => row.seq <= (heads.get(row.author) ?? 0) && !receipt.lacking.has(id))
    const holdsAll = covering.filter(({ receipt }) => receipt.keep === 'all')
    const shares = covering.filter(({ receipt }) => receipt.keep !== 'all')
    if (shares.length === 0 || row.entry.blocks.length === 0) return summary(covering, covering)
    return this.#fewest(row.entry.blocks, holdsAll, shares)
  }

  #fewest(blocks: readonly BlockRef[], holdsAll: readonly View[], shares: readonly View[]): Copies {
    const some = new Set(holdsAll)
    let fewest: Copies | undefined
    for (const { id } of blocks) {
      const holders = [...holdsAll, ...shares.filter((view) => this.#holds(view, id))]
      for (const holder of holders) some.add(holder)
      const here = summary(holders, [])
      fewest =
        fewest === undefined
          ? here
          : {
              copies: Math.min(fewest.copies, here.copies),
              verified: Math.min(fewest.verified, here.verified),
              zones: Math.min(fewest.zones, here.zones),
              holders: [],
            }
    }
    return { ...(fewest ?? summary([], [])), holders: [...some].map(({ receipt }) => receipt.peer) }
  }

  #holds({ receipt }: View, block: BlockId): boolean {
    return receipt.layouts.some((layout) => this.#isHolder(layout, receipt.peer, block) === true)
  }
}

function summary(holders: readonly View[], named: readonly View[]): Copies {
  return {
    copies: holders.length,
    verified: holders.filter(({ facts }) => facts.isVerified).length,
    zones: new Set(holders.map(({ facts }) => facts.zone)).size,
    holders: named.map(({ receipt }) => receipt.peer),
  }
}
