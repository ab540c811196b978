// Letting go of a file here: only with enough proof by others, only while it is what was proven, and never so that it could count as deleted.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { present } from '../../engine/base/assert.ts'
import { utf8 } from '../../engine/base/bytes.ts'
import { EngineError } from '../../engine/base/errors.ts'
import { silentLog } from '../../engine/base/log.ts'
import { blockProof } from '../../engine/crypto/block-proof.ts'
import { sealBlock } from '../../engine/crypto/seal.ts'
import { dropParked } from '../../engine/disk/parked-jobs.ts'
import { shortKeyOf } from '../../engine/index/columns.ts'
import type { ItemRow } from '../../engine/index/item-table.ts'
import type { PeerId } from '../../engine/model/ids.ts'
import { nodeClock } from '../../engine/platform/node-clock.ts'
import { nodeFiles } from '../../engine/platform/node-files.ts'
import { entryIdOfPath, type FolderHandle } from '../../engine/sync/folder-handle.ts'
import { Free, type FreeParts, type Freed } from '../../engine/sync/free.ts'
import { commitFound, type FoundPath, type IngestOutcome } from '../../engine/sync/ingest-commit.ts'
import { sealPathMeta } from '../../engine/sync/ingest-job.ts'
import { publishBatch } from '../../engine/sync/publish-job.ts'
import { sealRanges } from '../../engine/transfer/seal-ranges-job.ts'
import { FolderWorld } from '../support/folder-world.ts'
import { IndexNode, pathOf } from '../support/index-world.ts'
import { SeededRandom } from '../support/seeded-random.ts'

const { signal } = new AbortController()
const [attic, cellar] = ['attic', 'cellar'] as unknown as readonly [PeerId, PeerId] // casts: names are enough here
const text = 'what three members have'

/** A folder with the file `note`, and members that say they have what they are told to have. */
class FreeWorld implements Disposable {
  readonly node: IndexNode = new IndexNode(0)
  readonly folder: FolderWorld
  readonly handle: FolderHandle
  readonly free: Free
  /** What each member really has of `note`; undefined: it does not answer. */
  readonly members: Map<PeerId, string | undefined> = new Map([
    [attic, text],
    [cellar, text],
  ])
  readonly stale: string[] = []
  readonly kept: string[] = []
  /** Whether the item was gone when a session began. */
  readonly sessions: boolean[] = []
  isOfOneTime = true
  /** Called when a member is asked. */
  asked: () => void = () => undefined
  /** Where the process ends: before the others are asked, or after the file was moved aside. */
  endsIn: 'sealRanges' | 'publishBatch' | undefined

  private constructor(folder: FolderWorld) {
    this.folder = folder
    this.handle = { ...this.node.handle, root: folder.root }
    this.free = new Free({
      index: this.node.index,
      jobs: this.#jobs(),
      handle: this.handle,
      clock: nodeClock(),
      random: new SeededRandom('free'),
      log: silentLog,
      others: {
        peers: () => [...this.members.keys()],
        claimed: () => (entry) => entry.entry.blocks.map(({ id }) => id),
        lease: async (peer, ids, nonce) => await this.#prove(peer, ids.length, nonce),
      },
      events: {
        beginSession: async () => {
          this.sessions.push(this.item === undefined && this.isElsewhere)
          return await Promise.resolve(this.isOfOneTime)
        },
        isBeingApplied: () => false,
        changed: () => undefined,
        stale: (paths) => void this.stale.push(...paths),
        keepParked: (path, parked) => void this.kept.push(`${path} ${parked}`),
      },
    })
  }

  static async open(): Promise<FreeWorld> {
    const world = new FreeWorld(await FolderWorld.open())
    world.folder.write('note', text)
    assert.equal(world.scan(text).written, 1)
    return world
  }

