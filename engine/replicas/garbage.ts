// Garbage of a folder that is only stored here: blocks that no current entry refers to. A look notes what nothing refers to; what still nothing
// refers to at a look after the grace goes. A look from an index that may not be whole says nothing, and whoever names a block saves it.

import { bytesKey } from '../base/bytes.ts'
import type { BlockStore } from '../blocks/store.ts'
import type { BlockId, FolderId } from '../model/ids.ts'
import { decodeEntry } from '../model/entry.ts'
import type { Outgoing } from './outgoing.ts'
import { References, type ReferenceParts } from './references.ts'

export interface GarbageParts extends ReferenceParts {
  readonly folder: FolderId
  readonly store: Pick<BlockStore, 'list'>
  readonly outgoing: Outgoing
  readonly awakeMs: () => number
  readonly graceMs: number
  /** Whether all that is known of the folder anywhere is known here; see whole.ts. */
  readonly isWhole: () => boolean
}

const pageBlocks = 1000
const pageEntries = 200
/** More are noted once some of these have gone: a row has about 45 bytes. */
const garbageMax = 2_000_000

export class Garbage {
  readonly #parts: GarbageParts
  #seenRow: number
  /** How many more can be noted. */
  #room = 0

  constructor(parts: GarbageParts) {
    this.#parts = parts
    this.#seenRow = parts.index.entries.lastRowOf(parts.folderRow)
  }

  /** Entries came: what they name is wanted again, also if another entry takes their place before the next look. */
  revive(): void {
    const { index, folderRow } = this.#parts
    if (!index.retiring.hasGarbage(folderRow)) {
      this.#seenRow = index.entries.lastRowOf(folderRow)
      return
    }
    for (;;) {
      const rows = index.entries.storedPage(folderRow, this.#seenRow, pageEntries)
      this.#seenRow = rows.at(-1)?.rowSeq ?? this.#seenRow
      index.transact(() => {
        for (const { bytes } of rows) for (const { id } of decodeEntry(bytes)?.blocks ?? []) index.retiring.dropGarbage(folderRow, id)
      })
      if (rows.length < pageEntries) return
    }
  }

  /** One look at everything that is stored; gives how many blocks went. Throws what the store and the index throw. */
  async look(signal: AbortSignal): Promise<number> {
    const { folder, store, clock, isWhole } = this.#parts
    if (!isWhole()) return 0
    this.#room = garbageMax - this.#parts.index.retiring.garbageCount(this.#parts.folderRow)
    const references = await References.read(this.#parts, signal)
    let gone = 0
    for (let after: BlockId | undefined; ;) {
      const page = store.list(folder, after, pageBlocks)
      after = page.at(-1)
      if (after === undefined) return gone
      // From here to the removal nothing is awaited: no entry can come in between.
      if (!isWhole()) return gone
      references.catchUp()
      gone += await this.#remove(this.#judge(page, references))
      await clock.sleep(0, signal)
    }
  }

  /** Notes what nothing refers to, saves what something does; gives what is due. */
  #judge(page: readonly BlockId[], references: References): readonly BlockId[] {
    const { index, folderRow, awakeMs, graceMs } = this.#parts
    const { retiring } = index
    const [first, last] = [page[0], page.at(-1)]
    if (first === undefined || last === undefined) return []
    const known = retiring.garbageBetween(folderRow, first, last)
    const nowMs = awakeMs()
    const due: BlockId[] = []
    const fresh: BlockId[] = []
    const saved: BlockId[] = []
    for (const id of page) {
      const row = known.get(bytesKey(id))
      if (references.has(id)) {
        if (row !== undefined) saved.push(id)
      } else if (row === undefined) fresh.push(id)
      else if (nowMs - row.sinceMs >= graceMs) due.push(id)
    }
    if (fresh.length + saved.length > 0) {
      const noted = fresh.slice(0, Math.max(0, this.#room))
      this.#room -= noted.length
      index.transact(() => {
        for (const id of saved) retiring.dropGarbage(folderRow, id)
        for (const id of noted) retiring.noteGarbage(folderRow, id, nowMs)
      })
    }
    return due
  }

  /** Gone first, then forgotten: a crash in between leaves rows of blocks that are not here, which the next page's look drops. */
  async #remove(due: readonly BlockId[]): Promise<number> {
    const { index, folderRow, outgoing } = this.#parts
    if (due.length === 0) return 0
    await outgoing.remove(due)
    index.transact(() => {
      for (const id of due) index.retiring.dropGarbage(folderRow, id)
    })
    return due.length
  }
}
