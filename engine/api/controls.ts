// What anything outside can ask of a node: the daemon's API calls exactly these, and engine.ts implements them.
// Plain readonly data in, plain readonly data out; refusals are EngineErrors whose message is for the person.
// Split by subject so that each consumer takes the slice it uses.

import type { ElsewhereControls, Keep } from './elsewhere.ts'
import type { ScrubControls, StoreControls } from './store-controls.ts'

export type Role = 'owner' | 'write' | 'read' | 'host'
export type NodeClass = 'always-on' | 'daily' | 'occasional'

export type FolderState =
  | 'scanning' // a walk of the tree is under way
  | 'syncing' // content is on its way from peers
  | 'idle' // in step with every member reachable now
  | 'paused' // by the person
  | 'stopped' // a guard stopped it: see problems
  | 'held' // changes made here wait for `accept` or `reject`
  | 'waiting' // content is needed and nobody reachable has it

export interface Progress {
  /** 'free': files leave this disk; their bytes are those that did, and there is no total of them. */
  readonly activity: 'scan' | 'transfer' | 'free'
  readonly filesDone: number
  readonly filesTotal: number
  readonly bytesDone: number
  readonly bytesTotal: number
  readonly bytesPerSecond: number
  /** Absent while there is nothing to judge by. */
  readonly secondsLeft?: number
}

/** Changes made here that look like an accident: nobody is told before a person has decided. */
export interface HeldChanges {
  /** Files that are gone. */
  readonly deleted: number
  /** Files with other content. */
  readonly rewritten: number
  /** Files of the folder before. */
  readonly files: number
  readonly sinceMs: number
  /** A few of the paths. */
  readonly examples: readonly string[]
}

/** A path that is not in step. */
export interface OutOfStep {
  readonly path: string
  /** 'in': a change from elsewhere that is not applied here. 'out': something here that the others do not get. */
  readonly direction: 'in' | 'out'
  /** A code of docs/reasons.md. */
  readonly reason: string
  readonly text: string
  readonly next: string
  /** Content still to come at most. */
  readonly bytes: number
}

export interface FolderNeeds {
  readonly state: FolderState
  readonly items: readonly OutOfStep[]
  readonly total: number
  /** As in FolderStatus. */
  readonly pausedAt?: readonly string[]
}

export interface ReasonCount {
  readonly reason: string
  readonly paths: number
}

export interface FolderStatus {
  /** Base32 text form. */
  readonly id: string
  readonly name: string
  readonly path: string
  readonly role: Role
  readonly state: FolderState
  /** Files (not directories) and their bytes as they are here now. */
  readonly files: number
  readonly bytes: number
  readonly directories: number
  /** Paths this node still has to apply, and the content bytes among them. */
  readonly needFiles: number
  readonly needBytes: number
  /** Counted from receipts. `below`: entries with fewer than the target, `single`: held by one member alone or none, those that are overdue left out. */
  readonly copies: { readonly target: number; readonly min: number; readonly below: number; readonly single: number }
  readonly watcher: string
  /** Bytes kept for this folder beside its files: past versions above all. */
  readonly historyBytes: number
  /** How many paths are not in step for each reason. */
  readonly reasons: readonly ReasonCount[]
  readonly held?: HeldChanges
  /** Names of the connected members at which the folder is paused; absent when it is at none. */
  readonly pausedAt?: readonly string[]
  /** Of a folder that is stored here without being read: sealed bytes. Then `needFiles` counts blocks. */
  readonly stored?: { readonly bytes: number }
  /** What this node keeps of the folder, where that is not all of it. */
  readonly keep?: Keep
  /** Files that are not here because they are not kept here; absent where there are none. */
  readonly elsewhere?: { readonly files: number; readonly bytes: number }
  /** Files that `keep` was to free and that too few others have proven yet: tried again as they do. Absent where there are none. */
  readonly toFree?: number
  readonly progress?: Progress
}