  /** What a walk makes of the path: `content` is what is there, read from the disk. */
  scan(content: string | undefined): IngestOutcome {
    return commitFound(this.node.index, this.handle, [this.#found(content)], 1)
  }

  get item(): ItemRow | undefined {
    return this.node.index.items.byPath(this.handle.row, 'note')
  }

  get isElsewhere(): boolean {
    return this.node.index.elsewhere.has(this.handle.row, entryIdOfPath(this.handle, pathOf('note')))
  }

  get isNeeded(): boolean {
    return this.node.index.needs.has(this.handle.row, shortKeyOf(entryIdOfPath(this.handle, pathOf('note'))))
  }

  async freeNote(copiesMin = 2): Promise<Freed> {
    return await this.free.free([pathOf('note')], copiesMin, signal)
  }

  /** By reason. */
  async refusals(): Promise<readonly string[]> {
    const { files, refused } = await this.freeNote()
    assert.equal(files, 0)
    return refused.map(({ reason, copies }) => `${reason} ${copies}`)
  }

  [Symbol.dispose](): void {
    this.folder[Symbol.dispose]()
    this.node[Symbol.dispose]()
  }

  async #prove(peer: PeerId, count: number, nonce: Uint8Array): Promise<readonly (Uint8Array | undefined)[]> {
    this.asked()
    const has = this.members.get(peer)
    if (has === undefined) throw new EngineError('PEER_UNREACHABLE', 'it is gone')
    const { sealed } = sealBlock(this.handle.jobKeys.sealKey, utf8(has))
    return await Promise.resolve(Array.from({ length: count }, () => blockProof(peer, nonce, sealed)))
  }

  #found(content: string | undefined): FoundPath {
    const path = pathOf('note')
    const { item } = this
    const stat = this.folder.files.lstat(`${this.folder.root}/note`)
    if (content === undefined || stat === undefined) return { path, item, found: { kind: 'missing' } }
    const facts = { path, kind: 'file' as const, stat, chunkClass: 1, blocks: this.node.blocksOf(content), linkTarget: undefined }
    return { path, item, found: { ...facts, sealed: sealPathMeta(this.handle.jobKeys, this.handle.authorId, facts) } }
  }

  #jobs(): FreeParts['jobs'] {
    const world = { files: nodeFiles() }
    const table = {
      sealRanges: (input: Parameters<typeof sealRanges>[0]) => {
        if (this.endsIn === 'sealRanges') throw new Error('the process ends here')
        return sealRanges(input, world)
      },
      publishBatch: async (input: Parameters<typeof publishBatch>[0]) => {
        const done = await publishBatch(input, world)
        if (this.endsIn === 'publishBatch') throw new Error('the process ends here')
        return done
      },
      dropParked: (input: Parameters<typeof dropParked>[0]) => dropParked(input, world),
    }
    const run = async (name: keyof typeof table, input: never): Promise<unknown> => (await table[name](input)).output
    return { width: 1, run } as unknown as FreeParts['jobs'] // cast: each name gives what its function does
  }
}

describe('a file that is freed', () => {
  it('is gone from the disk when two others proved it, has no item, and nothing of it is kept aside', async () => {
    using world = await FreeWorld.open()
    assert.deepEqual(await world.freeNote(), { files: 1, bytes: text.length, refused: [] })
    assert.deepEqual(world.folder.namesIn(''), ['.holdfast'])
    assert.deepEqual(world.folder.namesIn('.holdfast/replaced'), [])
    assert.deepEqual([world.item, world.isElsewhere, world.isNeeded], [undefined, true, false])
    assert.deepEqual(world.scan(undefined), { written: 0, adopted: 0, unflushed: [], again: [], hasNeeds: false })
  })

  it('is counted while it is freed, and not after that, whatever came of it', async () => {
    using world = await FreeWorld.open()
    const seen: unknown[] = []
    world.asked = () => void seen.push(world.free.progress)
    await world.free.free([pathOf('nothing'), pathOf('note')], 3, signal)
    const freeing = world.freeNote()
    const { filesDone, filesTotal, bytesFreed } = present(world.free.progress, 'it is under way')
    assert.deepEqual([filesDone, filesTotal, bytesFreed], [0, 1, 0])
    await freeing
    assert.deepEqual([seen.length, world.free.progress], [2, undefined])
  })

  it('is no item any more while the others are asked: what is asked of this node meanwhile, it has not', async () => {
    using world = await FreeWorld.open()
    const seen: unknown[] = []
    world.asked = () => void seen.push(world.item, world.isElsewhere, world.free.isAtWork('note'))
    await world.freeNote()
    assert.deepEqual(seen.slice(0, 3), [undefined, true, true])
    assert.equal(world.free.isAtWork('note'), false)
    assert.deepEqual(world.sessions, [true], 'an index that still has the item is of an earlier session')
  })

  it('is adopted again, and told to nobody, when all ends before it is known to be gone and it is not', async () => {
    using world = await FreeWorld.open()
    world.endsIn = 'sealRanges'
    await assert.rejects(world.freeNote())
    assert.deepEqual([world.item, world.isElsewhere, world.stale], [undefined, true, ['note']])
    assert.deepEqual(world.scan(text), { written: 0, adopted: 1, unflushed: ['note'], again: [], hasNeeds: false })
    assert.deepEqual([world.item?.kind, world.isElsewhere], ['file', false])
  })

  it('is not missed when all ends right after it went', async () => {
    using world = await FreeWorld.open()
    world.endsIn = 'publishBatch'
    await assert.rejects(world.freeNote())
    assert.equal(world.folder.files.lstat(`${world.folder.root}/note`), undefined)
    assert.deepEqual(world.scan(undefined), { written: 0, adopted: 0, unflushed: [], again: [], hasNeeds: false })
    assert.equal(world.isElsewhere, true)
  })
})

