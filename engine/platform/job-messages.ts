// What crosses between the main thread and a worker thread. Errors do not survive the structured clone with their own fields,
// so they travel as data.

import { EngineError, messageOf } from '../base/errors.ts'
import type { ErrorCode } from '../base/errors.ts'
import { FilesError } from '../base/files.ts'
import type { FilesFault } from '../base/files.ts'

export interface JobRequest {
  readonly id: number
  readonly name: string
  readonly input: unknown
}

export type JobReply =
  | { readonly id: number; readonly kind: 'done'; readonly output: unknown }
  | { readonly id: number; readonly kind: 'failed'; readonly error: PackedError }

export type PackedError =
  | { readonly kind: 'engine'; readonly code: ErrorCode; readonly message: string; readonly cause: PackedError | undefined }
  | { readonly kind: 'files'; readonly fault: FilesFault; readonly operation: string; readonly path: string; readonly detail: string }
  | { readonly kind: 'unknown'; readonly message: string; readonly stack: string | undefined }

/** How many causes deep an error is told. */
const causeDepthMax = 4

export function packError(error: unknown, depth: number = 0): PackedError {
  if (error instanceof EngineError) {
    const cause = error.cause === undefined || depth >= causeDepthMax ? undefined : packError(error.cause, depth + 1)
    return { kind: 'engine', code: error.code, message: error.message, cause }
  }
  if (error instanceof FilesError) {
    return { kind: 'files', fault: error.fault, operation: error.operation, path: error.path, detail: error.detail }
  }
  return { kind: 'unknown', message: messageOf(error), stack: error instanceof Error ? error.stack : undefined }
}

/** Anything that is neither of the engine's errors is a bug in a job, hence `INTERNAL`. */
export function unpackError(packed: PackedError): EngineError | FilesError {
  switch (packed.kind) {
    case 'engine':
      return new EngineError(packed.code, packed.message, packed.cause === undefined ? {} : { cause: unpackError(packed.cause) })
    case 'files':
      return new FilesError(packed.fault, packed.operation, packed.path, packed.detail)
    case 'unknown':
      return new EngineError('INTERNAL', packed.message, { cause: packed.stack })
  }
}
