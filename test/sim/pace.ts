// How soon things are done in worlds with hosts that take days elsewhere: in minutes, so that a run sees them.

import type { AbsencePace } from '../../engine/replicas/absence.ts'
import type { RetirePace } from '../../engine/replicas/retire.ts'
import type { StandInPace } from '../../engine/replicas/stand-in.ts'

export interface HostPace {
  readonly retire: RetirePace
  /** As in production when absent. */
  readonly standIn?: StandInPace
  /** As in production when absent: nobody is overdue or lost within hours. */
  readonly absence?: AbsencePace
}

const minuteMs = 60_000

/** What is let go of after days goes after seconds. The clock of graces goes on by rounds of twenty seconds. */
export const hastyPace: HostPace = {
  retire: { surplusMs: 20_000, garbageMs: 50_000, firstMs: 4000, lookMs: 4000, settleMs: 500, pressedMs: 4000 },
  standIn: { lookMs: 4000, patienceMs: 10_000, nextMs: 30_000 },
}

/** What takes days takes minutes: who is away for a while is overdue, then lost. */
export const daysPace: HostPace = {
  retire: { surplusMs: 5 * minuteMs, garbageMs: 10 * minuteMs, firstMs: minuteMs, lookMs: minuteMs, settleMs: 500, pressedMs: minuteMs },
  absence: {
    offlineMs: minuteMs,
    // More than the rounds and the silence after which somebody is seen to be gone.
    togetherMs: 90_000,
    pastMinMs: 2 * minuteMs,
    signOfLifeMs: minuteMs,
    overdueMs: { 'always-on': 5 * minuteMs, daily: 10 * minuteMs, occasional: 15 * minuteMs },
    lostMs: { 'always-on': 15 * minuteMs, daily: 30 * minuteMs, occasional: 45 * minuteMs },
  },
}

/** Within which the last of them is lost, also where its habits give it twice the time. */
export const lostWithinMs: number = 120 * minuteMs
