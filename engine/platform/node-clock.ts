// The clocks of this machine.

import type { Clock } from '../base/clock.ts'
import { abortable } from '../base/queue.ts'

/** Sleeping longer than a timer can hold (24.8 days) would fire at once: such a sleep is made of several. */
const timerMsMax = 2 ** 31 - 1

export function nodeClock(): Clock {
  return {
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    sleep: async (durationMs, signal) => {
      let leftMs = Math.max(0, durationMs)
      do {
        const stepMs = Math.min(leftMs, timerMsMax)
        await sleepOnce(stepMs, signal)
        leftMs -= stepMs
      } while (leftMs > 0)
    },
  }
}

async function sleepOnce(durationMs: number, signal: AbortSignal): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  try {
    await abortable<void>((resolve) => {
      timer = setTimeout(() => resolve(), durationMs)
    }, signal)
  } finally {
    clearTimeout(timer)
  }
}
