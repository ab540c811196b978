// The daemon's calls: one row each, from which server, client and the OpenAPI document follow. No schema library here,
// so that the command line starts fast; the schemas are in contract.ts, typed by the rows below.

import type {
  Conflict,
  ConflictDecision,
  ConflictKeep,
  CopiesList,
  FolderState,
  FolderStatus,
  History,
  InStep,
  MemberStatus,
  NodeIdentity,
  NodeStatus,
  OutOfStep,
  PeerStatus,
  Problem,
  Progress,
  Restored,
  Role,
  RolledBack,
} from './controls.ts'
import type { ScrubStatus, StoreRebuilt, StoreStatus } from './store-controls.ts'
import type { FetchedFiles, FileList, FreedFiles, Keep, KeptFiles } from './elsewhere.ts'

export type Empty = Readonly<Record<string, never>>

interface FolderName {
  /** A name, a path or an id prefix. */
  readonly folder: string
}

/** What each call takes and gives. */
export interface Calls {
  identity: { input: Empty; output: NodeIdentity }
  status: { input: Empty; output: NodeStatus }
  peers: { input: Empty; output: { readonly peers: readonly PeerStatus[] } }
  problems: { input: Empty; output: { readonly problems: readonly Problem[] } }
  stop: { input: { readonly asleepForMs?: number }; output: Empty }
  folders: { input: Empty; output: { readonly folders: readonly FolderStatus[] } }
  addFolder: {
    input: { readonly path: string; readonly name?: string; readonly copies?: number }
    output: { readonly id: string; readonly name: string; readonly path: string }
  }
  removeFolder: { input: FolderName & { readonly force?: boolean }; output: Empty }
  pauseFolder: { input: FolderName; output: Empty }
  resumeFolder: { input: FolderName; output: Empty }
  rescanFolder: { input: FolderName; output: Empty }
  setFolder: {
    input: { readonly folder: string; readonly settings: Readonly<Record<string, string>> }
    output: { readonly settings: Readonly<Record<string, string>> }
  }
  needs: {
    input: { readonly folder: string; readonly limit?: number }
    output: { readonly state: FolderState; readonly items: readonly OutOfStep[]; readonly total: number }
  }
  acceptChanges: { input: FolderName; output: Empty }
  rejectChanges: { input: FolderName; output: Empty }
  verifyFolder: { input: FolderName; output: { readonly files: number; readonly bytes: number; readonly rotten: readonly string[] } }
  store: { input: Empty; output: StoreStatus }
  rebuildStore: { input: Empty; output: StoreRebuilt }
  scrubStatus: { input: Empty; output: ScrubStatus }
  startScrub: { input: Empty; output: Empty }
  pauseScrub: { input: Empty; output: Empty }
  resumeScrub: { input: Empty; output: Empty }
  share: { input: { readonly folder: string; readonly role?: Role }; output: { readonly link: string; readonly id: string } }
  join: {
    input: { readonly link: string; readonly path?: string; readonly keep?: Keep; readonly patterns?: readonly string[] }
    output: { readonly folder: { readonly id: string; readonly name: string; readonly path: string }; readonly state: 'joined' }
  }
  history: { input: { readonly folder: string; readonly path?: string; readonly limit?: number }; output: History }
  restore: {
    input: { readonly folder: string; readonly path: string; readonly version: string; readonly to?: string }
    output: Restored
  }
  rollback: {
    input: { readonly folder: string; readonly path?: string; readonly atMs: number; readonly to?: string }
    output: RolledBack
  }
  conflicts: { input: { readonly folder?: string }; output: { readonly conflicts: readonly Conflict[] } }
  resolveConflict: {
    input: { readonly folder: string; readonly path: string; readonly keep: ConflictKeep }
    output: ConflictDecision
  }
  members: { input: FolderName; output: { readonly members: readonly MemberStatus[] } }
  retireMember: { input: { readonly folder: string; readonly peer: string; readonly undo?: boolean | undefined }; output: Empty }
  copies: {
    input: { readonly folder: string; readonly path?: string; readonly worst?: boolean; readonly limit?: number }
    output: CopiesList
  }
  retry: { input: { readonly folder?: string }; output: Empty }
  keepFolder: {
    input: { readonly folder: string; readonly keep?: Keep; readonly patterns?: readonly string[] }
    output: KeptFiles
  }
  freeFiles: {
    input: { readonly folder: string; readonly paths: readonly string[]; readonly minCopies?: number }
    output: FreedFiles
  }
  fetchFiles: {
    input: { readonly folder: string; readonly paths: readonly string[]; readonly wait?: boolean; readonly timeoutMs?: number }
    output: FetchedFiles
  }
  files: { input: { readonly folder: string; readonly path?: string; readonly limit?: number }; output: FileList }
  waitCopies: { input: { readonly folder?: string; readonly copies: number; readonly timeoutMs?: number }; output: Empty }
  waitSynced: { input: { readonly folder?: string; readonly timeoutMs?: number }; output: InStep }
}

export type CallName = keyof Calls
export type CallInput<Name extends CallName> = Calls[Name]['input']
export type CallOutput<Name extends CallName> = Calls[Name]['output']

export interface CallRoute {
  readonly method: 'GET' | 'POST'
  /** Below `apiRoot`. A folder's name goes into the body, never into the path: it may hold any character. */
  readonly path: string
  readonly summary: string
}

