// Controls in memory: keeps folders by their words, remembers what was asked, and lets a test move the state along.

import { EngineError } from '../../engine/base/errors.ts'
import type {
  CopiesList,
  MemberStatus,
  Conflict,
  ConflictDecision,
  Controls,
  FolderState,
  FolderStatus,
  History,
  NodeStatus,
  OutOfStep,
  PeerStatus,
  Problem,
  Progress,
  Restored,
  RolledBack,
  InStep,
} from '../../engine/api/controls.ts'
import type { ScrubStatus, StoreRebuilt, StoreStatus } from '../../engine/api/store-controls.ts'
import type { FetchedFiles, FileList, FreedFiles, Keep, KeptFiles } from '../../engine/api/elsewhere.ts'
import { abortable, Broadcast } from '../../engine/base/queue.ts'

export const fakePeerId = '12D3KooWFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFake'
export const fakeLink = 'holdfast:join/fake-secret'

export const fakePeer: PeerStatus = {
  id: '12D3KooWOtherOtherOtherOtherOtherOtherOtherOtherOthe',
  name: 'attic',
  connected: true,
  class: 'always-on',
  zone: 'home',
  addresses: ['/ip4/127.0.0.1/tcp/4001'],
  folders: ['Photos'],
  lastSeenMs: 1_700_000_000_000,
}

export const fakeConflict: Conflict = {
  folder: 'Photos',
  path: 'a.txt',
  versions: [
    { path: 'a.txt', role: 'winner', kind: 'file', bytes: 1500, modifiedMs: 1_700_000_000_000, mine: true, by: 'desk', peer: fakePeerId },
    { path: 'a.conflict.txt', role: 'copy', kind: 'file', bytes: 20, modifiedMs: 1_700_000_000_000, mine: false, by: '' },
  ],
}

export class FakeControls implements Controls {
  /** Every call as `name argument`, in order. */
  readonly asked: string[] = []
  /** Waits and rescans that were aborted. */
  aborts = 0
  isStopped = false
  listeners = 0
  problems: readonly Problem[] = []
  /** `freeFiles` waits for this. */
  freeing: Promise<void> | undefined
  full: InStep['full'] = []
  /** What the next call throws. */
  failure: Error | undefined
  readonly #folders = new Map<string, FolderStatus>()
  readonly #changed = new Set<() => void>()
  readonly #moved = new Broadcast()
  readonly #stopped: () => void

  constructor(options: { readonly stopped?: () => void } = {}) {
    this.#stopped = options.stopped ?? (() => undefined)
  }

  identity(): { peerId: string; name: string; addresses: string[] } {
    return { peerId: fakePeerId, name: 'desk', addresses: [`/ip4/127.0.0.1/tcp/4000/p2p/${fakePeerId}`] }
  }

  status(): NodeStatus {
    if (this.failure !== undefined) throw this.failure
    return {
      peerId: fakePeerId,
      name: 'desk',
      version: '0.1.0',
      state: this.isStopped ? 'stopping' : this.problems.some((problem) => problem.severity === 'error') ? 'degraded' : 'ok',
      folders: this.folders(),
      peers: [fakePeer],
      problems: this.problems,
      traffic: { sentBytes: 1, receivedBytes: 2 },
    }
  }

  async stop(): Promise<void> {
    this.asked.push('stop')
    this.isStopped = true
    this.#stopped()
  }

  onChange(listener: () => void): () => void {
    this.listeners++
    this.#changed.add(listener)
    return () => {
      this.listeners--
      this.#changed.delete(listener)
    }
  }

  store(): StoreStatus {
    return {
      state: 'ok',
      blocks: 3,
      payloadBytes: 3000,
      usedBytes: 3768,
      diskBytes: 4000,
      capacityBytes: 500_000_000_000,
      segments: 1,
      damaged: 0,
      folders: [{ folder: 'Photos', blocks: 3, payloadBytes: 3000, usedBytes: 3768, grantBytes: 1_000_000 }],
    }
  }