export interface PeerStatus {
  readonly id: string
  readonly name: string
  readonly connected: boolean
  readonly class: NodeClass
  readonly zone: string
  /** Multiaddrs: of the open connections when connected, else those to be tried. */
  readonly addresses: readonly string[]
  /** Names of the folders shared with this peer. */
  readonly folders: readonly string[]
  /** Milliseconds since 1970; absent when never seen. */
  readonly lastSeenMs?: number
}

export interface Problem {
  readonly code: string
  readonly severity: 'info' | 'warning' | 'error'
  /** What is wrong, for a person. */
  readonly text: string
  /** The one next step. */
  readonly next: string
  readonly folder?: string
  readonly path?: string
}

export interface NodeStatus {
  readonly peerId: string
  readonly name: string
  readonly version: string
  /** 'degraded' when there is a problem of severity error. */
  readonly state: 'ok' | 'degraded' | 'stopping'
  readonly folders: readonly FolderStatus[]
  readonly peers: readonly PeerStatus[]
  readonly problems: readonly Problem[]
  /** Payload bytes over the network since the start. */
  readonly traffic: { readonly sentBytes: number; readonly receivedBytes: number }
}

export interface NodeIdentity {
  readonly peerId: string
  readonly name: string
  readonly addresses: readonly string[]
}

export interface NodeControls {
  identity(): NodeIdentity
  status(): NodeStatus
  /**
   * Asks the daemon to end; resolves before it has. Members are told that it goes: for how long, when `asleepForMs` says so, during which nobody
   * worries about it.
   */
  stop(asleepForMs?: number): Promise<void>
  /** Called after anything `status` shows may have changed (at most every 100 ms). Returns the way to stop listening. */
  onChange(listener: () => void): () => void
}

/** FOLDER arguments are a name, a path or an id prefix: `UNKNOWN_FOLDER`, `AMBIGUOUS_FOLDER`. */
export interface FolderControls {
  /** Starts a new folder with the tree at `path` (absolute). Resolves once it is recorded; the first scan goes on behind. */
  addFolder(request: {
    readonly path: string
    readonly name?: string
    readonly copies?: number
  }): Promise<{ id: string; name: string; path: string }>
  folders(): readonly FolderStatus[]
  /**
   * Stops syncing it here. The files stay; nothing is deleted anywhere. Where it is only stored, what is stored goes: throws `LAST_COPIES` when
   * nobody else says that it has some of it, unless `force` is true.
   */
  removeFolder(folder: string, force?: boolean): Promise<void>
  pauseFolder(folder: string): Promise<void>
  resumeFolder(folder: string): Promise<void>
  /** Walks the whole tree now; resolves when the walk and the ingest of what it found are done. */
  rescanFolder(folder: string, signal: AbortSignal): Promise<void>
  /** Sets them, all or none, and gives every setting with its value. `BAD_ARGUMENT` names what is wrong. */
  setFolder(folder: string, settings: Readonly<Record<string, string>>): Promise<Readonly<Record<string, string>>>
  /** Paths that are not in step, at most `limit`; `total` counts all. */
  needs(folder: string, limit: number): FolderNeeds
  /** Held changes were meant: the others are told of them now. Throws `NOTHING_HELD`. */
  acceptChanges(folder: string, signal: AbortSignal): Promise<void>
  /**
   * Held changes were an accident: the files come back as the other members have them; what replaced them is kept in the history. For a
   * folder that is stopped because its directory is gone or empty: it is made anew and filled. Throws `NOTHING_HELD`, `FOLDER_STOPPED`.
   */
  rejectChanges(folder: string, signal: AbortSignal): Promise<void>
  /** What waits for its next try, in this folder or in all, is tried now, and members are dialled. */
  retry(folder: string | undefined): Promise<void>
  /** Reads every file again: what changed though nobody changed it is reported, and put right from others. */
  verifyFolder(folder: string, signal: AbortSignal): Promise<{ files: number; bytes: number; rotten: readonly string[] }>
  /**
   * Resolves when the folders (all when absent) are in step: local changes ingested, everything known applied here and,
   * for each connected member, everything of ours acknowledged as applied there. Gives what was left out: the names of folders that
   * are paused here, and members that have no room for what they still need. Throws `NOT_ALLOWED` when the one folder asked for is, or all are; `TIMED_OUT` through the signal's owner.
   */
  waitSynced(folder: string | undefined, signal: AbortSignal): Promise<InStep>
}

