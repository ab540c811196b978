// Entries, their private parts, change sets and packed block lists: what is read back, and every field that is refused.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'

import { EngineError } from '../../engine/base/errors.ts'
import { BlockList, isPackedBlockList } from '../../engine/model/block-list.ts'
import { changeSetEntriesMax, changeSetSigningBytes, decodeChangeSet, encodeChangeSet } from '../../engine/model/change-set.ts'
import { decodeEntry, encodeEntry, glanceAtEntry, entryBlocksMax, entryBytesMax, storedBlockBytesMax } from '../../engine/model/entry.ts'
import { directoryOf, childPath, nameOf } from '../../engine/model/item.ts'
import { blockListOf, decodeMeta, encodeMeta } from '../../engine/model/meta.ts'
import { ChangeSetSchema, EntrySchema, MetaSchema, type ChangeSet, type Entry, type Meta } from '../../engine/model/wire/entry_pb.ts'
import { testFolder } from '../support/blocks.ts'
import { blockIdOf, changeSet, deletedEntry, fileEntry, fileMeta, linkMeta } from '../support/model-values.ts'

describe('an entry', () => {
  it('is read back as it was written', () => {
    for (const entry of [fileEntry, deletedEntry, { ...fileEntry, blocks: [] }]) assert.deepEqual(decodeEntry(encodeEntry(entry)), entry)
  })

  it('shows at a glance what decoding it tells, unknown fields or not', () => {
    const unknown = Uint8Array.of(0xa2, 0x06, 2, 0x20, 1) // field 100: what looks like a deletion, inside
    for (const entry of [fileEntry, deletedEntry, { ...fileEntry, blocks: [] }]) {
      for (const bytes of [encodeEntry(entry), Uint8Array.of(...unknown, ...encodeEntry(entry))]) {
        const { entryId, deleted, blocks } = glanceAtEntry(bytes)
        assert.deepEqual([entryId, deleted, blocks], [entry.entryId, entry.deleted, entry.blocks.length])
      }
    }
  })

  const wrong: readonly (readonly [string, (entry: Entry) => unknown])[] = [
    ['of a newer version', (entry) => (entry.version = 2)],
    ['without a version', (entry) => (entry.version = 0)],
    ['with a short id', (entry) => (entry.entryId = entry.entryId.subarray(1))],
    ['with an id of another form', (entry) => (entry.entryId = new Uint8Array(33))],
    ['without a vector', (entry) => (entry.vector = [])],
    ['with a vector out of order', (entry) => entry.vector.reverse()],
    ['with a block of another form', (entry) => entry.blocks.forEach((block) => (block.id = new Uint8Array(33)))],
    ['with an empty block', (entry) => entry.blocks.forEach((block) => (block.storedBytes = 0))],
    ['with a block over the limit', (entry) => entry.blocks.forEach((block) => (block.storedBytes = storedBlockBytesMax + 1))],
    ['that is deleted and has blocks', (entry) => (entry.deleted = true)],
    ['over the limit', (entry) => (entry.sealed = new Uint8Array(entryBytesMax))],
  ]
  for (const [what, spoil] of wrong) {
    it(`${what} is refused`, () => {
      const message = fromBinary(EntrySchema, encodeEntry(fileEntry))
      spoil(message)
      assert.equal(decodeEntry(toBinary(EntrySchema, create(EntrySchema, message))), undefined)
    })
  }
})

describe('a very large file', () => {
  it('scenario 81: a size and offsets far beyond 2^32 are exact, up to 2^53', () => {
    const blockBytes = 4 * 1024 * 1024
    const one = { id: blockIdOf(1), key: new Uint8Array(32), lengthBytes: blockBytes }
    const list = BlockList.pack(Array.from({ length: 300_000 }, () => one))
    assert.equal(list.totalBytes(), 300_000 * blockBytes) // 1.26 TB
    for (const sizeBytes of [2 ** 32 + 1, 2 ** 41 - 1, Number.MAX_SAFE_INTEGER]) {
      const meta = { ...linkMeta, kind: 'directory' as const, linkTarget: undefined, sizeBytes: 0, mtimeUs: sizeBytes }
      assert.equal(decodeMeta(encodeMeta(meta), [])?.mtimeUs, sizeBytes)
    }
  })

  it('scenario 81: with as many blocks as an entry may name fits into an entry', () => {
    const [block] = fileEntry.blocks
    assert.ok(block !== undefined)
    const blocks = Array.from({ length: entryBlocksMax }, () => ({ ...block, storedBytes: storedBlockBytesMax }))
    const lengths = Array.from({ length: entryBlocksMax }, () => storedBlockBytesMax - 16)
    const sealed = encodeMeta({ ...fileMeta, blockKeys: new Uint8Array(32 * entryBlocksMax), blockLengths: lengths, sizeBytes: 2 ** 45 })
    const bytes = encodeEntry({ ...fileEntry, blocks, sealed })
    assert.ok(bytes.length + 50_000 < entryBytesMax, `${bytes.length} bytes`)
    assert.equal(decodeEntry(bytes)?.blocks.length, entryBlocksMax)
  })
})

