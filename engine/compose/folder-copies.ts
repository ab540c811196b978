// The copies of one folder: its receipts, what they add up to, and the list that a person asks for.

import type { CopiesList, FileCopies, Problem } from '../api/controls.ts'
import type { AuditStatus } from '../api/store-controls.ts'
import { EngineError } from '../base/errors.ts'
import { bytesKey } from '../base/bytes.ts'
import { throwIfAborted } from '../base/queue.ts'
import type { EntryRow } from '../index/entry-table.ts'
import type { Index } from '../index/index-store.ts'
import { mayWrite, type Keep } from '../model/folder.ts'
import type { BlockId, PeerId } from '../model/ids.ts'
import { CopyCount, type CopySummary } from '../replicas/copy-count.ts'
import { wholeOffer } from '../replicas/offer.ts'
import { CopyView, type IsHolder, type MemberFacts } from '../replicas/copies.ts'
import type { Receipt } from '../replicas/receipt.ts'
import { repairRank } from '../replicas/repair-order.ts'
import { zoneKey } from '../replicas/placement-pool.ts'
import type { ReceiptBook } from '../replicas/receipt-book.ts'
import type { Lackers } from '../replicas/repair-fetch.ts'
import { isHeard } from '../replicas/whole.ts'
import type { FolderLog } from '../share/folder-log.ts'
import type { MemberHandle, ReadingKeys } from '../sync/folder-handle.ts'
import { openEntryMeta } from '../sync/versions.ts'
import type { FolderProblems } from '../sync/problems.ts'
import type { Fetcher } from '../transfer/fetch.ts'
import type { HeldParts } from '../transfer/held-blocks.ts'
import { absenceProblems } from './absence-problems.ts'
import { copyProblems } from './copy-problems.ts'
import { fullProblems } from './full-problems.ts'
import { FolderAbsence } from './folder-absence.ts'
import { FolderLayout } from './folder-layout.ts'
import { FolderAudits } from './folder-audits.ts'
import { claimedBlocks, isClaimed } from './member-claims.ts'
import { openReceiptBook, type FolderReceiptParts } from './folder-receipts.ts'
import type { MemberParts } from './member-parts.ts'

export interface FolderCopyParts extends Omit<FolderReceiptParts, 'changed' | 'absent'> {
  readonly log: FolderLog
  /** Tells the members. */
  readonly tell: () => void
  /** Tells whoever shows it. */
  readonly changed: () => void
  readonly connected: () => readonly PeerId[]
  /** Those of them that have not paused the folder. */
  readonly active: () => readonly PeerId[]
  readonly fetcher: Fetcher
  /** Content is still coming here. */
  readonly isFilling: () => boolean
  /** Where this node's own blocks are. */
  readonly held: HeldParts
  readonly problems: FolderProblems
  /** What this node holds of the folder. */
  readonly keep: () => Keep
  /** Which blocks are whose changed. */
  readonly layoutChanged: () => void
}

export interface CopiesQuery {
  /** Only this path, or what is below it. */
  readonly path: string | undefined
  /** Those with the fewest copies first, else by name. */
  readonly isWorstFirst: boolean
  readonly limit: number
}

/** Entries of which this node may be the last that has some content. */
export interface LastHere {
  /** No other member says that it has it. */
  readonly unclaimed: number
  /** Others say so, and none has proven it lately. */
  readonly unproven: number
  /** Of all these blocks. */
  readonly bytes: number
}

const pageEntries = 200

export class FolderCopies {
  readonly receipts: ReceiptBook
  readonly layout: FolderLayout
  readonly absence: FolderAbsence
  readonly audit: FolderAudits
  readonly #parts: MemberParts
  readonly #handle: MemberHandle
  readonly #log: FolderLog
  readonly #count: CopyCount
  readonly #active: () => readonly PeerId[]

