// Jobs on a pool of worker threads. Threads start when there is work for them and stop after a while without:
// an idle daemon should not pay for their heaps. First come first served, one job a thread unless it is said otherwise.

import { Worker } from 'node:worker_threads'

import { EngineError, messageOf } from '../base/errors.ts'
import type { JobInput, JobOutput, Jobs, JobTable } from '../base/jobs.ts'
import type { Log } from '../base/log.ts'
import { unpackError } from './job-messages.ts'
import type { JobReply, JobRequest } from './job-messages.ts'

/** A thread that had no work for this long is stopped, but the last one. */
const defaultIdleMsMax = 30_000

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
  readonly running: Map<number, PendingJob>
  idleTimer: NodeJS.Timeout | undefined
  /** What the thread said before it died. */
  lastError: unknown
}

/**
 * A pool of at most `width` threads running `script`, which must call serveJobs(). Disposing refuses what is still queued with
 * `CLOSED`, waits for the jobs that run, then ends the threads. An aborted job that has started rejects with `ABORTED` when it
 * has ended, so that its caller knows that nothing touches the disk any more.
 */
export function openThreadJobs<Table extends JobTable>(options: ThreadJobsOptions): Jobs<Table> & AsyncDisposable {
  return new ThreadJobs<Table>(options)
}

export interface ThreadJobsOptions {
  readonly script: URL
  readonly width: number
  readonly log: Log
  /** How many jobs a thread works on at once: more than one for jobs that mostly wait. One if absent. */
  readonly jobsPerThread?: number
  /** A thread that had no work for this long is stopped, the last one too. Absent: after a while, but the last one. */
  readonly idleMsMax?: number
}

class ThreadJobs<Table extends JobTable> implements Jobs<Table>, AsyncDisposable {
  readonly width: number
  readonly #options: ThreadJobsOptions
  readonly #log: Log
  readonly #jobsPerThread: number
  readonly #queue: PendingJob[] = []
  readonly #threads = new Set<Thread>()
  /** With room for a job. Last in, first out: the busiest threads stay warm, the others reach their idle time. */
  readonly #open: Thread[] = []
  #nextId = 1
  #isClosed = false
  #closing: Promise<void> | undefined
  #onQuiet: () => void = () => undefined

  constructor(options: ThreadJobsOptions) {
    this.#options = options
    this.#log = options.log
    this.#jobsPerThread = options.jobsPerThread ?? 1
    this.width = options.width * this.#jobsPerThread
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
      const thread = this.#open.at(-1) ?? (this.#threads.size < this.#options.width ? this.#start() : undefined)
      if (thread === undefined) return
      const job = this.#queue.shift()
      if (job !== undefined) this.#give(thread, job)
    }
  }

  #give(thread: Thread, job: PendingJob): void {
    clearTimeout(thread.idleTimer)
    const id = this.#nextId++
    const request: JobRequest = { id, name: job.name, input: job.input }
    thread.running.set(id, job)
    if (thread.running.size >= this.#jobsPerThread) this.#remove(thread)
    try {
      thread.worker.postMessage(request, job.transfer)
    } catch (error) {
      // The input cannot be cloned: the thread has seen nothing of it.
      this.#finish(thread, id, () => job.reject(new EngineError('INTERNAL', `job ${job.name}: ${messageOf(error)}`, { cause: error })))
    }
  }

  #start(): Thread {
    const worker = new Worker(this.#options.script, { name: 'holdfast-job', resourceLimits })
    const thread: Thread = { worker, running: new Map(), idleTimer: undefined, lastError: undefined }
    this.#threads.add(thread)
    this.#open.push(thread)
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
    const job = thread.running.get(reply.id)
    if (job === undefined) return
    this.#finish(thread, reply.id, () => {
      if (job.signal.aborted) job.reject(abortedError(job.name, job.signal))
      else if (reply.kind === 'done') job.resolve(reply.output)
      else job.reject(unpackError(reply.error))
    })
  }

  #finish(thread: Thread, id: number, settle: () => void): void {
    const job = thread.running.get(id)
    job?.signal.removeEventListener('abort', job.onAbort)
    thread.running.delete(id)
    if (!this.#open.includes(thread)) this.#open.push(thread)
    if (thread.running.size === 0) {
      thread.idleTimer = setTimeout(() => this.#retire(thread), this.#options.idleMsMax ?? defaultIdleMsMax).unref()
    }
    settle()
    this.#dispatch()
    this.#tellIfQuiet()
  }

  #retire(thread: Thread): void {
    const keepsLast = this.#options.idleMsMax === undefined
    if (thread.running.size > 0 || (keepsLast && this.#threads.size <= 1)) return
    this.#remove(thread)
    this.#threads.delete(thread)
    void thread.worker.terminate()
  }

  /** Takes the thread from those with room. */
  #remove(thread: Thread): void {
    const at = this.#open.indexOf(thread)
    if (at >= 0) this.#open.splice(at, 1)
  }

  #bury(thread: Thread, exitCode: number): void {
    clearTimeout(thread.idleTimer)
    this.#remove(thread)
    const wasKnown = this.#threads.delete(thread)
    if (!wasKnown || (this.#isClosed && thread.running.size === 0)) return
    const reason = thread.lastError === undefined ? `exit code ${exitCode}` : messageOf(thread.lastError)
    const lost = [...thread.running.values()]
    this.#log.error('a worker thread died', { reason, jobs: lost.map(({ name }) => name).join(' ') })
    thread.running.clear()
    for (const job of lost) {
      job.signal.removeEventListener('abort', job.onAbort)
      job.reject(new EngineError('INTERNAL', `the worker thread died during job ${job.name}: ${reason}`, { cause: thread.lastError }))
    }
    this.#dispatch()
    this.#tellIfQuiet()
  }

  #tellIfQuiet(): void {
    for (const thread of this.#threads) if (thread.running.size > 0) return
    if (this.#queue.length === 0) this.#onQuiet()
  }
}

function abortedError(name: string, signal: AbortSignal): EngineError {
  return new EngineError('ABORTED', `job ${name} was stopped before it was done`, { cause: signal.reason })
}
