// How many members hold an entry's content, and who, from their receipts alone.

import { bytesKey } from '../base/bytes.ts'
import { decodedRow, type AuthorRow, type EntryRow, type StoredEntry } from '../index/entry-table.ts'
import { glanceAtEntry, type BlockRef } from '../model/entry.ts'
import type { BlockId, PeerId } from '../model/ids.ts'
import { isKnown, nothingKnown, type Known } from '../model/known.ts'
import { coversBlock, type Receipt } from './receipt.ts'

/** What is known of a member beside its receipt. */
export interface MemberFacts {
  /** Its failure domain: members of one zone may be lost together. */
  readonly zone: string
  /** What of its word was checked not long ago; 'always': it is this node. */
  readonly audited: 'always' | AuditedWord | undefined
}

/** An audit that was passed: it drew from entries up to a row, as a receipt claimed them. */
export interface AuditedWord {
  readonly lastRow: number
  readonly receipt: Receipt
}

export interface Copies {
  /** Distinct members that hold the block of which there are the fewest. */
  readonly copies: number
  /** … those of them that were checked not long ago, with this entry as it is: by what is here, so that nothing is verified that is not here. */
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
  /** Of the receipt that was audited. */
  readonly auditedParts: readonly PartView[]
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
  /** The same of the receipt that was audited, when the audit drew from the entry. */
  readonly auditedParts: readonly PartView[]
}

interface Holder {
  readonly view: View
  /** An audit drew from what it says of this, and would have found something here to compare with. */
  readonly isVerified: boolean
}

/** A look at all receipts at one moment. */
export class CopyView {
  readonly #views: readonly View[]
  readonly #isHolder: IsHolder

  constructor(receipts: readonly Receipt[], authors: readonly AuthorRow[], factsOf: (peer: PeerId) => MemberFacts, isHolder: IsHolder) {
    this.#isHolder = isHolder
    const partsOf = ({ parts }: Receipt): readonly PartView[] =>
      parts.map(({ layout, heads, lacking }) => ({
        layout,
        lacking,
        heads: new Map(authors.map(({ row, authorId }) => [row, heads.get(bytesKey(authorId)) ?? nothingKnown])),
      }))
    this.#views = receipts.map((receipt) => {
      const facts = factsOf(receipt.peer)
      const { audited } = facts
      const auditedParts = audited === undefined || audited === 'always' ? [] : partsOf(audited.receipt)
      return { receipt, facts, parts: partsOf(receipt), auditedParts }
    })
  }

  /** Of a current entry. What has no blocks is held by whoever has the entry. */
  of(row: EntryRow): Copies {
    const covering = this.#covering(row)
    const all = covering.filter(({ view }) => view.receipt.keep !== 'share')
    const shares = covering.filter(({ view }) => view.receipt.keep === 'share')
    const { blocks } = row.entry
    if (shares.length > 0 && blocks.length > 0) return this.#fewest(blocks, all, shares)
    return { ...summary(comparedHere(covering.map(asHolder))), holders: covering.map(({ view }) => view.receipt.peer) }
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

  /** Whether a member says that it holds this block of the entry, and was found good for its word not long ago. */
  isVerified(row: EntryRow, block: BlockId): boolean {
    return this.#covering(row).some((one) => {
      if (one.view.receipt.keep !== 'share') return asHolder(one).isVerified
      return this.#holderOf(one, block).some(({ isVerified }) => isVerified)
    })
  }

  /** Members that say they hold this block of the entry. */
  holdersOf(row: EntryRow, block: BlockId): readonly PeerId[] {
    return this.#sayingOf(this.#covering(row), block)
  }

  /** Of the block that the fewest say they hold or are `expected` to: who they are. Nobody for an entry without blocks. */
  fewestOf(row: EntryRow, expected: (block: BlockId) => readonly PeerId[]): readonly PeerId[] {
    const covering = this.#covering(row)
    let fewest: ReadonlySet<PeerId> | undefined
    for (const { id } of row.entry.blocks) {
      const holders = new Set([...expected(id), ...this.#sayingOf(covering, id)])
      if (fewest === undefined || holders.size < fewest.size) fewest = holders
    }
    return [...(fewest ?? [])]
  }

  #sayingOf(covering: readonly Covering[], block: BlockId): readonly PeerId[] {
    return covering
      .filter((one) => one.view.receipt.keep !== 'share' || this.#holderOf(one, block).length > 0)
      .map(({ view }) => view.receipt.peer)
  }

  #covering(row: EntryRow): readonly Covering[] {
    return this.#views.flatMap((view) => {
      const parts = view.parts.filter((part) => isCovered(part, row, row.entry.entryId))
      if (parts.length === 0) return []
      const { audited } = view.facts
      const isDrawnFrom = audited !== undefined && audited !== 'always' && row.rowSeq <= audited.lastRow
      const auditedParts = isDrawnFrom ? view.auditedParts.filter((part) => isCovered(part, row, row.entry.entryId)) : []
      return [{ view, parts, auditedParts }]
    })
  }

  #fewest(blocks: readonly BlockRef[], all: readonly Covering[], shares: readonly Covering[]): Copies {
    const everywhere = all.map(asHolder)
    const some = new Set(all.map(({ view }) => view))
    let [copies, verified, zones] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
    for (const { id } of blocks) {
      const holders = [...everywhere, ...shares.flatMap((share) => this.#holderOf(share, id))]
      for (const { view } of holders) some.add(view)
      const here = summary(comparedHere(holders))
      copies = Math.min(copies, here.copies)
      verified = Math.min(verified, here.verified)
      zones = Math.min(zones, here.zones)
    }
    return { copies, verified, zones, holders: [...some].map(({ receipt }) => receipt.peer) }
  }

  #holderOf({ view, parts, auditedParts }: Covering, block: BlockId): readonly Holder[] {
    const { receipt, facts } = view
    const isHeldBy = (said: readonly PartView[], { released }: Receipt): boolean =>
      said.some((part) => coversBlock(part, block, released, (layout) => this.#isHolder(layout, receipt.peer, block)))
    if (!isHeldBy(parts, receipt)) return []
    const { audited } = facts
    if (audited === undefined || audited === 'always') return [{ view, isVerified: audited === 'always' }]
    return [{ view, isVerified: isHeldBy(auditedParts, audited.receipt) }]
  }
}

/** Of an entry all of whose blocks a member holds. */
function asHolder({ view, auditedParts }: Covering): Holder {
  return { view, isVerified: view.facts.audited === 'always' || auditedParts.length > 0 }
}

/** Audits compare with what this node has: of what it has not got, nothing was compared. */
function comparedHere(holders: readonly Holder[]): readonly Holder[] {
  const isHere = holders.some(({ view }) => view.facts.audited === 'always')
  return isHere ? holders : holders.map(({ view }) => ({ view, isVerified: false }))
}

function isCovered({ heads, lacking }: PartView, { author, seq }: Pick<StoredEntry, 'author' | 'seq'>, entryId: Uint8Array): boolean {
  return isKnown(heads.get(author) ?? nothingKnown, seq) && (lacking.size === 0 || !lacking.has(bytesKey(entryId)))
}

function summary(holders: readonly Holder[]): Omit<Copies, 'holders'> {
  return {
    copies: holders.length,
    verified: holders.filter(({ isVerified }) => isVerified).length,
    zones: new Set(holders.map(({ view }) => view.facts.zone)).size,
  }
}
