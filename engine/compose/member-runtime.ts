// A folder at work on this node, whatever its role, as those see it who deal with all folders alike.

import type { FolderStatus, Problem } from '../api/controls.ts'
import type { FolderRecord, HostedRecord } from '../model/folder.ts'
import type { FolderLog } from '../share/folder-log.ts'
import type { MemberHandle } from '../sync/folder-handle.ts'
import type { MemberWork } from './member-work.ts'

export interface MemberRuntime {
  readonly handle: MemberHandle
  readonly record: FolderRecord | HostedRecord
  readonly work: MemberWork
  readonly log: FolderLog
  readonly isPaused: boolean
  readonly isStopped: boolean
  /** In step with every member that is connected now, but for those that have no room (`work.full`). */
  readonly isSynced: boolean
  status(): FolderStatus
  problemList(): readonly Problem[]
  /** What could not be had, or was put off, is tried again now. */
  retryNow(): void
}
