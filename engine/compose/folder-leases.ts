// Keep leases of one folder: who is asked for them, and what is granted here.

import type { BlockId, PeerId } from '../model/ids.ts'
import { leasesNeeded } from '../replicas/lease.ts'
import { LetGo } from '../replicas/let-go.ts'
import type { FolderLog } from '../share/folder-log.ts'
import type { MemberHandle } from '../sync/folder-handle.ts'
import type { Fetcher } from '../transfer/fetch.ts'
import { heldBlocks, sourceOf, type HeldParts } from '../transfer/held-blocks.ts'
import type { FolderCopies } from './folder-copies.ts'
import type { MemberParts } from './member-parts.ts'

export interface FolderLeaseParts {
  readonly handle: MemberHandle
  readonly log: FolderLog
  readonly fetcher: Fetcher
  readonly copies: FolderCopies
  readonly held: HeldParts
  readonly connected: () => readonly PeerId[]
  /** The folder is being taken off this node: nothing is kept for anybody. */
  readonly isLeaving: () => boolean
}

export function openLeases({ index, world }: MemberParts, own: FolderLeaseParts): LetGo {
  const { handle, log, fetcher, copies, held, connected, isLeaving } = own
  const { clock, random } = world
  const isActive = (peer: PeerId): boolean => log.members.some((member) => member.peer === peer && !member.isRetired)
  return new LetGo({
    clock,
    random,
    log: world.log.child({ folder: handle.record.name }),
    keepers: (ids) => {
      const believed = connected().filter((peer) => isActive(peer) && copies.isBelieved(peer))
      const [first] = ids
      const rightful = first === undefined ? [] : copies.layout.holdersNow(first)
      return [...believed.filter((peer) => rightful.includes(peer)), ...believed.filter((peer) => !rightful.includes(peer))]
    },
    needed: () => leasesNeeded(log.state.targetCopies),
    own: (ids, signal) => heldBlocks(held, ids, signal),
    lease: (peer, ids, nonce, signal) => fetcher.lease(peer, ids, nonce, signal),
    mayAsk: (peer) => isActive(peer) && !isLeaving(),
    keeps: (ids) => keptWhereHeld(held, ids),
    wanted: (ids) => {
      const revived = ids.filter((id: BlockId) => index.retiring.isGarbage(handle.row, id))
      if (revived.length === 0) return
      index.transactDurably(() => {
        for (const id of revived) index.retiring.dropGarbage(handle.row, id)
      })
    },
  })
}

/**
 * As things are in this moment: what was read may be on its way out by now, or in another file that is not on the device. What history alone keeps
 * of a folder with a tree goes by its own rules.
 */
export function keptWhereHeld(held: HeldParts, ids: readonly BlockId[]): readonly BlockId[] {
  const { tree } = held
  return ids.filter((id) => {
    const source = sourceOf(held, id)
    return tree === undefined ? source.kind === 'store' : source.kind === 'file' && !tree.files.isUnflushed(source.range.path)
  })
}
