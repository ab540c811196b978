// A layout while members are absent: without those that are lost, and with stand-ins for blocks that have fewer than two holders who are not
// overdue. Nobody publishes it or starts from it: the layout of all members stays what it was, so that who comes back has what it had.

import type { FolderId, PeerId } from '../model/ids.ts'
import { targetCopiesMax } from '../model/limits.ts'
import { nobody, partitionCount, type LayoutTable } from './layout.ts'
import { rendezvousKeys } from './placement-keys.ts'
import { zoneKey, type PlacementMember } from './placement-pool.ts'

/** Fewer holders that are there, and a block gets another one for the time. */
export const presentMin = 2

/**
 * The table with stand-ins added. Those are present members that keep a share, in zones where no present holder is if there are such, by capacity:
 * the same for everybody.
 */
export function withStandIns(
  folder: FolderId,
  { everywhere, table }: { readonly everywhere: readonly PeerId[]; readonly table: LayoutTable },
  members: readonly PlacementMember[],
  { targetCopies, overdue }: { readonly targetCopies: number; readonly overdue: ReadonlySet<PeerId> },
): LayoutTable {
  const wanted = presentMin - everywhere.filter((peer) => !overdue.has(peer)).length
  const room = Math.min(wanted, targetCopiesMax - table.copies)
  // A folder of one copy has nobody to make another from while its holder is away.
  if (overdue.size === 0 || room <= 0 || targetCopies < presentMin) return table
  const sharers = members
    .filter(({ keep, capacityBytes }) => keep === 'share' && capacityBytes > 0)
    .toSorted((left, right) => (left.peer < right.peer ? -1 : 1))
  const peers = [...new Set([...table.peers, ...sharers.map(({ peer }) => peer)])].toSorted()
  const keys = rendezvousKeys(folder, peers)
  const indexOf = new Map(peers.map((peer, index) => [peer, index]))
  const zoneOf = new Map(members.map(({ peer, zone }) => [peer, zoneKey(zone)]))
  const candidates = sharers.filter(({ peer }) => !overdue.has(peer))
  const copies = table.copies + room
  const slots = new Uint16Array(partitionCount * copies).fill(nobody)
  let standIns = 0
  for (let partition = 0; partition < partitionCount; partition++) {
    const row = [...table.slots.subarray(partition * table.copies, (partition + 1) * table.copies)].flatMap(
      (slot) => table.peers[slot] ?? [],
    )
    while (row.filter((peer) => !overdue.has(peer)).length < room) {
      const present = [...everywhere, ...row].filter((peer) => !overdue.has(peer))
      const covered = new Set(present.map((peer) => zoneOf.get(peer)))
      const rank = ({ peer, capacityBytes }: PlacementMember): number =>
        (keys[partition * peers.length + (indexOf.get(peer) ?? 0)] ?? 0) / capacityBytes
      const free = candidates.filter(({ peer }) => !row.includes(peer))
      const apart = free.filter(({ zone }) => !covered.has(zoneKey(zone)))
      const [next] = (apart.length > 0 ? apart : free).toSorted((left, right) => rank(left) - rank(right))
      if (next === undefined) break
      row.push(next.peer)
      standIns++
    }
    const indexes = row.map((peer) => indexOf.get(peer) ?? nobody).toSorted((left, right) => left - right)
    slots.set(indexes, partition * copies)
  }
  return standIns === 0 ? table : { peers, copies, slots }
}
