// What a node knows of its folder now, read from a copy of its index: which blocks its entries and its history refer to, whose receipts it has,
// whom it has audited.

import { bytesKey } from '../../engine/base/bytes.ts'
import { deriveEpochKeys } from '../../engine/crypto/keys.ts'
import type { AuditRow } from '../../engine/index/audit-table.ts'
import { openIndex } from '../../engine/index/index-store.ts'
import type { BlockList } from '../../engine/model/block-list.ts'
import type { FolderRecord, HostedRecord } from '../../engine/model/folder.ts'
import type { PeerId } from '../../engine/model/ids.ts'
import { blockListOf } from '../../engine/model/meta.ts'
import type { VersionVector } from '../../engine/model/vector.ts'
import { parseReceipt } from '../../engine/replicas/receipt.ts'
import { openEntryMeta } from '../../engine/sync/versions.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import type { SimNode } from './node.ts'

/** A block of a file as readers know it. */
export interface KnownBlock {
  /** `bytesKey` of its id. */
  readonly block: string
  readonly key: Uint8Array
  readonly offset: number
  readonly lengthBytes: number
}

/** A current entry with content. */
export interface KnownFile {
  /** Empty where names cannot be read. */
  readonly path: string
  /** `bytesKey` of the entry's id. */
  readonly entry: string
  /** Which version this is: nobody gives the same name to two. */
  readonly version: string
  readonly vector: VersionVector
  readonly sizeBytes: number
  readonly blocks: readonly KnownBlock[]
}

export interface Knowledge {
  readonly files: readonly KnownFile[]
  /** Current versions of an entry, by its id. */
  readonly versions: ReadonlyMap<string, ReadonlyMap<string, VersionVector>>
  /** Entries whose files this node does not keep. */
  readonly elsewhere: ReadonlySet<string>
  /** That current entries refer to. */
  readonly currentBlocks: ReadonlySet<string>
  /** Versions kept in the history. */
  readonly past: readonly Pick<KnownFile, 'path' | 'blocks'>[]
  /** Editions of receipts, by whose they are. */
  readonly editions: ReadonlyMap<PeerId, number>
  /** Whose last word is that they took the folder off. */
  readonly leavers: ReadonlySet<PeerId>
  readonly auditOf: (peer: PeerId) => AuditRow | undefined
}

const pastMax = 10_000

/** A block for people. */
export function shortly(block: string): string {
  return Buffer.from(block, 'latin1').toString('hex').slice(2, 12)
}

/** undefined while the node has no folder. */
export function knowledgeOf(node: SimNode): Knowledge | undefined {
  if (node.database.sizeBytes === 0) return undefined
  return node.database.readCopy((path) => {
    using index = openIndex(path, new SeededRandom('a copy that nobody sees'))
    const folder = index.folders.all()[0] ?? index.folders.hosted()[0]
    return folder === undefined ? undefined : read(index, folder)
  })
}

function read(index: ReturnType<typeof openIndex>, folder: FolderRecord | HostedRecord): Knowledge {
  const metaKeys =
    'secrets' in folder ? folder.secrets.epochs.map(({ epoch, secret }) => ({ epoch, metaKey: deriveEpochKeys(secret).metaKey })) : []
  const authors = new Map(index.entries.authors(folder.row).map(({ row, authorId }) => [row, bytesKey(authorId)]))
  const files: KnownFile[] = []
  const versions = new Map<string, Map<string, VersionVector>>()
  for (const { entry, author, seq } of index.entries.page(folder.row, 0, Number.MAX_SAFE_INTEGER)) {
    const version = `${authors.get(author)} ${seq}`
    const entryKey = bytesKey(entry.entryId)
    versions.set(entryKey, (versions.get(entryKey) ?? new Map<string, VersionVector>()).set(version, entry.vector))
    if (entry.deleted || entry.blocks.length === 0) continue
    const meta = openEntryMeta(metaKeys, entry)
    const list = meta === undefined ? undefined : blockListOf(entry.blocks, meta)
    let offset = 0
    const blocks = entry.blocks.map(({ id }, at) => {
      const lengthBytes = list?.lengthBytes(at) ?? 0
      const known = { block: bytesKey(id), key: list?.key(at) ?? new Uint8Array(0), offset, lengthBytes }
      offset += lengthBytes
      return known
    })
    files.push({ path: meta?.path ?? '', entry: entryKey, version, vector: entry.vector, sizeBytes: meta?.sizeBytes ?? 0, blocks })
  }
  const past = index.history.below(folder.row, '', pastMax)
  const receipts = index.receipts.all(folder.row)
  return {
    files,
    versions,
    elsewhere: new Set(index.elsewhere.page(folder.row, undefined, pastMax).map(({ entryId }) => bytesKey(entryId))),
    currentBlocks: new Set(files.flatMap(({ blocks }) => blocks.map(({ block }) => block))),
    past: past.map(({ path, blocks }) => ({ path, blocks: blocksIn(blocks) })),
    editions: new Map(receipts.map(({ peer, edition }) => [peer, edition])),
    leavers: new Set(receipts.flatMap(({ peer, bytes }) => (parseReceipt(bytes, folder.id)?.hasLeft === true ? [peer] : []))),
    ...auditsOf(index, folder.row),
  }
}

function blocksIn(list: BlockList): readonly KnownBlock[] {
  let offset = 0
  return Array.from({ length: list.count }, (_, at) => {
    const lengthBytes = list.lengthBytes(at)
    const block = { block: bytesKey(list.id(at)), key: list.key(at), offset, lengthBytes }
    offset += lengthBytes
    return block
  })
}

/** Read at once: the copy is gone when it is asked for. */
function auditsOf(index: ReturnType<typeof openIndex>, row: number): Pick<Knowledge, 'auditOf'> {
  const audits = new Map(index.receipts.all(row).map(({ peer }) => [peer, index.audits.get(row, peer)]))
  return { auditOf: (peer) => audits.get(peer) }
}
