// One simulated machine and the node on it. The machine (drive, clock, database file, person) lasts; the node's process
// starts, stops, is killed or loses power. What runs inside comes from `open`, which gets its whole world handed in.

import type { Controls } from '../../engine/api/controls.ts'
import type { Clock, Random } from '../../engine/base/clock.ts'
import { FilesError, type Files } from '../../engine/base/files.ts'
import type { Jobs, JobTable } from '../../engine/base/jobs.ts'
import type { Log } from '../../engine/base/log.ts'
import type { Objects } from '../../engine/base/objects.ts'
import type { OpenWatcher } from '../../engine/disk/watch.ts'
import type { NodeClass } from '../../engine/model/folder.ts'
import type { PeerId } from '../../engine/model/ids.ts'
import type { Network } from '../../engine/net/network.ts'
import type { SeededRandom } from '../support/seeded-random.ts'
import { SimBucket } from './bucket.ts'
import { guardCommits } from './database-gate.ts'
import { DatabaseHome, type CommitDurability } from './database-home.ts'
import { DiskFaults, Gate } from './disk-gate.ts'
import type { NameRules } from './disk-tree.ts'
import { SimDisk } from './disk.ts'
import { SimFiles } from './files.ts'
import { SimJobs } from './jobs.ts'
import { Life, SimCrash } from './life.ts'
import { traceLog } from './log.ts'
import type { SimFabric } from './network.ts'
import type { HostPace } from './pace.ts'
import { SimClock, WallClock, type Scheduler } from './scheduler.ts'
import { SimUser } from './user.ts'
import { faithfulWatching, simWatcher, type WatchConditions } from './watcher.ts'

/** Everything that a node may touch. */
export interface NodeWorld {
  readonly name: string
  readonly clock: Clock
  readonly random: Random
  /** The machine's drive: home and folder are on it. */
  readonly files: Files
  readonly homePath: string
  readonly folderPath: string
  /** A real file for `node:sqlite`; may not exist yet. */
  readonly databasePath: string
  /** To be told when everything committed is on the device. */
  readonly onDatabaseFlushed: () => void
  /** A flush begins; the result is called when it has ended. */
  readonly beginDatabaseFlush: () => () => void
  readonly log: Log
  /** What the node says of itself. */
  readonly card: CardFacts
  /** How soon who is away is lost, and what is not a node's own to hold goes; as in production when absent. */
  readonly pace: HostPace | undefined
  /** Where its blocks are; absent where they are on its drive. */
  readonly bucket: Objects | undefined
  /** The owner says that its block store is gone for good. */
  readonly isNewStore: boolean
  readonly openWatcher: OpenWatcher
  openNetwork(self: PeerId): Network
  makeJobs<Table extends JobTable>(table: Table): Jobs<Table>
}

export interface OpenedNode extends AsyncDisposable {
  readonly controls: Controls
}

export type OpenNode = (world: NodeWorld) => Promise<OpenedNode>

/** Of a node's card. */
export interface CardFacts {
  readonly zone: string
  readonly class: NodeClass
  readonly capacityBytes: number
}

const homeCard: CardFacts = { zone: 'home', class: 'daily', capacityBytes: 0 }

export interface MachineOptions {
  readonly name: string
  readonly card?: CardFacts | undefined
  readonly pace?: HostPace | undefined
  readonly isInBucket?: boolean
  readonly rules?: NameRules
  readonly capacityBytes?: number
  readonly granularityUs?: number
  readonly wallOffsetMs?: number
  readonly jobWidth?: number
  readonly durability?: CommitDurability
}

