// What a folder's guard counts when hints, the end of a burst and a walk come in an unlucky order.

import assert from 'node:assert/strict'
import { unlinkSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'

import { silentLog } from '../../engine/base/log.ts'
import { nodeFiles } from '../../engine/platform/node-files.ts'
import { writeMarker } from '../../engine/disk/marker.ts'
import type { EngineJobs } from '../../engine/job-table.ts'
import { folderIdText } from '../../engine/model/ids.ts'
import { nodeClock } from '../../engine/platform/node-clock.ts'
import { openThreadJobs } from '../../engine/platform/thread-jobs.ts'
import { ChangeGuard } from '../../engine/sync/change-guard.ts'
import { Ingest } from '../../engine/sync/ingest.ts'
import { FolderWorld } from '../support/folder-world.ts'
import { IndexNode, pathOf } from '../support/index-world.ts'

const files = 100
const names: readonly string[] = Array.from({ length: files }, (_, at) => `file-${at}`)

test('deletions that a walk told when their burst was over count again the next time', async () => {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await FolderWorld.open())
  const node = stack.use(new IndexNode(0))
  const handle = { ...node.handle, root: folder.root }
  const { index, problems } = node
  await writeMarker(nodeFiles(), folder.root, { folder: folderIdText(handle.record.id), createdMs: 0 })
  for (const name of names) folder.write(name, `content of ${name}`)
  const script = new URL('../../engine/worker.ts', import.meta.url)
  const jobs = stack.use(openThreadJobs<EngineJobs>({ script, width: 1, log: silentLog }))
  const shared = { index, handle, clock: nodeClock(), log: silentLog, problems }
  const guard = new ChangeGuard(shared)
  const ending = new AbortController()
  const { promise: held, resolve: noteHeld } = Promise.withResolvers<void>()
  const { promise: interrupted, resolve: noteInterrupted } = Promise.withResolvers<void>()
  let hasWaited = false
  let written = 0
  const ingest = new Ingest({
    ...shared,
    jobs,
    guard,
    session: () => undefined,
    events: {
      isBeingApplied: () => false,
      committed: (outcome) => (written += outcome.written),
      rulesChanged: () => undefined,
      changed: () => {
        if (guard.isHeld) noteHeld()
        // The burst is over and its paths are hints again: now, before they are looked at, a walk is wanted.
        if (hasWaited && !guard.hasWaiting) {
          ingest.requestWalk()
          noteInterrupted()
        }
        hasWaited = guard.hasWaiting
      },
    },
  })
  const running = ingest.run(ending.signal)
  await ingest.firstWalk(ending.signal)

  const few = names.slice(0, 40)
  for (const name of few) unlinkSync(`${folder.root}/${name}`)
  ingest.hint(few)
  await interrupted
  await ingest.walkNow(ending.signal)
  assert.equal(index.items.totals(handle.row).files, files - few.length)
  for (const name of few) writeFileSync(`${folder.root}/${name}`, `content of ${name}, again`)
  await ingest.walkNow(ending.signal)
  assert.equal(index.items.totals(handle.row).files, files)

  written = 0
  const most = names.slice(0, 90)
  for (const name of most) unlinkSync(`${folder.root}/${name}`)
  ingest.hint(most)
  await held
  assert.equal(written, 0)
  assert.equal(guard.hold?.deleted, most.length)
  assert.ok(ingest.isWalked)
  ending.abort()
  await assert.rejects(running)
  assert.ok(!ingest.isWalked && ingest.isBusy, 'what happens on the disk from now on is not in the index')

  const ended = new AbortController()
  const again = ingest.run(ended.signal)
  assert.equal(ingest.hasWalked, false, 'nor is what happened meanwhile, until it was looked at')
  await ingest.firstWalk(ended.signal)
  assert.equal(ingest.hasWalked, true)
  ended.abort()
  await assert.rejects(again)
})

test('old names of files that were moved long ago make room for new ones', () => {
  using node = new IndexNode(0)
  const { index, handle, problems } = node
  let nowMs = 0
  const clock = { ...nodeClock(), monotonicMs: () => nowMs }
  const guard = new ChangeGuard({ index, handle, problems, clock })
  const isLoss = (path: string): boolean => guard.isLoss({ kind: 'file', path: pathOf(path) })
  for (let at = 0; at < 200_000; at++) guard.noteMoved(`${at}`)
  assert.ok(!isLoss('199999'))
  nowMs += 59_000
  guard.noteMoved('199999')
  nowMs += 2000
  guard.noteMoved('new')
  assert.deepEqual(['0', '199999', 'new'].map(isLoss), [true, false, false])
})
