// Other ways of laying a folder on its members that need nothing but the members, to compare placement with: short and plain, for
// pools whose zones are at least as many as the copies. Blocks are 65,536 numbers.

import { createHash } from 'node:crypto'

import type { LayoutTable } from '../../engine/replicas/layout.ts'
import type { PlacementMember } from '../../engine/replicas/placement-pool.ts'

type Lay = (members: readonly PlacementMember[], copies: number) => LayoutTable

const rows = 65_536
const ringPointsPerMember = 128
const correctionRounds = 6

export const rivals: readonly { readonly name: string; readonly lay: Lay }[] = [
  { name: 'weighted rendezvous', lay: (members, copies) => rendezvous(members, copies, 0) },
  { name: 'rendezvous, weights corrected', lay: (members, copies) => rendezvous(members, copies, correctionRounds) },
  { name: 'ring of virtual nodes', lay: ring },
]

function hashOf(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32LE(0)
}

/** 32 bits of a row and a seed. */
function mixed(row: number, seed: number): number {
  let hash = row ^ seed
  for (const factor of [0x85ebca6b, 0xc2b2ae35, 0x7feb352d, 0x846ca68b]) {
    hash = Math.imul(hash ^ (hash >>> 16), factor)
    hash = ((hash ^ (hash >>> 15)) + Math.imul(seed, 0x9e3779b1)) | 0
  }
  return (hash ^ (hash >>> 16)) >>> 0
}

/** Each row goes to the members with the least -ln(hash) / weight, one in a zone; weights are corrected by what came of them. */
function rendezvous(members: readonly PlacementMember[], copies: number, corrections: number): LayoutTable {
  const total = members.reduce((sum, one) => sum + one.capacityBytes, 0)
  const wanted = members.map((one) => (one.capacityBytes / total) * copies * rows)
  const weights = [...wanted]
  const keys = members.map((one) => {
    const seed = hashOf(one.peer)
    return Float64Array.from({ length: rows }, (_, row) => -Math.log((mixed(row, seed) + 0.5) / 2 ** 32))
  })
  const zones = members.map((one) => one.zone)
  for (let round = 0; ; round++) {
    const slots = new Uint16Array(rows * copies)
    const counts = members.map(() => 0)
    for (let row = 0; row < rows; row++) {
      const chosen = leastApart((member) => (keys[member]?.[row] ?? 0) / (weights[member] ?? 1), zones, copies)
      slots.set(chosen, row * copies)
      for (const member of chosen) counts[member] = (counts[member] ?? 0) + 1
    }
    if (round === corrections) return { peers: members.map((one) => one.peer), copies, slots }
    for (const [member, goal] of wanted.entries()) weights[member] = ((weights[member] ?? 0) * goal) / Math.max(1, counts[member] ?? 0)
  }
}

/** The members with the least keys, at most one in a zone. */
function leastApart(keyOf: (member: number) => number, zones: readonly string[], copies: number): readonly number[] {
  const chosen: number[] = []
  const keys: number[] = []
  for (let member = 0; member < zones.length; member++) {
    const key = keyOf(member)
    if (chosen.length === copies && key >= (keys[copies - 1] ?? 0)) continue
    const rival = chosen.findIndex((other) => zones[other] === zones[member])
    if (rival >= 0 && (keys[rival] ?? 0) <= key) continue
    if (rival >= 0) {
      chosen.splice(rival, 1)
      keys.splice(rival, 1)
    }
    const at = keys.findIndex((other) => other > key)
    chosen.splice(at < 0 ? chosen.length : at, 0, member)
    keys.splice(at < 0 ? keys.length : at, 0, key)
    chosen.length = Math.min(chosen.length, copies)
    keys.length = chosen.length
  }
  return chosen
}

/** Members have points on a ring in proportion to their capacity; a row goes to those that follow it, one in a zone. */
function ring(members: readonly PlacementMember[], copies: number): LayoutTable {
  const average = members.reduce((sum, one) => sum + one.capacityBytes, 0) / members.length
  const points = members
    .flatMap((one, member) =>
      Array.from({ length: Math.max(1, Math.round((one.capacityBytes / average) * ringPointsPerMember)) }, (_, point) => ({
        at: hashOf(`${one.peer} ${point}`),
        member,
      })),
    )
    .toSorted((left, right) => left.at - right.at)
  const slots = new Uint16Array(rows * copies)
  let next = 0
  for (const { row, at } of Array.from({ length: rows }, (_, index) => ({ row: index, at: mixed(index, 1) })).toSorted(
    (a, b) => a.at - b.at,
  )) {
    while (next < points.length && (points[next]?.at ?? 0) < at) next++
    const chosen: number[] = []
    for (let step = 0; chosen.length < copies && step < points.length; step++) {
      const { member } = points[(next + step) % points.length] ?? { member: 0 }
      if (!chosen.some((other) => members[other]?.zone === members[member]?.zone)) chosen.push(member)
    }
    slots.set(chosen, row * copies)
  }
  return { peers: members.map((one) => one.peer), copies, slots }
}
