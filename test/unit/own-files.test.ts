// A person's own files: they count as held once they are on the device, and waiting for that costs one look at what is new.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { present } from '../../engine/base/assert.ts'
import { fromUtf8, utf8 } from '../../engine/base/bytes.ts'
import { silentLog } from '../../engine/base/log.ts'
import { OwnFiles } from '../../engine/compose/own-files.ts'
import { flushFiles, type FlushFilesInput, type FlushFilesOutput } from '../../engine/disk/flush-files-job.ts'
import { DiskFaults, Gate } from '../sim/disk-gate.ts'
import { SimDisk } from '../sim/disk.ts'
import { SimFiles } from '../sim/files.ts'
import { Life } from '../sim/life.ts'
import { SimUser } from '../sim/user.ts'
import { never, stillClock } from '../support/blocks.ts'
import { pass } from '../support/exchange-pass.ts'
import { IndexNode, pathOf } from '../support/index-world.ts'
import { SeededRandom } from '../support/seeded-random.ts'

class Stage implements Disposable {
  readonly node: IndexNode = new IndexNode(1)
  /** What was flushed, in turn: paths, or a whole tree. */
  readonly flushed: (readonly string[] | 'tree')[] = []
  readonly failing: Set<string> = new Set<string>()
  hasTree: boolean = true
  /** While files are flushed. */
  meanwhile: () => void = () => undefined
  own: OwnFiles

  constructor() {
    this.node.index.folders.setUnflushed(this.node.handle.row, false)
    this.own = this.open()
  }

  /** As a new process does. */
  open(): OwnFiles {
    const { index, handle } = this.node
    const jobs = {
      width: 1,
      run: async (_name: string, { paths }: FlushFilesInput): Promise<FlushFilesOutput> => {
        this.flushed.push(paths)
        this.meanwhile()
        const failed = paths.filter((path) => this.failing.has(path))
        return await Promise.resolve({ failed, error: failed.length > 0 ? 'the disk reported an error' : undefined })
      },
    }
    const flush = async (): Promise<boolean> => {
      if (this.hasTree) this.flushed.push('tree')
      return await Promise.resolve(this.hasTree)
    }
    this.own = new OwnFiles({ index, handle, world: { clock: stillClock, log: silentLog, jobs, treeFlush: { filesMin: 256, flush } } })
    return this.own
  }

  /** A person saves these, and ingest finds them. */
  save(...paths: readonly string[]): void {
    for (const path of paths) this.node.putFile(path)
    this.found(...paths)
  }

  found(...paths: readonly string[]): void {
    this.node.index.folders.setUnflushed(this.node.handle.row, true)
    this.own.note(paths.map(pathOf))
  }

  get isMarked(): boolean {
    return this.node.index.folders.isUnflushed(this.node.handle.row)
  }

  async unflushed(): Promise<unknown> {
    const seqs = await this.own.unflushedSeqs(never)
    return seqs === undefined ? 'unknown' : [...seqs.values()].flat()
  }

  [Symbol.dispose](): void {
    this.node[Symbol.dispose]()
  }
}

