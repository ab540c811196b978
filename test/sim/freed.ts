// What left drives because people wanted the room, and which receipts are from before that: who has no newer one shows a copy that is gone.

import type { Knowledge } from './knowledge.ts'
import type { SimNode } from './node.ts'

export class Freed {
  /** By node and entry: the newest receipt of the node that anybody had when the file was first seen to be elsewhere. */
  readonly #editions = new Map<SimNode, ReadonlyMap<string, number>>()

  /** `newest`: the edition of the newest receipt of the node that anybody has. */
  look(node: SimNode, { elsewhere }: Knowledge, newest: () => number): void {
    const known = this.#editions.get(node)
    if (elsewhere.size === 0 && known === undefined) return
    this.#editions.set(node, new Map([...elsewhere].map((entry) => [entry, known?.get(entry) ?? newest()])))
  }

  /** Whether the holder's file is elsewhere, and `viewer` cannot know it yet. */
  isUnheard(viewer: Knowledge, holder: SimNode, entry: string): boolean {
    const edition = this.#editions.get(holder)?.get(entry)
    return edition !== undefined && holder.peer !== undefined && (viewer.editions.get(holder.peer) ?? 0) < edition
  }
}
