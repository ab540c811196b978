// How large the blocks of a file are. Format, not taste: a file's class is in its entry, and equal content gets equal blocks
// only under equal limits.

export type ChunkClass =
  | 'whole' // one block
  | 'small'
  | 'large'

export interface ChunkLimits {
  /** No cut before this, except at the end of the file. */
  readonly minBytes: number
  /** A power of two; where cuts become likely. */
  readonly targetBytes: number
  /** A cut at the latest. */
  readonly maxBytes: number
}

const kibibyte = 1024
const mebibyte = 1024 * kibibyte

/** Up to this size a new file is one block. */
const wholeBytesMax = 512 * kibibyte
/** Up to this size a new file is chunked small. */
const smallBytesMax = 256 * mebibyte
/** How far a file may leave the sizes of its class before it gets another one: all its blocks change then. */
const classSlack = 2

const limitsByClass: Readonly<Record<ChunkClass, ChunkLimits>> = {
  whole: { minBytes: classSlack * wholeBytesMax, targetBytes: classSlack * wholeBytesMax, maxBytes: classSlack * wholeBytesMax },
  small: { minBytes: 64 * kibibyte, targetBytes: 256 * kibibyte, maxBytes: mebibyte },
  large: { minBytes: 256 * kibibyte, targetBytes: mebibyte, maxBytes: 4 * mebibyte },
}

/** No block's plaintext is larger, in any class. */
export const chunkBytesMax: number = limitsByClass.large.maxBytes

export function chunkLimitsOf(chunkClass: ChunkClass): ChunkLimits {
  return limitsByClass[chunkClass]
}

/** The class for a file of this size; `previous` is the class that the file has had, absent for a new one. */
export function chooseClass(sizeBytes: number, previous?: ChunkClass): ChunkClass {
  if (previous !== undefined && isWithinSlack(sizeBytes, previous)) return previous
  if (sizeBytes <= wholeBytesMax) return 'whole'
  return sizeBytes <= smallBytesMax ? 'small' : 'large'
}

function isWithinSlack(sizeBytes: number, chunkClass: ChunkClass): boolean {
  switch (chunkClass) {
    case 'whole':
      return sizeBytes <= wholeBytesMax * classSlack
    case 'small':
      return sizeBytes > wholeBytesMax / classSlack && sizeBytes <= smallBytesMax * classSlack
    case 'large':
      return sizeBytes > smallBytesMax / classSlack
  }
}