describe('files that people wrote', () => {
  it('are flushed once, and do not count until then', async () => {
    using stage = new Stage()
    stage.save('a', 'b/c')
    assert.deepEqual(await stage.unflushed(), [1, 2])
    assert.equal(stage.own.isUnflushed('a'), true)
    await stage.own.settle(never)
    assert.deepEqual(await stage.unflushed(), [])
    assert.equal(stage.own.isUnflushed('a'), false)
    await stage.own.settle(never)
    assert.deepEqual(stage.flushed, [['a', 'b/c']])
    stage.found('a') // the same bytes, in another file
    await stage.own.settle(never)
    assert.deepEqual(stage.flushed.at(-1), ['a'])
  })

  it("do not count when they are the content of another member's entry, copied in", async () => {
    using stage = new Stage()
    using other = new IndexNode(2)
    other.write('copied', 'copied')
    await pass(other, stage.node)
    assert.deepEqual(await stage.unflushed(), [])
    stage.found('copied')
    const theirs = present(stage.node.index.entries.author(stage.node.handle.row, other.handle.authorId), 'it is known')
    assert.deepEqual(await stage.own.unflushedSeqs(never), new Map([[theirs.row, [1]]]))
    await stage.own.settle(never)
    assert.deepEqual(await stage.unflushed(), [])
  })

  it('are flushed again where they were found anew while they were flushed', async () => {
    using stage = new Stage()
    stage.save('a', 'b')
    stage.meanwhile = () => stage.found('b', 'c')
    await stage.own.settle(never)
    assert.deepEqual(
      ['a', 'b', 'c'].map((path) => stage.own.isUnflushed(path)),
      [false, true, true],
    )
    assert.equal(stage.isMarked, true)
    stage.meanwhile = () => undefined
    await stage.own.settle(never)
    assert.deepEqual(stage.flushed, [
      ['a', 'b'],
      ['b', 'c'],
    ])
  })

  it('are flushed with all of the drive where there are many, and one by one where that cannot be had', async () => {
    using stage = new Stage()
    const many = Array.from({ length: 700 }, (_, at) => `f${at}`)
    stage.found(...many)
    await stage.own.settle(never)
    assert.deepEqual(stage.flushed, ['tree'])
    stage.flushed.length = 0
    stage.hasTree = false
    stage.found(...many)
    await stage.own.settle(never)
    assert.equal(new Set(stage.flushed.flat()).size, 700)
    assert.ok(stage.flushed.every((paths) => paths.length <= 256))
  })

  it('that are more than can be named let nothing be said until the tree is flushed', async () => {
    using stage = new Stage()
    stage.found(...Array.from({ length: 10_001 }, (_, at) => `f${at}`))
    assert.equal(await stage.unflushed(), 'unknown')
    assert.equal(stage.own.isUnflushed('another'), true)
    await stage.own.settle(never)
    assert.deepEqual(await stage.unflushed(), [])
  })

  it('of which one could not be flushed do not count, and are tried again, while the others do', async () => {
    using stage = new Stage()
    stage.save('a', 'bad', 'c')
    stage.failing.add('bad')
    await stage.own.settle(never)
    assert.deepEqual(await stage.unflushed(), [2])
    assert.equal(stage.isMarked, true)
    stage.failing.clear()
    await stage.own.settle(never)
    assert.deepEqual(stage.flushed.at(-1), ['bad'])
    assert.deepEqual(await stage.unflushed(), [])
    assert.equal(stage.isMarked, false)
  })

  it('of an earlier process are flushed before anything is said, unless that had flushed all', async () => {
    using stage = new Stage()
    stage.save('a')
    stage.open()
    assert.equal(await stage.unflushed(), 'unknown')
    await stage.own.settle(never)
    assert.deepEqual(stage.flushed, [['a']])
    assert.deepEqual(await stage.unflushed(), [])
    stage.open()
    await stage.own.settle(never)
    assert.deepEqual([stage.flushed.length, await stage.unflushed()], [1, []])
  })

  it('of an earlier process of which one cannot be flushed take away nothing but that one', async () => {
    using stage = new Stage()
    stage.save('a', 'bad')
    stage.open()
    stage.failing.add('bad')
    await stage.own.settle(never)
    assert.deepEqual(await stage.unflushed(), [2])
  })

  it('that others ask about are flushed at once, by name', async () => {
    using stage = new Stage()
    stage.save('a', 'b')
    stage.failing.add('b')
    assert.deepEqual(await stage.own.flush(['a', 'b', 'a'], never), new Set(['b']))
    assert.deepEqual(stage.flushed, [['a', 'b']])
    assert.deepEqual([stage.own.isUnflushed('a'), stage.own.isUnflushed('b')], [false, true])
    stage.meanwhile = () => stage.found('a')
    await stage.own.flush(['a'], never)
    assert.equal(stage.own.isUnflushed('a'), true, 'it was written again meanwhile')
  })
})

describe('flushing files', () => {
  it('keeps them and their names through any power loss, and passes over what is gone', async () => {
    for (let seed = 0; seed < 50; seed++) {
      let timeUs = 1_700_000_000_000_000
      const disk = new SimDisk({ nowUs: () => timeUs++, random: new SeededRandom('drive') })
      const files = new SimFiles(disk, { kind: 'engine', gate: new Gate({ faults: new DiskFaults(), life: new Life('process') }) })
      files.makeDirectory('/tree', 0o755)
      files.makeDirectory('/tree/d', 0o755)
      await files.syncDirectory('/')
      for (const path of ['/tree/a', '/tree/d/b']) {
        const file = files.open(path, 'create')
        file.write(utf8(`content of ${path}`), 0)
        file.close()
      }
      const paths = ['a', 'd/b', 'gone', 'none/c'].map(pathOf)
      assert.deepEqual((await flushFiles({ root: '/tree', paths }, { files })).output, { failed: [], error: undefined })
      disk.crash(new SeededRandom(seed))
      const user = new SimUser(disk)
      for (const path of ['/tree/a', '/tree/d/b']) assert.equal(fromUtf8(user.read(path) ?? new Uint8Array(0)), `content of ${path}`)
    }
  })

  it('says what failed, and of a directory all that is below it', async () => {
    const disk = new SimDisk({ nowUs: () => 0, random: new SeededRandom('drive') })
    const faults = new DiskFaults()
    const files = new SimFiles(disk, { kind: 'engine', gate: new Gate({ faults, life: new Life('process') }) })
    for (const directory of ['/tree', '/tree/d', '/tree/d/e']) files.makeDirectory(directory, 0o755)
    const paths = ['a', 'b', 'd/c', 'd/e/f']
    for (const path of paths) files.open(`/tree/${path}`, 'create').close()
    faults.add({ path: '/tree/a', operations: ['datasync'], fault: 'io' })
    faults.add({ path: '/tree/d', operations: ['syncDirectory'], fault: 'io' })
    const { output } = await flushFiles({ root: '/tree', paths: paths.map(pathOf) }, { files })
    assert.deepEqual(output.failed, ['a', 'd/c', 'd/e/f'])
    assert.ok(output.error !== undefined && output.error.length > 0)
  })
})
