// libp2p's own log lines, for the few that tell of an error; the rest costs a function call and nothing else.

import type { Log } from '../base/log.ts'
import { messageOf } from '../base/errors.ts'
import type { ComponentLogger, Logger } from '@libp2p/interface'

/** Sends libp2p's error lines to `log` at debug level: a stranger's garbage on the port is not an error of this node. */
export function libp2pLogger(log: Log): ComponentLogger {
  return { forComponent: (name) => scopedLogger(log, name) }
}

function scopedLogger(log: Log, scope: string): Logger {
  const ignore = (): void => undefined
  const error = (formatter: unknown, ...values: unknown[]): void => log.debug('libp2p', { scope, text: fillIn(String(formatter), values) })
  return Object.assign(ignore, { error, trace: ignore, enabled: false, newScope: (name: string) => scopedLogger(log, `${scope}:${name}`) })
}

/** Replaces each `%x` of the format by the next value. */
function fillIn(format: string, values: readonly unknown[]): string {
  let next = 0
  return format.replaceAll(/%[a-zA-Z]/g, () => messageOf(values[next++]))
}