  constructor(parts: MemberParts, own: FolderCopyParts) {
    const { index, world, cards } = parts
    this.#parts = parts
    this.#handle = own.handle
    this.#log = own.log
    this.#active = own.active
    const changed = (): void => {
      this.absence.refute()
      this.layout.wake()
      this.#count.wake()
      own.tell()
      own.changed()
    }
    this.receipts = openReceiptBook(parts, { ...own, changed, absent: () => this.absence.marks() })
    const { presence, network } = parts
    this.absence = new FolderAbsence({ self: network.self, log: own.log, cards, presence, receipts: () => this.receipts })
    this.layout = new FolderLayout({
      index,
      world,
      cards,
      self: parts.network.self,
      signer: parts.identity,
      folder: own.handle.record,
      log: own.log,
      ownKeep: own.keep,
      keepOf: (peer) => this.receipts.of(peer)?.keep,
      offerOf: (peer) => this.receipts.of(peer)?.offer ?? wholeOffer,
      hasLeft: (peer) => this.receipts.hasLeft(peer),
      absent: () => this.absence.agreed,
      changed: () => {
        this.#count.recount()
        this.audit.claimsChanged()
        own.layoutChanged()
      },
      tell: own.tell,
    })
    this.#count = new CopyCount({
      index,
      folderRow: own.handle.row,
      clock: world.clock,
      edition: () => `${this.receipts.edition}/${parts.cards.factsEdition}/${own.log.length}/${this.absence.edition}`,
      view: () => this.#view(),
      presentView: () => (this.absence.agreed.size === 0 ? undefined : this.#view(this.present)),
      targetCopies: () => own.log.state.targetCopies,
      changed: own.changed,
    })
    this.audit = new FolderAudits(parts, {
      ...own,
      receipts: this.receipts,
      isHolder: this.#isHolder,
      changed: () => {
        this.#count.recount()
        own.changed()
      },
    })
  }

  /** How the other members' words were checked. */
  audits(): readonly Omit<AuditStatus, 'folder'>[] {
    return this.audit.status()
  }

  /** The blocks of an entry that this node has said it holds. */
  ownClaims(): (entry: EntryRow) => readonly BlockId[] {
    const claims = this.audit.memberClaims(this.#parts.network.self)
    return (entry) => claimedBlocks(claims, entry)
  }

  /** The blocks of an entry that a member says it holds; undefined when its word, or what is thought of it, leaves the entry out. */
  claimedBy(peer: PeerId): (entry: EntryRow) => readonly BlockId[] | undefined {
    const claims = this.audit.memberClaims(peer)
    const isBelieved = this.#believed().some((receipt) => receipt.peer === peer)
    return (entry) => (isBelieved && isClaimed(claims, entry) ? claimedBlocks(claims, entry) : undefined)
  }

  /** All go on until `signal` aborts. */
  get tasks(): readonly ((signal: AbortSignal) => Promise<void>)[] {
    return [
      (signal) => this.receipts.run(signal),
      (signal) => this.#count.run(signal),
      (signal) => this.audit.run(signal),
      (signal) => this.layout.run(signal),
    ]
  }

  /** Something in the folder changed. */
  wake(): void {
    this.receipts.wake()
    this.#count.wake()
    this.audit.wake()
    this.layout.wake()
  }

  get summary(): CopySummary | undefined {
    return this.#count.summary
  }

  /** As status shows it. */
  get status(): { readonly target: number; readonly min: number; readonly below: number; readonly single: number } {
    const { min, below, single } = this.summary ?? { min: 0, below: 0, single: 0 }
    return { target: this.#log.state.targetCopies, min, below, single }
  }

  /** Of members that are overdue or lost, and of files that have had too few copies for a while. */
  problems(): readonly Problem[] {
    const { network } = this.#parts
    const { name: folder } = this.#handle.record
    const absent = [...this.absence.agreed].map(([peer, degree]) => ({
      peer,
      name: this.#nameOf(peer),
      degree,
      isWaitedFor: this.#isWaitedFor(peer),
    }))
    const connected = new Set([network.self, ...network.connectedPeers()])
    const keepers = this.layout.keepers().map((peer) => ({ name: this.#nameOf(peer), isHere: connected.has(peer) }))
    const retired = this.#log.members.flatMap(({ peer, isRetired }) => (isRetired ? [this.#nameOf(peer)] : []))
    const { targetCopies } = this.#log.state
    return [
      ...absenceProblems(folder, absent, this.summary),
      ...this.#fullProblems(),
      ...copyProblems({ folder, targetCopies, shortage: this.#count.lasting, keepers, retired }),
    ]
  }

  /** By hosts, before they collect garbage: as they judge it, by what is known here. */
  #isWaitedFor(peer: PeerId): boolean {
    const { members } = this.#log
    const member = members.find((one) => one.peer === peer)
    if (member === undefined || !members.some(({ role }) => role === 'host')) return false
    const authors = this.#parts.index.entries.authors(this.#handle.row)
    const known = new Map(authors.map((author) => [bytesKey(author.authorId), author.known]))
    return !isHeard(known, this.receipts.of(peer), mayWrite(member.role))
  }

  #nameOf(peer: PeerId): string {
    const { cards, network, world } = this.#parts
    if (peer === network.self) return world.name
    return cards.cardOf(peer)?.name ?? this.#log.members.find((member) => member.peer === peer)?.name ?? peer
  }

  /** Other hosts that are there, hold a share, and take blocks. */
  get hostsWithRoom(): number {
    const { self } = this.#parts.network
    const hosts = this.#log.members.filter(({ peer, role, isRetired }) => role === 'host' && !isRetired && peer !== self)
    return hosts.filter(({ peer }) => !this.#isFull(peer) && this.receipts.of(peer)?.keep !== 'all' && !this.absence.agreed.has(peer))
      .length
  }

  #isFull(peer: PeerId): boolean {
    return this.receipts.of(peer)?.offer.isFull === true
  }

  #fullProblems(): readonly Problem[] {
    const { self } = this.#parts.network
    // What is to be told of this node's own disk is another problem.
    const full = this.#log.members.filter(({ peer, isRetired }) => peer !== self && !isRetired && this.#isFull(peer))
    const named = full.map(({ peer }) => ({ peer, name: this.#nameOf(peer) }))
    return fullProblems(this.#handle.record.name, named, { hostsWithRoom: this.hostsWithRoom, below: this.summary?.below ?? 0 })
  }

  /** Every entry known now has at least so many copies. */
  hasEverywhere(copies: number): boolean {
    return this.#count.isCurrent && (this.summary?.min ?? 0) >= copies
  }

  /** Files with their copies. `keys` open the names. */
  async list(keys: ReadingKeys, { path, isWorstFirst, limit }: CopiesQuery, signal: AbortSignal): Promise<CopiesList> {
    const { index, world } = this.#parts
    const view = this.#view()
    let found: FileCopies[] = []
    let total = 0
    let after = 0
    for (;;) {
      throwIfAborted(signal)
      const rows = index.entries.page(this.#handle.row, after, pageEntries)
      for (const row of rows) {
        const meta = row.entry.deleted ? undefined : openEntryMeta(keys.metaKeys, row.entry)
        if (meta?.kind !== 'file' || !isAtOrBelow(meta.path, path)) continue
        total++
        found.push({ path: meta.path, bytes: meta.sizeBytes, ...view.of(row) })
      }
      if (found.length > 2 * limit) found = best(found, isWorstFirst, limit)
      after = rows.at(-1)?.rowSeq ?? after
      if (rows.length < pageEntries) break
      await world.clock.sleep(0, signal)
    }
    if (total === 0 && path !== undefined) {
      const { name } = this.#handle.record
      throw new EngineError(
        'UNKNOWN_PATH',
        `there is no file ${path} in ${name}, and none below it: paths are given from the top of the folder`,
      )
    }
    return { targetCopies: this.#log.state.targetCopies, files: best(found, isWorstFirst, limit), total }
  }

  /**
   * What of current content would go with the blocks that `has` says are here: that of which no other member that is there says that it has it, and that
   * of which some do and none has proven it lately.
   */
  async lastHere(has: (block: BlockId) => boolean, signal: AbortSignal): Promise<LastHere> {
    const { index, world, network } = this.#parts
    const others = this.#view(this.present.filter(({ peer }) => peer !== network.self))
    let [unclaimed, unproven, bytes] = [0, 0, 0]
    for (let after = 0; ;) {
      throwIfAborted(signal)
      const rows = index.entries.page(this.#handle.row, after, pageEntries)
      for (const row of rows) {
        if (row.entry.deleted || row.entry.blocks.length === 0 || others.of(row).verified > 0) continue
        const last = row.entry.blocks.filter(({ id }) => has(id) && !others.isVerified(row, id))
        if (last.length === 0) continue
        if (last.some(({ id }) => others.holdersOf(row, id).length === 0)) unclaimed++
        else unproven++
        bytes += last.reduce((sum, { storedBytes }) => sum + storedBytes, 0)
      }
      after = rows.at(-1)?.rowSeq ?? after
      if (rows.length < pageEntries) return { unclaimed, unproven, bytes }
      await world.clock.sleep(0, signal)
    }
  }

  /** In which order entries are repaired, as things are now. Who is overdue is no help to anybody. */
  ranks(): (entry: EntryRow) => number {
    const { cards, presence, network, world } = this.#parts
    const view = this.#view(this.present)
    const isSteady = (peer: PeerId): boolean =>
      peer === network.self ? world.class === 'always-on' : presence.degreeOf(peer) === 'here' && cards.cardOf(peer)?.class === 'always-on'
    const steady = new Set(this.#log.members.flatMap(({ peer }) => (isSteady(peer) ? peer : [])))
    return (entry) => {
      const { copies, zones, holders } = view.of(entry)
      return repairRank({ copies, zones, isSteady: holders.some((peer) => steady.has(peer)) })
    }
  }

  /** Which of the hosts that can be reached are to hold a block and do not say that they do, this node always among them. */
  lackers(): Lackers {
    const { index, network } = this.#parts
    const { self } = network
    const active = this.#active()
    const hosts = this.#log.members.filter(({ peer, role }) => role === 'host' && active.includes(peer)).map(({ peer }) => peer)
    const view = this.#view()
    let entry: EntryRow | undefined // the blocks of one come one after the other
    return {
      hosts: hosts.toSorted().join(' '),
      of: ({ id, entryRow }) => {
        if (entry?.rowSeq !== entryRow) entry = index.entries.byRow(entryRow)
        const holders = this.layout.holdersNow(id)
        const others = hosts.filter((peer) => holders.includes(peer))
        if (entry === undefined || others.length === 0) return [self]
        const sayTheyDo = view.holdersOf(entry, id)
        return [self, ...others.filter((peer) => !sayTheyDo.includes(peer))]
      },
    }
  }

  #view(receipts: readonly Receipt[] = this.#believed()): CopyView {
    const index: Index = this.#parts.index
    return new CopyView(receipts, index.entries.authors(this.#handle.row), (peer) => this.#factsOf(peer), this.#isHolder)
  }

  /** Whoever could not prove its word is not believed until it can, and who is switched off for good, or lost, holds nothing. */
  #believed(): readonly Receipt[] {
    const gone = new Set(this.#log.members.filter(({ isRetired }) => isRetired).map(({ peer }) => peer))
    for (const [peer, degree] of this.absence.agreed) if (degree === 'lost') gone.add(peer)
    return this.receipts.all().filter(({ peer }) => !gone.has(peer) && this.isBelieved(peer))
  }

  /** … and who is overdue is no help now. */
  get present(): readonly Receipt[] {
    return this.#believed().filter(({ peer }) => !this.absence.agreed.has(peer))
  }

  /** It has not failed to prove its word. */
  isBelieved(peer: PeerId): boolean {
    return !this.audit.hasFailed(peer)
  }

  #factsOf(peer: PeerId): MemberFacts {
    const { world, network, cards } = this.#parts
    if (peer === network.self) return { zone: zoneKey(world.zone), audited: 'always' }
    const card = cards.cardOf(peer)
    return { zone: zoneKey(card?.zone ?? ''), audited: this.audit.auditedOf(peer) }
  }

  readonly #isHolder: IsHolder = (layout, peer, block) => this.layout.isHolder(layout, peer, block)
}

function best(files: readonly FileCopies[], isWorstFirst: boolean, limit: number): FileCopies[] {
  const byName = (left: FileCopies, right: FileCopies): number => (left.path < right.path ? -1 : 1)
  return files.toSorted((left, right) => (isWorstFirst ? worse(left, right) : 0) || byName(left, right)).slice(0, limit)
}

function worse(left: FileCopies, right: FileCopies): number {
  return left.copies - right.copies || left.zones - right.zones || left.verified - right.verified
}

function isAtOrBelow(path: string, place: string | undefined): boolean {
  return place === undefined || path === place || path.startsWith(`${place}/`)
}
