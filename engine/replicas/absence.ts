// How long members have been away, judged in rounds by this node alone, and what that is called. Pure. Time is awake time: the rounds that
// this node has run, so that neither a clock that jumps nor a machine that slept makes anybody overdue. Decision 0038.

import type { NodeClass } from '../model/folder.ts'
import type { PeerId } from '../model/ids.ts'
import { sleepMsMax } from '../model/limits.ts'

/**
 * 'asleep': it said that it goes. 'offline': for a moment. 'away': as is normal for it. 'overdue': longer; what fell below two copies gets more.
 * 'lost': its copies are made anew, elsewhere.
 */
export type Degree = 'here' | 'asleep' | 'offline' | 'away' | 'overdue' | 'lost'

export interface PastAbsence {
  readonly awayMs: number
  /** When it came back, on the awake clock. */
  readonly endedMs: number
}

export interface PeerAbsence {
  readonly isDown: boolean
  /** Rounds in a row that said otherwise. */
  readonly contraryRounds: number
  /** When it went, on the awake clock. */
  readonly sinceMs: number
  /** How long it has been away, without the rounds in which the link of this node was in doubt. */
  readonly awayMs: number
  /** The longest of late. */
  readonly past: readonly PastAbsence[]
}

export interface AbsenceLedger {
  /** How long this node has been awake in all. */
  readonly awakeMs: number
  readonly peers: ReadonlyMap<PeerId, PeerAbsence>
}

/** What is known of a member beside its absences. */
export interface Expectation {
  readonly class: NodeClass
  /** How long it said that it would sleep, 0 when it did not know; undefined while it is not known to sleep. */
  readonly sleepMs: number | undefined
}

/** How long what takes, milliseconds on the awake clock. */
export interface AbsencePace {
  readonly offlineMs: number
  /** Who goes within so long of each other went together. */
  readonly togetherMs: number
  /** Shorter absences say nothing about habits. */
  readonly pastMinMs: number
  /** So often each node publishes its card anew: who cannot reach it hears through others that it is there. Well below the least of `overdueMs`. */
  readonly signOfLifeMs: number
  readonly overdueMs: Readonly<Record<NodeClass, number>>
  readonly lostMs: Readonly<Record<NodeClass, number>>
}

const msPerHour = 3_600_000
const msPerDay = 24 * msPerHour

export const absencePace: AbsencePace = {
  offlineMs: 10 * 60_000,
  togetherMs: 15 * 60_000,
  pastMinMs: msPerHour,
  signOfLifeMs: 3 * msPerHour,
  overdueMs: { 'always-on': 12 * msPerHour, daily: 3 * msPerDay, occasional: 14 * msPerDay },
  lostMs: { 'always-on': 7 * msPerDay, daily: 30 * msPerDay, occasional: 90 * msPerDay },
}

const missesMax = 3
const answersMin = 2
/** A round that took longer was one in which this machine slept. */
export const roundMsMax = 60_000
const pastMax = 8
const pastKeptMs = 60 * msPerDay
export const emptyLedger: AbsenceLedger = { awakeMs: 0, peers: new Map() }

const arrived: PeerAbsence = { isDown: false, contraryRounds: 0, sinceMs: 0, awayMs: 0, past: [] }

export interface Round {
  /** Since the round before. */
  readonly elapsedMs: number
  /** Others are forgotten. */
  readonly known: readonly PeerId[]
  readonly answered: ReadonlySet<PeerId>
  /** Those who said that they go: nobody else's going is doubted for it. */
  readonly asleep: ReadonlySet<PeerId>
}

/** One more round. */
export function afterRound(ledger: AbsenceLedger, round: Round, pace: AbsencePace = absencePace): AbsenceLedger {
  const elapsedMs = Math.min(Math.max(0, round.elapsedMs), roundMsMax)
  const awakeMs = ledger.awakeMs + elapsedMs
  const judged = new Map(
    round.known.map((peer) => [peer, judge(ledger.peers.get(peer) ?? arrived, round.answered.has(peer), ledger.awakeMs, awakeMs, pace)]),
  )
  const doubted = doubtedLink(judged, round.asleep, pace)
  const peers = new Map(
    [...judged].map(([peer, absence]): [PeerId, PeerAbsence] => {
      const counts = absence.isDown && absence.contraryRounds === 0 && !doubted.has(peer)
      return [peer, counts ? { ...absence, awayMs: absence.awayMs + elapsedMs } : absence]
    }),
  )
  return { awakeMs, peers }
}

