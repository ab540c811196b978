// What the engine is handed: its whole world. node.ts hands in Node's, the simulator a simulated one.

import type { Clock, Random } from '../base/clock.ts'
import type { Files } from '../base/files.ts'
import type { Jobs } from '../base/jobs.ts'
import type { Log } from '../base/log.ts'
import type { Objects } from '../base/objects.ts'
import type { NodeClass } from '../api/controls.ts'
import type { Identity } from '../crypto/identity.ts'
import type { OpenWatcher } from '../disk/watch.ts'
import type { EngineJobs } from '../job-table.ts'
import type { LaneTable } from '../lane-table.ts'
import type { DatabaseCare } from './flusher.ts'
import type { AbsencePace } from '../replicas/absence.ts'
import type { RetirePace } from '../replicas/retire.ts'
import type { StandInPace } from '../replicas/stand-in.ts'
import type { Network } from '../net/network.ts'

/** A file system that may lose what was flushed. */
export type WeakDrive = 'FAT' | 'exFAT'

export interface WorldBucket {
  readonly objects: Objects
  /** Take the store there over from the node that it belongs to. */
  readonly takeOver: boolean
}

export interface TreeFlush {
  /** So many files are better flushed with everything else on their drive than one by one. */
  readonly filesMin: number
  /** Everything written to the file system that a path is on; false where that cannot be had after all. */
  readonly flush: (path: string, signal: AbortSignal) => Promise<boolean>
}

export interface EngineWorld {
  readonly clock: Clock
  readonly random: Random
  /** For start-up and the block store; everything else on disk goes through jobs. */
  readonly files: Files
  readonly jobs: Jobs<EngineJobs> & Partial<AsyncDisposable>
  /** The thread that lanes live in, and this machine's addresses for them; absent where there are no sockets of one's own. */
  readonly lanes?: { readonly jobs: Jobs<LaneTable>; readonly hosts: readonly string[] } | undefined
  readonly log: Log
  readonly openWatcher: OpenWatcher
  /** Opens the network as this identity; `seed` is its private key. */
  readonly openNetwork: (identity: Identity, seed: Uint8Array, signal: AbortSignal) => Promise<Network>
  /** Absolute paths, '/'-separated. */
  readonly home: string
  /** What is held back of the home's disk for when it is full; absent where nobody looks after that. */
  readonly reserveBytes?: number
  readonly databasePath: string
  readonly lockPath: string
  readonly databaseCare: DatabaseCare
  /** Told when everything committed so far survives a power cut; the simulator wants to know. */
  readonly onDatabaseFlushed?: () => void
  /** How a whole file system is flushed; absent where it cannot be. */
  readonly treeFlush?: TreeFlush
  readonly keyPath: string
  readonly segmentsPath: string
  /** A person says that the block store of this home is gone for good: where it is not there, a new one is begun. */
  readonly isNewStore?: boolean
  /** What the home's drive is formatted as, when that promises too little. */
  readonly homeDrive?: WeakDrive | undefined
  /** Where blocks are instead of on the disk; absent where they are in segments. */
  readonly bucket?: WorldBucket
  /** For what the home knows of a bucket. */
  readonly bucketPath: string
  readonly name: string
  readonly zone: string
  readonly class: NodeClass
  readonly capacityBytes: number
  /** Every byte over the network costs: nothing is fetched for others' sake. */
  readonly isMetered?: boolean
  /** For tests: how soon blocks are let go of; otherwise as retire.ts says. */
  readonly retirePace?: RetirePace
  /** For tests: how soon others stand in for who is away; otherwise as stand-in.ts says. */
  readonly standInPace?: StandInPace
  /** For tests: how soon who is away is overdue and lost; otherwise as absence.ts says. */
  readonly absencePace?: AbsencePace
  /** Whether the machine runs on mains power; undefined, or absent, where nobody can tell. */
  readonly isOnMains?: () => boolean | undefined
  readonly version: string
}
