// Change sets: up to a thousand entries of one author under one signature. A relayer, also a blind one, passes on the set's
// hashes with whatever entries are still current, so anyone can check each of them.

import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { concatBytes } from '../base/bytes.ts'
import type { FolderId } from './ids.ts'
import { ChangeSetSchema, type ChangeSet as WireChangeSet } from './wire/entry_pb.ts'

export interface ChangeSet {
  /** Ed25519 public key of the author's node, 32 bytes. */
  readonly nodeKey: Uint8Array
  /** 8 bytes, new whenever the node's database was lost or rolled back. */
  readonly incarnation: Uint8Array
  readonly firstSeq: number
  readonly timeMs: number
  /** BLAKE3 of each entry, 32 bytes each. */
  readonly hashes: Uint8Array
  readonly signature: Uint8Array
}

export const changeSetEntriesMax = 1000
export const entryHashBytes = 32
const changeSetVersion = 1

/** What the author signs. The folder id is in it and not on the wire: a set means nothing in another folder. */
export function changeSetSigningBytes(folder: FolderId, set: Omit<ChangeSet, 'signature'>): Uint8Array {
  const numbers = new DataView(new ArrayBuffer(16))
  numbers.setBigUint64(0, BigInt(set.firstSeq))
  numbers.setBigInt64(8, BigInt(set.timeMs))
  return concatBytes([folder, set.nodeKey, set.incarnation, new Uint8Array(numbers.buffer), set.hashes])
}

export function changeSetMessage(set: ChangeSet): WireChangeSet {
  return create(ChangeSetSchema, {
    version: changeSetVersion,
    nodeKey: set.nodeKey,
    incarnation: set.incarnation,
    firstSeq: BigInt(set.firstSeq),
    timeMs: BigInt(set.timeMs),
    hashes: set.hashes,
    signature: set.signature,
  })
}

export function encodeChangeSet(set: ChangeSet): Uint8Array {
  return toBinary(ChangeSetSchema, changeSetMessage(set))
}

/** undefined when a field is out of its bounds; the signature is not checked here. */
export function parseChangeSet(message: WireChangeSet): ChangeSet | undefined {
  const firstSeq = Number(message.firstSeq)
  const timeMs = Number(message.timeMs)
  const count = message.hashes.length / entryHashBytes
  if (message.version !== changeSetVersion || message.nodeKey.length !== 32 || message.incarnation.length !== 8) return undefined
  if (!Number.isSafeInteger(firstSeq) || firstSeq < 1 || !Number.isSafeInteger(timeMs)) return undefined
  if (!Number.isInteger(count) || count < 1 || count > changeSetEntriesMax || message.signature.length !== 64) return undefined
  if (!Number.isSafeInteger(firstSeq + count)) return undefined
  return {
    nodeKey: message.nodeKey,
    incarnation: message.incarnation,
    firstSeq,
    timeMs,
    hashes: message.hashes,
    signature: message.signature,
  }
}

export function decodeChangeSet(bytes: Uint8Array): ChangeSet | undefined {
  try {
    return parseChangeSet(fromBinary(ChangeSetSchema, bytes))
  } catch {
    return undefined // malformed protobuf
  }
}
