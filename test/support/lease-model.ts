// Goes through every state that some nodes with one block can come to by the rules of keep leases: every order of messages, lost, late or
// twice, a crash between any two steps, garbage collected by who does not know that the block is wanted. Time takes no part in the rules.

import { present } from '../../engine/base/assert.ts'
import { createIdentity } from '../../engine/crypto/identity.ts'
import type { PeerId } from '../../engine/model/ids.ts'
import { ask, grant, hear, mayGo, type LeaseState } from '../../engine/replicas/lease.ts'

/** The rules under test: those of the engine, or some of them broken on purpose. */
export interface LeaseRules {
  readonly ask: typeof ask
  readonly grant: typeof grant
  readonly hear: typeof hear
  readonly mayGo: typeof mayGo
  /** What a grant changes is on the disk before the answer is on its way. */
  readonly isDurable: boolean
}

export const engineRules: LeaseRules = { ask, grant, hear, mayGo, isDurable: true }

export interface ModelSize {
  readonly nodes: number
  /** How many others must have granted. */
  readonly needed: number
  /** How often each node may begin to ask. */
  readonly rounds: number
  /** How many of the nodes, the last ones, do not know at first that anything refers to the block. */
  readonly forsaken: number
}

interface NodeState {
  readonly holds: boolean
  /** Rounds that it has begun: all of their questions are on their way for ever. */
  readonly begun: number
  readonly isAsking: boolean
  /** Who has granted, in its latest round. A list, since a broken rule may count somebody twice. */
  readonly granters: readonly number[]
  readonly isForsaken: boolean
  /** … as its disk says. */
  readonly wasForsaken: boolean
}

interface WorldState {
  readonly nodes: readonly NodeState[]
  /** Answers on their way for ever: a bit for granter, asker and round. */
  readonly answers: number
  /** Somebody let go because enough others had granted. */
  readonly hasGone: boolean
}

export interface Exploration {
  readonly states: number
  /** The fewest nodes that kept the block in any state after one had let go. */
  readonly fewest: number
  /** The steps to the first state in which there were too few. */
  readonly violation: readonly string[] | undefined
}

type Step = readonly [string, WorldState]

const peers: readonly PeerId[] = [1, 2, 3, 4].map((seed) => createIdentity(new Uint8Array(32).fill(seed)).peerId)

export function explore(size: ModelSize, rules: LeaseRules = engineRules): Exploration {
  const start = startOf(size)
  const cameFrom = new Map<string, { readonly from: string; readonly step: string }>([[keyOf(start), { from: '', step: '' }]])
  let frontier = [start]
  let fewest = size.nodes
  while (frontier.length > 0) {
    const next: WorldState[] = []
    for (const state of frontier) {
      const from = keyOf(state)
      for (const [step, raw] of stepsFrom(state, size, rules)) {
        const reached = withoutIdleAnswers(raw, size)
        const key = keyOf(reached)
        if (cameFrom.has(key)) continue
        cameFrom.set(key, { from, step })
        const keepers = reached.nodes.filter(({ holds, isForsaken }) => holds && !isForsaken).length
        if (reached.hasGone) fewest = Math.min(fewest, keepers)
        if (reached.hasGone && keepers < size.needed) return { states: cameFrom.size, fewest, violation: pathTo(key, cameFrom) }
        next.push(reached)
      }
    }
    frontier = next
  }
  return { states: cameFrom.size, fewest, violation: undefined }
}

function startOf({ nodes, forsaken }: ModelSize): WorldState {
  const node = { holds: true, begun: 0, isAsking: false, granters: [] }
  const isForsaken = (at: number): boolean => at >= nodes - forsaken
  return {
    nodes: Array.from({ length: nodes }, (_, at) => ({ ...node, isForsaken: isForsaken(at), wasForsaken: isForsaken(at) })),
    answers: 0,
    hasGone: false,
  }
}

/** Answers to a node that asks no more and never will again change nothing: states that differ in them alone are one. */
function withoutIdleAnswers(state: WorldState, { nodes, rounds }: ModelSize): WorldState {
  let { answers } = state
  for (const [at, { begun, isAsking }] of state.nodes.entries()) {
    if (begun < rounds || isAsking) continue
    for (let granter = 0; granter < nodes; granter++) answers &= ~(((1 << rounds) - 1) << ((granter * nodes + at) * rounds))
  }
  return answers === state.answers ? state : { ...state, answers }
}

