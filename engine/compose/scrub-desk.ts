// Scrub put together: what is read in turn on this node, what becomes of what was found damaged, and what a person can ask of it.

import type { NodeClass, Problem } from '../api/controls.ts'
import type { AuditStatus, ScrubControls, ScrubStatus } from '../api/store-controls.ts'
import { equalBytes } from '../base/bytes.ts'
import { errorCodeOf, messageOf } from '../base/errors.ts'
import { runTogether } from '../base/queue.ts'
import type { DamagedRecord } from '../blocks/quarantine.ts'
import type { SegmentStore } from '../blocks/segment-store.ts'
import type { Damage, DamageOutcome } from '../index/damage-table.ts'
import type { Index } from '../index/index-store.ts'
import { storePlace } from '../index/scrub-table.ts'
import { parseRelativePath } from '../model/path.ts'
import type { ScrubPlace } from '../scrub/scrub-place.ts'
import { Scrub } from '../scrub/scrub.ts'
import { ScrubStore } from '../scrub/scrub-store.ts'
import type { FolderRegistry } from './folder-registry.ts'
import type { EngineWorld } from './parts.ts'
import { ScrubFiles } from './scrub-files.ts'

export interface ScrubDeskParts {
  readonly world: EngineWorld
  readonly index: Index
  readonly store: SegmentStore
  readonly folders: FolderRegistry
  readonly changed: () => void
}

const msPerDay = 86_400_000
const cycleDays: Readonly<Record<NodeClass, number>> = { 'always-on': 30, daily: 60, occasional: 60 }
/** What was found and healed is told for so long; what keeps coming means that the disk is going. */
const toldMs = 7 * msPerDay
const manyFound = 20
/** Scrub would miss a file that somebody deleted after weeks. */
const missingLookMs = 300_000

export class ScrubDesk {
  readonly scrub: Scrub
  readonly #parts: ScrubDeskParts
  readonly #store: ScrubStore

  constructor(parts: ScrubDeskParts) {
    const { world, index, store, folders, changed } = parts
    const { clock, log, jobs } = world
    this.#parts = parts
    this.#store = new ScrubStore({ store, inspection: store.inspection, jobs, clock })
    this.scrub = new Scrub({
      index,
      clock,
      log,
      changed,
      cycleMs: cycleDays[world.class] * msPerDay,
      places: () => this.#places(),
      isBusy: () => folders.members().some(({ isPaused, isSynced }) => !isPaused && !isSynced),
      isPowered: () => world.class === 'always-on' || world.isOnMains?.() !== false,
      judge: (damage) => this.#judge(damage),
    })
    for (const record of store.quarantine().records) this.#note(record)
    store.onDamaged = (record) => this.#noteDamage(record)
  }