describe('an entry of a newer program', () => {
  it('scenario 94: fields that this one does not know are passed over, and kept in what is handed on', () => {
    const unknown = Uint8Array.of(0xfa, 0x3f, 3, 1, 2, 3) // field 1023, three bytes
    const bytes = Uint8Array.from([...encodeEntry(fileEntry), ...unknown])
    assert.deepEqual(decodeEntry(bytes), fileEntry)
  })
})

describe('the private part of an entry', () => {
  it('is read back as it was written', () => {
    assert.deepEqual(decodeMeta(encodeMeta(fileMeta), fileEntry.blocks), fileMeta)
    assert.deepEqual(decodeMeta(encodeMeta(linkMeta), []), linkMeta)
  })

  it('is of the blocks beside it only', () => {
    assert.equal(decodeMeta(encodeMeta(fileMeta), []), undefined)
    assert.equal(decodeMeta(encodeMeta(fileMeta), fileEntry.blocks.toReversed()), undefined)
    assert.equal(decodeMeta(encodeMeta(fileMeta), fileEntry.blocks.slice(1)), undefined)
    assert.equal(decodeMeta(encodeMeta(linkMeta), fileEntry.blocks), undefined)
  })

  it('gives the list of its blocks', () => {
    const list = blockListOf(fileEntry.blocks, fileMeta)
    assert.deepEqual([list.count, list.totalBytes(), list.lengthBytes(1)], [2, 150, 50])
    assert.deepEqual([list.id(0), list.key(1)], [blockIdOf(5), new Uint8Array(32).fill(4)])
  })

  const wrong: readonly (readonly [string, (meta: Meta) => unknown])[] = [
    ['of a newer version', (meta) => (meta.version = 2)],
    ['with content inlined', (meta) => (meta.inlineContent = Uint8Array.of(1))],
    ['of no kind', (meta) => (meta.kind = 0)],
    ['of an unknown kind', (meta) => (meta.kind = 4)],
    ['of another length than its blocks', (meta) => (meta.sizeBytes = 151n)],
    ['with a size past exact numbers', (meta) => (meta.sizeBytes = 2n ** 60n)],
    ['with a time past exact numbers', (meta) => (meta.mtimeUs = -(2n ** 60n))],
    ['with a mode that is none', (meta) => (meta.mode = 0o1000)],
    ['of an unknown chunk class', (meta) => (meta.chunkClass = 4)],
    ['with a key too few', (meta) => (meta.blockKeys = meta.blockKeys.subarray(32))],
    ['with part of a key', (meta) => (meta.blockKeys = meta.blockKeys.subarray(1))],
    ['with a length too many', (meta) => meta.blockLengths.push(0)],
    ['with lengths that its blocks do not have', (meta) => (meta.blockLengths = [50, 100])],
    ['of a file that is a link', (meta) => (meta.linkTarget = 'x')],
    ['of a directory with blocks', (meta) => (meta.kind = 2)],
    ['with a content vector out of order', (meta) => meta.contentVector.push(...meta.contentVector)],
    ['with an editor of another form', (meta) => (meta.editor = new Uint8Array(16))],
    ...['', '/a', 'a//b', '../a', 'a/..', '.', 'a\0b', '.holdfast/x', '.HOLDFAST', 'x'.repeat(256)].map(
      (path): readonly [string, (meta: Meta) => unknown] => [
        `with the path ${JSON.stringify(path.slice(0, 20))}`,
        (meta) => (meta.path = path),
      ],
    ),
  ]
  for (const [what, spoil] of wrong) {
    it(`${what} is refused`, () => {
      const message = fromBinary(MetaSchema, encodeMeta(fileMeta))
      spoil(message)
      assert.equal(decodeMeta(toBinary(MetaSchema, create(MetaSchema, message)), fileEntry.blocks), undefined)
    })
  }

  it('of a link is refused without a target, with one that no system takes, or with one over the limit', () => {
    for (const linkTarget of ['', 'a\0b', 'x'.repeat(4097)])
      assert.equal(decodeMeta(encodeMeta({ ...linkMeta, linkTarget }), []), undefined)
    assert.ok(decodeMeta(encodeMeta({ ...linkMeta, linkTarget: 'x'.repeat(4096) }), []) !== undefined)
  })
})

