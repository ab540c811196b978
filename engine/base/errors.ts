// The one error type of the engine. Codes are API: documented in docs/errors.md, added and never renamed.
// A message says what was tried, with what, and what the person can do next.

export type ErrorCode =
  // what a person asked for cannot be done
  | 'BAD_ARGUMENT'
  | 'BAD_LINK'
  | 'LINK_USED'
  | 'LINK_EXPIRED'
  | 'UNKNOWN_FOLDER'
  | 'AMBIGUOUS_FOLDER'
  | 'FOLDER_EXISTS'
  | 'FOLDER_NESTED'
  | 'PATH_MISSING'
  | 'PATH_NOT_DIRECTORY'
  | 'PATH_NOT_WRITABLE'
  | 'PATH_IS_HOME'
  | 'FOLDER_STOPPED'
  | 'NOTHING_HELD'
  | 'UNKNOWN_CONFLICT'
  | 'CONFLICT_UNCLEAR'
  | 'NOT_ALLOWED'
  | 'UNKNOWN_PATH'
  | 'UNKNOWN_MEMBER'
  | 'LAST_COPIES'
  | 'UNKNOWN_VERSION'
  | 'CONTENT_UNAVAILABLE'
  | 'PATH_TAKEN'
  | 'TIMED_OUT'
  // the node itself
  | 'ALREADY_RUNNING'
  | 'NOT_RUNNING'
  | 'HOME_TOO_NEW'
  | 'HOME_UNUSABLE'
  | 'DATABASE_CORRUPT'
  | 'PORT_IN_USE'
  | 'CLOSED'
  | 'ABORTED'
  // stores
  | 'NO_SPACE'
  | 'STORE_READ_ONLY'
  | 'STORE_CORRUPT'
  | 'STORE_OFFLINE'
  | 'STORE_IN_USE'
  | 'DISK_FAILED'
  // peers
  | 'PEER_UNREACHABLE'
  | 'PEER_MISBEHAVED'
  | 'FRAME_TOO_LARGE'
  | 'NOT_A_MEMBER'
  | 'BAD_SIGNATURE'
  | 'BAD_BLOCK'
  | 'BAD_ENTRY'
  | 'BAD_PATH'
  | 'VERSION_UNSUPPORTED'
  // a broken promise inside the program
  | 'INTERNAL'

export class EngineError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.name = 'EngineError'
    this.code = code
  }
}

/** The code of an EngineError, `ABORTED` for an abort, `INTERNAL` for anything else. */
export function errorCodeOf(error: unknown): ErrorCode {
  if (error instanceof EngineError) return error.code
  if (error instanceof Error && error.name === 'AbortError') return 'ABORTED'
  return 'INTERNAL'
}

/** The text of whatever was thrown, for logs and for wrapping. */
export function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message
  // Sockets and signals of the web tell of errors by events, which as text are "[object Event]".
  if (typeof error !== 'object' || error === null) return String(error)
  if ('error' in error && error.error instanceof Error) return error.error.message
  if ('message' in error && typeof error.message === 'string' && error.message !== '') return error.message
  if ('type' in error && typeof error.type === 'string') return `an event of the type "${error.type}"`
  return Object.prototype.toString.call(error)
}
