// Brings a filled table within its bounds: as long as a member has too much or too little, one partition goes from member to member
// along the cheapest way, where a step is free for a partition that is new to whoever gives it. A flow in all but name: Garage
// lays its partitions so too.

import { partitionCount } from './layout.ts'
import { add, type Board } from './placement-board.ts'
import { canComplete } from './placement-rules.ts'

/** How far from what it is meant to have a member may be before anything moves for that alone. */
const tolerance = 0.02
const toleranceStep = 0.01
/** What all bounds together must leave free, or every change would end in long chains. */
const slackMin = 0.005

interface Bounds {
  readonly low: readonly number[]
  readonly high: readonly number[]
}

export function balance(board: Board): void {
  new Balance(board).run()
}

/** Whole numbers of partitions; the small members' upper bounds are rounded down, so that none is full before the others. */
function boundsOf(wanted: readonly number[]): Bounds {
  const elastic = wanted.filter((goal) => goal < partitionCount)
  let slack = tolerance
  const high = (goal: number): number => Math.min(partitionCount, Math.floor(goal * (1 + slack)))
  const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0)
  const needed = total(elastic.map((goal) => Math.min(partitionCount, goal * (1 + slackMin))))
  while (slack < 1 && total(elastic.map(high)) < needed) slack += toleranceStep
  return { low: wanted.map((goal) => Math.floor(goal * (1 - tolerance))), high: wanted.map(high) }
}

class Balance {
  readonly #board: Board
  readonly #bounds: Bounds
  readonly #members: number
  /** For each pair of members how many partitions may go from the first to the second, and of those the ones that go for nothing. */
  readonly #ways: Int32Array
  readonly #freeWays: Int32Array
  readonly #stuck = new Set<number>()
  /** A row to try, made once. */
  readonly #trial: number[] = []

  constructor(board: Board) {
    this.#board = board
    this.#bounds = boundsOf(board.wanted)
    this.#members = board.wanted.length
    this.#ways = new Int32Array(this.#members ** 2)
    this.#freeWays = new Int32Array(this.#members ** 2)
    for (let partition = 0; partition < partitionCount; partition++) this.#countWays(partition, 1)
  }

  run(): void {
    // Each turn brings a member one partition nearer to its bounds, or gives it up.
    const turnsMax = partitionCount * (this.#board.rules.pool.copies + 1)
    for (let turn = 0; turn < turnsMax; turn++) {
      const over = this.#worst((member, count) => count > (this.#bounds.high[member] ?? 0), 1)
      if (over >= 0) {
        this.#relieve(over, 1)
        continue
      }
      const under = this.#worst((member, count) => count < (this.#bounds.low[member] ?? 0), -1)
      if (under < 0) return
      this.#relieve(under, -1)
    }
  }

  /** Among members that are not given up: the one farthest over (direction 1) or under (-1) its goal; -1 for none. */
  #worst(isOut: (member: number, count: number) => boolean, direction: 1 | -1): number {
    let worst = -1
    let worstRatio = -Infinity
    for (const [member, count] of this.#board.counts.entries()) {
      if (!isOut(member, count) || this.#stuck.has(member)) continue
      const ratio = direction * this.#ratio(member)
      if (ratio > worstRatio) [worst, worstRatio] = [member, ratio]
    }
    return worst
  }

  /** One partition leaves `member` (direction 1) or comes to it (-1). */
  #relieve(member: number, direction: 1 | -1): void {
    const { counts, wanted } = this.#board
    const { low, high } = this.#bounds
    // Never over the other bound by this: a partition would go to and fro.
    const isWithin = (other: number): boolean => {
      const after = (counts[other] ?? 0) + direction
      return direction === 1 ? after <= (high[other] ?? 0) : after >= (low[other] ?? 0)
    }
    const hasRoom = (other: number): boolean => direction * ((wanted[other] ?? 0) - (counts[other] ?? 0)) > 0 && isWithin(other)
    const path = this.#pathFrom(member, direction, hasRoom) ?? this.#pathFrom(member, direction, isWithin)
    if (path === undefined) {
      this.#stuck.add(member)
      return
    }
    for (let step = 1; step < path.length; step++) {
      const [near, far] = [path[step - 1] ?? 0, path[step] ?? 0]
      const isMoved = direction === 1 ? this.#move(near, far) : this.#move(far, near)
      if (!isMoved) return // an earlier step took the only way; the next turn looks again
    }
  }