  scrubStatus(): ScrubStatus {
    return {
      state: 'running',
      isHurried: false,
      cycleDays: 30,
      totalBytes: 4_000_000,
      doneBytes: 1_000_000,
      bytesPerSecond: 2,
      nextMs: 1_760_000_060_000,
      run: { startedMs: 1_760_000_000_000, bytes: 1_000_000, pieces: 4, found: 1 },
      found: 2,
      healed: 1,
      open: 1,
      audits: [
        {
          folder: 'Photos',
          peer: '12D3KooWother',
          name: 'attic',
          lastMs: 1_760_000_000_000,
          blocks: 459,
          missing: 0,
          runs: 3,
          failures: 1,
        },
      ],
    }
  }

  async startScrub(): Promise<void> {
    this.asked.push('startScrub')
  }

  async pauseScrub(): Promise<void> {
    this.asked.push('pauseScrub')
  }

  async resumeScrub(): Promise<void> {
    this.asked.push('resumeScrub')
  }

  async rebuildStore(): Promise<StoreRebuilt> {
    this.asked.push('rebuildStore')
    return { segments: 1, blocks: 3, missing: 0, surplus: 0, elsewhere: 0, wasReadable: true, durationMs: 5 }
  }

  async addFolder(request: {
    readonly path: string
    readonly name?: string
    readonly copies?: number
  }): Promise<{ id: string; name: string; path: string }> {
    this.asked.push(`addFolder ${JSON.stringify(request)}`)
    if (request.path.endsWith('missing')) throw new EngineError('PATH_MISSING', `${request.path} does not exist: make it first`)
    const name = request.name ?? request.path.slice(request.path.lastIndexOf('/') + 1)
    if (this.#folders.has(name)) throw new EngineError('FOLDER_EXISTS', `there is a folder "${name}" already: give --name`)
    const id = `a${this.#folders.size}fakefolderid`
    this.#folders.set(name, {
      id,
      name,
      path: request.path,
      role: 'owner',
      state: 'idle',
      files: 3,
      bytes: 1_288_490_189,
      directories: 1,
      needFiles: 0,
      needBytes: 0,
      copies: { target: request.copies ?? 2, min: 1, below: 2, single: 1 },
      watcher: 'native',
      reasons: [],
      historyBytes: 0,
    })
    this.change()
    return { id, name, path: request.path }
  }

  folders(): readonly FolderStatus[] {
    return [...this.#folders.values()]
  }

  async removeFolder(folder: string, _force?: boolean): Promise<void> {
    this.#folders.delete(this.#find('removeFolder', folder).name)
    this.change()
  }

  async pauseFolder(folder: string): Promise<void> {
    this.move(this.#find('pauseFolder', folder).name, 'paused')
  }

  async resumeFolder(folder: string): Promise<void> {
    this.move(this.#find('resumeFolder', folder).name, 'idle')
  }

  async rescanFolder(folder: string, signal: AbortSignal): Promise<void> {
    const { state } = this.#find('rescanFolder', folder)
    if (state === 'paused') await this.#forever(signal)
  }

  async setFolder(folder: string, settings: Readonly<Record<string, string>>): Promise<Readonly<Record<string, string>>> {
    this.#find('setFolder', folder)
    return { 'history.days': '30', ...settings }
  }

  needs(folder: string): { state: FolderState; items: OutOfStep[]; total: number } {
    const { state } = this.#find('needs', folder)
    if (state === 'paused') return { state, items: [], total: 0 }
    return { state, items: [{ path: 'a', direction: 'in', reason: 'NO_SOURCE', text: 'x', next: 'y', bytes: 7 }], total: 1 }
  }

  async acceptChanges(folder: string): Promise<void> {
    this.move(this.#find('acceptChanges', folder).name, 'idle')
  }

  async rejectChanges(folder: string): Promise<void> {
    this.move(this.#find('rejectChanges', folder).name, 'idle')
  }

  members(folder: string): readonly MemberStatus[] {
    this.#find('members', folder)
    return [
      {
        id: fakePeerId,
        name: 'attic',
        role: 'host',
        zone: 'home',
        class: 'always-on',
        connected: true,
        retired: false,
        left: false,
        full: false,
        absence: 'here',
      },
    ]
  }

  async retry(folder: string | undefined): Promise<void> {
    if (folder === undefined) this.asked.push('retry')
    else this.#find('retry', folder)
  }

  async retireMember(folder: string, peer: string, isUndone: boolean): Promise<void> {
    this.#find(isUndone ? 'retireMember undone' : 'retireMember', folder)
    if (peer !== 'attic') throw new EngineError('UNKNOWN_MEMBER', `there is no member ${peer} in ${folder}`)
  }

  async copies(request: { readonly folder: string; readonly path?: string; readonly worst?: boolean }): Promise<CopiesList> {
    this.asked.push(`copies ${JSON.stringify(request)}`)
    const file = { path: 'a.jpg', bytes: 5, copies: 1, verified: 1, zones: 1, holders: [fakePeerId] }
    return { targetCopies: 2, files: [file], total: 9 }
  }

  async keepFolder(request: { readonly folder: string; readonly keep?: Keep; readonly patterns?: readonly string[] }): Promise<KeptFiles> {
    this.asked.push(`keepFolder ${JSON.stringify(request)}`)
    const { keep = 'all', patterns = [] } = request
    return { keep, patterns, fetching: 2, fetchingBytes: 30, toFree: 1, ...this.#freed() }
  }

  async freeFiles(request: {
    readonly folder: string
    readonly paths: readonly string[]
    readonly minCopies?: number
  }): Promise<FreedFiles> {
    this.asked.push(`freeFiles ${JSON.stringify(request)}`)
    await this.freeing
    return this.#freed()
  }

  async fetchFiles(request: { readonly folder: string; readonly paths: readonly string[]; readonly wait: boolean }): Promise<FetchedFiles> {
    this.asked.push(`fetchFiles ${JSON.stringify(request)}`)
    return { fetching: 1, fetchingBytes: 5 }
  }

  async files(request: { readonly folder: string; readonly path?: string | undefined }): Promise<FileList> {
    this.asked.push(`files ${JSON.stringify(request)}`)
    const file = { path: 'a.jpg', bytes: 5, copies: 2, verified: 1, zones: 1, holders: [fakePeerId], state: 'elsewhere' as const }
    return { files: [file], total: 9, elsewhere: { files: 1, bytes: 5 } }
  }

  #freed(): FreedFiles {
    const refused = [{ path: 'b.jpg', reason: 'NOT_PROVEN', copies: 1, text: '1 copy at other members could be proven now, 2 are needed' }]
    return { freed: 3, freedBytes: 1500, refused, refusedCount: 1, neededCopies: 2 }
  }

  async waitCopies(folder: string | undefined, copies: number, signal: AbortSignal): Promise<void> {
    this.asked.push(`waitCopies ${folder} ${copies}`)
    if (copies > 1) await this.#forever(signal)
  }

  history(folder: string, path: string | undefined): History {
    this.#find('history', folder)
    const past = { path: path ?? 'note.txt', kind: 'file' as const, bytes: 5, modifiedMs: 1, mode: 0o644, sinceMs: 2 }
    const versions = [{ ...past, id: '7', replacedMs: 3, deleted: true, by: fakePeerId, byName: 'attic', isHere: false }]
    return {
      path: path ?? '',
      floorMs: 1,
      ...(path === undefined ? {} : { current: past }),
      total: path === undefined ? 1234 : 1,
      versions,
    }
  }

  async restore(request: {
    readonly folder: string
    readonly path: string
    readonly version: string
    readonly to?: string
  }): Promise<Restored> {
    this.asked.push(`restore ${JSON.stringify(request)}`)
    if (request.version !== '7') throw new EngineError('UNKNOWN_VERSION', `${request.path} has no version ${request.version}`)
    return request.to === undefined ? { path: request.path, state: 'done', undoAtMs: 9 } : { path: request.to, state: 'done' }
  }

  async rollback(request: {
    readonly folder: string
    readonly path?: string
    readonly atMs: number
    readonly to?: string
  }): Promise<RolledBack> {
    this.asked.push(`rollback ${JSON.stringify(request)}`)
    const missing = request.path === 'lost' ? ['lost/a'] : []
    return { restored: 2, removed: 1, missing, missingCount: missing.length, state: 'done', undoAtMs: 1_700_000_000_000 }
  }

  async verifyFolder(folder: string): Promise<{ files: number; bytes: number; rotten: string[] }> {
    this.#find('verifyFolder', folder)
    return { files: 3, bytes: 1_288_490_189, rotten: folder === 'Held' ? ['a/b'] : [] }
  }

  /** Ends when every folder asked for is idle. */
  async waitSynced(folder: string | undefined, signal: AbortSignal): Promise<InStep> {
    this.asked.push(`waitSynced ${folder ?? 'all'}`)
    const isIdle = (): boolean => (folder === undefined ? this.folders() : [this.#find('', folder)]).every(({ state }) => state === 'idle')
    try {
      while (!isIdle()) await this.#moved.wait(signal)
      return { paused: [], full: this.full }
    } catch (error) {
      this.aborts++
      throw error
    }
  }

  async share(request: { readonly folder: string; readonly role?: string }): Promise<{ link: string; id: string }> {
    this.#find('share', request.folder)
    if (request.role === 'host') throw new EngineError('NOT_ALLOWED', 'links for hosts do not exist yet: use --role write')
    return { link: `${fakeLink}-${request.role ?? 'write'}`, id: 'link-1' }
  }

  async join(request: {
    readonly link: string
    readonly path: string
  }): Promise<{ folder: { id: string; name: string; path: string }; state: 'joined' }> {
    this.asked.push(`join ${request.path}`)
    if (!request.link.startsWith(fakeLink)) throw new EngineError('BAD_LINK', 'this is not a link of Holdfast: copy it again as a whole')
    return { folder: { id: 'ajoinedfolderid', name: 'Joined', path: request.path }, state: 'joined' }
  }

  conflicts(folder: string | undefined): readonly Conflict[] {
    if (folder !== undefined) this.#find('conflicts', folder)
    return folder === 'Held' ? [] : [fakeConflict]
  }

  async resolveConflict(request: { readonly folder: string; readonly path: string; readonly keep: string }): Promise<ConflictDecision> {
    this.#find('resolveConflict', request.folder)
    if (request.keep === 'theirs') throw new EngineError('CONFLICT_UNCLEAR', `${request.path}: all were written here: keep 'winner'`)
    const versions = fakeConflict.versions.map((version) => (version.role === 'copy' ? { ...version, now: request.path } : version))
    return { kept: [request.path], removed: ['a.conflict'], versions }
  }

  /** Gives the folder another state, and progress when it has some. */
  move(name: string, state: FolderState, progress?: Progress): void {
    const { progress: _, ...folder } = this.#find('', name)
    this.#folders.set(name, { ...folder, state, ...(progress === undefined ? {} : { progress }) })
    this.change()
  }

  change(): void {
    this.#moved.announce()
    for (const listener of this.#changed) listener()
  }

  #find(call: string, wanted: string): FolderStatus {
    if (call !== '') this.asked.push(`${call} ${wanted}`)
    const found = this.folders().filter(({ id, name, path }) => name === wanted || path === wanted || id.startsWith(wanted))
    if (found.length > 1)
      throw new EngineError('AMBIGUOUS_FOLDER', `"${wanted}" could be any of ${found.length} folders: give a longer id prefix`)
    const [folder] = found
    if (folder === undefined) throw new EngineError('UNKNOWN_FOLDER', `there is no folder "${wanted}": see "holdfast folder list"`)
    return folder
  }

  async #forever(signal: AbortSignal): Promise<never> {
    try {
      return await abortable<never>(() => undefined, signal)
    } finally {
      this.aborts++
    }
  }
}
