// Placement: which members must hold which blocks of a folder. Pure, and computable alike by every member, also by those that read
// nothing: from the folder, its members and their cards, the target copies, and the table that an owner published last, if any did.
// Decision 0035 says why, with figures.

import { EngineError } from '../base/errors.ts'
import { assert } from '../base/assert.ts'
import { concatBytes, utf8 } from '../base/bytes.ts'
import { blake3 } from '../crypto/hash.ts'
import type { FolderId } from '../model/ids.ts'
import { targetCopiesMax } from '../model/limits.ts'
import { encodeTable } from './layout-bytes.ts'
import { nobody, partitionCount, type Layout, type LayoutTable } from './layout.ts'
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
}

/** Another way of laying the same members is another number: it is in every digest. */
const placementVersion = 2

/** The layout of these members. CPU: some 10 to 100 ms, so not once a second on the main thread. */
export function layOut(input: PlacementInput): Layout {
  assert(input.targetCopies >= 1 && input.targetCopies <= targetCopiesMax, 'a folder has target copies within their bounds')
  assert(new Set(input.members.map((member) => member.peer)).size === input.members.length, 'a member is in a folder once')
  const pool = poolOf(input.members, input.targetCopies)
  const digest = placementDigest(input)
  if (pool.peers.length >= nobody) throw new EngineError('INTERNAL', `${pool.peers.length} members keep a share: placement knows ${nobody}`)
  if (pool.copies === 0)
    return layoutOf(
      pool,
      digest,
      pool.peers.map(() => 0),
      [],
    )
  const shares = sharesOf(pool)
  const board = boardOf(rulesOf(input.folder, pool, shares), rendezvousKeys(input.folder, pool.peers), shares.fractions, input.previous)
  balance(board)
  return layoutOf(pool, digest, shares.fractions, board.rows)
}

function layoutOf(pool: Pool, digest: Uint8Array, fractions: readonly number[], rows: readonly (readonly number[])[]): Layout {
  const { everywhere, peers, copies } = pool
  const slots = new Uint16Array(partitionCount * copies).fill(nobody)
  for (const [partition, row] of rows.entries())
    slots.set(
      row.toSorted((left, right) => left - right),
      partition * copies,
    )
  const holders = Array.from({ length: partitionCount }, (_, partition) => [
    ...everywhere,
    ...(rows[partition] ?? []).flatMap((member) => peers[member] ?? []),
  ])
  return { digest, everywhere, peers, copies, slots, fractions, holders }
}

/** 32 bytes that name everything the layout of this input depends on; cheap next to the layout. */
export function placementDigest({ folder, members, targetCopies, previous }: PlacementInput): Uint8Array {
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
  const table = previous === undefined ? new Uint8Array(0) : encodeTable(previous)
  return blake3(concatBytes([folder, blake3(facts), blake3(table)]))
}
