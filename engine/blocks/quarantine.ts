// What a store found damaged or missing in its own files: never served again, told to whoever asks.

import type { BlockId, FolderId } from '../model/ids.ts'

export interface DamagedRecord {
  readonly segment: number
  readonly offset: number
  readonly sizeBytes: number
  /** Both or neither: a damaged header names nothing. */
  readonly folder?: FolderId
  readonly id?: BlockId
  readonly reason: DamageReason
}

export type DamageReason =
  | 'record' // bytes that are no record where one stood
  | 'payload' // a record whose payload or checksum is not what was written
  | 'tombstone' // as payload, of a tombstone: what it removed may be back
  | 'segmentHeader'
  | 'truncated' // the segment ends before what was acknowledged in it
  | 'unreadable' // the record lies past the end of the file, or the index pointed at something else

export class Quarantine {
  readonly #max: number
  readonly #records: DamagedRecord[] = []
  #count = 0

  constructor(max: number) {
    this.#max = max
  }

  /** Every record ever added, also those that were too many to keep. */
  get count(): number {
    return this.#count
  }

  add(record: DamagedRecord): void {
    this.#count++
    if (this.#records.length < this.#max) this.#records.push(record)
  }

  clear(): void {
    this.#count = 0
    this.#records.length = 0
  }

  list(): readonly DamagedRecord[] {
    return [...this.#records]
  }
}
