// What of a folder a member is to hold, as whoever looks for it asks: a layout with a name, and an answer for each block.

import type { BlockId } from '../model/ids.ts'

export interface Holding {
  /** Changes whenever an answer of `isMine` does. */
  readonly layout: Uint8Array
  readonly isMine: (id: BlockId) => boolean
}

/** Of a member that keeps all. */
export const holdsAll: Holding = { layout: Uint8Array.of(1), isMine: () => true }
