// When a folder's watcher is opened again: how soon after it died, and when other paths are to be ignored.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { FolderWatch } from '../../engine/compose/folder-watch.ts'
import type { WatcherOptions } from '../../engine/disk/watch.ts'
import { FolderProblems } from '../../engine/sync/problems.ts'
import { Scheduler, SimClock, WallClock } from '../sim/scheduler.ts'
import { Trace } from '../sim/trace.ts'
import { SeededRandom } from '../support/seeded-random.ts'

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined, child: () => silent }
const minuteMs = 60_000

/** A watch on virtual time; `lastsMs` says how long each watcher lives, the last one for ever. */
async function watchFor(durationMs: number, lastsMs: readonly number[], rulesChangeAtMs?: number) {
  const random = new SeededRandom('folder watch')
  const scheduler = new Scheduler(random, new Trace())
  const clock = new SimClock(scheduler, new WallClock(scheduler, 0), 'folder')
  const problems = new FolderProblems(() => undefined)
  const openedMs: number[] = []
  let walks = 0
  let open = 0
  const watch = new FolderWatch({
    world: {
      clock,
      random,
      log: silent,
      openWatcher: async ({ onEvent }: WatcherOptions) => {
        const lastMs = lastsMs[openedMs.length]
        openedMs.push(Math.round(clock.monotonicMs()))
        open++
        if (lastMs !== undefined) scheduler.after(lastMs, 'death', () => onEvent({ kind: 'dead', reason: 'of age' }))
        return { method: 'native', [Symbol.asyncDispose]: async () => void open-- }
      },
    },
    root: '/tree',
    ingest: { hint: () => undefined, requestWalk: () => void walks++, isIgnored: () => false },
    problems,
    changed: () => undefined,
  })
  const ending = new AbortController()
  const running = watch.run(ending.signal)
  if (rulesChangeAtMs !== undefined) scheduler.after(rulesChangeAtMs, 'rules', () => watch.rulesChanged())
  await scheduler.runFor(durationMs)
  const result = { openedMs, walks, open, problems: problems.all().map(({ code }) => code), method: watch.method }
  ending.abort()
  await assert.rejects(running)
  return result
}

test('a watcher that dies young is opened again after growing pauses, one that lived a while after a short one', async () => {
  const { openedMs, problems, open } = await watchFor(20 * minuteMs, [0, 0, 0, 10 * minuteMs])
  assert.deepEqual(openedMs, [0, 1000, 3000, 7000, 7000 + 10 * minuteMs + 1000])
  assert.equal(open, 1)
  assert.deepEqual(problems, [])
})

test('under other ignore rules another watcher is opened at once, and the tree is walked', async () => {
  const { openedMs, walks, open, problems, method } = await watchFor(minuteMs, [], 5000)
  assert.deepEqual(openedMs, [0, 5000])
  assert.deepEqual({ walks, open, problems, method }, { walks: 2, open: 1, problems: [], method: 'native' })
})
