// What each call does: one line of Controls each. Input has passed its schema; errors are told by server.ts.

import type { Clock } from '../base/clock.ts'
import { EngineError, errorCodeOf } from '../base/errors.ts'
import type { CallInput, CallName, CallOutput } from './calls.ts'
import type { Controls, FolderControls, FolderStatus } from './controls.ts'

export interface CallContext {
  readonly controls: Controls
  readonly clock: Clock
  /** Aborts when the client goes away or the daemon ends. */
  readonly signal: AbortSignal
}

const needsDefault = 100

type Handler<Name extends CallName> = (input: CallInput<Name>, context: CallContext) => CallOutput<Name> | Promise<CallOutput<Name>>

export const handlers: { readonly [Name in CallName]: Handler<Name> } = {
  identity: (_, { controls }) => controls.identity(),
  status: (_, { controls }) => controls.status(),
  peers: (_, { controls }) => ({ peers: controls.status().peers }),
  problems: (_, { controls }) => ({ problems: controls.status().problems }),
  stop: (_, { controls }) => done(controls.stop()),
  folders: (_, { controls }) => ({ folders: controls.folders() }),
  addFolder: (input, { controls }) => controls.addFolder(input),
  removeFolder: ({ folder }, { controls }) => done(controls.removeFolder(folder)),
  pauseFolder: ({ folder }, { controls }) => done(controls.pauseFolder(folder)),
  resumeFolder: ({ folder }, { controls }) => done(controls.resumeFolder(folder)),
  rescanFolder: ({ folder }, { controls, signal }) => done(controls.rescanFolder(folder, signal)),
  setFolder: async ({ folder, settings }, { controls }) => ({ settings: await controls.setFolder(folder, settings) }),
  needs: ({ folder, limit }, { controls }) => controls.needs(folder, limit ?? needsDefault),
  acceptChanges: ({ folder }, { controls, signal }) => done(controls.acceptChanges(folder, signal)),
  rejectChanges: ({ folder }, { controls, signal }) => done(controls.rejectChanges(folder, signal)),
  verifyFolder: ({ folder }, { controls, signal }) => controls.verifyFolder(folder, signal),
  share: (input, { controls }) => controls.share(input),
  join: (input, { controls, signal }) => controls.join(input, signal),
  history: ({ folder, path, limit }, { controls }) => controls.history(folder, path, limit),
  restore: (input, { controls, signal }) => controls.restore(input, signal),
  rollback: (input, { controls, signal }) => controls.rollback(input, signal),
  conflicts: ({ folder }, { controls }) => ({ conflicts: controls.conflicts(folder) }),
  resolveConflict: (input, { controls }) => controls.resolveConflict(input),
  waitSynced: ({ folder, timeoutMs }, { controls, clock, signal }) => waitSynced(controls, folder, timeoutMs, clock, signal),
}

async function done(work: Promise<void>): Promise<Record<string, never>> {
  await work
  return {}
}

async function waitSynced(
  controls: FolderControls,
  folder: string | undefined,
  timeoutMs: number | undefined,
  clock: Clock,
  signal: AbortSignal,
): ReturnType<FolderControls['waitSynced']> {
  if (timeoutMs === undefined) return controls.waitSynced(folder, signal)
  const timeUp = new AbortController()
  const isOver = new AbortController()
  const timer = clock.sleep(timeoutMs, isOver.signal).then(
    () => timeUp.abort(),
    () => undefined, // stopped below because the wait ended first
  )
  try {
    return await controls.waitSynced(folder, AbortSignal.any([signal, timeUp.signal]))
  } catch (error) {
    if (!timeUp.signal.aborted || errorCodeOf(error) !== 'ABORTED') throw error
    const what = folder === undefined ? 'the folders are' : `the folder "${folder}" is`
    throw new EngineError(
      'TIMED_OUT',
      `waited ${timeoutMs / 1000} s and ${what} not in step yet${pausedText(controls.folders())}; the work goes on: see "holdfast status", or wait longer with --timeout`,
      { cause: error },
    )
  } finally {
    isOver.abort()
    await timer
  }
}

/** Who keeps the folders waiting until somebody resumes them there. */
function pausedText(folders: readonly FolderStatus[]): string {
  const paused = folders.flatMap(({ name, pausedAt = [] }) => pausedAt.map((member) => `${name} is paused at ${member}`))
  return paused.length === 0 ? '' : ` (${paused.join(', ')})`
}
