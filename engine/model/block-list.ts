// The blocks of one file version as readers know them, packed: 68 bytes a block (BlockId without its version byte, key,
// length), so that a list of a thousand blocks is one buffer in the index and between threads.

import { compareBytes } from '../base/bytes.ts'
import { assert } from '../base/assert.ts'
import { hashIdBytes, idVersion, parseBlockId, type BlockId } from './ids.ts'

const packedBytes = 68
const keyAt = 32
const lengthAt = 64

/** A tag of AES-256-GCM: what sealing adds. */
export const sealOverheadBytes = 16

export interface PackedBlock {
  readonly id: BlockId
  readonly key: Uint8Array
  readonly lengthBytes: number
}

/** A view: it does not own or copy the bytes it was made from. */
export class BlockList {
  readonly bytes: Uint8Array
  readonly #view: DataView

  /** `bytes` must be a multiple of 68 long: `isPackedBlockList` for input that is not our own. */
  constructor(bytes: Uint8Array) {
    assert(bytes.length % packedBytes === 0, 'a block list is whole records')
    this.bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  static readonly empty: BlockList = new BlockList(new Uint8Array(0))

  static pack(blocks: readonly PackedBlock[]): BlockList {
    const bytes = new Uint8Array(blocks.length * packedBytes)
    const view = new DataView(bytes.buffer)
    blocks.forEach((block, at) => {
      bytes.set(block.id.subarray(1), at * packedBytes)
      bytes.set(block.key, at * packedBytes + keyAt)
      view.setUint32(at * packedBytes + lengthAt, block.lengthBytes)
    })
    return new BlockList(bytes)
  }

  get count(): number {
    return this.bytes.length / packedBytes
  }

  /** The id without its version byte: 32 bytes, a view. */
  hash(at: number): Uint8Array {
    return this.bytes.subarray(at * packedBytes, at * packedBytes + keyAt)
  }

  id(at: number): BlockId {
    const id = new Uint8Array(hashIdBytes)
    id[0] = idVersion
    id.set(this.hash(at), 1)
    const parsed = parseBlockId(id)
    assert(parsed !== undefined, 'a packed id has 32 bytes')
    return parsed
  }

  /** The key that opens the block, a view. */
  key(at: number): Uint8Array {
    return this.bytes.subarray(at * packedBytes + keyAt, at * packedBytes + lengthAt)
  }

  /** Plaintext bytes. */
  lengthBytes(at: number): number {
    return this.#view.getUint32(at * packedBytes + lengthAt)
  }

  /** Bytes of the whole file. */
  totalBytes(): number {
    let total = 0
    for (let at = 0; at < this.count; at++) total += this.lengthBytes(at)
    return total
  }

  equals(other: BlockList): boolean {
    return compareBytes(this.bytes, other.bytes) === 0
  }
}

export function isPackedBlockList(bytes: Uint8Array): boolean {
  return bytes.length % packedBytes === 0
}