function* stepsFrom(state: WorldState, size: ModelSize, rules: LeaseRules): Generator<Step> {
  for (const [at, node] of state.nodes.entries()) {
    const lease = leaseOf(node, at)
    yield* messages(state, at, size, rules)
    if (node.holds && node.begun < size.rounds && !node.isAsking && rules.ask(lease, roundName(at, node.begun + 1)).asking !== undefined) {
      yield [`${at} begins to ask`, put(state, at, { ...node, begun: node.begun + 1, isAsking: true, granters: [] })]
    }
    if (node.isAsking) {
      if (node.holds && rules.mayGo(lease, size.needed)) {
        yield [`${at} lets go`, { ...put(state, at, { ...over(node), holds: false }), hasGone: true }]
      }
      yield [`${at} gives up`, put(state, at, over(node))]
    }
    yield [`${at} crashes`, put(state, at, { ...over(node), isForsaken: node.wasForsaken })]
    if (node.isForsaken) {
      yield [`${at} learns what refers to it`, put(state, at, { ...node, isForsaken: false, wasForsaken: false })]
      if (node.holds) yield [`${at} collects it as garbage`, put(state, at, { ...over(node), holds: false })]
    }
    if (!node.holds && !node.isForsaken && state.nodes.some(({ holds }) => holds))
      yield [`${at} fetches`, put(state, at, { ...node, holds: true })]
  }
}

/** Questions that node `at` asked, and answers to them, arrive: any, in any order, again and again. */
function* messages(state: WorldState, at: number, size: ModelSize, rules: LeaseRules): Generator<Step> {
  const asker = present(state.nodes[at], 'a node')
  for (const [other, node] of state.nodes.entries()) {
    if (other === at) continue
    for (let round = 1; round <= asker.begun; round++) {
      const bit = 1 << ((other * size.nodes + at) * size.rounds + round - 1)
      const granted = rules.grant(leaseOf(node, other), node.holds)
      if (granted !== undefined) {
        const { isForsaken } = granted
        const told = put(state, other, { ...node, isForsaken, wasForsaken: rules.isDurable ? isForsaken : node.wasForsaken })
        yield [`${other} grants ${at} (round ${round})`, { ...told, answers: state.answers | bit }]
      }
      if ((state.answers & bit) === 0) continue
      const after = rules.hear(leaseOf(asker, at), present(peers[other], 'a peer'), roundName(at, round))
      const granters = [...(after.asking?.granters ?? [])].map((peer) => peers.indexOf(peer)).toSorted((left, right) => left - right)
      yield [`${at} hears the grant of ${other} (round ${round})`, put(state, at, { ...asker, granters })]
    }
  }
}

/** As the rules see it. */
function leaseOf({ isAsking, begun, granters, isForsaken }: NodeState, at: number): LeaseState {
  const heard = new Tally(granters.map((index) => present(peers[index], 'a peer')))
  return { isForsaken, asking: isAsking ? { round: roundName(at, begun), granters: heard } : undefined }
}

/** A set of members that a broken rule can put somebody into twice. */
export class Tally extends Set<PeerId> {
  readonly #all: readonly PeerId[]

  constructor(all: readonly PeerId[]) {
    super(all)
    this.#all = all
  }

  override get size(): number {
    return this.#all?.length ?? 0
  }

  override [Symbol.iterator](): SetIterator<PeerId> {
    return this.#all.values()
  }
}

function over(node: NodeState): NodeState {
  return { ...node, isAsking: false, granters: [] }
}

function put(state: WorldState, at: number, node: NodeState): WorldState {
  return { ...state, nodes: state.nodes.with(at, node) }
}

function roundName(at: number, round: number): string {
  return `${at}/${round}`
}

function keyOf({ nodes, answers, hasGone }: WorldState): string {
  const codes = nodes.map(({ holds, begun, isAsking, granters, isForsaken, wasForsaken }) => {
    const flags = (holds ? 1 : 0) | (isAsking ? 2 : 0) | (isForsaken ? 4 : 0) | (wasForsaken ? 8 : 0) | (begun << 4)
    return String.fromCharCode(flags | (granters.reduce((code, granter) => code * 5 + granter + 1, 0) << 6))
  })
  return codes.join('') + String.fromCharCode(answers & 0xffff, answers >>> 16, hasGone ? 1 : 0)
}

function pathTo(end: string, cameFrom: ReadonlyMap<string, { readonly from: string; readonly step: string }>): readonly string[] {
  const steps: string[] = []
  for (let at = end; ;) {
    const { from, step } = present(cameFrom.get(at), 'a state that was reached')
    if (step === '') return steps.toReversed()
    steps.push(step)
    at = from
  }
}