describe('a file stays, as it was,', () => {
  /** Nothing of the attempt is left, but that pull looks again whether a newer version came. */
  function assertStayed(world: FreeWorld, before: ItemRow, content: string): void {
    const { row: _, ...item } = present(world.item, 'it was put back')
    const { row: __, ...known } = before
    assert.deepEqual(item, known)
    assert.deepEqual([world.isElsewhere, world.isNeeded], [false, true])
    assert.equal(world.folder.read('note'), content)
  }

  const cases: readonly (readonly [string, (world: FreeWorld) => void, readonly string[]])[] = [
    ['when one of the two does not answer', ({ members }) => void members.set(cellar, undefined), ['NOT_PROVEN 1']],
    ['when one of the two has other bytes', ({ members }) => void members.set(cellar, 'rot'), ['NOT_PROVEN 1']],
  ]
  for (const [when, spoil, refusals] of cases) {
    it(when, async () => {
      using world = await FreeWorld.open()
      const before = present(world.item, 'it was scanned')
      spoil(world)
      assert.deepEqual(await world.refusals(), refusals)
      assertStayed(world, before, text)
    })
  }

  it('untouched when too few say that they have it', async () => {
    using world = await FreeWorld.open()
    const before = world.item
    world.members.delete(cellar)
    world.asked = () => assert.fail('nobody need be asked')
    assert.deepEqual(await world.refusals(), ['NOT_PROVEN 1'])
    assert.deepEqual([world.item, world.isElsewhere, world.isNeeded], [before, false, false])
  })

  it('when somebody edits it while the others are asked', async () => {
    using world = await FreeWorld.open()
    const before = present(world.item, 'it was scanned')
    world.asked = () => world.folder.write('note', 'edited in this moment')
    assert.deepEqual(await world.refusals(), ['CHANGED_HERE 0'])
    assertStayed(world, before, 'edited in this moment')
    assert.equal(world.scan('edited in this moment').written, 1)
    const entries = world.node.index.entries.siblings(world.handle.row, entryIdOfPath(world.handle, pathOf('note')))
    assert.equal(entries.length, 1, 'the edit has seen what it replaces')
  })

  it('when its bytes are not those that were recorded: nobody is asked about them', async () => {
    using world = await FreeWorld.open()
    world.asked = () => assert.fail('there is nothing that others could prove')
    world.folder.write('note', 'other bytes, and no hint told of them')
    assert.deepEqual(await world.refusals(), ['CHANGED_HERE 0'])
    assert.equal(world.folder.read('note'), 'other bytes, and no hint told of them')
  })

  it('when index and folder are of different times', async () => {
    using world = await FreeWorld.open()
    const before = present(world.item, 'it was scanned')
    world.isOfOneTime = false
    assert.deepEqual(await world.refusals(), ['NOT_IN_STEP 2'])
    assertStayed(world, before, text)
  })

  it('while it is not in step', async () => {
    using world = await FreeWorld.open()
    const { index } = world.node
    index.transact(() => index.needs.put(world.handle.row, shortKeyOf(entryIdOfPath(world.handle, pathOf('note'))), 0, 1))
    assert.deepEqual(await world.refusals(), ['NOT_IN_STEP 0'])
    assert.equal(world.folder.read('note'), text)
  })
})