/** What was left out of being in step. */
export interface InStep {
  /** Folders that are paused here. */
  readonly paused: readonly string[]
  /** Members, this node among them, that have no room for what they still need of a folder: paths, or blocks of a host. */
  readonly full: readonly { readonly folder: string; readonly id: string; readonly name: string; readonly needs: number }[]
}

export interface SharingControls {
  /** Makes a one-use invitation. `link` is a secret. */
  share(request: { readonly folder: string; readonly role?: Role }): Promise<{ link: string; id: string }>
  /**
   * `path` is absolute; made when it does not exist (its parent must). A link for a host comes without: nothing is laid out here. `keep` is
   * `all` or `share` for hosts, `share` otherwise; `all`, `selected` with `patterns`, or `none` for others, `all` otherwise. Throws `BAD_ARGUMENT` where path or keep do not fit the link.
   */
  join(
    request: { readonly link: string; readonly path?: string; readonly keep?: Keep; readonly patterns?: readonly string[] },
    signal: AbortSignal,
  ): Promise<{ folder: { id: string; name: string; path: string }; state: 'joined' }>
}

/** One path in one version. Times in milliseconds since 1970. */
export interface PastPath {
  readonly path: string
  readonly kind: 'file' | 'directory' | 'symlink'
  readonly bytes: number
  readonly modifiedMs: number
  readonly mode: number
  /** From when on it was the path's, as far as this node knows. */
  readonly sinceMs: number
}

export interface PastVersion extends PastPath {
  /** For `restore`. */
  readonly id: string
  readonly replacedMs: number
  /** It was deleted or moved away: nothing took its place at once. */
  readonly deleted: boolean
  /** Who replaced it: a peer id, and its name where it is known. */
  readonly by?: string
  readonly byName?: string
  /** All of its content is on this machine; else members are asked for the rest, and may not have it any more. Absent where looking would take too long. */
  readonly isHere?: boolean
}

export interface History {
  readonly path: string
  /** Rolling back goes to this time at the earliest. */
  readonly floorMs: number
  readonly current?: PastPath
  /** How many there are. */
  readonly total: number
  /** Newest first, at most as many as were asked for. */
  readonly versions: readonly PastVersion[]
}

export interface Restored {
  readonly path: string
  /** 'underWay': it is decided, and comes to the disk as content from members does. */
  readonly state: 'done' | 'underWay'
  /** Rolling the path back to this time undoes it. */
  readonly undoAtMs?: number
}

export interface RolledBack {
  readonly restored: number
  readonly removed: number
  /** Paths whose content cannot be had now, at most 100 of them; they stay as they are. */
  readonly missing: readonly string[]
  readonly missingCount: number
  readonly state: 'done' | 'underWay'
  readonly undoAtMs?: number
}

export interface HistoryControls {
  /**
   * Of a path; of everything below it when it is a directory, of the whole folder when it is absent. At most `limit` versions (500 when it is
   * absent), the newest. `BAD_PATH`, `UNKNOWN_PATH`.
   */
  history(folder: string, path: string | undefined, limit?: number): History
  /** In place, or to the absolute path `to`. `UNKNOWN_VERSION`, `CONTENT_UNAVAILABLE`, `PATH_TAKEN`, `NOT_ALLOWED`. */
  restore(
    request: { readonly folder: string; readonly path: string; readonly version: string; readonly to?: string },
    signal: AbortSignal,
  ): Promise<Restored>
  /** The folder, or what is at `path` in it, as it was here at that time: in place, or into the absolute path `to`. `UNKNOWN_PATH`. */
  rollback(
    request: { readonly folder: string; readonly path?: string; readonly atMs: number; readonly to?: string },
    signal: AbortSignal,
  ): Promise<RolledBack>
}

