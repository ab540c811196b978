// Entries: what a folder's members know of one path. Decoders check every field; an entry that passes them is well formed,
// its signature is change-set.ts's business.

import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { BinaryReader } from '@bufbuild/protobuf/wire'
import { compareBytes } from '../base/bytes.ts'
import { authorIdBytes, parseAuthorId, parseBlockId, parseEntryId, type AuthorId, type BlockId, type EntryId } from './ids.ts'
import { isWellFormedVector, type VectorElement, type VersionVector } from './vector.ts'
import { EntrySchema } from './wire/entry_pb.ts'

export interface BlockRef {
  readonly id: BlockId
  readonly storedBytes: number
}

/** The part every member reads, hosts too; `sealed` opens to a Meta for readers. */
export interface Entry {
  readonly entryId: EntryId
  readonly vector: VersionVector
  readonly deleted: boolean
  readonly blocks: readonly BlockRef[]
  readonly epoch: number
  readonly sealed: Uint8Array
}

const entryVersion = 1
const entryFields = {
  entryId: EntrySchema.field.entryId.number,
  deleted: EntrySchema.field.deleted.number,
  blocks: EntrySchema.field.blocks.number,
}
export const entryBytesMax: number = 4 * 1024 * 1024
/** At 78 bytes a block, private part included, with room for path and vector: some 60 GiB where no content repeats. */
export const entryBlocksMax = 52_000
/** The largest plaintext block is 4 MiB; sealing adds a tag. */
export const storedBlockBytesMax: number = 4 * 1024 * 1024 + 16

export function encodeEntry(entry: Entry): Uint8Array {
  return toBinary(
    EntrySchema,
    create(EntrySchema, {
      version: entryVersion,
      entryId: entry.entryId,
      vector: vectorMessage(entry.vector),
      deleted: entry.deleted,
      blocks: entry.blocks.map((block) => ({ id: block.id, storedBytes: block.storedBytes })),
      epoch: entry.epoch,
      sealed: entry.sealed,
    }),
  )
}

/** undefined when the bytes are not a well-formed entry of a version this program knows. */
export function decodeEntry(bytes: Uint8Array): Entry | undefined {
  if (bytes.length > entryBytesMax) return undefined
  const message = tryDecode(bytes)
  if (message === undefined || message.version !== entryVersion) return undefined
  const entryId = parseEntryId(message.entryId)
  const vector = parseVector(message.vector)
  const blocks: BlockRef[] = []
  for (const block of message.blocks) {
    const id = parseBlockId(block.id)
    if (id === undefined || block.storedBytes < 1 || block.storedBytes > storedBlockBytesMax) return undefined
    blocks.push({ id, storedBytes: block.storedBytes })
  }
  if (entryId === undefined || vector === undefined) return undefined
  if (message.deleted && blocks.length > 0) return undefined
  return { entryId, vector, deleted: message.deleted, blocks, epoch: message.epoch, sealed: message.sealed }
}

/** What is counted of many entries. */
export interface EntryGlance {
  /** A view into the entry's bytes. */
  readonly entryId: Uint8Array
  readonly deleted: boolean
  readonly blocks: number
}

/** Of an entry that was decoded before: nothing is checked, and a tenth of the work of decoding it done. */
export function glanceAtEntry(bytes: Uint8Array): EntryGlance {
  const reader = new BinaryReader(bytes)
  const glance = { entryId: bytes.subarray(0, 0), deleted: false, blocks: 0 }
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag()
    if (field === entryFields.entryId) glance.entryId = reader.bytes()
    else if (field === entryFields.deleted) glance.deleted = reader.bool()
    else {
      if (field === entryFields.blocks) glance.blocks++
      reader.skip(wireType, field)
    }
  }
  return glance
}

function tryDecode(bytes: Uint8Array): ReturnType<typeof fromBinary<typeof EntrySchema>> | undefined {
  try {
    return fromBinary(EntrySchema, bytes)
  } catch {
    return undefined // malformed protobuf: the one thing this decoder throws
  }
}

interface WireVectorElement {
  readonly author: Uint8Array
  readonly seq: bigint
}

/** A vector as the wire has it. */
export function vectorMessage(vector: VersionVector): { author: Uint8Array; seq: bigint }[] {
  return vector.map((element) => ({ author: element.author, seq: BigInt(element.seq) }))
}

/** undefined when it is not a well-formed vector. */
export function parseVector(elements: readonly WireVectorElement[]): VersionVector | undefined {
  const vector: VectorElement[] = []
  for (const element of elements) {
    const author = parseAuthorId(element.author)
    const seq = Number(element.seq)
    if (author === undefined || !Number.isSafeInteger(seq)) return undefined
    vector.push({ author, seq })
  }
  return isWellFormedVector(vector) ? vector : undefined
}

/**
 * Of two entries of one path with equal vectors but unequal bytes, the one that every node keeps. Members that merge alike write equal
 * bytes; those that merged in steps, knowing different versions at the time, may not. What lives goes before what is deleted.
 */
export function isPreferred(entry: Entry, bytes: Uint8Array, other: Entry, otherBytes: Uint8Array): boolean {
  if (entry.deleted !== other.deleted) return other.deleted
  return compareBytes(bytes, otherBytes) > 0
}

const packedElementBytes = authorIdBytes + 8

/** A vector as the index stores it: 24 bytes an element. */
export function packVector(vector: VersionVector): Uint8Array {
  const bytes = new Uint8Array(vector.length * packedElementBytes)
  const view = new DataView(bytes.buffer)
  vector.forEach((element, at) => {
    bytes.set(element.author, at * packedElementBytes)
    view.setBigUint64(at * packedElementBytes + authorIdBytes, BigInt(element.seq))
  })
  return bytes
}

/** Reads what packVector wrote; the index is trusted. */
export function parsePackedVector(bytes: Uint8Array): VersionVector {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const vector: VectorElement[] = []
  for (let at = 0; at + packedElementBytes <= bytes.length; at += packedElementBytes) {
    const author: AuthorId | undefined = parseAuthorId(bytes.slice(at, at + authorIdBytes))
    if (author !== undefined) vector.push({ author, seq: Number(view.getBigUint64(at + authorIdBytes)) })
  }
  return vector
}
