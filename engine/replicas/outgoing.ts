// Blocks on their way out of the store: from the moment in which it was decided, they are not here any more for anybody else, so that
// whoever finds that one is wanted again fetches it instead of counting on it.

import { bytesKey } from '../base/bytes.ts'
import type { BlockStore, StoredBlock } from '../blocks/store.ts'
import type { BlockId, FolderId } from '../model/ids.ts'

export class Outgoing {
  readonly #store: BlockStore
  readonly #folder: FolderId
  /** By `bytesKey` of the id: settles when the block is gone. */
  readonly #leaving = new Map<string, Promise<unknown>>()

  constructor(store: BlockStore, folder: FolderId) {
    this.#store = store
    this.#folder = folder
  }

  /** Hides them at once; resolves when they are gone for good. Throws what the store throws: then they may be here still. */
  async remove(ids: readonly BlockId[]): Promise<void> {
    const removed = this.#store.remove(this.#folder, ids)
    const settled = removed.catch(() => undefined) // thrown below
    for (const id of ids) this.#leaving.set(bytesKey(id), settled)
    try {
      await removed
    } finally {
      for (const id of ids) if (this.#leaving.get(bytesKey(id)) === settled) this.#leaving.delete(bytesKey(id))
    }
  }

  /** The store as the folder's flows are to see it. A block that comes while it is on its way out is stored after that. */
  get view(): BlockStore {
    const store = this.#store
    const isLeaving = (id: BlockId): boolean => this.#leaving.size > 0 && this.#leaving.has(bytesKey(id))
    return {
      put: async (blocks) => {
        await this.#gone(blocks)
        await store.put(blocks)
      },
      get: async (folder, id) => (isLeaving(id) ? undefined : await store.get(folder, id)),
      has: (folder, id) => !isLeaving(id) && store.has(folder, id),
      sizeOf: (folder, id) => (isLeaving(id) ? undefined : store.sizeOf(folder, id)),
      remove: (folder, ids) => store.remove(folder, ids),
      list: (folder, after, limit) => store.list(folder, after, limit),
      payloadBytesOf: (folder) => store.payloadBytesOf(folder),
      totals: () => store.totals(),
      setLimit: (folder, sizeBytes) => store.setLimit(folder, sizeBytes),
      roomOf: (folder) => store.roomOf(folder),
      health: () => store.health(),
      [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    }
  }

  async #gone(blocks: readonly StoredBlock[]): Promise<void> {
    for (const { id } of blocks) await this.#leaving.get(bytesKey(id))
  }
}
