// Writes a group of records as few large writes: small records are gathered in one buffer, large payloads go out as they are.

import type { OpenFile } from '../base/files.ts'
import type { BlockId, FolderId } from '../model/ids.ts'
import {
  encodePayloadChecksum,
  encodeRecord,
  encodeRecordHeader,
  encodeTombstone,
  recordHeaderBytes,
  recordOverheadBytes,
  recordTypes,
  type Place,
} from './record.ts'

export type LogRecord =
  | { readonly folder: FolderId; readonly id: BlockId; readonly payload: Uint8Array }
  /** A tombstone. */
  | {
      readonly folder: FolderId
      readonly id: BlockId
      readonly payload?: undefined
      readonly flags: number
      readonly kills: Place
    }

const gatherBytes = 1024 * 1024
/** From here on copying a payload costs more than a write call of its own. */
const directBytesMin = 128 * 1024
const checksumBytes = recordOverheadBytes - recordHeaderBytes

export class RecordWriter {
  readonly #storeId: Uint8Array
  /** Made at the first write: a store that is only read needs none. */
  #gathered = new Uint8Array(0)
  #used = 0

  constructor(storeId: Uint8Array) {
    this.#storeId = storeId
  }

  /** Writes from `start` on, without syncing; gives the place of each record. Throws FilesError after any part of it was written. */
  write(file: OpenFile, start: Place, records: readonly LogRecord[]): readonly Place[] {
    const places: Place[] = []
    this.#used = 0
    if (this.#gathered.length === 0) this.#gathered = new Uint8Array(gatherBytes)
    let at = start.offset
    for (const record of records) {
      const place = { segment: start.segment, offset: at }
      const { folder, id } = record
      const isPut = record.payload !== undefined
      const payload = isPut ? record.payload : encodeTombstone(record.kills)
      const content = { type: isPut ? recordTypes.put : recordTypes.tombstone, flags: isPut ? 0 : record.flags, folder, id, payload }
      const sizeBytes = recordOverheadBytes + payload.length
      const isDirect = payload.length >= directBytesMin
      if (this.#used + (isDirect ? recordHeaderBytes : sizeBytes) > gatherBytes) this.#flush(file, at)
      if (isDirect) {
        encodeRecordHeader(this.#gathered, this.#used, this.#storeId, place, content)
        this.#used += recordHeaderBytes
        this.#flush(file, at + recordHeaderBytes)
        file.write(payload, at + recordHeaderBytes)
        encodePayloadChecksum(this.#gathered, 0, payload)
        this.#used = checksumBytes
      } else {
        this.#used = encodeRecord(this.#gathered, this.#used, this.#storeId, place, content)
      }
      at += sizeBytes
      places.push(place)
    }
    this.#flush(file, at)
    return places
  }

  /** `endOffset` is where in the file the gathered bytes end. */
  #flush(file: OpenFile, endOffset: number): void {
    if (this.#used > 0) file.write(this.#gathered.subarray(0, this.#used), endOffset - this.#used)
    this.#used = 0
  }
}
