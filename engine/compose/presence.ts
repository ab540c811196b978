// Who of the members is there, in rounds: a connection that is open is an answer, since the network pings on it and ends it when nothing comes
// back. What is made of that is replicas/absence.ts; here are the clock, the rows and the bell.

import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Index } from '../index/index-store.ts'
import type { PeerId } from '../model/ids.ts'
import type { Network } from '../net/network.ts'
import {
  absencePace,
  afterRound,
  afterSign,
  degreeOf,
  doubtedLink,
  type AbsenceLedger,
  type AbsencePace,
  type Degree,
  type PeerAbsence,
} from '../replicas/absence.ts'
import type { CardShelf } from './card-box.ts'

export interface PresenceParts {
  readonly index: Index
  readonly clock: Clock
  readonly network: Pick<Network, 'connectedPeers'>
  readonly log: Log
  readonly cards: Pick<CardShelf, 'cardOf'>
  /** Members of all folders that were not retired, this node left out. */
  readonly members: () => readonly PeerId[]
  readonly events: PresenceEvents
  /** For tests; otherwise as absence.ts says. */
  readonly absencePace?: AbsencePace | undefined
}

export interface PresenceEvents {
  /** Somebody is more or less absent than a moment ago. */
  changed(): void
  /** It is time that this node says that it is there. */
  signOfLife(): void
}

const roundMs = 20_000
/** What was counted since may be lost: then a member is waited for a little longer. */
const saveMs = 30 * 60_000

/** What folders see of it, which are opened before it is. */
export type PresenceView = Pick<Presence, 'degreeOf' | 'awakeMs' | 'doubted'>

export function lateView(presence: () => Presence): PresenceView {
  return {
    degreeOf: (peer) => presence().degreeOf(peer),
    get awakeMs() {
      return presence().awakeMs
    },
    get doubted() {
      return presence().doubted
    },
  }
}

export class Presence {
  readonly #parts: PresenceParts
  readonly #pace: AbsencePace
  #ledger: AbsenceLedger
  #degrees = ''
  #savedMs: number
  #signedMs: number

  constructor(parts: PresenceParts) {
    this.#parts = parts
    this.#pace = parts.absencePace ?? absencePace
    const { absences } = parts.index
    const peers = absences.all().map(({ peer, ...row }): [PeerId, PeerAbsence] => [peer, { ...row, contraryRounds: 0 }])
    this.#ledger = { awakeMs: absences.awakeMs, peers: new Map(peers) }
    this.#savedMs = this.#ledger.awakeMs
    this.#signedMs = this.#ledger.awakeMs
  }

  /** How long this node has been awake in all. */
  get awakeMs(): number {
    return this.#ledger.awakeMs
  }

  /** As this node alone sees it. */
  degreeOf(peer: PeerId): Degree {
    const card = this.#parts.cards.cardOf(peer)
    return degreeOf(this.#ledger.peers.get(peer), { class: card?.class ?? 'daily', sleepMs: card?.asleepForMs }, this.#pace)
  }

  /** Members that went together, more of them than are here: it may be this node that is cut off. */
  get doubted(): readonly PeerId[] {
    const doubted = doubtedLink(this.#ledger.peers, this.#asleep, this.#pace)
    return [...doubted].filter((peer) => !this.#asleep.has(peer))
  }

  /** How many members answer. */
  get here(): number {
    return [...this.#ledger.peers.values()].filter(({ isDown }) => !isDown).length
  }

  get #asleep(): ReadonlySet<PeerId> {
    const { cards, members } = this.#parts
    return new Set(members().filter((peer) => cards.cardOf(peer)?.asleepForMs !== undefined))
  }

  /** A sign of life of the peer came through others. */
  heard(peer: PeerId): void {
    this.#ledger = afterSign(this.#ledger, peer, this.#pace)
    this.#tell()
  }

  /** Works until `signal` aborts; resolves then. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts
    let lastMs = clock.monotonicMs()
    while (!signal.aborted) {
      await clock.sleep(roundMs, signal).catch(() => undefined) // aborted: the loop ends
      if (signal.aborted) break
      const nowMs = clock.monotonicMs()
      this.round(nowMs - lastMs)
      lastMs = nowMs
    }
    this.save()
  }

  /** One round, so long after the one before by the clock that does not jump; that may have gone on while the machine slept. */
  round(elapsedMs: number): void {
    const { network, members, events } = this.#parts
    const answered = new Set(network.connectedPeers())
    this.#ledger = afterRound(this.#ledger, { elapsedMs, known: members(), answered, asleep: this.#asleep }, this.#pace)
    const { awakeMs } = this.#ledger
    if (awakeMs - this.#signedMs >= this.#pace.signOfLifeMs) {
      this.#signedMs = awakeMs
      events.signOfLife()
    }
    if (this.#tell() || awakeMs - this.#savedMs >= saveMs) this.save()
  }

  /** What was counted, to the index. */
  save(): void {
    const { index, log } = this.#parts
    const { awakeMs, peers } = this.#ledger
    try {
      index.transact(() =>
        index.absences.replaceAll(
          awakeMs,
          [...peers].map(([peer, absence]) => ({ peer, ...absence })),
        ),
      )
      this.#savedMs = awakeMs
    } catch (error) {
      log.warn('could not note who has been away for how long', { error: messageOf(error) })
    }
  }

  #tell(): boolean {
    const degrees = JSON.stringify([...this.#ledger.peers.keys()].map((peer) => this.degreeOf(peer)))
    if (degrees === this.#degrees) return false
    this.#degrees = degrees
    this.#parts.events.changed()
    return true
  }
}
