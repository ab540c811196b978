// A segment file that somebody deletes or moves away under a running store: what was in it is let go of at the next look, or at the first read that
// meets it, and nothing is promised any more that is written to it.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { present } from '../../engine/base/assert.ts'
import { recordBytesOf, segmentHeaderBytes } from '../../engine/blocks/record.ts'
import type { SegmentStore } from '../../engine/blocks/segment-store.ts'
import type { StoredBlock } from '../../engine/blocks/store.ts'
import { never, openSmallStore, testBlock, testFolder } from '../support/blocks.ts'
import { CrashFiles } from '../support/crash-files.ts'

const folder = testFolder(1)
const blocks: readonly StoredBlock[] = Array.from({ length: 5 }, (_, seed) => testBlock(seed, 200))
const later: readonly StoredBlock[] = [testBlock(100, 200), testBlock(101, 200)]
const all = [...blocks, ...later]
const limits = { segmentBytes: segmentHeaderBytes + 5 * recordBytesOf(200) }
const [firstPath, secondPath] = ['/store/0000000001.segment', '/store/0000000002.segment']
const [yes, no] = [true, false]

/** Five blocks in a first segment, two in a second one, which is the active one. */
async function filled(): Promise<CrashFiles> {
  const files = new CrashFiles()
  await using store = await openSmallStore(files, limits)
  for (const block of all) await store.put([block])
  return files
}

async function look(store: SegmentStore): Promise<void> {
  await present(store.inspection?.lookForMissing, 'a store on a disk')(never)
}

function whatIsHere(store: SegmentStore): readonly boolean[] {
  return all.map(({ id }) => store.has(folder, id))
}

async function checkReadable(store: SegmentStore): Promise<void> {
  for (const { id, bytes } of all) if (store.has(folder, id)) assert.deepEqual(await store.get(folder, id), bytes)
}

describe('a segment whose file is gone', () => {
  it('is let go of at the next look, all of it and nothing else, and told', async () => {
    for (const [path, expected] of [
      [firstPath, [no, no, no, no, no, yes, yes]],
      [secondPath, [yes, yes, yes, yes, yes, no, no]],
    ] as const) {
      const files = await filled()
      await using store = await openSmallStore(files, limits, false)
      await checkReadable(store) // its files are open, and could be read on
      const told: unknown[] = []
      store.onDamaged = (record) => told.push(record?.reason)
      await look(store)
      assert.deepEqual([whatIsHere(store), told], [all.map(() => yes), []])
      files.unlink(path)
      await look(store)
      await look(store)
      assert.deepEqual(whatIsHere(store), expected)
      assert.deepEqual(told, ['missing'])
      assert.equal(store.totals().blocks, expected.filter(Boolean).length)
      await checkReadable(store)
      await store.put(all)
      await store.compact(never)
      assert.deepEqual(
        whatIsHere(store),
        all.map(() => yes),
      )
      await checkReadable(store)
    }
  })

  it('is found missing by the first read that meets it', async () => {
    const files = await filled()
    await using store = await openSmallStore(files, limits, false)
    present(store.inspection, 'a store on a disk').reopen(1)
    files.unlink(firstPath)
    await assert.rejects(store.get(folder, present(blocks[0], 'a block').id), { code: 'DISK_FAILED' })
    await store.put([testBlock(102)]) // in its turn after that
    assert.deepEqual(whatIsHere(store), [no, no, no, no, no, yes, yes])
    assert.equal(await store.get(folder, present(blocks[0], 'a block').id), undefined)
  })

  it('has nothing promised that is written to it', async () => {
    const files = await filled()
    const block = testBlock(103)
    {
      await using store = await openSmallStore(files, limits, false)
      files.unlink(secondPath)
      await store.put([block])
      await look(store)
      assert.deepEqual(whatIsHere(store), [yes, yes, yes, yes, yes, no, no])
      assert.equal(store.has(folder, block.id), true)
    }
    await using again = await openSmallStore(
      files.afterPowerLoss(() => 0),
      limits,
      false,
    )
    assert.deepEqual(await again.get(folder, block.id), block.bytes)
    assert.deepEqual(whatIsHere(again), [yes, yes, yes, yes, yes, no, no])
  })

  it('is no reason to leave out what is put again while it is let go of', async () => {
    const files = await filled()
    await using store = await openSmallStore(files, limits, false)
    files.unlink(firstPath)
    const lstat = files.lstat.bind(files)
    let putting: Promise<void> | undefined
    let looks = 0
    files.lstat = (path) => {
      if (path === firstPath && ++looks === 2) putting = store.put(blocks)
      return lstat(path)
    }
    await look(store)
    assert.notEqual(putting, undefined)
    await putting
    assert.deepEqual(
      whatIsHere(store),
      all.map(() => yes),
    )
    await checkReadable(store)
  })

  it('says nothing where the whole store is not in its place', async () => {
    const files = await filled()
    await using store = await openSmallStore(files, limits, false)
    const marker = files.bytesOf('/store/store').slice()
    for (const path of [firstPath, '/store/store']) files.unlink(path)
    await look(store)
    assert.deepEqual(
      whatIsHere(store),
      all.map(() => yes),
    )
    const file = files.open('/store/store', 'create')
    file.write(marker, 0)
    file.close()
    await look(store)
    assert.deepEqual(whatIsHere(store), [no, no, no, no, no, yes, yes])
  })

  it('is as gone when the store is opened again, however far its index was saved, and here again with its file', async () => {
    for (const indexRowsMax of [2, 1000]) {
      const files = await filled()
      const bytes = files.bytesOf(firstPath).slice()
      {
        await using store = await openSmallStore(files, { ...limits, indexRowsMax }, false)
        files.unlink(firstPath)
        await look(store)
      }
      {
        await using again = await openSmallStore(files, { ...limits, indexRowsMax }, false)
        assert.deepEqual(whatIsHere(again), [no, no, no, no, no, yes, yes])
        await checkReadable(again)
      }
      const file = files.open(firstPath, 'create')
      file.write(bytes, 0)
      file.close()
      await using back = await openSmallStore(files, { ...limits, indexRowsMax }, false)
      assert.deepEqual(
        whatIsHere(back),
        all.map(() => yes),
      )
      await checkReadable(back)
    }
  })
})
