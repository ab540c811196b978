// Where blocks of content that was replaced or deleted a moment ago still are: in the parked files, until the archive has moved them into the
// block store. What goes at one path often comes again at another (a renamed directory, told in pieces): without this it would be sent again.

import { bytesKey } from '../base/bytes.ts'
import { replacedDirectory } from '../disk/folder-disk.ts'
import type { BlockList } from '../model/block-list.ts'
import type { BlockId } from '../model/ids.ts'

/** Some 200 bytes each. What is forgotten is fetched, as it would be without. */
const blocksMax = 20_000

export interface ParkedHome {
  /** Relative to the folder. */
  readonly path: string
  readonly offset: number
}

export class ParkedHomes {
  /** The oldest first. */
  readonly #homes = new Map<string, ParkedHome>()

  /** A file of this content was parked under this name. */
  note(parked: string, blocks: BlockList): void {
    const path = `${replacedDirectory}/${parked}`
    let offset = 0
    for (let at = 0; at < blocks.count; at++) {
      const key = bytesKey(blocks.id(at))
      this.#homes.delete(key)
      this.#homes.set(key, { path, offset })
      offset += blocks.lengthBytes(at)
    }
    for (const key of this.#homes.keys()) {
      if (this.#homes.size <= blocksMax) break
      this.#homes.delete(key)
    }
  }

  /** A guess: whoever reads there checks what it reads. */
  homeOf(id: BlockId): ParkedHome | undefined {
    return this.#homes.get(bytesKey(id))
  }
}
