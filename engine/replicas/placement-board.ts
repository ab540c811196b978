// The table while it is being laid: what each partition has, what each member has of it, and what the layout before gave.

import { nobody, partitionCount, type LayoutTable } from './layout.ts'
import { canComplete, countZones, type Rules } from './placement-rules.ts'

export interface Board {
  readonly rules: Rules
  /** Of each partition a row of one number for each member: the lower, the sooner it gets the partition. */
  readonly keys: Float32Array
  /** For each member how many partitions it is meant to have; not whole. */
  readonly wanted: readonly number[]
  /** For each partition its members, at most the pool's copies. */
  readonly rows: number[][]
  /** For each partition the members that had it before and are still in the pool. */
  readonly before: readonly (readonly number[])[]
  /** For each member how many partitions it has. */
  readonly counts: number[]
}

/** Draws of fresh weights until what each member gets is what it is to get; more change little. */
const roundsMax = 8
const roundIsGood = 0.01
/** Of a member that has all that it is to have: it gets more only where the rules leave nobody else. */
const weightMin = 1e-6
const correctionMax = 2

export function boardOf(rules: Rules, keys: Float32Array, fractions: readonly number[], previous: LayoutTable | undefined): Board {
  const before = rowsBefore(rules, previous)
  const wanted = fractions.map((fraction) => fraction * partitionCount)
  const board: Board = { rules, keys, wanted, before, rows: [], counts: wanted.map(() => 0) }
  for (let partition = 0; partition < partitionCount; partition++) {
    board.rows.push(keptOf(board, partition))
    for (const member of board.rows[partition] ?? []) add(board, member, 1)
  }
  fillOpen(board)
  return board
}

function rowsBefore({ pool }: Rules, previous: LayoutTable | undefined): readonly (readonly number[])[] {
  if (previous === undefined) return Array.from({ length: partitionCount }, () => [])
  const indexOf = new Map(pool.peers.map((peer, index) => [peer, index]))
  const indexes = previous.peers.map((peer) => indexOf.get(peer) ?? nobody)
  return Array.from({ length: partitionCount }, (_, partition) => {
    const row = previous.slots.subarray(partition * previous.copies, (partition + 1) * previous.copies)
    return [...row].map((slot) => indexes[slot] ?? nobody).filter((member) => member !== nobody)
  })
}

/** Those who had the partition, without the fewest whose going lets the rules hold. */
function keptOf({ rules, keys, before }: Board, partition: number): number[] {
  const { pool } = rules
  let kept = [...(before[partition] ?? [])]
  const keyOf = (member: number): number => (keys[partition * pool.peers.length + member] ?? 0) / (pool.capacities[member] ?? 1)
  while (!canComplete(rules, partition, kept)) {
    const without = kept.toSorted((left, right) => keyOf(right) - keyOf(left)).map((member) => kept.filter((other) => other !== member))
    const zones = countZones(pool, kept)
    kept =
      without.find((rest) => canComplete(rules, partition, rest)) ??
      without.find((rest) => countZones(pool, rest) === zones) ??
      without[0] ??
      []
  }
  return kept
}

/** Gives what is open to those who lack, by chance in proportion to what they lack: the same chance everywhere. */
function fillOpen(board: Board): void {
  const { rows, counts, wanted, rules } = board
  const open = rows.flatMap((row, partition) => (row.length < rules.pool.copies ? [{ partition, kept: row }] : []))
  if (open.length === 0) return
  const kept = [...counts]
  const lacking = wanted.map((goal, member) => Math.max(goal - (kept[member] ?? 0), weightMin))
  const weights = [...lacking]
  for (let round = 0; round < roundsMax; round++) {
    for (const [member, count] of kept.entries()) counts[member] = count
    for (const { partition, kept: row } of open) rows[partition] = filled(board, partition, row, weights)
    let worst = 0
    for (const [member, lack] of lacking.entries()) {
      const ratio = lack / Math.max((counts[member] ?? 0) - (kept[member] ?? 0), weightMin)
      if (lack > 1) worst = Math.max(worst, Math.abs(1 - ratio))
      weights[member] = (weights[member] ?? 0) * Math.min(correctionMax, Math.max(1 / correctionMax, ratio))
    }
    if (worst < roundIsGood) return
  }
}

/** `kept` and the members with the lowest keys for their weights that the rules allow. */
function filled(board: Board, partition: number, kept: readonly number[], weights: readonly number[]): number[] {
  const { rules, keys } = board
  const { copies } = rules.pool
  const row = [...kept]
  const offset = partition * weights.length
  while (row.length < copies) {
    let best = -1
    let bestKey = Infinity
    for (let member = 0; member < weights.length; member++) {
      const key = (keys[offset + member] ?? 0) / (weights[member] ?? 0)
      if (key >= bestKey || row.includes(member)) continue
      row.push(member)
      if (canComplete(rules, partition, row)) [best, bestKey] = [member, key]
      row.pop()
    }
    if (best < 0) break
    row.push(best)
    add(board, best, 1)
  }
  return row
}

export function add(board: Board, member: number, partitions: number): void {
  board.counts[member] = (board.counts[member] ?? 0) + partitions
}
