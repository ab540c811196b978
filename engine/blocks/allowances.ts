// How much a folder, and all together, may take of a store: what is beyond is refused with NO_SPACE before a byte of it is written.
// A block is charged its bytes and what it costs beside them, so that a flood of tiny blocks is bounded as well as one of large ones.

import { bytesKey } from '../base/bytes.ts'
import { EngineError } from '../base/errors.ts'
import type { FolderId } from '../model/ids.ts'
import type { LiveTotals } from './live-counts.ts'
import { roomWithoutEnd } from './store.ts'

/** Record header and checksum, the row in the footer, the row in the index with what merging takes: 108 + 56 + 48 × 2, rounded. */
export const blockOverheadBytes = 256

export function chargedBytes(live: LiveTotals): number {
  return live.payloadBytes + live.blocks * blockOverheadBytes
}

export class Allowances {
  #allBytes: number | undefined
  readonly #byFolder = new Map<string, number>()

  /** For all folders together without a folder; undefined takes the limit away. What is there stays. */
  set(folder: FolderId | undefined, sizeBytes: number | undefined): void {
    if (folder === undefined) this.#allBytes = sizeBytes
    else if (sizeBytes === undefined) this.#byFolder.delete(bytesKey(folder))
    else this.#byFolder.set(bytesKey(folder), sizeBytes)
  }

  /** How much more (`chargedBytes`) of the folder is allowed when so much is there. */
  roomOf(folder: FolderId, folderBytes: number, allBytes: number): number {
    const allowed = this.#byFolder.get(bytesKey(folder)) ?? roomWithoutEnd
    return Math.max(0, Math.min(allowed - folderBytes, (this.#allBytes ?? roomWithoutEnd) - allBytes))
  }

  /** Throws `NO_SPACE` when so much (`chargedBytes`) would be too much for the folder or for all. */
  check(folder: FolderId, folderBytes: number, allBytes: number): void {
    const allowed = this.#byFolder.get(bytesKey(folder))
    if (allowed !== undefined && folderBytes > allowed) {
      throw new EngineError(
        'NO_SPACE',
        `storing blocks: the folder has used the ${allowed} bytes that it may take of this node; raise them with "holdfast folder set F grant=SIZE", or let it keep less`,
      )
    }
    if (this.#allBytes !== undefined && allBytes > this.#allBytes) {
      throw new EngineError(
        'NO_SPACE',
        `storing blocks: this node has used the ${this.#allBytes} bytes that it offers; start it with a larger --capacity, or let folders keep less`,
      )
    }
  }
}
