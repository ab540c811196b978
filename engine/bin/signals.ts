// Signals of a daemon process: the first asks for an orderly end, a second one ends it at once.

import type { Clock } from '../base/clock.ts'

/**
 * One Ctrl-C can arrive more than once: from the terminal, and passed on by npm and by the launcher. Copies come within
 * this time; a person's second press comes later.
 */
const echoMs = 400

export type SignalAnswer = 'stop' | 'ignore' | 'die'

/** Decides what each signal means. */
export function signalAnswers(clock: Pick<Clock, 'monotonicMs'>): () => SignalAnswer {
  let firstMs: number | undefined
  return () => {
    const nowMs = clock.monotonicMs()
    if (firstMs === undefined) {
      firstMs = nowMs
      return 'stop'
    }
    return nowMs - firstMs < echoMs ? 'ignore' : 'die'
  }
}

const handled: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** Calls `stop` and `die` as signals come. A launcher that was killed counts as a signal too. */
export function listenForSignals(clock: Clock, actions: { readonly stop: () => void; readonly die: () => void }): void {
  const answer = signalAnswers(clock)
  const onSignal = (): void => {
    const what = answer()
    if (what === 'stop') actions.stop()
    if (what === 'die') actions.die()
  }
  for (const name of handled) process.on(name, onSignal)
  // An older Node's launcher keeps a channel open to this process; without it nobody could reach this process any more.
  if (process.connected) process.on('disconnect', actions.stop)
}
