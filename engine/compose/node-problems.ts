// What is not as it should be with the node as a whole: its disk, its identity, its past, its block store.

import type { Problem } from '../api/controls.ts'
import type { SegmentStore } from '../blocks/segment-store.ts'
import type { CardShelf } from './card-box.ts'
import { doubtProblems } from './absence-problems.ts'
import type { WeakDrive } from './parts.ts'
import type { HomeSpace } from './home-space.ts'
import type { Presence } from './presence.ts'
import type { ScrubDesk } from './scrub-desk.ts'

export interface NodeTroubles {
  readonly space: HomeSpace | undefined
  readonly cards: Pick<CardShelf, 'twin'>
  /** Names of folders of which members know a later past than this node. */
  readonly pasts: ReadonlySet<string>
  readonly store: Pick<SegmentStore, 'health'>
  readonly drive: WeakDrive | undefined
  readonly presence: Pick<Presence, 'doubted' | 'here'>
  readonly scrub: Pick<ScrubDesk, 'problems'>
}

export function describeNodeProblems({ space, cards, pasts, store, drive, presence, scrub }: NodeTroubles): readonly Problem[] {
  const own = [
    ...(space?.problems() ?? []),
    ...driveProblems(drive),
    ...twinProblems(cards),
    ...pastProblems(pasts),
    ...storeProblems(store),
    ...scrub.problems(),
  ]
  return [...own, ...doubtProblems(presence.doubted.length, presence.here)]
}

/** Two nodes of one identity take each other's connections, and each other's place with the members. */
function twinProblems({ twin }: NodeTroubles['cards']): readonly Problem[] {
  if (twin === undefined) return []
  return [
    {
      code: 'DUPLICATE_IDENTITY',
      severity: 'error',
      text: `another node with this node's identity runs at ${twin.addresses.join(', ') || 'an unknown place'}: its home is a copy of this one`,
      next: 'Stop one of the two. On the machine that is to be another node, start with a new --home and join the folders with links; then start this one again.',
    },
  ]
}

/** Told until the next start: nobody here can see which of the two it was. */
function pastProblems(folders: ReadonlySet<string>): readonly Problem[] {
  return [...folders].map((folder) => ({
    code: 'OWN_PAST',
    severity: 'warning',
    folder,
    text: 'members know changes in the name of this node that it did not have: this machine was set back to an earlier state, or a copy of its home runs elsewhere. It goes on as another author; nothing was lost.',
    next: 'If it was set back, nothing to do. If a copy runs elsewhere, stop that one and give it a new --home.',
  }))
}

function driveProblems(drive: WeakDrive | undefined): readonly Problem[] {
  if (drive === undefined) return []
  return [
    {
      code: 'WEAK_DRIVE',
      severity: 'warning',
      text: `the home of this node is on a drive formatted as ${drive}, which keeps no journal: a power cut, or pulling it out, can cost more than the last moment.`,
      next: 'Put the home on a drive formatted as ext4, NTFS, APFS or the like: stop the node, move the directory, start it with the new --home.',
    },
  ]
}

export function storeProblems(store: NodeTroubles['store']): readonly Problem[] {
  const problems: Problem[] = []
  const health = store.health()
  if (health.state === 'readOnly') {
    problems.push({
      code: 'STORE_READ_ONLY',
      severity: 'error',
      text: `the block store takes no more writes: ${health.reason}. Replaced content is kept in the folders' .holdfast/replaced meanwhile.`,
      next: 'Check the disk of the home directory. It is tried again by itself.',
    })
  }
  if (health.state === 'offline') {
    problems.push({
      code: 'STORE_OFFLINE',
      severity: 'error',
      text: `the block store cannot be reached: ${health.reason}. Nothing is taken for lost, and nothing is stored or served meanwhile.`,
      next: 'Check the disk; of object storage the network, the server and the credentials. It is tried again by itself.',
    })
  }
  return problems
}
