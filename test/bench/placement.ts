// Placement measured: how much of the capacity of four pools can be used, and how much moves when a pool changes, next to what must.
// Nothing of a disk or a network is in it. `npm run bench -- placement`.

import { layOut } from '../../engine/replicas/place.ts'
import type { LayoutTable } from '../../engine/replicas/layout.ts'
import type { PlacementMember } from '../../engine/replicas/placement-pool.ts'
import { changes, fillOf, folderNamed, leastMoved, movedBetween, pools } from '../support/placement-pools.ts'
import { rivals } from '../support/placement-rivals.ts'
import { nowMs } from './waiting.ts'

interface Way {
  readonly name: string
  lay(members: readonly PlacementMember[], previous: LayoutTable | undefined): LayoutTable
}

const copies = 3
const folder = folderNamed('bench')

const ways: readonly Way[] = [
  ...rivals.map(({ name, lay }) => ({ name, lay: (members: readonly PlacementMember[]) => lay(members, copies) })),
  { name: 'Holdfast, no table before', lay: (members) => layOut({ folder, members, targetCopies: copies }) },
  {
    name: 'Holdfast, from the table before',
    lay: (members, previous) => layOut({ folder, members, targetCopies: copies, previous }),
  },
]

const header: readonly string[] = [
  'pool',
  'laid by',
  'usable',
  'worst after a change',
  'fullest',
  'emptiest',
  ...changes.map((change) => change.name),
  'all changes',
  'time',
]

/** Aligned text; `say` hears of each pool before it is laid. */
export function placementTable(machine: string, say: (text: string) => void): string {
  const lines = [header]
  for (const pool of pools) {
    say(`placement, ${pool.name}`)
    for (const way of ways) lines.push([pool.name, way.name, ...cellsOf(pool.members, way)])
  }
  const widths = header.map((_, column) => Math.max(...lines.map((cells) => cells[column]?.length ?? 0)))
  const text = lines.map((cells) =>
    cells.map((cell, column) => (column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  '),
  )
  return [
    `Placement of ${copies} copies in distinct zones. Machine: ${machine}`,
    'usable: of the capacity, when the first member is full (aim: 97 %); fullest, emptiest: next to the average;',
    'then what moves, next to the least that must (aim: 1.05); time: to lay the pool, median',
    '',
    ...text,
  ].join('\n')
}

function cellsOf(members: readonly PlacementMember[], way: Way): readonly string[] {
  const timesMs: number[] = []
  const lay = (pool: readonly PlacementMember[], previous: LayoutTable | undefined): LayoutTable => {
    const startMs = nowMs()
    const table = way.lay(pool, previous)
    timesMs.push(nowMs() - startMs)
    return table
  }
  const table = lay(members, undefined)
  const fill = fillOf(table, members)
  const outcomes = changes.map((change) => {
    const after = change.after(members)
    const next = lay(after, table)
    const unit = next.slots.length / copies
    return {
      moved: movedBetween(table, next) / unit,
      least: leastMoved(meantOf(members), meantOf(after)),
      usable: fillOf(next, after).usable,
    }
  })
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
  const all = sum(outcomes.map(({ moved }) => moved)) / sum(outcomes.map(({ least }) => least))
  const time = timesMs.toSorted((left, right) => left - right)[Math.floor(timesMs.length / 2)] ?? 0
  return [
    percent(fill.usable),
    percent(Math.min(...outcomes.map(({ usable }) => usable))),
    fill.fullest.toFixed(3),
    fill.emptiest.toFixed(3),
    ...outcomes.map(({ moved, least }) => (moved / least).toFixed(2)),
    all.toFixed(3),
    `${time.toFixed(0)} ms`,
  ]
}

/** By capacity alone: in the four pools no zone is so large that a rule holds it down. */
function meantOf(members: readonly PlacementMember[]) {
  const capacity = members.reduce((sum, one) => sum + one.capacityBytes, 0)
  return { peers: members.map((one) => one.peer), fractions: members.map((one) => (one.capacityBytes / capacity) * copies) }
}

function percent(part: number): string {
  return `${(part * 100).toFixed(1)} %`
}
