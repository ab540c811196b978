// How many members hold an entry's content, and who, from their receipts alone.

import { bytesKey } from '../base/bytes.ts'
import { decodedRow, type AuthorRow, type EntryRow, type StoredEntry } from '../index/entry-table.ts'
import { glanceAtEntry, type BlockRef } from '../model/entry.ts'
import type { BlockId, PeerId } from '../model/ids.ts'
import { isKnown, nothingKnown, type Known } from '../model/known.ts'
import type { Receipt } from './receipt.ts'
import { isReleased } from './released.ts'

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
  readonly parts: readonly PartView[]
}

interface PartView {
  readonly layout: Uint8Array
  /** Sequence numbers by the author's row. */
  readonly heads: ReadonlyMap<number, Known>
  readonly lacking: ReadonlySet<string>
}

/** A member and the parts of its receipt that speak of one entry. */
interface Covering {
  readonly view: View
  readonly parts: readonly PartView[]
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
      parts: receipt.parts.map(({ layout, heads, lacking }) => ({
        layout,
        lacking,
        heads: new Map(authors.map(({ row, authorId }) => [row, heads.get(bytesKey(authorId)) ?? nothingKnown])),
      })),
    }))
  }

  /** Of a current entry. What has no blocks is held by whoever has the entry. */
  of(row: EntryRow): Copies {
    const covering = this.#covering(row)
    const all = covering.filter(({ view }) => view.receipt.keep !== 'share').map(({ view }) => view)
    const shares = covering.filter(({ view }) => view.receipt.keep === 'share')
    const { blocks } = row.entry
    if (shares.length > 0 && blocks.length > 0) return this.#fewest(blocks, all, shares)
    const holders = covering.map(({ view }) => view)
    return summary(holders, holders)
  }

  /** `of(entry).copies`; undefined for a deletion. Decodes only where it matters who holds which block: all of a folder are counted. */
  countOf(row: StoredEntry): number | undefined {
    const { deleted, blocks, entryId } = glanceAtEntry(row.bytes)
    if (deleted) return undefined
    let copies = 0
    for (const { receipt, parts } of this.#views) {
      if (!parts.some((part) => isCovered(part, row, entryId))) continue
      if (receipt.keep === 'share' && blocks > 0) return this.of(decodedRow(row)).copies
      copies++
    }
    return copies
  }

  /** Members that say they hold this block of the entry. */
  holdersOf(row: EntryRow, block: BlockId): readonly PeerId[] {
    return this.#covering(row)
      .filter((one) => one.view.receipt.keep === 'all' || this.#holds(one, block))
      .map(({ view }) => view.receipt.peer)
  }

  #covering(row: EntryRow): readonly Covering[] {
    return this.#views.flatMap((view) => {
      const parts = view.parts.filter((part) => isCovered(part, row, row.entry.entryId))
      return parts.length === 0 ? [] : [{ view, parts }]
    })
  }

  #fewest(blocks: readonly BlockRef[], all: readonly View[], shares: readonly Covering[]): Copies {
    const some = new Set(all)
    let [copies, verified, zones] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
    for (const { id } of blocks) {
      const holders = [...all, ...shares.filter((share) => this.#holds(share, id)).map(({ view }) => view)]
      for (const holder of holders) some.add(holder)
      const here = summary(holders, [])
      copies = Math.min(copies, here.copies)
      verified = Math.min(verified, here.verified)
      zones = Math.min(zones, here.zones)
    }
    return { copies, verified, zones, holders: [...some].map(({ receipt }) => receipt.peer) }
  }

  #holds({ view, parts }: Covering, block: BlockId): boolean {
    if (isReleased(view.receipt.released, block)) return false
    return parts.some(({ layout }) => this.#isHolder(layout, view.receipt.peer, block) === true)
  }
}

function isCovered({ heads, lacking }: PartView, { author, seq }: Pick<StoredEntry, 'author' | 'seq'>, entryId: Uint8Array): boolean {
  return isKnown(heads.get(author) ?? nothingKnown, seq) && (lacking.size === 0 || !lacking.has(bytesKey(entryId)))
}

function summary(holders: readonly View[], named: readonly View[]): Copies {
  return {
    copies: holders.length,
    verified: holders.filter(({ facts }) => facts.isVerified).length,
    zones: new Set(holders.map(({ facts }) => facts.zone)).size,
    holders: named.map(({ receipt }) => receipt.peer),
  }
}
