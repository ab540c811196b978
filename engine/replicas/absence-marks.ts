// Who is overdue or lost as all members of a folder see it alike: from the marks that members sign in their receipts and the cards that the
// marked publish. Pure. A mark names the edition of the card that its author knew; a newer card of the member refutes it, as in SWIM (Das,
// Gupta, Motivala 2002), without anybody having to take it back. Decision 0038.

import { mayWrite, type Member } from '../model/folder.ts'
import type { PeerId } from '../model/ids.ts'

export interface AbsenceMark {
  readonly peer: PeerId
  /** Of the member's card as the author of the mark knows it; 0 for none. */
  readonly cardEdition: number
  readonly degree: 'overdue' | 'lost'
}

export interface MarkedFolder {
  readonly members: readonly Member[]
  /** What each member's latest receipt says. */
  readonly marksOf: (author: PeerId) => readonly AbsenceMark[]
  /** Of the card as it is known here; 0 for none. */
  readonly cardEditionOf: (peer: PeerId) => number
}

/** More are not told: a folder of which so many are gone is for a person to look at. */
export const marksMax = 1000

/** A member that may write is believed, or more than half of the others: one host alone could else drive everybody's copies elsewhere. */
export function agreedAbsences({ members, marksOf, cardEditionOf }: MarkedFolder): ReadonlyMap<PeerId, AbsenceMark['degree']> {
  const active = members.filter(({ isRetired }) => !isRetired)
  const agreed = new Map<PeerId, AbsenceMark['degree']>()
  for (const { peer } of active) {
    const edition = cardEditionOf(peer)
    const others = active.filter((author) => author.peer !== peer)
    const said = others.flatMap((author) => {
      const mark = marksOf(author.peer).find((one) => one.peer === peer && one.cardEdition === edition)
      return mark === undefined ? [] : [{ author, degree: mark.degree }]
    })
    const isEnough = (votes: typeof said): boolean => votes.some(({ author }) => mayWrite(author.role)) || 2 * votes.length > others.length
    if (isEnough(said.filter(({ degree }) => degree === 'lost'))) agreed.set(peer, 'lost')
    else if (isEnough(said)) agreed.set(peer, 'overdue')
  }
  return agreed
}

/** The edition over which this node's card must go to refute what is said of it; undefined where nothing is. */
export function editionToRefute(self: PeerId, ownEdition: number, marks: readonly AbsenceMark[]): number | undefined {
  const editions = marks.filter(({ peer, cardEdition }) => peer === self && cardEdition >= ownEdition).map(({ cardEdition }) => cardEdition)
  return editions.length === 0 ? undefined : Math.max(...editions)
}
