// What each call does: one line of Controls each. Input has passed its schema; errors are told by server.ts.

import type { Clock } from '../base/clock.ts'
import { EngineError, errorCodeOf } from '../base/errors.ts'
import type { CallInput, CallName, CallOutput } from './calls.ts'
import type { Controls, FolderStatus } from './controls.ts'

export interface CallContext {
  readonly controls: Controls
  readonly clock: Clock
  /** Aborts when the client goes away or the daemon ends. */
  readonly signal: AbortSignal
}

const needsDefault = 100
const copiesDefault = 1000

type Handler<Name extends CallName> = (input: CallInput<Name>, context: CallContext) => CallOutput<Name> | Promise<CallOutput<Name>>

export const handlers: { readonly [Name in CallName]: Handler<Name> } = {
  identity: (_, { controls }) => controls.identity(),
  status: (_, { controls }) => controls.status(),
  peers: (_, { controls }) => ({ peers: controls.status().peers }),
  problems: (_, { controls }) => ({ problems: controls.status().problems }),
  stop: ({ asleepForMs }, { controls }) => done(controls.stop(asleepForMs)),
  folders: (_, { controls }) => ({ folders: controls.folders() }),
  addFolder: (input, { controls }) => controls.addFolder(input),
  removeFolder: ({ folder, force }, { controls }) => done(controls.removeFolder(folder, force)),
  pauseFolder: ({ folder }, { controls }) => done(controls.pauseFolder(folder)),
  resumeFolder: ({ folder }, { controls }) => done(controls.resumeFolder(folder)),
  rescanFolder: ({ folder }, { controls, signal }) => done(controls.rescanFolder(folder, signal)),
  setFolder: async ({ folder, settings }, { controls }) => ({ settings: await controls.setFolder(folder, settings) }),
  needs: ({ folder, limit }, { controls }) => controls.needs(folder, limit ?? needsDefault),
  acceptChanges: ({ folder }, { controls, signal }) => done(controls.acceptChanges(folder, signal)),
  rejectChanges: ({ folder }, { controls, signal }) => done(controls.rejectChanges(folder, signal)),
  verifyFolder: ({ folder }, { controls, signal }) => controls.verifyFolder(folder, signal),
  store: (_, { controls }) => controls.store(),
  rebuildStore: (_, { controls, signal }) => controls.rebuildStore(signal),
  scrubStatus: (_, { controls }) => controls.scrubStatus(),
  startScrub: (_, { controls }) => done(controls.startScrub()),
  pauseScrub: (_, { controls }) => done(controls.pauseScrub()),
  resumeScrub: (_, { controls }) => done(controls.resumeScrub()),
  share: (input, { controls }) => controls.share(input),
  join: (input, { controls, signal }) => controls.join(input, signal),
  history: ({ folder, path, limit }, { controls }) => controls.history(folder, path, limit),
  restore: (input, { controls, signal }) => controls.restore(input, signal),
  rollback: (input, { controls, signal }) => controls.rollback(input, signal),
  conflicts: ({ folder }, { controls }) => ({ conflicts: controls.conflicts(folder) }),
  resolveConflict: (input, { controls }) => controls.resolveConflict(input),
  members: ({ folder }, { controls }) => ({ members: controls.members(folder) }),
  retry: ({ folder }, { controls }) => done(controls.retry(folder)),
  retireMember: ({ folder, peer, undo }, { controls }) => done(controls.retireMember(folder, peer, undo === true)),
  copies: ({ limit, ...wanted }, { controls, signal }) => controls.copies({ ...wanted, limit: limit ?? copiesDefault }, signal),
  keepFolder: (input, { controls, signal }) => controls.keepFolder(input, signal),
  freeFiles: (input, { controls, signal }) => controls.freeFiles(input, signal),
  fetchFiles: ({ timeoutMs, wait = false, ...wanted }, context) => {
    const late = (): string =>
      'some of the files are not here yet; they are still asked for: see "holdfast needs", or wait longer with --timeout'
    return inTime(context, timeoutMs, late, (signal) => context.controls.fetchFiles({ ...wanted, wait }, signal))
  },
  files: ({ limit, ...wanted }, { controls, signal }) => controls.files({ ...wanted, limit: limit ?? copiesDefault }, signal),
  waitCopies: ({ folder, copies, timeoutMs }, context) => {
    const late = (): string =>
      `${theFolders(folder, 'has', 'have')} less than ${copies} copies of something still; see "holdfast copies FOLDER --worst", or wait longer with --timeout`
    return done(inTime(context, timeoutMs, late, (signal) => context.controls.waitCopies(folder, copies, signal)))
  },
  waitSynced: ({ folder, timeoutMs }, context) => {
    const late = (): string =>
      `${theFolders(folder, 'is', 'are')} not in step yet${pausedText(context.controls.folders())}; the work goes on: see "holdfast status", or wait longer with --timeout`
    return inTime(context, timeoutMs, late, (signal) => context.controls.waitSynced(folder, signal))
  },
}

async function done(work: Promise<void>): Promise<Record<string, never>> {
  await work
  return {}
}

/** Waits at most so long; throws `TIMED_OUT` with `late` then. */
async function inTime<T>(
  { clock, signal }: CallContext,
  timeoutMs: number | undefined,
  late: () => string,
  wait: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (timeoutMs === undefined) return wait(signal)
  const timeUp = new AbortController()
  const isOver = new AbortController()
  const timer = clock.sleep(timeoutMs, isOver.signal).then(
    () => timeUp.abort(),
    () => undefined, // stopped below because the wait ended first
  )
  try {
    return await wait(AbortSignal.any([signal, timeUp.signal]))
  } catch (error) {
    if (!timeUp.signal.aborted || errorCodeOf(error) !== 'ABORTED') throw error
    throw new EngineError('TIMED_OUT', `waited ${timeoutMs / 1000} s and ${late()}`, { cause: error })
  } finally {
    isOver.abort()
    await timer
  }
}

function theFolders(folder: string | undefined, one: string, many: string): string {
  return folder === undefined ? `the folders ${many}` : `the folder "${folder}" ${one}`
}

/** Who keeps the folders waiting until somebody resumes them there. */
function pausedText(folders: readonly FolderStatus[]): string {
  const paused = folders.flatMap(({ name, pausedAt = [] }) => pausedAt.map((member) => `${name} is paused at ${member}`))
  return paused.length === 0 ? '' : ` (${paused.join(', ')})`
}
