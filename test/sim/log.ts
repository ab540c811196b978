// The engine's log lines as part of the world's trace: what a replay shows, and what two runs of a seed must agree in.

import type { Log, LogFields } from '../../engine/base/log.ts'
import type { Scheduler } from './scheduler.ts'

export function traceLog(scheduler: Scheduler, name: string, bound: LogFields = {}): Log {
  const write =
    (level: string) =>
    (message: string, fields: LogFields = {}): void => {
      const all = Object.entries({ ...bound, ...fields }).filter(([, value]) => value !== undefined)
      scheduler.note(`${name} ${level}: ${message}${all.map(([key, value]) => ` ${key}=${String(value)}`).join('')}`)
    }
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: (fields) => traceLog(scheduler, name, { ...bound, ...fields }),
  }
}
