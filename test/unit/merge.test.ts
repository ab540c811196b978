// What a node writes of paths in trouble: a directory that lives again, a content that is lost, and the merge of what is left.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { present } from '../../engine/base/assert.ts'
import { utf8 } from '../../engine/base/bytes.ts'
import { MemoryBlockStore } from '../../engine/blocks/memory-store.ts'
import { sealBlock } from '../../engine/crypto/seal.ts'
import { shortKeyOf } from '../../engine/index/columns.ts'
import { removalRank } from '../../engine/index/need-table.ts'
import { BlockList } from '../../engine/model/block-list.ts'
import { decodeEntry } from '../../engine/model/entry.ts'
import type { EntryKind } from '../../engine/model/meta.ts'
import { compareVectors, joinVectors, type VersionVector } from '../../engine/model/vector.ts'
import type { Network } from '../../engine/net/network.ts'
import { writeEntries, type EntryDraft } from '../../engine/sync/author.ts'
import { entryIdOfPath } from '../../engine/sync/folder-handle.ts'
import { reviveDirectory, writeLoss, writeMerges } from '../../engine/sync/merge.ts'
import { withoutLost, type HoldParts } from '../../engine/sync/merge-hold.ts'
import { resolveVersions } from '../../engine/sync/reconcile.ts'
import { openEntryMeta, openVersions, type OpenedVersion } from '../../engine/sync/versions.ts'
import { Fetcher } from '../../engine/transfer/fetch.ts'
import { stillClock, testRandom } from '../support/blocks.ts'
import { IndexNode, pathOf } from '../support/index-world.ts'

const timeMs = 1_700_000_000_000

/** The node under test, and another whose entries it has as if they had been received. */
class Pair implements Disposable {
  readonly node: IndexNode = new IndexNode(0)
  readonly other: IndexNode = new IndexNode(1)

  /** As receiveBatch stores it: whatever `entry` has seen goes. */
  hear(draft: EntryDraft): VersionVector {
    const { other, node } = this
    const written = other.index.transact(() => writeEntries(other.index, other.handle, [draft], timeMs))
    const row = present(other.index.entries.siblings(other.handle.row, draft.entryId).at(-1), 'just written')
    node.index.transact(() => {
      const { record, identity } = other.handle
      const author = node.index.entries.ensureAuthor(node.handle.row, other.handle.authorId, identity.publicKey, record.incarnation)
      for (const sibling of node.index.entries.siblings(node.handle.row, draft.entryId)) {
        if (compareVectors(sibling.entry.vector, row.entry.vector) === 'before') node.index.entries.remove(sibling.rowSeq)
      }
      node.index.entries.insert(node.handle.row, row.entry, row.bytes, author.row, row.seq)
    })
    return present(written[0], 'one draft').vector
  }

  [Symbol.dispose](): void {
    this.node[Symbol.dispose]()
    this.other[Symbol.dispose]()
  }
}

function versionsAt({ index, handle }: IndexNode, path: string): readonly OpenedVersion[] {
  return openVersions(handle.reading.metaKeys, index.entries.siblings(handle.row, entryIdOfPath(handle, pathOf(path))))
}

function isNeeded({ index, handle }: IndexNode, path: string): boolean {
  return index.needs.has(handle.row, shortKeyOf(entryIdOfPath(handle, pathOf(path))))
}

/** All paths with a current version that lives. */
function livePaths(node: IndexNode): readonly string[] {
  node.flush()
  const entries = node.index.entries.after(node.handle.row, 0, 1000).map(({ bytes }) => present(decodeEntry(bytes), 'an entry'))
  const living = entries.filter((entry) => !entry.deleted)
  return living
    .map((entry) => present(openEntryMeta(node.handle.reading.metaKeys, entry), 'its own'))
    .map(({ kind, path }) => `${kind} ${path}`)
    .toSorted()
}

