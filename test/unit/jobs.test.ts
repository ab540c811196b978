// The pool of worker threads: what crosses the boundary, who runs when, what happens when a thread dies.

import assert from 'node:assert/strict'
import { it } from 'node:test'

import { EngineError } from '../../engine/base/errors.ts'
import { FilesError } from '../../engine/base/files.ts'
import type { Jobs } from '../../engine/base/jobs.ts'
import { silentLog } from '../../engine/base/log.ts'
import { openThreadJobs } from '../../engine/platform/thread-jobs.ts'
import type { Table } from '../support/job-script.ts'

const signal = new AbortController().signal
const script = new URL('../support/job-script.ts', import.meta.url)

function openJobs(width: number): Jobs<Table> & AsyncDisposable {
  return openThreadJobs<Table>({ script, width, log: silentLog })
}

/** [0]: set to release those who hold; [1]: how many hold. */
function makeCell(): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(8))
}

async function untilHeldBy(cell: Int32Array<SharedArrayBuffer>, count: number): Promise<void> {
  for (let held = Atomics.load(cell, 1); held < count; held = Atomics.load(cell, 1)) {
    const waiting = Atomics.waitAsync(cell, 1, held, 10_000)
    if (waiting.async) assert.equal(await waiting.value, 'ok', 'a job did not start within 10 s')
  }
}

function release(cell: Int32Array<SharedArrayBuffer>): void {
  Atomics.store(cell, 0, 1)
  Atomics.notify(cell, 0)
}

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof EngineError, String(error))
    assert.equal(error.code, code, error.message)
    return true
  }
}

it('a job runs elsewhere and its output comes back', async () => {
  await using jobs = openJobs(2)
  assert.equal(await jobs.run('add', { a: 2, b: 3 }, { signal }), 5)
  assert.deepEqual(await jobs.run('echo', { list: [1, 'x', new Uint8Array([1])] }, { signal }), { list: [1, 'x', new Uint8Array([1])] })
  assert.notEqual(await jobs.run('whichThread', undefined, { signal }), 0)
})

it('buffers are moved there and back, not copied', async () => {
  await using jobs = openJobs(1)
  const bytes = new Uint8Array([1, 2, 255])
  const result = jobs.run('increment', { bytes }, { signal, transfer: [bytes.buffer] })
  assert.equal(bytes.length, 0, 'the input was moved away')
  assert.deepEqual((await result).bytes, new Uint8Array([2, 3, 0]))
})

it('errors of the engine and of the file system keep what they say', async () => {
  await using jobs = openJobs(1)
  await assert.rejects(jobs.run('failEngine', undefined, { signal }), (error) => {
    assert.ok(error instanceof EngineError && error.cause instanceof FilesError)
    assert.deepEqual([error.code, error.message, error.cause.fault, error.cause.path], ['BAD_BLOCK', 'told so', 'noSpace', '/x'])
    return true
  })
  await assert.rejects(jobs.run('failFiles', { path: '/holdfast-none/x' }, { signal }), (error) => {
    assert.ok(error instanceof FilesError)
    assert.deepEqual([error.fault, error.path, error.message], ['missing', '/holdfast-none/x', 'open /holdfast-none/x: ENOENT'])
    return true
  })
  await assert.rejects(jobs.run('failOther', undefined, { signal }), hasCode('INTERNAL'))
  await assert.rejects(jobs.run('giveUncloneable', undefined, { signal }), hasCode('INTERNAL'))
  await assert.rejects(
    jobs.run('echo', () => undefined, { signal }),
    hasCode('INTERNAL'),
  )
  assert.equal(await jobs.run('add', { a: 1, b: 1 }, { signal }), 2)
})

it('as many jobs run at once as the pool is wide, the next ones in order', async () => {
  await using jobs = openJobs(2)
  const cell = makeCell()
  const held = [jobs.run('hold', { cell }, { signal }), jobs.run('hold', { cell }, { signal })]
  await untilHeldBy(cell, 2)
  const order: number[] = []
  const queued = [0, 1, 2, 3].map(async (at) => {
    await jobs.run('add', { a: at, b: 0 }, { signal })
    order.push(at)
  })
  assert.deepEqual(order, [])
  release(cell)
  const threads = await Promise.all(held)
  assert.notEqual(threads[0], threads[1])
  await Promise.all(queued)
  assert.deepEqual(
    order.toSorted((left, right) => left - right),
    [0, 1, 2, 3],
  )
})

it('a thread is started only for work that finds no idle one', async () => {
  await using jobs = openJobs(4)
  const threads = new Set<number>()
  for (let round = 0; round < 5; round++) threads.add(await jobs.run('whichThread', undefined, { signal }))
  assert.equal(threads.size, 1)
})

it('an abort takes a waiting job out of the queue and drops the result of a running one', async () => {
  await using jobs = openJobs(1)
  const cell = makeCell()
  const running = new AbortController()
  const waiting = new AbortController()
  const held = jobs.run('hold', { cell }, { signal: running.signal })
  const queued = jobs.run('hold', { cell }, { signal: waiting.signal })
  await untilHeldBy(cell, 1)
  waiting.abort()
  await assert.rejects(queued, hasCode('ABORTED'))
  running.abort()
  release(cell)
  await assert.rejects(held, hasCode('ABORTED'))
  assert.equal(Atomics.load(cell, 1), 1, 'the waiting job never started')
  await assert.rejects(jobs.run('add', { a: 1, b: 1 }, { signal: AbortSignal.abort() }), hasCode('ABORTED'))
})

for (const name of ['exit', 'throwLater'] as const) {
  it(`a thread that dies by ${name} fails its job only, and another takes its place`, async () => {
    await using jobs = openJobs(1)
    const doomed = jobs.run(name, undefined, { signal })
    const next = jobs.run('add', { a: 4, b: 4 }, { signal })
    await assert.rejects(doomed, hasCode('INTERNAL'))
    assert.equal(await next, 8)
  })
}

it('a script that cannot be loaded fails the job instead of hanging it', async () => {
  await using jobs = openThreadJobs<Table>({ script: new URL('none.ts', import.meta.url), width: 1, log: silentLog })
  await assert.rejects(jobs.run('add', { a: 1, b: 1 }, { signal }), hasCode('INTERNAL'))
})

it('closing waits for what runs and refuses what waits', async () => {
  const jobs = openJobs(1)
  const cell = makeCell()
  const held = jobs.run('hold', { cell }, { signal })
  const queued = jobs.run('add', { a: 1, b: 1 }, { signal })
  await untilHeldBy(cell, 1)
  const closed = jobs[Symbol.asyncDispose]()
  await assert.rejects(queued, hasCode('CLOSED'))
  await assert.rejects(jobs.run('add', { a: 1, b: 1 }, { signal }), hasCode('CLOSED'))
  release(cell)
  assert.ok((await held) > 0)
  await closed
  await jobs[Symbol.asyncDispose]()
})
