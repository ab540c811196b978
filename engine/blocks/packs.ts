// A pack is a sealed segment (record.ts, footer.ts) that is one object: made in memory, put as a whole, never written again. Names, and
// packs as files in memory, so that what reads segments reads packs.

import { present } from '../base/assert.ts'
import { FilesError, type FileStat, type OpenFile } from '../base/files.ts'
import { FooterBuilder } from './footer.ts'
import {
  encodeRecord,
  encodeSegmentHeader,
  encodeTombstone,
  recordBytesOf,
  recordTypes,
  segmentHeaderBytes,
  segmentVersion,
} from './record.ts'
import type { Place, SegmentHeader } from './record.ts'
import type { LogRecord } from './record-writer.ts'
import { segmentName, segmentNumberOf } from './segment-directory.ts'

export const packPrefix = 'packs/'

export function packKey(pack: number): string {
  return `${packPrefix}${segmentName(pack)}`
}

export function packNumberOf(key: string): number | undefined {
  return key.startsWith(packPrefix) ? segmentNumberOf(key.slice(packPrefix.length)) : undefined
}

const noIds = new Uint8Array(33)

export interface BuiltPack {
  readonly bytes: Uint8Array
  /** One for each record. */
  readonly places: readonly Place[]
  /** Where its records end and the footer begins. */
  readonly endBytes: number
}

/** The whole object: header, records, footer. `header` says of which store and number it is, and which pack was acknowledged before it. */
export function buildPack(header: Omit<SegmentHeader, 'version'>, records: readonly LogRecord[]): BuiltPack {
  const { segment, storeId } = header
  const footer = new FooterBuilder()
  const places: Place[] = []
  let at = segmentHeaderBytes
  for (const { folder, id, ...rest } of records) {
    const lengthBytes = rest.payload?.length ?? tombstoneBytes
    const isPut = rest.payload !== undefined
    const type = isPut ? recordTypes.put : recordTypes.tombstone
    footer.add({ type, flags: isPut ? 0 : rest.flags, folder, id, offset: at, lengthBytes, kills: isPut ? undefined : rest.kills })
    places.push({ segment, offset: at })
    at += recordBytesOf(lengthBytes)
  }
  const endBytes = at
  const bytes = new Uint8Array(endBytes + recordBytesOf(footer.sizeBytes))
  bytes.set(encodeSegmentHeader({ ...header, version: segmentVersion }), 0)
  for (const [index, record] of records.entries()) {
    const place = present(places[index], 'each record has a place')
    const { folder, id } = record
    const payload = record.payload ?? encodeTombstone(record.kills)
    const type = record.payload === undefined ? recordTypes.tombstone : recordTypes.put
    encodeRecord(bytes, place.offset, storeId, place, { type, flags: record.payload === undefined ? record.flags : 0, folder, id, payload })
  }
  const end = { segment, offset: endBytes }
  const payload = footer.encode(endBytes)
  encodeRecord(bytes, endBytes, storeId, end, { type: recordTypes.footer, flags: 0, folder: noIds, id: noIds, payload })
  return { bytes, places, endBytes }
}

const tombstoneBytes = 8

/** A part of a pack, from `offset` to its end, as a file that can only be read. What is before the part cannot be. */
export class PackFile implements OpenFile {
  readonly #bytes: Uint8Array
  readonly #offset: number

  constructor(bytes: Uint8Array, offset = 0) {
    this.#bytes = bytes
    this.#offset = offset
  }

  get sizeBytes(): number {
    return this.#offset + this.#bytes.length
  }

  read(target: Uint8Array, offset: number): number {
    if (offset < this.#offset) throw refused('read')
    const part = this.#bytes.subarray(offset - this.#offset, offset - this.#offset + target.length)
    target.set(part)
    return part.length
  }

  stat(): FileStat {
    return { kind: 'file', sizeBytes: this.sizeBytes, mtimeUs: 0, ctimeUs: 0, mode: 0o400, inode: 0, device: 0, links: 1 }
  }

  write(): void {
    throw refused('write')
  }

  truncate(): void {
    throw refused('truncate')
  }

  setMode(): void {
    throw refused('setMode')
  }

  setMtime(): void {
    throw refused('setMtime')
  }

  async datasync(): Promise<void> {
    throw refused('datasync')
  }

  close(): void {
    return undefined
  }
}

function refused(operation: string): FilesError {
  return new FilesError('unsupported', operation, 'a pack', 'only what was fetched of a pack can be read, and nothing written')
}
