// Standing in for members that are away, of one folder that is only stored here, wired to what this node knows of the folder.

import type { HostedRecord } from '../model/folder.ts'
import { activeMembers } from '../model/folder.ts'
import type { PeerId } from '../model/ids.ts'
import { CopyView, type IsHolder, type MemberFacts } from '../replicas/copies.ts'
import type { Outgoing } from '../replicas/outgoing.ts'
import { zoneKey } from '../replicas/placement-pool.ts'
import { covers, isStandIn, type Receipt } from '../replicas/receipt.ts'
import { standInPace } from '../replicas/stand-in.ts'
import type { StandInBook } from '../replicas/stand-in-book.ts'
import { StandIns, type StandInOutlook, type StandInsParts } from '../replicas/stand-ins.ts'
import type { MemberParts } from './member-parts.ts'
import type { MemberWork } from './member-work.ts'

export interface FolderStandInParts {
  readonly record: HostedRecord
  readonly work: MemberWork
  readonly outgoing: Outgoing
  readonly book: StandInBook
  readonly canLook: StandInsParts['canLook']
  readonly link: StandInsParts['link']
}

/** Views are asked who holds what, not how sure that is. */
const nothingMore: MemberFacts = { zone: '', audited: undefined }

export function openStandIns(parts: MemberParts, own: FolderStandInParts): StandIns {
  const { world, index, network, presence } = parts
  const { record, work, outgoing, book, canLook, link } = own
  return new StandIns({
    index,
    store: outgoing.view,
    folder: record,
    book,
    self: network.self,
    fetcher: work.fetcher,
    clock: world.clock,
    log: work.logger,
    awakeMs: () => presence.awakeMs,
    pace: world.standInPace ?? standInPace,
    canLook,
    isAnyAway: () => {
      const here = hereOf(parts, work)
      return work.copies.layout.keepers().some((peer) => !here.has(peer))
    },
    outlook: () => outlookOf(parts, own),
    isSaid: ({ author, seq, entryId }) => {
      const authorId = index.entries.authors(record.row).find(({ row }) => row === author)?.authorId
      const said = work.copies.receipts.own?.parts.filter(isStandIn) ?? []
      return authorId !== undefined && said.some((part) => covers(part, { author: authorId, seq, entryId }))
    },
    link,
    events: {
      stored: () => work.tellHave(),
      changed: () => work.noteChange(),
    },
  })
}

/** Who takes part in the folder at this moment, this node among them. */
function hereOf({ network }: MemberParts, work: MemberWork): ReadonlySet<PeerId> {
  return new Set([network.self, ...work.active])
}

function outlookOf(parts: MemberParts, { record, work }: FolderStandInParts): StandInOutlook {
  const { index, network, cards, world } = parts
  const { log, copies } = work
  const here = hereOf(parts, work)
  const authors = index.entries.authors(record.row)
  const isHolder: IsHolder = (layout, peer, block) => copies.layout.isHolder(layout, peer, block)
  const viewOf = (receipts: readonly Receipt[]): CopyView => new CopyView(receipts, authors, () => nothingMore, isHolder)
  const members = new Set(activeMembers(log.members, copies.receipts).map(({ peer }) => peer))
  // Whoever holds it, believed or not, overdue or not: what was on two machines once is not new, and a matter of repair.
  const claimed = viewOf(copies.receipts.all().filter(({ peer }) => members.has(peer)))
  const counted = viewOf(copies.present.map((receipt) => (receipt.peer === network.self ? withoutStandIn(receipt) : receipt)))
  return {
    targetCopies: log.state.targetCopies,
    claimsOf: (row) => claimed.countOf(row),
    holdersOf: (row) => claimed.fewestOf(row, (id) => copies.layout.holdersNow(id).filter((peer) => here.has(peer))),
    otherCopiesOf: (row) => counted.of(row).copies,
    candidates: copies.layout
      .sharers()
      .filter(({ peer }) => here.has(peer) && copies.isBelieved(peer) && copies.receipts.of(peer)?.offer.isFull !== true)
      .map(({ peer, zone, capacityBytes }) => ({ peer, zone: zoneKey(zone), capacityBytes })),
    zoneOf: (peer) => zoneKey((peer === network.self ? world.zone : cards.cardOf(peer)?.zone) ?? ''),
  }
}

function withoutStandIn(receipt: Receipt): Receipt {
  return { ...receipt, parts: receipt.parts.filter((part) => !isStandIn(part)) }
}
