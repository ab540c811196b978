// Placement: which members must hold which blocks of a folder. Pure, and computable alike by every member, also by those that read
// nothing: from the folder, its members and their cards, the target copies, and the table that an owner published last, if any did.
// Decision 0035 says why, with figures.

import { EngineError } from '../base/errors.ts'
import { assert } from '../base/assert.ts'
import { concatBytes, utf8 } from '../base/bytes.ts'
import { blake3 } from '../crypto/hash.ts'
import type { FolderId } from '../model/ids.ts'
import { targetCopiesMax } from '../model/limits.ts'
import { layoutDigest } from './layout-bytes.ts'
import type { AbsenceMark } from './absence-marks.ts'
import { holdersByPartition, nobody, partitionCount, type Layout, type LayoutTable } from './layout.ts'
import { withStandIns } from './placement-absence.ts'
import { balance } from './placement-balance.ts'
import { boardOf } from './placement-board.ts'
import { rendezvousKeys } from './placement-keys.ts'
import { poolOf, zoneKey, type PlacementMember, type Pool } from './placement-pool.ts'
import { rulesOf } from './placement-rules.ts'
import { sharesOf } from './placement-shares.ts'

export interface PlacementInput {
  readonly folder: FolderId
  /** In any order, each once. */
  readonly members: readonly PlacementMember[]
  readonly targetCopies: number
  /** What the layout is to stay near to. Without it a change of the members moves up to twice what it must. */
  readonly previous?: LayoutTable | undefined
  /** Members that are not there: nothing is laid on those that are lost, and stand-ins are added for those that are overdue. */
  readonly absent?: readonly AbsentMember[]
}

export type AbsentMember = Pick<AbsenceMark, 'peer' | 'degree'>

/** Another way of laying the same members is another number: it is in all facts. */
const placementVersion = 2

/** The layout of these members. CPU: some 10 to 100 ms, so not once a second on the main thread. */
export function layOut(input: PlacementInput): Layout {
  assert(input.targetCopies >= 1 && input.targetCopies <= targetCopiesMax, 'a folder has target copies within their bounds')
  assert(new Set(input.members.map((member) => member.peer)).size === input.members.length, 'a member is in a folder once')
  const lost = new Set(input.absent?.flatMap(({ peer, degree }) => (degree === 'lost' ? peer : [])))
  const members = input.members.filter(({ peer }) => !lost.has(peer))
  const pool = poolOf(members, input.targetCopies)
  if (pool.peers.length >= nobody) throw new EngineError('INTERNAL', `${pool.peers.length} members keep a share: placement knows ${nobody}`)
  if (pool.copies === 0) return layoutOf({ ...input, members }, pool, noShares(pool), [])
  const shares = sharesOf(pool)
  const board = boardOf(rulesOf(input.folder, pool, shares), rendezvousKeys(input.folder, pool.peers), shares.fractions, input.previous)
  balance(board)
  return layoutOf({ ...input, members }, pool, shares.fractions, board.rows)
}

function noShares({ peers }: Pool): readonly number[] {
  return peers.map(() => 0)
}

function layoutOf(
  { folder, members, targetCopies, absent = [] }: PlacementInput,
  pool: Pool,
  fractions: readonly number[],
  rows: readonly (readonly number[])[],
): Layout {
  const { everywhere, peers, copies } = pool
  const slots = new Uint16Array(partitionCount * copies).fill(nobody)
  for (const [partition, row] of rows.entries())
    slots.set(
      row.toSorted((left, right) => left - right),
      partition * copies,
    )
  const overdue = new Set(absent.flatMap(({ peer, degree }) => (degree === 'overdue' ? peer : [])))
  const table = withStandIns(folder, { everywhere, table: { peers, copies, slots } }, members, { targetCopies, overdue })
  const digest = layoutDigest(folder, everywhere, table)
  return { digest, everywhere, ...table, fractions, holders: holdersByPartition(everywhere, table) }
}

/**
 * 32 bytes that name what is known of folder and members as far as a layout depends on it: with the same previous table, equal facts give equal
 * layouts. Cheap next to the layout.
 */
export function placementFacts({ folder, members, targetCopies }: Omit<PlacementInput, 'previous' | 'absent'>): Uint8Array {
  const described = members
    .filter((member) => member.keep === 'all' || (member.keep === 'share' && member.capacityBytes > 0))
    .toSorted((left, right) => (left.peer < right.peer ? -1 : 1))
    .map((member) => [
      member.peer,
      zoneKey(member.zone),
      member.class === 'always-on',
      member.keep,
      member.keep === 'all' ? 0 : member.capacityBytes,
    ])
  const facts = utf8(JSON.stringify({ placementVersion, targetCopies, members: described }))
  return blake3(concatBytes([folder, blake3(facts)]))
}
