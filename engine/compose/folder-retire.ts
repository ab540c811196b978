// Retire of one folder that is only stored here, wired to what this node knows of the folder.

import { bytesKey } from '../base/bytes.ts'
import { activeMembers, mayWrite, type HostedRecord } from '../model/folder.ts'
import { Garbage } from '../replicas/garbage.ts'
import type { Outgoing } from '../replicas/outgoing.ts'
import { Retire, retirePace } from '../replicas/retire.ts'
import { Surplus, type SurplusParts } from '../replicas/surplus.ts'
import { isWhole } from '../replicas/whole.ts'
import type { StandInBook } from '../replicas/stand-in-book.ts'
import type { MemberParts } from './member-parts.ts'
import type { MemberWork } from './member-work.ts'

export interface FolderRetireParts {
  readonly record: HostedRecord
  readonly work: MemberWork
  readonly outgoing: Outgoing
  readonly book: StandInBook
  /** All that is this node's to hold is here. */
  readonly isComplete: () => boolean
  /** There is no room for what is to be here. */
  readonly isPressed: () => boolean
}

const releasePollMs = 500
const releaseWaitMs = 60_000

export function openRetire(parts: MemberParts, own: FolderRetireParts): { readonly retire: Retire; readonly surplus: Surplus } {
  const { world, index, store, presence } = parts
  const { record, work, outgoing } = own
  const { clock, random, retirePace: pace = retirePace } = world
  const shared = { index, store, outgoing, clock, awakeMs: () => presence.awakeMs }
  const surplus = new Surplus({
    ...shared,
    folder: record,
    leases: work.leases,
    graceMs: () => (own.isPressed() ? Math.min(pace.pressedMs, pace.surplusMs) : pace.surplusMs),
    ownership: () => (record.keep === 'all' ? () => true : work.copies.layout.ownPartitions),
    isStoodIn: (partition) => own.book.usesPartition(partition),
    isComplete: own.isComplete,
    released: releaser(parts, own, pace.settleMs),
  })
  const retire = new Retire({
    clock,
    log: work.logger,
    pace,
    surplus,
    garbage: new Garbage({
      ...shared,
      folder: record.id,
      folderRow: record.row,
      random,
      graceMs: pace.garbageMs,
      isWhole: () => isIndexWhole(parts, own),
    }),
    isPressed: own.isPressed,
    compact: (signal) => store.compact(signal),
    changed: () => work.noteChange(),
  })
  return { retire, surplus }
}

function isIndexWhole({ index, network, presence }: MemberParts, { record, work }: FolderRetireParts): boolean {
  const { log, copies, connected, exchange } = work
  const others = activeMembers(log.members, copies.receipts).filter(({ peer }) => peer !== network.self)
  return isWhole({
    known: new Map(index.entries.authors(record.row).map(({ authorId, known }) => [bytesKey(authorId), known])),
    others: others.map(({ peer, role }) => ({ peer, mayWrite: mayWrite(role) })),
    receiptOf: (peer) => copies.receipts.of(peer),
    level: new Set(connected.filter((peer) => exchange.isCaughtUpWith(peer))),
    isCutOff: others.some(({ peer }) => presence.doubted.includes(peer)),
  })
}

function releaser({ world, index }: MemberParts, { record, work }: FolderRetireParts, settleMs: number): SurplusParts['released'] {
  const { clock } = world
  return async (partitions, signal) => {
    const { receipts } = work.copies
    index.transactDurably(() => {
      for (const partition of partitions) index.retiring.release(record.row, partition)
    })
    receipts.wake()
    for (let waitedMs = 0; waitedMs < releaseWaitMs; waitedMs += releasePollMs) {
      const released = receipts.own?.released
      if (partitions.every((partition) => released?.has(partition) === true)) {
        await clock.sleep(settleMs, signal)
        return true
      }
      await clock.sleep(releasePollMs, signal)
    }
    return false
  }
}