/** Three misses in a row and it is down, two answers and it is up again. */
function judge(absence: PeerAbsence, answers: boolean, beforeMs: number, awakeMs: number, pace: AbsencePace): PeerAbsence {
  if (answers !== absence.isDown) return { ...absence, contraryRounds: 0 }
  const contraryRounds = absence.contraryRounds + 1
  if (!absence.isDown) {
    if (contraryRounds < missesMax) return { ...absence, contraryRounds }
    return { ...absence, isDown: true, contraryRounds: 0, sinceMs: beforeMs, awayMs: 0 }
  }
  if (contraryRounds < answersMin) return { ...absence, contraryRounds }
  return { ...ended(absence, awakeMs, pace), isDown: false }
}

function ended(absence: PeerAbsence, awakeMs: number, { pastMinMs }: AbsencePace): PeerAbsence {
  const recent = absence.past.filter(({ endedMs }) => awakeMs - endedMs <= pastKeptMs)
  const past = absence.awayMs < pastMinMs ? recent : [...recent, { awayMs: absence.awayMs, endedMs: awakeMs }]
  const longest = past.toSorted((left, right) => right.awayMs - left.awayMs).slice(0, pastMax)
  return { ...absence, contraryRounds: 0, sinceMs: awakeMs, awayMs: 0, past: longest }
}

/** A sign of life that came through others: it is not reached from here, but it is not gone. */
export function afterSign(ledger: AbsenceLedger, peer: PeerId, pace: AbsencePace = absencePace): AbsenceLedger {
  const absence = ledger.peers.get(peer)
  if (absence === undefined || !absence.isDown) return ledger
  return { ...ledger, peers: new Map(ledger.peers).set(peer, ended(absence, ledger.awakeMs, pace)) }
}

/**
 * Of whom it is not to be told whether they went or this node's own link did: more went together with them than are here. So of any two sides
 * of a broken network at most one, that with more than half of all, can come to take the other for lost.
 */
export function doubtedLink(
  peers: ReadonlyMap<PeerId, PeerAbsence>,
  asleep: ReadonlySet<PeerId>,
  { togetherMs }: AbsencePace = absencePace,
): ReadonlySet<PeerId> {
  const down = [...peers].filter(([, { isDown }]) => isDown)
  const here = peers.size - down.length
  const doubted = down.filter(([, { sinceMs }]) => {
    const together = down.filter(([other, at]) => !asleep.has(other) && Math.abs(at.sinceMs - sinceMs) <= togetherMs).length
    return together > here
  })
  return new Set(doubted.map(([peer]) => peer))
}

export function degreeOf(absence: PeerAbsence | undefined, expected: Expectation, pace: AbsencePace = absencePace): Degree {
  if (absence === undefined || !absence.isDown) return 'here'
  const { overdueAfterMs, lostAfterMs } = patienceWith(absence.past, expected, pace)
  if (absence.awayMs >= lostAfterMs) return 'lost'
  if (absence.awayMs >= overdueAfterMs) return 'overdue'
  if (expected.sleepMs !== undefined) return 'asleep'
  return absence.awayMs >= pace.offlineMs ? 'away' : 'offline'
}

/** What its class allows; more for a member that has been away for longer more than once and came back; and the sleep that it announced. */
export function patienceWith(
  past: readonly PastAbsence[],
  { class: nodeClass, sleepMs = 0 }: Expectation,
  { overdueMs, lostMs }: AbsencePace = absencePace,
): { readonly overdueAfterMs: number; readonly lostAfterMs: number } {
  // The second longest: what happened once is no habit.
  const habitMs = past.map(({ awayMs }) => awayMs).toSorted((left, right) => right - left)[1] ?? 0
  const [overdue, lost] = [overdueMs[nodeClass], lostMs[nodeClass]]
  const announcedMs = Math.min(Math.max(0, sleepMs), sleepMsMax)
  const lostAfterMs = Math.min(2 * lost, Math.max(lost, 2 * habitMs))
  const overdueAfterMs = Math.min(lostAfterMs / 2, Math.max(overdue, 1.5 * habitMs))
  return { overdueAfterMs: overdueAfterMs + announcedMs, lostAfterMs: lostAfterMs + announcedMs }
}
