// Where a home's blocks are: a store that is gone, with its directory or without, is not begun anew in silence.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import type { Random } from '../../engine/base/clock.ts'
import { silentLog } from '../../engine/base/log.ts'
import type { SegmentStore } from '../../engine/blocks/segment-store.ts'
import { openStore } from '../../engine/compose/store-place.ts'
import type { EngineWorld } from '../../engine/compose/parts.ts'
import { never, seededChance, stillClock, testBlock, testFolder } from '../support/blocks.ts'
import { CrashFiles } from '../support/crash-files.ts'
import { firstIdentity } from '../support/model-values.ts'

const folder = testFolder(1)

/** `seed`: of the id of a store that is made. */
async function open(files: CrashFiles, isNewStore = false, seed = 1): Promise<SegmentStore> {
  const random: Random = { bytes: (length) => new Uint8Array(length).fill(seed) }
  const parts = { files, clock: stillClock, random, log: silentLog, isNewStore }
  const world = { ...parts, home: '/home', segmentsPath: '/home/segments', bucketPath: '/home/bucket', name: 'host' }
  return await openStore(world as unknown as EngineWorld, firstIdentity, never) // cast: all that is read of it
}

/** A home with a store that has one block. */
async function filled(): Promise<CrashFiles> {
  const files = new CrashFiles()
  files.makeDirectory('/home')
  await using store = await open(files)
  await store.put([testBlock(1)])
  return files
}

/** The home as it is when the store is gone from it. */
function withoutStore(files: CrashFiles, isWithDirectory: boolean): CrashFiles {
  const left = new CrashFiles()
  left.makeDirectory('/home')
  if (!isWithDirectory) left.makeDirectory('/home/segments')
  for (const path of files.paths().filter((each) => !each.startsWith('/home/segments/'))) {
    const file = left.open(path, 'create')
    file.write(files.bytesOf(path), 0)
    file.close()
  }
  return left
}

describe('the block store of a home', () => {
  it('is found again, and one that the home does not remember is remembered', async () => {
    const files = await filled()
    files.unlink('/home/segments.id')
    for (let start = 0; start < 2; start++) {
      await using store = await open(files)
      assert.equal(store.has(folder, testBlock(1).id), true)
    }
    assert.ok(files.paths().includes('/home/segments.id'))
  })

  for (const isWithDirectory of [false, true]) {
    const what = isWithDirectory ? 'that is gone with its directory' : 'whose directory is empty'
    it(`scenarios T16, T17: ${what} is refused until it is back, and nothing is begun in its place`, async () => {
      const files = withoutStore(await filled(), isWithDirectory)
      const before = files.paths()
      for (let start = 0; start < 2; start++)
        await assert.rejects(open(files), { code: 'HOME_UNUSABLE', message: /though there was one before.*mount it.*--new-store/ })
      assert.deepEqual(files.paths(), before)
    })

    it(`scenario T17: ${what} is begun anew when a person says that it is gone for good`, async () => {
      const files = withoutStore(await filled(), isWithDirectory)
      {
        await using store = await open(files, true, 2)
        assert.equal(store.totals().blocks, 0)
        await store.put([testBlock(2)])
      }
      await using again = await open(files)
      assert.equal(again.has(folder, testBlock(2).id), true)
    })
  }

  it('scenario T17: of another home is refused', async () => {
    const files = await filled()
    const other = new CrashFiles()
    other.makeDirectory('/home')
    {
      await using store = await open(other, false, 2)
      assert.equal(store.totals().blocks, 0)
    }
    files.bytesOf('/home/segments/store').set(other.bytesOf('/home/segments/store'))
    await assert.rejects(open(files), { code: 'HOME_UNUSABLE', message: /not the one of this home/ })
  })

  it('scenario T10: is made by the next start after a crash at any call of its making, by kill or power loss, and refused by none', async () => {
    let isOver = false
    for (let call = 1; !isOver; call++) {
      const files = new CrashFiles()
      files.makeDirectory('/home')
      files.crashAtCall = files.calls + call
      isOver = await open(files).then(
        (store) => store[Symbol.asyncDispose]().then(() => true),
        () => false,
      )
      for (const found of [files.afterKill(), files.afterPowerLoss(seededChance(call))]) {
        {
          await using store = await open(found)
          await store.put([testBlock(1)])
        }
        await using store = await open(found)
        assert.equal(store.has(folder, testBlock(1).id), true, `after call ${call}`)
      }
    }
  })
})
