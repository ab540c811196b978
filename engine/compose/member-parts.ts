// What the work on any folder of this node is put together from.

import type { Identity } from '../crypto/identity.ts'
import type { Index } from '../index/index-store.ts'
import type { Network } from '../net/network.ts'
import type { HistoryStore } from '../sync/history-care.ts'
import type { CardShelf } from './card-box.ts'
import type { EngineWorld } from './parts.ts'
import type { PresenceView } from './presence.ts'

export interface MemberParts {
  readonly world: EngineWorld
  readonly index: Index
  readonly network: Network
  readonly identity: Identity
  readonly store: HistoryStore
  readonly cards: CardShelf
  readonly presence: PresenceView
  /** Content is on its way to a folder that a person uses on this node. */
  readonly isPersonWaiting: () => boolean
  readonly events: MemberListener
}

export interface MemberListener {
  changed(): void
  /** Entries were written to the index: they can be told once they are flushed. */
  written(): void
  /** The folder's members changed. */
  membersChanged(): void
}
