// Which HTTP status carries which error code. The body always holds the code: the status is for generic HTTP clients.

import type { ErrorCode } from '../base/errors.ts'

export type ErrorStatus = 400 | 403 | 404 | 409 | 410 | 422 | 500 | 502 | 503 | 504 | 507

export const errorStatuses: Readonly<Record<ErrorCode, ErrorStatus>> = {
  BAD_ARGUMENT: 400,
  BAD_LINK: 400,
  LINK_USED: 410,
  LINK_EXPIRED: 410,
  UNKNOWN_FOLDER: 404,
  AMBIGUOUS_FOLDER: 409,
  FOLDER_EXISTS: 409,
  FOLDER_NESTED: 409,
  PATH_MISSING: 422,
  PATH_NOT_DIRECTORY: 422,
  PATH_NOT_WRITABLE: 422,
  PATH_IS_HOME: 422,
  FOLDER_STOPPED: 409,
  NOTHING_HELD: 409,
  UNKNOWN_CONFLICT: 404,
  CONFLICT_UNCLEAR: 409,
  NOT_ALLOWED: 403,
  UNKNOWN_PATH: 404,
  UNKNOWN_MEMBER: 404,
  LAST_COPIES: 409,
  UNKNOWN_VERSION: 404,
  CONTENT_UNAVAILABLE: 503,
  PATH_TAKEN: 409,
  TIMED_OUT: 504,
  ALREADY_RUNNING: 409,
  NOT_RUNNING: 503,
  HOME_TOO_NEW: 500,
  HOME_UNUSABLE: 500,
  DATABASE_CORRUPT: 500,
  PORT_IN_USE: 409,
  CLOSED: 503,
  ABORTED: 503,
  NO_SPACE: 507,
  STORE_READ_ONLY: 503,
  STORE_CORRUPT: 500,
  STORE_OFFLINE: 503,
  STORE_IN_USE: 409,
  DISK_FAILED: 500,
  PEER_UNREACHABLE: 502,
  PEER_MISBEHAVED: 502,
  FRAME_TOO_LARGE: 502,
  NOT_A_MEMBER: 403,
  BAD_SIGNATURE: 502,
  BAD_BLOCK: 502,
  BAD_ENTRY: 502,
  BAD_PATH: 422,
  VERSION_UNSUPPORTED: 502,
  INTERNAL: 500,
}

/** The code of a text from outside; undefined when it is not one that this version knows. */
export function parseErrorCode(text: unknown): ErrorCode | undefined {
  return typeof text === 'string' && Object.hasOwn(errorStatuses, text) ? (text as ErrorCode) : undefined
}
