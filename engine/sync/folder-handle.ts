// A folder as the flows work on it: its record, its keys derived once, and the author under which this node writes in it.

import { deriveAccessKey, deriveEpochKeys, deriveFolderKeys, entryIdOf, expandGearKey } from '../crypto/keys.ts'
import { blake3 } from '../crypto/hash.ts'
import type { Identity } from '../crypto/identity.ts'
import { concatBytes } from '../base/bytes.ts'
import { assert, present } from '../base/assert.ts'
import { authorIdBytes, idVersion, parseAuthorId, type AuthorId, type EntryId } from '../model/ids.ts'
import type { EpochSecret, FolderRecord, HostedRecord, MemberRecord } from '../model/folder.ts'
import type { Index } from '../index/index-store.ts'
import { baseNameOf, joinPath, normalisePath, parentOf, type RelativePath } from '../model/path.ts'
import type { JobKeys } from './job-keys.ts'

export interface MetaKey {
  readonly epoch: number
  readonly metaKey: Uint8Array
}

/** What opens the private part of entries. */
export interface ReadingKeys {
  readonly nameKey: Uint8Array
  /** Of every epoch. */
  readonly metaKeys: readonly MetaKey[]
}

/** A folder as whoever exchanges its entries works on it. */
export interface MemberHandle {
  readonly record: MemberRecord
  /** Row number in the index. */
  readonly row: number
  readonly identity: Identity
  readonly authorId: AuthorId
  readonly accessKey: Uint8Array
  /** Absent where the folder is stored without being read. */
  readonly reading: ReadingKeys | undefined
}

export interface FolderHandle extends MemberHandle {
  readonly record: FolderRecord
  readonly reading: ReadingKeys
  /** Absolute path of the tree. */
  readonly root: string
  /** For worker jobs that read and write content, of the current epoch. */
  readonly jobKeys: JobKeys
}

export function openFolderHandle(record: FolderRecord, identity: Identity): FolderHandle {
  const { nameKey, gearKey } = deriveFolderKeys(record.secrets.folderSecret)
  const latest: EpochSecret = present(record.secrets.epochs.at(-1), 'a reader has the secret of an epoch')
  const epochKeys = record.secrets.epochs.map(({ epoch, secret }) => ({ epoch, keys: deriveEpochKeys(secret) }))
  const current = present(epochKeys.at(-1), 'a reader has the secret of an epoch').keys
  const metaKeys = epochKeys.map(({ epoch, keys }) => ({ epoch, metaKey: keys.metaKey }))
  return {
    ...memberHandle(record, record.secrets.accessSecret, identity),
    record,
    root: record.path,
    reading: { nameKey, metaKeys },
    jobKeys: { nameKey, gearMaterial: expandGearKey(gearKey), epoch: latest.epoch, sealKey: current.sealKey, metaKey: current.metaKey },
  }
}

export function openHostedHandle(record: HostedRecord, identity: Identity): MemberHandle {
  return { ...memberHandle(record, record.accessSecret, identity), reading: undefined }
}

function memberHandle(record: MemberRecord, accessSecret: Uint8Array, identity: Identity): Omit<MemberHandle, 'reading'> {
  const authorId = authorIdOf(identity.publicKey, record.incarnation)
  return { record, row: record.row, identity, authorId, accessKey: deriveAccessKey(accessSecret) }
}

/** The author that a node's key and an incarnation make. */
export function authorIdOf(nodeKey: Uint8Array, incarnation: Uint8Array): AuthorId {
  const id = new Uint8Array(authorIdBytes)
  id[0] = idVersion
  id.set(blake3(concatBytes([nodeKey, incarnation])).subarray(0, authorIdBytes - 1), 1)
  const parsed = parseAuthorId(id)
  assert(parsed !== undefined, 'an author id made here is one')
  return parsed
}

/** What a path is called on this disk: its directories and itself may be spelled in another Unicode form than entries have. */
export function localPath(index: Index, handle: FolderHandle, path: RelativePath): RelativePath {
  if (/^[\0-\x7f]*$/.test(path)) return path
  const item = index.items.bySpelling(handle.row, entryIdOfPath(handle, path), path)
  if (item !== undefined) return item.path
  const parent = parentOf(path)
  if (parent === undefined) return path
  return joinPath(localPath(index, handle, parent), baseNameOf(path)) ?? path // a longer form may pass the limit: then as entries have it
}

export function entryIdOfPath(handle: FolderHandle, path: RelativePath): EntryId {
  return entryIdOf(handle.jobKeys.nameKey, normalisePath(path))
}
