// A small node that keeps files in step, only to try the simulator itself: the world, the workload and the oracle must work with it, and the
// oracle must see what it does wrong. Not a sketch of the engine: no encryption, no database, everything in one message.

import type { Controls, FolderStatus } from '../../engine/api/controls.ts'
import { fromUtf8, utf8 } from '../../engine/base/bytes.ts'
import { parsePeerId, type PeerId } from '../../engine/model/ids.ts'
import type { Channel, Network, Protocol } from '../../engine/net/network.ts'
import type { NodeWorld, OpenNode, OpenedNode } from './node.ts'
import { contentHash, isIgnoredName, isOwnPath } from './snapshot.ts'

/** Ways in which the toy can be made to fail, for trying the oracle. */
export type ToyFault =
  | 'none'
  | 'partial files'
  | 'skip fsync'
  | 'skip recheck'
  | 'lose conflicts'
  | 'touch ignored'
  | 'leave folder'
  | 'never tell'

interface Version {
  /** Higher wins; ties by content. */
  readonly clock: number
  readonly content: string
  readonly mode: number
  readonly mtimeUs: number
  readonly isDeleted: boolean
  /** Contents that whoever made this version had seen at the path before; '' = the deletion. */
  readonly ancestors: readonly string[]
}

interface Message extends Version {
  readonly path: string
  readonly text: string
}

const protocol: Protocol = { name: '/toy/1', frameBytesMax: 16 * 1024 * 1024 }
const walkEveryMs = 10_000

/** Peers and links of one toy cluster, as a real one carries them in its link. */
export function toyCluster(fault: ToyFault = 'none'): OpenNode {
  const known = new Map<PeerId, readonly string[]>()
  return async (world) => {
    const node = new ToyNode(world, fault, known)
    await node.open()
    return node
  }
}

class ToyNode implements OpenedNode {
  readonly controls: Controls
  readonly #world: NodeWorld
  readonly #fault: ToyFault
  readonly #known: Map<PeerId, readonly string[]>
  readonly #network: Network
  readonly #versions = new Map<string, Version>()
  readonly #channels = new Set<Channel>()
  readonly #stop = new AbortController()
  #clock = 0
  #isPaused = false
  #turn: Promise<void> = Promise.resolve()

  constructor(world: NodeWorld, fault: ToyFault, known: Map<PeerId, readonly string[]>) {
    this.#world = world
    this.#fault = fault
    this.#known = known
    const self = parsePeerId(`12D3Koo${world.name.repeat(45)}`)
    if (self === undefined) throw new Error(`${world.name} makes no peer id`)
    this.#network = world.openNetwork(self)
    this.controls = this.#controls()
  }

