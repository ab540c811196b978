// The bytes of a segment store, which must never change: blocks on people's disks are written like this. A failure here is a format
// change, not a stale test: it needs a new segment version, docs/disk-format.md, and code that still reads these bytes.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { it } from 'node:test'

import { present } from '../../engine/base/assert.ts'
import { fromHex, toHex } from '../../engine/base/bytes.ts'
import { openSmallStore, testBlock, testFolder } from '../support/blocks.ts'
import { goldenStore } from './segment-store-golden.ts'

function goldenFiles(): ReadonlyMap<string, string> {
  const files = new Map<string, string>()
  let path = ''
  for (const line of readFileSync(new URL('segment.hex', import.meta.url), 'utf8')
    .trim()
    .split('\n')) {
    if (line.startsWith('/')) path = line
    else files.set(path, (files.get(path) ?? '') + line)
  }
  return files
}

it('marker, segments and footer are written byte by byte as when the format was set', async () => {
  const files = await goldenStore()
  for (const [path, hex] of goldenFiles()) assert.equal(toHex(files.bytesOf(path)), hex, path)
})

it('a store of that time is read', async () => {
  const whole = await goldenStore()
  const files = whole.afterPowerLoss(() => 0)
  for (const [path, hex] of goldenFiles()) files.replaceBytes(path, present(fromHex(hex), 'the golden file is hexadecimal'))
  await using store = await openSmallStore(files, {}, false)
  assert.equal(store.has(testFolder(1), testBlock(1, 20).id), false)
  for (const block of [testBlock(2, 30, testFolder(2)), testBlock(3, 40)])
    assert.deepEqual(await store.get(block.folder, block.id), block.bytes)
  assert.equal(store.quarantine().count, 0)
})
