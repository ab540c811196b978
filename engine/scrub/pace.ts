// In which order pieces are read again, and how fast: pure. Each piece is to be read within a cycle of its last reading, the one that is due
// first before the others (earliest deadline first), and no faster than needed for that.

export interface ScrubUnit {
  readonly place: number
  readonly number: number
  readonly bytes: number
  /** Wall clock: when it was read last, or seen first. */
  readonly verifiedMs: number
  readonly isSuspect: boolean
}

/** Suspects first, then what was not read for longest. */
export function inOrder<Unit extends ScrubUnit>(units: readonly Unit[]): Unit[] {
  return units.toSorted(
    (left, right) =>
      Number(right.isSuspect) - Number(left.isSuspect) ||
      left.verifiedMs - right.verifiedMs ||
      left.place - right.place ||
      left.number - right.number,
  )
}

/** Of the cycle: the rest of it is for what comes in between. */
const targetShare = 0.9
/** However late it is: a clock that jumped, or a machine that slept for months, is no reason to wear the disk. */
const catchUpMax = 4

/**
 * Bytes a second at which every piece of `ordered` is read in time: enough for each of them and those before it. `doneBytes` of the first
 * one are read already.
 */
export function neededBytesPerSecond(ordered: readonly ScrubUnit[], doneBytes: number, nowMs: number, cycleMs: number): number {
  const totalBytes = ordered.reduce((total, { bytes }) => total + bytes, 0)
  const usual = (totalBytes * 1000) / (cycleMs * targetShare)
  let bytes = -Math.min(doneBytes, ordered[0]?.bytes ?? 0)
  let needed = 0
  for (const unit of ordered) {
    bytes += unit.bytes
    const leftMs = unit.verifiedMs + cycleMs * targetShare - nowMs
    needed = Math.max(needed, leftMs <= 0 ? Number.POSITIVE_INFINITY : (bytes * 1000) / leftMs)
  }
  return Math.min(Math.max(needed, usual), usual * catchUpMax)
}

/** A step is to take about so long, whatever the disk: others wait for it. */
const stepMs = 100
const stepBytesMin = 64 * 1024
const stepBytesMax = 8 * 1024 * 1024

/** How much to read in the next step, by how long the last one took. */
export function nextStepBytes(lastBytes: number, lastMs: number): number {
  const fitting = (lastBytes * stepMs) / Math.max(lastMs, 1)
  return Math.round(Math.min(Math.max(fitting, stepBytesMin), stepBytesMax))
}

/** After a step of `stepTookMs` in which it has nothing to hurry for, scrub leaves the disk alone for nine times as long; in a hurry for as long. */
const usualRest = 9
const hurriedRest = 1
/** Others of this thread get their turn, however quick a step is. */
const restMsMin = 1

export function restMs(stepBytes: number, stepTookMs: number, bytesPerSecond: number, isHurried: boolean): number {
  if (isHurried) return Math.max(restMsMin, stepTookMs * hurriedRest)
  const pacedMs = stepBytes === 0 || bytesPerSecond === 0 ? 0 : (stepBytes * 1000) / bytesPerSecond - stepTookMs
  return Math.max(restMsMin, pacedMs, stepTookMs * usualRest)
}
