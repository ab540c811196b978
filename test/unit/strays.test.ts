// Files in .holdfast/replaced without a row, looked at while changes are under way: one that a change has just put aside is not one.

import assert from 'node:assert/strict'
import { linkSync, renameSync, unlinkSync, writeFileSync } from 'node:fs'
import { describe, it } from 'node:test'

import { present } from '../../engine/base/assert.ts'
import type { Jobs } from '../../engine/base/jobs.ts'
import { silentLog } from '../../engine/base/log.ts'
import type { ItemRow } from '../../engine/index/item-table.ts'
import type { EngineJobs } from '../../engine/job-table.ts'
import { BlockList } from '../../engine/model/block-list.ts'
import { nodeClock } from '../../engine/platform/node-clock.ts'
import { nodeFiles } from '../../engine/platform/node-files.ts'
import { openThreadJobs } from '../../engine/platform/thread-jobs.ts'
import { entryIdOfPath } from '../../engine/sync/folder-handle.ts'
import { adoptStray, adoptStrays, expireStrays, noteStrays, type StrayParts } from '../../engine/sync/strays.ts'
import { FolderWorld } from '../support/folder-world.ts'
import { IndexNode, pathOf } from '../support/index-world.ts'

const { signal } = new AbortController()
const keptMs = 86_400_000

/** A folder with one file, of two blocks, that the index knows. */
class StrayWorld implements AsyncDisposable {
  readonly node: IndexNode = new IndexNode(0)
  readonly parts: StrayParts
  readonly #stack: AsyncDisposableStack
  readonly #folder: FolderWorld
  /** Right after the disk was looked at, before what was seen is written down. */
  afterLook: () => void = () => undefined

  private constructor(stack: AsyncDisposableStack, folder: FolderWorld) {
    this.#stack = stack
    this.#folder = folder
    const script = new URL('../../engine/worker.ts', import.meta.url)
    const threads = stack.use(openThreadJobs<EngineJobs>({ script, width: 1, log: silentLog }))
    const jobs: Jobs<EngineJobs> = {
      width: 1,
      run: async (name, input, options) => {
        const output = await threads.run(name, input, options)
        if (name === 'statPaths') this.afterLook()
        return output
      },
    }
    const { index, problems } = this.node
    this.parts = { index, jobs, handle: { ...this.node.handle, root: folder.root }, clock: nodeClock(), problems }
    writeFileSync(this.path('a'), 'onetwo')
    this.#put('one', 'two')
  }

