// When a parked file may go: its blocks are stored, or in a file that the disk has as the index says.

import assert from 'node:assert/strict'
import { unlinkSync } from 'node:fs'
import { describe, it } from 'node:test'

import { present } from '../../engine/base/assert.ts'
import { silentLog } from '../../engine/base/log.ts'
import { MemoryBlockStore } from '../../engine/blocks/memory-store.ts'
import type { EngineJobs } from '../../engine/job-table.ts'
import type { Item } from '../../engine/model/item.ts'
import { nodeClock } from '../../engine/platform/node-clock.ts'
import { nodeFiles } from '../../engine/platform/node-files.ts'
import { openThreadJobs } from '../../engine/platform/thread-jobs.ts'
import { Archive } from '../../engine/sync/archive.ts'
import { entryIdOfPath } from '../../engine/sync/folder-handle.ts'
import { FolderWorld } from '../support/folder-world.ts'
import { IndexNode, pathOf } from '../support/index-world.ts'

const { signal } = new AbortController()
const content = 'what two files held'
const parkedName = '0123'

/** A folder in which `copy` holds what the version of `note` held that is parked. */
class ArchiveWorld implements AsyncDisposable {
  readonly node: IndexNode = new IndexNode(0)
  readonly store: MemoryBlockStore = new MemoryBlockStore()
  readonly archive: Archive
  readonly stale: string[] = []
  readonly #stack: AsyncDisposableStack
  readonly #folder: FolderWorld

  private constructor(stack: AsyncDisposableStack, folder: FolderWorld) {
    this.#stack = stack
    this.#folder = folder
    const { node, store } = this
    const { index } = node
    const handle = { ...node.handle, root: folder.root }
    const script = new URL('../../engine/worker.ts', import.meta.url)
    const jobs = stack.use(openThreadJobs<EngineJobs>({ script, width: 1, log: silentLog }))
    const events = {
      stored: () => undefined,
      strayed: async () => await Promise.reject(new Error('the parked file is as it was noted')),
      stale: (paths: readonly string[]) => void this.stale.push(...paths),
    }
    this.archive = new Archive({ index, jobs, handle, store, clock: nodeClock(), log: silentLog, events, isWalked: () => true })
    folder.write('copy', content)
    folder.write(`.holdfast/replaced/${parkedName}`, content)
    const copy = this.#itemOf('copy')
    const how = { parked: parkedName, replacedMs: 1, isDeletion: false, author: undefined }
    index.transact(() => {
      index.items.put(handle.row, entryIdOfPath(handle, pathOf('copy')), copy, undefined)
      index.history.insert(handle.row, { ...copy, path: pathOf('note') }, how)
    })
  }

  static async open(): Promise<ArchiveWorld> {
    const stack = new AsyncDisposableStack()
    return new ArchiveWorld(stack, stack.use(await FolderWorld.open()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
    this.node[Symbol.dispose]()
  }

  /** A person deletes the copy, and no hint tells of it. */
  deleteCopy(): void {
    unlinkSync(`${this.#folder.root}/copy`)
  }

  /** Bytes of the copy change by themselves, and somebody has noticed. */
  spoilCopy(): void {
    const { index, handle } = this.node
    const known = present(index.items.byPath(handle.row, 'copy'), 'it has an item')
    index.transact(() => index.items.put(handle.row, entryIdOfPath(handle, pathOf('copy')), { ...known, isRotten: true }, known))
  }

  /** A walk finds that the copy is gone. */
  walk(): void {
    const { index, handle } = this.node
    index.transact(() => index.items.remove(present(index.items.byPath(handle.row, 'copy'), 'it has an item')))
  }

  get isParked(): boolean {
    return this.#folder.namesIn('.holdfast/replaced').includes(parkedName)
  }

  get isStored(): boolean {
    return this.store.has(this.node.handle.record.id, this.node.blocksOf(content).id(0))
  }

  #itemOf(name: string): Item {
    const stat = present(nodeFiles().lstat(`${this.#folder.root}/${name}`), 'it is there')
    const { inode, mtimeUs, ctimeUs, mode, sizeBytes } = stat
    const vector = [{ author: this.node.handle.authorId, seq: 1 }]
    const blocks = this.node.blocksOf(content)
    const rest = { chunkClass: 1, isLeftover: false, vector, contentVector: undefined, linkTarget: undefined, sinceMs: 0, blocks }
    return { path: pathOf(name), kind: 'file', inode, mtimeUs, ctimeUs, mode, sizeBytes, ...rest }
  }
}

describe('a parked file', () => {
  it('goes without a second copy when another file holds its content', async () => {
    await using world = await ArchiveWorld.open()
    await world.archive.settle(signal)
    assert.deepEqual([world.isParked, world.isStored, world.stale], [false, false, []])
  })

  it('stays while that other file is not as the index says, and is stored once the index knows', async () => {
    await using world = await ArchiveWorld.open()
    world.deleteCopy()
    await world.archive.settle(signal)
    assert.deepEqual([world.isParked, world.isStored, world.stale], [true, false, ['copy']])
    world.walk()
    await world.archive.settle(signal)
    assert.deepEqual([world.isParked, world.isStored], [false, true])
  })

  it('is stored when the other file holds bytes that nobody wrote', async () => {
    await using world = await ArchiveWorld.open()
    world.spoilCopy()
    await world.archive.settle(signal)
    assert.deepEqual([world.isParked, world.isStored], [false, true])
  })
})
