// One folder's history at work: what was replaced is archived, what is past its bounds goes, and what a person set decides the bounds.

import { messageOf } from '../base/errors.ts'
import { FilesError } from '../base/files.ts'
import type { Log } from '../base/log.ts'
import { runTogether } from '../base/queue.ts'
import type { Index } from '../index/index-store.ts'
import { historyPolicyOf } from '../model/folder-settings.ts'
import type { HistoryPolicy } from '../model/history-policy.ts'
import { Archive } from '../sync/archive.ts'
import type { FolderHandle } from '../sync/folder-handle.ts'
import { HistoryCare, type HistoryStore } from '../sync/history-care.ts'
import type { FolderProblems } from '../sync/problems.ts'
import { adoptStray, adoptStrays, expireStrays, noteStrays, type StrayParts } from '../sync/strays.ts'
import type { EngineWorld } from './parts.ts'

const cutShortKeptMs = 24 * 60 * 60_000

export interface FolderHistoryParts {
  readonly world: EngineWorld
  readonly index: Index
  readonly handle: FolderHandle
  readonly store: HistoryStore
  readonly log: Log
  readonly problems: FolderProblems
  readonly isWalked: () => boolean
  /** These paths are to be looked at. */
  readonly stale: (paths: readonly string[]) => void
}

export class FolderHistory {
  readonly #parts: FolderHistoryParts
  readonly #archive: Archive
  readonly #care: HistoryCare

  constructor(parts: FolderHistoryParts) {
    const { world, index, handle, store, log } = parts
    const { jobs, clock } = world
    this.#parts = parts
    const shared = { index, jobs, handle, store, clock, log }
    this.#archive = new Archive({
      ...shared,
      isWalked: parts.isWalked,
      events: {
        stored: (isFull) => (isFull ? this.#care.noteFull() : this.#care.noteStored()),
        stale: parts.stale,
        strayed: (signal) => noteStrays(this.#strayParts(), this.#policy().keptMs, signal),
      },
    })
    this.#care = new HistoryCare({
      ...shared,
      policy: () => this.#policy(),
      expireStrays: (signal) => expireStrays(this.#strayParts(), this.#policy().keptMs, signal),
      freeBytes: () => freeBytesOf(world, world.segmentsPath),
      folderFreeBytes: () => freeBytesOf(world, handle.root),
      cutShort: (versions) => this.#noteCutShort(versions),
    })
  }

  /** Before any flow begins: where there is hardly any room left, history gives way. */
  async relieve(signal: AbortSignal): Promise<void> {
    await this.#care.relieve(signal)
  }

  /** Something found no room on the folder's disk. */
  noteFull(): void {
    this.#care.noteFull()
  }

  /** Before any flow begins. */
  async adoptStrays(signal: AbortSignal): Promise<void> {
    await adoptStrays(this.#strayParts(), this.#policy().keptMs, signal)
  }

  /** After a change that failed and may have put this aside. */
  async adoptStray(parked: string, signal: AbortSignal): Promise<void> {
    try {
      await adoptStray(this.#strayParts(), parked, signal)
    } catch (error) {
      this.#parts.log.warn('what a failed change put aside is looked at again at the next start', { error: messageOf(error) })
    }
  }

  /** Works until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await runTogether(signal, [(both) => this.#archive.run(both), (both) => this.#care.run(both)])
  }

  /** What the store has of this folder. */
  get bytes(): number {
    const { store, handle } = this.#parts
    return store.health().state === 'closed' ? 0 : store.payloadBytesOf(handle.record.id)
  }

  /** Brings what was replaced just now to where it can be had again, as far as the store takes it. */
  async settle(signal: AbortSignal): Promise<void> {
    try {
      await this.#archive.settle(signal)
    } catch (error) {
      if (signal.aborted) throw error
      this.#parts.log.warn('could not archive replaced content', { error: messageOf(error) })
    }
  }

  /** Something was replaced. */
  wake(): void {
    this.#archive.wake()
  }

  /** Other bounds were set. */
  settingsChanged(): void {
    this.#care.wake()
  }

  #noteCutShort(versions: number): void {
    const { log, problems } = this.#parts
    log.warn('the disk is full: let versions go', { versions })
    problems.note(
      {
        code: 'HISTORY_SHORT',
        severity: 'warning',
        text: 'the disk was full: the oldest replaced and deleted content was let go of to make room, before its days were over',
        next: 'Free some space; "history" shows how far back it reaches.',
      },
      cutShortKeptMs,
    )
  }

  #strayParts(): StrayParts {
    const { world, index, handle, problems } = this.#parts
    const { jobs, clock } = world
    return { index, jobs, handle, clock, problems }
  }

  #policy(): HistoryPolicy {
    const { index, handle } = this.#parts
    return historyPolicyOf(index.folders.settings(handle.row))
  }
}

/** Where it cannot be told there is no telling that history takes too much. */
function freeBytesOf({ files }: EngineWorld, path: string): number {
  try {
    return files.freeBytes(path)
  } catch (error) {
    if (error instanceof FilesError) return Number.MAX_SAFE_INTEGER
    throw error
  }
}
