// What the API can ask of this node, put together from its parts.

import type { Controls, FolderStatus, NodeStatus, PeerStatus, Problem } from '../api/controls.ts'
import { EngineError } from '../base/errors.ts'
import { Broadcast } from '../base/queue.ts'
import { allSettings, parseSetting, settingNames } from '../model/folder-settings.ts'
import { folderIdText, type PeerId } from '../model/ids.ts'
import type { Inviter } from '../share/invite.ts'
import { askToJoinInTime } from '../share/join.ts'
import { parseLink } from '../share/link.ts'
import { decideConflict, describeConflicts } from './conflict-desk.ts'
import { createFolder, enterFolder, type BirthParts } from './folder-birth.ts'
import type { Traffic } from '../net/network.ts'
import { accept, reject } from './decide.ts'
import { refusePaused, stoppedError } from './folder-readiness.ts'
import type { FolderRegistry } from './folder-registry.ts'
import { listOutOfStep } from './folder-needs.ts'
import type { FolderRuntime } from './folder-runtime.ts'

export interface ControlParts extends BirthParts {
  readonly inviter: Inviter
  /** The node's own troubles: the block store's for example. */
  readonly nodeProblems: () => readonly Problem[]
  /** Since the start, lanes included. */
  readonly traffic: () => Traffic
  readonly listeners: Set<() => void>
  readonly stop: () => void
}

const joinTimeoutMs = 45_000
const syncedPollMs = 250

export function makeControls(parts: ControlParts): Controls {
  const { world, network, folders } = parts
  return {
    identity: () => ({ peerId: network.self, name: world.name, addresses: network.addresses() }),
    status: () => nodeStatus(parts),
    stop: async () => parts.stop(),
    onChange: (listener) => {
      parts.listeners.add(listener)
      return () => void parts.listeners.delete(listener)
    },
    addFolder: (request) => createFolder(parts, request),
    folders: () => folders.all().map((runtime) => runtime.status()),
    removeFolder: (folder) => folders.remove(folders.find(folder)),
    pauseFolder: (folder) => folders.find(folder).pause(),
    resumeFolder: async (folder) => folders.find(folder).resume(),
    rescanFolder: (folder, signal) => rescan(parts, folders.find(folder), signal),
    verifyFolder: (folder, signal) => verify(parts, folders.find(folder), signal),
    setFolder: async (folder, settings) => setFolder(parts, folders.find(folder), settings),
    needs: (folder, limit) => {
      const runtime = folders.find(folder)
      return { state: runtime.status().state, ...listOutOfStep(parts.index, runtime, limit) }
    },
    acceptChanges: (folder, signal) => accept(parts, folders.find(folder), signal),
    rejectChanges: (folder, signal) => reject(parts, folders.find(folder), signal),
    history: (folder, path) => folders.find(folder).past.versions(path),
    restore: async ({ folder, path, version, to }, signal) => {
      if (to !== undefined) folders.refuseHome(to)
      return folders.find(folder).past.restore(path, version, to, AbortSignal.any([signal, parts.signal]))
    },
    rollback: async ({ folder, path, atMs, to }, signal) => {
      if (to !== undefined) folders.refuseSynced(to)
      return folders.find(folder).past.rollback(path, atMs, to, AbortSignal.any([signal, parts.signal]))
    },
    waitSynced: (folder, signal) => waitSynced(parts, folder === undefined ? undefined : folders.find(folder), signal),
    conflicts: (folder) => {
      const runtimes = folder === undefined ? folders.all() : [folders.find(folder)]
      return runtimes.flatMap((runtime) => describeConflicts(parts, runtime))
    },
    resolveConflict: async ({ folder, path, keep }) => decideConflict(parts, folders.find(folder), path, keep),
    share: async ({ folder, role }) => parts.inviter.makeLink(folders.find(folder), role ?? 'write'),
    join: async ({ link: text, path }, signal) => {
      const link = parseLink(text)
      const revived = folders.revivedAt(path)
      const place = revived === undefined ? await folders.checkPlace(path, true) : { path: revived.record.path, isMissing: false }
      const both = AbortSignal.any([signal, parts.signal])
      const joined = await askToJoinInTime(world.clock, joinTimeoutMs, network, link, world.name, both)
      // Whoever joins again after the index was lost finds the folder opened already.
      if (revived !== undefined && folderIdText(revived.record.id) === folderIdText(joined.folder)) {
        const { name, path: revivedPath } = revived.record
        return { folder: { id: folderIdText(joined.folder), name, path: revivedPath }, state: 'joined' }
      }
      if (folders.all().some((runtime) => folderIdText(runtime.record.id) === folderIdText(joined.folder))) {
        throw new EngineError('FOLDER_EXISTS', `this node is a member of ${joined.folderName} already`)
      }
      const folder = await enterFolder(parts, joined, link, place)
      return { folder, state: 'joined' }
    },
  }
}

