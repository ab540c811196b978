// What the API can ask of this node, put together from its parts.

import type { Controls, FolderStatus, InStep, NodeStatus, PeerStatus, Problem } from '../api/controls.ts'
import type { Keep } from '../api/elsewhere.ts'
import { EngineError } from '../base/errors.ts'
import { Broadcast } from '../base/queue.ts'
import type { SegmentStore } from '../blocks/segment-store.ts'
import { allSettings, parseSetting, settingNames } from '../model/folder-settings.ts'
import { targetCopiesMax } from '../model/limits.ts'
import { folderIdText, type PeerId } from '../model/ids.ts'
import type { Inviter } from '../share/invite.ts'
import { askToJoinInTime, type Joined } from '../share/join.ts'
import { parseLink, type Link } from '../share/link.ts'
import { decideConflict, describeConflicts } from './conflict-desk.ts'
import { elsewhereControls } from './elsewhere-desk.ts'
import { createFolder, enterFolder, enterHosted, type BirthParts } from './folder-birth.ts'
import type { Traffic } from '../net/network.ts'
import { accept, reject } from './decide.ts'
import { refusePaused, stoppedError } from './folder-readiness.ts'
import type { ScrubDesk } from './scrub-desk.ts'
import { storeControls } from './store-desk.ts'
import { limitFolder } from './store-limits.ts'
import { parseKeepRule } from './folder-elsewhere.ts'
import type { LastHere } from './folder-copies.ts'
import type { FolderRegistry } from './folder-registry.ts'
import { listOutOfStep } from './folder-needs.ts'
import type { FolderRuntime } from './folder-runtime.ts'
import { listMembers, retireMember } from './member-desk.ts'
import type { MemberRuntime } from './member-runtime.ts'

export interface ControlParts extends BirthParts {
  readonly store: SegmentStore
  readonly inviter: Inviter
  readonly scrub: ScrubDesk
  /** The node's own troubles: the block store's for example. */
  readonly nodeProblems: () => readonly Problem[]
  /** Since the start, lanes included. */
  readonly traffic: () => Traffic
  readonly listeners: Set<() => void>
  readonly stop: (asleepForMs?: number) => void
}

const bytesPerMegabyte = 1_000_000
const joinTimeoutMs = 45_000
const syncedPollMs = 250

export function makeControls(parts: ControlParts): Controls {
  const { world, network, folders } = parts
  return {
    identity: () => ({ peerId: network.self, name: world.name, addresses: network.addresses() }),
    status: () => nodeStatus(parts),
    stop: async (asleepForMs) => parts.stop(asleepForMs),
    onChange: (listener) => {
      parts.listeners.add(listener)
      return () => void parts.listeners.delete(listener)
    },
    addFolder: (request) => createFolder(parts, request),
    folders: () => folders.members().map((runtime) => runtime.status()),
    removeFolder: (folder, force) => removeFolder(parts, folders.findMember(folder), force === true),
    pauseFolder: (folder) => folders.findMember(folder).work.pause(),
    resumeFolder: async (folder) => folders.findMember(folder).work.resume(),
    rescanFolder: (folder, signal) => rescan(parts, folders.find(folder), signal),
    verifyFolder: (folder, signal) => verify(parts, folders.find(folder), signal),
    setFolder: async (folder, settings) => setFolder(parts, folders.findMember(folder), settings),
    needs: (folder, limit) => {
      const runtime = folders.find(folder)
      const { state, pausedAt } = runtime.status()
      return { state, ...listOutOfStep(parts.index, runtime, limit), ...(pausedAt === undefined ? {} : { pausedAt }) }
    },
    acceptChanges: (folder, signal) => accept(parts, folders.find(folder), signal),
    rejectChanges: (folder, signal) => reject(parts, folders.find(folder), signal),
    history: (folder, path, limit) => folders.find(folder).past.versions(path, limit),
    restore: async ({ folder, path, version, to }, signal) => {
      if (to !== undefined) folders.refuseHome(to)
      return folders.find(folder).past.restore(path, version, to, AbortSignal.any([signal, parts.signal]))
    },
    rollback: async ({ folder, path, atMs, to }, signal) => {
      if (to !== undefined) folders.refuseSynced(to)
      return folders.find(folder).past.rollback(path, atMs, to, AbortSignal.any([signal, parts.signal]))
    },
    waitSynced: (folder, signal) =>
      waitUntil(parts, folder === undefined ? undefined : folders.findMember(folder), signal, (runtime) => runtime.isSynced),
    members: (folder) => listMembers(parts, folders.findMember(folder)),
    retry: async (folder) => {
      for (const runtime of folder === undefined ? folders.members() : [folders.findMember(folder)]) runtime.retryNow()
      parts.keeper.refresh(parts.signal)
    },
    retireMember: async (folder, peer, isUndone) => retireMember(parts, folders.findMember(folder), peer, isUndone),
    copies: async ({ folder, path, worst, limit }, signal) => {
      const runtime = folders.find(folder)
      return runtime.work.copies.list(runtime.handle.reading, { path, isWorstFirst: worst === true, limit }, signal)
    },
    waitCopies: async (folder, copies, signal) => {
      await waitUntil(
        parts,
        folder === undefined ? undefined : folders.findMember(folder),
        signal,
        (runtime) => !runtime.isStopped && runtime.work.copies.hasEverywhere(copies),
      )
    },
    conflicts: (folder) => {
      const runtimes = folder === undefined ? folders.all() : [folders.find(folder)]
      return runtimes.flatMap((runtime) => describeConflicts(parts, runtime))
    },
    resolveConflict: async ({ folder, path, keep }) => decideConflict(parts, folders.find(folder), path, keep),
    ...storeControls(parts),
    ...elsewhereControls(parts),
    ...parts.scrub.controls(),
    share: async ({ folder, role }) => parts.inviter.makeLink(folders.find(folder), role ?? 'write'),
    join: (request, signal) => join(parts, request, signal),
  }
}

