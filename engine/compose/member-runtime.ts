// A folder at work on this node, whatever its role, as those see it who deal with all folders alike.

import type { FolderStatus, Problem } from '../api/controls.ts'
import type { FolderRecord, HostedRecord } from '../model/folder.ts'
import type { PeerId } from '../model/ids.ts'
import type { Hello } from '../model/wire/exchange_pb.ts'
import type { Channel } from '../net/network.ts'
import type { FolderLog } from '../share/folder-log.ts'
import type { MemberHandle } from '../sync/folder-handle.ts'
import type { FolderProblems } from '../sync/problems.ts'
import { faultKeptMs } from '../sync/receive.ts'
import type { FolderCopies } from './folder-copies.ts'

export interface MemberRuntime {
  readonly handle: MemberHandle
  readonly record: FolderRecord | HostedRecord
  readonly log: FolderLog
  /** Members other than this node. */
  readonly peers: readonly PeerId[]
  readonly isPaused: boolean
  readonly isStopped: boolean
  /** In step with every member that is connected now. */
  readonly isSynced: boolean
  status(): FolderStatus
  problemList(): readonly Problem[]
  /** How many copies there are of what the folder has. */
  readonly copies: FolderCopies
  start(): void
  pause(): Promise<void>
  resume(): Promise<void>
  stop(): Promise<void>
  /** A peer came or went, or a member was added. */
  connectionsChanged(): void
  /** What was written is flushed: the members may be told. */
  tellNews(): void
  /** Serves a subscriber whose hello was recognised as this folder's. */
  serveIndex(channel: Channel, hello: Hello, signal: AbortSignal): Promise<void>
  serveBlocks(channel: Channel, signal: AbortSignal): Promise<void>
}

export function noteLie(problems: FolderProblems, peer: PeerId): void {
  problems.note(
    {
      code: 'BAD_BLOCK',
      severity: 'warning',
      path: peer,
      text: `${peer} sent content that is not what its id says; it was dropped, and other members are asked instead for a while`,
      next: 'Check the disk and the memory of that machine, and update Holdfast on it; if it stays, remove the member.',
    },
    faultKeptMs,
  )
}