  static async open(): Promise<StrayWorld> {
    const stack = new AsyncDisposableStack()
    return new StrayWorld(stack, stack.use(await FolderWorld.open()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
    this.node[Symbol.dispose]()
  }

  path(name: string): string {
    return `${this.#folder.root}/${name}`
  }

  get parkedNames(): readonly string[] {
    return this.#folder.namesIn('.holdfast/replaced')
  }

  get item(): ItemRow {
    return present(this.node.index.items.byPath(this.node.handle.row, 'a'), 'the file has an item')
  }

  get versions(): readonly (string | undefined)[] {
    return this.node.index.history.ofPath(this.node.handle.row, 'a', 10).map(({ parked }) => parked)
  }

  hasHome(text: string): boolean {
    return this.node.index.items.homeOf(this.node.handle.row, this.node.blocksOf(text).id(0)) !== undefined
  }

  /** As apply begins a replacement. */
  putAside(name: string): void {
    linkSync(this.path('a'), this.path(`.holdfast/replaced/${name}`))
  }

  /** As apply ends it. */
  replaceOnDisk(text: string): void {
    writeFileSync(this.path('.holdfast/temp/made'), text)
    renameSync(this.path('.holdfast/temp/made'), this.path('a'))
  }

  /** As the transaction after it. */
  commit(...texts: readonly string[]): void {
    this.#put(...texts)
  }

  #put(...texts: readonly string[]): void {
    const { index, handle } = this.node
    const stat = present(nodeFiles().lstat(this.path('a')), 'it is there')
    const { inode, mtimeUs, ctimeUs, mode, sizeBytes } = stat
    const previous = index.items.byPath(handle.row, 'a')
    const blocks = BlockList.pack(
      texts.map((text) => {
        const list = this.node.blocksOf(text)
        return { id: list.id(0), key: list.key(0), lengthBytes: list.lengthBytes(0) }
      }),
    )
    const seq = (previous?.vector[0]?.seq ?? 0) + 1
    const vector = [{ author: handle.authorId, seq }]
    const rest = { chunkClass: 1, isLeftover: false, vector, contentVector: undefined, linkTarget: undefined, sinceMs: 0, blocks }
    const item = { path: pathOf('a'), kind: 'file' as const, inode, mtimeUs, ctimeUs, mode, sizeBytes, ...rest }
    index.transact(() => index.items.put(handle.row, entryIdOfPath(handle, pathOf('a')), item, previous))
  }
}

describe('while a folder is at work', () => {
  it('what a change has put aside and not written down yet stays, whether the old file still has its name or not', async () => {
    await using world = await StrayWorld.open()
    world.putAside('0123')
    await noteStrays(world.parts, keptMs, signal)
    assert.deepEqual(world.parkedNames, ['0123'])
    world.replaceOnDisk('onethree')
    await noteStrays(world.parts, keptMs, signal)
    assert.deepEqual([world.parkedNames, world.versions, world.node.problems.all()], [['0123'], [], []])
    assert.ok(world.hasHome('one') && world.hasHome('two'))
  })

  it('a file that belongs to no version is told and left alone', async () => {
    await using world = await StrayWorld.open()
    writeFileSync(world.path('.holdfast/replaced/4567'), 'written to after it was put there')
    await noteStrays(world.parts, keptMs, signal)
    assert.deepEqual(
      world.node.problems.all().map(({ code }) => code),
      ['KEPT_ASIDE'],
    )
    unlinkSync(world.path('.holdfast/replaced/4567'))
    await noteStrays(world.parts, keptMs, signal)
    assert.deepEqual(world.node.problems.all(), [])
  })

  it('what a failed change put aside gets its row, and blocks that the next version has as well keep their home', async () => {
    await using world = await StrayWorld.open()
    world.putAside('89ab')
    world.replaceOnDisk('onethree')
    world.afterLook = () => world.commit('one', 'three')
    await adoptStray(world.parts, '89ab', signal)
    assert.deepEqual(world.versions, ['89ab'])
    assert.ok(world.hasHome('one') && world.hasHome('three'))
  })

  it('a file that belongs to no version goes when it is older than any version would be, one that belongs to an item stays', async () => {
    await using world = await StrayWorld.open()
    world.putAside('owned')
    writeFileSync(world.path('.holdfast/replaced/foreign'), 'of nobody')
    const after = (laterMs: number): StrayParts => ({ ...world.parts, clock: { ...nodeClock(), nowMs: () => Date.now() + laterMs } })
    await expireStrays(after(keptMs / 2), 0, signal) // a change under way has just put it there, whatever the settings say
    assert.deepEqual(world.parkedNames.toSorted(), ['foreign', 'owned'])
    await expireStrays(after(keptMs * 2), keptMs, signal)
    assert.deepEqual([world.parkedNames, world.node.problems.all()], [['owned'], []])
  })
})

describe('before a folder begins', () => {
  it('what a crash left aside gets its row, and its blocks are at home in no file any more', async () => {
    await using world = await StrayWorld.open()
    world.putAside('cdef')
    world.replaceOnDisk('onethree')
    await adoptStrays(world.parts, keptMs, signal)
    assert.deepEqual(world.versions, ['cdef'])
    assert.ok(!world.hasHome('one') && !world.hasHome('two'))
  })

  it('a second name of a file that still has its own goes', async () => {
    await using world = await StrayWorld.open()
    world.putAside('cdef')
    await adoptStrays(world.parts, keptMs, signal)
    assert.deepEqual([world.parkedNames, world.versions], [[], []])
    assert.ok(world.hasHome('one'))
  })

  it('a file that belongs to no version stays, however old the clock makes it', async () => {
    await using world = await StrayWorld.open()
    writeFileSync(world.path('.holdfast/replaced/foreign'), 'written to after it was put there')
    const clock = { ...nodeClock(), nowMs: () => Date.now() + 3650 * keptMs }
    await adoptStrays({ ...world.parts, clock }, keptMs, signal)
    assert.deepEqual(world.parkedNames, ['foreign'])
    assert.deepEqual(
      world.node.problems.all().map(({ code }) => code),
      ['KEPT_ASIDE'],
    )
  })
})