export const apiRoot = '/api/v1'
/** The Host header of requests over the socket: no name that a browser could be led to. */
export const socketHost = 'holdfast.socket'
export const eventsPath: string = `${apiRoot}/events`
export const openApiPath: string = `${apiRoot}/openapi.json`

export const callRoutes: { readonly [Name in CallName]: CallRoute } = {
  identity: { method: 'GET', path: '/id', summary: 'Who this node is and where it listens' },
  status: { method: 'GET', path: '/status', summary: 'Folders, peers and problems in one answer' },
  peers: { method: 'GET', path: '/peers', summary: 'The nodes that this node knows' },
  problems: { method: 'GET', path: '/problems', summary: 'What is not as it should be, with the next step for each' },
  stop: { method: 'POST', path: '/stop', summary: 'Ask the daemon to end; answers before it has' },
  folders: { method: 'GET', path: '/folders', summary: 'The folders on this node' },
  addFolder: { method: 'POST', path: '/folders/add', summary: 'Start a new folder with the tree at an absolute path' },
  removeFolder: { method: 'POST', path: '/folders/remove', summary: 'Stop syncing a folder here; its files stay' },
  pauseFolder: { method: 'POST', path: '/folders/pause', summary: 'Pause a folder' },
  resumeFolder: { method: 'POST', path: '/folders/resume', summary: 'Resume a paused folder' },
  rescanFolder: { method: 'POST', path: '/folders/rescan', summary: 'Walk the whole tree now; answers when the walk is done' },
  setFolder: { method: 'POST', path: '/folders/set', summary: 'Change settings of a folder on this node; answers with all of them' },
  needs: { method: 'POST', path: '/folders/needs', summary: 'The paths of a folder that are not in step, each with its reason' },
  acceptChanges: { method: 'POST', path: '/folders/accept', summary: 'Held changes were meant: tell the other members' },
  rejectChanges: { method: 'POST', path: '/folders/reject', summary: 'Held changes were an accident: bring the files back' },
  verifyFolder: {
    method: 'POST',
    path: '/folders/verify',
    summary: 'Walk the tree, then read every file again; answers when that is done',
  },
  store: { method: 'GET', path: '/store', summary: 'What the block store holds, and how much it may' },
  rebuildStore: { method: 'POST', path: '/store/rebuild', summary: 'Make its index again from the blocks; answers with how it differed' },
  scrubStatus: {
    method: 'GET',
    path: '/scrub',
    summary: 'How far everything stored here is read again, what was found, and how members were audited',
  },
  startScrub: { method: 'POST', path: '/scrub/start', summary: 'Read everything again, beginning now' },
  pauseScrub: { method: 'POST', path: '/scrub/pause', summary: 'Read nothing until resumed' },
  resumeScrub: { method: 'POST', path: '/scrub/resume', summary: 'Go on reading' },
  share: { method: 'POST', path: '/share', summary: 'Make a one-use invitation; the link is a secret' },
  join: { method: 'POST', path: '/join', summary: 'Join the folder of a link at an absolute path' },
  history: { method: 'POST', path: '/history', summary: 'Past versions of a path, newest first' },
  restore: { method: 'POST', path: '/restore', summary: 'Bring a past version back, in place or to an absolute path' },
  rollback: { method: 'POST', path: '/rollback', summary: 'Bring a folder, or a part of it, back to what it was at a time' },
  conflicts: { method: 'POST', path: '/conflicts', summary: 'Paths of which two versions are kept, with both' },
  resolveConflict: { method: 'POST', path: '/conflicts/resolve', summary: 'Decide which version of a path is kept' },
  members: { method: 'POST', path: '/members', summary: 'The members of a folder' },
  retireMember: { method: 'POST', path: '/members/retire', summary: 'Take a member out of the count that is switched off for good' },
  copies: { method: 'POST', path: '/copies', summary: 'Files with how many copies there are, and who holds them' },
  retry: { method: 'POST', path: '/retry', summary: 'Try now what waits for its next try' },
  keepFolder: {
    method: 'POST',
    path: '/folders/keep',
    summary: 'Which files of a folder this node keeps: what fits is fetched, the rest freed; without `keep` only says it',
  },
  freeFiles: {
    method: 'POST',
    path: '/files/free',
    summary: 'Remove files from this disk that enough other members have proven to hold just now',
  },
  fetchFiles: { method: 'POST', path: '/files/fetch', summary: 'Bring files to this disk again; with `wait` answers once they are here' },
  files: { method: 'POST', path: '/files/list', summary: 'Every file of a folder, also those that are not here, with whereabouts' },
  waitCopies: { method: 'POST', path: '/wait/copies', summary: 'Answer when everything has so many copies, or with TIMED_OUT' },
  waitSynced: { method: 'POST', path: '/wait', summary: 'Answer when the folders are in step, or with TIMED_OUT' },
}

/** A table of something for each call, in a fixed order. */
export const callNames: readonly CallName[] = Object.keys(callRoutes) as CallName[] // cast: the keys of a total table are its names

/** The data of a `change` event: enough to draw a list; `status` has the rest. */
export interface ChangeSummary {
  readonly state: NodeStatus['state']
  readonly folders: readonly FolderSummary[]
  readonly peersConnected: number
  readonly problems: number
}

export interface FolderSummary {
  readonly id: string
  readonly name: string
  readonly state: FolderState
  readonly needFiles: number
  readonly needBytes: number
  readonly progress?: Progress
}
