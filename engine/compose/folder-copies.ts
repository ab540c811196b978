// The copies of one folder: its receipts, what they add up to, and the list that a person asks for.

import type { CopiesList, FileCopies } from '../api/controls.ts'
import { throwIfAborted } from '../base/queue.ts'
import type { Index } from '../index/index-store.ts'
import type { PeerId } from '../model/ids.ts'
import { CopyCount, type CopySummary } from '../replicas/copy-count.ts'
import { CopyView, type IsHolder, type MemberFacts } from '../replicas/copies.ts'
import type { ReceiptBook } from '../replicas/receipt-book.ts'
import type { FolderLog } from '../share/folder-log.ts'
import type { MemberHandle, ReadingKeys } from '../sync/folder-handle.ts'
import { openEntryMeta } from '../sync/versions.ts'
import { openReceiptBook, type FolderReceiptParts } from './folder-receipts.ts'
import type { MemberParts } from './member-parts.ts'

export interface FolderCopyParts extends Omit<FolderReceiptParts, 'changed'> {
  /** Tells the members. */
  readonly tell: () => void
  /** Tells whoever shows it. */
  readonly changed: () => void
}

export interface CopiesQuery {
  /** Only this path, or what is below it. */
  readonly path: string | undefined
  /** Those with the fewest copies first, else by name. */
  readonly isWorstFirst: boolean
  readonly limit: number
}

const pageEntries = 200

export class FolderCopies {
  readonly receipts: ReceiptBook
  readonly #parts: MemberParts
  readonly #handle: MemberHandle
  readonly #log: FolderLog
  readonly #count: CopyCount

  constructor(parts: MemberParts, own: FolderCopyParts) {
    const { index, world } = parts
    this.#parts = parts
    this.#handle = own.handle
    this.#log = own.log
    const changed = (): void => {
      this.#count.wake()
      own.tell()
      own.changed()
    }
    this.receipts = openReceiptBook(parts, { ...own, changed })
    this.#count = new CopyCount({
      index,
      folderRow: own.handle.row,
      clock: world.clock,
      edition: () => `${this.receipts.edition}/${parts.cards.edition}/${own.log.length}`,
      view: () => this.#view(),
      targetCopies: () => own.log.state.targetCopies,
      changed: own.changed,
    })
  }

  /** Both go on until `signal` aborts. */
  get tasks(): readonly ((signal: AbortSignal) => Promise<void>)[] {
    return [(signal) => this.receipts.run(signal), (signal) => this.#count.run(signal)]
  }

  /** Something in the folder changed. */
  wake(): void {
    this.receipts.wake()
    this.#count.wake()
  }

  get summary(): CopySummary | undefined {
    return this.#count.summary
  }

  /** As status shows it. */
  get status(): { readonly target: number; readonly min: number; readonly below: number; readonly single: number } {
    const { min, below, single } = this.summary ?? { min: 0, below: 0, single: 0 }
    return { target: this.#log.state.targetCopies, min, below, single }
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
    return { targetCopies: this.#log.state.targetCopies, files: best(found, isWorstFirst, limit), total }
  }

  #view(): CopyView {
    const index: Index = this.#parts.index
    return new CopyView(this.receipts.all(), index.entries.authors(this.#handle.row), (peer) => this.#factsOf(peer), this.#isHolder)
  }

  #factsOf(peer: PeerId): MemberFacts {
    const { world, network, cards } = this.#parts
    if (peer === network.self) return { zone: world.zone, isVerified: true }
    return { zone: cards.cardOf(peer)?.zone ?? '', isVerified: false }
  }

  readonly #isHolder: IsHolder = () => true
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