async function join(
  parts: ControlParts,
  { link: text, path, keep, patterns = [] }: Parameters<Controls['join']>[0],
  signal: AbortSignal,
): ReturnType<Controls['join']> {
  const { world, network, folders } = parts
  const link = parseLink(text)
  refuseMisfit(link, path, keep, world.capacityBytes)
  const rule = link.role === 'host' ? undefined : parseKeepRule(keep ?? 'all', patterns)
  const revived = path === undefined ? undefined : folders.revivedAt(path)
  const place = path === undefined || revived !== undefined ? undefined : await folders.checkPlace(path, true)
  const both = AbortSignal.any([signal, parts.signal])
  const joined = await askToJoinInTime(world.clock, joinTimeoutMs, network, link, world.name, both)
  // Whoever joins again after the index was lost finds the folder opened already.
  if (revived !== undefined && folderIdText(revived.record.id) === folderIdText(joined.folder)) {
    const { name, path: revivedPath } = revived.record
    return { folder: { id: folderIdText(joined.folder), name, path: revivedPath }, state: 'joined' }
  }
  const known = folders.members().find(({ record }) => folderIdText(record.id) === folderIdText(joined.folder))
  if (known !== undefined) throw knownFolderError(known, joined)
  if (joined.role === 'host') return { folder: enterHosted(parts, joined, link, keep === 'all' ? 'all' : 'share'), state: 'joined' }
  if (path === undefined) throw new EngineError('BAD_ARGUMENT', `${joined.folderName} is to be read here: give the directory for its files`)
  return { folder: await enterFolder(parts, joined, link, place ?? (await folders.checkPlace(path, true)), rule), state: 'joined' }
}

/** Before anybody is asked: a link that was used is used up. */
function refuseMisfit(link: Link, path: string | undefined, keep: Keep | undefined, capacityBytes: number): void {
  if (link.role === 'host' && path !== undefined) {
    throw new EngineError('BAD_ARGUMENT', 'the link is for a host, which stores a folder without being able to read it: leave the path out')
  }
  if (link.role === 'host' && keep !== 'all' && capacityBytes === 0) {
    throw new EngineError(
      'BAD_ARGUMENT',
      'this node offers no room for others: start it with --capacity and a size, for example --capacity 500GB, or store the whole folder with --keep all',
    )
  }
  if (link.role !== 'host' && path === undefined) {
    throw new EngineError('BAD_ARGUMENT', `the link is for ${link.folderName} with its files: give the directory they are to come to`)
  }
  if (link.role === 'host' && (keep === 'selected' || keep === 'none')) {
    throw new EngineError('BAD_ARGUMENT', `a host cannot read names: it keeps all of a folder, or its share; not ${keep}`)
  }
}

function knownFolderError(known: MemberRuntime, joined: Joined): EngineError {
  const { name } = known.record
  if ('path' in known.record || joined.role === 'host') return new EngineError('FOLDER_EXISTS', `this node is a member of ${name} already`)
  return new EngineError(
    'FOLDER_EXISTS',
    `${name} is stored on this node already, sealed: take it off with 'holdfast folder remove', then open the same link again to have its files here`,
  )
}

