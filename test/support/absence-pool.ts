// A folder's nodes over simulated time, each with its own ledger of absences and its own marks, told to whoever can be reached. Only the pure
// cores are the engine's: who reaches whom, and when, is the test's.

import { present } from '../../engine/base/assert.ts'
import type { Member, NodeClass, Role } from '../../engine/model/folder.ts'
import type { PeerId } from '../../engine/model/ids.ts'
import {
  absencePace,
  afterRound,
  afterSign,
  degreeOf,
  emptyLedger,
  type AbsenceLedger,
  type Degree,
} from '../../engine/replicas/absence.ts'
import { agreedAbsences, editionToRefute, type AbsenceMark } from '../../engine/replicas/absence-marks.ts'
import { peerNamed } from './placement-pools.ts'

export const roundMs = 60_000
/** Marks change so seldom that they are looked at now and then only. */
const markMs = 5 * roundMs
export const hourMs = 3_600_000
export const dayMs: number = 24 * hourMs

export interface PoolNode {
  readonly name: string
  readonly role: Role
  readonly class: NodeClass
}

interface NodeState {
  readonly node: PoolNode
  readonly peer: PeerId
  ledger: AbsenceLedger
  cardEdition: number
  /** As it knows them. */
  readonly cards: Map<PeerId, number>
  /** The latest of every member, as it knows them: edition and marks. */
  readonly marks: Map<PeerId, { readonly edition: number; readonly marks: readonly AbsenceMark[] }>
}

export type Reach = (from: string, to: string, timeMs: number) => boolean

const asleep: ReadonlySet<PeerId> = new Set()

export class AbsencePool {
  readonly #states: readonly NodeState[]
  readonly #members: readonly Member[]
  readonly #seen = new Map<string, Set<Degree>>()
  #timeMs = 0

  constructor(nodes: readonly PoolNode[]) {
    this.#states = nodes.map((node) => ({
      node,
      peer: peerNamed(node.name),
      ledger: emptyLedger,
      cardEdition: 1,
      cards: new Map(),
      marks: new Map(),
    }))
    this.#members = nodes.map(({ name, role }) => ({
      peer: peerNamed(name),
      nodeKey: new Uint8Array(32),
      role,
      name,
      isRetired: false,
    }))
  }

  /** Runs rounds; a node that nobody reaches, itself among them (`reach(a, a)`), is off and has none. */
  run(durationMs: number, reach: Reach, stepMs: number = roundMs): void {
    for (const endMs = this.#timeMs + durationMs; this.#timeMs < endMs; this.#timeMs += stepMs) {
      const on = this.#states.filter(({ node }) => reach(node.name, node.name, this.#timeMs))
      for (const state of on) this.#round(state, on, reach, stepMs)
      if (this.#timeMs % hourMs === 0) for (const state of on) this.#note(state)
    }
  }

  #round(state: NodeState, on: readonly NodeState[], reach: Reach, stepMs: number): void {
    const met = on.filter((other) => other !== state && reach(state.node.name, other.node.name, this.#timeMs))
    const known = this.#states.flatMap((other) => (other === state ? [] : other.peer))
    if (
      Math.floor(state.ledger.awakeMs / absencePace.signOfLifeMs) < Math.floor((state.ledger.awakeMs + stepMs) / absencePace.signOfLifeMs)
    )
      state.cardEdition++
    for (const other of met) this.#hear(state, other)
    state.ledger = afterRound(state.ledger, { elapsedMs: stepMs, known, answered: new Set(met.map(({ peer }) => peer)), asleep })
    if (this.#timeMs % markMs !== 0) return
    const own = this.#states.flatMap((other): AbsenceMark[] => {
      const degree = other === state ? 'here' : this.#ownDegree(state, other)
      return degree === 'overdue' || degree === 'lost' ? [{ peer: other.peer, cardEdition: state.cards.get(other.peer) ?? 0, degree }] : []
    })
    const said = state.marks.get(state.peer)
    if (JSON.stringify(own) !== JSON.stringify(said?.marks ?? [])) {
      state.marks.set(state.peer, { edition: (said?.edition ?? 0) + 1, marks: own })
    }
    const against = [...state.marks].flatMap(([author, { marks }]) => (author === state.peer ? [] : marks))
    const refuted = editionToRefute(state.peer, state.cardEdition, against)
    if (refuted !== undefined) state.cardEdition = refuted + 1
  }

  /** Cards and marks go from node to node. */
  #hear(state: NodeState, other: NodeState): void {
    other.cards.set(other.peer, other.cardEdition)
    for (const [peer, edition] of other.cards) {
      if (peer === state.peer || edition <= (state.cards.get(peer) ?? 0)) continue
      state.cards.set(peer, edition)
      state.ledger = afterSign(state.ledger, peer)
    }
    for (const [peer, said] of other.marks) {
      if (said.edition > (state.marks.get(peer)?.edition ?? 0)) state.marks.set(peer, said)
    }
  }

  #ownDegree(state: NodeState, other: NodeState): Degree {
    return degreeOf(state.ledger.peers.get(other.peer), { class: other.node.class, sleepMs: undefined })
  }

  #note(state: NodeState): void {
    for (const degree of this.agreed(state.node.name).values()) {
      this.#seen.set(state.node.name, (this.#seen.get(state.node.name) ?? new Set()).add(degree))
    }
  }

  /** What this node itself takes another one's absence for. */
  degree(at: string, of: string): Degree {
    return this.#ownDegree(this.#state(at), this.#state(of))
  }

  /** Who is overdue or lost for the folder, by name, as this node has it. */
  agreed(at: string): ReadonlyMap<string, Degree> {
    const state = this.#state(at)
    const agreed = agreedAbsences({
      members: this.#members,
      marksOf: (author) => state.marks.get(author)?.marks ?? [],
      cardEditionOf: (peer) => (peer === state.peer ? state.cardEdition : (state.cards.get(peer) ?? 0)),
    })
    return new Map(
      [...agreed].map(([peer, degree]) => [
        present(
          this.#states.find((one) => one.peer === peer),
          'a node',
        ).node.name,
        degree,
      ]),
    )
  }

  /** What any node took any other for, for the folder, at any time so far. */
  get everAgreed(): ReadonlySet<Degree> {
    return new Set([...this.#seen.values()].flatMap((degrees) => [...degrees]))
  }

  #state(name: string): NodeState {
    return present(
      this.#states.find(({ node }) => node.name === name),
      'a node of the pool',
    )
  }
}
