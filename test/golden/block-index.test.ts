// The bytes of the block index. When they change, the version in them does too, and docs/disk-format.md.

import assert from 'node:assert/strict'
import { it } from 'node:test'

import { toHex } from '../../engine/base/bytes.ts'
import { silentLog } from '../../engine/base/log.ts'
import { SegmentIndex } from '../../engine/blocks/segment-index.ts'
import { newSegmentState, type Checkpoint } from '../../engine/blocks/segment-table.ts'
import { blake3 } from '../../engine/crypto/hash.ts'
import { stillClock, testBlock, testBytes, testFolder } from '../support/blocks.ts'
import { CrashFiles } from '../support/crash-files.ts'

it('manifest and runs are written byte by byte as when the format was set', async () => {
  const files = new CrashFiles()
  files.makeDirectory('/store')
  const parts = { files, directory: '/store', storeId: testBytes(1, 16), clock: stillClock, log: silentLog, rowsMax: 1000 }
  const { index } = SegmentIndex.open(parts)
  for (const [at, folder] of [testFolder(1), testFolder(2)].entries()) {
    for (let seed = 0; seed < 100; seed++) {
      const { id, bytes } = testBlock(seed, 50 + seed, folder)
      const location = { segment: 1 + (seed % 3), offset: 64 + seed * 1000 + at, payloadBytes: bytes.length }
      index.apply([{ kind: 'put', folder, id, location }])
    }
  }
  const segments = [1, 2, 3].map((number) => ({ ...newSegmentState(number, number - 1), endBytes: number * 1000, hasFooter: number < 3 }))
  segments[1]?.tombstoneBytes.set(1, 224)
  const checkpoint: Checkpoint = { end: { segment: 3, offset: 3000 }, segments, leftovers: new Set([2]) }
  await index.save(checkpoint)
  index.apply([{ kind: 'remove', folder: testFolder(2), id: testBlock(7, 57).id }])
  await index.save(checkpoint)
  await index.close()
  const written = files.paths().map((path) => `${path} ${files.bytesOf(path).length} ${toHex(blake3(files.bytesOf(path)))}`)
  assert.deepEqual(written, [
    '/store/index/0000000001.run 12638 1352c56ce5feeed4996091a4727daa343b7c63c30af959ab7d3e77b8ecd15ce4',
    '/store/index/0000000002.run 4180 62cfb3399063a9b1b47bd10b1c5bd4b1c3d4bb202a0c84f040e4db2132caf599',
    '/store/index/manifest 277 434464a34ab1ea400da1a0caabbbeda71bfbe4208701450b995bad70a46f6e42',
  ])
  const opened = SegmentIndex.open(parts)
  assert.deepEqual(opened.checkpoint, checkpoint)
})
