// A folder's keys. Three kinds of 32-byte secrets exist and everything else is derived from them (BLAKE3 derive_key):
// the access secret, known to every member, also to hosts; the folder secret and the epoch secrets, known to readers only.
// All of it is plain bytes, so that it can be handed to worker jobs. Context strings are format: never change one.

import { assert, present } from '../base/assert.ts'
import { concatBytes, utf8 } from '../base/bytes.ts'
import { hashIdBytes, idVersion, parseEntryId, type EntryId } from '../model/ids.ts'
import { blake3Keyed, deriveKey } from './hash.ts'

export const secretBytes = 32

const nameContext = 'holdfast 2026-11 folder name key'
const gearContext = 'holdfast 2026-11 folder gear key'
const accessContext = 'holdfast 2026-11 folder access key'
const sealContext = 'holdfast 2026-11 epoch seal key'
const metaContext = 'holdfast 2026-11 epoch meta key'

/** Good for the folder's whole life: entry ids and chunk boundaries must not move when a member is removed. */
export interface FolderKeys {
  /** Makes entry ids of paths. */
  readonly nameKey: Uint8Array
  /** Makes the gear table of the chunker. */
  readonly gearKey: Uint8Array
}

/** One key epoch; a new one starts when a reader is removed. Readers keep those of all epochs. */
export interface EpochKeys {
  /** Seals blocks. */
  readonly sealKey: Uint8Array
  /** Seals entries' private parts. */
  readonly metaKey: Uint8Array
}

export function deriveFolderKeys(folderSecret: Uint8Array): FolderKeys {
  return { nameKey: fromSecret(nameContext, folderSecret), gearKey: fromSecret(gearContext, folderSecret) }
}

export function deriveEpochKeys(epochSecret: Uint8Array): EpochKeys {
  return { sealKey: fromSecret(sealContext, epochSecret), metaKey: fromSecret(metaContext, epochSecret) }
}

/** Proves membership to other members; opens nothing. */
export function deriveAccessKey(accessSecret: Uint8Array): Uint8Array {
  return fromSecret(accessContext, accessSecret)
}

/**
 * 1024 bytes for the chunker's gear table (chunk/gear.ts, which imports no crypto): the keyed hashes of the single bytes 0 to 31.
 */
export function expandGearKey(gearKey: Uint8Array): Uint8Array {
  return concatBytes(Array.from({ length: 32 }, (_, counter) => blake3Keyed(gearKey, Uint8Array.of(counter))))
}

/** The id under which every member knows a path. `path` is the normalised relative path; the caller normalises. */
export function entryIdOf(nameKey: Uint8Array, path: string): EntryId {
  const id = new Uint8Array(hashIdBytes)
  id[0] = idVersion
  id.set(blake3Keyed(nameKey, utf8(path)), 1)
  return present(parseEntryId(id), 'an entry id made here is well-formed')
}

function fromSecret(context: string, secret: Uint8Array): Uint8Array {
  assert(secret.length === secretBytes, 'a secret has 32 bytes')
  return deriveKey(context, secret)
}
