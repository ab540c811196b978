// Waiting for something to become true in another process, never without a limit.

import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'

export interface Patience {
  /** Ends every wait when the run is being stopped. */
  readonly signal: AbortSignal
  readonly timeoutMs: number
}

export class WaitTimeout extends Error {}

/** A daemon is gone: no wait for it can come to anything. */
export class DaemonEnded extends Error {}

export function nowMs(): number {
  return performance.now()
}

export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal })
}

/**
 * Asks until `probe` gives a value. A probe that throws counts as "not yet": a daemon that starts refuses connections.
 * Only DaemonEnded is thrown on at once.
 * Throws WaitTimeout with `what`, the last answer in words and the last error in it.
 */
export async function until<Value>(
  what: string,
  everyMs: number | ((waitedMs: number) => number),
  patience: Patience,
  probe: () => Value | undefined | Promise<Value | undefined>,
  describe: () => string = () => '',
): Promise<Value> {
  const startMs = nowMs()
  const deadlineMs = startMs + patience.timeoutMs
  let failure = ''
  while (nowMs() < deadlineMs) {
    try {
      const value = await probe()
      if (value !== undefined) return value
      failure = ''
    } catch (error) {
      if (error instanceof DaemonEnded) throw error
      failure = error instanceof Error ? error.message : 'it threw something that is no Error'
    }
    await pause(typeof everyMs === 'number' ? everyMs : everyMs(nowMs() - startMs), patience.signal)
  }
  const last = [describe(), failure].filter((text) => text !== '').join('; ')
  throw new WaitTimeout(`gave up after ${patience.timeoutMs / 1000} s waiting for ${what}${last === '' ? '' : ` (last seen: ${last})`}`)
}

/** Median, or a higher quantile by nearest rank. Throws on an empty list. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
  if (value === undefined) throw new RangeError('quantile of no values')
  return value
}

/** The middle value, or the mean of the two in the middle. Throws on an empty list. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const low = sorted[Math.floor((sorted.length - 1) / 2)]
  const high = sorted[Math.floor(sorted.length / 2)]
  if (low === undefined || high === undefined) throw new RangeError('median of no values')
  return (low + high) / 2
}
