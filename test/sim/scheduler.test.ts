// Virtual time, jobs and the watcher of a simulated machine.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { errorCodeOf } from '../../engine/base/errors.ts'
import { utf8 } from '../../engine/base/bytes.ts'
import type { JobInput, JobResult } from '../../engine/base/jobs.ts'
import type { WatchEvent } from '../../engine/disk/watch.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { Gate } from './disk-gate.ts'
import { SimDisk } from './disk.ts'
import { SimFiles } from './files.ts'
import { SimJobs } from './jobs.ts'
import { Life, SimCrash } from './life.ts'
import { Scheduler, SimClock, WallClock } from './scheduler.ts'
import { Trace } from './trace.ts'
import { SimUser } from './user.ts'
import { faithfulWatching, simWatcher } from './watcher.ts'

const { signal } = new AbortController()
const limits = { durationMs: 1000, stepsMax: 1000 }

function schedulerOf(seed: number): Scheduler {
  return new Scheduler(new SeededRandom(seed), new Trace())
}

test('time passes only between steps and timers fire in order of time', async () => {
  const scheduler = schedulerOf(1)
  const fired: string[] = []
  for (const delayMs of [30, 10, 20.5, 0]) scheduler.after(delayMs, 't', () => fired.push(`${delayMs} at ${scheduler.nowUs}`))
  assert.equal(await scheduler.runUntil(() => false, limits), 'idle')
  assert.deepEqual(fired, ['0 at 0', '10 at 10000', '20.5 at 20500', '30 at 30000'])
})

test('the seed decides who goes first among timers of one moment', async () => {
  const orders = new Set<string>()
  for (let seed = 0; seed < 40; seed++) {
    const run = async (): Promise<string> => {
      const scheduler = schedulerOf(seed)
      let order = ''
      for (const name of 'abc') scheduler.after(1, name, () => (order += name))
      await scheduler.runFor(10)
      return order
    }
    const order = await run()
    assert.equal(await run(), order)
    orders.add(order)
  }
  assert.equal(orders.size, 6)
})

test('a step waits for all that it set going: promises, ticks and immediates', async () => {
  const scheduler = schedulerOf(1)
  let depth = 0
  const dig = async (): Promise<void> => {
    for (let round = 0; round < 50; round++) {
      await new Promise<void>((resolve) => (round % 4 < 3 ? setImmediate(resolve) : process.nextTick(resolve)))
      if (round % 4 === 0) scheduler.touch()
      depth++
    }
  }
  scheduler.after(1, 'dig', () => void dig())
  scheduler.after(2, 'look', () => assert.equal(depth, 50))
  await scheduler.runFor(10)
  assert.equal(scheduler.steps, 2)
})

test('a sleep ends with its signal, never ends after its process, and a jump of the wall clock does not touch it', async () => {
  const scheduler = schedulerOf(1)
  const life = new Life('process')
  const wall = new WallClock(scheduler)
  const clock = new SimClock(scheduler, wall, 'clock', life)
  const abort = new AbortController()
  const ended: string[] = []
  const watch = (name: string, sleep: Promise<void>): void =>
    void sleep.then(
      () => ended.push(name),
      (error: unknown) => ended.push(`${name} ${errorCodeOf(error)}`),
    )
  watch('short', clock.sleep(10, signal))
  watch('aborted', clock.sleep(50, abort.signal))
  watch('long', clock.sleep(100, signal))
  const startMs = clock.nowMs()
  wall.jump(-60_000)
  await scheduler.runFor(20)
  abort.abort()
  await scheduler.runFor(20)
  life.end()
  await scheduler.runFor(200)
  assert.deepEqual(ended, ['short', 'aborted ABORTED'])
  assert.equal(clock.nowMs(), startMs - 60_000 + 240)
  assert.equal(clock.monotonicMs(), 240)
})

