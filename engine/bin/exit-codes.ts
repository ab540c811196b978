// What the shell gets to see of an error: one table.

import type { ErrorCode } from '../base/errors.ts'

export const exitOk = 0
export const exitFailed = 1
export const exitUsage = 2
export const exitDegraded = 4
export const exitRefused = 5

export type ExitCode = 0 | 1 | 2 | 3 | 4 | 5 | 6

/** 1 failed · 2 usage · 3 daemon not running · 5 refused (the same again will be refused again) · 6 timed out. */
export const exitCodes: Readonly<Record<ErrorCode, ExitCode>> = {
  BAD_ARGUMENT: 2,
  BAD_LINK: 5,
  LINK_USED: 5,
  LINK_EXPIRED: 5,
  UNKNOWN_FOLDER: 5,
  AMBIGUOUS_FOLDER: 5,
  FOLDER_EXISTS: 5,
  FOLDER_NESTED: 5,
  PATH_MISSING: 5,
  PATH_NOT_DIRECTORY: 5,
  PATH_NOT_WRITABLE: 5,
  PATH_IS_HOME: 5,
  FOLDER_STOPPED: 5,
  NOTHING_HELD: 5,
  UNKNOWN_CONFLICT: 5,
  CONFLICT_UNCLEAR: 5,
  NOT_ALLOWED: 5,
  UNKNOWN_PATH: 5,
  UNKNOWN_MEMBER: 5,
  LAST_COPIES: 5,
  UNKNOWN_VERSION: 5,
  CONTENT_UNAVAILABLE: 1,
  PATH_TAKEN: 5,
  TIMED_OUT: 6,
  ALREADY_RUNNING: 5,
  NOT_RUNNING: 3,
  HOME_TOO_NEW: 5,
  HOME_UNUSABLE: 5,
  DATABASE_CORRUPT: 1,
  PORT_IN_USE: 1,
  CLOSED: 1,
  ABORTED: 1,
  NO_SPACE: 1,
  STORE_READ_ONLY: 1,
  STORE_CORRUPT: 1,
  STORE_OFFLINE: 1,
  STORE_IN_USE: 5,
  DISK_FAILED: 1,
  PEER_UNREACHABLE: 1,
  PEER_MISBEHAVED: 1,
  FRAME_TOO_LARGE: 1,
  NOT_A_MEMBER: 5,
  BAD_SIGNATURE: 1,
  BAD_BLOCK: 1,
  BAD_ENTRY: 1,
  BAD_PATH: 5,
  VERSION_UNSUPPORTED: 5,
  INTERNAL: 1,
}