export interface SimNode extends Disposable {
  readonly name: string
  readonly disk: SimDisk
  readonly user: SimUser
  readonly faults: DiskFaults
  readonly wall: WallClock
  readonly database: DatabaseHome
  /** Absent where blocks are on the drive. */
  readonly bucket: SimBucket | undefined
  readonly homePath: string
  readonly folderPath: string
  /** What the watcher of the running and of later processes does. */
  watching: WatchConditions
  readonly isRunning: boolean
  /** Of the process that runs now; undefined while none does. */
  readonly controls: Controls | undefined
  /** The process's own name on the network; undefined before its first start. */
  readonly peer: PeerId | undefined
  /** Resolves when the node is open, or when it died on the way. Throws what `open` threw. */
  start(): Promise<void>
  /** Ends it in good order. */
  stop(): Promise<void>
  /** kill -9: nothing on the drive is lost. */
  kill(): void
  /** Power loss: what was not flushed may be. */
  crash(): void
  /** Resolves when the process that runs now has ended, in whatever way; never when none runs. */
  died(): Promise<'died'>
  /** The block store is gone, with its directory. No process may run. */
  wipeStore(): void
  /** Puts a copy of home and index aside; false when there is no index yet. */
  backUpHome(): boolean
  readonly hasBackup: boolean
  /** Brings the last copy back. No process may run. */
  restoreHome(): void
}

interface HomeBackup {
  readonly database: string
  readonly files: readonly { readonly path: string; readonly bytes: Uint8Array; readonly mode: number }[]
}

const homePath = '/home/node'
const folderPath = '/folder'
const flushMsMax = 4
const diskCallMs = 0.01
/** A page of the log with its frame. */
const commitBytesMin = 4200

export class SimMachine implements SimNode {
  readonly name: string
  readonly disk: SimDisk
  readonly user: SimUser
  readonly faults: DiskFaults = new DiskFaults()
  readonly wall: WallClock
  readonly database: DatabaseHome
  readonly bucket: SimBucket | undefined
  readonly homePath: string = homePath
  readonly folderPath: string = folderPath
  watching: WatchConditions = faithfulWatching
  readonly #scheduler: Scheduler
  readonly #fabric: SimFabric
  readonly #random: SeededRandom
  readonly #open: OpenNode
  readonly #options: MachineOptions
  #life: Life | undefined
  #opened: OpenedNode | undefined
  #peer: PeerId | undefined
  #backup: HomeBackup | undefined
  #lives = 0
  #isWiped = false

  constructor(
    parts: { readonly scheduler: Scheduler; readonly fabric: SimFabric; readonly random: SeededRandom; readonly open: OpenNode },
    options: MachineOptions,
  ) {
    this.name = options.name
    this.#options = options
    this.#scheduler = parts.scheduler
    this.#fabric = parts.fabric
    this.#random = parts.random.fork(`machine ${options.name}`)
    this.#open = parts.open
    this.wall = new WallClock(parts.scheduler, options.wallOffsetMs ?? 0)
    this.disk = new SimDisk({
      nowUs: () => this.wall.nowUs(),
      random: this.#random.fork('disk'),
      ...(options.rules === undefined ? {} : { rules: options.rules }),
      ...(options.capacityBytes === undefined ? {} : { capacityBytes: options.capacityBytes }),
      ...(options.granularityUs === undefined ? {} : { granularityUs: options.granularityUs }),
    })
    this.user = new SimUser(this.disk)
    this.user.mkdir('/home')
    this.user.mkdir(homePath)
    this.user.mkdir(folderPath)
    this.bucket = options.isInBucket === true ? new SimBucket(parts.scheduler, this.#random.fork('bucket'), options.name) : undefined
    this.database = new DatabaseHome({ label: options.name, durability: options.durability ?? 'normal' })
  }

  get isRunning(): boolean {
    return this.#life !== undefined && !this.#life.isOver
  }

  get controls(): Controls | undefined {
    return this.isRunning ? this.#opened?.controls : undefined
  }

  get peer(): PeerId | undefined {
    return this.#peer
  }

  async start(): Promise<void> {
    if (this.isRunning) throw new Error(`${this.name} runs already`)
    this.#scheduler.note(`${this.name} starts`)
    const life = new Life(this.name)
    this.#life = life
    const end = await new Promise<{ opened: OpenedNode } | { failed: unknown } | 'died'>((resolve) => {
      life.onEnd(() => resolve('died')) // before the engine's first call, which may be its last
      this.#open(this.#world(life)).then(
        (opened) => resolve({ opened }),
        (error: unknown) => resolve({ failed: error }),
      )
    })
    if (end === 'died') return
    if ('failed' in end) {
      if (end.failed instanceof SimCrash) return
      this.#end('failed to start')
      this.database.kill()
      throw end.failed
    }
    this.#opened = end.opened
    this.#scheduler.note(`${this.name} is open`)
  }

