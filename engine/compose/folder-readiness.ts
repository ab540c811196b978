// Whether a folder can do now what a person asks of it: one wording for every command that has to refuse.

import { EngineError } from '../base/errors.ts'

export interface AskedFolder {
  readonly record: { readonly name: string }
  readonly isPaused: boolean
  readonly isStopped: boolean
}

export interface WritableFolder extends AskedFolder {
  readonly guard: { readonly isHeld: boolean }
  /** By this node's role. */
  readonly isWriter: boolean
}

/** Throws `NOT_ALLOWED`. */
export function refusePaused({ record, isPaused }: AskedFolder): void {
  if (isPaused) throw new EngineError('NOT_ALLOWED', `${record.name} is paused: resume it first`)
}

export function stoppedError({ record }: AskedFolder): EngineError {
  return new EngineError('FOLDER_STOPPED', `${record.name} is stopped: 'holdfast problems' says why`)
}

/**
 * Before anything is written in this node's name that the members are then told. `instead`: what a person without the right to write can
 * do. Throws `NOT_ALLOWED`, `FOLDER_STOPPED`.
 */
export function refuseUnwritable(folder: WritableFolder, instead: string): void {
  const { name } = folder.record
  refusePaused(folder)
  if (folder.isStopped) throw stoppedError(folder)
  if (folder.guard.isHeld) throw new EngineError('NOT_ALLOWED', `${name} waits for you to accept or reject changes: decide that first`)
  if (!folder.isWriter) throw new EngineError('NOT_ALLOWED', `this node may not change ${name}: ${instead}`)
}