/** What is on the disk here. */
function apply(node: IndexNode, path: string, kind: EntryKind, vector: VersionVector, mode: number, text = ''): void {
  const blocks = text === '' ? BlockList.empty : node.blocksOf(text)
  const stat = { kind, sizeBytes: text.length, mtimeUs: 1, ctimeUs: 1, inode: 1, mode, chunkClass: 1, isLeftover: false, sinceMs: 0 }
  const item = { ...stat, path: pathOf(path), vector, contentVector: undefined, blocks, linkTarget: undefined }
  node.index.transact(() => node.index.items.put(node.handle.row, entryIdOfPath(node.handle, pathOf(path)), item, undefined))
}

function mergeAt(node: IndexNode, path: string): void {
  writeMerges(node.index, node.handle, [{ versions: versionsAt(node, path), kind: 'join' }], timeMs)
}

describe('a directory that is to live again', () => {
  it('has seen the deletion, and is needed here', () => {
    using pair = new Pair()
    const { node, other } = pair
    const deletion = pair.hear(other.draft('d', undefined, node.write('d', 'once a file').vector))
    reviveDirectory(node.index, node.handle, pathOf('d'), timeMs)
    const [version, ...others] = versionsAt(node, 'd')
    assert.deepEqual([version?.state?.kind, version?.state?.mode, others.length], ['directory', 0o755, 0])
    assert.equal(compareVectors(deletion, version?.vector ?? []), 'before')
    assert.ok(isNeeded(node, 'd'))
  })

  it('is a path like any other where nothing is known of it', () => {
    using node = new IndexNode(0)
    reviveDirectory(node.index, node.handle, pathOf('d'), timeMs)
    assert.deepEqual(livePaths(node), ['directory d'])
  })

  it('keeps the mode that it has on the disk, and outlives the deletion that did not know of it', () => {
    using pair = new Pair()
    const { node, other } = pair
    reviveDirectory(node.index, node.handle, pathOf('d'), timeMs)
    const { vector } = present(versionsAt(node, 'd')[0], 'just written')
    apply(node, 'd', 'directory', vector, 0o700)
    pair.hear(other.draft('d', undefined, vector))
    assert.deepEqual(livePaths(node), [])
    reviveDirectory(node.index, node.handle, pathOf('d'), timeMs)
    assert.equal(versionsAt(node, 'd').length, 2, 'the two are for the ordinary rule')
    mergeAt(node, 'd')
    assert.deepEqual(
      versionsAt(node, 'd').map(({ state }) => [state?.kind, state?.mode]),
      [['directory', 0o700]],
    )
  })

  it('leaves a copy of a file that this node itself put under the name', () => {
    using node = new IndexNode(0)
    const { vector } = node.write('d', 'my own')
    apply(node, 'd', 'file', vector, 0o644)
    reviveDirectory(node.index, node.handle, pathOf('d'), timeMs)
    const [directory, copy, ...others] = livePaths(node)
    assert.deepEqual([directory, others.length], ['directory d', 0])
    assert.match(copy ?? '', /^file d\.conflict-/u)
    assert.ok(isNeeded(node, (copy ?? '').slice('file '.length)))
  })

  for (const [what, isDirectoryHere] of [
    ['that others put under the name', false],
    ['that others put in its place', true],
  ] as const) {
    it(`stands beside a file ${what}, which gets its conflict copy`, () => {
      using pair = new Pair()
      const { node, other } = pair
      let base: VersionVector = []
      if (isDirectoryHere) {
        reviveDirectory(node.index, node.handle, pathOf('d'), timeMs)
        base = present(versionsAt(node, 'd')[0], 'just written').vector
        apply(node, 'd', 'directory', base, 0o755)
      }
      pair.hear(other.draft('d', 'a file', base))
      assert.deepEqual(livePaths(node), ['file d'])
      reviveDirectory(node.index, node.handle, pathOf('d'), timeMs)
      assert.deepEqual(livePaths(node), ['directory d', 'file d'])
      mergeAt(node, 'd')
      const [directory, copy, ...others] = livePaths(node)
      assert.deepEqual([directory, others.length], ['directory d', 0])
      assert.match(copy ?? '', /^file d\.conflict-/u)
      const copied = present(versionsAt(node, (copy ?? '').slice('file '.length))[0], 'the copy')
      assert.ok(copied.state?.blocks.equals(node.blocksOf('a file')))
    })
  }

  it('does not take the place of a file that is on the disk here', () => {
    using pair = new Pair()
    const { node, other } = pair
    const vector = pair.hear(other.draft('d', 'a file', []))
    apply(node, 'd', 'file', vector, 0o644, 'a file')
    reviveDirectory(node.index, node.handle, pathOf('d'), timeMs)
    if (versionsAt(node, 'd').length > 1) mergeAt(node, 'd')
    assert.equal(livePaths(node).length, 2, `the file is gone, only ${livePaths(node).join()} is left`)
  })
})

