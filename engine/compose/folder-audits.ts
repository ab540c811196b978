// The audits of one folder's members, wired to what this node has of it: who is asked, what a member claims, and what came of it.

import type { NodeClass } from '../api/controls.ts'
import type { AuditStatus } from '../api/store-controls.ts'
import { equalBytes } from '../base/bytes.ts'
import type { AuditRow } from '../index/audit-table.ts'
import type { Index } from '../index/index-store.ts'
import { activeMembers } from '../model/folder.ts'
import type { BlockId, PeerId } from '../model/ids.ts'
import type { AuditedWord } from '../replicas/copies.ts'
import type { ReceiptBook } from '../replicas/receipt-book.ts'
import { parseReceipt } from '../replicas/receipt.ts'
import { proofKeyOf } from '../crypto/block-proof.ts'
import { Audit } from '../scrub/audit.ts'
import type { Claims, SampledBlock } from '../scrub/sample.ts'
import type { FolderLog } from '../share/folder-log.ts'
import { entryIdOf } from '../crypto/keys.ts'
import { normalisePath } from '../model/path.ts'
import type { MemberHandle, ReadingKeys } from '../sync/folder-handle.ts'
import type { FlowProblem, FolderProblems } from '../sync/problems.ts'
import type { Fetcher } from '../transfer/fetch.ts'
import { heldBlocks, type HeldParts } from '../transfer/held-blocks.ts'
import { claimedBlocks, claimedCounts, type MemberClaims } from './member-claims.ts'
import type { MemberParts } from './member-parts.ts'

export interface FolderAuditParts {
  readonly handle: MemberHandle
  readonly log: FolderLog
  readonly receipts: ReceiptBook
  readonly connected: () => readonly PeerId[]
  readonly fetcher: Fetcher
  /** Content is still coming here. */
  readonly isFilling: () => boolean
  /** Where this node's own blocks are. */
  readonly held: HeldParts
  readonly problems: FolderProblems
  /** Whether a placement gives a block to a member. */
  readonly isHolder: (layout: Uint8Array, peer: PeerId, block: BlockId) => boolean | undefined
  /** Somebody passed, failed or came into doubt. */
  readonly changed: () => void
}

const msPerDay = 86_400_000
/** How long a member's word is verified after it was checked; after that it is only believed. */
const goodForMs: Readonly<Record<NodeClass, number>> = { 'always-on': 2 * msPerDay, daily: 7 * msPerDay, occasional: 30 * msPerDay }
/** Of a request so many blocks are compared with what the member claims, … */
const comparedBlocks = 8
/** … and requests of one member at most this often. */
const comparedEveryMs = 1000

export class FolderAudits {
  readonly #node: MemberParts
  readonly #parts: FolderAuditParts
  readonly #audit: Audit
  /** Receipts that were audited, as they were read from the rows that have them. */
  readonly #words = new WeakMap<AuditRow, AuditedWord | undefined>()
  readonly #comparedAtMs = new Map<PeerId, number>()

