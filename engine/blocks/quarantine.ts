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
  | 'missing' // the file of the segment is gone
  | 'unreadable' // the record lies past the end of the file, or the index pointed at something else

export class Quarantine {
  readonly #max: number
  readonly #records: DamagedRecord[] = []
  /** Of those that are kept. */
  readonly #places = new Set<string>()
  #count = 0
  /** Told of each piece that was not known. */
  onAdded: (record: DamagedRecord) => void = () => undefined

  constructor(max: number) {
    this.#max = max
  }

  /** Every piece ever added, also those that were too many to keep. */
  get count(): number {
    return this.#count
  }

  /** The same place counts once. */
  add(record: DamagedRecord): void {
    const place = `${record.segment}/${record.offset}`
    if (this.#places.has(place)) return
    this.#count++
    if (this.#records.length < this.#max) {
      this.#records.push(record)
      this.#places.add(place)
    }
    this.onAdded(record)
  }

  clear(): void {
    this.#count = 0
    this.#records.length = 0
    this.#places.clear()
  }

  list(): readonly DamagedRecord[] {
    return [...this.#records]
  }
}
