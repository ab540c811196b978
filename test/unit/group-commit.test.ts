// Steps that meet in one group: each does what it would do alone.

import assert from 'node:assert/strict'
import { it } from 'node:test'

import { present } from '../../engine/base/assert.ts'
import { silentLog } from '../../engine/base/log.ts'
import { Allowances } from '../../engine/blocks/allowances.ts'
import { GroupCommit } from '../../engine/blocks/group-commit.ts'
import { Reserve } from '../../engine/base/reserve.ts'
import { SegmentIndex } from '../../engine/blocks/segment-index.ts'
import { defaultSegmentLimits } from '../../engine/blocks/segment-limits.ts'
import { SegmentLog } from '../../engine/blocks/segment-log.ts'
import { SegmentTable } from '../../engine/blocks/segment-table.ts'
import { stillClock, testBlock, testFolder, testRandom } from '../support/blocks.ts'
import { CrashFiles } from '../support/crash-files.ts'

const folder = testFolder(1)
const block = testBlock(1)

function openCommits(): { readonly commits: GroupCommit; readonly index: SegmentIndex; readonly files: CrashFiles } {
  const files = new CrashFiles()
  files.makeDirectory('/store')
  const parts = {
    files,
    directory: '/store',
    random: testRandom,
    storeId: testRandom.bytes(16),
    limits: defaultSegmentLimits,
    clock: stillClock,
    log: silentLog,
  }
  const { index } = SegmentIndex.open({ ...parts, clock: stillClock, rowsMax: parts.limits.indexRowsMax })
  const table = new SegmentTable()
  const segments = new SegmentLog({ ...parts, table }, undefined)
  return {
    commits: new GroupCommit({
      ...parts,
      segments,
      index,
      table,
      reserve: new Reserve({ ...parts, path: '/store/reserve', sizeBytes: 0 }),
      allowances: new Allowances(),
    }),
    index,
    files,
  }
}

it('a tombstone that is carried on does not stand for a removal of the block as it is now', async () => {
  const { commits, index } = openCommits()
  await commits.commit([{ kind: 'put', block }])
  const carried = { kind: 'tombstone', folder, id: block.id, kills: { segment: 1, offset: 0 }, isDamage: false } as const
  await commits.commit([carried, { kind: 'remove', folder, id: block.id }])
  assert.equal(index.locate(folder, block.id), undefined)
})

it('a block that is not where compaction read it is not moved', async () => {
  const { commits, index } = openCommits()
  await commits.commit([{ kind: 'put', block }])
  const from = present(index.locate(folder, block.id), 'the block')
  await Promise.all([commits.commit([{ kind: 'remove', folder, id: block.id }]), commits.commit([{ kind: 'move', block, from }])])
  assert.equal(index.locate(folder, block.id), undefined)
})

it('an order that comes in the very turn in which the last group ends is carried out', async () => {
  for (let turns = 0; turns < 12; turns++) {
    const { commits, index } = openCommits()
    const first = commits.commit([{ kind: 'put', block }])
    while (index.locate(folder, block.id) === undefined) await Promise.resolve()
    for (let turn = 0; turn < turns; turn++) await Promise.resolve()
    const second = commits.exclusively(() => Promise.resolve())
    await Promise.all([first, second, commits.settle()])
  }
})