const refuse = (): never => {
  throw new Error('what is lost is a matter of rows and the store')
}

function holdParts(node: IndexNode, store: MemoryBlockStore): HoldParts {
  const network: Network = {
    self: node.peer,
    addresses: refuse,
    connectedPeers: refuse,
    peerAddresses: refuse,
    connect: refuse,
    disconnect: refuse,
    open: refuse,
    serve: refuse,
    onEvent: refuse,
    traffic: refuse,
    [Symbol.asyncDispose]: async () => await Promise.resolve(),
  }
  const fetcher = new Fetcher({ network, accessKey: new Uint8Array(32), clock: stillClock, random: testRandom })
  return { index: node.index, handle: node.handle, store, fetcher, jobs: { width: 1, run: refuse } }
}

async function storeText(node: IndexNode, store: MemoryBlockStore, text: string): Promise<void> {
  const { id, sealed } = sealBlock(node.handle.jobKeys.sealKey, utf8(text))
  await store.put([{ folder: node.handle.record.id, id, bytes: sealed }])
}

describe('a content that this node wrote', () => {
  it('is lost when neither the store nor a file here has it', () => {
    using node = new IndexNode(0)
    node.write('a', 'one')
    const left = withoutLost(holdParts(node, new MemoryBlockStore()), versionsAt(node, 'a'), () => true)
    const [version, ...others] = present(left, 'something is lost')
    assert.deepEqual([version?.state, others.length], [undefined, 0])
    assert.deepEqual(version?.contentVector, version?.vector)
  })

  it('is not lost while somebody may have it', () => {
    using node = new IndexNode(0)
    node.write('a', 'one')
    assert.equal(
      withoutLost(holdParts(node, new MemoryBlockStore()), versionsAt(node, 'a'), () => false),
      undefined,
    )
  })

  const kept: readonly (readonly [string, (pair: Pair, store: MemoryBlockStore) => Promise<void> | void])[] = [
    [
      'when the store has it',
      async ({ node }, store) => {
        node.write('a', 'one')
        await storeText(node, store, 'one')
      },
    ],
    [
      'when a file here has it, under whatever name',
      ({ node }) => {
        apply(node, 'b', 'file', node.write('a', 'one').vector, 0o644, 'one')
      },
    ],
    ['when another wrote it, who may still have it', (pair) => void pair.hear(pair.other.draft('a', 'one', []))],
    ['when it is empty', ({ node }) => void node.write('a', '')],
    ['when it is deleted anyway', ({ node }) => void node.write('a', undefined)],
  ]
  for (const [when, prepare] of kept) {
    it(`is not lost ${when}`, async () => {
      using pair = new Pair()
      const store = new MemoryBlockStore()
      await prepare(pair, store)
      const versions = versionsAt(pair.node, 'a')
      assert.equal(versions.length, 1)
      assert.equal(
        withoutLost(holdParts(pair.node, store), versions, () => true),
        undefined,
      )
    })
  }

  it('gives way to what others made of the path when it is lost, without a conflict copy', () => {
    using pair = new Pair()
    const { node, other } = pair
    const lost = node.write('a', 'one')
    const theirs = pair.hear(other.draft('a', 'two', []))
    const versions = versionsAt(node, 'a')
    const before = resolveVersions(versions)
    assert.ok(before.kind === 'merge' && before.losers.length === 1, 'unless it is lost there is a copy')
    const left = present(
      withoutLost(holdParts(node, new MemoryBlockStore()), versions, () => true),
      'something is lost',
    )
    writeMerges(node.index, node.handle, [{ versions: left, kind: 'change' }], timeMs)
    const [version, ...others] = versionsAt(node, 'a')
    assert.equal(others.length, 0)
    assert.ok(version?.state?.blocks.equals(node.blocksOf('two')))
    assert.deepEqual(livePaths(node), ['file a'])
    // Members that do not know of the loss join the two otherwise: this has to be a version of its own, after theirs.
    const joined = before.kind === 'merge' ? before.merged.vector : []
    assert.equal(compareVectors(joined, version?.vector ?? []), 'before')
    for (const vector of [lost.vector, theirs]) assert.equal(compareVectors(vector, version?.vector ?? []), 'before')
    assert.ok(isNeeded(node, 'a'))
  })

  it('is said to be gone when it was the only one: a deletion that has seen it', () => {
    using node = new IndexNode(0)
    const lost = node.write('a', 'one')
    writeLoss(node.index, node.handle, present(versionsAt(node, 'a')[0], 'just written'), timeMs)
    const [version, ...others] = versionsAt(node, 'a')
    assert.deepEqual([version?.state, others.length], [undefined, 0])
    assert.deepEqual(version?.editor, node.handle.authorId)
    assert.equal(compareVectors(lost.vector, version?.vector ?? []), 'before')
    const needs = node.index.needs.ready(node.handle.row, { rank: -1, pathKey: Number.MAX_SAFE_INTEGER }, Number.MAX_SAFE_INTEGER, 0, 10)
    assert.ok(needs.length === 1 && (needs[0]?.rank ?? 0) >= removalRank, 'the file goes here as well, should there be one')
  })

  it('that is said to be gone does not take an edit with it that somebody made meanwhile', () => {
    using pair = new Pair()
    const { node, other } = pair
    const lost = node.write('a', 'one')
    writeLoss(node.index, node.handle, present(versionsAt(node, 'a')[0], 'just written'), timeMs)
    pair.hear(other.draft('a', 'two', lost.vector))
    mergeAt(node, 'a')
    const [version, ...others] = versionsAt(node, 'a')
    assert.equal(others.length, 0)
    assert.ok(version?.state?.blocks.equals(node.blocksOf('two')))
  })
})

describe('versions that are brought together', () => {
  it('give way to what came while their contents were fetched, even under the vector that the outcome would have', () => {
    using pair = new Pair()
    const { node, other } = pair
    const mine = node.write('a', 'one')
    const theirs = pair.hear(other.draft('a', 'two', []))
    const seen = versionsAt(node, 'a')
    // Another member brought them together before, knowing of one more version: the same vector, other bytes.
    const joined = joinVectors(mine.vector, theirs)
    pair.hear({ ...other.draft('a', 'three', joined), kind: 'join' })
    assert.deepEqual(writeMerges(node.index, node.handle, [{ versions: seen, kind: 'join' }], timeMs), [])
    const [version, ...others] = versionsAt(node, 'a')
    assert.equal(others.length, 0)
    assert.equal(compareVectors(joined, version?.vector ?? []), 'equal')
    assert.ok(version?.state?.blocks.equals(node.blocksOf('three')))
    assert.deepEqual(livePaths(node), ['file a'])
  })
})
