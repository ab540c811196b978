// Jobs on a pool of worker threads. Threads start when there is work for them and stop after a while without:
// an idle daemon should not pay for their heaps. One job a thread at a time, first come first served.

import { Worker } from 'node:worker_threads'

import { EngineError, messageOf } from '../base/errors.ts'
import type { JobInput, JobOutput, Jobs, JobTable } from '../base/jobs.ts'
import type { Log } from '../base/log.ts'
import { unpackError } from './job-messages.ts'
import type { JobReply, JobRequest } from './job-messages.ts'

/** A thread that had no work for this long is stopped, but the last one. */
const idleMsMax = 30_000

// Bounds, not reservations. Measured on Node 24: an idle thread costs 13 MB with Node's compile cache on and 29 MB without (the
// difference is the copy of the type stripper that each thread would load), 25 to 40 MB after much garbage, whatever the young
// generation's bound between 1 and 16 MiB. The old generation must hold the listing of a directory with a million items.
const resourceLimits = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 1024, stackSizeMb: 4 }

interface PendingJob {
  readonly name: string
  readonly input: unknown
  readonly transfer: readonly ArrayBuffer[]
  readonly signal: AbortSignal
  readonly onAbort: () => void
  readonly resolve: (output: unknown) => void
  readonly reject: (error: unknown) => void
}

interface Thread {
  readonly worker: Worker
  running: { readonly id: number; readonly job: PendingJob } | undefined
  idleTimer: NodeJS.Timeout | undefined
  /** What the thread said before it died. */
  lastError: unknown
}

/**
 * A pool of at most `width` threads running `script`, which must call serveJobs(). Disposing refuses what is still queued with
 * `CLOSED`, waits for the jobs that run, then ends the threads. An aborted job that has started rejects with `ABORTED` when it
 * has ended, so that its caller knows that nothing touches the disk any more.
 */
export function openThreadJobs<Table extends JobTable>(options: {
  readonly script: URL
  readonly width: number
  readonly log: Log
}): Jobs<Table> & AsyncDisposable {
  return new ThreadJobs<Table>(options.script, options.width, options.log)
}

class ThreadJobs<Table extends JobTable> implements Jobs<Table>, AsyncDisposable {
  readonly width: number
  readonly #script: URL
  readonly #log: Log
  readonly #queue: PendingJob[] = []
  readonly #threads = new Set<Thread>()
  /** Last in, first out: the busiest threads stay warm, the others reach their idle time. */
  readonly #idle: Thread[] = []
  #nextId = 1
  #isClosed = false
  #closing: Promise<void> | undefined
  #onQuiet: () => void = () => undefined

  constructor(script: URL, width: number, log: Log) {
    this.#script = script
    this.width = width
    this.#log = log
  }

