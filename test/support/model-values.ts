// Values of the model made from fixed numbers: for golden bytes, for tables of what is refused, and as what a fuzzer damages.

import { present } from '../../engine/base/assert.ts'
import { createIdentity, type Identity } from '../../engine/crypto/identity.ts'
import type { ChangeSet } from '../../engine/model/change-set.ts'
import type { Entry } from '../../engine/model/entry.ts'
import { hashIdBytes, idVersion, parseBlockId, parseEntryId, type BlockId, type EntryId } from '../../engine/model/ids.ts'
import type { Meta } from '../../engine/model/meta.ts'
import { authorOf, pathOf } from './replicas.ts'

export const firstIdentity: Identity = createIdentity(new Uint8Array(32).fill(1))
export const secondIdentity: Identity = createIdentity(new Uint8Array(32).fill(2))

function idBytes(fill: number): Uint8Array {
  const bytes = new Uint8Array(hashIdBytes).fill(fill)
  bytes[0] = idVersion
  return bytes
}

export function blockIdOf(fill: number): BlockId {
  return present(parseBlockId(idBytes(fill)), 'a test block')
}

export function entryIdOf(fill: number): EntryId {
  return present(parseEntryId(idBytes(fill)), 'a test entry')
}

export const fileEntry: Entry = {
  entryId: entryIdOf(3),
  vector: [
    { author: authorOf(1), seq: 7 },
    { author: authorOf(2), seq: 300 },
  ],
  deleted: false,
  blocks: [
    { id: blockIdOf(5), storedBytes: 116 },
    { id: blockIdOf(6), storedBytes: 66 },
  ],
  epoch: 1,
  sealed: Uint8Array.of(9, 8, 7),
}

export const deletedEntry: Entry = { ...fileEntry, deleted: true, blocks: [] }

export const fileMeta: Meta = {
  path: pathOf('photos/2026/été.jpg'),
  kind: 'file',
  sizeBytes: 150,
  mtimeUs: 1_700_000_000_123_456,
  mode: 0o640,
  chunkClass: 2,
  blockKeys: new Uint8Array(64).fill(4),
  blockLengths: [100, 50],
  linkTarget: undefined,
  contentVector: [{ author: authorOf(1), seq: 6 }],
  editor: authorOf(1),
}

export const linkMeta: Meta = {
  ...fileMeta,
  path: pathOf('l'),
  kind: 'symlink',
  sizeBytes: 0,
  mtimeUs: -5,
  mode: 0,
  chunkClass: 0,
  blockKeys: new Uint8Array(0),
  blockLengths: [],
  linkTarget: '../elsewhere',
  contentVector: undefined,
  editor: undefined,
}

export const changeSet: ChangeSet = {
  nodeKey: firstIdentity.publicKey,
  incarnation: new Uint8Array(8).fill(2),
  firstSeq: 41,
  timeMs: 1_700_000_000_000,
  hashes: new Uint8Array(64).fill(6),
  signature: new Uint8Array(64).fill(7),
}
