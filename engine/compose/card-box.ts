// The cards of the peers this node knows, its own among them: what members tell each other about names and addresses.

import { bytesKey } from '../base/bytes.ts'
import type { Index } from '../index/index-store.ts'
import type { PeerId } from '../model/ids.ts'
import { parseCard, readCard, type NodeCard } from '../sync/cards.ts'
import type { CardBox } from '../sync/other-news.ts'
import type { OwnCard } from './own-card.ts'

export type CardSource = Pick<OwnCard, 'edition' | 'renew' | 'encoded'>

export class CardShelf {
  readonly #index: Index
  readonly own: CardSource
  readonly #onChange: (peer: PeerId) => void
  readonly #onOwn: () => void
  readonly #parsed = new Map<PeerId, { readonly key: string; readonly card: NodeCard }>()
  #edition = 0
  #factsEdition = 0
  #twin: NodeCard | undefined

  /** `onOwn`: there is a new edition of this node's own card to tell. */
  constructor(index: Index, own: CardSource, onChange: (peer: PeerId) => void, onOwn: () => void) {
    this.#index = index
    this.own = own
    this.#onChange = onChange
    this.#onOwn = onOwn
  }

  /** Goes up whenever a card came or changed. */
  get edition(): number {
    return this.#edition
  }

  /** … and said something else of where its node is and what it offers than before: most only say that it is there. */
  get factsEdition(): number {
    return this.#factsEdition
  }

  /** A newer edition of this node's own card, over `above`. */
  renewOwn(above?: number): void {
    this.own.renew(above)
    this.tellOwn()
  }

  /** This node's own card changed. */
  tellOwn(): void {
    this.#edition++
    this.#onOwn()
  }

  cardOf(peer: PeerId): NodeCard | undefined {
    const encoded = this.#index.peers.get(peer)?.card
    if (encoded === undefined) return undefined
    const key = bytesKey(encoded.subarray(-32)) // the signature's end: other for every card
    const known = this.#parsed.get(peer)
    if (known?.key === key) return known.card
    const card = parseCard(encoded)
    if (card !== undefined) this.#parsed.set(peer, { key, card })
    return card
  }

  /** This node's own card and those of these peers, encoded. */
  all(peers: readonly PeerId[]): readonly Uint8Array[] {
    return [this.own.encoded(), ...peers.flatMap((peer) => this.#index.peers.get(peer)?.card ?? [])]
  }

  /** A card that says it is this node's own, and that it has not made: somewhere else runs a node of the same identity. */
  get twin(): NodeCard | undefined {
    return this.#twin
  }

  /** Keeps a card that is sound, newer than what is known, and of one of `peers`. */
  take(encoded: Uint8Array, peers: readonly PeerId[]): void {
    const read = readCard(encoded)
    if (read === undefined) return
    const { card } = read
    if (!peers.includes(card.peer)) return read.isSigned() ? this.#lookForTwin(card) : undefined
    const known = this.cardOf(card.peer)
    if ((known !== undefined && known.edition >= card.edition) || !read.isSigned()) return
    this.#index.transact(() => {
      this.#index.peers.ensure(card.peer, card.name)
      this.#index.peers.setCard(card.peer, encoded, card.name)
    })
    this.#edition++
    if (known?.zone !== card.zone || known.class !== card.class || known.capacityBytes !== card.capacityBytes) this.#factsEdition++
    this.#onChange(card.peer)
  }

  /** A later edition than this node's own, from elsewhere: its own of another day, made when its clock ran ahead, has its addresses. */
  #lookForTwin(card: NodeCard): void {
    const own = parseCard(this.own.encoded())
    if (own === undefined || card.peer !== own.peer || card.edition <= own.edition) return
    if (card.addresses.every((address) => own.addresses.includes(address))) return
    this.#twin = card
    this.#onChange(card.peer)
  }
}

/** The shelf as one folder sees it: the cards of its members. `onChange`: there are others to tell. */
export function cardBoxOf(shelf: CardShelf, peers: () => readonly PeerId[], onChange: () => void): CardBox {
  return {
    get edition() {
      return shelf.edition
    },
    all: () => shelf.all(peers()),
    take: (encoded) => {
      const { edition } = shelf
      shelf.take(encoded, peers())
      if (shelf.edition !== edition) onChange()
    },
  }
}
