// The layouts of one folder that this node knows: the published one, and by their digests those that receipts may name. What was published
// comes from owners, directly or passed on.

import { bytesKey } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import type { Index } from '../index/index-store.ts'
import type { FolderId, PeerId } from '../model/ids.ts'
import { decodeLayout, encodeLayout, type KeptLayout } from './kept-layout.ts'
import { parsePublishedLayout, replaces, type PublishedLayout } from './published-layout.ts'

export interface LayoutShelfParts {
  readonly index: Index
  readonly folder: { readonly row: number; readonly id: FolderId }
  readonly clock: Clock
  readonly isOwner: (peer: PeerId) => boolean
  /** Another layout counts as published. */
  readonly changed: () => void
}

const keptLayoutsMax = 8
const markBytes = 16

export class LayoutShelf {
  readonly #parts: LayoutShelfParts
  /** By digest (`bytesKey`), the oldest first. */
  readonly #known = new Map<string, KeptLayout>()
  #published: PublishedLayout | undefined
  #publishedAtMs = Number.NEGATIVE_INFINITY
  #edition = 0

  constructor(parts: LayoutShelfParts) {
    this.#parts = parts
    const { index, folder, clock } = parts
    for (const bytes of index.layouts.all(folder.row)) {
      const layout = decodeLayout(bytes)
      if (layout !== undefined) this.#known.set(bytesKey(layout.digest), layout)
    }
    const bytes = index.layouts.published(folder.row)
    this.#published = bytes === undefined ? undefined : parsePublishedLayout(bytes, folder.id)
    if (this.#published !== undefined) this.#publishedAtMs = clock.monotonicMs()
  }

  get published(): PublishedLayout | undefined {
    return this.#published
  }

  /** Since it came, milliseconds, or since the start. */
  get publishedAgeMs(): number {
    return this.#parts.clock.monotonicMs() - this.#publishedAtMs
  }

  /** Goes up whenever `bytes` changes. */
  get edition(): number {
    return this.#edition
  }

  /** What was published, as it was signed. */
  get bytes(): Uint8Array | undefined {
    return this.#published?.bytes
  }

  /** By which two nodes see that they know the same; empty for nothing. */
  get mark(): Uint8Array {
    return this.#published?.hash.subarray(0, markBytes) ?? new Uint8Array(0)
  }

  of(digest: Uint8Array): KeptLayout | undefined {
    return this.#known.get(bytesKey(digest))
  }

  /** Keeps what an owner published when it replaces what is known. */
  take(bytes: Uint8Array): void {
    const { folder, index, clock, isOwner, changed } = this.#parts
    const fresh = parsePublishedLayout(bytes, folder.id)
    if (fresh === undefined || !isOwner(fresh.publisher)) return
    if (this.#published !== undefined && !replaces(fresh, this.#published)) return
    index.transact(() => {
      index.layouts.setPublished(folder.row, bytes)
      this.#write(fresh.layout)
    })
    this.#published = fresh
    this.#publishedAtMs = clock.monotonicMs()
    this.#edition++
    changed()
  }

  /** Remembers a layout: receipts may name it from now on, and for a while after another has come. */
  keep(layout: KeptLayout): void {
    this.#parts.index.transact(() => this.#write(layout))
  }

  #write(layout: KeptLayout): void {
    const { index, folder, clock } = this.#parts
    const name = bytesKey(layout.digest)
    this.#known.delete(name) // and so is the newest now
    this.#known.set(name, layout)
    index.layouts.put(folder.row, layout.digest, encodeLayout(layout), clock.nowMs())
    for (const { digest } of [...this.#known.values()].slice(0, Math.max(0, this.#known.size - keptLayoutsMax))) {
      this.#known.delete(bytesKey(digest))
      index.layouts.remove(folder.row, digest)
    }
  }
}