  run<Name extends keyof Table & string>(
    name: Name,
    input: JobInput<Table, Name>,
    options: { readonly signal: AbortSignal; readonly transfer?: readonly ArrayBuffer[] },
  ): Promise<JobOutput<Table, Name>> {
    const { signal, transfer = [] } = options
    return new Promise<JobOutput<Table, Name>>((resolve, reject) => {
      if (this.#isClosed) return reject(new EngineError('CLOSED', `job ${name} was not started: the workers are closed`))
      if (signal.aborted) return reject(abortedError(name, signal))
      const job: PendingJob = { name, input, transfer, signal, onAbort: () => this.#dropQueued(job), resolve, reject }
      signal.addEventListener('abort', job.onAbort, { once: true })
      this.#queue.push(job)
      this.#dispatch()
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#isClosed = true
    for (const job of this.#queue.splice(0)) {
      job.signal.removeEventListener('abort', job.onAbort)
      job.reject(new EngineError('CLOSED', `job ${job.name} was not started: the workers were closed`))
    }
    await new Promise<void>((resolve) => {
      this.#onQuiet = resolve
      this.#tellIfQuiet()
    })
    await Promise.all([...this.#threads].map((thread) => thread.worker.terminate()))
  }

  #dropQueued(job: PendingJob): void {
    const at = this.#queue.indexOf(job)
    if (at < 0) return // it runs: its end will tell
    this.#queue.splice(at, 1)
    job.reject(abortedError(job.name, job.signal))
  }

  #dispatch(): void {
    while (this.#queue.length > 0) {
      const thread = this.#idle.pop() ?? (this.#threads.size < this.width ? this.#start() : undefined)
      if (thread === undefined) return
      const job = this.#queue.shift()
      if (job !== undefined) this.#give(thread, job)
    }
  }

  #give(thread: Thread, job: PendingJob): void {
    clearTimeout(thread.idleTimer)
    const id = this.#nextId++
    const request: JobRequest = { id, name: job.name, input: job.input }
    thread.running = { id, job }
    try {
      thread.worker.postMessage(request, job.transfer)
    } catch (error) {
      // The input cannot be cloned: the thread has seen nothing of it.
      this.#finish(thread, () => job.reject(new EngineError('INTERNAL', `job ${job.name}: ${messageOf(error)}`, { cause: error })))
    }
  }

  #start(): Thread {
    const worker = new Worker(this.#script, { name: 'holdfast-job', resourceLimits })
    const thread: Thread = { worker, running: undefined, idleTimer: undefined, lastError: undefined }
    this.#threads.add(thread)
    worker.on('message', (reply: JobReply) => this.#settle(thread, reply))
    worker.on('messageerror', (error) => {
      thread.lastError = error
      void worker.terminate()
    })
    worker.on('error', (error) => {
      thread.lastError = error
    })
    worker.on('exit', (exitCode) => this.#bury(thread, exitCode))
    return thread
  }

  #settle(thread: Thread, reply: JobReply): void {
    if (thread.running?.id !== reply.id) return
    const { job } = thread.running
    this.#finish(thread, () => {
      if (job.signal.aborted) job.reject(abortedError(job.name, job.signal))
      else if (reply.kind === 'done') job.resolve(reply.output)
      else job.reject(unpackError(reply.error))
    })
  }

  #finish(thread: Thread, settle: () => void): void {
    thread.running?.job.signal.removeEventListener('abort', thread.running.job.onAbort)
    thread.running = undefined
    this.#idle.push(thread)
    thread.idleTimer = setTimeout(() => this.#retire(thread), idleMsMax).unref()
    settle()
    this.#dispatch()
    this.#tellIfQuiet()
  }

  #retire(thread: Thread): void {
    const at = this.#idle.indexOf(thread)
    if (at < 0 || this.#threads.size <= 1) return
    this.#idle.splice(at, 1)
    this.#threads.delete(thread)
    void thread.worker.terminate()
  }

  #bury(thread: Thread, exitCode: number): void {
    clearTimeout(thread.idleTimer)
    const at = this.#idle.indexOf(thread)
    if (at >= 0) this.#idle.splice(at, 1)
    const wasKnown = this.#threads.delete(thread)
    if (!wasKnown || (this.#isClosed && thread.running === undefined)) return
    const reason = thread.lastError === undefined ? `exit code ${exitCode}` : messageOf(thread.lastError)
    const job = thread.running?.job
    this.#log.error('a worker thread died', { reason, job: job?.name })
    thread.running = undefined
    job?.signal.removeEventListener('abort', job.onAbort)
    job?.reject(new EngineError('INTERNAL', `the worker thread died during job ${job.name}: ${reason}`, { cause: thread.lastError }))
    this.#dispatch()
    this.#tellIfQuiet()
  }

  #tellIfQuiet(): void {
    for (const thread of this.#threads) if (thread.running !== undefined) return
    if (this.#queue.length === 0) this.#onQuiet()
  }
}

function abortedError(name: string, signal: AbortSignal): EngineError {
  return new EngineError('ABORTED', `job ${name} was stopped before it was done`, { cause: signal.reason })
}