  /** Until `signal` aborts. What is wrong with reading again must not end the node. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      await runTogether(signal, [(both) => this.scrub.run(both), (both) => this.#lookForMissing(both)])
    } catch (error) {
      if (!signal.aborted) this.#parts.world.log.error('scrub ended', { error: messageOf(error) })
    }
  }

  /** Also while scrub is paused, or has no power: it reads nothing. */
  async #lookForMissing(signal: AbortSignal): Promise<void> {
    const { world, store } = this.#parts
    for (;;) {
      await world.clock.sleep(missingLookMs, signal)
      try {
        await store.inspection?.lookForMissing?.(signal)
      } catch (error) {
        if (signal.aborted || errorCodeOf(error) === undefined) throw error
        world.log.warn('could not look for the files of the block store', { error: messageOf(error) })
      }
    }
  }

  #places(): readonly ScrubPlace[] {
    const { index, folders } = this.#parts
    const files = folders.all().map(
      (runtime) =>
        new ScrubFiles({
          index,
          folderRow: runtime.handle.row,
          verifier: runtime.verifier,
          isOpen: () => !runtime.isPaused && !runtime.isStopped && runtime.ingest.hasWalked,
          found: (path) => this.scrub.found({ place: runtime.handle.row, what: path, reason: 'file' }),
        }),
    )
    return [this.#store, ...files]
  }

  /** Of one folder, or of any: what it held may not be here any more. */
  #noteDamage(record: DamagedRecord | undefined): void {
    const { folders } = this.#parts
    for (const { record: known, work } of folders.members()) {
      if (record?.folder === undefined || equalBytes(known.id, record.folder)) work.blocksLost()
    }
    if (record === undefined) return
    this.#note(record)
    this.scrub.suspect(storePlace, record.segment)
  }

  #note({ segment, offset, reason, folder, id }: DamagedRecord): void {
    const names = folder === undefined || id === undefined ? {} : { folder, id }
    this.scrub.found({ place: storePlace, what: `${segment}/${offset}`, reason, ...names })
  }

  async #judge(damage: Damage): Promise<DamageOutcome> {
    const { index, store, folders } = this.#parts
    const { place, what, folder, id } = damage
    if (place !== storePlace) {
      const path = parseRelativePath(what)
      const item = path === undefined ? undefined : index.items.byPath(place, path)
      if (item === undefined) return 'unwanted'
      return item.isRotten === true ? 'open' : 'healed'
    }
    if (folder === undefined || id === undefined) return folders.members().every(({ work }) => work.isWhole) ? 'healed' : 'open'
    const runtime = folders.members().find(({ record }) => equalBytes(record.id, folder))
    if (runtime === undefined) return 'unwanted'
    if ((await store.get(folder, id)) !== undefined) return 'healed'
    return runtime.work.needsBlock(id) ? 'open' : 'unwanted'
  }

  /** One problem for all that was found damaged. */
  problems(): readonly Problem[] {
    const { index, world } = this.#parts
    const problems: Problem[] = []
    const { trouble } = this.scrub
    if (trouble !== undefined) {
      problems.push({
        code: 'SCRUB_STUCK',
        severity: 'warning',
        text: `what is stored on this node cannot be read again: ${trouble}`,
        next: 'Check the disk of the home directory. It is tried again by itself.',
      })
    }
    const open = index.damage.openCount
    const recent = index.damage.since(world.clock.nowMs() - toldMs)
    const found = Math.max(recent.open + recent.healed + recent.unwanted, open)
    if (found === 0) return problems
    const gone = recent.unwanted === 0 ? '' : `, ${recent.unwanted} no longer needed`
    const left = open === 0 ? '' : `, ${open} not yet`
    const isMuch = found >= manyFound
    problems.push({
      code: 'STORE_DAMAGED',
      severity: open > 0 || isMuch ? 'warning' : 'info',
      text: `${found} ${found === 1 ? 'piece' : 'pieces'} on the disks of this node changed by ${found === 1 ? 'itself' : 'themselves'}, found in the last 7 days: ${recent.healed} healed from other members and read again${gone}${left}. Bad bytes are never given to anybody.`,
      next: isMuch
        ? 'A disk that changes so much is going: copy what is on it, and replace it. "holdfast scrub status" counts on.'
        : open > 0
          ? 'What other members have heals by itself as soon as one of them is reachable; an earlier version of a file may stay lost. When more is found, check the disk; "holdfast scrub status" counts.'
          : 'Nothing to do. When it happens again, check the disk, its cable and the memory; "holdfast scrub status" counts.',
    })
    return problems
  }

  status(): ScrubStatus {
    const { index, folders, world } = this.#parts
    const progress = this.scrub.progress
    const { state, totalBytes, doneBytes, bytesPerSecond, nextMs } = progress
    const last =
      progress.lastEndedMs === 0
        ? {}
        : {
            last: {
              startedMs: progress.lastStartedMs,
              endedMs: progress.lastEndedMs,
              bytes: progress.lastBytes,
              pieces: progress.lastPieces,
              found: progress.lastFound,
            },
          }
    const run =
      progress.runStartedMs === 0
        ? {}
        : { run: { startedMs: progress.runStartedMs, bytes: progress.runBytes, pieces: progress.runPieces, found: progress.runFound } }
    return {
      state,
      isHurried: progress.isHurried,
      cycleDays: cycleDays[world.class],
      totalBytes,
      doneBytes,
      bytesPerSecond,
      ...(state === 'paused' || totalBytes === 0 ? {} : { nextMs }),
      ...run,
      ...last,
      found: progress.found,
      healed: progress.healed,
      open: index.damage.openCount,
      audits: folders
        .members()
        .flatMap((runtime): readonly AuditStatus[] =>
          runtime.work.copies.audits().map((audit) => ({ folder: runtime.record.name, ...audit })),
        ),
    }
  }

  controls(): ScrubControls {
    return {
      scrubStatus: () => this.status(),
      startScrub: async () => this.scrub.start(),
      pauseScrub: async () => this.scrub.pause(),
      resumeScrub: async () => this.scrub.resume(),
    }
  }
}
