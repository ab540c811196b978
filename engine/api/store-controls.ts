// The block store and the reading of what is stored, as people and programs see them: scrub of this node, audits of others.

export interface StoreStatus {
  readonly state: 'ok' | 'readOnly' | 'offline'
  readonly blocks: number
  readonly payloadBytes: number
  /** What counts against limits: the payload, a share of what each block costs beside it, and what entries take of the index of a host. */
  readonly usedBytes: number
  /** What the store takes on the disk, dead records included. */
  readonly diskBytes: number
  /** What all folders together may use; absent without a limit. */
  readonly capacityBytes?: number
  readonly segments: number
  /** Pieces that cannot be read. */
  readonly damaged: number
  readonly folders: readonly {
    readonly folder: string
    readonly blocks: number
    readonly payloadBytes: number
    readonly usedBytes: number
    readonly grantBytes?: number
  }[]
}

/** How an index of the block store that was made again differed from the one in use. */
export interface StoreRebuilt {
  readonly segments: number
  readonly blocks: number
  readonly missing: number
  readonly surplus: number
  readonly elsewhere: number
  /** False when the one in use was damaged: then nothing was compared. */
  readonly wasReadable: boolean
  readonly durationMs: number
}

export interface StoreControls {
  store(): StoreStatus
  /** Makes the index again from the segments, beside everything else. Throws `NO_SPACE`, `DISK_FAILED`. */
  rebuildStore(signal: AbortSignal): Promise<StoreRebuilt>
}

/** Once through everything. Times in milliseconds since 1970. */
export interface ScrubRun {
  readonly startedMs: number
  readonly bytes: number
  /** Blocks and files that are as they should be. */
  readonly pieces: number
  /** … and those that are not. */
  readonly found: number
}

/** How a member's word has been checked. */
export interface AuditStatus {
  readonly folder: string
  readonly peer: string
  readonly name: string
  /** Absent when it was never checked. */
  readonly lastMs?: number
  /** Of the last audit: blocks asked for, and those not proven. */
  readonly blocks: number
  readonly missing: number
  /** When the next one is due, once it is connected; absent when nothing is claimed. */
  readonly nextMs?: number
  readonly runs: number
  readonly failures: number
}

export interface ScrubStatus {
  /** 'waiting': others work, or there is nothing to read. 'noPower': until there is mains power again. */
  readonly state: 'running' | 'waiting' | 'paused' | 'noPower'
  /** A person asked for a run now. */
  readonly isHurried: boolean
  /** Everything is read within so many days. */
  readonly cycleDays: number
  /** On this node: blocks stored for others or kept, and the folders' files; and what the run has read of it. */
  readonly totalBytes: number
  readonly doneBytes: number
  /** At which it is read now. */
  readonly bytesPerSecond: number
  /** When it goes on. */
  readonly nextMs?: number
  readonly run?: ScrubRun
  readonly last?: ScrubRun & { readonly endedMs: number }
  /** Of all time: what was found damaged, by whomever, and what of it was healed and read again. */
  readonly found: number
  readonly healed: number
  /** Not healed yet. */
  readonly open: number
  readonly audits: readonly AuditStatus[]
}

export interface ScrubControls {
  scrubStatus(): ScrubStatus
  /** Begins a run now, at the speed that leaves room for others. */
  startScrub(): Promise<void>
  pauseScrub(): Promise<void>
  resumeScrub(): Promise<void>
}