  constructor(node: MemberParts, parts: FolderAuditParts) {
    this.#node = node
    this.#parts = parts
    const { clock, random, log } = node.world
    const { handle, receipts, connected, fetcher, held, problems, isFilling, changed } = parts
    const { entries, audits } = node.index
    this.#audit = new Audit({
      clock,
      random,
      log,
      audits,
      folderRow: handle.row,
      claimants: () =>
        receipts
          .all()
          .filter(({ peer, parts: said }) => said.some(({ heads }) => heads.size > 0) && connected().includes(peer))
          .map(({ peer, edition }) => ({ peer, edition, goodMs: goodForMs[this.#classOf(peer)] })),
      claimsOf: (peer) => this.#claimsOf(peer),
      isFilling,
      lastRow: () => entries.lastRowOf(handle.row),
      prove: (peer, ids, nonce, signal) => fetcher.prove(peer, ids, nonce, signal),
      expected: async (peer, ids, nonce, signal) => heldBlocks(held, ids, signal, { proofKey: proofKeyOf(peer, nonce) }),
      events: {
        passed: (peer) => {
          problems.clear('COPY_NOT_PROVEN', peer)
          changed()
        },
        failed: (peer, missing) => {
          const name = parts.log.members.find((member) => member.peer === peer)?.name ?? peer
          problems.note(notProven(name, peer, missing))
          changed()
        },
      },
    })
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#audit.run(signal)
  }

  /** A member came, or claims something new. */
  wake(): void {
    this.#audit.wake()
  }

  /** What members claim is understood anew. */
  claimsChanged(): void {
    this.#audit.claimsChanged()
  }

  /** It could not prove its word, and has not passed since. */
  hasFailed(peer: PeerId): boolean {
    return (this.#node.index.audits.get(this.#parts.handle.row, peer)?.missing ?? 0) > 0
  }

  /** What of a member's word was checked not long ago. */
  auditedOf(peer: PeerId): AuditedWord | undefined {
    const { index, world } = this.#node
    const row = index.audits.get(this.#parts.handle.row, peer)
    if (row === undefined || row.missing > 0) return undefined
    // Also where the clock was set back by more: nobody knows then how long ago it was.
    if (Math.abs(world.clock.nowMs() - row.atMs) > goodForMs[this.#classOf(peer)]) return undefined
    return this.#wordOf(row)
  }

  /** A member asks for blocks. What it asks for it has not got, whatever it says. */
  asked(peer: PeerId, ids: readonly BlockId[]): void {
    const { clock } = this.#node.world
    this.#audit.asked(peer, ids)
    const { handle } = this.#parts
    const nowMs = clock.monotonicMs()
    const nameKey = handle.reading?.nameKey // who cannot read does not know whose a block is
    if (nameKey === undefined || nowMs - (this.#comparedAtMs.get(peer) ?? Number.NEGATIVE_INFINITY) < comparedEveryMs) return
    const receipt = this.#parts.receipts.of(peer)
    if (receipt === undefined || receipt.parts.every(({ heads }) => heads.size === 0)) return
    this.#comparedAtMs.set(peer, nowMs)
    const step = Math.max(1, Math.floor(ids.length / comparedBlocks))
    const claims = this.memberClaims(peer)
    const claimed = ids.filter((_, at) => at % step === 0).flatMap((id) => claimedHome(this.#node.index, handle.row, nameKey, claims, id))
    if (claimed.length === 0) return
    this.#audit.suspect(peer, claimed)
    this.#parts.changed()
  }

  memberClaims(peer: PeerId): MemberClaims {
    const { receipts, handle, isHolder } = this.#parts
    const { entries, audits } = this.#node.index
    const row = audits.get(handle.row, peer)
    return {
      receipt: receipts.of(peer),
      audited: row === undefined || row.missing > 0 ? undefined : this.#wordOf(row),
      authorOf: new Map(entries.authors(handle.row).map(({ row: author, authorId }) => [author, authorId])),
      isHolder: (layout, block) => isHolder(layout, peer, block) === true,
    }
  }

  #claimsOf(peer: PeerId): Claims | undefined {
    const { index } = this.#node
    const { receipts, handle } = this.#parts
    const word = receipts.bytesOf(peer)
    const claims = this.memberClaims(peer)
    if (word === undefined || claims.receipt === undefined) return undefined
    return {
      word,
      edition: claims.receipt.edition,
      counts: (after, limit) => claimedCounts(index, handle.row, claims, after, limit),
      blocks: (rowSeq) => {
        const entry = index.entries.byRow(rowSeq)
        return entry === undefined ? [] : claimedBlocks(claims, entry)
      },
      isCurrent: (rowSeq) => index.entries.isCurrent(rowSeq),
    }
  }

  #wordOf(row: AuditRow): AuditedWord | undefined {
    if (!this.#words.has(row)) {
      const receipt = row.word.length === 0 ? undefined : parseReceipt(row.word, this.#parts.handle.record.id)
      this.#words.set(row, receipt === undefined ? undefined : { receipt, lastRow: row.lastRow })
    }
    return this.#words.get(row)
  }

  /** Of the other members. */
  status(): readonly Omit<AuditStatus, 'folder'>[] {
    const { index, network, cards, world } = this.#node
    const { log, receipts, handle } = this.#parts
    const others = activeMembers(log.members, receipts).filter(({ peer }) => peer !== network.self)
    return others.map(({ peer, name }) => {
      const last = index.audits.get(handle.row, peer)
      const isClaiming = receipts.of(peer)?.parts.some(({ heads }) => heads.size > 0) === true
      const isDueNow = last === undefined || last.missing > 0 || last.word.length === 0
      const nextMs = isDueNow ? world.clock.nowMs() : last.atMs + goodForMs[this.#classOf(peer)] / 2
      return {
        peer,
        name: cards.cardOf(peer)?.name ?? name,
        ...(last === undefined ? {} : { lastMs: last.atMs }),
        blocks: last?.blocks ?? 0,
        missing: last?.missing ?? 0,
        ...(isClaiming ? { nextMs } : {}),
        ...index.audits.counts(handle.row, peer),
      }
    })
  }

  #classOf(peer: PeerId): NodeClass {
    return this.#node.cards.cardOf(peer)?.class ?? 'daily'
  }
}

/** The entry of a file here that has the block and that the member says it holds. */
function claimedHome(
  index: Index,
  folderRow: number,
  nameKey: ReadingKeys['nameKey'],
  claims: MemberClaims,
  id: BlockId,
): readonly SampledBlock[] {
  const home = index.items.homeOf(folderRow, id)
  if (home === undefined) return []
  const entries = index.entries.siblings(folderRow, entryIdOf(nameKey, normalisePath(home.item.path)))
  const entry = entries.find((row) => claimedBlocks(claims, row).some((claimed) => equalBytes(claimed, id)))
  return entry === undefined ? [] : [{ id, rowSeq: entry.rowSeq }]
}

function notProven(name: string, peer: PeerId, missing: number): FlowProblem {
  return {
    code: 'COPY_NOT_PROVEN',
    severity: 'warning',
    path: peer,
    text: `${name} could not prove ${missing === 1 ? 'one block' : `${missing} blocks`} that it says it holds: what it holds does not count as a copy until it can`,
    next: 'It looks for what it lost and fetches it again by itself; check its disk if this stays.',
  }
}