async function removeFolder({ folders, store, signal }: ControlParts, member: MemberRuntime, isForced: boolean): Promise<void> {
  const { id } = member.record
  // Where there is a tree, what goes is its history alone; where it is only stored, everything.
  const isTree = folders.byRow(member.handle.row) !== undefined
  const last = isTree || isForced ? undefined : await member.work.copies.lastHere((block) => store.has(id, block), signal)
  if (last !== undefined && last.unclaimed + last.unproven > 0) throw lastCopiesError(member.record.name, last)
  await folders.remove(member)
  store.setLimit(id, undefined)
}

function lastCopiesError(name: string, { unclaimed, unproven, bytes }: LastHere): EngineError {
  const paths = (count: number): string => (count === 1 ? 'one path' : `${count} paths`)
  const whys = [
    ...(unclaimed === 0 ? [] : [`nobody else who is there says that it has ${paths(unclaimed)}`]),
    ...(unproven === 0 ? [] : [`nobody else has proven lately that it has ${paths(unproven)}`]),
  ]
  return new EngineError(
    'LAST_COPIES',
    `${name}: this node may be the last that has content of ${paths(unclaimed + unproven)}, ${(bytes / bytesPerMegabyte).toFixed(1)} MB as they are stored: ${whys.join(', and ')}. Wait until others have it and have proven it ('holdfast scrub status' shows when), or give it up with --force`,
  )
}

const copiesSetting = 'copies'

/** Settings of this node alone, since another node's disk is another size; but for the copies, which hold for all members. */
function setFolder(
  { index, identity, world, store, folders }: ControlParts,
  member: MemberRuntime,
  { [copiesSetting]: copiesText, ...settings }: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const { row } = member.handle
  const runtime = folders.byRow(row) // a host has neither history nor files
  const targetCopies = copiesText === undefined ? undefined : parseCopies(runtime, member.record.name, copiesText)
  const parsed = Object.entries(settings).map(([name, text]) => {
    const setting = parseSetting(name, text)
    if (setting.kind === 'ok') return setting
    const next =
      setting.kind === 'unknown'
        ? `there is no such setting; there are ${[copiesSetting, ...settingNames].join(', ')}`
        : `give ${setting.expected}`
    throw new EngineError('BAD_ARGUMENT', `${name}=${text}: ${next}`)
  })
  index.transact(() => {
    for (const { name, text } of parsed) index.folders.setSetting(row, name, text)
  })
  limitFolder({ world, index, store }, member.record)
  if (targetCopies !== undefined && targetCopies !== member.log.state.targetCopies) {
    const next = member.log.prepare(identity, { kind: 'settingsChanged', targetCopies }, world.clock.nowMs())
    index.transactDurably(() => next.write())
    next.take()
  }
  runtime?.history.settingsChanged()
  runtime?.appends.wake()
  return { [copiesSetting]: String(member.log.state.targetCopies), ...allSettings(index.folders.settings(row)) }
}

function parseCopies(runtime: FolderRuntime | undefined, name: string, text: string): number {
  const copies = /^\d{1,3}$/.test(text.trim()) ? Number(text) : 0
  if (copies < 1 || copies > targetCopiesMax) {
    throw new EngineError('BAD_ARGUMENT', `copies=${text}: give a whole number from 1 to ${targetCopiesMax}`)
  }
  if (runtime?.isOwner === true) return copies
  throw new EngineError('NOT_ALLOWED', `only an owner can say how many copies ${name} is to have: ask an owner`)
}

async function rescan(parts: ControlParts, runtime: FolderRuntime, signal: AbortSignal): Promise<void> {
  refusePaused(runtime)
  const both = AbortSignal.any([signal, parts.signal])
  if (runtime.isStopped) await runtime.work.tryAgain(both)
  if (runtime.isStopped) throw stoppedError(runtime)
  await parts.folders.walkNow(runtime, both)
}

/** Walks first: what a person changed is no rot. */
async function verify(parts: ControlParts, runtime: FolderRuntime, signal: AbortSignal): ReturnType<Controls['verifyFolder']> {
  await rescan(parts, runtime, signal)
  return runtime.verifier.verifyAll(AbortSignal.any([signal, parts.signal]))
}

/** Whatever ends the walk stops or pauses the folder, and that is for the caller to wait for, or not. */
async function walkUnlessStopped(folders: FolderRegistry, runtime: FolderRuntime, signal: AbortSignal): Promise<void> {
  try {
    await folders.walkNow(runtime, signal)
  } catch (error) {
    if (signal.aborted) throw error
  }
}

