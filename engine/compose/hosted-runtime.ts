// A folder that is stored here without being read: its entries and its blocks, exchanged with the members like everywhere, and no tree.

import type { FolderState, FolderStatus, Problem, Progress } from '../api/controls.ts'
import type { HostedRecord } from '../model/folder.ts'
import { folderIdText } from '../model/ids.ts'
import { holdsAll, type Holding } from '../replicas/holding.ts'
import { Outgoing } from '../replicas/outgoing.ts'
import { Repair } from '../replicas/repair.ts'
import type { LinkUse } from '../replicas/repair-order.ts'
import type { Retire } from '../replicas/retire.ts'
import { StandInBook } from '../replicas/stand-in-book.ts'
import type { StandIns } from '../replicas/stand-ins.ts'
import type { FolderLog } from '../share/folder-log.ts'
import { openHostedHandle, type MemberHandle } from '../sync/folder-handle.ts'
import type { NeedReason } from '../sync/reasons.ts'
import { entriesOfBlockNeeds } from './folder-receipts.ts'
import { openRetire } from './folder-retire.ts'
import { openStandIns } from './folder-stand-ins.ts'
import { pausedField } from './folder-status.ts'
import { HostEntries } from './host-entries.ts'
import { HostOffer } from './host-offer.ts'
import type { MemberParts } from './member-parts.ts'
import type { MemberRuntime } from './member-runtime.ts'
import { MemberWork, type MemberFlows } from './member-work.ts'
import { limitFolder } from './store-limits.ts'

const haveIntervalMs = 500

export class HostedRuntime implements MemberRuntime {
  readonly handle: MemberHandle
  readonly work: MemberWork
  readonly #record: HostedRecord
  readonly #parts: MemberParts
  readonly #repair: Repair
  readonly #retire: Retire
  readonly #book: StandInBook
  readonly #standIns: StandIns
  readonly #offer: HostOffer
  readonly #entries: HostEntries
  readonly #outgoing: Outgoing
  #isFull = false

