// Who of a folder's members is overdue or lost, as all its members have it alike: what layouts and copies are computed with. Decision 0038.

import { activeMembers } from '../model/folder.ts'
import type { PeerId } from '../model/ids.ts'
import type { Degree } from '../replicas/absence.ts'
import { agreedAbsences, editionToRefute, type AbsenceMark } from '../replicas/absence-marks.ts'
import type { ReceiptBook } from '../replicas/receipt-book.ts'
import type { FolderLog } from '../share/folder-log.ts'
import type { CardShelf } from './card-box.ts'
import type { Presence } from './presence.ts'

export interface FolderAbsenceParts {
  readonly self: PeerId
  readonly log: FolderLog
  readonly cards: CardShelf
  readonly presence: Pick<Presence, 'degreeOf'>
  readonly receipts: () => ReceiptBook
}

export class FolderAbsence {
  readonly #parts: FolderAbsenceParts
  #agreed: ReadonlyMap<PeerId, AbsenceMark['degree']> = new Map()
  #agreedFor = ''

  constructor(parts: FolderAbsenceParts) {
    this.#parts = parts
  }

  /** Members that are neither lost nor overdue are not in it. */
  get agreed(): ReadonlyMap<PeerId, AbsenceMark['degree']> {
    const { log, cards, receipts } = this.#parts
    const state = `${receipts().edition}/${cards.edition}/${log.length}`
    if (state !== this.#agreedFor) {
      this.#agreedFor = state
      this.#agreed = agreedAbsences({
        members: activeMembers(log.members, receipts()),
        marksOf: (author) => receipts().of(author)?.absent ?? [],
        cardEditionOf: (peer) => this.#editionOf(peer),
      })
    }
    return this.#agreed
  }

  /** Changes when `agreed` does. */
  get edition(): string {
    return JSON.stringify([...this.agreed])
  }

  /** For people: the folder's word, and where it has none this node's. */
  degreeOf(peer: PeerId): Degree {
    const degree = this.#parts.presence.degreeOf(peer)
    return this.agreed.get(peer) ?? (degree === 'lost' || degree === 'overdue' ? 'away' : degree)
  }

  /** What this node's receipt says of others. */
  marks(): readonly AbsenceMark[] {
    const { log, self, presence, receipts } = this.#parts
    return activeMembers(log.members, receipts()).flatMap(({ peer }): readonly AbsenceMark[] => {
      const degree = peer === self ? 'here' : presence.degreeOf(peer)
      return degree === 'overdue' || degree === 'lost' ? [{ peer, cardEdition: this.#editionOf(peer), degree }] : []
    })
  }

  /** Somebody takes this node for gone: a newer card says that it is not. */
  refute(): void {
    const { self, cards, receipts } = this.#parts
    const said = receipts()
      .all()
      .flatMap(({ absent }) => absent)
    const above = editionToRefute(self, cards.own.edition, said)
    if (above !== undefined) cards.renewOwn(above)
  }

  #editionOf(peer: PeerId): number {
    const { self, cards } = this.#parts
    return peer === self ? cards.own.edition : (cards.cardOf(peer)?.edition ?? 0)
  }
}