/** Walks first: what a person wrote a moment ago counts, whether the watcher has seen it or not. */
async function waitUntil(
  parts: ControlParts,
  only: MemberRuntime | undefined,
  signal: AbortSignal,
  isReached: (runtime: MemberRuntime) => boolean,
): ReturnType<Controls['waitSynced']> {
  const both = AbortSignal.any([signal, parts.signal])
  // By row: a folder may be opened anew meanwhile.
  const row = only?.handle.row
  const wanted = (): readonly MemberRuntime[] => parts.folders.members().filter(({ handle }) => only === undefined || handle.row === row)
  refuseWait(only, wanted())
  for (const { handle, isPaused, isStopped } of wanted()) {
    const runtime = parts.folders.byRow(handle.row)
    if (runtime !== undefined && !isPaused && !isStopped) await walkUnlessStopped(parts.folders, runtime, both)
  }
  const changed = new Broadcast()
  const listener = (): void => changed.announce()
  parts.listeners.add(listener)
  try {
    while (!wanted().every(isReached)) {
      // The poll is for what rings nobody, a connection that goes for example.
      const either = new AbortController()
      const end = AbortSignal.any([both, either.signal])
      const waits = [changed.wait(end), parts.world.clock.sleep(syncedPollMs, end)]
      await Promise.race(waits).finally(() => either.abort())
      await Promise.allSettled(waits)
    }
  } finally {
    parts.listeners.delete(listener)
  }
  refuseWait(only, wanted())
  return {
    paused: wanted()
      .filter(({ isPaused }) => isPaused)
      .map(({ record }) => record.name),
    full: wanted().flatMap((runtime) => fullMembers(parts, runtime)),
  }
}

function fullMembers(parts: ControlParts, runtime: MemberRuntime): InStep['full'] {
  const names = new Map(listMembers(parts, runtime).map(({ id, name }) => [id, name]))
  const { record, work, isPaused } = runtime
  return isPaused ? [] : work.full.map(({ peer, needs }) => ({ folder: record.name, id: peer, name: names.get(peer) ?? peer, needs }))
}

/** A paused folder comes in step with nobody, however long one waits. Throws `NOT_ALLOWED`. */
function refuseWait(only: MemberRuntime | undefined, wanted: readonly MemberRuntime[]): void {
  const [first, ...others] = wanted
  if (first === undefined || !wanted.every(({ isPaused }) => isPaused)) return
  if (only !== undefined || others.length === 0) refusePaused(first)
  throw new EngineError('NOT_ALLOWED', 'every folder here is paused: resume one first')
}

function nodeStatus(parts: ControlParts): NodeStatus {
  const { world, network, folders, signal } = parts
  const problems = [...parts.nodeProblems(), ...folders.members().flatMap((runtime) => runtime.problemList())]
  const isDegraded = problems.some((problem) => problem.severity === 'error')
  return {
    peerId: network.self,
    name: world.name,
    version: world.version,
    state: signal.aborted ? 'stopping' : isDegraded ? 'degraded' : 'ok',
    folders: folders.members().map((runtime): FolderStatus => runtime.status()),
    peers: peerStatuses(parts),
    problems,
    traffic: parts.traffic(),
  }
}

function peerStatuses(parts: ControlParts): readonly PeerStatus[] {
  const { index, network, folders, keeper, cards } = parts
  const connected = network.connectedPeers()
  const members = new Map<PeerId, { name: string; folders: string[] }>()
  for (const runtime of folders.members()) {
    for (const member of runtime.log.members) {
      if (member.peer === network.self) continue
      const known = members.get(member.peer)
      if (known === undefined) members.set(member.peer, { name: member.name, folders: [runtime.record.name] })
      else known.folders.push(runtime.record.name)
    }
  }
  return [...members].map(([id, member]): PeerStatus => {
    const card = cards.cardOf(id)
    const isConnected = connected.includes(id)
    const lastSeenMs = isConnected ? parts.world.clock.nowMs() : index.peers.get(id)?.lastSeenMs
    return {
      id,
      name: card?.name ?? member.name,
      connected: isConnected,
      class: card?.class ?? 'daily',
      zone: card?.zone ?? '',
      addresses: isConnected ? network.peerAddresses(id) : keeper.addressesOf(id),
      folders: member.folders,
      ...(lastSeenMs === undefined ? {} : { lastSeenMs }),
    }
  })
}
