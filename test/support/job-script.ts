// A worker script with jobs that do what jobs may do, well and badly.

import { EngineError } from '../../engine/base/errors.ts'
import { FilesError } from '../../engine/base/files.ts'
import type { Job, JobTable } from '../../engine/base/jobs.ts'
import { serveJobs } from '../../engine/platform/job-thread.ts'
import { nodeFiles } from '../../engine/platform/node-files.ts'
import { threadId } from 'node:worker_threads'

const add: Job<{ a: number; b: number }, number> = ({ a, b }) => ({ output: a + b })

/** Adds one to each byte and moves the buffer back. */
const increment: Job<{ bytes: Uint8Array<ArrayBuffer> }, { bytes: Uint8Array<ArrayBuffer>; wasMoved: boolean }> = ({ bytes }) => {
  for (let at = 0; at < bytes.length; at++) bytes[at] = (bytes[at] ?? 0) + 1
  return { output: { bytes, wasMoved: true }, transfer: [bytes.buffer] }
}

const echo: Job<unknown, unknown> = (input) => ({ output: input })

const whichThread: Job<undefined, number> = () => ({ output: threadId })

/** Blocks until the main thread sets the cell: a job of a length that the test decides. */
const hold: Job<{ cell: Int32Array<SharedArrayBuffer> }, number> = ({ cell }) => {
  Atomics.add(cell, 1, 1)
  Atomics.notify(cell, 1)
  Atomics.wait(cell, 0, 0)
  return { output: threadId }
}

const failEngine: Job<undefined, never> = () => {
  throw new EngineError('BAD_BLOCK', 'told so', { cause: new FilesError('noSpace', 'write', '/x', 'ENOSPC') })
}

const failFiles: Job<{ path: string }, never> = ({ path }, { files }) => {
  files.open(path, 'read')
  throw new Error('it was there')
}

const failOther: Job<undefined, never> = async () => {
  throw new TypeError('a bug')
}

const giveUncloneable: Job<undefined, unknown> = () => ({ output: () => undefined })

const exit: Job<undefined, never> = () => process.exit(7)

const throwLater: Job<undefined, void> = () => {
  queueMicrotask(() => {
    throw new Error('thrown outside the job')
  })
  return new Promise(() => undefined)
}

export interface Table extends JobTable {
  readonly add: typeof add
  readonly increment: typeof increment
  readonly echo: typeof echo
  readonly whichThread: typeof whichThread
  readonly hold: typeof hold
  readonly failEngine: typeof failEngine
  readonly failFiles: typeof failFiles
  readonly failOther: typeof failOther
  readonly giveUncloneable: typeof giveUncloneable
  readonly exit: typeof exit
  readonly throwLater: typeof throwLater
}

const table: Table = { add, increment, echo, whichThread, hold, failEngine, failFiles, failOther, giveUncloneable, exit, throwLater }

serveJobs(table, { files: nodeFiles() })
