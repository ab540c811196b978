// Which temp files of large transfers stay: those of versions that are still needed.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { silentLog } from '../../engine/base/log.ts'
import { shortKeyOf } from '../../engine/index/columns.ts'
import type { EngineJobs } from '../../engine/job-table.ts'
import type { Entry } from '../../engine/model/entry.ts'
import { nodeClock } from '../../engine/platform/node-clock.ts'
import { openThreadJobs } from '../../engine/platform/thread-jobs.ts'
import { LargeTidy } from '../../engine/sync/large-tidy.ts'
import { largeTemporaryName } from '../../engine/sync/pull-large.ts'
import { FolderWorld } from '../support/folder-world.ts'
import { IndexNode } from '../support/index-world.ts'

const { signal } = new AbortController()

test('the temp file of a version that was replaced goes, that of one still needed stays, and nothing goes while files come in', async () => {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await FolderWorld.open())
  const node = stack.use(new IndexNode(1))
  const script = new URL('../../engine/worker.ts', import.meta.url)
  const jobs = stack.use(openThreadJobs<EngineJobs>({ script, width: 1, log: silentLog }))
  const handle = { ...node.handle, root: folder.root }
  let isPulling = true
  const tidy = new LargeTidy({ index: node.index, jobs, handle, clock: nodeClock(), isPulling: () => isPulling })
  const need = (entry: Entry): void => node.index.transact(() => node.index.needs.put(handle.row, shortKeyOf(entry.entryId), 1, 1))

  const replaced = node.write('film.mkv', 'first cut')
  const current = node.write('film.mkv', 'final cut')
  const applied = node.write('done.mkv', 'done')
  const postponed = node.write('rare.mkv', 'nobody has it now')
  for (const entry of [current, postponed]) need(entry)
  node.index.transact(() => node.index.needs.postpone(handle.row, shortKeyOf(postponed.entryId), Number.MAX_SAFE_INTEGER - 1, 'NO_SOURCE'))
  for (const entry of [replaced, current, applied, postponed]) folder.write(`.holdfast/temp/${largeTemporaryName(entry)}`, 'part')
  folder.write('.holdfast/temp/small-1', 'in use')

  assert.equal(await tidy.tidy(signal), false)
  assert.equal(folder.namesIn('.holdfast/temp').length, 5)
  isPulling = false
  assert.equal(await tidy.tidy(signal), true)
  assert.deepEqual(
    new Set(folder.namesIn('.holdfast/temp')),
    new Set([largeTemporaryName(current), largeTemporaryName(postponed), 'small-1']),
  )
})
