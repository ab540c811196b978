// The worker thread's side of thread-jobs.ts: takes one request at a time, runs the job, posts its result.

import { parentPort } from 'node:worker_threads'

import { EngineError } from '../base/errors.ts'
import { assert, present } from '../base/assert.ts'
import type { JobResult, JobTable, JobWorld } from '../base/jobs.ts'
import { packError } from './job-messages.ts'
import type { JobReply, JobRequest } from './job-messages.ts'

/** Called once by a worker's script; returns at once and serves until the thread is terminated. */
export function serveJobs(table: JobTable, world: JobWorld): void {
  const port = present(parentPort ?? undefined, 'jobs are served in a worker thread only')
  const reply = (message: JobReply, transfer: readonly ArrayBuffer[]): void => port.postMessage(message, transfer)
  port.on('message', (request: JobRequest) => {
    void serve(table, world, request, reply)
  })
}

async function serve(
  table: JobTable,
  world: JobWorld,
  request: JobRequest,
  reply: (message: JobReply, transfer: readonly ArrayBuffer[]) => void,
): Promise<void> {
  const { id } = request
  try {
    const result = await run(table, world, request)
    // An output that cannot be cloned or a buffer that cannot be moved throws here and becomes a failure like any other.
    reply({ id, kind: 'done', output: result.output }, result.transfer ?? [])
  } catch (error) {
    reply({ id, kind: 'failed', error: packError(error) }, [])
  }
}

async function run(table: JobTable, world: JobWorld, request: JobRequest): Promise<JobResult<unknown>> {
  const job = Object.hasOwn(table, request.name) ? table[request.name] : undefined
  if (job === undefined) throw new EngineError('INTERNAL', `no job is called ${request.name}`)
  const result = await job(request.input, world)
  assert(typeof result === 'object' && 'output' in result, `job ${request.name} gives a result with an output`)
  return result
}