/** Settings of this node alone: another node's disk is another size. */
function setFolder(
  { index }: ControlParts,
  runtime: FolderRuntime,
  settings: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const parsed = Object.entries(settings).map(([name, text]) => {
    const setting = parseSetting(name, text)
    if (setting.kind === 'ok') return setting
    const next = setting.kind === 'unknown' ? `there is no such setting; there are ${settingNames.join(', ')}` : `give ${setting.expected}`
    throw new EngineError('BAD_ARGUMENT', `${name}=${text}: ${next}`)
  })
  const { row } = runtime.handle
  index.transact(() => {
    for (const { name, text } of parsed) index.folders.setSetting(row, name, text)
  })
  runtime.history.settingsChanged()
  runtime.appends.wake()
  return allSettings(index.folders.settings(row))
}

async function rescan(parts: ControlParts, runtime: FolderRuntime, signal: AbortSignal): Promise<void> {
  refusePaused(runtime)
  const both = AbortSignal.any([signal, parts.signal])
  if (runtime.isStopped) await runtime.tryAgain(both)
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
async function waitSynced(parts: ControlParts, only: FolderRuntime | undefined, signal: AbortSignal): Promise<void> {
  const both = AbortSignal.any([signal, parts.signal])
  const wanted = (): readonly FolderRuntime[] => (only === undefined ? parts.folders.all() : [only])
  for (const runtime of wanted()) if (!runtime.isPaused && !runtime.isStopped) await walkUnlessStopped(parts.folders, runtime, both)
  const changed = new Broadcast()
  const listener = (): void => changed.announce()
  parts.listeners.add(listener)
  try {
    while (!wanted().every((runtime) => runtime.isSynced)) {
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
}

function nodeStatus(parts: ControlParts): NodeStatus {
  const { world, network, folders, signal } = parts
  const problems = [...parts.nodeProblems(), ...folders.all().flatMap((runtime) => folderProblems(parts, runtime))]
  const isDegraded = problems.some((problem) => problem.severity === 'error')
  return {
    peerId: network.self,
    name: world.name,
    version: world.version,
    state: signal.aborted ? 'stopping' : isDegraded ? 'degraded' : 'ok',
    folders: folders.all().map((runtime): FolderStatus => runtime.status()),
    peers: peerStatuses(parts),
    problems,
    traffic: parts.traffic(),
  }
}

function folderProblems(parts: ControlParts, runtime: FolderRuntime): readonly Problem[] {
  const folder = runtime.record.name
  const problems = runtime.problems.all().map((problem): Problem => ({ ...problem, folder }))
  const copies = parts.index.items.countConflictCopies(runtime.handle.row)
  if (copies > 0) problems.push(conflictsProblem(folder, copies))
  if (runtime.pull.isBusy) return problems // and the look at every need is saved while there may be many
  const waiting = parts.index.needs.reasons(runtime.handle.row).find(({ reason }) => reason === 'NO_SOURCE')
  if (waiting === undefined) return problems
  return [
    ...problems,
    {
      code: 'NO_SOURCE',
      severity: 'warning',
      folder,
      text: `${waiting.paths} ${waiting.paths === 1 ? 'path waits' : 'paths wait'} for content that no member reachable now has`,
      next: 'Start the machine that has it, or wait until it has finished its own transfer.',
    },
  ]
}

function conflictsProblem(folder: string, copies: number): Problem {
  return {
    code: 'CONFLICTS',
    severity: 'warning',
    folder,
    text: `${copies === 1 ? 'one conflict copy stands' : `${copies} conflict copies stand`} beside files that were changed in two places at once`,
    next: "'holdfast conflicts' shows both versions, 'holdfast resolve' decides.",
  }
}

function peerStatuses(parts: ControlParts): readonly PeerStatus[] {
  const { index, network, folders, keeper, cards } = parts
  const connected = network.connectedPeers()
  const members = new Map<PeerId, { name: string; folders: string[] }>()
  for (const runtime of folders.all()) {
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