/** A member of a folder. */
export interface MemberStatus {
  readonly id: string
  readonly name: string
  readonly role: Role
  readonly zone: string
  readonly class: NodeClass
  readonly connected: boolean
  /** Switched off for good, or lost: it holds nothing that counts. */
  readonly retired: boolean
  /** It took the folder off its node: it holds nothing, and comes back with a link. */
  readonly left: boolean
  /**
   * 'asleep': it said that it goes. 'offline': for a moment. 'away': as is normal for it. 'overdue': longer, so that what has fewer than two copies
   * without it gets more. 'lost': its copies are made anew.
   */
  readonly absence: 'here' | 'asleep' | 'offline' | 'away' | 'overdue' | 'lost'
  /** What it has still to fetch or to apply, as it told last: paths, or blocks of a host. Absent while it is not connected. */
  readonly needs?: number
  /** It has no room for that. */
  readonly full: boolean
  /** Milliseconds since 1970; absent when never seen. */
  readonly lastSeenMs?: number
}

export interface MemberControls {
  members(folder: string): readonly MemberStatus[]
  /**
   * The member is switched off for good: what it holds does not count any more, and others get its share. With `isUndone` it counts again.
   * `peer` is a name or a part of a peer id. Throws `NOT_ALLOWED`, `UNKNOWN_MEMBER`.
   */
  retireMember(folder: string, peer: string, isUndone: boolean): Promise<void>
}

/** A file and who holds it. What is said of a file is so of each of its blocks. */
export interface FileCopies {
  readonly path: string
  readonly bytes: number
  /** Distinct members that hold it, this node among them. */
  readonly copies: number
  /** … of which so many were checked not long ago. */
  readonly verified: number
  readonly zones: number
  /** Peer ids of those that hold some of it. */
  readonly holders: readonly string[]
}

export interface CopiesList {
  readonly targetCopies: number
  readonly files: readonly FileCopies[]
  readonly total: number
}

export interface CopyControls {
  /** `path`: only this file, or what is below this directory. Throws `NOT_ALLOWED` where names cannot be read, `UNKNOWN_PATH`. */
  copies(
    request: { readonly folder: string; readonly path?: string; readonly worst?: boolean; readonly limit: number },
    signal: AbortSignal,
  ): Promise<CopiesList>
  /** Resolves when every entry of the folders (all when absent) has so many copies, by receipts. */
  waitCopies(folder: string | undefined, copies: number, signal: AbortSignal): Promise<void>
}

export interface ConflictVersion {
  /** Relative to the folder. */
  readonly path: string
  /** 'winner' has the name, a 'copy' stands beside it. */
  readonly role: 'winner' | 'copy'
  readonly kind: 'file' | 'directory' | 'symlink'
  readonly bytes: number
  /** The file's own time, in milliseconds since 1970. */
  readonly modifiedMs: number
  /** True when this node wrote the content. */
  readonly mine: boolean
  /** The name of the node that wrote it; empty = several, or not known. */
  readonly by: string
  readonly peer?: string
}

export interface Conflict {
  readonly folder: string
  readonly path: string
  /** The winner first, unless nothing has the name any more; then the copies. */
  readonly versions: readonly ConflictVersion[]
}

export type ConflictKeep = 'mine' | 'theirs' | 'both' | 'winner' | 'copy'

/** A version that was decided about: where it was, and where its content is now. */
export interface DecidedVersion extends ConflictVersion {
  /** Absent: it is in the history of every member alone, under `path`. */
  readonly now?: string
}

export interface ConflictDecision {
  readonly kept: readonly string[]
  readonly removed: readonly string[]
  readonly versions: readonly DecidedVersion[]
}

export interface ConflictControls {
  /** Of one folder, or of all; at most 1,000 copies a folder. */
  conflicts(folder: string | undefined): readonly Conflict[]
  /** Decides a conflict; the other members follow. Throws `UNKNOWN_CONFLICT`, `CONFLICT_UNCLEAR`. */
  resolveConflict(request: { readonly folder: string; readonly path: string; readonly keep: ConflictKeep }): Promise<ConflictDecision>
}

export interface Controls
  extends
    NodeControls,
    FolderControls,
    StoreControls,
    ScrubControls,
    SharingControls,
    HistoryControls,
    ConflictControls,
    CopyControls,
    MemberControls,
    ElsewhereControls {}