  /** The members on the cheapest way from `start` to one of which `isEnd` holds, against the ways' direction for -1. */
  #pathFrom(start: number, direction: 1 | -1, isEnd: (member: number) => boolean): readonly number[] | undefined {
    const size = this.#members
    const costs = Array.from({ length: size }, () => Infinity)
    const parents = Array.from({ length: size }, () => -1)
    const isDone = Array.from({ length: size }, () => false)
    costs[start] = 0
    for (;;) {
      const next = this.#nearest(costs, isDone, direction)
      if (next < 0) return undefined
      if (next !== start && isEnd(next)) return trail(parents, next)
      isDone[next] = true
      for (let other = 0; other < size; other++) {
        const way = direction === 1 ? next * size + other : other * size + next
        if (isDone[other] === true || (this.#ways[way] ?? 0) === 0) continue
        // A way costs a little even when nothing moves that would not have moved anyway: short ways first.
        const cost = (costs[next] ?? 0) + ((this.#freeWays[way] ?? 0) > 0 ? freeStepCost : 1)
        if (cost < (costs[other] ?? 0)) [costs[other], parents[other]] = [cost, next]
      }
    }
  }

  /** The cheapest member not yet done; of equals the one that has most need of a partition, or least for -1. */
  #nearest(costs: readonly number[], isDone: readonly boolean[], direction: 1 | -1): number {
    let nearest = -1
    let nearestCost = Infinity
    let nearestRatio = 0
    for (const [member, cost] of costs.entries()) {
      if (isDone[member] === true || cost > nearestCost || cost === Infinity) continue
      const ratio = direction * this.#ratio(member)
      if (cost < nearestCost || ratio < nearestRatio) [nearest, nearestCost, nearestRatio] = [member, cost, ratio]
    }
    return nearest
  }

  #ratio(member: number): number {
    return (this.#board.counts[member] ?? 0) / Math.max(this.#board.wanted[member] ?? 0, 1 / 2)
  }

  /** Moves the partition that it costs least to move: one that is new to the giver, or was the taker's; then by the keys. */
  #move(giver: number, taker: number): boolean {
    const { rows, before, keys } = this.#board
    let best = -1
    let bestCost = Infinity
    for (let partition = 0; partition < partitionCount; partition++) {
      const row = rows[partition] ?? []
      if (!row.includes(giver) || !this.#allows(partition, giver, taker)) continue
      const had = before[partition] ?? []
      const moves = (had.includes(giver) ? 1 : 0) - (had.includes(taker) ? 1 : 0)
      const keyOf = (member: number): number => keys[partition * this.#members + member] ?? 0
      const cost = moves + keyOf(taker) / (keyOf(taker) + keyOf(giver))
      if (cost < bestCost) [best, bestCost] = [partition, cost]
    }
    if (best < 0) return false
    this.#countWays(best, -1)
    rows[best] = (rows[best] ?? []).map((member) => (member === giver ? taker : member))
    this.#countWays(best, 1)
    add(this.#board, giver, -1)
    add(this.#board, taker, 1)
    return true
  }

  /** True when the rules hold of the partition with `taker` in the place of `giver`. */
  #allows(partition: number, giver: number, taker: number): boolean {
    const row = this.#board.rows[partition] ?? []
    if (row.includes(taker)) return false
    const { rules } = this.#board
    const { zoneOf, isAlwaysOn } = rules.pool
    if (zoneOf[giver] === zoneOf[taker] && (isAlwaysOn[taker] === true || isAlwaysOn[giver] === false)) return true
    this.#trial.length = row.length
    for (let index = 0; index < row.length; index++) this.#trial[index] = row[index] === giver ? taker : (row[index] ?? 0)
    return canComplete(rules, partition, this.#trial)
  }

  #countWays(partition: number, sign: 1 | -1): void {
    for (const giver of this.#board.rows[partition] ?? []) {
      const isFree = !(this.#board.before[partition] ?? []).includes(giver)
      for (let taker = 0; taker < this.#members; taker++) {
        if (!this.#allows(partition, giver, taker)) continue
        const way = giver * this.#members + taker
        this.#ways[way] = (this.#ways[way] ?? 0) + sign
        if (isFree) this.#freeWays[way] = (this.#freeWays[way] ?? 0) + sign
      }
    }
  }
}

const freeStepCost = 1 / 1024

function trail(parents: readonly number[], end: number): readonly number[] {
  const path: number[] = []
  for (let member = end; member >= 0; member = parents[member] ?? -1) path.unshift(member)
  return path
}