test('work that can never finish is said to be idle, not waited for', async () => {
  await assert.rejects(schedulerOf(1).settle(new Promise(() => undefined), limits), /did not finish: idle/)
})

function jobsOf(seed: number, width: number) {
  const scheduler = schedulerOf(seed)
  const random = new SeededRandom(seed)
  const life = new Life('process')
  const disk = new SimDisk({ nowUs: () => scheduler.nowUs, random })
  const files = new SimFiles(disk, { kind: 'engine', gate: new Gate({ life }) })
  let running = 0
  let runningMax = 0
  const table = {
    slow: async (input: { readonly bytes: Uint8Array }): Promise<JobResult<number>> => {
      runningMax = Math.max(runningMax, ++running)
      await scheduler.pause(5, 'work')
      running--
      return { output: input.bytes.length }
    },
    fail: (path: string): JobResult<string> => ({ output: files.readLink(path) }),
  }
  return { scheduler, life, disk, jobs: new SimJobs(table, { files, scheduler, random, life, width }), runningMax: () => runningMax }
}

test('jobs run at most `width` at once, take time, and moved buffers are gone for the caller', async () => {
  const { scheduler, jobs, runningMax } = jobsOf(1, 2)
  const inputs: JobInput<{ slow: (input: { readonly bytes: Uint8Array<ArrayBuffer> }) => JobResult<number> }, 'slow'>[] = []
  for (let size = 1; size <= 6; size++) inputs.push({ bytes: new Uint8Array(size) })
  const results = Promise.all(inputs.map((input) => jobs.run('slow', input, { signal, transfer: [input.bytes.buffer] })))
  assert.deepEqual(await scheduler.settle(results, limits), [1, 2, 3, 4, 5, 6])
  assert.equal(runningMax(), 2)
  assert.ok(scheduler.nowUs > 15_000)
  assert.deepEqual(
    inputs.map(({ bytes }) => bytes.length),
    [0, 0, 0, 0, 0, 0],
  )
})

test('a job that throws fails for its caller; a dead process gets no result', async () => {
  const { scheduler, jobs, life } = jobsOf(1, 2)
  await assert.rejects(scheduler.settle(jobs.run('fail', '/none', { signal }), limits), { name: 'FilesError', fault: 'missing' })
  let isDone = false
  void jobs.run('slow', { bytes: new Uint8Array(1) }, { signal }).finally(() => (isDone = true))
  await scheduler.runFor(1)
  life.end()
  await scheduler.runFor(1000)
  assert.equal(isDone, false)
  await assert.rejects(jobs.run('slow', { bytes: new Uint8Array(1) }, { signal }), SimCrash)
})

test('the watcher gathers changes below its root, keeps quiet about ignored ones, and dies when told', async () => {
  const scheduler = schedulerOf(1)
  const random = new SeededRandom(1)
  const disk = new SimDisk({ nowUs: () => scheduler.nowUs, random })
  const user = new SimUser(disk)
  user.mkdir('/tree')
  const life = new Life('process')
  let conditions = faithfulWatching
  const open = simWatcher({ disk, scheduler, random, life, conditions: () => conditions })
  const events: WatchEvent[] = []
  await scheduler.settle(
    open({ root: '/tree', isIgnored: (path) => path === 'no', onEvent: (event) => events.push(event) }, signal),
    limits,
  )
  for (const path of ['/tree/a', '/tree/no', '/outside', '/tree/b']) user.write(path, utf8('x'))
  assert.deepEqual(events, [])
  await scheduler.runFor(100)
  assert.deepEqual(events.splice(0), [{ kind: 'hint', paths: ['a', 'b'] }])
  conditions = { ...faithfulWatching, deathChance: 1 }
  user.write('/tree/a', utf8('y'))
  await scheduler.runFor(100)
  user.write('/tree/a', utf8('z'))
  await scheduler.runFor(100)
  assert.deepEqual(
    events.map(({ kind }) => kind),
    ['dead'],
  )
})