  async open(): Promise<void> {
    const { files, homePath } = this.#world
    if (files.lstat(`${homePath}/state`) !== undefined) this.#load()
    this.#known.set(this.#network.self, this.#network.addresses())
    this.#network.serve(protocol, (channel) => this.#adopt(channel))
    const onEvent = (): void => {
      if (!this.#isPaused) this.#background(this.#inTurn(() => this.#walk()))
    }
    await this.#world.openWatcher(
      { root: this.#world.folderPath, isIgnored: (path) => isOwnPath(path) || isIgnoredName(path), onEvent },
      this.#stop.signal,
    )
    this.#background(this.#walkForever())
    this.#background(this.#dialForever())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#turn
    await this.#network[Symbol.asyncDispose]()
  }

  #controls(): Controls {
    const done = async (): Promise<void> => undefined
    const folder = { id: 'toy', name: 'toy', path: this.#world.folderPath }
    const refuse = (): never => {
      throw new Error('the toy cannot do this')
    }
    return {
      identity: refuse,
      status: refuse,
      stop: done,
      onChange: () => () => undefined,
      addFolder: async () => folder,
      folders: () => [this.#status()],
      removeFolder: done,
      pauseFolder: async () => void (this.#isPaused = true),
      resumeFolder: async () => void (this.#isPaused = false),
      rescanFolder: async () => await this.#inTurn(() => this.#walk()),
      setFolder: refuse,
      needs: () => ({ state: 'idle', items: [], total: 0 }),
      acceptChanges: done,
      rejectChanges: done,
      history: refuse,
      restore: refuse,
      rollback: refuse,
      waitSynced: async () => ({ paused: [], full: [] }),
      copies: refuse,
      keepFolder: refuse,
      freeFiles: refuse,
      fetchFiles: refuse,
      files: refuse,
      members: () => [],
      retry: done,
      retireMember: refuse,
      waitCopies: done,
      share: async () => ({ link: 'toy', id: 'toy' }),
      join: async () => ({ folder, state: 'joined' }),
      conflicts: () => [],
      verifyFolder: refuse,
      resolveConflict: refuse,
      store: refuse,
      rebuildStore: refuse,
      scrubStatus: refuse,
      startScrub: refuse,
      pauseScrub: refuse,
      resumeScrub: refuse,
    }
  }

  #status(): FolderStatus {
    const state = this.#isPaused ? 'paused' : 'idle'
    const counts = {
      files: 0,
      bytes: 0,
      directories: 0,
      needFiles: 0,
      needBytes: 0,
      historyBytes: 0,
      copies: { target: 1, min: 1, below: 0, single: 0 },
    }
    return { id: 'toy', name: 'toy', path: this.#world.folderPath, role: 'owner', state, watcher: 'none', reasons: [], ...counts }
  }

  #background(work: Promise<void>): void {
    work.catch((error: unknown) => this.#world.log.debug('a toy loop ended', { error: String(error) }))
  }

  /** One thing at a time. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work)
    this.#turn = turn.catch((error: unknown) => this.#world.log.debug('a toy step failed', { error: String(error) }))
    return this.#turn
  }

  async #walkForever(): Promise<void> {
    for (;;) {
      if (!this.#isPaused) await this.#inTurn(() => this.#walk())
      await this.#world.clock.sleep(walkEveryMs, this.#stop.signal)
    }
  }

  async #dialForever(): Promise<void> {
    for (;;) {
      for (const [peer, addresses] of this.#known) {
        if (peer <= this.#network.self || [...this.#channels].some((channel) => channel.peer === peer)) continue
        try {
          await this.#network.connect(peer, addresses, this.#stop.signal)
          this.#adopt(await this.#network.open(peer, protocol, this.#stop.signal))
        } catch (error) {
          this.#world.log.debug('no luck', { error: String(error) })
        }
      }
      await this.#world.clock.sleep(1000, this.#stop.signal)
    }
  }

  #adopt(channel: Channel): void {
    this.#channels.add(channel)
    this.#background(this.#listen(channel))
  }

  async #listen(channel: Channel): Promise<void> {
    try {
      for (const path of this.#versions.keys()) this.#tell(channel, path)
      for (;;) {
        const frame = await channel.receive(this.#stop.signal)
        if (frame === undefined) return
        const message = parse<Message>(frame)
        while (this.#isPaused) await this.#world.clock.sleep(500, this.#stop.signal)
        await this.#inTurn(() => this.#receive(message, channel))
      }
    } finally {
      this.#channels.delete(channel)
    }
  }

  async #walk(): Promise<void> {
    const { files, folderPath } = this.#world
    const seen = new Set<string>()
    const look = (directory: string): void => {
      for (const item of files.readDirectory(`${folderPath}${directory}`)) {
        const path = `${directory}/${item.name}`
        if (isOwnPath(path.slice(1)) || isIgnoredName(path)) continue
        if (item.kind === 'directory') look(path)
        if (item.kind === 'file') seen.add(path)
      }
    }
    look('')
    for (const path of [...seen, ...this.#versions.keys()].toSorted()) this.#compare(path)
    await this.#save()
  }

  #compare(path: string): void {
    const bytes = this.#bytesAt(path)
    const known = this.#versions.get(path)
    const stat = this.#world.files.lstat(this.#world.folderPath + path)
    if (bytes === undefined || stat?.kind !== 'file') {
      if (known !== undefined && !known.isDeleted)
        this.#author(path, { ...known, ...after(known), content: '', isDeleted: true, clock: ++this.#clock })
      return
    }
    const content = contentHash(bytes)
    const isSame =
      known !== undefined && !known.isDeleted && known.content === content && known.mode === stat.mode && known.mtimeUs === stat.mtimeUs
    if (isSame) return
    this.#author(path, { ...after(known), clock: ++this.#clock, content, mode: stat.mode, mtimeUs: stat.mtimeUs, isDeleted: false })
  }

  #author(path: string, version: Version): void {
    this.#versions.set(path, version)
    for (const channel of this.#channels) this.#tell(channel, path)
  }

  #tell(channel: Channel, path: string): void {
    const version = this.#versions.get(path)
    if (version === undefined || this.#fault === 'never tell') return
    const bytes = version.isDeleted ? new Uint8Array(0) : this.#bytesAt(path)
    if (bytes === undefined || (!version.isDeleted && contentHash(bytes) !== version.content)) return // changed since: the next walk tells
    const message: Message = { ...version, path, text: base64Of(bytes) }
    channel.send([utf8(JSON.stringify(message))], this.#stop.signal).catch(() => this.#channels.delete(channel))
  }

  async #receive({ path, text, ...theirs }: Message, from: Channel): Promise<void> {
    this.#compare(path)
    this.#clock = Math.max(this.#clock, theirs.clock)
    const ours = this.#versions.get(path)
    if (ours === undefined) {
      await this.#take(path, base64Bytes(text), theirs, from)
      return
    }
    const isNews = isWinner(theirs, ours)
    const [winner, loser] = isNews ? [theirs, ours] : [ours, theirs]
    const joined = { ...winner, ancestors: [...new Set([...winner.ancestors, ...loser.ancestors, loser.content])].toSorted() }
    const isAncestor = winner.ancestors.includes(loser.content) || loser.content === winner.content || loser.isDeleted
    if (!isAncestor && this.#fault !== 'lose conflicts') {
      const copy = conflictName(path, loser.content)
      const bytes = isNews ? this.#bytesAt(path) : base64Bytes(text)
      if (bytes !== undefined && this.#versions.get(copy) === undefined)
        await this.#take(copy, bytes, { ...loser, ancestors: [] }, undefined)
    }
    if (JSON.stringify(joined) === JSON.stringify(ours)) return
    const isSame = ours.content === joined.content && ours.mode === joined.mode && ours.mtimeUs === joined.mtimeUs
    if (!isSame) await this.#take(path, base64Bytes(text), joined, from)
    else this.#author(path, joined)
  }

  async #take(path: string, bytes: Uint8Array, version: Version, from: Channel | undefined): Promise<void> {
    if (!(await this.#apply(path, bytes, version))) return
    this.#versions.set(path, version)
    await this.#save()
    for (const channel of this.#channels) if (channel !== from) this.#tell(channel, path)
  }

  /** False when the path changed in the meantime: the next walk and the peer's next telling sort it out. */
  async #apply(path: string, bytes: Uint8Array, version: Version): Promise<boolean> {
    const { files, folderPath, homePath } = this.#world
    const full = folderPath + path
    if (version.isDeleted) {
      if (files.lstat(full)?.kind === 'file') files.unlink(full)
      if (this.#fault === 'touch ignored')
        for (const item of files.readDirectory(folderPath)) if (isIgnoredName(item.name)) files.unlink(`${folderPath}/${item.name}`)
      return true
    }
    const before = this.#versions.get(path)
    const names = path.split('/').slice(1, -1)
    for (let count = 1; count <= names.length; count++) {
      const parent = `${folderPath}/${names.slice(0, count).join('/')}`
      if (files.lstat(parent) === undefined) files.makeDirectory(parent, 0o755)
    }
    if (this.#fault === 'leave folder' && bytes.length === 1) files.makeDirectory('/elsewhere', 0o755)
    const temporary = this.#fault === 'partial files' ? full : `${homePath}/temp`
    if (files.lstat(temporary) !== undefined) files.unlink(temporary)
    const file = files.open(temporary, 'create')
    const half = bytes.length >> 1
    file.write(bytes.subarray(0, half), 0)
    if (this.#fault === 'partial files') await this.#world.clock.sleep(1, this.#stop.signal)
    file.write(bytes.subarray(half), half)
    file.setMode(version.mode)
    file.setMtime(version.mtimeUs)
    if (this.#fault !== 'skip fsync') await file.datasync()
    file.close()
    if (temporary !== full && this.#fault !== 'skip recheck') {
      this.#compare(path)
      if (this.#versions.get(path) !== before) return false
    }
    if (temporary !== full) files.rename(temporary, full)
    await files.syncDirectory(full.slice(0, full.lastIndexOf('/')))
    return true
  }

  #bytesAt(path: string): Uint8Array | undefined {
    const { files, folderPath } = this.#world
    if (files.lstat(folderPath + path)?.kind !== 'file') return undefined
    const file = files.open(folderPath + path, 'read')
    const bytes = new Uint8Array(file.stat().sizeBytes)
    file.read(bytes, 0)
    file.close()
    return bytes
  }

  async #save(): Promise<void> {
    const { files, homePath } = this.#world
    if (files.lstat(`${homePath}/state.new`) !== undefined) files.unlink(`${homePath}/state.new`)
    const file = files.open(`${homePath}/state.new`, 'create')
    file.write(utf8(JSON.stringify([...this.#versions])), 0)
    await file.datasync()
    file.close()
    files.rename(`${homePath}/state.new`, `${homePath}/state`)
    await files.syncDirectory(homePath)
  }

  #load(): void {
    const file = this.#world.files.open(`${this.#world.homePath}/state`, 'read')
    const bytes = new Uint8Array(file.stat().sizeBytes)
    file.read(bytes, 0)
    file.close()
    for (const [path, version] of parse<readonly (readonly [string, Version])[]>(bytes)) {
      this.#versions.set(path, version)
      this.#clock = Math.max(this.#clock, version.clock)
    }
  }
}

function after(known: Version | undefined): { readonly ancestors: readonly string[] } {
  return { ancestors: known === undefined ? [] : [...new Set([...known.ancestors, known.content])].toSorted() }
}

/** Who has seen the other's content wins; else what is not deleted; else the later. */
function isWinner(left: Version, right: Version): boolean {
  const [hasSeenRight, hasSeenLeft] = [left.ancestors.includes(right.content), right.ancestors.includes(left.content)]
  if (left.content !== right.content) {
    if (hasSeenRight !== hasSeenLeft) return hasSeenRight
    if (left.isDeleted !== right.isDeleted) return right.isDeleted
  }
  if (left.clock !== right.clock) return left.clock > right.clock
  return keyOf(left) > keyOf(right)
}

function conflictName(path: string, content: string): string {
  const [stem = '', ending = ''] = path.length > 200 ? [path.slice(0, 150), ''] : [path, '.copy']
  return `${stem}.conflict-20260101-000000-${content}${ending}`
}

function keyOf(version: Version): string {
  return `${version.isDeleted ? 0 : 1} ${version.content} ${version.mode} ${version.mtimeUs}`
}

function parse<T>(bytes: Uint8Array): T {
  return JSON.parse(fromUtf8(bytes) ?? '') as T
}

function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

function base64Bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'))
}
