// Worker job that checks a batch of entries from a peer: the authors' signatures, the hashes under them, and for readers
// that the sealed part opens and is sound. Whoever only stores a folder cannot look there. What passes is safe to store.

import { equalBytes } from '../base/bytes.ts'
import type { JobResult } from '../base/jobs.ts'
import { blake3 } from '../crypto/hash.ts'
import { entryIdOf } from '../crypto/keys.ts'
import { verify } from '../crypto/sign.ts'
import { changeSetSigningBytes, entryHashBytes, type ChangeSet } from '../model/change-set.ts'
import { decodeEntry } from '../model/entry.ts'
import type { FolderId } from '../model/ids.ts'
import { normalisePath } from '../model/path.ts'
import { changeSetContext } from './author.ts'
import type { ReadingKeys } from './folder-handle.ts'
import { openEntryMeta } from './versions.ts'

export interface IncomingEntry {
  /** Position in `sets`, and in that set's hashes. */
  readonly set: number
  readonly position: number
  readonly bytes: Uint8Array
}

export interface CheckEntriesInput {
  readonly folder: FolderId
  readonly reading: ReadingKeys | undefined
  readonly sets: readonly ChangeSet[]
  readonly entries: readonly IncomingEntry[]
}

export type EntryVerdict =
  | { readonly kind: 'sound'; readonly depth: number; readonly sizeBytes: number }
  /** As far as can be seen without the keys. */
  | { readonly kind: 'sealed' }
  /** Signed by its author and still not usable: the author's doing, not the sender's. */
  | { readonly kind: 'unusable'; readonly reason: string }

export type CheckEntriesOutput =
  | { readonly kind: 'checked'; readonly verdicts: readonly EntryVerdict[] }
  /** A signature or a hash does not hold: the sender has made it up or passed it on unchecked. */
  | { readonly kind: 'forged'; readonly reason: string }

export function checkEntries(input: CheckEntriesInput): JobResult<CheckEntriesOutput> {
  for (const set of input.sets) {
    if (!verify(set.nodeKey, changeSetContext, changeSetSigningBytes(input.folder, set), set.signature)) {
      return { output: { kind: 'forged', reason: 'a change set is not signed by the author it names' } }
    }
  }
  const verdicts: EntryVerdict[] = []
  for (const entry of input.entries) {
    const set = input.sets[entry.set]
    const hash = set?.hashes.subarray(entry.position * entryHashBytes, (entry.position + 1) * entryHashBytes)
    if (hash === undefined || !equalBytes(hash, blake3(entry.bytes))) {
      return { output: { kind: 'forged', reason: 'an entry is not one that its author signed' } }
    }
    verdicts.push(judgeEntry(entry.bytes, input.reading))
  }
  return { output: { kind: 'checked', verdicts } }
}

function judgeEntry(bytes: Uint8Array, reading: ReadingKeys | undefined): EntryVerdict {
  const entry = decodeEntry(bytes)
  if (entry === undefined) return { kind: 'unusable', reason: 'it is malformed or of a newer format' }
  if (reading === undefined) return { kind: 'sealed' }
  const meta = openEntryMeta(reading.metaKeys, entry)
  if (meta === undefined) return { kind: 'unusable', reason: 'its private part does not open, or names a path that is not allowed' }
  if (!equalBytes(entryIdOf(reading.nameKey, normalisePath(meta.path)), entry.entryId)) {
    return { kind: 'unusable', reason: 'its path is not the one its id was made from' }
  }
  return { kind: 'sound', depth: meta.path.split('/').length - 1, sizeBytes: meta.sizeBytes }
}
