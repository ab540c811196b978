// A folder's status as people and programs see it, from rows and from what its flows are at.

import type { FolderState, FolderStatus, Progress } from '../api/controls.ts'
import type { Keep } from '../api/elsewhere.ts'
import type { Index } from '../index/index-store.ts'
import { folderIdText, type PeerId } from '../model/ids.ts'
import type { Member } from '../model/folder.ts'
import type { FolderProblems } from '../sync/problems.ts'
import type { FolderElsewhere } from './folder-elsewhere.ts'
import { countReasons } from './folder-needs.ts'
import type { ChangeGuard } from '../sync/change-guard.ts'
import type { Exchange } from '../sync/exchange.ts'
import type { FolderHandle } from '../sync/folder-handle.ts'
import type { Ingest } from '../sync/ingest.ts'
import type { Pull } from '../sync/pull.ts'

/** What a status is read from. */
export interface FolderFlows {
  readonly handle: FolderHandle
  readonly log: { roleOf(peer: PeerId): Member['role'] | undefined; readonly members: readonly Pick<Member, 'peer' | 'name'>[] }
  readonly exchange: Pick<Exchange, 'isPausedAt'>
  readonly ingest: Pick<Ingest, 'isBusy' | 'isWalking' | 'hasWalked' | 'progress'>
  readonly pull: Pick<Pull, 'isBusy' | 'progress'>
  readonly guard: Pick<ChangeGuard, 'hold'>
  readonly elsewhere: Pick<FolderElsewhere, 'totals' | 'freeing' | 'toFree'>
  readonly problems: Pick<FolderProblems, 'all'>
}

export interface RuntimeFacts {
  readonly isPaused: boolean
  readonly stopReason: string | undefined
  readonly watcher: string
  readonly historyBytes: number
  readonly copies: FolderStatus['copies']
  readonly keep: Keep
  readonly connected: readonly PeerId[]
  readonly self: PeerId
  /** Monotonic. */
  readonly nowMs: number
}

/** While so many are worked on, they are not looked at one by one. */
const quickNeedsMin = 5000

export function describeFolder(index: Index, flows: FolderFlows, facts: RuntimeFacts): FolderStatus {
  const { handle, log } = flows
  const { record } = handle
  const totals = index.items.totals(handle.row)
  const needs = index.needs.totals(handle.row)
  const { totals: elsewhere, toFree } = flows.elsewhere
  const progress = progressOf(flows, needs, facts.nowMs)
  return {
    id: folderIdText(record.id),
    name: record.name,
    path: record.path,
    role: log.roleOf(facts.self) ?? 'read',
    state: stateOf(index, flows, facts, needs.paths),
    files: totals.files,
    bytes: totals.bytes,
    directories: totals.directories,
    needFiles: needs.paths,
    needBytes: needs.bytes,
    copies: facts.copies,
    watcher: facts.watcher,
    historyBytes: facts.historyBytes,
    reasons: countReasons(index, flows, flows.pull.isBusy && needs.paths > quickNeedsMin),
    ...(flows.guard.hold === undefined ? {} : { held: flows.guard.hold }),
    ...pausedField(flows, facts.connected),
    ...(facts.keep === 'all' ? {} : { keep: facts.keep }),
    ...(elsewhere.files === 0 ? {} : { elsewhere }),
    ...(toFree === 0 ? {} : { toFree }),
    ...(progress === undefined ? {} : { progress }),
  }
}

/** The field for names of connected members at which the folder is paused: nothing when it is at none. */
export function pausedField(
  { log, exchange }: Pick<FolderFlows, 'log'> & { readonly exchange: Pick<Exchange, 'isPausedAt'> },
  connected: readonly PeerId[],
): Pick<FolderStatus, 'pausedAt'> {
  const paused = log.members.filter(({ peer }) => connected.includes(peer) && exchange.isPausedAt(peer))
  return paused.length === 0 ? {} : { pausedAt: paused.map(({ name }) => name) }
}

function stateOf(index: Index, flows: FolderFlows, facts: RuntimeFacts, needs: number): FolderState {
  if (facts.isPaused) return 'paused'
  if (facts.stopReason !== undefined) return 'stopped'
  if (flows.guard.hold !== undefined) return 'held'
  if (flows.ingest.isWalking || !flows.ingest.hasWalked) return 'scanning'
  if (needs > 0) {
    if (flows.pull.isBusy) return 'syncing'
    const reasons = index.needs.reasons(flows.handle.row)
    const waiting = reasons.filter(({ reason }) => reason === 'NO_SOURCE').reduce((total, { paths }) => total + paths, 0)
    return waiting === needs ? 'waiting' : 'syncing'
  }
  return flows.ingest.isBusy || flows.pull.isBusy ? 'syncing' : 'idle'
}

function progressOf(flows: FolderFlows, needs: { readonly paths: number; readonly bytes: number }, nowMs: number): Progress | undefined {
  const scan = flows.ingest.progress
  if (scan !== undefined && flows.ingest.isWalking) {
    return withRate('scan', scan.filesDone, scan.filesFound, scan.bytesDone, scan.bytesFound, nowMs - scan.startedMs)
  }
  const { freeing } = flows.elsewhere
  if (freeing !== undefined) {
    return withRate('free', freeing.filesDone, freeing.filesTotal, freeing.bytesFreed, 0, nowMs - freeing.startedMs)
  }
  const transfer = flows.pull.progress
  if (transfer === undefined || needs.paths === 0) return undefined
  const bytesTotal = Math.max(transfer.bytesDone, transfer.bytesDoneCommitted + needs.bytes)
  return withRate(
    'transfer',
    transfer.filesDone,
    transfer.filesDone + needs.paths,
    transfer.bytesDone,
    bytesTotal,
    nowMs - transfer.startedMs,
  )
}

function withRate(
  activity: Progress['activity'],
  filesDone: number,
  filesTotal: number,
  bytesDone: number,
  bytesTotal: number,
  elapsedMs: number,
): Progress {
  const seconds = Math.max(elapsedMs, 1) / 1000
  const base = { activity, filesDone, filesTotal, bytesDone, bytesTotal, bytesPerSecond: Math.round(bytesDone / seconds) }
  // Small files take their time by count, large ones by bytes: whichever is further behind tells how long it takes.
  const shares = [filesTotal > 0 ? filesDone / filesTotal : 1, bytesTotal > 0 ? bytesDone / bytesTotal : 1]
  const share = Math.min(...shares)
  return share <= 0 ? base : { ...base, secondsLeft: Math.round((seconds * (1 - share)) / share) }
}