describe('a change set', () => {
  it('is read back as it was written', () => assert.deepEqual(decodeChangeSet(encodeChangeSet(changeSet)), changeSet))

  it('is signed for one folder, author, place and time only', () => {
    const signed = (folder: number, change: Partial<typeof changeSet> = {}): string =>
      String(changeSetSigningBytes(testFolder(folder), { ...changeSet, ...change }))
    const all = [
      signed(1),
      signed(2),
      signed(1, { firstSeq: 42 }),
      signed(1, { timeMs: 5 }),
      signed(1, { incarnation: new Uint8Array(8) }),
      signed(1, { hashes: new Uint8Array(64) }),
    ]
    assert.equal(new Set(all).size, all.length)
  })

  const wrong: readonly (readonly [string, (set: ChangeSet) => unknown])[] = [
    ['of a newer version', (set) => (set.version = 2)],
    ['with a short key', (set) => (set.nodeKey = new Uint8Array(31))],
    ['with a long incarnation', (set) => (set.incarnation = new Uint8Array(9))],
    ['that begins at zero', (set) => (set.firstSeq = 0n)],
    ['that ends past exact numbers', (set) => (set.firstSeq = 2n ** 53n - 1n)],
    ['with a time past exact numbers', (set) => (set.timeMs = 2n ** 60n)],
    ['without hashes', (set) => (set.hashes = new Uint8Array(0))],
    ['with part of a hash', (set) => (set.hashes = new Uint8Array(33))],
    ['with too many hashes', (set) => (set.hashes = new Uint8Array(32 * (changeSetEntriesMax + 1)))],
    ['with a short signature', (set) => (set.signature = new Uint8Array(63))],
  ]
  for (const [what, spoil] of wrong) {
    it(`${what} is refused`, () => {
      const message = fromBinary(ChangeSetSchema, encodeChangeSet(changeSet))
      spoil(message)
      assert.equal(decodeChangeSet(toBinary(ChangeSetSchema, create(ChangeSetSchema, message))), undefined)
    })
  }
})

describe('a packed block list', () => {
  const block = fc.record(
    {
      id: fc.nat(255).map(blockIdOf),
      key: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      lengthBytes: fc.nat(2 ** 32 - 1),
    },
    { noNullPrototype: true },
  )

  it('gives back what was packed', () => {
    fc.assert(
      fc.property(fc.array(block, { maxLength: 5 }), (blocks) => {
        const list = BlockList.pack(blocks)
        assert.ok(isPackedBlockList(list.bytes))
        assert.deepEqual(
          Array.from({ length: list.count }, (_, at) => ({ id: list.id(at), key: list.key(at), lengthBytes: list.lengthBytes(at) })),
          blocks,
        )
        assert.equal(
          list.totalBytes(),
          blocks.reduce((total, { lengthBytes }) => total + lengthBytes, 0),
        )
        // As a view somewhere in a larger buffer.
        const shifted = new Uint8Array(list.bytes.length + 3)
        shifted.set(list.bytes, 3)
        assert.ok(new BlockList(shifted.subarray(3)).equals(list))
      }),
      { seed: 1 },
    )
  })

  it('is whole records', () => {
    assert.equal(isPackedBlockList(new Uint8Array(67)), false)
    assert.throws(() => new BlockList(new Uint8Array(67)), EngineError)
  })
})

describe('the place of an item', () => {
  for (const [path, directory, name] of [
    ['a', '', 'a'],
    ['a/b', 'a', 'b'],
    ['a/b/c.d', 'a/b', 'c.d'],
  ] as const) {
    it(`${path} is ${name} in '${directory}'`, () => {
      assert.deepEqual([directoryOf(path), nameOf(path), childPath(directory, name)], [directory, name, path])
    })
  }
})
