// A person's own files: they count as held once they are on the device, and waiting for that costs one look at what is new.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fromUtf8, utf8 } from '../../engine/base/bytes.ts'
import { silentLog } from '../../engine/base/log.ts'
import { OwnFiles } from '../../engine/compose/own-files.ts'
import { flushFiles } from '../../engine/disk/flush-files-job.ts'
import { DiskFaults, Gate } from '../sim/disk-gate.ts'
import { SimDisk } from '../sim/disk.ts'
import { SimFiles } from '../sim/files.ts'
import { Life } from '../sim/life.ts'
import { SimUser } from '../sim/user.ts'
import { never } from '../support/blocks.ts'
import { IndexNode, pathOf } from '../support/index-world.ts'
import { SeededRandom } from '../support/seeded-random.ts'

interface Stage extends Disposable {
  readonly node: IndexNode
  readonly own: OwnFiles
  /** What was flushed, in turn: paths, or a whole tree. */
  readonly flushed: (readonly string[] | 'tree')[]
  failure: string | undefined
  hasTree: boolean
}

function openStage(): Stage {
  const node = new IndexNode(1)
  const flushed: (readonly string[] | 'tree')[] = []
  const stage = { node, flushed, failure: undefined as string | undefined, hasTree: true, [Symbol.dispose]: () => node[Symbol.dispose]() }
  const own = new OwnFiles({
    index: node.index,
    handle: node.handle,
    log: silentLog,
    jobs: {
      width: 1,
      run: async (_name, { paths }) => {
        flushed.push(paths)
        return await Promise.resolve(stage.failure)
      },
    },
    treeFlush: {
      filesMin: 256,
      flush: async () => {
        if (stage.hasTree) flushed.push('tree')
        return await Promise.resolve(stage.hasTree)
      },
    },
  })
  return Object.assign(stage, { own })
}

describe('files that a person wrote', () => {
  it('are flushed once, before their numbers are given', async () => {
    using stage = openStage()
    assert.equal(await stage.own.settle(never), 0)
    stage.node.write('a', 'one')
    stage.node.write('empty', '')
    assert.equal(await stage.own.settle(never), 2)
    stage.node.write('a', undefined)
    stage.node.write('b/c', 'two')
    assert.equal(await stage.own.settle(never), 4)
    assert.equal(await stage.own.settle(never), 4)
    assert.deepEqual(stage.flushed, [['a'], ['b/c']])
  })

  it('are flushed with all of the drive where there are many, and one by one where that cannot be had', async () => {
    using stage = openStage()
    const many = Array.from({ length: 700 }, (_, at) => ({ path: `f${at}`, text: 'x', base: [] }))
    stage.node.writeAll(many)
    assert.equal(await stage.own.settle(never), 700)
    assert.deepEqual(stage.flushed, ['tree'])
    stage.flushed.length = 0
    stage.hasTree = false
    stage.node.writeAll(many.map(({ path }) => ({ path: `again/${path}`, text: 'x', base: [] })))
    assert.equal(await stage.own.settle(never), 1400)
    assert.equal(new Set(stage.flushed.flat()).size, 700)
  })

  it('of which one could not be flushed do not count, and are tried again', async () => {
    using stage = openStage()
    stage.node.write('a', 'one')
    assert.equal(await stage.own.settle(never), 1)
    stage.failure = 'the disk reported an error'
    stage.node.write('b', 'one')
    assert.equal(await stage.own.settle(never), 1)
    stage.failure = undefined
    assert.equal(await stage.own.settle(never), 2)
    assert.deepEqual(stage.flushed.at(-1), ['b'])
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
      assert.equal((await flushFiles({ root: '/tree', paths }, { files })).output, undefined)
      disk.crash(new SeededRandom(seed))
      const user = new SimUser(disk)
      for (const path of ['/tree/a', '/tree/d/b']) assert.equal(fromUtf8(user.read(path) ?? new Uint8Array(0)), `content of ${path}`)
    }
  })

  it('says what failed', async () => {
    const disk = new SimDisk({ nowUs: () => 0, random: new SeededRandom('drive') })
    const faults = new DiskFaults()
    const files = new SimFiles(disk, { kind: 'engine', gate: new Gate({ faults, life: new Life('process') }) })
    files.makeDirectory('/tree', 0o755)
    files.open('/tree/a', 'create').close()
    faults.add({ path: '/tree/a', operations: ['datasync'], fault: 'io' })
    const { output } = await flushFiles({ root: '/tree', paths: [pathOf('a')] }, { files })
    assert.ok(output !== undefined && output.length > 0)
  })
})
