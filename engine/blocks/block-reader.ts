// Reads one block out of a segment and believes nothing: header, checksum and id are checked each time.

import { equalBytes } from '../base/bytes.ts'
import { EngineError } from '../base/errors.ts'
import { FilesError } from '../base/files.ts'
import { blockIdOf } from '../crypto/seal.ts'
import type { BlockId, FolderId } from '../model/ids.ts'
import type { DamageReason } from './quarantine.ts'
import { decodeRecordHeader, isPayloadWhole, recordBytesOf, recordHeaderBytes, recordTypes } from './record.ts'
import { isFault, type ReadHandles } from './segment-directory.ts'
import type { BlockLocation } from './segment-index.ts'

export type BlockRead = { readonly bytes: Uint8Array } | { readonly bytes?: undefined; readonly damage: DamageReason }

/**
 * The payload at `location`, a buffer the caller owns, or what is wrong with it. Throws `DISK_FAILED` when the disk does not answer:
 * that says nothing about the block.
 */
export function readBlock(handles: ReadHandles, storeId: Uint8Array, folder: FolderId, id: BlockId, location: BlockLocation): BlockRead {
  const bytes = new Uint8Array(recordBytesOf(location.payloadBytes))
  let readBytes: number
  try {
    readBytes = handles.take(location.segment).read(bytes, location.offset)
  } catch (error) {
    if (!(error instanceof FilesError)) throw error
    // A store whose directory is gone (unplugged, unmounted) has lost nothing yet either.
    const what = isFault(error, 'missing') ? 'its file is not there' : error.message
    throw new EngineError('DISK_FAILED', `reading a block from segment ${location.segment}: ${what}; check the disk`, { cause: error })
  }
  return checkRecord(bytes.subarray(0, readBytes), storeId, folder, id, location)
}

/** The payload of what was read at `location`, a view of it, or what is wrong with it. */
export function checkRecord(bytes: Uint8Array, storeId: Uint8Array, folder: FolderId, id: BlockId, location: BlockLocation): BlockRead {
  if (bytes.length < recordBytesOf(location.payloadBytes)) return { damage: 'unreadable' }
  const header = decodeRecordHeader(bytes, storeId, location)
  if (header === undefined) return { damage: 'record' }
  const isThis = header.type === recordTypes.put && equalBytes(header.id, id) && equalBytes(header.folder, folder)
  if (!isThis || header.lengthBytes !== location.payloadBytes) return { damage: 'unreadable' }
  if (!isPayloadWhole(bytes.subarray(recordHeaderBytes))) return { damage: 'payload' }
  const payload = bytes.subarray(recordHeaderBytes, recordHeaderBytes + header.lengthBytes)
  return equalBytes(blockIdOf(payload), id) ? { bytes: payload } : { damage: 'payload' }
}
