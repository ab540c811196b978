// How much of an answer is read at once: what a member takes in a moment, so that one on a slow line keeps little of this node's memory. Pure.

import { partBytesTarget } from './blocks-frames.ts'

const partBytesMin = 64 * 1024
const longMs = 2000
const shortMs = 500

export class PartSize {
  #bytes = partBytesTarget

  /** After which a part is sent; one block may exceed it. */
  get bytes(): number {
    return this.#bytes
  }

  /** A part was taken in so long. */
  took(ms: number): void {
    if (ms > longMs) this.#bytes = Math.max(partBytesMin, this.#bytes / 2)
    else if (ms < shortMs) this.#bytes = Math.min(partBytesTarget, this.#bytes * 2)
  }
}