  constructor(parts: MemberParts, record: HostedRecord) {
    const { world, index, identity, network, store } = parts
    this.#parts = parts
    this.#record = record
    this.handle = openHostedHandle(record, identity)
    this.#outgoing = new Outgoing(store, record.id)
    this.#book = new StandInBook({ index, folder: record, store: this.#outgoing.view, clock: world.clock })
    this.#entries = new HostEntries({
      index,
      clock: world.clock,
      record,
      capacityBytes: world.capacityBytes,
      problems: () => this.work.problems,
      changed: () => this.work.copies.receipts.wake(),
    })
    this.work = new MemberWork(parts, this.handle, this.#flows())
    const { copies, fetcher, logger } = this.work
    this.#repair = new Repair({
      index,
      store: this.#outgoing.view,
      folder: record,
      fetcher,
      clock: world.clock,
      log: logger,
      holding: () => this.#holding(),
      self: network.self,
      lackers: () => copies.lackers(),
      ranks: () => copies.ranks(),
      claims: () => copies.ownClaims(),
      link: () => this.#link(),
      events: this.#repairEvents(),
    })
    const { work } = this
    const isComplete = (): boolean => this.#knowsNeeds && this.#needs().blocks === 0
    const isPressed = (): boolean => this.#offer.isRefusing
    const { retire, surplus } = openRetire(parts, { record, work, outgoing: this.#outgoing, book: this.#book, isComplete, isPressed })
    this.#retire = retire
    this.#standIns = openStandIns(parts, {
      record,
      work,
      outgoing: this.#outgoing,
      book: this.#book,
      canLook: () => this.#knowsStore,
      link: () => this.#link(),
    })
    this.#offer = new HostOffer({
      clock: world.clock,
      store,
      folder: record.id,
      keepsAll: record.keep === 'all',
      awakeMs: () => parts.presence.awakeMs,
      said: () => copies.receipts.own?.offer,
      neededBytes: () => (this.#knowsNeeds ? this.#needs().bytes : undefined),
      mayOthersHelp: () => copies.layout.hasChoice && copies.hostsWithRoom > 0,
      hasSurplus: () => surplus.isAny,
      changed: () => copies.receipts.wake(),
    })
  }

  get record(): HostedRecord {
    return { ...this.#record, isPaused: this.work.isPaused }
  }

  get log(): FolderLog {
    return this.work.log
  }

  get isPaused(): boolean {
    return this.work.isPaused
  }

  get isStopped(): boolean {
    return this.work.isStopped
  }

  get isSynced(): boolean {
    if (this.work.isPaused) return true
    if (this.work.isStopped) return false
    const hasAll = !this.#repair.isBusy && this.#repair.hasLooked && this.#needs().blocks === 0
    if (!hasAll && !this.#isFull) return false
    return this.work.isLevel(false)
  }

  status(): FolderStatus {
    const { store, network } = this.#parts
    const { log, exchange, copies, connected } = this.work
    const { id, name } = this.#record
    const needs = this.#needs()
    return {
      id: folderIdText(id),
      name,
      path: '',
      role: log.roleOf(network.self) ?? 'host',
      state: this.#state(needs.blocks),
      files: 0,
      bytes: 0,
      directories: 0,
      needFiles: needs.blocks,
      needBytes: needs.bytes,
      copies: copies.status,
      watcher: 'none',
      historyBytes: 0,
      reasons: needs.blocks === 0 ? [] : [{ reason: this.#reason, paths: needs.blocks }],
      stored: { bytes: store.payloadBytesOf(id) },
      ...pausedField({ log, exchange }, connected),
      ...this.#progress(needs),
    }
  }

  get #reason(): NeedReason {
    if (this.#parts.world.isMetered === true) return 'METERED'
    if (this.#offer.isRefusing) return 'NO_ROOM'
    return this.#repair.isWaiting ? 'NO_SOURCE' : 'QUEUED'
  }

  #progress(needs: { readonly blocks: number; readonly bytes: number }): { readonly progress?: Progress } {
    const { progress } = this.#repair
    if (progress === undefined || needs.blocks === 0) return {}
    const { blocks, bytes, startedMs } = progress
    const seconds = Math.max(1, (this.#parts.world.clock.monotonicMs() - startedMs) / 1000)
    const bytesPerSecond = Math.round(bytes / seconds)
    const left = bytesPerSecond === 0 ? {} : { secondsLeft: Math.round(needs.bytes / bytesPerSecond) }
    const done = { filesDone: blocks, filesTotal: blocks + needs.blocks, bytesDone: bytes, bytesTotal: bytes + needs.bytes }
    return { progress: { activity: 'transfer', ...done, bytesPerSecond, ...left } }
  }

  /** What could not be had, or was put off, is tried again now. */
  retryNow(): void {
    this.#repair.retryNow()
  }

  problemList(): readonly Problem[] {
    const noted = this.work.problems.all().map((problem) => ({ ...problem, folder: this.#record.name }))
    return [...noted, ...this.work.copies.problems()]
  }

  #flows(): MemberFlows {
    const { index } = this.#parts
    const { row, keep } = this.#record
    return {
      held: { index, store: this.#outgoing.view, folder: this.#record, tree: undefined, onAbsent: (id) => this.#repair.missed(id) },
      lanes: undefined,
      haveIntervalMs,
      copies: {
        canSay: () => (this.#knowsStore && this.#book.isVerified ? 'yes' : 'unknown'),
        missing: () => entriesOfBlockNeeds(index, row),
        comingCount: () => this.#needs().blocks,
        keep: () => keep,
        kept: () => ({
          keep,
          layout: keep === 'all' ? new Uint8Array(0) : this.#holding().layout,
          isOldHeld: !this.#repair.hasMissed,
        }),
        standIn: () => this.#book.claim(),
        offer: () => (this.#entries.isRefusing ? { ...this.#offer.offer, isFull: true } : this.#offer.offer),
        layoutChanged: () => {
          this.#repair.wake()
          this.#retire.placementChanged()
        },
      },
      isFull: () => this.#isFull,
      // What was not looked at yet may be missing too.
      needs: () => Math.max(this.#needs().blocks, this.#knowsNeeds ? 0 : 1),
      ownPastFound: () => undefined, // a host writes no entries
      run: async (signal, onRunning) => {
        onRunning()
        await this.work.runWithCopies(signal, [
          (each) => this.#repair.run(each),
          (each) => this.#retire.run(each),
          (each) => this.#offer.run(each),
          (each) => this.#standIns.run(each),
        ])
      },
      entries: this.#entries,
      received: () => limitFolder(this.#parts, this.#record), // repair looks at them once they are flushed
      flushed: () => {
        this.#repair.wake()
        this.#retire.wake()
      },
      blocksLost: () => {
        this.#repair.lost()
        this.#standIns.lost()
      },
      needsBlock: (id) => !this.#knowsNeeds || index.blockNeeds.has(row, id),
      isWhole: () => this.#knowsNeeds && this.#needs().blocks === 0,
      sourcesChanged: () => this.#repair.wake(),
      stopped: () => undefined, // what the store holds does not depend on this work
    }
  }

  #needs(): { readonly blocks: number; readonly bytes: number } {
    return this.#parts.index.blockNeeds.totals(this.#record.row)
  }

  /** Every entry was looked at for what of it is to be held. */
  get #knowsNeeds(): boolean {
    return this.work.copies.layout.isKnown && this.#repair.hasLooked
  }

  /** … and what is here: a store that cannot be reached has lost nothing that is known of. */
  get #knowsStore(): boolean {
    return this.#knowsNeeds && this.#parts.store.health().state !== 'offline'
  }

  #link(): Omit<LinkUse, 'copies'> {
    const { world, isPersonWaiting } = this.#parts
    return { isMetered: world.isMetered === true, isPersonWaiting: isPersonWaiting() }
  }

  /** What this node is to hold. */
  #holding(): Holding {
    return this.#record.keep === 'all' ? holdsAll : this.work.copies.layout.own
  }

  #repairEvents(): ConstructorParameters<typeof Repair>[0]['events'] {
    const { problems, exchange } = this.work
    return {
      stored: () => this.work.tellHave(),
      changed: () => {
        this.#retire.wake()
        this.#standIns.wake()
        exchange.needsChanged()
        this.work.noteChange()
      },
      trouble: (trouble) => {
        if (trouble?.code === 'NO_SPACE') this.#offer.refused()
        else this.#offer.taken()
        this.#noteFull(trouble?.code === 'NO_SPACE')
        if (trouble === undefined) return problems.clear('HOST_CANNOT_STORE')
        problems.note({
          code: 'HOST_CANNOT_STORE',
          severity: 'error',
          text: `blocks of the folder cannot be stored: ${trouble.text}`,
          next:
            trouble.code === 'NO_SPACE'
              ? 'Make room on the disk of the home directory, or offer less with --capacity. It is tried again by itself.'
              : 'Do what it says there. It is tried again by itself.',
        })
      },
    }
  }

  #noteFull(isFull: boolean): void {
    if (isFull === this.#isFull) return
    this.#isFull = isFull
    this.work.exchange.needsChanged()
  }

  #state(needs: number): FolderState {
    if (this.work.isPaused) return 'paused'
    if (this.work.isStopped) return 'stopped'
    if (needs === 0 && this.#repair.hasLooked) return 'idle'
    const isMetered = this.#parts.world.isMetered === true
    return isMetered || (this.#repair.isWaiting && !this.#repair.isBusy) ? 'waiting' : 'syncing'
  }
}
