// What every block store asks of the blocks it is given.

import { equalBytes, toHex } from '../base/bytes.ts'
import { EngineError } from '../base/errors.ts'
import { blockIdOf } from '../crypto/seal.ts'
import type { StoredBlock } from './store.ts'

/** Throws `BAD_BLOCK` when an id is not the hash of its bytes, or a block is larger than a store takes. */
export function checkBlocks(blocks: readonly StoredBlock[], blockBytesMax: number): void {
  for (const block of blocks) {
    if (block.bytes.length > blockBytesMax) {
      throw new EngineError(
        'BAD_BLOCK',
        `storing block ${toHex(block.id)}: it has ${block.bytes.length} bytes, more than the ${blockBytesMax} a store takes; fetch it from another holder`,
      )
    }
    if (!equalBytes(blockIdOf(block.bytes), block.id)) {
      throw new EngineError('BAD_BLOCK', `storing block ${toHex(block.id)}: its bytes do not match its id; fetch it from another holder`)
    }
  }
}

export function closedError(what: string): EngineError {
  return new EngineError('CLOSED', `${what}: the block store is closed`)
}
