// When hosts were last seen to know a current entry that names a block they store: what nothing names any more stays for a grace.

import type { Knowledge } from './knowledge.ts'
import type { SimNode } from './node.ts'
import type { StoredBlocks } from './stored-blocks.ts'

export class LastNamed {
  readonly #seenUs = new Map<SimNode, Map<string, number>>()

  look(node: SimNode, stored: StoredBlocks, knowledge: Knowledge | undefined, nowUs: number): void {
    const before = this.#seenUs.get(node)
    const seen = new Map<string, number>()
    for (const block of stored) {
      const seenUs = knowledge?.currentBlocks.has(block) === true ? nowUs : before?.get(block)
      if (seenUs !== undefined) seen.set(block, seenUs)
    }
    this.#seenUs.set(node, seen)
  }

  /** Of the look before this one; undefined when the block was not there then, or never named. */
  of(node: SimNode, block: string): number | undefined {
    return this.#seenUs.get(node)?.get(block)
  }

  /** The node knows again what it knew at another time. */
  forget(node: SimNode): void {
    this.#seenUs.delete(node)
  }
}