  async stop(): Promise<void> {
    const life = this.#life
    if (life === undefined || life.isOver) return
    this.#scheduler.note(`${this.name} stops`)
    await this.#opened?.[Symbol.asyncDispose]()
    if (life.isOver) return
    this.#end('stopped')
    this.database.kill()
  }

  kill(): void {
    if (!this.isRunning) return
    this.#end('is killed')
    this.database.kill()
  }

  crash(): void {
    this.#end('loses power')
    const random = this.#random.fork(`crash ${this.#lives}`)
    this.disk.crash(random)
    this.database.crash(random)
  }

  async died(): Promise<'died'> {
    return await new Promise((resolve) => this.#life?.onEnd(() => resolve('died')))
  }

  wipeStore(): void {
    if (this.isRunning) throw new Error(`${this.name} cannot lose its store while it runs`)
    if (this.user.lstat(`${homePath}/segments`) !== undefined) this.user.remove(`${homePath}/segments`)
    this.#isWiped = true
  }

  get hasBackup(): boolean {
    return this.#backup !== undefined
  }

  backUpHome(): boolean {
    if (this.database.sizeBytes === 0) return false
    const files = this.user.walk(homePath).flatMap((path) => {
      const bytes = this.user.read(path)
      return bytes === undefined ? [] : [{ path, bytes, mode: this.user.lstat(path)?.mode ?? 0o600 }]
    })
    this.#backup = { database: this.database.backUp(), files }
    return true
  }

  restoreHome(): void {
    if (this.#backup === undefined || this.isRunning) throw new Error(`${this.name} cannot be restored now`)
    this.database.restore(this.#backup.database)
    for (const path of this.user.walk(homePath).toReversed()) if (this.user.lstat(path)?.kind === 'file') this.user.remove(path)
    for (const { path, bytes, mode } of this.#backup.files) {
      this.user.write(path, bytes)
      this.user.chmod(path, mode)
    }
  }

  [Symbol.dispose](): void {
    this.#end('is over')
    this.database[Symbol.dispose]()
    this.disk[Symbol.dispose]()
  }

  #end(how: string): void {
    this.#scheduler.note(`${this.name} ${how}`)
    this.#life?.end()
    this.#opened = undefined
  }

  #world(life: Life): NodeWorld {
    const scheduler = this.#scheduler
    const random = this.#random.fork(`life ${this.#lives++}`)
    const flushing = random.fork('flush')
    const gate = new Gate({ life, faults: this.faults, onCall: () => scheduler.touch() })
    const flushPause = (): Promise<void> => scheduler.pause(diskCallMs + flushing.unit() * flushMsMax, `${this.name} flushed`, life)
    const files = new SimFiles(this.disk, { kind: 'engine', gate, flushPause })
    const databaseCall = `${homePath}/index.sqlite`
    const unguard = guardCommits(this.database.path, () => {
      gate.before('commit', databaseCall)
      if (this.disk.freeBytes < commitBytesMin) throw new FilesError('noSpace', 'commit', databaseCall, 'ENOSPC')
    })
    life.onEnd(unguard)
    const jobParts = { files, scheduler, random: random.fork('jobs'), life, width: this.#options.jobWidth ?? 2 }
    return {
      name: this.name,
      card: this.#options.card ?? homeCard,
      pace: this.#options.pace,
      bucket: this.bucket?.open(life),
      isNewStore: this.#isWiped,
      clock: new SimClock(scheduler, this.wall, this.name, life),
      random: random.fork('engine'),
      files,
      homePath,
      folderPath,
      databasePath: this.database.path,
      onDatabaseFlushed: () => {
        if (!life.isOver) this.database.noteFlushed()
      },
      beginDatabaseFlush: () => {
        const committed = this.database.committed()
        gate.before('datasync', databaseCall)
        return () => {
          if (!life.isOver) this.database.noteFlushed(committed)
        }
      },
      log: traceLog(scheduler, this.name),
      openWatcher: simWatcher({ disk: this.disk, scheduler, random: random.fork('watcher'), life, conditions: () => this.watching }),
      openNetwork: (self) => {
        this.#peer = self
        return this.#fabric.attach(self, life)
      },
      makeJobs: (table) => new SimJobs(table, jobParts),
    }
  }
}
